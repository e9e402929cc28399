#include <config.h>

#include "model/model_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const struct model_kind *const kinds[] = {&model_linear_kind, &model_trees_kind,
                                                 &model_mlp_kind, &model_cnn_kind};

const struct model_kind *
model_kind_find(const char *family)
{
  for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
    if (strcmp(kinds[i]->family, family) == 0)
      return kinds[i];
  return NULL;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static bool
copy_task(struct model *model, const struct task *task)
{
  const char **names = arena_array(model->arena, task->class_count + 1, sizeof *names);

  if (!names)
    return false;
  for (size_t i = 0; i < task->class_count; i++)
    if (!(names[i] = arena_strdup(model->arena, task->class_names[i])))
      return false;
  model->task = *task;
  model->task.class_names = names;
  model->task.left_out = NULL; /* of the dataset's columns; the model has its own */
  model->task.target = task->target ? arena_strdup(model->arena, task->target) : NULL;
  return !task->target || model->task.target;
}

enum err
model_new_empty(const struct task *task, struct model **model, struct err_info *info)
{
  struct model *made = calloc(1, sizeof *made);

  *model = NULL;
  if (made)
    made->arena = arena_new(1024);
  if (!made || !made->arena || !copy_task(made, task))
  {
    model_free(made);
    return err_set(info, ERR_MEMORY, "no memory for a model");
  }
  made->target.sd = 1.0;
  made->temperature = 1.0;
  made->fold = -1;
  *model = made;
  return ERR_OK;
}

enum err
model_bind(struct model *model, const struct row_schema *schema, struct err_info *info)
{
  if (!model->encoder || encoder_bind(model->encoder, schema) == ERR_OK)
    return ERR_OK;
  return err_set(info, ERR_MEMORY, "no memory for a model's columns");
}

enum err
model_build_take(struct model_parts *parts, struct model **model, struct err_info *info)
{
  const struct model_kind *kind = model_kind_find(parts->family);
  struct model *made;
  enum err rc = model_new_empty(parts->task, &made, info);

  *model = NULL;
  if (rc == ERR_OK)
  {
    made->kind = kind;
    made->body = parts->body;
    made->encoder = parts->encoder;
    made->params = json_incref((json_t *) parts->params);
    made->input = dataset_kind(parts->dataset);
    made->pixels = parts->pixels;
    made->target = parts->target;
    rc = model_copy_factors(made, parts->rebalance, &made->rebalance, info);
    if (rc == ERR_OK && made->input == DATASET_TABLE)
      rc = row_schema_from_task(parts->dataset, parts->task, &made->schema, info);
    if (rc == ERR_OK && made->schema)
      rc = model_bind(made, made->schema, info);
    if (rc == ERR_OK)
      rc = novelty_fit(parts->dataset, parts->task, &made->novelty, info);
  }
  else
  {
    encoder_free(parts->encoder);
    kind->free(parts->body);
  }
  parts->body = NULL;
  parts->encoder = NULL;
  if (rc != ERR_OK)
  {
    model_free(made);
    return rc;
  }
  *model = made;
  return ERR_OK;
}

void
model_free(struct model *model)
{
  if (!model)
    return;
  for (size_t i = 0; i < model->member_count; i++)
    model_free(model->members[i]);
  free(model->members);
  free(model->weights);
  if (model->kind)
    model->kind->free(model->body);
  encoder_free(model->encoder);
  row_schema_free(model->schema);
  novelty_free(model->novelty);
  json_decref(model->params);
  arena_free(model->arena);
  free(model);
}

void
model_about(const struct model *model, struct model_about *about)
{
  const struct model *first = model->member_count ? model->members[0] : model;

  *about = (struct model_about){.family = model->kind ? model->kind->family : "bag",
                                .params = model->params,
                                .task = &model->task,
                                .input = model->input,
                                .schema = first->schema,
                                .height = model->pixels.height,
                                .width = model->pixels.width,
                                .channels = model->pixels.channels,
                                .member_count = model->member_count ? model->member_count : 1,
                                .file_bytes = model->file_bytes,
                                .decision = model->decision,
                                .temperature = model->temperature,
                                .interval = model->interval,
                                .novelty = first->novelty,
                                .fold = model->fold};
}

void
model_set_fold(struct model *model, int fold)
{
  model->fold = fold >= 0 && fold <= MODEL_FOLD_MAX ? fold : -1;
}

const struct model *
model_member(const struct model *model, size_t index, double *weight)
{
  *weight = model->member_count > 0 ? model->weights[index] : 1.0;
  return model->member_count > 0 ? model->members[index] : model;
}

enum err
model_copy_factors(struct model *model, const double *from, const double **to,
                   struct err_info *info)
{
  size_t classes = model->task.class_count;
  double *copy;

  *to = NULL;
  if (!from)
    return ERR_OK;
  for (size_t k = 0; k < classes; k++)
    if (!(from[k] > 0.0) || !isfinite(from[k]))
      return err_set(info, ERR_INVALID, "the factor of class %zu is not a number above 0", k);
  copy = arena_array(model->arena, classes + 1, sizeof *copy);
  if (!copy)
    return err_set(info, ERR_MEMORY, "no memory for %zu factors", classes);
  memcpy(copy, from, classes * sizeof *copy);
  *to = copy;
  return ERR_OK;
}

enum err
model_set_decision(struct model *model, const struct decision *decision, struct err_info *info)
{
  if (decision->has_threshold
      && (model->task.kind != TASK_BINARY || !(decision->threshold >= 0.0)
          || !(decision->threshold <= 1.0)))
    return err_set(info, ERR_INVALID, "a threshold is a number from 0 to 1, for two classes");
  if (decision->factors && model->task.class_count == 0)
    return err_set(info, ERR_INVALID, "a model of numbers has no classes to decide between");
  model->decision = *decision;
  return model_copy_factors(model, decision->factors, &model->decision.factors, info);
}

enum err
model_set_temperature(struct model *model, double temperature, struct err_info *info)
{
  if (!(temperature >= MODEL_TEMPERATURE_LEAST) || !(temperature <= MODEL_TEMPERATURE_MOST))
    return err_set(info, ERR_INVALID, "a temperature is a number from %g to %g",
                   MODEL_TEMPERATURE_LEAST, MODEL_TEMPERATURE_MOST);
  if (model->task.class_count == 0)
    return err_set(info, ERR_INVALID, "a model of numbers has no probabilities");
  model->temperature = temperature;
  return ERR_OK;
}

enum err
model_set_interval(struct model *model, const struct model_interval *interval,
                   struct err_info *info)
{
  if (model->task.kind != TASK_REGRESSION)
    return err_set(info, ERR_INVALID, "a model of classes has no intervals");
  struct model_interval *copy = arena_alloc(model->arena, sizeof *copy);
  if (!copy)
    return err_set(info, ERR_MEMORY, "no memory for intervals");
  *copy = *interval;
  model->interval = copy;
  return ERR_OK;
}

/* ---- bags ----------------------------------------------------------------------------------------- */

static bool
same_question(const struct model *a, const struct model *b)
{
  if (a->task.kind != b->task.kind || a->task.class_count != b->task.class_count
      || a->input != b->input || a->pixels.height != b->pixels.height
      || a->pixels.width != b->pixels.width || a->pixels.channels != b->pixels.channels)
    return false;
  for (size_t i = 0; i < a->task.class_count; i++)
    if (strcmp(a->task.class_names[i], b->task.class_names[i]) != 0)
      return false;
  return true;
}

static enum err
check_members(struct model **members, const double *weights, size_t count, struct err_info *info)
{
  if (count == 0)
    return err_set(info, ERR_INVALID, "a bag needs at least one model");
  for (size_t i = 0; i < count; i++)
  {
    if (!members[i]->kind)
      return err_set(info, ERR_INVALID, "a bag cannot hold another bag");
    if (!same_question(members[0], members[i]))
      return err_set(info, ERR_INVALID, "member %zu of the bag answers another question", i);
    if (!(weights[i] >= 0.0) || weights[i] > 1.0 + 1e-9)
      return err_set(info, ERR_INVALID, "the weight of member %zu is not between 0 and 1", i);
  }
  return ERR_OK;
}

static enum err
bag_new(struct model **members, const double *weights, size_t count, struct model **bag,
        struct err_info *info)
{
  enum err rc = model_new_empty(&members[0]->task, bag, info);
  struct model *made = *bag;

  if (rc != ERR_OK)
    return rc;
  made->input = members[0]->input;
  made->pixels = members[0]->pixels;
  made->members = calloc(count, sizeof(struct model *));
  made->weights = calloc(count, sizeof(double));
  if (!made->members || !made->weights)
  {
    model_free(made);
    *bag = NULL;
    return err_set(info, ERR_MEMORY, "no memory for a bag of %zu models", count);
  }
  bool equal = true;
  for (size_t i = 0; i < count; i++)
  {
    equal = equal && json_equal(members[i]->params, members[0]->params);
    made->members[i] = members[i];
    made->weights[i] = weights[i];
    /* the first one's stands for all: they are of the same data */
    if (i > 0)
    {
      novelty_free(members[i]->novelty);
      members[i]->novelty = NULL;
    }
  }
  made->member_count = count;
  made->params = equal ? json_incref(members[0]->params) : json_object();
  return ERR_OK;
}

enum err
model_bag_take(struct model **members, const double *weights, size_t count, struct model **bag,
               struct err_info *info)
{
  enum err rc;

  *bag = NULL;
  if (count == 1)
  {
    *bag = members[0];
    return ERR_OK;
  }
  rc = check_members(members, weights, count, info);
  /* its rows come in the first one's schema */
  for (size_t i = 1; rc == ERR_OK && members[0]->schema && i < count; i++)
    rc = model_bind(members[i], members[0]->schema, info);
  if (rc == ERR_OK)
    rc = bag_new(members, weights, count, bag, info);
  for (size_t i = 0; rc != ERR_OK && i < count; i++)
    model_free(members[i]);
  return rc;
}

/* ---- importance ----------------------------------------------------------------------------------- */

/* Adds weight × the shares of a single model's columns to shares (column_count). */
static bool
add_importance(const struct model *model, double weight, double *shares, size_t column_count)
{
  size_t width = encoder_width(model->encoder);
  double *features = calloc(width ? width : 1, sizeof *features), sum = 0.0;

  if (!features)
    return false;
  model->kind->importance(model->body, features);
  for (size_t i = 0; i < width; i++)
    sum += features[i];
  for (size_t i = 0; i < width && sum > 0.0; i++)
  {
    size_t column = encoder_feature_column(model->encoder, i);
    if (column < column_count)
      shares[column] += weight * features[i] / sum;
  }
  free(features);
  return true;
}

struct share
{
  double share;
  size_t column;
};

static int
compare_shares(const void *left, const void *right)
{
  const struct share *a = left, *b = right;
  if (a->share != b->share)
    return a->share < b->share ? 1 : -1;
  return a->column < b->column ? -1 : a->column > b->column;
}

static json_t *
shares_json(const double *shares, const json_t *columns, size_t count)
{
  struct share *order = calloc(count ? count : 1, sizeof *order);
  json_t *list = order ? json_array() : NULL;
  double sum = 0.0;

  for (size_t i = 0; list && i < count; i++)
  {
    order[i] = (struct share){.share = shares[i], .column = i};
    sum += shares[i];
  }
  if (list)
    qsort(order, count, sizeof *order, compare_shares);
  for (size_t i = 0; list && i < count; i++)
    json_array_append_new(
      list, json_pack("{s:O, s:f}", "name",
                      json_object_get(json_array_get(columns, order[i].column), "name"),
                      "importance", sum > 0.0 ? order[i].share / sum : 0.0));
  free(order);
  return list;
}

json_t *
model_importance(const struct model *model)
{
  const struct model *first = model->member_count ? model->members[0] : model;
  json_t *columns, *list = NULL;

  if (model->input != DATASET_TABLE || !first->schema)
    return NULL;
  columns = row_schema_to_json(first->schema);
  size_t count = json_array_size(columns);
  double *shares = calloc(count ? count : 1, sizeof *shares);
  bool done = shares && columns;
  if (model->member_count == 0)
    done = done && add_importance(model, 1.0, shares, count);
  for (size_t i = 0; done && i < model->member_count; i++)
    done = add_importance(model->members[i], model->weights[i], shares, count);
  if (done)
    list = shares_json(shares, columns, count);
  free(shares);
  json_decref(columns);
  return list;
}
