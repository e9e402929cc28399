/* How kernel_dense_bf16_* of kernel.h are made. Private to engine/model and its tests. */
#ifndef ATTUNE_MODEL_KERNEL_DENSE_BF16_INTERNAL_H
#define ATTUNE_MODEL_KERNEL_DENSE_BF16_INTERNAL_H

#include "model/kernel.h"

enum kernel_dense_product
{
  KERNEL_DENSE_FORWARD,
  KERNEL_DENSE_WEIGHTS,
  KERNEL_DENSE_INPUTS,
  KERNEL_DENSE_PRODUCTS
};

struct kernel_dense_onednn;

struct kernel_dense_bf16
{
  size_t n, k, m;
  enum kernel_precision y;
  bool tiles;                         /* AMX (kernel_amx.h) */
  struct kernel_dense_onednn *onednn; /* else; NULL: BLAS in fp32 */
  size_t scratch_bytes;
};

/* Gives dense->onednn and its scratch, or leaves it NULL where oneDNN is not built in or has no fast code;
 * ERR_MEMORY. */
enum err kernel_dense_bf16_use_onednn(struct kernel_dense_bf16 *dense, struct err_info *info);
void kernel_dense_bf16_onednn_free(struct kernel_dense_onednn *onednn);

/* left and right as kernel.h names them in the product's formula. */
bool kernel_dense_bf16_onednn_run(const struct kernel_dense_onednn *onednn,
                                  enum kernel_dense_product product, const void *left,
                                  const void *right, void *result, void *scratch);

/* Sets dense->tiles, and its scratch, where the processor has tiles and the sizes fill them. */
void kernel_dense_bf16_use_amx(struct kernel_dense_bf16 *dense);
void kernel_dense_bf16_amx_run(const struct kernel_dense_bf16 *dense,
                               enum kernel_dense_product product, const void *left,
                               const void *right, void *result, void *scratch);

/* Back to BLAS, with its scratch. */
void kernel_dense_bf16_use_blas(struct kernel_dense_bf16 *dense);

#endif
