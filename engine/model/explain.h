/* Why a model answered a row of a table as it did: what each input column added to the answer.
 *
 * Shapley values (Shapley 1953), got in one of three ways:
 *
 * - By a formula, exact for any number of columns, where every member is linear or of boosted trees: on the scale on
 *   which their inputs add up. Linear: weight · (input − its mean in training). Trees: model/trees_shap.h. The features
 *   that a column became are summed back to it. Of numbers that scale is the value itself, and a mix's contributions
 *   are its members' by their weights. Of classes it is the log-odds ln (p / (1 − p)) of two classes, or of more the
 *   logarithm of the class' probability over the geometric mean of all; rebalancing and temperature included. A
 *   mix answers the mean of probabilities, whose log-odds are no sum: there it is the weighted mean of its
 *   members' log-odds that is told, and only when asked for.
 * - Over all sets of columns, exact for up to EXPLAIN_EXACT_COLUMNS: of the model's own final answer, calibration and
 *   all. A set is of columns that speak, the others being hidden (model_predict_hidden). For every family and mix.
 * - Over drawn orders of the columns, each with its reverse, of a fixed seed (Štrumbelj and Kononenko, "An efficient
 *   explanation of individual classifications using game theory", JMLR 2010): the same with more columns, with standard
 *   errors.
 *
 * Whichever way, base and contributions add up. Any thread, with its own workspace.
 */
#ifndef ATTUNE_MODEL_EXPLAIN_H
#define ATTUNE_MODEL_EXPLAIN_H

#include "model/model.h"

#define EXPLAIN_EXACT_COLUMNS 8
/* Orders drawn, half of them the reverse of the others. */
#define EXPLAIN_ORDERS 64
/* More columns than this are explained only by formula. */
#define EXPLAIN_MOST_COLUMNS 512

enum explain_scale
{
  EXPLAIN_AUTO,     /* the answer where that is exact, else what is */
  EXPLAIN_ANSWER,   /* the probability or the value */
  EXPLAIN_LOG_ODDS, /* of classes */
};

enum explain_way
{
  EXPLAIN_BY_SETS,
  EXPLAIN_BY_ORDERS,
  EXPLAIN_BY_FORMULA
};

/* How a model's answers are explained. */
struct explain_plan
{
  enum explain_way way;
  const char
    *of; /* "probability", "value", "log_odds", "log_ratio", "mean_log_odds", "mean_log_ratio" */
  const char
    *algorithm; /* "all_sets", "drawn_orders", "linear", "tree_shap" or "weighted_members" */
  const char *reference; /* what base is of: "hidden", "training_mean" or "training_middle" */
  size_t answers;        /* of the model that one explanation takes as long as */
};

/* Input columns of a model of tables, and their names (borrowed). */
size_t explain_columns(const struct model *model);
const char *explain_column_name(const struct model *model, size_t column);

/* ERR_INVALID, with a sentence, for images, for too many columns, and for a scale that the model does not have. */
enum err explain_plan_make(const struct model *model, enum explain_scale scale,
                           struct explain_plan *plan, struct err_info *info);

/* For output `output` of a row, on the plan's scale: *base ← what is answered when nothing is known of the row,
 * contributions (columns), and errors (columns) ← their standard errors, 0 when exact. ERR_MEMORY. */
enum err explain_row(const struct model *model, const struct explain_plan *plan,
                     struct model_workspace *workspace, const struct table *table, size_t row,
                     size_t output, double *base, double *contributions, double *errors,
                     struct err_info *info);

#endif
