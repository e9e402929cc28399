#include <config.h>

#include "model/family_params.h"

static double
tuned_eta(const struct model_data_shape *shape)
{
  return shape->task == TASK_REGRESSION ? 0.05 : 0.08;
}

static double
tuned_depth(const struct model_data_shape *shape)
{
  if (shape->task == TASK_REGRESSION && shape->rows >= 2000)
    return 9;
  return shape->rows < 2000 ? 4 : 6;
}

static double
tuned_min_child(const struct model_data_shape *shape)
{
  return shape->task == TASK_REGRESSION ? 2.0 : 1e-3;
}

static double
tuned_subsample(const struct model_data_shape *shape)
{
  return shape->task == TASK_REGRESSION ? 0.7 : 0.65;
}

static double
tuned_colsample(const struct model_data_shape *shape)
{
  return shape->task == TASK_REGRESSION ? 1.0 : 0.9;
}

const struct family_param family_params_trees[] = {
  {.name = "learning_rate",
   .help = "How much of each new tree is added; smaller needs more rounds and often ends better.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1e-4,
   .legal_high = 1.0,
   .low = 5e-3,
   .high = 0.3,
   .tuned = tuned_eta,
   .kinds = FAMILY_FOR_ALL},
  {.name = "max_depth",
   .help = "Most questions a tree asks in a row.",
   .kind = FAMILY_INT,
   .searched = true,
   .legal_low = 1,
   .legal_high = 16,
   .low = 2,
   .high = 10,
   .tuned = tuned_depth,
   .kinds = FAMILY_FOR_ALL},
  {.name = "min_child_weight",
   .help = "Least weight of rows in a leaf; more makes trees coarser.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 1e4,
   .low = 1e-3,
   .high = 10.0,
   .tuned = tuned_min_child,
   .kinds = FAMILY_FOR_ALL},
  {.name = "subsample",
   .help = "Share of the rows each tree sees.",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.05,
   .legal_high = 1.0,
   .low = 0.5,
   .high = 1.0,
   .tuned = tuned_subsample,
   .kinds = FAMILY_FOR_ALL},
  {.name = "colsample",
   .help = "Share of the columns each level of a tree may use.",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.05,
   .legal_high = 1.0,
   .low = 0.4,
   .high = 1.0,
   .tuned = tuned_colsample,
   .kinds = FAMILY_FOR_ALL},
  {.name = "alpha",
   .help = "L1 penalty on leaf values.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 1e4,
   .low = 1e-4,
   .high = 5.0,
   .fallback = 1e-4,
   .kinds = FAMILY_FOR_ALL},
  {.name = "lambda",
   .help = "L2 penalty on leaf values.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 1e4,
   .low = 1e-4,
   .high = 10.0,
   .fallback = 1e-2,
   .kinds = FAMILY_FOR_ALL},
  {.name = "rounds",
   .help = "Most trees (per class) that may be added; early stopping usually ends sooner.",
   .kind = FAMILY_INT,
   .legal_low = 1,
   .legal_high = 100000,
   .low = 50,
   .high = 1000,
   .fallback = 1000,
   .kinds = FAMILY_FOR_ALL},
  {.name = "patience",
   .help = "Rounds without progress on the validation rows before growing stops.",
   .kind = FAMILY_INT,
   .legal_low = 1,
   .legal_high = 100000,
   .low = 10,
   .high = 300,
   .fallback = 60,
   .kinds = FAMILY_FOR_ALL},
  FAMILY_PARAMS_END};
