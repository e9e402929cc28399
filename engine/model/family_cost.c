#include <config.h>

#include "model/family_cost.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/la.h"
#include "base/space_json.h"
#include "data/encode.h"
#include "data/ngram.h"
#include "model/family.h"
#include "model/kernel.h"
#include "model/kernel_winograd.h"
#include "model/net_embed.h"
#include "model/model_cnn.h"

/* Seconds, on the machine whose factor is 1. */
#define ENCODE_S 1.5e-7     /* per value: sorted for its quantiles, scaled */
#define TEXT_S 7.5e-8       /* per character: n-grams hashed, fitted on, weighed */
#define TEXT_SCORE_S 2.5e-8 /* and per score */
#define LINEAR_FLOP_S 3e-11 /* of a solver's products */
#define NET_FLOP_S 1e-11
#define CONV_FLOP_S 4.5e-12 /* with what is done to the maps between convolutions */
#define CONV_FLOP_WINOGRAD_S 2.8e-12
#define CONV_FLOP_BF16_S 2.8e-12
#define NET_FLOP_BF16_S 5e-12
#define NET_UNIT_S 1e-9  /* of a neuron, at every row: bent and dropped */
#define NET_START_S 5e-3 /* oneDNN's code for the sizes of a network */
#define NET_STEP_S 2e-5  /* of every step, and what it does to each weight */
#define NET_WEIGHT_S 2.5e-10
#define WAVE_S 1.4e-9  /* of a number, at every look at it */
#define PIXEL_S 1.2e-9 /* a pixel made a number, at every look at it */
#define TREE_S 5e-5
#define TREE_NODE_S 4e-6 /* per column: a node's histogram looked through */
#define TREE_ROW_S 1e-9  /* per column and level: a row put into its bin */
#define START_S 0.015    /* of a fit's process: loaded, the data opened and split */
#define KERNELS_S 0.02   /* its first product: oneDNN's kernels are made */

/* Outputs of a linear model or trees of a round. */
static double
outputs_of(const struct model_data_shape *shape)
{
  return shape->classes > 2 ? (double) shape->classes : 1.0;
}

static double
inputs_of(const struct model_data_shape *shape)
{
  return (double) (shape->encoded ? shape->encoded : shape->columns);
}

static double
encoding(const struct model_data_shape *shape, double rows)
{
  double scores = fmin(outputs_of(shape), ENCODE_MAX_SCORES);
  double text = (TEXT_S + TEXT_SCORE_S * scores) * (double) shape->characters;
  return shape->kind == DATASET_IMAGES ? 0.0 : rows * (ENCODE_S * (double) shape->columns + text);
}

/* What a look at one row costs before anything is computed with it. */
static double
fetching(const struct model_data_shape *shape)
{
  return shape->kind == DATASET_IMAGES ? PIXEL_S * (double) shape->columns : 0.0;
}

/* A solver pass costs two products with the data. */
static double
linear_cost(const struct model_data_shape *shape, const json_t *params, double rows, double share)
{
  double passes = shape->kind == DATASET_IMAGES ? 35.0 : 60.0;
  double work = LINEAR_FLOP_S * 4.0 * (inputs_of(shape) + 1.0) * outputs_of(shape);
  (void) params;
  return 1e-3 + encoding(shape, rows) + fmax(share * passes, 2.0) * rows * (work + fetching(shape));
}

/* Early stopping ends most runs; more rows and flatter trees allow more rounds. */
static double
trees_cost(const struct model_data_shape *shape, const json_t *params, double rows, double share)
{
  double depth = family_number("trees", shape, params, "max_depth");
  double most = family_number("trees", shape, params, "rounds");
  double rounds = fmin(most, (110.0 + rows / 160.0) * 6.0 / (depth + 1.0));
  double nodes = fmin(pow(2.0, depth), fmax(rows / 20.0, 1.0));
  double column = TREE_NODE_S * nodes + TREE_ROW_S * rows * (depth + 1.0);
  double per_tree = TREE_S + (double) shape->columns * column;
  return 3e-3 + encoding(shape, rows)
         + fmax(share * rounds, fmin(most, 2.0)) * outputs_of(shape) * per_tree;
}

/* About how many of a table's inputs are embedded numbers: a column of words becomes some ten of them. */
static double
numbers_of(const struct model_data_shape *shape)
{
  double columns = (double) shape->columns, words = (inputs_of(shape) - columns) / 10.0;
  double numbers = fmin(fmax(columns - fmax(words, 0.0), 0.0), inputs_of(shape));
  return numbers <= NET_EMBED_MOST ? numbers : 0.0;
}

