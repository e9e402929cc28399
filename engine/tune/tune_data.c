#include <config.h>

#include "tune/tune_data.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "data/image_reduce.h"
#include "model/family_cost.h"
#include "search/search.h"

/* The server has checked the limits when it took the job; here any stored value goes. */
#define ANY_SECONDS 1e12
#define ANY_TRIALS ((size_t) 1 << 40)

enum err
tune_spec_read(const json_t *stored, const json_t *schema, struct arena *arena,
               struct job_spec **spec, struct err_info *info)
{
  struct json_faults faults;
  struct job_spec_context context = {.dataset_schema = schema,
                                     .methods = search_method_names(arena),
                                     .max_seconds = ANY_SECONDS,
                                     .max_trials = ANY_TRIALS};
  if (context.methods == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the job's spec");
  json_faults_init(&faults, arena);
  enum err err = job_spec_from_json(stored, &context, arena, spec, &faults);
  if (err == ERR_INVALID && faults.kept > 0)
    return err_set(info, err, "%s: %s", faults.items[0].pointer, faults.items[0].message);
  if (err != ERR_OK)
    return err_set(info, err, "the job's spec can't be read: %s", err_name(err));
  return ERR_OK;
}

static enum err
choose_metric(struct tune_data *data)
{
  if (data->spec->has_metric)
  {
    data->metric = data->spec->metric;
    return ERR_OK;
  }
  size_t rows = dataset_row_count(data->dataset);
  size_t *class_rows = calloc(data->task.class_count + 1, sizeof *class_rows);
  if (class_rows == NULL)
    return ERR_MEMORY;
  for (size_t row = 0; data->task.class_count > 0 && row < rows; row++)
  {
    int32_t class = task_class_of(&data->task, data->dataset, row);
    if (class >= 0)
      class_rows[class]++;
  }
  data->metric = metric_default(&data->task, class_rows);
  free(class_rows);
  return ERR_OK;
}

static void
measure_shape(struct tune_data *data)
{
  const struct image_set *images = dataset_images(data->dataset);
  const struct table *table = dataset_table(data->dataset);
  data->shape = (struct model_data_shape){.kind = dataset_kind(data->dataset),
                                          .task = data->task.kind,
                                          .rows = dataset_row_count(data->dataset),
                                          .classes = data->task.class_count,
                                          .base = data->spec->base};
  if (images != NULL)
  {
    data->shape.height = images->height;
    data->shape.width = images->width;
    data->shape.channels = images->channels;
    data->shape.columns = image_reduced_inputs(images->height, images->width, images->channels);
  }
  else if (table != NULL)
    for (size_t c = 0; c < table->column_count; c++)
      data->shape.columns +=
        c != data->task.target_column && !(data->task.left_out != NULL && data->task.left_out[c]);
  if (data->shape.columns == 0)
    data->shape.columns = 1;
}

/* The columns for group, time and weight say how rows are to be treated: a model that learned from them
 * would want them in every prediction, and a group it has not seen tells it nothing. */
static enum err
leave_special_columns_out(struct tune_data *data, struct err_info *info)
{
  const char *const names[] = {data->spec->group_column, data->spec->time_column,
                               data->spec->sample_weight};
  enum err err = ERR_OK;
  for (size_t i = 0; i < sizeof names / sizeof names[0] && err == ERR_OK; i++)
    err = task_leave_out(&data->task, data->dataset, names[i], data->arena, info);
  return err;
}

static enum err
read_class_weights(struct tune_data *data, struct err_info *info)
{
  const struct job_spec *spec = data->spec;
  if (spec->class_weight_count == 0)
    return ERR_OK;
  double *weights = arena_array(data->arena, data->task.class_count + 1, sizeof *weights);
  if (weights == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the class weights");
  for (size_t k = 0; k < data->task.class_count; k++)
    weights[k] = 1;
  for (size_t i = 0; i < spec->class_weight_count; i++)
  {
    size_t k = 0;
    while (k < data->task.class_count
           && strcmp(data->task.class_names[k], spec->class_weight_names[i]) != 0)
      k++;
    if (k == data->task.class_count)
      return err_set(info, ERR_INVALID,
                     "class_weight names a class \"%.60s\", which the target does not have; write "
                     "the classes as the data does, such as \"%.60s\"",
                     spec->class_weight_names[i],
                     data->task.class_count > 0 ? data->task.class_names[0] : "");
    weights[k] = spec->class_weight_values[i];
  }
  data->class_weights = weights;
  return ERR_OK;
}

static enum err
read_row_weights(struct tune_data *data, struct err_info *info)
{
  const struct table *table = dataset_table(data->dataset);
  const char *name = data->spec->sample_weight;
  if (name == NULL)
    return ERR_OK;
  size_t index = table != NULL ? table_find(table, name) : SIZE_MAX;
  if (index == SIZE_MAX || table->columns[index].number == NULL)
    return err_set(info, ERR_INVALID, "there is no numeric column \"%.60s\" to weigh rows by",
                   name);
  const double *weights = table->columns[index].number;
  double sum = 0;
  for (size_t row = 0; row < table->row_count; row++)
  {
    if (!(weights[row] >= 0) || isinf(weights[row]))
      return err_set(info, ERR_INVALID,
                     "row %zu has the weight %g in column \"%.60s\"; weights must be 0 or more",
                     row + 1, weights[row], name);
    sum += weights[row];
  }
  if (!(sum > 0))
    return err_set(info, ERR_INVALID, "every row has the weight 0 in column \"%.60s\"", name);
  data->row_weights = weights;
  return ERR_OK;
}

/* What "balanced" stands for: the rows a model may learn from, by weight, divided evenly over the classes.
 * All fits take the same weights, so that their predictions can be decided between alike. */
static enum err
balance_classes(struct tune_data *data, struct err_info *info)
{
  size_t classes = data->task.class_count, present = 0;
  double total = 0, *sums = arena_array(data->arena, classes + 1, sizeof *sums);
  if (sums == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the class weights");
  for (size_t k = 0; k < classes; k++)
    sums[k] = 0;
  for (size_t row = 0; row < data->split->row_count; row++)
  {
    uint8_t fold = data->split->fold_of[row];
    int32_t class = task_class_of(&data->task, data->dataset, row);
    if (fold != SPLIT_UNUSED && fold != SPLIT_REPORT && class >= 0)
      sums[class] += data->row_weights != NULL ? data->row_weights[row] : 1;
  }
  for (size_t k = 0; k < classes; k++)
  {
    total += sums[k];
    present += sums[k] > 0;
  }
  for (size_t k = 0; k < classes; k++)
    sums[k] = sums[k] > 0 ? total / ((double) present * sums[k]) : 1;
  data->class_weights = sums;
  return ERR_OK;
}

/* Class weights state what an error costs: labels go by probability × weight. */
static enum err
decide_by_class_weights(struct tune_data *data, struct err_info *info)
{
  enum err err = ERR_OK;
  if (data->spec->class_weight_balanced && data->task.class_count > 0)
    err = balance_classes(data, info);
  if (err != ERR_OK || data->class_weights == NULL)
    return err;
  data->decision = (struct decision){.factors = data->class_weights};
  if (data->task.kind == TASK_BINARY)
    data->decision = (struct decision){
      .has_threshold = true,
      .threshold = data->class_weights[0] / (data->class_weights[0] + data->class_weights[1])};
  return ERR_OK;
}

/* Refuses a metric that the labels can't be scored by before anything is trained for it. */
static enum err
check_metric(const struct tune_data *data, struct err_info *info)
{
  size_t rows = data->split->row_count, count = 0;
  size_t *used = calloc(rows + 1, sizeof *used);
  struct tune_labels labels = {0};
  for (size_t row = 0; used != NULL && row < rows; row++)
    if (data->split->fold_of[row] != SPLIT_UNUSED)
      used[count++] = row;
  enum err err = used != NULL ? tune_labels_of(data, used, count, &labels) : ERR_MEMORY;
  if (err != ERR_OK)
    err_set(info, err, "out of memory for the dataset's labels");
  else
    err = metric_check(data->metric, &data->task, &labels.labels, info);
  tune_labels_free(&labels);
  free(used);
  return err;
}

static enum err
derive(struct tune_data *data, const json_t *stored_spec, const json_t *schema,
       struct err_info *info)
{
  struct err_info note = {0};
  enum err err = tune_spec_read(stored_spec, schema, data->arena, &data->spec, info);
  if (err != ERR_OK)
    return err;
  err = task_make(data->dataset, data->spec->target, data->spec->task_name, data->arena,
                  &data->task, &note);
  if (err != ERR_OK)
    return err_set(info, err, "%s", note.text);
  data->task_note = arena_strdup(data->arena, note.text);
  err = leave_special_columns_out(data, info);
  if (err == ERR_OK)
    err = read_class_weights(data, info);
  if (err == ERR_OK)
    err = read_row_weights(data, info);
  if (err != ERR_OK)
    return err;
  if (choose_metric(data) != ERR_OK || data->task_note == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the dataset's labels");
  if (!metric_fits_task(data->metric, data->task.kind))
    return err_set(info, ERR_INVALID, "metric %s does not fit a %s task", metric_name(data->metric),
                   task_kind_name(data->task.kind));
  measure_shape(data);
  data->shape.encoded = family_encoded_columns(schema, data->spec->target);
  data->shape.characters = family_text_characters(schema, data->spec->target);
  struct split_spec split = job_spec_split(data->spec);
  err = split_make(data->dataset, &data->task, &split, &data->split, info);
  if (err == ERR_OK)
    err = decide_by_class_weights(data, info);
  return err == ERR_OK ? check_metric(data, info) : err;
}

enum err
tune_data_open(const char *path, const json_t *stored_spec, const json_t *schema,
               struct tune_data **data, struct err_info *info)
{
  struct tune_data *made = calloc(1, sizeof *made);
  *data = NULL;
  if (made != NULL)
    made->arena = arena_new(0);
  if (made == NULL || made->arena == NULL)
  {
    free(made);
    return err_set(info, ERR_MEMORY, "out of memory for the dataset");
  }
  enum err err = dataset_open(path, &made->dataset, info);
  if (err == ERR_OK)
    err = derive(made, stored_spec, schema, info);
  if (err != ERR_OK)
  {
    tune_data_close(made);
    return err;
  }
  *data = made;
  return ERR_OK;
}

void
tune_data_close(struct tune_data *data)
{
  if (data == NULL)
    return;
  if (data->split != NULL)
    split_free(data->split);
  if (data->dataset != NULL)
    dataset_close(data->dataset);
  arena_free(data->arena);
  free(data);
}

enum err
tune_labels_of(const struct tune_data *data, const size_t *rows, size_t count,
               struct tune_labels *labels)
{
  *labels = (struct tune_labels){.labels.count = count};
  if (data->task.kind == TASK_REGRESSION)
  {
    labels->values = calloc(count + 1, sizeof *labels->values);
    if (labels->values == NULL)
      return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
      labels->values[i] = task_value_of(&data->task, data->dataset, rows[i]);
  }
  else
  {
    labels->classes = calloc(count + 1, sizeof *labels->classes);
    if (labels->classes == NULL)
      return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
      labels->classes[i] = task_class_of(&data->task, data->dataset, rows[i]);
  }
  if (data->row_weights != NULL)
  {
    labels->weights = calloc(count + 1, sizeof *labels->weights);
    if (labels->weights == NULL)
      return ERR_MEMORY;
    for (size_t i = 0; i < count; i++)
      labels->weights[i] = data->row_weights[rows[i]];
  }
  labels->labels.weights = labels->weights;
  labels->labels.classes = labels->classes;
  labels->labels.values = labels->values;
  return ERR_OK;
}

void
tune_labels_free(struct tune_labels *labels)
{
  free(labels->classes);
  free(labels->values);
  free(labels->weights);
  *labels = (struct tune_labels){0};
}

uint64_t
tune_fit_seed(const struct tune_data *data, uint64_t trial, size_t fold)
{
  return rng_mix(rng_mix(data->spec->seed, trial), fold);
}
