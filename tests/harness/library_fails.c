/* XGBoost, zlib, libpng, libarchive and SHA-256 as if they had no memory: link with no_memory.c. */
#include <config.h>

#include "tests/harness/no_memory.h"

#include <stdint.h>
#include <xgboost/c_api.h>
#include <zlib.h>

/* A function of XGBoost answers −1 when it fails. */
#define XGB(name, parameters, arguments)                                                           \
  int __real_##name parameters;                                                                    \
  int __wrap_##name parameters;                                                                    \
  int __wrap_##name parameters                                                                     \
  {                                                                                                \
    return no_memory_strikes() ? -1 : __real_##name arguments;                                     \
  }

XGB(XGDMatrixCreateFromMat,
    (const float *data, bst_ulong rows, bst_ulong columns, float missing, DMatrixHandle *out),
    (data, rows, columns, missing, out))
XGB(XGDMatrixSetFloatInfo,
    (DMatrixHandle handle, const char *field, const float *values, bst_ulong length),
    (handle, field, values, length))
XGB(XGBoosterCreate, (const DMatrixHandle matrices[], bst_ulong count, BoosterHandle *out),
    (matrices, count, out))
XGB(XGBoosterSetParam, (BoosterHandle handle, const char *name, const char *value),
    (handle, name, value))
XGB(XGBoosterPredict,
    (BoosterHandle handle, DMatrixHandle matrix, int options, unsigned trees, int training,
     bst_ulong *length, const float **out),
    (handle, matrix, options, trees, training, length, out))
XGB(XGBoosterBoostOneIter,
    (BoosterHandle handle, DMatrixHandle matrix, float *gradient, float *hessian, bst_ulong length),
    (handle, matrix, gradient, hessian, length))
XGB(XGBoosterUpdateOneIter, (BoosterHandle handle, int round, DMatrixHandle matrix),
    (handle, round, matrix))
XGB(XGBoosterEvalOneIter,
    (BoosterHandle handle, int round, DMatrixHandle matrices[], const char *names[],
     bst_ulong count, const char **text),
    (handle, round, matrices, names, count, text))
XGB(XGBoosterSlice, (BoosterHandle handle, int begin, int end, int step, BoosterHandle *out),
    (handle, begin, end, step, out))
XGB(XGBoosterSaveModelToBuffer,
    (BoosterHandle handle, char const *config, bst_ulong *length, char const **out),
    (handle, config, length, out))
XGB(XGBoosterLoadModelFromBuffer, (BoosterHandle handle, const void *bytes, bst_ulong length),
    (handle, bytes, length))

int __real_compress2(Bytef *to, uLongf *to_length, const Bytef *from, uLong length, int level);
int __wrap_compress2(Bytef *to, uLongf *to_length, const Bytef *from, uLong length, int level);
int
__wrap_compress2(Bytef *to, uLongf *to_length, const Bytef *from, uLong length, int level)
{
  return no_memory_strikes() ? Z_MEM_ERROR : __real_compress2(to, to_length, from, length, level);
}
