#include <config.h>

#include "model/job_spec_internal.h"

#include <string.h>

#include "model/family.h"

#define SPACE_POINTER "/search/space"

/* Pulls together what one family's overrides need. */
struct merge
{
  const char *family;
  const struct model_data_shape *shape;
  json_t *space; /* the family's space being changed */
  const char *pointer;
  struct arena *arena;
  struct json_faults *faults;
  bool no_memory; /* the space is not what was asked for */
};

static const char *
list_params(const struct merge *merge)
{
  const char *list = "", *name;
  json_t *value;

  json_object_foreach(merge->space, name, value)
  {
    list = arena_printf(merge->arena, "%s%s%s", list, *list ? ", " : "", name);
    if (!list)
      return "";
  }
  return list;
}

/* A number or a list of them in an override must stay within what the trainer can use. */
static void
check_legal(const struct merge *merge, const struct family_param *param, const json_t *value,
            const char *pointer)
{
  char text[200];

  if (family_param_fault(param, value, text, sizeof text))
    json_fault_add(merge->faults, pointer, NULL, "%s.%s %s", merge->family, param->name, text);
}

static void
check_object_legal(const struct merge *merge, const struct family_param *param,
                   const json_t *object, const char *pointer)
{
  static const char *const ends[] = {"low", "high"};
  static const char *const lists[] = {"values", "choices"};

  for (size_t i = 0; i < 2; i++)
  {
    const json_t *end = json_object_get(object, ends[i]);
    if (json_is_number(end))
      check_legal(merge, param, end, json_pointer(merge->arena, pointer, ends[i]));
    const json_t *list = json_object_get(object, lists[i]), *item;
    const char *below = json_pointer(merge->arena, pointer, lists[i]);
    size_t index;
    json_array_foreach((json_t *) list, index, item)
      check_legal(merge, param, item, json_pointer_index(merge->arena, below, index));
  }
}

/* An object without "type" changes parts of the default; one with it replaces the default, keeping the
 * help and the condition unless it brings its own. A default that the new range leaves out goes. */
static json_t *
merge_object(const json_t *old, const json_t *given)
{
  bool replace = json_object_get(given, "type") != NULL || !json_is_object(old);
  json_t *merged = replace ? json_object() : json_copy((json_t *) old);
  /* Jansson's copies leave out what there is no memory for. */
  int failed = !replace && !json_equal(merged, old);

  for (const char *const *kept = (const char *const[]){"help", "when", NULL}; replace && *kept;
       kept++)
    if (json_is_object(old) && json_object_get(old, *kept))
      failed |= json_object_set(merged, *kept, json_object_get(old, *kept));
  failed |= json_object_update(merged, (json_t *) given);
  if (failed)
  {
    json_decref(merged);
    return NULL;
  }
  if (!json_object_get(given, "default"))
  {
    const json_t *fallback = json_object_get(merged, "default");
    const json_t *low = json_object_get(merged, "low"), *high = json_object_get(merged, "high");
    bool out =
      json_is_number(fallback)
      && ((json_is_number(low) && json_number_value(fallback) < json_number_value(low))
          || (json_is_number(high) && json_number_value(fallback) > json_number_value(high)));
    if (out || json_object_get(given, "values") || json_object_get(given, "choices"))
      json_object_del(merged, "default");
  }
  return merged;
}

/* Rules stand as they are given: a family has none of its own. */
static bool
is_rule(const char *name)
{
  return name[0] == '$';
}

static bool
comes_from_base(const struct merge *merge, const char *name)
{
  struct model_data_shape without = *merge->shape;

  without.base = (struct model_base){0};
  return family_param_find(merge->family, name, &without) != NULL;
}

/* Whether the overrides are a whole space, such as is stored with a job: all that the family had from the first.
 * What it has got since is not added, so that stored points keep their places. */
static bool
is_whole(const struct merge *merge, const json_t *given)
{
  for (const struct family_param *param = family_params(merge->family); param->name; param++)
    if (family_param_applies(param, merge->shape) && !param->later && !param->when_name
        && !json_object_get(given, param->name))
      return false;
  return true;
}

static void
drop_later(struct merge *merge, const json_t *given)
{
  for (const struct family_param *param = family_params(merge->family); param->name; param++)
    if (param->later && !json_object_get(given, param->name))
      json_object_del(merge->space, param->name);
}

/* A list for what is fixed by default makes it searched: its type is the only one it can be. */
static json_t *
typed_list(const struct family_param *param, const json_t *given)
{
  bool choice = param->kind == FAMILY_CHOICE && json_object_get(given, "choices");
  bool ordinal = param->kind == FAMILY_ORDINAL && json_object_get(given, "values");
  json_t *typed;

  if (!choice && !ordinal)
    return json_incref((json_t *) given);
  typed = json_pack("{s:s, s:s}", "type", choice ? "categorical" : "ordinal", "help", param->help);
  if (typed && json_object_update(typed, (json_t *) given) != 0)
  {
    json_decref(typed);
    return NULL;
  }
  return typed;
}

