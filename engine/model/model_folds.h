/* What the fold models of a bag say of the rows they have not seen: the predictions a report by folds was
 * made of, again, from the stored model. Any thread, each with its own workspace. */
#ifndef ATTUNE_MODEL_MODEL_FOLDS_H
#define ATTUNE_MODEL_MODEL_FOLDS_H

#include "model/model.h"

/* Whether every member says which fold it is of, and each fold below `folds` has one. */
bool model_has_folds(const struct model *model, size_t folds);

/* out (count, output_count) ← for these rows, which were the validation rows of `fold`, the mean of that
 * fold's members by weight. ERR_INVALID when there is none. */
enum err model_predict_fold(const struct model *model, int fold, struct model_workspace *workspace,
                            const struct dataset *dataset, const size_t *rows, size_t count,
                            float *out, struct err_info *info);

#endif
