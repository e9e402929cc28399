#include <config.h>

#include "model/model_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_reduce.h"
#include "model/model_linear.h"

#define HEAD_LENGTH_MAX ((size_t) 64 << 20)

enum err
model_damaged(struct err_info *info, const char *what)
{
  return err_set(info, ERR_INVALID, "the model file is damaged: %s", what);
}

/* ---- writing ---------------------------------------------------------------------------------------- */

static json_t *
factors_json(const double *factors, size_t count)
{
  json_t *list = json_array();

  for (size_t k = 0; k < count; k++)
    json_array_append_new(list, json_real(factors[k]));
  return list;
}

static void
add_decision(const struct model *model, json_t *head)
{
  size_t classes = model->task.class_count;
  json_t *decision = json_object();

  if (model->rebalance)
    json_object_set_new(head, "rebalance", factors_json(model->rebalance, classes));
  if (model->decision.has_threshold)
    json_object_set_new(decision, "threshold", json_real(model->decision.threshold));
  if (model->decision.factors)
    json_object_set_new(decision, "factors", factors_json(model->decision.factors, classes));
  if (json_object_size(decision) > 0)
    json_object_set(head, "decision", decision);
  json_decref(decision);
}

static void
add_means(const struct model *model, json_t *head)
{
  const struct linear *linear = model->kind == &model_linear_kind ? model->body : NULL;
  json_t *list;

  if (!linear || !linear->mean)
    return;
  list = json_array();
  for (size_t i = 0; i < linear->inputs; i++)
    json_array_append_new(list, json_real((double) linear->mean[i]));
  json_object_set_new(head, "input_means", list);
}

