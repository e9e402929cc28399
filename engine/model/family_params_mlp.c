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

#define OPTIMIZERS_SEARCHED 3
#define SCHEDULES_SEARCHED 3
#define ACTIVATIONS_SEARCHED 4
static const char *const optimizer_choices[] = {"adamw",      "adam",    "sgd",
                                                "heavy_ball", "rmsprop", NULL};
static const char *const with_momentum[] = {"sgd", "heavy_ball", "rmsprop", NULL};
static const char *const schedule_choices[] = {
  "cosine", "one_cycle", "constant", "step", "cyclic", "sgdr", "coslog4", "flat_cosine", NULL};
static const char *const loss_choices[] = {"auto", "square", "absolute", "huber", NULL};
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
   .help =
     "How steps are made from gradients; sgd takes Nesterov's momentum. A job may also ask for "
     "heavy_ball (plain momentum) and rmsprop.",
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = FAMILY_ADAMW,
   .choices = optimizer_choices,
   .searched_choices = OPTIMIZERS_SEARCHED,
   .kinds = FAMILY_FOR_ALL},
  {.name = "momentum",
   .help = "How much of the last step is kept in the next one.",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 0.999,
   .low = 0.5,
   .high = 0.98,
   .fallback = 0.9,
   .when_name = "optimizer",
   .when_choices = with_momentum,
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
   .help = "The bend each neuron puts into its sum. A job may also ask for selu and silu.",
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = NET_RELU,
   .choices = net_activation_names,
   .searched_choices = ACTIVATIONS_SEARCHED,
   .kinds = FAMILY_FOR_ALL},
  {.name = "schedule",
   .help =
     "How the learning rate changes during training. A job may also ask for step (cut to a tenth "
     "twice), cyclic (triangles), sgdr (cosine with restarts), coslog4 (waves that grow longer) "
     "and flat_cosine.",
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = FAMILY_COSINE,
   .choices = schedule_choices,
   .searched_choices = SCHEDULES_SEARCHED,
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
  {.name = "patience",
   .help = "Epochs without progress on the validation rows before training stops; 0 = a third of "
           "the epochs, at least 8.",
   .kind = FAMILY_INT,
   .legal_low = 0,
   .legal_high = 10000,
   .low = 5,
   .high = 100,
   .fallback = 0,
   .kinds = FAMILY_FOR_ALL},
  {.name = "gradient_clip",
   .help = "Length to which a longer gradient is cut before a step; 0 = no limit.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .legal_low = 0.0,
   .legal_high = 1e6,
   .low = 0.1,
   .high = 10.0,
   .fallback = 0.0,
   .kinds = FAMILY_FOR_ALL},
  {.name = "ema",
   .help =
     "How slowly the average of the weights that the model keeps follows them, per step; 0 = it "
     "keeps the weights themselves, 0.99 to 0.999 is usual.",
   .kind = FAMILY_FLOAT,
   .legal_low = 0.0,
   .legal_high = 0.99999,
   .low = 0.9,
   .high = 0.999,
   .fallback = 0.0,
   .kinds = FAMILY_FOR_ALL},
  {.name = "beta2",
   .help = "How slowly Adam's measure of the gradients' size follows them, per step.",
   .kind = FAMILY_FLOAT,
   .legal_low = 0.5,
   .legal_high = 0.99999,
   .low = 0.9,
   .high = 0.999,
   .fallback = 0.99,
   .kinds = FAMILY_FOR_ALL},
  {.name = "loss",
   .help =
     "What training makes small: squared errors, absolute ones, or huber (absolute ones beyond "
     "one standard deviation); auto goes by the metric.",
   .kind = FAMILY_CHOICE,
   .fallback = FAMILY_LOSS_AUTO,
   .choices = loss_choices,
   .kinds = FAMILY_FOR_TABLES | FAMILY_FOR_IMAGES | FAMILY_FOR_REGRESSION},
  FAMILY_PARAMS_END};
