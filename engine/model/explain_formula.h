/* Private to explain*.c: explanations by formula, of models whose members are linear or of boosted trees. */
#ifndef ATTUNE_MODEL_EXPLAIN_FORMULA_H
#define ATTUNE_MODEL_EXPLAIN_FORMULA_H

#include "model/explain.h"

/* Whether there is one on the scale of its members' sums; fills the plan's algorithm, reference and answers. */
bool explain_formula_plan(const struct model *model, struct explain_plan *plan);

/* As explain_row; contributions (columns) are zeros before. */
enum err explain_formula_row(const struct model *model, struct model_workspace *workspace,
                             const struct table *table, size_t row, size_t output, double *base,
                             double *contributions, struct err_info *info);

#endif
