#include <config.h>

#include "model/export_onnx.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/encode_internal.h"
#include "data/row_schema.h"
#include "model/export_onnx_body.h"

#define LABEL "attune_label"
#define PROBABILITIES "attune_probabilities"
#define VALUE "attune_value"

struct work
{
  const struct model *model, *first;
  struct onnx graph;
  int *inputs; /* values, by column of the schema; 0 = no member takes it */
  int image;
  struct err_info *info;
};

/* ---- columns ---------------------------------------------------------------------------------------- */

static float
float_of(double value)
{
  return value > 3.4e38 ? 3.4e38f : value < -3.4e38 ? -3.4e38f : (float) value;
}

/* The features of a category: found, unknown to the encoder (SIZE_MAX), or missing (encode_apply.c). */
static void
category_row(const struct encode_column *column, bool dense, bool missing, size_t found, float *x)
{
  size_t parts = column->feature_count - (column->indicator ? 1 : 0);

  if (column->indicator)
    x[parts] = missing ? 1.0f : 0.0f;
  for (size_t p = 0; p < parts; p++)
    if (missing && (!dense || column->kind != ENCODE_TARGET))
      x[p] = dense ? 0.0f : NAN;
    else if (column->kind == ENCODE_TARGET)
    {
      double value =
        found == SIZE_MAX ? column->prior[p] : column->stats[found * column->stat_count + p];
      x[p] = dense ? (float) encode_clip((value - column->stat_centre[p]) * column->stat_scale[p])
                   : float_of(value);
    }
    else
      x[p] = found == p || (found == SIZE_MAX && p == column->category_count) ? 1.0f : 0.0f;
}

/* Words become the rows of a table: those of the schema in their order, then the missing and the unheard of. */
static int
category_nodes(struct work *work, const struct encode_column *column, bool dense, size_t input)
{
  const struct row_column *known = &work->first->schema->columns[input];
  size_t count = known->category_count, width = column->feature_count;
  float *table = calloc((count + 1) * width + 1, sizeof *table);
  int64_t *places = calloc(count + 1, sizeof *places);
  struct buf encoder = {0}, gather = {0};
  int found = 0;

  if (table && places)
  {
    for (size_t k = 0; k <= count; k++)
    {
      places[k] = (int64_t) k;
      category_row(column, dense, k == count,
                   k < count ? encode_find_category(column, known->categories[k]) : SIZE_MAX,
                   table + k * width);
    }
    onnx_attr_strings(&encoder, "keys_strings", known->categories, count);
    onnx_attr_ints(&encoder, "values_int64s", places, count);
    onnx_attr_int(&encoder, "default_int64", (int64_t) count);
    found = onnx_node_ml(&work->graph, "LabelEncoder", &work->inputs[input], 1, &encoder);
    found = onnx_reshape(&work->graph, found, (int64_t[]){-1}, 1);
    int rows = onnx_floats(&work->graph, table, (size_t[]){count + 1, width}, 2);
    onnx_attr_int(&gather, "axis", 0);
    found = onnx_node(&work->graph, "Gather", (int[]){rows, found}, 2, &gather);
  }
  else
    work->graph.nodes.failed = true;
  free(table);
  free(places);
  return found;
}

/* In double up to the end, as the encoder reckons. */
static int
number_nodes(struct work *work, const struct encode_column *column, bool dense, size_t input)
{
  struct onnx *graph = &work->graph;
  int v = work->inputs[input], missing = onnx_op1(graph, "IsNaN", v), parts[2];
  size_t count = 0;

  if (column->kind == ENCODE_NUMBER && !dense)
    parts[count++] = onnx_cast(graph, v, ONNX_FLOAT);
  else if (column->kind == ENCODE_NUMBER)
  {
    int centre = onnx_double(graph, column->centre);
    v = onnx_op2(graph, "Sub", onnx_op3(graph, "Where", missing, centre, v), centre);
    v = onnx_op2(graph, "Mul", v, onnx_double(graph, column->scale > 0 ? column->scale : 0.0));
    /* beyond, the square might overflow */
    v = onnx_op2(graph, "Min", v, onnx_double(graph, 1e9));
    v = onnx_op2(graph, "Max", v, onnx_double(graph, -1e9));
    int square = onnx_op2(graph, "Div", onnx_op2(graph, "Mul", v, v), onnx_double(graph, 9.0));
    square = onnx_op1(graph, "Sqrt", onnx_op2(graph, "Add", square, onnx_double(graph, 1.0)));
    parts[count++] = onnx_cast(graph, onnx_op2(graph, "Div", v, square), ONNX_FLOAT);
  }
  if (column->indicator)
    parts[count++] = onnx_cast(graph, missing, ONNX_FLOAT);
  return count == 1 ? parts[0] : onnx_join(graph, parts, count, 1);
}

