#include <config.h>

#include "base/space_json.h"

#include <math.h>
#include <string.h>

#include "base/space_json_internal.h"
#include "base/text.h"

static const char *const kind_names[] = {
  [SPACE_FLOAT] = "float",     [SPACE_INT] = "int",
  [SPACE_ORDINAL] = "ordinal", [SPACE_CATEGORICAL] = "categorical",
  [SPACE_BOOL] = "bool",       [SPACE_FIXED] = "fixed",
};

static const char *const scale_names[] = {
  [SPACE_LINEAR] = "linear",
  [SPACE_LOG] = "log",
  [SPACE_LOGIT] = "logit",
};

static json_t *
values_to_json(const struct space_param *param)
{
  json_t *array = json_array();
  for (size_t i = 0; array && i < param->value_count; i++)
    if (json_array_append_new(array, space_value_to_json(&param->values[i])) != 0)
    {
      json_decref(array);
      array = NULL;
    }
  return array;
}

static json_t *
weights_to_json(const struct space_param *param)
{
  json_t *array = json_array();
  int failed = array == NULL;
  for (size_t i = 0; i < param->value_count; i++)
    failed |= json_array_append_new(array, json_real(param->prior_weights[i]));
  json_t *object = failed ? NULL : json_pack("{s:O}", "weights", array);
  json_decref(array);
  return object;
}

static json_t *
conditions_to_json(const struct space *space, const struct space_param *param)
{
  json_t *object = json_object();
  int failed = object == NULL;
  for (size_t i = 0; !failed && i < param->condition_count; i++)
  {
    const struct space_condition *condition = &param->conditions[i];
    const struct space_param *parent = &space->params[condition->parent];
    json_t *legal = json_array();
    for (size_t j = 0; j < condition->value_count; j++)
      failed |= json_array_append_new(legal, space_stored_to_json(parent, condition->values[j]));
    failed |= json_object_set_new(object, parent->name, legal);
  }
  if (!failed)
    return object;
  json_decref(object);
  return NULL;
}

/* A bound as a whole number for ints, so that 8 does not become 8.0. */
static json_t *
bound_to_json(const struct space_param *param, double bound)
{
  return param->kind == SPACE_INT ? json_integer((json_int_t) bound) : json_real(bound);
}

static int
add_range(json_t *object, const struct space_param *param)
{
  int failed = json_object_set_new(object, "low", bound_to_json(param, param->low));
  failed |= json_object_set_new(object, "high", bound_to_json(param, param->high));
  if (param->scale != SPACE_LINEAR)
    failed |= json_object_set_new(object, "scale", json_string(scale_names[param->scale]));
  bool plain = param->kind == SPACE_INT ? param->step <= 1.0 : !(param->step > 0.0);
  if (!plain)
    failed |= json_object_set_new(object, "step", bound_to_json(param, param->step));
  if (param->has_prior)
    failed |= json_object_set_new(
      object, "prior", json_pack("{s:f,s:f}", "mean", param->prior_mean, "sd", param->prior_sd));
  return failed;
}

static json_t *
param_to_json(const struct space *space, const struct space_param *param)
{
  if (param->kind == SPACE_FIXED && param->condition_count == 0 && !param->help)
    return space_stored_to_json(param, 0.0);
  json_t *object = json_object();
  int failed = json_object_set_new(object, "type", json_string(kind_names[param->kind]));
  switch (param->kind)
  {
  case SPACE_FLOAT:
  case SPACE_INT:
    failed |= add_range(object, param);
    break;
  case SPACE_ORDINAL:
    failed |= json_object_set_new(object, "values", values_to_json(param));
    break;
  case SPACE_CATEGORICAL:
    failed |= json_object_set_new(object, "choices", values_to_json(param));
    break;
  case SPACE_FIXED:
    failed |= json_object_set_new(object, "value", space_stored_to_json(param, 0.0));
    break;
  case SPACE_BOOL:
    break;
  }
  if (param->prior_weights)
    failed |= json_object_set_new(object, "prior", weights_to_json(param));
  if (param->has_default && param->kind != SPACE_FIXED)
    failed |= json_object_set_new(object, "default", space_stored_to_json(param, param->fallback));
  if (param->condition_count > 0)
    failed |= json_object_set_new(object, "when", conditions_to_json(space, param));
  if (param->help)
    failed |= json_object_set_new(object, "help", json_string(param->help));
  if (!failed)
    return object;
  json_decref(object);
  return NULL;
}

json_t *
space_to_json(const struct space *space)
{
  json_t *object = json_object();
  for (size_t i = 0; object && i < space->count; i++)
    if (json_object_set_new(object, space->params[i].name, param_to_json(space, &space->params[i]))
        != 0)
    {
      json_decref(object);
      object = NULL;
    }
  if (object && space_rules_to_json(space, object) != 0)
  {
    json_decref(object);
    object = NULL;
  }
  return object;
}

