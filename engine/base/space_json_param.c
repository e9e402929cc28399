#include <config.h>

#include <math.h>
#include <string.h>

#include "base/space_json_internal.h"
#include "base/text.h"

static const char *const type_choices[] = {"float", "int",   "ordinal", "categorical",
                                           "bool",  "fixed", NULL};
static const char *const scale_choices[] = {"linear", "log", "logit", NULL};
static const char *const int_scale_choices[] = {"linear", "log", NULL};

static const struct json_field prior_fields[] = {
  {.name = "mean", .kind = JSON_KIND_NUMBER, .required = true},
  {.name = "sd", .kind = JSON_KIND_NUMBER, .required = true},
  JSON_FIELD_END};

static const struct json_field weights_fields[] = {
  {.name = "weights", .kind = JSON_KIND_ARRAY, .required = true, .min = 1, .max = SPACE_VALUES_MAX},
  JSON_FIELD_END};

#define COMMON_FIELDS                                                                              \
  {.name = "type", .kind = JSON_KIND_STRING, .required = true, .choices = type_choices},           \
    {.name = "when", .kind = JSON_KIND_OBJECT, .hint = "give {\"parent\": [legal values]}"},       \
  {                                                                                                \
    .name = "help", .kind = JSON_KIND_STRING                                                       \
  }

#define VALUE_BOUNDS .min = 1, .max = SPACE_VALUES_MAX

static const struct json_field float_fields[] = {
  COMMON_FIELDS,
  {.name = "low", .kind = JSON_KIND_NUMBER, .required = true},
  {.name = "high", .kind = JSON_KIND_NUMBER, .required = true},
  {.name = "scale", .kind = JSON_KIND_STRING, .choices = scale_choices},
  {.name = "step", .kind = JSON_KIND_NUMBER},
  {.name = "prior", .kind = JSON_KIND_OBJECT, .members = prior_fields},
  {.name = "default", .kind = JSON_KIND_ANY},
  JSON_FIELD_END};

static const struct json_field int_fields[] = {
  COMMON_FIELDS,
  {.name = "low", .kind = JSON_KIND_INTEGER, .required = true, .min = -0x1p53, .max = 0x1p53},
  {.name = "high", .kind = JSON_KIND_INTEGER, .required = true, .min = -0x1p53, .max = 0x1p53},
  {.name = "scale", .kind = JSON_KIND_STRING, .choices = int_scale_choices},
  {.name = "step", .kind = JSON_KIND_INTEGER, .min = 1, .max = 0x1p53},
  {.name = "prior", .kind = JSON_KIND_OBJECT, .members = prior_fields},
  {.name = "default", .kind = JSON_KIND_ANY},
  JSON_FIELD_END};

static const struct json_field ordinal_fields[] = {
  COMMON_FIELDS,
  {.name = "values", .kind = JSON_KIND_ARRAY, .required = true, VALUE_BOUNDS},
  {.name = "prior", .kind = JSON_KIND_OBJECT, .members = weights_fields},
  {.name = "default", .kind = JSON_KIND_ANY},
  JSON_FIELD_END};

static const struct json_field categorical_fields[] = {
  COMMON_FIELDS,
  {.name = "choices", .kind = JSON_KIND_ARRAY, .required = true, VALUE_BOUNDS},
  {.name = "prior", .kind = JSON_KIND_OBJECT, .members = weights_fields},
  {.name = "default", .kind = JSON_KIND_ANY},
  JSON_FIELD_END};

static const struct json_field bool_fields[] = {
  COMMON_FIELDS,
  {.name = "prior", .kind = JSON_KIND_OBJECT, .members = weights_fields},
  {.name = "default", .kind = JSON_KIND_ANY},
  JSON_FIELD_END};

static const struct json_field fixed_fields[] = {
  COMMON_FIELDS, {.name = "value", .kind = JSON_KIND_ANY, .required = true}, JSON_FIELD_END};

static const struct json_field *const fields_of_kind[] = {
  [SPACE_FLOAT] = float_fields,     [SPACE_INT] = int_fields,
  [SPACE_ORDINAL] = ordinal_fields, [SPACE_CATEGORICAL] = categorical_fields,
  [SPACE_BOOL] = bool_fields,       [SPACE_FIXED] = fixed_fields,
};

static bool
read_values(struct space_builder *builder, const json_t *array, const char *pointer,
            struct space_param *param)
{
  size_t before = builder->faults->count, index;
  json_t *entry;
  param->values = arena_array(builder->arena, json_array_size(array) + 1, sizeof *param->values);
  if (!param->values)
  {
    builder->out_of_memory = true;
    return false;
  }
  json_array_foreach(array, index, entry)
  {
    const char *place = json_pointer_index(builder->faults->arena, pointer, index);
    struct space_value *value = &param->values[param->value_count];
    if (!space_value_from_json(entry, builder->arena, value))
    {
      json_fault_add(builder->faults, place, NULL, "must be a number, a string or a boolean");
      continue;
    }
    bool repeated = false;
    for (size_t i = 0; i < param->value_count && !repeated; i++)
      repeated = space_values_equal(&param->values[i], value);
    if (repeated)
      json_fault_add(builder->faults, place, "list each value once", "repeated value");
    else
      param->value_count++;
  }
  return builder->faults->count == before;
}

