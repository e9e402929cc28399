#include <config.h>

#include "base/json.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

#define VALUE_SHOWN_BYTES 80
#define NAMES_SHOWN 12

static const char *const kind_words[] = {
  [JSON_KIND_ANY] = "a value",
  [JSON_KIND_STRING] = "a string",
  [JSON_KIND_INTEGER] = "a whole number",
  [JSON_KIND_NUMBER] = "a number",
  [JSON_KIND_BOOLEAN] = "true or false",
  [JSON_KIND_OBJECT] = "an object",
  [JSON_KIND_ARRAY] = "an array",
  [JSON_KIND_STRING_ARRAY] = "an array of strings",
};

/* What was found, short enough to be read in an error. */
static const char *
show_value(struct arena *arena, const json_t *value)
{
  char number[TEXT_DOUBLE_SIZE];
  switch (json_typeof(value))
  {
  case JSON_STRING:
  {
    const char *text = json_string_value(value);
    size_t length = strlen(text), cut = text_utf8_cut(text, length, VALUE_SHOWN_BYTES);
    return arena_printf(arena, "%.*s%s", (int) cut, text, cut < length ? "…" : "");
  }
  case JSON_INTEGER:
    return arena_printf(arena, "%lld", (long long) json_integer_value(value));
  case JSON_REAL:
    text_print_double(json_real_value(value), number);
    return arena_strdup(arena, number);
  case JSON_TRUE:
    return "true";
  case JSON_FALSE:
    return "false";
  case JSON_NULL:
    return "null";
  case JSON_OBJECT:
    return "an object";
  case JSON_ARRAY:
    return arena_printf(arena, "an array of %zu", json_array_size(value));
  }
  return NULL;
}

static void
add_fault(struct json_faults *faults, const char *pointer, const json_t *value, const char *hint,
          const char *message)
{
  json_fault_add_full(faults,
                      &(struct json_fault){.pointer = pointer,
                                           .message = message ? message : "not legal",
                                           .value = value ? show_value(faults->arena, value) : NULL,
                                           .hint = hint});
}

/* "one of: a, b, c", or the nearest one when the name looks like a slip. */
static const char *
hint_for_name(struct arena *arena, const char *name, const char *const *names, size_t count)
{
  const char *nearest = text_nearest(name, names, count);
  if (nearest)
    return arena_printf(arena, "did you mean \"%s\"?", nearest);
  const char *list = "";
  for (size_t i = 0; i < count && i < NAMES_SHOWN && list; i++)
    list = arena_printf(arena, "%s%s%s", list, i ? ", " : "", names[i]);
  if (!list || count == 0)
    return NULL;
  return arena_printf(arena, "use one of: %s%s", list, count > NAMES_SHOWN ? ", …" : "");
}

static bool
is_whole(const json_t *value)
{
  if (json_is_integer(value))
    return true;
  if (!json_is_real(value))
    return false;
  double real = json_real_value(value);
  return fabs(real) <= 0x1p53 && floor(real) == real;
}

static bool
has_kind(const json_t *value, enum json_kind kind)
{
  switch (kind)
  {
  case JSON_KIND_ANY:
    return true;
  case JSON_KIND_STRING:
    return json_is_string(value);
  case JSON_KIND_INTEGER:
    return is_whole(value);
  case JSON_KIND_NUMBER:
    return json_is_number(value);
  case JSON_KIND_BOOLEAN:
    return json_is_boolean(value);
  case JSON_KIND_OBJECT:
    return json_is_object(value);
  case JSON_KIND_ARRAY:
  case JSON_KIND_STRING_ARRAY:
    return json_is_array(value);
  }
  return false;
}

/* "at least 1", "at most 5" or "between 1 and 5"; `plus` is the unit with a blank before, or "". */
static const char *
bounds_text(struct arena *arena, const char *verb, double min, double max, const char *plus)
{
  char low[TEXT_DOUBLE_SIZE], high[TEXT_DOUBLE_SIZE];
  text_print_double(min, low);
  text_print_double(max, high);
  if (isinf(max))
    return arena_printf(arena, "must %s at least %s%s", verb, low, plus);
  if (isinf(min))
    return arena_printf(arena, "must %s at most %s%s", verb, high, plus);
  return arena_printf(arena, "must %s between %s and %s%s", verb, low, high, plus);
}

