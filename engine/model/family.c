#include <config.h>

#include "model/family.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/family_cost.h"
#include "model/job_spec_internal.h"

/* ---- looking up and checking ---------------------------------------------------------------------- */

bool
family_param_applies(const struct family_param *param, const struct model_data_shape *shape)
{
  int data = shape->kind == DATASET_IMAGES ? FAMILY_FOR_IMAGES : FAMILY_FOR_TABLES;
  int task = shape->task == TASK_REGRESSION ? FAMILY_FOR_REGRESSION : FAMILY_FOR_CLASSES;
  int never = shape->base.stages ? FAMILY_WITHOUT_BASE : FAMILY_WITH_BASE;
  return (param->kinds & data) && (param->kinds & task) && !(param->kinds & never);
}

const struct family_param *
family_param_find(const char *family, const char *name, const struct model_data_shape *shape)
{
  const struct family_param *param = family_params(family);

  for (; param && param->name; param++)
    if (strcmp(param->name, name) == 0 && family_param_applies(param, shape))
      return param;
  return NULL;
}

static size_t
choice_index(const struct family_param *param, const char *choice)
{
  for (size_t i = 0; param->choices[i]; i++)
    if (strcmp(param->choices[i], choice) == 0)
      return i;
  return SIZE_MAX;
}

const char *
family_param_fault(const struct family_param *param, const json_t *value, char *text, size_t size)
{
  if (param->kind == FAMILY_CHOICE)
  {
    if (json_is_string(value) && choice_index(param, json_string_value(value)) != SIZE_MAX)
      return NULL;
    int used = snprintf(text, size, "must be one of");
    for (size_t i = 0; param->choices[i] && used > 0 && (size_t) used < size; i++)
      used +=
        snprintf(text + used, size - (size_t) used, "%s \"%s\"", i ? "," : "", param->choices[i]);
    return text;
  }
  bool whole = param->kind != FAMILY_FLOAT;
  double number = json_is_number(value) ? json_number_value(value) : NAN;
  if (isfinite(number) && number >= param->legal_low && number <= param->legal_high
      && (!whole || number == floor(number)))
    return NULL;
  snprintf(text, size, "must be %s from %g to %g", whole ? "a whole number" : "a number",
           param->legal_low, param->legal_high);
  return text;
}

enum err
family_check_params(const char *family, const struct model_data_shape *shape, const json_t *params,
                    struct err_info *info)
{
  const char *name;
  json_t *value;

  if (!family_params(family))
    return err_set(info, ERR_INVALID, "there is no family \"%s\"", family);
  json_object_foreach((json_t *) params, name, value)
  {
    const struct family_param *param = family_param_find(family, name, shape);
    char text[200];
    if (!param)
      return err_set(info, ERR_INVALID, "family %s has no hyperparameter \"%s\" for such data",
                     family, name);
    if (family_param_fault(param, value, text, sizeof text))
      return err_set(info, ERR_INVALID, "%s.%s %s", family, name, text);
  }
  return ERR_OK;
}

static double
default_of(const struct family_param *param, const struct model_data_shape *shape)
{
  return param->tuned ? param->tuned(shape) : param->fallback;
}

double
family_number(const char *family, const struct model_data_shape *shape, const json_t *params,
              const char *name)
{
  const json_t *value = params ? json_object_get(params, name) : NULL;
  const struct family_param *param = family_param_find(family, name, shape);

  if (json_is_number(value))
    return json_number_value(value);
  return param ? default_of(param, shape) : 0.0;
}

size_t
family_choice(const char *family, const struct model_data_shape *shape, const json_t *params,
              const char *name)
{
  const json_t *value = params ? json_object_get(params, name) : NULL;
  const struct family_param *param = family_param_find(family, name, shape);

  if (!param || param->kind != FAMILY_CHOICE)
    return 0;
  size_t index = json_is_string(value) ? choice_index(param, json_string_value(value)) : SIZE_MAX;
  return index != SIZE_MAX ? index : (size_t) default_of(param, shape);
}

static bool
is_searched(const struct family_param *param, const struct model_data_shape *shape)
{
  return param->searched && !(param->settled && param->settled(shape));
}

/* ---- the published space -------------------------------------------------------------------------- */

