/* A model as an ONNX file (opset 17 and ai.onnx.ml 3).
 *
 * Of a table each column is an input by its name, (rows, 1): numbers double with NaN for missing, words string with ""
 * for missing. Images are one input "image", uint8 (rows, height, width, channels). Outputs: "attune_label" and
 * "attune_probabilities", or "attune_value". ONNX Runtime's answers are those of model_predict_* within about 1e-5.
 * Any thread.
 */
#ifndef ATTUNE_MODEL_EXPORT_ONNX_H
#define ATTUNE_MODEL_EXPORT_ONNX_H

#include "base/buf.h"
#include "model/model.h"

/* Appends the file. ERR_INVALID says what can't be expressed: columns of dates and texts, images that the model
 * reduces, columns of the outputs' names. ERR_MEMORY. */
enum err export_onnx(const struct model *model, const char *name, struct buf *out,
                     struct err_info *info);

/* What a prediction of the model has that neither an ONNX nor a C file gives, in words; NULL = nothing. */
const char *export_left_out(const struct model *model);

#endif
