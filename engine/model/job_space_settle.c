#include <config.h>

#include "model/job_spec_internal.h"

#include <string.h>

#include "base/space_json.h"

static bool
same_value(const json_t *a, const json_t *b)
{
  return json_equal(a, b)
         || (json_is_number(a) && json_is_number(b)
             && json_number_value(a) == json_number_value(b));
}

/* Whether a parent that is fixed, or narrowed to fewer values, can still take `choice`. */
static bool
parent_can_be(const json_t *parent, const json_t *choice)
{
  const json_t *choices = json_object_get(parent, "choices"), *item;
  const json_t *low = json_object_get(parent, "low"), *high = json_object_get(parent, "high");
  size_t index;

  if (!json_is_object(parent))
    return same_value(parent, choice);
  if (json_object_get(parent, "value"))
    return same_value(json_object_get(parent, "value"), choice);
  if (json_is_number(low) && json_is_number(high) && json_is_number(choice))
    return json_number_value(choice) >= json_number_value(low)
           && json_number_value(choice) <= json_number_value(high);
  if (!json_is_array(choices))
    choices = json_object_get(parent, "values");
  if (!json_is_array(choices))
    return true;
  json_array_foreach((json_t *) choices, index, item) if (same_value(item, choice)) return true;
  return false;
}

/* One member of a `when`: the values that the parent can still take (new reference). */
static json_t *
values_left(const json_t *parent, json_t *wanted, int *failed)
{
  json_t *left = json_array(), *choice;
  size_t index;

  if (!json_is_array(wanted))
  {
    if (parent_can_be(parent, wanted))
      *failed |= json_array_append(left, wanted);
    return left;
  }
  json_array_foreach(wanted, index, choice) if (parent_can_be(parent, choice)) *failed |=
    json_array_append(left, choice);
  return left;
}

/* What is left of a condition (new reference); *possible: it can be met. A parent that is fixed leaves it. */
static json_t *
settle_when(const json_t *space, const json_t *gone, const json_t *told, bool *possible,
            int *failed)
{
  json_t *when = json_object(), *wanted;
  const char *name;

  *possible = true;
  *failed |= when == NULL;
  json_object_foreach((json_t *) told, name, wanted)
  {
    const json_t *parent = json_object_get(space, name);
    if (!parent)
    {
      *possible = *possible && !json_object_get(gone, name);
      *failed |= json_object_set(when, name, wanted); /* space_from_json says what is wrong */
      continue;
    }
    json_t *left = values_left(parent, wanted, failed);
    *possible = *possible && json_array_size(left) > 0;
    if (json_is_object(parent))
      *failed |= json_object_set(when, name, left);
    json_decref(left);
  }
  return when;
}

/* Settles the condition of one parameter, and takes it out of the space where it can't be met. */
static bool
settle_param(json_t *space, json_t *gone, const char *name, const json_t *value, int *failed)
{
  bool possible;
  json_t *when = settle_when(space, gone, json_object_get(value, "when"), &possible, failed);

  if (!possible)
  {
    *failed |= json_object_set_new(gone, name, json_true());
    json_object_del(space, name);
  }
  else
  {
    json_t *changed = json_copy((json_t *) value);
    *failed |= !json_equal(changed, value);
    if (json_object_size(when) > 0)
      *failed |= json_object_set(changed, "when", when);
    else
      json_object_del(changed, "when");
    *failed |= json_object_set_new(space, name, changed);
  }
  json_decref(when);
  return !possible;
}

/* Whether a rule names something that has left the space: it can't be broken any more. */
static bool
is_moot(const json_t *rule, const json_t *gone)
{
  const char *name;
  json_t *value;

  json_object_foreach((json_t *) gone, name, value)
  {
    if (json_object_get(rule, name)
        || (json_is_string(rule) && space_relation_names(json_string_value(rule), name)))
      return true;
  }
  return false;
}

static int
drop_moot_rules(json_t *space, const json_t *gone, const char *list_name)
{
  const json_t *list = json_object_get(space, list_name), *rule;
  json_t *kept;
  size_t index;
  int failed = 0;

  if (!json_is_array(list))
    return 0;
  kept = json_array();
  json_array_foreach((json_t *) list, index, rule) if (!is_moot(rule, gone)) failed |=
    json_array_append(kept, (json_t *) rule);
  return failed | json_object_set_new(space, list_name, kept);
}

bool
job_space_settle(json_t *space)
{
  json_t *gone = json_object(), *value;
  const char *name;
  void *next;
  int failed = gone == NULL;
  bool again = true;

  while (again)
  {
    again = false;
    json_object_foreach_safe(space, next, name, value)
    {
      if (json_is_object(json_object_get(value, "when")))
        again = settle_param(space, gone, name, value, &failed) || again;
    }
  }
  failed |= drop_moot_rules(space, gone, "$forbidden");
  failed |= drop_moot_rules(space, gone, "$relations");
  json_decref(gone);
  return !failed;
}
