#include <config.h>

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xgboost/c_api.h>

#include "model/trees.h"
#include "model/trees_shap.h"
#include "model/trees_walk.h"

struct trees_trainer
{
  struct trees_config config;
  DMatrixHandle train, valid; /* valid is NULL without validation rows */
  BoosterHandle booster;
  int rounds;
  struct trees_rows train_rows, valid_rows;
  float *gradient, *hessian; /* of TREES_QUANTILE: (train rows) */
};

static enum err
xgboost_failed(struct err_info *info, const char *doing)
{
  const char *text = XGBGetLastError();
  size_t line = strcspn(text, "\n");

  return err_set(info, ERR_INTERNAL, "XGBoost failed while %s: %.*s", doing,
                 (int) (line < 300 ? line : 300), text);
}

static enum err
make_matrix(const struct trees_rows *rows, size_t inputs, DMatrixHandle *matrix,
            struct err_info *info)
{
  if (XGDMatrixCreateFromMat(rows->x, rows->rows, inputs, NAN, matrix) != 0)
    return xgboost_failed(info, "taking the rows");
  if (XGDMatrixSetFloatInfo(*matrix, "label", rows->y, rows->rows) != 0
      || (rows->weight && XGDMatrixSetFloatInfo(*matrix, "weight", rows->weight, rows->rows) != 0))
    return xgboost_failed(info, "taking the labels");
  return ERR_OK;
}

/* Sets a parameter unless an earlier one failed. */
static void __attribute__((format(printf, 4, 5)))
set_param(BoosterHandle booster, bool *failed, const char *name, const char *format, ...)
{
  char text[64];
  va_list args;

  va_start(args, format);
  vsnprintf(text, sizeof text, format, args);
  va_end(args);
  *failed = *failed || XGBoosterSetParam(booster, name, text) != 0;
}

static enum err
set_params(struct trees_trainer *trainer, struct err_info *info)
{
  static const char *const objectives[] = {"reg:squarederror", "binary:logistic", "multi:softprob",
                                           "reg:squarederror"};
  static const char *const metrics[] = {"rmse", "logloss", "mlogloss", "rmse"};
  const struct trees_config *config = &trainer->config;
  BoosterHandle booster = trainer->booster;
  bool failed = false;

  set_param(booster, &failed, "objective", "%s", objectives[config->objective]);
  set_param(booster, &failed, "eval_metric", "%s", metrics[config->objective]);
  if (config->objective == TREES_SOFTMAX)
    set_param(booster, &failed, "num_class", "%zu", config->groups);
  set_param(booster, &failed, "base_score", "%.9g", config->base_score);
  set_param(booster, &failed, "booster", "gbtree");
  set_param(booster, &failed, "tree_method", "hist");
  set_param(booster, &failed, "max_bin", "256");
  set_param(booster, &failed, "nthread", "1");
  set_param(booster, &failed, "verbosity", "0");
  set_param(booster, &failed, "seed", "%u", (unsigned) (config->seed & 0x7fffffffu));
  set_param(booster, &failed, "seed_per_iteration", "1");
  set_param(booster, &failed, "eta", "%.9g", config->learning_rate);
  set_param(booster, &failed, "max_depth", "%zu", config->max_depth);
  set_param(booster, &failed, "min_child_weight", "%.9g", config->min_child_weight);
  set_param(booster, &failed, "subsample", "%.9g", config->subsample);
  set_param(booster, &failed, "colsample_bylevel", "%.9g", config->colsample);
  set_param(booster, &failed, "alpha", "%.9g", config->alpha);
  set_param(booster, &failed, "lambda", "%.9g", config->lambda);
  return failed ? xgboost_failed(info, "taking its parameters") : ERR_OK;
}

enum err
trees_trainer_new(const struct trees_config *config, const struct trees_rows *train,
                  const struct trees_rows *valid, struct trees_trainer **trainer,
                  struct err_info *info)
{
  struct trees_trainer *made = calloc(1, sizeof *made);
  enum err rc;