static bool
set_one_value(struct space_builder *builder, const json_t *json, const char *pointer,
              struct space_param *param)
{
  param->kind = SPACE_FIXED;
  param->values = arena_array(builder->arena, 1, sizeof *param->values);
  if (param->values && space_value_from_json(json, builder->arena, &param->values[0]))
  {
    param->value_count = 1;
    return true;
  }
  if (json_is_number(json) || json_is_string(json) || json_is_boolean(json))
  {
    builder->out_of_memory = true;
    return false;
  }
  const char *hint =
    json_is_array(json)
      ? "for a choice among values give {\"type\": \"categorical\", \"choices\": […]}"
      : "give a number, a string, a boolean, or an object with a \"type\"";
  json_fault_add(builder->faults, pointer, hint, "cannot be a parameter's value");
  return false;
}

static enum space_scale
scale_of(const json_t *json)
{
  const char *name = json_get_string(json, "scale", "linear");
  return strcmp(name, "log") == 0     ? SPACE_LOG
         : strcmp(name, "logit") == 0 ? SPACE_LOGIT
                                      : SPACE_LINEAR;
}

static void
check_step(struct space_builder *builder, const struct space_draft *draft)
{
  const struct space_param *param = &draft->param;
  if (!json_object_get(draft->json, "step"))
    return;
  const char *place = json_pointer(builder->faults->arena, draft->pointer, "step");
  /* 3 to 3.3 by 0.3 is one step although 3.3 − 3 < 0.3 in binary */
  if (!(param->step > 0.0) || param->step > (param->high - param->low) * (1.0 + 1e-9))
    json_fault_add(builder->faults, place, "leave it out for a continuous parameter",
                   "must be above 0 and not larger than high - low");
  else if ((param->high - param->low) / param->step > 1e12)
    json_fault_add(builder->faults, place, "leave it out for a continuous parameter",
                   "too small for this range");
}

static void
read_prior(struct space_builder *builder, struct space_draft *draft)
{
  struct space_param *param = &draft->param;
  const json_t *prior = json_object_get(draft->json, "prior");
  if (!prior)
    return;
  param->has_prior = true;
  param->prior_mean = json_get_number(prior, "mean", 0.0);
  param->prior_sd = json_get_number(prior, "sd", 0.0);
  const char *place = json_pointer(builder->faults->arena, draft->pointer, "prior");
  if (!(param->prior_mean >= param->low && param->prior_mean <= param->high))
    json_fault_add(builder->faults, json_pointer(builder->faults->arena, place, "mean"), NULL,
                   "must lie between low and high");
  if (!(param->prior_sd > 0.0))
    json_fault_add(builder->faults, json_pointer(builder->faults->arena, place, "sd"), NULL,
                   "must be above 0");
}

/* {"weights": […]}: one for each value, in their order (of a boolean: false, true). */
static void
read_weights(struct space_builder *builder, struct space_draft *draft)
{
  struct space_param *param = &draft->param;
  const json_t *weights = json_object_get(json_object_get(draft->json, "prior"), "weights");
  if (!weights)
    return;
  struct arena *scratch = builder->faults->arena;
  const char *place =
    json_pointer(scratch, json_pointer(scratch, draft->pointer, "prior"), "weights");
  if (json_array_size(weights) != param->value_count)
  {
    json_fault_add(builder->faults, place, "give one weight for each value, in their order",
                   "has %zu weights for %zu values", json_array_size(weights), param->value_count);
    return;
  }
  param->prior_weights =
    arena_array(builder->arena, param->value_count, sizeof *param->prior_weights);
  if (!param->prior_weights)
  {
    builder->out_of_memory = true;
    return;
  }
  double sum = 0.0;
  bool good = true;
  for (size_t i = 0; i < param->value_count; i++)
  {
    const json_t *weight = json_array_get(weights, i);
    param->prior_weights[i] = json_is_number(weight) ? json_number_value(weight) : NAN;
    good = good && param->prior_weights[i] >= 0.0;
    sum += param->prior_weights[i];
  }
  if (!good || !(sum > 0.0) || !isfinite(sum))
    json_fault_add(builder->faults, place, "give numbers such as [3, 1, 1]",
                   "must be numbers of 0 or more, not all 0");
  for (size_t i = 0; i < param->value_count; i++)
    param->prior_weights[i] /= sum;
  param->has_prior = true;
}

