/* A model as one C file that needs nothing but libc and libm.
 *
 * The file has `struct attune_row`, `int attune_predict (const struct attune_row *, float *out)` and, compiled with
 * -DATTUNE_MAIN, a program that answers CSV. Its answers are those of model_predict_* within about 1e-6. Any thread.
 */
#ifndef ATTUNE_MODEL_EXPORT_C_H
#define ATTUNE_MODEL_EXPORT_C_H

#include "base/buf.h"
#include "model/model.h"

/* Appends the file. `title` is a line for its head, free of what ends a comment. ERR_INVALID says what can't be
 * expressed, ERR_MEMORY. */
enum err export_c(const struct model *model, const char *title, struct buf *out,
                  struct err_info *info);

#endif