static enum err
add_input(struct work *work, size_t input)
{
  const struct row_column *column = &work->first->schema->columns[input];
  bool number = column->type == COLUMN_NUMERIC;

  if (work->inputs[input])
    return ERR_OK;
  if (column->type == COLUMN_DATETIME || column->type == COLUMN_TEXT)
    return err_set(work->info, ERR_INVALID,
                   "ONNX can't express the %s of column \"%.60s\"; format=c can",
                   column->type == COLUMN_TEXT ? "texts" : "dates", column->name);
  if (column->name[0] == '#' || column->name[0] == '\0' || strcmp(column->name, LABEL) == 0
      || strcmp(column->name, PROBABILITIES) == 0 || strcmp(column->name, VALUE) == 0
      || (!number && column->category_count == 0))
    return err_set(work->info, ERR_INVALID,
                   "column \"%.60s\" can't be an input of ONNX; format=c takes it", column->name);
  work->inputs[input] =
    onnx_input(&work->graph, column->name, number ? ONNX_DOUBLE : ONNX_STRING, (size_t[]){0, 1}, 2);
  return ERR_OK;
}

/* The features (rows, width) of a member. */
static enum err
table_nodes(struct work *work, const struct model *member, int *x)
{
  const struct encoder *encoder = member->encoder;
  bool dense = encoder->view == ENCODE_DENSE;
  int *parts = calloc(encoder->column_count + 1, sizeof *parts);
  size_t count = 0;
  enum err rc = parts ? ERR_OK : ERR_MEMORY;

  for (size_t c = 0; rc == ERR_OK && c < encoder->column_count; c++)
  {
    const struct encode_column *column = &encoder->columns[c];
    size_t input = row_schema_find(work->first->schema, column->name, strlen(column->name));
    if (column->feature_count == 0)
      continue;
    if (input == SIZE_MAX || work->first->schema->columns[input].type != column->type)
      rc = err_set(work->info, ERR_INVALID, "column \"%.60s\" of a member is not in the schema",
                   column->name);
    if (rc == ERR_OK)
      rc = add_input(work, input);
    if (rc == ERR_OK)
      parts[count++] = column->type == COLUMN_NUMERIC ? number_nodes(work, column, dense, input)
                                                      : category_nodes(work, column, dense, input);
  }
  if (rc == ERR_OK)
    *x = onnx_join(&work->graph, parts, count, 1);
  free(parts);
  return rc;
}

static enum err
image_nodes(struct work *work, const struct model *member, int *x)
{
  const struct model_pixels *pixels = &member->pixels;
  struct onnx *graph = &work->graph;

  if (pixels->seen_height)
    return err_set(work->info, ERR_INVALID,
                   "the model reduces its images from %zu × %zu pixels to %zu × %zu, which ONNX "
                   "can't express; format=c can",
                   pixels->width, pixels->height, pixels->seen_width, pixels->seen_height);
  if (!work->image)
    work->image =
      onnx_cast(graph,
                onnx_input(graph, "image", ONNX_UINT8,
                           (size_t[]){0, pixels->height, pixels->width, pixels->channels}, 4),
                ONNX_FLOAT);
  *x = onnx_op2(graph, "Sub", work->image, onnx_float(graph, pixels->mean));
  *x = onnx_op2(graph, "Mul", *x, onnx_float(graph, pixels->scale));
  return ERR_OK;
}

/* ---- answers ---------------------------------------------------------------------------------------- */

/* The number in its own units (model_scale_target). */
static int
target_nodes(struct onnx *graph, const struct model_target *target, int y)
{
  int v = onnx_cast(graph, y, ONNX_DOUBLE);

  v = onnx_op2(graph, "Mul", v, onnx_double(graph, target->sd));
  v = onnx_op2(graph, "Add", v, onnx_double(graph, target->mean));
  if (target->clamp)
  {
    v = onnx_op2(graph, "Max", v, onnx_double(graph, target->low));
    v = onnx_op2(graph, "Min", v, onnx_double(graph, target->high));
  }
  if (target->log)
    v = onnx_op2(graph, "Sub", onnx_op1(graph, "Exp", v), onnx_double(graph, 1.0));
  return onnx_cast(graph, v, ONNX_FLOAT);
}

static int
factors_of(struct onnx *graph, const double *factors, size_t count)
{
  return onnx_cast(graph, onnx_doubles(graph, factors, &count, 1), ONNX_FLOAT);
}

static int
rebalance_nodes(struct onnx *graph, const double *factors, size_t classes, int p)
{
  int scaled = onnx_op2(graph, "Mul", p, factors_of(graph, factors, classes));
  int sum = onnx_op2(graph, "ReduceSum", scaled, onnx_longs(graph, (int64_t[]){1}, 1));

  return onnx_op2(graph, "Div", scaled, sum);
}