json_t *
model_head_json(const struct model *model)
{
  const struct task *task = &model->task;
  json_t *classes = json_array();

  for (size_t i = 0; i < task->class_count; i++)
    json_array_append_new(classes, json_string(task->class_names[i]));
  json_t *head = json_pack(
    "{s:s, s:O, s:{s:s, s:s?, s:o}, s:s}", "family", model->kind ? model->kind->family : "bag",
    "params", model->params, "task", "kind", task_kind_name(task->kind), "target", task->target,
    "classes", classes, "input", model->input == DATASET_IMAGES ? "images" : "table");
  if (model->input == DATASET_IMAGES)
    json_object_set_new(
      head, "pixels",
      json_pack("{s:I, s:I, s:I, s:f, s:f}", "height", (json_int_t) model->pixels.height, "width",
                (json_int_t) model->pixels.width, "channels", (json_int_t) model->pixels.channels,
                "mean", (double) model->pixels.mean, "scale", (double) model->pixels.scale));
  if (model->pixels.seen_height)
    json_object_update_new(json_object_get(head, "pixels"),
                           json_pack("{s:I, s:I}", "seen_height",
                                     (json_int_t) model->pixels.seen_height, "seen_width",
                                     (json_int_t) model->pixels.seen_width));
  if (model->schema)
    json_object_set_new(head, "schema", row_schema_to_json(model->schema));
  json_t *target = json_pack("{s:f, s:f}", "mean", model->target.mean, "sd", model->target.sd);
  if (model->target.clamp)
  {
    json_object_set_new(target, "low", json_real(model->target.low));
    json_object_set_new(target, "high", json_real(model->target.high));
  }
  if (model->target.log)
    json_object_set_new(target, "log", json_true());
  json_object_set_new(head, "target", target);
  if (model->fold >= 0)
    json_object_set_new(head, "fold", json_integer(model->fold));
  add_decision(model, head);
  add_means(model, head);
  if (model->novelty)
    json_object_set_new(head, "novelty", novelty_json(model->novelty));
  if (model->temperature != 1.0)
    json_object_set_new(head, "temperature", json_real(model->temperature));
  if (model->interval)
    json_object_set_new(head, "interval", model_interval_json(model->interval));
  return head;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static bool
whole_member(const json_t *object, const char *name, size_t low, size_t high, size_t *value)
{
  const json_t *member = json_object_get(object, name);

  if (!json_is_integer(member) || json_integer_value(member) < (json_int_t) low
      || json_integer_value(member) > (json_int_t) high)
    return false;
  *value = (size_t) json_integer_value(member);
  return true;
}

static bool
number_member(const json_t *object, const char *name, double *value)
{
  const json_t *member = json_object_get(object, name);

  if (!json_is_number(member) || !isfinite(json_number_value(member)))
    return false;
  *value = json_number_value(member);
  return true;
}

/* The task, its strings borrowed from head; *names is to be freed by the caller. */
static bool
read_task(const json_t *head, struct task *task, const char ***names)
{
  const json_t *object = json_object_get(head, "task");
  const json_t *classes = json_object_get(object, "classes");
  const char *kind = json_string_value(json_object_get(object, "kind"));
  size_t count = json_array_size(classes);

  *task = (struct task){.target = json_string_value(json_object_get(object, "target")),
                        .target_column = SIZE_MAX,
                        .class_count = count,
                        .output_count = count ? count : 1};
  *names = calloc(count + 1, sizeof **names);
  if (!kind || !*names)
    return false;
  for (size_t i = 0; i < count; i++)
    if (!((*names)[i] = json_string_value(json_array_get(classes, i))))
      return false;
  task->class_names = *names;
  for (int i = TASK_BINARY; i <= TASK_REGRESSION; i++)
    if (strcmp(kind, task_kind_name((enum task_kind) i)) == 0)
    {
      task->kind = (enum task_kind) i;
      return i == TASK_BINARY ? count == 2 : i == TASK_MULTICLASS ? count >= 2 : count == 0;
    }
  return false;
}

/* The size the body sees, when it is not the whole: what image_reduce can make. */
static bool
read_seen_size(const json_t *object, struct model_pixels *pixels)
{
  if (!json_object_get(object, "seen_height"))
    return true;
  return whole_member(object, "seen_height", 1, pixels->height, &pixels->seen_height)
         && whole_member(object, "seen_width", 1, pixels->width, &pixels->seen_width)
         && pixels->seen_height <= IMAGE_SEEN_MAX / pixels->channels / pixels->seen_width;
}

static bool
read_numbers(const json_t *head, struct model *model)
{
  const json_t *target = json_object_get(head, "target");
  const json_t *pixels = json_object_get(head, "pixels");
  const char *input = json_string_value(json_object_get(head, "input"));
  double mean = 0.0, scale = 1.0;

  if (!input || (strcmp(input, "images") != 0 && strcmp(input, "table") != 0))
    return false;
  model->input = strcmp(input, "images") == 0 ? DATASET_IMAGES : DATASET_TABLE;
  if (!number_member(target, "mean", &model->target.mean)
      || !number_member(target, "sd", &model->target.sd))
    return false;
  model->target.log = json_is_true(json_object_get(target, "log"));
  model->target.clamp = json_object_get(target, "low") != NULL;
  if (model->target.clamp
      && (!number_member(target, "low", &model->target.low)
          || !number_member(target, "high", &model->target.high)))
    return false;
  if (model->input == DATASET_TABLE)
    return true;
  if (!whole_member(pixels, "height", 1, 65536, &model->pixels.height)
      || !whole_member(pixels, "width", 1, 65536, &model->pixels.width)
      || !whole_member(pixels, "channels", 1, 4, &model->pixels.channels)
      || !number_member(pixels, "mean", &mean) || !number_member(pixels, "scale", &scale))
    return false;
  model->pixels.mean = (float) mean;
  model->pixels.scale = (float) scale;
  return read_seen_size(pixels, &model->pixels);
}

/* A list of as many numbers above 0 as there are classes, or nothing. */
static bool
read_factors(const json_t *list, struct model *model, const double **factors)
{
  size_t classes = model->task.class_count;
  double *found = calloc(classes + 1, sizeof *found);
  bool good = found && json_array_size(list) == classes && classes > 0;

  for (size_t k = 0; good && k < classes; k++)
    good = json_is_number(json_array_get(list, k));
  for (size_t k = 0; good && k < classes; k++)
    found[k] = json_number_value(json_array_get(list, k));
  good = good && model_copy_factors(model, found, factors, NULL) == ERR_OK;
  free(found);
  return good;
}

static bool
read_decision(const json_t *head, struct model *model)
{
  const json_t *rebalance = json_object_get(head, "rebalance");
  const json_t *decision = json_object_get(head, "decision");
  struct decision found = {0};

  if (rebalance && !read_factors(rebalance, model, &model->rebalance))
    return false;
  if (!decision)
    return true;
  if (json_object_get(decision, "factors")
      && !read_factors(json_object_get(decision, "factors"), model, &found.factors))
    return false;
  if (json_object_get(decision, "threshold"))
  {
    found.has_threshold = true;
    if (!number_member(decision, "threshold", &found.threshold))
      return false;
  }
  return model_set_decision(model, &found, NULL) == ERR_OK;
}

static bool
read_means(const json_t *head, struct model *model)
{
  const json_t *list = json_object_get(head, "input_means");
  size_t count = json_array_size(list);
  float *means;

  if (!list)
    return true;
  means = arena_array(model->arena, count + 1, sizeof *means);
  for (size_t i = 0; means && i < count; i++)
  {
    double mean = json_number_value(json_array_get(list, i));
    if (!json_is_number(json_array_get(list, i)) || !isfinite((float) mean))
      return false;
    means[i] = (float) mean;
  }
  model->input_means = means;
  model->input_mean_count = count;
  return means && json_is_array(list);
}

static bool
read_calibration(const json_t *head, struct model *model)
{
  const json_t *interval = json_object_get(head, "interval");
  struct model_interval found;
  double temperature;

  if (json_object_get(head, "temperature")
      && (!number_member(head, "temperature", &temperature)
          || model_set_temperature(model, temperature, NULL) != ERR_OK))
    return false;
  return !interval
         || (model_interval_read(interval, &found)
             && model_set_interval(model, &found, NULL) == ERR_OK);
}

enum err
model_head_read(const struct reader *section, struct model **model, char family[16],
                struct err_info *info)
{
  json_t *head =
    section->left <= HEAD_LENGTH_MAX
      ? json_loadb((const char *) section->bytes, section->left, JSON_REJECT_DUPLICATES, NULL)
      : NULL;
  const char *name = json_string_value(json_object_get(head, "family"));
  const char **names = NULL;
  struct task task;
  enum err rc = ERR_OK;

  *model = NULL;
  if (!name || strlen(name) >= 16 || !json_is_object(json_object_get(head, "params"))
      || !read_task(head, &task, &names))
    rc = model_damaged(info, "its head cannot be read");
  if (rc == ERR_OK)
    rc = model_new_empty(&task, model, info);
  if (rc == ERR_OK
      && !(read_numbers(head, *model) && read_decision(head, *model)
           && read_calibration(head, *model) && read_means(head, *model)))
    rc = model_damaged(info, "its head cannot be read");
  if (rc == ERR_OK)
  {
    strcpy(family, name);
    const json_t *fold = json_object_get(head, "fold");
    if (json_is_integer(fold) && json_integer_value(fold) >= 0
        && json_integer_value(fold) <= MODEL_FOLD_MAX)
      model_set_fold(*model, (int) json_integer_value(fold));
    (*model)->params = json_incref(json_object_get(head, "params"));
    if (json_object_get(head, "schema"))
      rc = row_schema_from_json(json_object_get(head, "schema"), &(*model)->schema, info);
    if (rc == ERR_OK && json_object_get(head, "novelty"))
      rc =
        novelty_read(json_object_get(head, "novelty"),
                     (*model)->schema ? row_schema_count((*model)->schema) : NOVELTY_IMAGE_INPUTS,
                     &(*model)->novelty, info);
  }
  free(names);
  json_decref(head);
  return rc;
}