/* How many of a plan's epochs a network usually runs: early stopping ends most runs early; with a schedule of
 * waves some, after the third. */
static double
usual_epochs(double epochs, size_t schedule)
{
  if (schedule == FAMILY_COSLOG4)
    return 0.8 * epochs;
  if (schedule == FAMILY_SGDR || epochs <= 20.0)
    return epochs;
  return 20.0 + 0.5 * (epochs - 20.0);
}

/* Six operations per weight, row and epoch; four in the first layer if nothing before it learns. */
static double
mlp_cost(const struct model_data_shape *shape, const json_t *params, double rows, double share)
{
  double units = family_number("mlp", shape, params, "units");
  double layers = family_number("mlp", shape, params, "layers");
  double epochs = family_number("mlp", shape, params, "epochs");
  double batch = fmax(family_number("mlp", shape, params, "batch_size"), 1.0);
  bool table = shape->kind == DATASET_TABLE;
  bool waves = table && family_choice("mlp", shape, params, "network") == FAMILY_NETWORK_REALMLP
               && family_choice("mlp", shape, params, "embedding") == FAMILY_EMBEDDING_PERIODIC;
  bool narrow =
    kernel_bf16_fast() && family_choice("mlp", shape, params, "precision") == FAMILY_AUTO;
  double flop_s = narrow ? NET_FLOP_BF16_S : NET_FLOP_S;
  double numbers = waves ? numbers_of(shape) : 0.0;
  double first = (inputs_of(shape) + numbers * (NET_EMBED_OUT - 1)) * units;
  double rest = (layers - 1.0) * units * units + units * (double) (shape->classes + 1);
  double step = NET_STEP_S + (first + rest) * NET_WEIGHT_S;
  double per_row = (waves ? 6.0 : 4.0) * first * (table ? NET_FLOP_S : flop_s) + 6.0 * rest * flop_s
                   + layers * units * NET_UNIT_S + numbers * NET_EMBED_WAVES * WAVE_S + step / batch
                   + fetching(shape);
  epochs = usual_epochs(epochs, family_choice("mlp", shape, params, "schedule"));
  return NET_START_S + encoding(shape, rows) + fmax(share * epochs, 0.1) * rows * per_row;
}

#define FORWARD_SHARE 0.36 /* of a step that trains all layers */

/* Forward, and twice as much back; a frozen body only forward. What lies between convolutions goes by the maps'
 * sizes. The statistics and the validation rows after each epoch are another part of a forward pass. */
static double
cnn_cost(const struct model_data_shape *shape, const json_t *params, double rows, double share)
{
  struct model_pixels pixels = {.channels = shape->channels};
  struct convnet_config config;
  double epochs = family_number("cnn", shape, params, "epochs");

  model_cnn_seen_size(shape, params, &pixels.height, &pixels.width);
  model_cnn_config(shape, params, &pixels, shape->classes ? shape->classes : 1, &config);
  double frozen = family_number("cnn", shape, params, "frozen_share");
  double parts = 3.3 * (1.0 - frozen + frozen * FORWARD_SHARE);
  bool narrow =
    kernel_bf16_fast() && family_choice("cnn", shape, params, "precision") == FAMILY_AUTO;
  double flop_s = narrow ? CONV_FLOP_BF16_S : winograd_here() ? CONV_FLOP_WINOGRAD_S : CONV_FLOP_S;
  double per_row = parts * convnet_flops(&config) * flop_s
                   + PIXEL_S * (double) (pixels.height * pixels.width * pixels.channels);
  return 1e-2 + fmax(share * epochs, 0.1) * rows * per_row;
}

typedef double cost_formula(const struct model_data_shape *shape, const json_t *params, double rows,
                            double share);

static double
cost_with(const char *family, const struct model_data_shape *shape, const json_t *params,
          size_t rows, double share)
{
  static const struct
  {
    const char *name;
    cost_formula *formula;
  } formulas[] = {
    {"linear", linear_cost}, {"trees", trees_cost}, {"mlp", mlp_cost}, {"cnn", cnn_cost}};
  for (size_t i = 0; i < sizeof formulas / sizeof formulas[0]; i++)
    if (strcmp(formulas[i].name, family) == 0)
      return formulas[i].formula(shape, params, (double) rows, share);
  return 0.0;
}

double
family_cost(const char *family, const struct model_data_shape *shape, const json_t *params,
            size_t rows)
{
  return cost_with(family, shape, params, rows, 1.0);
}

double
family_cost_least(const char *family, const struct model_data_shape *shape, const json_t *params,
                  size_t rows)
{
  return cost_with(family, shape, params, rows, 0.0);
}