static json_t *
number_json(const struct family_param *param, double value)
{
  return param->kind == FAMILY_FLOAT ? json_real(value) : json_integer((json_int_t) value);
}

/* The values, or those of the choices that are chosen (see FAMILY_CHOSEN). */
static json_t *
list_json(const struct family_param *param, unsigned chosen)
{
  json_t *list = json_array();
  int failed = 0;

  for (size_t i = 0; param->kind == FAMILY_CHOICE && param->choices[i]; i++)
    if (chosen & FAMILY_CHOSEN(i))
      failed |= json_array_append_new(list, json_string(param->choices[i]));
  for (size_t i = 0; param->kind == FAMILY_ORDINAL && param->values[i] > 0; i++)
    failed |= json_array_append_new(list, json_integer((json_int_t) param->values[i]));
  if (!failed)
    return list;
  json_decref(list);
  return NULL;
}

/* When a parameter is active; the choices that are not searched by default are in it, too. */
static json_t *
when_json(const struct family_param *param)
{
  json_t *list = json_array(), *when = json_object();
  int failed = 0;

  for (size_t i = 0; param->when_choices[i]; i++)
    failed |= json_array_append_new(list, json_string(param->when_choices[i]));
  failed |= json_object_set_new(when, param->when_name, list);
  if (!failed)
    return when;
  json_decref(when);
  return NULL;
}

/* Names of enum family_param_kind, as spaces have them. */
static const char *const types[] = {"float", "int", "ordinal", "categorical"};

/* A space with a member missing would be another space: all of it or NULL. */
static json_t *
param_json(const struct family_param *param, const struct model_data_shape *shape)
{
  double fallback = default_of(param, shape);
  unsigned choices = param->searched_choices ? param->searched_choices : UINT_MAX;

  if (!is_searched(param, shape))
    return param->kind == FAMILY_CHOICE ? json_string(param->choices[(size_t) fallback])
                                        : number_json(param, fallback);
  json_t *object = json_object();
  int failed = json_object_set_new(object, "type", json_string(types[param->kind]));
  if (param->kind == FAMILY_CHOICE)
  {
    failed |= json_object_set_new(object, "choices", list_json(param, choices));
    failed |=
      json_object_set_new(object, "default", json_string(param->choices[(size_t) fallback]));
  }
  else if (param->kind == FAMILY_ORDINAL)
  {
    failed |= json_object_set_new(object, "values", list_json(param, UINT_MAX));
    failed |= json_object_set_new(object, "default", number_json(param, fallback));
  }
  else
  {
    fallback = fmin(fmax(fallback, param->low), param->high);
    failed |= json_object_set_new(object, "low", number_json(param, param->low));
    failed |= json_object_set_new(object, "high", number_json(param, param->high));
    failed |=
      json_object_set_new(object, "scale", json_string(param->log_scale ? "log" : "linear"));
    failed |= json_object_set_new(object, "default", number_json(param, fallback));
  }
  if (param->when_name)
    failed |= json_object_set_new(object, "when", when_json(param));
  failed |= json_object_set_new(object, "help", json_string(param->help));
  if (!failed)
    return object;
  json_decref(object);
  return NULL;
}

json_t *
family_space(const char *family, const struct model_data_shape *shape)
{
  const struct family_param *param = family_params(family);
  json_t *space = json_object();

  for (; space && param && param->name; param++)
    if (family_param_applies(param, shape)
        && json_object_set_new(space, param->name, param_json(param, shape)) != 0)
    {
      json_decref(space);
      return NULL;
    }
  return space;
}

static json_t *
describe_param(const struct family_param *param, const struct model_data_shape *shape)
{
  bool choice = param->kind == FAMILY_CHOICE;
  double fallback = default_of(param, shape);
  json_t *object = json_pack(
    "{s:s, s:s, s:s, s:b, s:o}", "name", param->name, "help", param->help, "type",
    types[param->kind], "searched", is_searched(param, shape), "default",
    choice ? json_string(param->choices[(size_t) fallback]) : number_json(param, fallback));
  int failed = 0;

  if (choice)
    failed |= json_object_set_new(object, "choices", list_json(param, UINT_MAX));
  else
  {
    failed |= json_object_set_new(object, "low", number_json(param, param->legal_low));
    failed |= json_object_set_new(object, "high", number_json(param, param->legal_high));
  }
  if (!failed)
    return object;
  json_decref(object);
  return NULL;
}

