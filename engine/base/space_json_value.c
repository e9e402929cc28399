#include <config.h>

#include "base/space_json_internal.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

bool
space_value_from_json(const json_t *json, struct arena *arena, struct space_value *value)
{
  *value = (struct space_value){.kind = SPACE_VALUE_NUMBER};
  if (json_is_string(json))
  {
    value->kind = SPACE_VALUE_TEXT;
    value->text = arena_strdup(arena, json_string_value(json));
    return value->text != NULL;
  }
  if (json_is_boolean(json))
  {
    value->kind = SPACE_VALUE_BOOL;
    value->number = json_is_true(json) ? 1.0 : 0.0;
    value->integral = true;
    return true;
  }
  if (!json_is_number(json))
    return false;
  value->number = json_number_value(json);
  value->integral = json_is_integer(json) && fabs(value->number) <= 0x1p53;
  return true;
}

json_t *
space_value_to_json(const struct space_value *value)
{
  switch (value->kind)
  {
  case SPACE_VALUE_TEXT:
    return json_string(value->text);
  case SPACE_VALUE_BOOL:
    return json_boolean(value->number != 0.0);
  case SPACE_VALUE_NUMBER:
    break;
  }
  return value->integral ? json_integer((json_int_t) value->number) : json_real(value->number);
}

bool
space_values_equal(const struct space_value *a, const struct space_value *b)
{
  if (a->kind != b->kind)
    return false;
  return a->kind == SPACE_VALUE_TEXT ? strcmp(a->text, b->text) == 0 : a->number == b->number;
}

static bool
matches(const struct space_value *value, const json_t *json)
{
  switch (value->kind)
  {
  case SPACE_VALUE_TEXT:
    return json_is_string(json) && strcmp(json_string_value(json), value->text) == 0;
  case SPACE_VALUE_BOOL:
    return json_is_boolean(json) && json_is_true(json) == (value->number != 0.0);
  case SPACE_VALUE_NUMBER:
    break;
  }
  return json_is_number(json) && json_number_value(json) == value->number;
}

static const char *
number_from_json(const struct space_param *param, const json_t *json, struct arena *arena,
                 double *stored)
{
  bool whole = param->kind == SPACE_INT;
  char low[TEXT_DOUBLE_SIZE], high[TEXT_DOUBLE_SIZE], step[TEXT_DOUBLE_SIZE];
  text_print_double(param->low, low);
  text_print_double(param->high, high);
  double value = json_is_number(json) ? json_number_value(json) : NAN;
  if (!(value >= param->low && value <= param->high) || (whole && floor(value) != value))
    return arena_printf(arena, "must be a %s between %s and %s", whole ? "whole number" : "number",
                        low, high);
  double snapped = space_param_snap(param, value);
  if (param->step > 0.0 && fabs(value - snapped) > 1e-9 * param->step)
  {
    text_print_double(param->step, step);
    return arena_printf(arena, "must be %s plus a multiple of the step %s", low, step);
  }
  *stored = snapped;
  return NULL;
}

const char *
space_stored_from_json(const struct space_param *param, const json_t *json, struct arena *arena,
                       double *stored)
{
  switch (param->kind)
  {
  case SPACE_FLOAT:
  case SPACE_INT:
  {
    double value = NAN;
    const char *fault = number_from_json(param, json, arena, &value);
    if (isnan(value))
      return fault ? fault : "must be within the bounds";
    *stored = value;
    return NULL;
  }
  case SPACE_BOOL:
    if (!json_is_boolean(json))
      return "must be true or false";
    *stored = json_is_true(json) ? 1.0 : 0.0;
    return NULL;
  case SPACE_ORDINAL:
  case SPACE_CATEGORICAL:
  case SPACE_FIXED:
    break;
  }
  for (size_t i = 0; i < param->value_count; i++)
    if (matches(&param->values[i], json))
    {
      *stored = (double) i;
      return NULL;
    }
  return param->kind == SPACE_FIXED ? "must be the fixed value"
                                    : "must be one of the listed values";
}

json_t *
space_stored_to_json(const struct space_param *param, double stored)
{
  switch (param->kind)
  {
  case SPACE_FLOAT:
    return json_real(stored);
  case SPACE_INT:
    return json_integer((json_int_t) stored);
  case SPACE_BOOL:
    return json_boolean(stored != 0.0);
  case SPACE_ORDINAL:
  case SPACE_CATEGORICAL:
  case SPACE_FIXED:
    break;
  }
  if (!(stored >= 0.0 && stored < (double) param->value_count))
    return NULL;
  return space_value_to_json(&param->values[(size_t) stored]);
}