/* ---- of a job ------------------------------------------------------------------------------------------ */

double
family_start_s(const char *family, const struct model_data_shape *shape)
{
  bool products = strcmp(family, "mlp") == 0 || strcmp(family, "cnn") == 0
                  || (strcmp(family, "linear") == 0 && outputs_of(shape) > 1.0);
  return products ? KERNELS_S : 0.0;
}

/* The family's parameters of a point, without their prefix (new reference). */
static json_t *
params_of(const struct job_spec *spec, size_t family, const double *point)
{
  json_t *all = space_point_to_json(spec->space, point), *params = json_object(), *value;
  size_t prefix = strlen(spec->families[family]);
  const char *name;

  json_object_foreach(all, name, value)
  {
    if (strncmp(name, spec->families[family], prefix) == 0 && name[prefix] == '.')
      json_object_set(params, name + prefix + 1, value);
  }
  json_decref(all);
  return params;
}

/* Moves one parameter of the point to whichever end of its range costs less. */
static void
cheapen(const struct job_spec *spec, size_t family, const struct model_data_shape *shape,
        size_t rows, size_t param, double *point)
{
  double kept = point[param], least = INFINITY;
  const double ends[] = {kept, space_from_unit(&spec->space->params[param], 0.0),
                         space_from_unit(&spec->space->params[param], 1.0)};

  for (size_t i = 0; i < 3; i++)
  {
    point[param] = ends[i];
    json_t *params = params_of(spec, family, point);
    double cost = family_cost(spec->families[family], shape, params, rows);
    json_decref(params);
    if (cost < least)
    {
      least = cost;
      kept = ends[i];
    }
  }
  point[param] = kept;
}

struct family_cost_range
family_cost_of_job(const struct job_spec *spec, size_t family, const struct model_data_shape *shape,
                   size_t rows)
{
  static const char *const matter[] = {"units",     "layers",        "epochs",       "batch_size",
                                       "max_depth", "rounds",        "filters",      "stages",
                                       "blocks",    "early_pooling", "frozen_share", NULL};
  const char *name = spec->families[family];
  const struct space *space = spec->space;
  size_t param = space_find(space, "family");
  double *point = calloc(space->count + 1, sizeof *point);
  struct family_cost_range range = {family_cost(name, shape, NULL, rows) + START_S,
                                    family_cost_least(name, shape, NULL, rows) + START_S};

  if (!point)
    return range;
  for (size_t i = 0; i < space->count; i++)
    point[i] = NAN;
  if (param != SIZE_MAX)
    point[param] = (double) family;
  space_repair(space, point);
  json_t *params = params_of(spec, family, point);
  range.usual_s = family_cost(name, shape, params, rows) + START_S;
  json_decref(params);
  for (size_t i = 0; matter[i]; i++)
    for (size_t p = 0; p < space->count; p++)
    {
      const char *dot = strchr(space->params[p].name, '.');
      if (dot && strcmp(dot + 1, matter[i]) == 0 && !isnan(point[p])
          && space->params[p].kind != SPACE_FIXED)
        cheapen(spec, family, shape, rows, p, point);
    }
  params = params_of(spec, family, point);
  range.least_s = family_cost_least(name, shape, params, rows) + START_S;
  json_decref(params);
  free(point);
  return range;
}

/* ---- columns as numbers ------------------------------------------------------------------------------ */

#define DATETIME_PARTS 7
#define TEXT_CHARACTERS 100 /* where there are no examples */

/* Scores of a text column: by the classes of the target, as far as the schema tells. */
static size_t
text_scores(const json_t *schema, const char *target)
{
  size_t index;
  const json_t *column;

  json_array_foreach(json_object_get(schema, "columns"), index, column)
  {
    const char *name = json_string_value(json_object_get(column, "name"));
    const char *type = json_string_value(json_object_get(column, "type"));
    json_int_t distinct = json_integer_value(json_object_get(column, "distinct"));
    if (name && type && target && strcmp(name, target) == 0 && strcmp(type, "categorical") == 0
        && distinct > 2)
      return distinct < ENCODE_MAX_SCORES ? (size_t) distinct : ENCODE_MAX_SCORES;
  }
  return 1;
}

size_t
family_text_characters(const json_t *schema, const char *target)
{
  size_t total = 0, index;
  const json_t *column;

  json_array_foreach(json_object_get(schema, "columns"), index, column)
  {
    const char *name = json_string_value(json_object_get(column, "name"));
    const char *type = json_string_value(json_object_get(column, "type"));
    const json_t *examples = json_object_get(column, "examples");
    size_t length = 0, count = json_array_size(examples);
    if (!name || !type || strcmp(type, "text") != 0 || (target && strcmp(name, target) == 0))
      continue;
    for (size_t i = 0; i < count; i++)
      length += json_string_length(json_array_get(examples, i));
    length = count > 0 ? length / count + 1 : TEXT_CHARACTERS;
    total += length < NGRAM_MAX_CHARACTERS ? length : NGRAM_MAX_CHARACTERS;
  }
  return total;
}