static double
count_characters(const char *text)
{
  size_t count = 0;
  for (; *text; text++)
    count += ((unsigned char) *text & 0xC0) != 0x80;
  return (double) count;
}

static void
check_bounds(const json_t *value, const struct json_field *field, const char *pointer,
             struct json_faults *faults)
{
  if (field->min == 0.0 && field->max == 0.0)
    return;
  const char *verb = "have", *plus;
  double size;
  if (json_is_number(value))
  {
    size = json_number_value(value);
    verb = "be";
    plus = "";
  }
  else if (json_is_string(value))
  {
    size = count_characters(json_string_value(value));
    plus = " characters";
  }
  else if (json_is_array(value))
  {
    size = (double) json_array_size(value);
    plus = " entries";
  }
  else
    return;
  if (!(size >= field->min && size <= field->max))
    add_fault(faults, pointer, value, field->hint,
              bounds_text(faults->arena, verb, field->min, field->max, plus));
}

static void
check_choice(const json_t *value, const struct json_field *field, const char *pointer,
             struct json_faults *faults)
{
  if (!field->choices || !json_is_string(value))
    return;
  const char *text = json_string_value(value);
  size_t count = 0;
  for (; field->choices[count]; count++)
    if (strcmp(field->choices[count], text) == 0)
      return;
  add_fault(faults, pointer, value, hint_for_name(faults->arena, text, field->choices, count),
            "not one of the legal values");
}

static void
check_string_array(const json_t *value, const struct json_field *field, const char *pointer,
                   struct json_faults *faults)
{
  size_t index;
  json_t *entry;
  json_array_foreach(value, index, entry)
  {
    const char *place = json_pointer_index(faults->arena, pointer, index);
    if (!json_is_string(entry))
      add_fault(faults, place, entry, field->hint, "must be a string");
    else
      check_choice(entry, field, place, faults);
  }
}

static void
check_member(const json_t *value, const struct json_field *field, const char *pointer,
             struct json_faults *faults)
{
  if (json_is_null(value) && field->nullable)
    return;
  if (!has_kind(value, field->kind))
  {
    add_fault(faults, pointer, value, field->hint,
              arena_printf(faults->arena, "must be %s", kind_words[field->kind]));
    return;
  }
  check_bounds(value, field, pointer, faults);
  if (field->kind == JSON_KIND_STRING)
    check_choice(value, field, pointer, faults);
  else if (field->kind == JSON_KIND_STRING_ARRAY)
    check_string_array(value, field, pointer, faults);
  else if (field->kind == JSON_KIND_OBJECT && field->members)
    json_check(value, field->members, pointer, faults);
}

static const struct json_field *
find_field(const struct json_field *fields, const char *name)
{
  for (; fields->name; fields++)
    if (strcmp(fields->name, name) == 0)
      return fields;
  return NULL;
}

static void
add_unknown(const char *name, const json_t *value, const struct json_field *fields,
            const char *pointer, struct json_faults *faults)
{
  size_t count = 0;
  while (fields[count].name)
    count++;
  const char **names = arena_array(faults->arena, count + 1, sizeof *names);
  for (size_t i = 0; names && i < count; i++)
    names[i] = fields[i].name;
  size_t cut = text_utf8_cut(name, strlen(name), VALUE_SHOWN_BYTES);
  add_fault(faults, json_pointer(faults->arena, pointer, name), value,
            names ? hint_for_name(faults->arena, name, names, count) : NULL,
            arena_printf(faults->arena, "unknown member \"%.*s\"", (int) cut, name));
}

bool
json_check(const json_t *object, const struct json_field *fields, const char *pointer,
           struct json_faults *faults)
{
  size_t before = faults->count;
  if (!json_is_object(object))
  {
    add_fault(faults, pointer, object, NULL, "must be an object");
    return false;
  }
  for (const struct json_field *field = fields; field->name; field++)
  {
    const json_t *value = json_object_get(object, field->name);
    if (value)
      check_member(value, field, json_pointer(faults->arena, pointer, field->name), faults);
    else if (field->required)
      add_fault(faults, json_pointer(faults->arena, pointer, field->name), NULL, field->hint,
                arena_printf(faults->arena, "required member \"%s\" is missing", field->name));
  }
  const char *name;
  json_t *value;
  json_object_foreach((json_t *) object, name, value) if (!find_field(fields, name))
    add_unknown(name, value, fields, pointer, faults);
  return faults->count == before;
}
