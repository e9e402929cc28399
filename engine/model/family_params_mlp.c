#include <config.h>

#include "model/family_params.h"
#include "model/net.h"

/* ---- tuned defaults ------------------------------------------------------------------------------- */

static bool
is_table(const struct model_data_shape *shape)
{
  return shape->kind == DATASET_TABLE;
}

/* Tables with fewer rows do better with less depth and more steps; all that goes by the rows has been measured on
 * tables of 93 to 25,000 (tests/bench/train/README.md). */
#define SMALL 1000

/* RealMLP's 0.04 and 0.2 (Holzmüller, Grinsztajn, Steinwart 2024), as the rate of a layer with 256 inputs. */
static double
tuned_rate(const struct model_data_shape *shape)
{
  if (!is_table(shape))
    return 2e-3;
  return shape->task == TASK_REGRESSION ? 1.25e-2 : 2.5e-3;
}

static double
tuned_layers(const struct model_data_shape *shape)
{
  return is_table(shape) && shape->rows >= SMALL ? 3 : 2;
}

static double
tuned_units(const struct model_data_shape *shape)
{
  return is_table(shape) && shape->rows < 5000 ? 128 : 256;
}

static double
tuned_batch(const struct model_data_shape *shape)
{
  if (is_table(shape))
    return shape->rows < SMALL ? 64 : shape->rows < 5000 ? 128 : 256;
  if (shape->rows < 1000)
    return 32;
  return shape->rows < 5000 ? 64 : 128;
}

/* Large data is seen often enough; beyond these sweeps small data gains nothing. */
static double
tuned_epochs(const struct model_data_shape *shape)
{
  if (!is_table(shape))
    return family_clip(round(1.2e6 / (double) (shape->rows + 1)), 15, 100);
  return shape->rows < SMALL ? 128 : family_clip(round(1e6 / (double) (shape->rows + 1)), 24, 64);
}

/* Smoothed labels make better classes and worse probabilities. */
static double
tuned_smoothing(const struct model_data_shape *shape)
{
  if (shape->probabilities)
    return 0.0;
  return is_table(shape) ? 0.1 : 0.05;
}

static double
tuned_ema(const struct model_data_shape *shape)
{
  return is_table(shape) && shape->rows >= SMALL ? 0.98 : 0.0;
}

static double
tuned_activation(const struct model_data_shape *shape)
{
  if (!is_table(shape))
    return NET_RELU;
  return shape->task == TASK_REGRESSION ? NET_MISH : NET_SELU;
}

/* ---- choices -------------------------------------------------------------------------------------- */

#define FOR_TABLES (FAMILY_FOR_TABLES | FAMILY_FOR_REGRESSION | FAMILY_FOR_CLASSES)
#define FOR_IMAGES (FAMILY_FOR_IMAGES | FAMILY_FOR_REGRESSION | FAMILY_FOR_CLASSES)

#define OPTIMIZERS_SEARCHED                                                                        \
  (FAMILY_CHOSEN(FAMILY_ADAMW) | FAMILY_CHOSEN(FAMILY_ADAM) | FAMILY_CHOSEN(FAMILY_SGD))
#define SCHEDULES_SEARCHED                                                                         \
  (FAMILY_CHOSEN(FAMILY_COSINE) | FAMILY_CHOSEN(FAMILY_ONE_CYCLE) | FAMILY_CHOSEN(FAMILY_CONSTANT))
#define ACTIVATIONS_OF_TABLES                                                                      \
  (FAMILY_CHOSEN(NET_RELU) | FAMILY_CHOSEN(NET_GELU) | FAMILY_CHOSEN(NET_MISH)                     \
   | FAMILY_CHOSEN(NET_SELU))
#define ACTIVATIONS_OF_IMAGES                                                                      \
  (FAMILY_CHOSEN(NET_RELU) | FAMILY_CHOSEN(NET_GELU) | FAMILY_CHOSEN(NET_MISH)                     \
   | FAMILY_CHOSEN(NET_TANH))

#define OPTIMIZER_HELP                                                                             \
  "How steps are made from gradients; sgd takes Nesterov's momentum. A job may also ask for "      \
  "heavy_ball (plain momentum) and rmsprop."
#define SCHEDULE_HELP                                                                              \
  "How the learning rate changes during training: cosine, one_cycle, constant, step (cut to a "    \
  "tenth twice), cyclic (triangles), sgdr (cosine with restarts), coslog4 (waves that grow "       \
  "longer) or flat_cosine."
#define BATCH_HELP "Rows per step."
#define ACTIVATION_HELP                                                                            \
  "The bend each neuron puts into its sum: relu, gelu, mish, tanh, selu or silu."

