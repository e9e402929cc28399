#include <config.h>

#include "model/family.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/net.h"

/* ---- tuned defaults that depend on the data ------------------------------------------------------ */

static double
clip(double value, double low, double high)
{
  return fmin(fmax(value, low), high);
}

/* The penalty acts on the mean loss, so a belief of fixed strength weakens as rows come in. */
static double
tuned_penalty(const struct model_data_shape *shape)
{
  return clip(4.0 / (double) (shape->rows + 1), 1e-5, 0.1);
}

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

static double
tuned_units(const struct model_data_shape *shape)
{
  if (shape->kind == DATASET_IMAGES)
    return 256;
  return shape->rows < 2000 ? 64 : 128;
}

static double
tuned_layers(const struct model_data_shape *shape)
{
  return shape->kind == DATASET_TABLE && shape->rows >= 2000 ? 3 : 2;
}

static double
tuned_batch(const struct model_data_shape *shape)
{
  if (shape->rows < 1000)
    return 32;
  return shape->rows < 5000 ? 64 : 128;
}

/* Small data gets more sweeps; large data is seen often enough. */
static double
tuned_epochs(const struct model_data_shape *shape)
{
  if (shape->kind == DATASET_IMAGES)
    return clip(round(1.2e6 / (double) (shape->rows + 1)), 15, 100);
  return clip(round(4e5 / (double) (shape->rows + 1)), 12, 80);
}

/* ---- the tables ----------------------------------------------------------------------------------- */

#define END                                                                                        \
  {                                                                                                \
    .name = NULL                                                                                   \
  }

static const struct family_param linear_params[] = {
  {.name = "penalty",
   .help = "How strongly large weights are punished; more protects against chance patterns.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1e-10,
   .legal_high = 1e4,
   .low = 1e-6,
   .high = 3.0,
   .tuned = tuned_penalty,
   .kinds = FAMILY_FOR_ALL},
  {.name = "l1_ratio",
   .help = "Share of the penalty that drives weights to exactly zero (0 = ridge, 1 = lasso).",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 1.0,
   .low = 0.0,
   .high = 1.0,
   .fallback = 0.0,
   .kinds = FAMILY_FOR_ALL},
  END};

static const struct family_param trees_params[] = {
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
  END};

static const char *const optimizer_choices[] = {"adamw", "adam", "sgd", NULL};
static const char *const schedule_choices[] = {"cosine", "one_cycle", "constant", NULL};
static const double batch_values[] = {32, 64, 128, 256, 512, 0};

static const struct family_param mlp_params[] = {
  {.name = "learning_rate",
   .help = "Size of the steps the optimizer takes, at the peak of its schedule.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1e-7,
   .legal_high = 100.0,
   .low = 2e-4,
   .high = 0.2,
   .fallback = 2e-3,
   .kinds = FAMILY_FOR_ALL},
  {.name = "layers",
   .help = "Number of hidden layers.",
   .kind = FAMILY_INT,
   .searched = true,
   .legal_low = 1,
   .legal_high = 8,
   .low = 1,
   .high = 4,
   .tuned = tuned_layers,
   .kinds = FAMILY_FOR_ALL},
  {.name = "units",
   .help = "Neurons in each hidden layer.",
   .kind = FAMILY_INT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1,
   .legal_high = 4096,
   .low = 16,
   .high = 512,
   .tuned = tuned_units,
   .kinds = FAMILY_FOR_TABLES | FAMILY_FOR_REGRESSION | FAMILY_FOR_CLASSES},
  {.name = "units",
   .help = "Neurons in each hidden layer.",
   .kind = FAMILY_INT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1,
   .legal_high = 4096,
   .low = 64,
   .high = 768,
   .tuned = tuned_units,
   .kinds = FAMILY_FOR_IMAGES | FAMILY_FOR_REGRESSION | FAMILY_FOR_CLASSES},
  {.name = "dropout",
   .help = "Share of neurons switched off at random in each step; more protects against chance "
           "patterns.",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 0.95,
   .low = 0.0,
   .high = 0.6,
   .fallback = 0.15,
   .kinds = FAMILY_FOR_ALL},
  {.name = "optimizer",
   .help = "How steps are made from gradients.",
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = FAMILY_ADAMW,
   .choices = optimizer_choices,
   .kinds = FAMILY_FOR_ALL},
  {.name = "momentum",
   .help = "How much of the last step is kept in the next one (Nesterov).",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 0.999,
   .low = 0.5,
   .high = 0.98,
   .fallback = 0.9,
   .when_name = "optimizer",
   .when_choice = "sgd",
   .kinds = FAMILY_FOR_ALL},
  {.name = "batch_size",
   .help = "Rows per step.",
   .kind = FAMILY_ORDINAL,
   .searched = true,
   .legal_low = 1,
   .legal_high = 8192,
   .low = 32,
   .high = 512,
   .tuned = tuned_batch,
   .values = batch_values,
   .kinds = FAMILY_FOR_ALL},
  {.name = "weight_decay",
   .help = "How strongly weights are pulled to zero.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 10.0,
   .low = 1e-6,
   .high = 0.3,
   .fallback = 1e-2,
   .kinds = FAMILY_FOR_ALL},
  {.name = "activation",
   .help = "The bend each neuron puts into its sum.",
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = NET_RELU,
   .choices = net_activation_names,
   .kinds = FAMILY_FOR_ALL},
  {.name = "schedule",
   .help = "How the learning rate changes during training.",
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = FAMILY_COSINE,
   .choices = schedule_choices,
   .kinds = FAMILY_FOR_ALL},
  {.name = "label_smoothing",
   .help = "Share of certainty taken off the training labels; helps where labels are noisy.",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 0.9,
   .low = 0.0,
   .high = 0.2,
   .fallback = 0.05,
   .kinds = FAMILY_FOR_TABLES | FAMILY_FOR_IMAGES | FAMILY_FOR_CLASSES},
  {.name = "epochs",
   .help = "Sweeps over the training rows.",
   .kind = FAMILY_INT,
   .log_scale = true,
   .legal_low = 1,
   .legal_high = 10000,
   .low = 5,
   .high = 200,
   .tuned = tuned_epochs,
   .kinds = FAMILY_FOR_ALL},
  END};

const struct family_param *
family_params(const char *family)
{
  if (strcmp(family, "linear") == 0)
    return linear_params;
  if (strcmp(family, "trees") == 0)
    return trees_params;
  if (strcmp(family, "mlp") == 0)
    return mlp_params;
  return NULL;
}
