/* Why a model answered a row of a table as it did: what each input column added to the answer.
 *
 * Shapley values (Shapley 1953; Štrumbelj and Kononenko, "An efficient explanation of individual classifications using
 * game theory", JMLR 2010) of the model's own final answer, calibration and all: a coalition is a set of columns
 * that speak, the others being hidden (model_predict_hidden). Exact, over all sets, for up to EXPLAIN_EXACT_COLUMNS
 * columns; above, the mean over orders of the columns drawn with a fixed seed, each with its reverse. Either way base
 * and contributions add up to the answer. The same for every family and for bags. Any thread, with its own workspace.
 */
#ifndef ATTUNE_MODEL_EXPLAIN_H
#define ATTUNE_MODEL_EXPLAIN_H

#include "model/model.h"

#define EXPLAIN_EXACT_COLUMNS 8
/* Orders drawn, half of them the reverse of the others. */
#define EXPLAIN_ORDERS 64
/* More columns than this are not explained. */
#define EXPLAIN_MOST_COLUMNS 512

/* Input columns of a model of tables, their names (borrowed), and how many answers one explanation takes. */
size_t explain_columns(const struct model *model);
const char *explain_column_name(const struct model *model, size_t column);
size_t explain_answers(const struct model *model);

/* For output `output` of a row: *base ← the answer with every column hidden, contributions (columns), and errors
 * (columns) ← their standard errors, 0 when exact. ERR_INVALID for images or too many columns, ERR_MEMORY. */
enum err explain_row(const struct model *model, struct model_workspace *workspace,
                     const struct table *table, size_t row, size_t output, double *base,
                     double *contributions, double *errors, struct err_info *info);

#endif