static const char *const optimizer_choices[] = {"adamw",      "adam",    "sgd",
                                                "heavy_ball", "rmsprop", NULL};
static const char *const with_momentum[] = {"sgd", "heavy_ball", "rmsprop", NULL};
static const char *const schedule_choices[] = {
  "cosine", "one_cycle", "constant", "step", "cyclic", "sgdr", "coslog4", "flat_cosine", NULL};
static const char *const loss_choices[] = {"auto", "square", "absolute", "huber", NULL};
static const char *const network_choices[] = {"realmlp", "plain", NULL};
static const char *const precision_choices[] = {"auto", "fp32", NULL};
static const char *const embedding_choices[] = {"periodic", "none", NULL};
static const char *const realmlp[] = {"realmlp", NULL};
static const char *const periodic[] = {"periodic", NULL};
static const double batch_values[] = {32, 64, 128, 256, 512, 0};

/* ---- the table ------------------------------------------------------------------------------------ */

const struct family_param family_params_mlp[] = {
  {.name = "learning_rate",
   .help = "Size of the steps the optimizer takes, at the peak of its schedule.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1e-7,
   .legal_high = 100.0,
   .low = 5e-4,
   .high = 5e-2,
   .tuned = tuned_rate,
   .kinds = FOR_TABLES},
  {.name = "learning_rate",
   .help = "Size of the steps the optimizer takes, at the peak of its schedule.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1e-7,
   .legal_high = 100.0,
   .low = 2e-4,
   .high = 0.2,
   .tuned = tuned_rate,
   .kinds = FOR_IMAGES},
  {.name = "network",
   .help = "realmlp embeds numbers, learns a factor for each input and the bend of each neuron, "
           "and starts from the data; plain has layers alone.",
   .kind = FAMILY_CHOICE,
   .fallback = FAMILY_NETWORK_REALMLP,
   .choices = network_choices,
   .kinds = FOR_TABLES,
   .later = true},
  {.name = "embedding",
   .help = "How numbers enter the network: periodic adds three learned mixtures of waves to each.",
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = FAMILY_EMBEDDING_PERIODIC,
   .choices = embedding_choices,
   .when_name = "network",
   .when_choices = realmlp,
   .kinds = FOR_TABLES,
   .later = true},
  {.name = "embedding_scale",
   .help = "How fast those waves are at the start; more tells near numbers apart.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1e-4,
   .legal_high = 100.0,
   .low = 0.03,
   .high = 0.5,
   .fallback = 0.1,
   .when_name = "embedding",
   .when_choices = periodic,
   .kinds = FOR_TABLES,
   .later = true},
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
   .low = 64,
   .high = 512,
   .tuned = tuned_units,
   .kinds = FOR_TABLES},
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
   .kinds = FOR_IMAGES},
  {.name = "dropout",
   .help =
     "Share of neurons switched off at random in each step; more protects against chance patterns.",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 0.95,
   .low = 0.0,
   .high = 0.6,
   .fallback = 0.15,
   .kinds = FAMILY_FOR_ALL},
  {.name = "optimizer",
   .help = OPTIMIZER_HELP,
   .kind = FAMILY_CHOICE,
   .fallback = FAMILY_ADAMW,
   .choices = optimizer_choices,
   .kinds = FOR_TABLES},
  {.name = "optimizer",
   .help = OPTIMIZER_HELP,
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = FAMILY_ADAMW,
   .choices = optimizer_choices,
   .searched_choices = OPTIMIZERS_SEARCHED,
   .kinds = FOR_IMAGES},
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
   .help = BATCH_HELP,
   .kind = FAMILY_ORDINAL,
   .legal_low = 1,
   .legal_high = 8192,
   .low = 32,
   .high = 512,
   .tuned = tuned_batch,
   .values = batch_values,
   .kinds = FOR_TABLES},
  {.name = "batch_size",
   .help = BATCH_HELP,
   .kind = FAMILY_ORDINAL,
   .searched = true,
   .legal_low = 1,
   .legal_high = 8192,
   .low = 32,
   .high = 512,
   .tuned = tuned_batch,
   .values = batch_values,
   .kinds = FOR_IMAGES},
  {.name = "weight_decay",
   .help = "How strongly weights are pulled to zero.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 10.0,
   .low = 1e-3,
   .high = 1.0,
   .fallback = 0.32,
   .kinds = FOR_TABLES},
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
   .kinds = FOR_IMAGES},
  {.name = "activation",
   .help = ACTIVATION_HELP,
   .kind = FAMILY_CHOICE,
   .searched = true,
   .tuned = tuned_activation,
   .choices = net_activation_names,
   .searched_choices = ACTIVATIONS_OF_TABLES,
   .kinds = FOR_TABLES},
  {.name = "activation",
   .help = ACTIVATION_HELP,
   .kind = FAMILY_CHOICE,
   .searched = true,
   .tuned = tuned_activation,
   .choices = net_activation_names,
   .searched_choices = ACTIVATIONS_OF_IMAGES,
   .kinds = FOR_IMAGES},
  {.name = "schedule",
   .help = SCHEDULE_HELP,
   .kind = FAMILY_CHOICE,
   .fallback = FAMILY_COSLOG4,
   .choices = schedule_choices,
   .kinds = FOR_TABLES},
  {.name = "schedule",
   .help = SCHEDULE_HELP,
   .kind = FAMILY_CHOICE,
   .searched = true,
   .fallback = FAMILY_COSINE,
   .choices = schedule_choices,
   .searched_choices = SCHEDULES_SEARCHED,
   .kinds = FOR_IMAGES},
  {.name = "label_smoothing",
   .help = "Share of certainty taken off the training labels; helps where labels are noisy.",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 0.9,
   .low = 0.0,
   .high = 0.2,
   .tuned = tuned_smoothing,
   .kinds = FAMILY_FOR_TABLES | FAMILY_FOR_CLASSES},
  {.name = "label_smoothing",
   .help = "Share of certainty taken off the training labels; helps where labels are noisy.",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 0.9,
   .low = 0.0,
   .high = 0.2,
   .tuned = tuned_smoothing,
   .kinds = FAMILY_FOR_IMAGES | FAMILY_FOR_CLASSES},
  {.name = "epochs",
   .help = "Sweeps over the training rows.",
   .kind = FAMILY_INT,
   .log_scale = true,
   .legal_low = 1,
   .legal_high = 10000,
   .low = 5,
   .high = 256,
   .tuned = tuned_epochs,
   .kinds = FAMILY_FOR_ALL},
  {.name = "patience",
   .help = "Epochs without progress on the validation rows before training stops; 0 = a third of "
           "the epochs, at least 8, or all of them if the schedule goes up again.",
   .kind = FAMILY_INT,
   .legal_low = 0,
   .legal_high = 10000,
   .low = 5,
   .high = 100,
   .fallback = 0,
   .kinds = FAMILY_FOR_ALL,
   .later = true},
  {.name = "gradient_clip",
   .help = "Length to which a longer gradient is cut before a step; 0 = no limit.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .legal_low = 0.0,
   .legal_high = 1e6,
   .low = 0.1,
   .high = 10.0,
   .fallback = 0.0,
   .kinds = FAMILY_FOR_ALL,
   .later = true},
  {.name = "ema",
   .help =
     "How slowly the average of the weights that the model keeps follows them, per step; 0 = it "
     "keeps the weights themselves, 0.99 to 0.999 is usual.",
   .kind = FAMILY_FLOAT,
   .legal_low = 0.0,
   .legal_high = 0.99999,
   .low = 0.9,
   .high = 0.999,
   .tuned = tuned_ema,
   .kinds = FAMILY_FOR_ALL,
   .later = true},
  {.name = "beta2",
   .help = "How slowly Adam's measure of the gradients' size follows them, per step.",
   .kind = FAMILY_FLOAT,
   .legal_low = 0.5,
   .legal_high = 0.99999,
   .low = 0.9,
   .high = 0.999,
   .fallback = 0.95,
   .kinds = FOR_TABLES,
   .later = true},
  {.name = "beta2",
   .help = "How slowly Adam's measure of the gradients' size follows them, per step.",
   .kind = FAMILY_FLOAT,
   .legal_low = 0.5,
   .legal_high = 0.99999,
   .low = 0.9,
   .high = 0.999,
   .fallback = 0.99,
   .kinds = FOR_IMAGES,
   .later = true},
  {.name = "precision",
   .help =
     "auto multiplies in bf16 where the processor has fast instructions for it; fp32 gives the "
     "same numbers on every such machine.",
   .kind = FAMILY_CHOICE,
   .fallback = FAMILY_AUTO,
   .choices = precision_choices,
   .kinds = FAMILY_FOR_ALL,
   .later = true},
  {.name = "loss",
   .help =
     "What training makes small: squared errors, absolute ones, or huber (absolute ones beyond "
     "one standard deviation); auto goes by the metric.",
   .kind = FAMILY_CHOICE,
   .fallback = FAMILY_LOSS_AUTO,
   .choices = loss_choices,
   .kinds = FAMILY_FOR_TABLES | FAMILY_FOR_IMAGES | FAMILY_FOR_REGRESSION,
   .later = true},
  FAMILY_PARAMS_END};