/* The most categories of a column that is one-hot; without memory what is so in any case. */
static size_t
one_hot_limit(const json_t *schema, const char *target)
{
  size_t index, count = 0, limit = ENCODE_ONE_HOT_DENSE;
  const json_t *column, *columns = json_object_get(schema, "columns");
  size_t *categories = calloc(json_array_size(columns) + 1, sizeof *categories);
  json_int_t rows = json_integer_value(json_object_get(schema, "rows"));

  json_array_foreach(columns, index, column)
  {
    const char *name = json_string_value(json_object_get(column, "name"));
    const char *type = json_string_value(json_object_get(column, "type"));
    json_int_t distinct = json_integer_value(json_object_get(column, "distinct"));
    if (categories && name && type && strcmp(type, "categorical") == 0 && distinct > 0
        && !(target && strcmp(name, target) == 0))
      categories[count++] = (size_t) distinct;
  }
  if (categories)
    limit = encode_one_hot_limit(ENCODE_DENSE, categories, count, rows > 0 ? (size_t) rows : 0);
  free(categories);
  return limit;
}

size_t
family_encoded_columns(const json_t *schema, const char *target)
{
  size_t total = 0, index, limit = one_hot_limit(schema, target);
  const json_t *column;

  json_array_foreach(json_object_get(schema, "columns"), index, column)
  {
    const char *name = json_string_value(json_object_get(column, "name"));
    const char *type = json_string_value(json_object_get(column, "type"));
    json_int_t distinct = json_integer_value(json_object_get(column, "distinct"));
    if (!name || !type || (target && strcmp(name, target) == 0))
      continue;
    if (strcmp(type, "categorical") == 0)
      total += distinct > (json_int_t) limit ? 1 : distinct > 1 ? (size_t) distinct : 1;
    else if (strcmp(type, "datetime") == 0)
      total += DATETIME_PARTS;
    else if (strcmp(type, "text") == 0)
      total += ENCODE_LOOKS + text_scores(schema, target);
    else if (strcmp(type, "identifier") != 0)
      total++;
  }
  return total;
}

/* ---- the machine -------------------------------------------------------------------------------------- */

#define PROBE_SIDE 192
#define PROBE_PRODUCTS 8
#define PROBE_COUNT (1 << 20)
#define PROBE_PRODUCTS_S 1.15e-3
#define PROBE_SUMS_S 2.0e-3

static double
thread_cpu_s(void)
{
  struct timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return (double) now.tv_sec + 1e-9 * (double) now.tv_nsec;
}

/* Products as networks and linear models make them; the first warms up. */
static double
probe_products(float *a)
{
  size_t size = (size_t) PROBE_SIDE * PROBE_SIDE;
  double start = 0.0;
  for (int i = 0; i <= PROBE_PRODUCTS; i++)
  {
    if (i == 1)
      start = thread_cpu_s();
    la_sgemm(false, false, PROBE_SIDE, PROBE_SIDE, PROBE_SIDE, 1e-3f, a, PROBE_SIDE, a + size,
             PROBE_SIDE, 0.0f, a + 2 * size, PROBE_SIDE);
  }
  return thread_cpu_s() - start;
}

/* Scattered sums over more than the near caches hold, as histograms of trees are made. */
static double
probe_sums(float *a)
{
  uint32_t at = 1;
  double start = thread_cpu_s();
  for (size_t i = 0; i < PROBE_COUNT; i++)
  {
    at = at * 1664525u + 1013904223u;
    a[at >> 12] += a[i];
  }
  return thread_cpu_s() - start;
}

double
family_machine_factor(void)
{
  float *a = malloc(PROBE_COUNT * sizeof *a);
  double products = INFINITY, sums = INFINITY;
  if (!a)
    return 1.0;
  for (size_t i = 0; i < PROBE_COUNT; i++)
    a[i] = (float) (i % 1000) * 1e-3f;
  for (int i = 0; i < 4; i++)
  {
    products = fmin(products, probe_products(a));
    sums = fmin(sums, probe_sums(a));
  }
  free(a);
  return fmin(fmax(sqrt(products / PROBE_PRODUCTS_S * sums / PROBE_SUMS_S), 0.1), 10.0);
}
