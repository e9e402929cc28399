#include <config.h>

#include "tune/tune_data.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "search/search.h"

/* The server has checked the limits when it took the job; here any stored value goes. */
#define ANY_SECONDS 1e12
#define ANY_TRIALS ((size_t) 1 << 40)

static const char **
method_names(struct arena *arena)
{
  const struct search_method_info *methods = search_methods();
  size_t count = 0;
  while (methods[count].name != NULL)
    count++;
  const char **names = arena_array(arena, count + 1, sizeof *names);
  for (size_t i = 0; names != NULL && i < count; i++)
    names[i] = methods[i].name;
  return names;
}

enum err
tune_spec_read(const json_t *stored, const json_t *schema, struct arena *arena,
               struct job_spec **spec, struct err_info *info)
{
  struct json_faults faults;
  struct job_spec_context context = {.dataset_schema = schema,
                                     .methods = method_names(arena),
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
                                          .classes = data->task.class_count};
  if (images != NULL)
    data->shape.columns = images->height * images->width * images->channels;
  else if (table != NULL)
    data->shape.columns = table->column_count > 1 ? table->column_count - 1 : 1;
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
  if (choose_metric(data) != ERR_OK || data->task_note == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the dataset's labels");
  if (!metric_fits_task(data->metric, data->task.kind))
    return err_set(info, ERR_INVALID, "metric %s does not fit a %s task", metric_name(data->metric),
                   task_kind_name(data->task.kind));
  measure_shape(data);
  struct split_spec split = {
    .seed = data->spec->seed, .holdout = data->spec->holdout, .fold_count = data->spec->folds};
  return split_make(data->dataset, &data->task, &split, &data->split, info);
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
  labels->labels.classes = labels->classes;
  labels->labels.values = labels->values;
  return ERR_OK;
}

void
tune_labels_free(struct tune_labels *labels)
{
  free(labels->classes);
  free(labels->values);
  *labels = (struct tune_labels){0};
}

uint64_t
tune_fit_seed(const struct tune_data *data, uint64_t trial, size_t fold)
{
  return rng_mix(rng_mix(data->spec->seed, trial), fold);
}