json_t *
space_point_to_json(const struct space *space, const double *point)
{
  json_t *object = json_object();
  for (size_t i = 0; object && i < space->count; i++)
    if (!isnan(point[i])
        && json_object_set_new(object, space->params[i].name,
                               space_stored_to_json(&space->params[i], point[i]))
             != 0)
    {
      json_decref(object);
      object = NULL;
    }
  return object;
}

static void
add_unknown_names(const struct space *space, const json_t *object, const char *pointer,
                  struct json_faults *faults)
{
  const char **names = arena_array(faults->arena, space->count + 1, sizeof *names);
  for (size_t i = 0; names && i < space->count; i++)
    names[i] = space->params[i].name;
  const char *name;
  json_t *value;
  json_object_foreach((json_t *) object, name, value) if (space_find(space, name) == SIZE_MAX)
  {
    const char *nearest = names ? text_nearest(name, names, space->count) : NULL;
    json_fault_add(faults, json_pointer(faults->arena, pointer, name),
                   nearest ? arena_printf(faults->arena, "did you mean \"%s\"?", nearest)
                           : "leave it out: the space has no such parameter",
                   "unknown parameter \"%.*s\"",
                   (int) text_utf8_cut(name, strlen(name), SPACE_NAME_MAX), name);
  }
}

/* Whether all parents of a parameter were read without fault, so that its activity is known. */
static bool
parents_known(const struct space_param *param, const bool *known)
{
  for (size_t i = 0; i < param->condition_count; i++)
    if (!known[param->conditions[i].parent])
      return false;
  return true;
}

/* Reads parameter `index` into point[index]; false when it is at fault. */
static bool
read_value(const struct space *space, size_t index, const json_t *value, const char *pointer,
           double *point, struct json_faults *faults)
{
  const struct space_param *param = &space->params[index];
  bool given = value && !json_is_null(value);
  const char *place = json_pointer(faults->arena, pointer, param->name);
  point[index] = NAN;
  if (!space_active(space, index, point))
  {
    if (given)
      json_fault_add(faults, place, "leave it out, or change the parameter it depends on",
                     "\"%s\" has no effect here: its condition is not met", param->name);
    return !given;
  }
  if (!given && param->kind == SPACE_FIXED)
  {
    point[index] = 0.0;
    return true;
  }
  const char *fault =
    given ? space_stored_from_json(param, value, faults->arena, &point[index]) : "is missing";
  if (fault)
    json_fault_add(faults, place, given ? NULL : "every active parameter needs a value",
                   "\"%s\" %s", param->name, fault);
  return !fault;
}

static void
add_broken_rule(const struct space *space, const double *point, const char *pointer,
                struct json_faults *faults)
{
  size_t rule = space_broken_rule(space, point);
  if (rule == SIZE_MAX)
    return;
  const char *text = space_rule_text(space, rule, faults->arena);
  bool forbidden = rule < space->forbidden_count;
  json_fault_add(faults, pointer, "change one of the parameters it names",
                 forbidden ? "the space forbids the combination %s"
                           : "breaks the space's relation %s",
                 text ? text : "");
}

enum err
space_point_from_json(const struct space *space, const json_t *object, const char *pointer,
                      double *point, struct json_faults *faults)
{
  size_t before = faults->count;
  for (size_t i = 0; i < space->count; i++)
    point[i] = NAN;
  if (!json_is_object(object))
  {
    json_fault_add(faults, pointer, "give {\"name\": value, …}", "must be an object");
    return ERR_INVALID;
  }
  bool *known = arena_array(faults->arena, space->count + 1, sizeof *known);
  if (!known)
    return ERR_MEMORY;
  add_unknown_names(space, object, pointer, faults);
  for (size_t i = 0; i < space->count; i++)
    if (parents_known(&space->params[i], known))
      known[i] = read_value(space, i, json_object_get(object, space->params[i].name), pointer,
                            point, faults);
  if (faults->count == before)
    add_broken_rule(space, point, pointer, faults);
  return faults->count == before ? ERR_OK : ERR_INVALID;
}

/* ---- from another space ------------------------------------------------------------------------------ */

double
space_value_near_json(const struct space_param *param, const json_t *json)
{
  double best = NAN, least = INFINITY;

  if (param->kind == SPACE_FLOAT || param->kind == SPACE_INT)
    return json_is_number(json) ? json_number_value(json) : best;
  for (size_t i = 0; param->kind != SPACE_FIXED && i < param->value_count; i++)
  {
    const struct space_value *value = &param->values[i];
    double far = INFINITY;
    if (value->kind == SPACE_VALUE_TEXT)
      far = json_is_string(json) && strcmp(json_string_value(json), value->text) == 0 ? 0.0 : far;
    else if (value->kind == SPACE_VALUE_BOOL)
      far = json_is_boolean(json) && json_is_true(json) == (value->number > 0.0) ? 0.0 : far;
    else if (json_is_number(json)
             && (param->kind == SPACE_ORDINAL || json_number_value(json) == value->number))
      far = fabs(json_number_value(json) - value->number);
    if (far < least)
    {
      least = far;
      best = (double) i;
    }
  }
  return best;
}
