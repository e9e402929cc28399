#include <config.h>

#include "model/family_params.h"
#include "model/net.h"

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
    return family_clip(round(1.2e6 / (double) (shape->rows + 1)), 15, 100);
  return family_clip(round(4e5 / (double) (shape->rows + 1)), 12, 80);
}

static const char *const optimizer_choices[] = {"adamw", "adam", "sgd", NULL};
static const char *const schedule_choices[] = {"cosine", "one_cycle", "constant", NULL};
static const double batch_values[] = {32, 64, 128, 256, 512, 0};

const struct family_param family_params_mlp[] = {
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
  FAMILY_PARAMS_END};
