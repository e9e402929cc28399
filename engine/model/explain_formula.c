#include <config.h>

#include "model/explain_formula.h"

#include <math.h>
#include <stdlib.h>

#include "model/model_internal.h"
#include "model/model_linear.h"
#include "model/trees_shap.h"

/* ---- whether there is one --------------------------------------------------------------------------- */

static bool
has_formula(const struct model *member)
{
  /* a power of e, or a bound, is no sum */
  if (member->target.log || member->target.clamp)
    return false;
  return member->kind == &model_linear_kind
         || (member->kind == &model_trees_kind && trees_shap_possible(member->body));
}

static bool
lacks_means(const struct model *member)
{
  return member->kind == &model_linear_kind && !((const struct linear *) member->body)->mean;
}

bool
explain_formula_plan(const struct model *model, struct explain_plan *plan)
{
  size_t count = model->member_count ? model->member_count : 1;

  plan->answers = 0;
  plan->reference = "training_mean";
  for (size_t i = 0; i < count; i++)
  {
    double weight;
    const struct model *member = model_member(model, i, &weight);
    if (!has_formula(member))
      return false;
    if (lacks_means(member))
      plan->reference = "training_middle";
    plan->answers += member->kind == &model_linear_kind ? 1 : trees_shap_answers(member->body);
    plan->algorithm = member->kind == &model_linear_kind ? "linear" : "tree_shap";
  }
  /* counted in answers of the whole mix */
  plan->answers = (plan->answers + count - 1) / count;
  if (model->member_count)
    plan->algorithm = "weighted_members";
  return true;
}

/* ---- one member ------------------------------------------------------------------------------------- */

/* Margins of a body: one for a value or two classes, else one a class. */
static size_t
margin_count(const struct model *member)
{
  return member->kind == &model_linear_kind ? ((const struct linear *) member->body)->outputs
                                            : ((const struct trees *) member->body)->groups;
}

/* What each margin counts in the sum that is explained, factor (margins), and what is added to it. */
static double
weigh_margins(const struct model *member, size_t output, size_t margins, double *factor)
{
  size_t classes = member->task.class_count;
  double added = 0.0;

  if (classes == 0)
  {
    factor[0] = member->target.sd;
    return member->target.mean;
  }
  for (size_t k = 0; k < classes; k++)
  {
    double counts = classes == 2 ? (k == output ? 1.0 : -1.0)
                                 : (k == output ? 1.0 : 0.0) - 1.0 / (double) classes;
    if (member->rebalance)
      added += counts * log(member->rebalance[k]);
    if (margins > 1)
      factor[k] = counts;
    else if (k == 1)
      factor[0] = counts;
  }
  return added;
}

static void
add_linear(const struct linear *linear, const float *x, const double *factor, double weight,
           double *shares, double *base)
{
  for (size_t k = 0; k < linear->outputs; k++)
    *base += weight * factor[k] * (double) linear->bias[k];
  for (size_t j = 0; j < linear->inputs; j++)
  {
    double slope = 0.0, mean = linear->mean ? (double) linear->mean[j] : 0.0;
    for (size_t k = 0; k < linear->outputs; k++)
      slope += factor[k] * (double) linear->weights[j * linear->outputs + k];
    *base += weight * slope * mean;
    shares[j] += weight * slope * ((double) x[j] - mean);
  }
}

static enum err
add_trees(const struct trees *trees, const float *x, const double *factor, double weight,
          double *shares, double *base, struct err_info *info)
{
  enum err rc = ERR_OK;

  for (size_t k = 0; rc == ERR_OK && k < trees->groups; k++)
    rc = trees_shap_add(trees, x, k, weight * factor[k], shares, base, info);
  return rc;
}

/* Adds weight × a member's base and contributions. */
static enum err
add_member(const struct model *member, double weight, const float *x, size_t output, double *base,
           double *contributions, struct err_info *info)
{
  size_t width = encoder_width(member->encoder), margins = margin_count(member);
  double *shares = calloc(width, sizeof *shares), *factor = calloc(margins, sizeof *factor);
  enum err rc = ERR_OK;

  if (!shares || !factor)
    rc = err_set(info, ERR_MEMORY, "no memory for an explanation");
  else
  {
    *base += weight * weigh_margins(member, output, margins, factor);
    if (member->kind == &model_linear_kind)
      add_linear(member->body, x, factor, weight, shares, base);
    else
      rc = add_trees(member->body, x, factor, weight, shares, base, info);
  }
  for (size_t j = 0; rc == ERR_OK && j < width; j++)
    contributions[encoder_feature_column(member->encoder, j)] += shares[j];
  free(factor);
  free(shares);
  return rc;
}

enum err
explain_formula_row(const struct model *model, struct model_workspace *workspace,
                    const struct table *table, size_t row, size_t output, double *base,
                    double *contributions, struct err_info *info)
{
  size_t count = model->member_count ? model->member_count : 1;
  enum err rc = ERR_OK;

  *base = 0.0;
  for (size_t i = 0; rc == ERR_OK && i < count; i++)
  {
    double weight;
    const struct model *member = model_member(model, i, &weight);
    float *x;
    rc = model_encode_row(member, workspace, table, row, &x, info);
    /* a temperature divides logarithms of probabilities */
    if (rc == ERR_OK)
      rc = add_member(member, weight / model->temperature, x, output, base, contributions, info);
  }
  return rc;
}