static void
merge_param(struct merge *merge, const char *name, const json_t *given)
{
  const char *pointer = json_pointer(merge->arena, merge->pointer, name);
  if (is_rule(name))
  {
    merge->no_memory |= json_object_set(merge->space, name, (json_t *) given) != 0;
    return;
  }
  const struct family_param *param = family_param_find(merge->family, name, merge->shape);
  const json_t *old = json_object_get(merge->space, name);

  if (!param && comes_from_base(merge, name))
  {
    json_fault_add(merge->faults, pointer, "leave it out, or leave base_model out",
                   "%s.%s is the base model's", merge->family, name);
    return;
  }
  if (!param || !old)
  {
    json_fault_add(merge->faults, pointer,
                   arena_printf(merge->arena, "%s has: %s", merge->family, list_params(merge)),
                   "family %s has no hyperparameter \"%s\"", merge->family, name);
    return;
  }
  if (!json_is_object(given))
  {
    check_legal(merge, param, given, pointer);
    merge->no_memory |= json_object_set(merge->space, name, (json_t *) given) != 0;
    return;
  }
  check_object_legal(merge, param, given, pointer);
  json_t *typed = json_is_object(old) ? json_incref((json_t *) given) : typed_list(param, given);
  if (!typed)
    merge->no_memory = true;
  else if (!json_is_object(old) && !json_object_get(typed, "type"))
    json_fault_add(merge->faults, pointer, "write {\"type\": \"int\", \"low\": …, \"high\": …}",
                   "%s.%s is fixed by default, so its range needs a \"type\"", merge->family, name);
  else
    merge->no_memory |= json_object_set_new(merge->space, name, merge_object(old, typed)) != 0;
  json_decref(typed);
}

/* {"dropout": 0.1} for one family is taken as {"mlp": {"dropout": 0.1}}. */
static bool
is_flat(const json_t *overrides, size_t family_count)
{
  const char *name;
  json_t *value;
  bool families = false;

  if (family_count != 1)
    return false;
  json_object_foreach((json_t *) overrides, name, value)
  {
    if (!model_family_find(name) && !is_rule(name))
      return true;
    families = families || !is_rule(name);
  }
  return !families;
}

static void
check_family_names(const json_t *overrides, const char *const *families, size_t family_count,
                   struct arena *arena, struct json_faults *faults)
{
  const char *name;
  json_t *value;

  json_object_foreach((json_t *) overrides, name, value)
  {
    bool known = false;
    for (size_t i = 0; i < family_count; i++)
      known = known || strcmp(families[i], name) == 0;
    const char *pointer = json_pointer(arena, SPACE_POINTER, name);
    if (is_rule(name))
      json_fault_add(faults, pointer,
                     arena_printf(arena, "write {\"%s\": {\"%s\": […]}}", families[0], name),
                     "rules are told within a family");
    else if (!known)
      json_fault_add(faults, pointer,
                     "name a family of this job first: {\"mlp\": {\"dropout\": 0.1}}",
                     "\"%s\" is not a family of this job", name);
    else if (!json_is_object(value))
      json_fault_add(faults, pointer, NULL, "must be an object of hyperparameters");
  }
}

json_t *
job_space_merge(const char *const *families, size_t family_count,
                const struct model_data_shape *shape, const json_t *overrides, struct arena *arena,
                struct json_faults *faults)
{
  json_t *joined = json_object();
  bool flat = overrides && is_flat(overrides, family_count);

  if (overrides && !flat)
    check_family_names(overrides, families, family_count, arena, faults);
  for (size_t i = 0; joined && i < family_count; i++)
  {
    const json_t *given = flat ? overrides : json_object_get(overrides, families[i]);
    struct merge merge = {.family = families[i],
                          .shape = shape,
                          .space = family_space(families[i], shape),
                          .pointer =
                            flat ? SPACE_POINTER : json_pointer(arena, SPACE_POINTER, families[i]),
                          .arena = arena,
                          .faults = faults};
    const char *name;
    json_t *value;
    if (!merge.space)
    {
      json_decref(joined);
      return NULL;
    }
    if (json_is_object(given) && is_whole(&merge, given))
      drop_later(&merge, given);
    if (json_is_object(given))
      json_object_foreach((json_t *) given, name, value) merge_param(&merge, name, value);
    merge.no_memory |= !job_space_settle(merge.space);
    merge.no_memory |= json_object_set_new(joined, families[i], merge.space) != 0;
    if (merge.no_memory)
    {
      json_decref(joined);
      return NULL;
    }
  }
  return joined;
}