  *trainer = NULL;
  if (!made)
    return err_set(info, ERR_MEMORY, "no memory for growing trees");
  made->config = *config;
  made->train_rows = *train;
  made->valid_rows = *valid;
  rc = make_matrix(train, config->inputs, &made->train, info);
  if (rc == ERR_OK && valid->rows)
    rc = make_matrix(valid, config->inputs, &made->valid, info);
  if (rc == ERR_OK)
  {
    /* both matrices, so that XGBoost keeps their margins from round to round */
    DMatrixHandle matrices[2] = {made->train, made->valid};
    if (XGBoosterCreate(matrices, valid->rows ? 2 : 1, &made->booster) != 0)
      rc = xgboost_failed(info, "starting");
  }
  if (rc == ERR_OK)
    rc = set_params(made, info);
  if (rc != ERR_OK)
  {
    trees_trainer_free(made);
    return rc;
  }
  *trainer = made;
  return ERR_OK;
}

void
trees_trainer_free(struct trees_trainer *trainer)
{
  if (!trainer)
    return;
  if (trainer->booster)
    XGBoosterFree(trainer->booster);
  if (trainer->valid)
    XGDMatrixFree(trainer->valid);
  if (trainer->train)
    XGDMatrixFree(trainer->train);
  free(trainer->gradient);
  free(trainer->hessian);
  free(trainer);
}

/* "[3]\ttrain-rmse:0.25\tvalid-rmse:0.5" */
static double
loss_after(const char *text, const char *name)
{
  const char *found = text ? strstr(text, name) : NULL;
  const char *colon = found ? strchr(found, ':') : NULL;
  return colon ? strtod(colon + 1, NULL) : (double) NAN;
}

/* Mean pinball loss of the margins so far; with `gradient` also its slope, by row, and 1 as curvature,
 * so that a leaf moves by at most the learning rate: the share of its rows that lie on the wrong side. */
static enum err
pinball(struct trees_trainer *trainer, bool training, float *gradient, float *hessian, double *loss,
        struct err_info *info)
{
  const struct trees_rows *rows = training ? &trainer->train_rows : &trainer->valid_rows;
  double level = trainer->config.quantile, sum = 0.0, total = 0.0;
  const float *margins = NULL;
  bst_ulong length = 0;

  if (XGBoosterPredict(trainer->booster, training ? trainer->train : trainer->valid, 1, 0, training,
                       &length, &margins)
        != 0
      || length != rows->rows)
    return xgboost_failed(info, "predicting its rows");
  for (size_t i = 0; i < rows->rows; i++)
  {
    double miss = (double) rows->y[i] - (double) margins[i];
    double weight = rows->weight ? (double) rows->weight[i] : 1.0;
    double slope = miss > 0.0 ? level : level - 1.0;
    sum += weight * slope * miss;
    total += weight;
    if (gradient)
    {
      gradient[i] = (float) (-weight * slope);
      hessian[i] = (float) weight;
    }
  }
  *loss = sum / total;
  return ERR_OK;
}

static enum err
quantile_round(struct trees_trainer *trainer, double *train_loss, double *valid_loss,
               struct err_info *info)
{
  size_t rows = trainer->train_rows.rows;
  enum err rc;

  if (!trainer->gradient)
  {
    trainer->gradient = calloc(rows + 1, sizeof *trainer->gradient);
    trainer->hessian = calloc(rows + 1, sizeof *trainer->hessian);
    if (!trainer->gradient || !trainer->hessian)
      return err_set(info, ERR_MEMORY, "no memory for %zu gradients", rows);
    rc = pinball(trainer, true, trainer->gradient, trainer->hessian, train_loss, info);
    if (rc != ERR_OK)
      return rc;
  }
  if (XGBoosterBoostOneIter(trainer->booster, trainer->train, trainer->gradient, trainer->hessian,
                            rows)
      != 0)
    return xgboost_failed(info, "growing a tree");
  trainer->rounds++;
  *valid_loss = NAN;
  rc = pinball(trainer, true, trainer->gradient, trainer->hessian, train_loss, info);
  if (rc == ERR_OK && trainer->valid)
    rc = pinball(trainer, false, NULL, NULL, valid_loss, info);
  return rc;
}

enum err
trees_trainer_round(struct trees_trainer *trainer, double *train_loss, double *valid_loss,
                    struct err_info *info)
{
  DMatrixHandle matrices[2] = {trainer->train, trainer->valid};
  const char *names[2] = {"train", "valid"}, *text = NULL;
  bst_ulong count = trainer->valid ? 2 : 1;