static void
read_range(struct space_builder *builder, struct space_draft *draft)
{
  struct space_param *param = &draft->param;
  struct arena *arena = builder->faults->arena;
  param->low = json_get_number(draft->json, "low", 0.0);
  param->high = json_get_number(draft->json, "high", 0.0);
  param->scale = scale_of(draft->json);
  param->step = json_get_number(draft->json, "step", param->kind == SPACE_INT ? 1.0 : 0.0);
  if (!(param->low < param->high))
    json_fault_add(builder->faults, json_pointer(arena, draft->pointer, "low"),
                   "swap low and high, or give a plain value to fix the parameter",
                   "low must be below high");
  else if (!isfinite(param->high - param->low))
    json_fault_add(builder->faults, json_pointer(arena, draft->pointer, "high"), NULL,
                   "the range is too wide for a number");
  else
  {
    check_step(builder, draft);
    read_prior(builder, draft);
  }
  if (param->scale == SPACE_LOG && !(param->low > 0.0))
    json_fault_add(builder->faults, json_pointer(arena, draft->pointer, "low"),
                   "raise low, or use the linear scale", "must be above 0 on a log scale");
  if (param->scale == SPACE_LOGIT && !(param->low > 0.0 && param->high < 1.0))
    json_fault_add(builder->faults, json_pointer(arena, draft->pointer, "scale"),
                   "use bounds such as 0.001 and 0.999",
                   "a logit scale needs low above 0 and high below 1");
}

static void
read_default(struct space_builder *builder, struct space_draft *draft)
{
  const json_t *value = json_object_get(draft->json, "default");
  if (!value)
    return;
  const char *fault =
    space_stored_from_json(&draft->param, value, builder->faults->arena, &draft->param.fallback);
  draft->param.has_default = !fault;
  if (fault)
    json_fault_add(builder->faults, json_pointer(builder->faults->arena, draft->pointer, "default"),
                   NULL, "%s", fault);
}

static void
read_bool(struct space_builder *builder, struct space_param *param)
{
  param->values = arena_array(builder->arena, 2, sizeof *param->values);
  if (!param->values)
  {
    builder->out_of_memory = true;
    return;
  }
  param->value_count = 2;
  for (size_t i = 0; i < 2; i++)
    param->values[i] =
      (struct space_value){.kind = SPACE_VALUE_BOOL, .number = (double) i, .integral = true};
}

void
space_draft_read(struct space_builder *builder, struct space_draft *draft)
{
  struct json_faults *faults = builder->faults;
  size_t before = faults->count;
  size_t name_length = strlen(draft->param.name);
  if (name_length == 0 || name_length > SPACE_NAME_MAX)
    json_fault_add(faults, draft->pointer, NULL, "a parameter's name has 1 to %d bytes",
                   SPACE_NAME_MAX);
  if (!json_is_object(draft->json))
  {
    draft->sound =
      set_one_value(builder, draft->json, draft->pointer, &draft->param) && faults->count == before;
    return;
  }
  const char *type = json_get_string(draft->json, "type", "");
  size_t kind = 0;
  while (type_choices[kind] && strcmp(type_choices[kind], type) != 0)
    kind++;
  if (!type_choices[kind])
  {
    const struct json_field type_only[] = {
      {.name = "type",
       .kind = JSON_KIND_STRING,
       .required = true,
       .choices = type_choices,
       .hint = "use one of: float, int, ordinal, categorical, bool, fixed"},
      JSON_FIELD_END};
    json_t *only = json_object();
    json_object_set(only, "type", json_object_get(draft->json, "type"));
    json_check(only, type_only, draft->pointer, faults);
    json_decref(only);
    return;
  }
  draft->param.kind = (enum space_kind) kind; /* type_choices follows enum space_kind */
  const char *help = json_get_string(draft->json, "help", NULL);
  draft->param.help = help ? arena_strdup(builder->arena, help) : NULL;
  if (!json_check(draft->json, fields_of_kind[kind], draft->pointer, faults))
    return;
  struct arena *scratch = faults->arena;
  switch (draft->param.kind)
  {
  case SPACE_FLOAT:
  case SPACE_INT:
    read_range(builder, draft);
    break;
  case SPACE_ORDINAL:
    read_values(builder, json_object_get(draft->json, "values"),
                json_pointer(scratch, draft->pointer, "values"), &draft->param);
    break;
  case SPACE_CATEGORICAL:
    read_values(builder, json_object_get(draft->json, "choices"),
                json_pointer(scratch, draft->pointer, "choices"), &draft->param);
    break;
  case SPACE_BOOL:
    read_bool(builder, &draft->param);
    break;
  case SPACE_FIXED:
    set_one_value(builder, json_object_get(draft->json, "value"),
                  json_pointer(scratch, draft->pointer, "value"), &draft->param);
    break;
  }
  if (faults->count == before && draft->param.kind != SPACE_FLOAT && draft->param.kind != SPACE_INT)
    read_weights(builder, draft);
  if (faults->count == before)
    read_default(builder, draft);
  draft->sound = faults->count == before;
}