/* p to the power 1 / temperature, made to sum to 1: the softmax of ln p / temperature. */
static int
temper_nodes(struct onnx *graph, double temperature, int p)
{
  int log = onnx_op1(graph, "Log", onnx_op2(graph, "Max", p, onnx_float(graph, FLT_EPSILON)));

  return onnx_softmax(graph,
                      onnx_op2(graph, "Mul", log, onnx_float(graph, (float) (1 / temperature))));
}

/* The chosen class by its name. */
static int
label_nodes(struct onnx *graph, const struct model *model, int p)
{
  const struct decision *decision = &model->decision;
  size_t classes = model->task.class_count;
  struct buf attributes = {0};
  int64_t *numbers = calloc(classes + 1, sizeof *numbers);
  int chosen;

  if (decision->has_threshold)
  {
    onnx_attr_int(&attributes, "axis", 1);
    chosen =
      onnx_node(graph, "Gather", (int[]){p, onnx_longs(graph, (int64_t[]){1}, 1)}, 2, &attributes);
    chosen = onnx_op2(graph, "GreaterOrEqual", onnx_cast(graph, chosen, ONNX_DOUBLE),
                      onnx_double(graph, decision->threshold));
    chosen = onnx_reshape(graph, onnx_cast(graph, chosen, ONNX_INT64), (int64_t[]){-1}, 1);
  }
  else
  {
    if (decision->factors)
      p = onnx_op2(graph, "Mul", p, factors_of(graph, decision->factors, classes));
    onnx_attr_int(&attributes, "axis", 1);
    onnx_attr_int(&attributes, "keepdims", 0);
    chosen = onnx_node(graph, "ArgMax", &p, 1, &attributes);
  }
  attributes = (struct buf){0};
  for (size_t k = 0; numbers && k < classes; k++)
    numbers[k] = (int64_t) k;
  graph->nodes.failed = graph->nodes.failed || !numbers;
  if (numbers)
    onnx_attr_ints(&attributes, "keys_int64s", numbers, classes);
  onnx_attr_strings(&attributes, "values_strings", model->task.class_names, classes);
  free(numbers);
  return onnx_node_ml(graph, "LabelEncoder", &chosen, 1, &attributes);
}

static enum err
member_nodes(struct work *work, const struct model *member, int *y)
{
  struct onnx *graph = &work->graph;
  int x = 0;
  enum err rc =
    member->input == DATASET_IMAGES ? image_nodes(work, member, &x) : table_nodes(work, member, &x);

  if (rc != ERR_OK)
    return rc;
  *y = export_onnx_body(graph, member, x);
  if (member->task.kind == TASK_REGRESSION)
    *y = target_nodes(graph, &member->target, *y);
  if (member->rebalance)
    *y = rebalance_nodes(graph, member->rebalance, member->task.class_count, *y);
  return ERR_OK;
}

/* The weighted mean of the members, then what the whole does. */
static enum err
model_nodes(struct work *work)
{
  const struct model *model = work->model;
  size_t count = model->member_count ? model->member_count : 1;
  size_t dims[] = {0, model->task.output_count};
  struct onnx *graph = &work->graph;
  int y = 0;
  enum err rc = ERR_OK;

  for (size_t m = 0; rc == ERR_OK && m < count; m++)
  {
    double weight;
    int one = 0;
    rc = member_nodes(work, model_member(model, m, &weight), &one);
    if (rc == ERR_OK && count > 1)
      one = onnx_op2(graph, "Mul", one, onnx_float(graph, (float) weight));
    if (rc == ERR_OK)
      y = m ? onnx_op2(graph, "Add", y, one) : one;
  }
  if (rc != ERR_OK)
    return rc;
  if (model->task.kind == TASK_REGRESSION)
  {
    onnx_output(graph, y, VALUE, ONNX_FLOAT, dims, 2);
    return ERR_OK;
  }
  if (model->temperature != 1.0)
    y = temper_nodes(graph, model->temperature, y);
  onnx_output(graph, label_nodes(graph, model, y), LABEL, ONNX_STRING, dims, 1);
  onnx_output(graph, y, PROBABILITIES, ONNX_FLOAT, dims, 2);
  return ERR_OK;
}

enum err
export_onnx(const struct model *model, const char *name, struct buf *out, struct err_info *info)
{
  struct work work = {
    .model = model, .first = model->member_count ? model->members[0] : model, .info = info};
  size_t columns = work.first->schema ? work.first->schema->count : 0;
  enum err rc;

  work.inputs = calloc(columns + 1, sizeof *work.inputs);
  rc = work.inputs ? model_nodes(&work) : ERR_MEMORY;
  if (rc == ERR_OK)
  {
    onnx_finish(&work.graph, name, export_left_out(model), out);
    rc = out->failed ? ERR_MEMORY : ERR_OK;
  }
  onnx_clear(&work.graph);
  free(work.inputs);
  return rc == ERR_MEMORY ? err_set(info, ERR_MEMORY, "no memory for the file") : rc;
}

const char *
export_left_out(const struct model *model)
{
  return model->interval ? "prediction intervals" : NULL;
}