  if (trainer->config.objective == TREES_QUANTILE)
    return quantile_round(trainer, train_loss, valid_loss, info);
  if (XGBoosterUpdateOneIter(trainer->booster, trainer->rounds, trainer->train) != 0
      || XGBoosterEvalOneIter(trainer->booster, trainer->rounds, matrices, names, count, &text)
           != 0)
    return xgboost_failed(info, "growing a tree");
  trainer->rounds++;
  *train_loss = loss_after(text, "train-");
  *valid_loss = loss_after(text, "valid-");
  return ERR_OK;
}

static float
base_margin(const struct trees_config *config)
{
  char text[64];

  /* through the same text and the same float steps as XGBoost */
  snprintf(text, sizeof text, "%.9g", config->base_score);
  float base = strtof(text, NULL);
  return config->objective == TREES_SIGMOID ? -logf(1.0f / base - 1.0f) : base;
}

static enum err
fill_model(const struct trees_config *config, const char *bytes, size_t length, size_t rounds,
           struct trees **trees, struct err_info *info)
{
  enum err rc = trees_from_ubj((const unsigned char *) bytes, length, rounds * config->groups,
                               config->inputs, trees, info);
  struct trees *made = *trees;

  if (rc != ERR_OK)
    return rc;
  made->objective = config->objective == TREES_QUANTILE ? TREES_VALUE : config->objective;
  made->groups = config->groups;
  made->base = base_margin(config);
  made->group = calloc(made->tree_count + 1, sizeof *made->group);
  made->ubj = malloc(length + 1);
  if (!made->group || !made->ubj)
  {
    trees_free(made);
    *trees = NULL;
    return err_set(info, ERR_MEMORY, "no memory for the trees");
  }
  for (size_t i = 0; i < made->tree_count; i++)
    made->group[i] = (uint32_t) (i % config->groups);
  memcpy(made->ubj, bytes, length);
  made->ubj_length = length;
  rc = trees_lay_out(made, info);
  if (rc == ERR_OK)
    return ERR_OK;
  trees_free(made);
  *trees = NULL;
  return rc;
}

enum err
trees_trainer_finish(struct trees_trainer *trainer, size_t rounds, struct trees **trees,
                     struct err_info *info)
{
  BoosterHandle best = NULL;
  bst_ulong length = 0;
  const char *bytes = NULL;
  enum err rc;

  *trees = NULL;
  if (XGBoosterSlice(trainer->booster, 0, (int) rounds, 1, &best) != 0
      || XGBoosterSaveModelToBuffer(best, "{\"format\": \"ubj\"}", &length, &bytes) != 0)
    rc = xgboost_failed(info, "handing over its trees");
  else
    rc = fill_model(&trainer->config, bytes, length, rounds, trees, info);
  if (best)
    XGBoosterFree(best);
  return rc;
}

/* What XGBoost says of rows, (n, groups, each) floats; option_mask as in its C API. */
static enum err
ask_xgboost(const struct trees *trees, int option_mask, size_t each, const float *x, size_t n,
            float *answer, struct err_info *info)
{
  BoosterHandle booster = NULL;
  DMatrixHandle matrix = NULL;
  const float *out = NULL;
  bst_ulong length = 0;
  enum err rc = ERR_OK;

  if (XGBoosterCreate(NULL, 0, &booster) != 0
      || XGBoosterLoadModelFromBuffer(booster, trees->ubj, trees->ubj_length) != 0
      || XGBoosterSetParam(booster, "nthread", "1") != 0
      || XGDMatrixCreateFromMat(x, n, trees->inputs, NAN, &matrix) != 0
      || XGBoosterPredict(booster, matrix, option_mask, 0, 0, &length, &out) != 0)
    rc = xgboost_failed(info, "predicting");
  else if (length != n * trees->groups * each)
    rc = err_set(info, ERR_INTERNAL, "XGBoost gave %zu numbers", (size_t) length);
  else
    memcpy(answer, out, n * trees->groups * each * sizeof *answer);
  if (matrix)
    XGDMatrixFree(matrix);
  if (booster)
    XGBoosterFree(booster);
  return rc;
}

enum err
trees_margins_xgboost(const struct trees *trees, const float *x, size_t n, float *margins,
                      struct err_info *info)
{
  return ask_xgboost(trees, 1, 1, x, n, margins, info);
}

enum err
trees_shap_xgboost(const struct trees *trees, const float *x, size_t n, float *shares,
                   struct err_info *info)
{
  return ask_xgboost(trees, 4, trees->inputs + 1, x, n, shares, info);
}