json_t *
family_describe(const char *family, const struct model_data_shape *shape)
{
  const struct family_param *param = family_params(family);
  json_t *list = json_array();

  for (; list && param && param->name; param++)
    if (family_param_applies(param, shape)
        && json_array_append_new(list, describe_param(param, shape)) != 0)
    {
      json_decref(list);
      return NULL;
    }
  return list;
}

/* ---- the table of families ------------------------------------------------------------------------ */

static const char *
refuse_nothing(const struct model_data_shape *shape)
{
  (void) shape;
  return NULL;
}

static const char *
trees_refuse(const struct model_data_shape *shape)
{
  if (shape->kind == DATASET_IMAGES)
    return "boosted trees see pixels as unrelated columns and take far longer than a network; use "
           "cnn, mlp or linear for images";
  return NULL;
}

/* What is searched when a job says nothing: conditions name only choices that are searched. */
static json_t *
published_space(const char *family, const struct model_data_shape *shape)
{
  json_t *space = family_space(family, shape);

  if (space && job_space_settle(space))
    return space;
  json_decref(space);
  return NULL;
}

static json_t *
linear_space(const struct model_data_shape *shape)
{
  return published_space("linear", shape);
}

static json_t *
trees_space(const struct model_data_shape *shape)
{
  return published_space("trees", shape);
}

static json_t *
mlp_space(const struct model_data_shape *shape)
{
  return published_space("mlp", shape);
}

static double
linear_cost(const struct model_data_shape *shape, size_t rows)
{
  return family_cost("linear", shape, NULL, rows);
}

static double
trees_cost(const struct model_data_shape *shape, size_t rows)
{
  return family_cost("trees", shape, NULL, rows);
}

static double
mlp_cost(const struct model_data_shape *shape, size_t rows)
{
  return family_cost("mlp", shape, NULL, rows);
}

static const char *
cnn_refuse(const struct model_data_shape *shape)
{
  if (shape->kind != DATASET_IMAGES)
    return "a convolutional network needs images; use trees, mlp or linear for tables";
  if (shape->height < 8 || shape->width < 8)
    return "images of less than 8 x 8 pixels are too small for convolutions; use mlp";
  return NULL;
}

static json_t *
cnn_space(const struct model_data_shape *shape)
{
  return published_space("cnn", shape);
}

/* Whether mirror images may be trained on is the one question that no default can answer. */
static const char *const cnn_variants[] = {"{\"flip\": \"yes\"}", NULL};

static double
cnn_cost(const struct model_data_shape *shape, size_t rows)
{
  return family_cost("cnn", shape, NULL, rows);
}

static const struct model_family families[] = {
  {.name = "linear",
   .help =
     "Logistic, softmax or ridge regression with an elastic net penalty: fast, hard to beat on "
     "small data.",
   .refuse = refuse_nothing,
   .default_space = linear_space,
   .cost_estimate = linear_cost,
   .exact = true},
  {.name = "trees",
   .help = "Gradient-boosted decision trees (XGBoost): strong on tables with mixed columns.",
   .refuse = trees_refuse,
   .default_space = trees_space,
   .cost_estimate = trees_cost,
   .stops_on_validation = true},
  {.name = "mlp",
   .help = "Multi-layer perceptron: a neural network of fully connected layers, for tables and "
           "images.",
   .refuse = refuse_nothing,
   .default_space = mlp_space,
   .cost_estimate = mlp_cost,
   .stops_on_validation = true,
   .has_rungs = true},
  {.name = "cnn",
   .help =
     "Convolutional network with residual blocks and batch normalisation: the best on images.",
   .refuse = cnn_refuse,
   .default_space = cnn_space,
   .cost_estimate = cnn_cost,
   .stops_on_validation = true,
   .has_rungs = true,
   .variants = cnn_variants},
  {.name = NULL}};

const struct model_family *
model_families(void)
{
  return families;
}

const struct model_family *
model_family_find(const char *name)
{
  for (const struct model_family *family = families; family->name; family++)
    if (strcmp(family->name, name) == 0)
      return family;
  return NULL;
}
