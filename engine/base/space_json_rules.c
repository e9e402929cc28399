#include <config.h>

#include "base/space_json_internal.h"

#include <math.h>
#include <string.h>

#include "base/space_internal.h"
#include "base/space_json.h"
#include "base/space_relation.h"
#include "base/text.h"

#define FORBIDDEN "$forbidden"
#define RELATIONS "$relations"

/* Pulls together what reading the rules needs. */
struct rules
{
  struct arena *arena;
  struct json_faults *faults;
  struct space *space;
  size_t parts; /* values and terms of all rules so far */
  bool out_of_memory;
};

static bool
count_parts(struct rules *rules, size_t parts, const char *pointer)
{
  bool before = rules->parts <= SPACE_RULE_PARTS_MAX;
  rules->parts += parts;
  if (before && rules->parts > SPACE_RULE_PARTS_MAX)
    json_fault_add(rules->faults, pointer, "leave out what matters least",
                   "all rules together have more than %d values and terms", SPACE_RULE_PARTS_MAX);
  return rules->parts <= SPACE_RULE_PARTS_MAX;
}

static const char *
nearest_name(const struct rules *rules, const char *name)
{
  const struct space *space = rules->space;
  const char **names = arena_array(rules->faults->arena, space->count + 1, sizeof *names);
  for (size_t i = 0; names && i < space->count; i++)
    names[i] = space->params[i].name;
  const char *nearest = names ? text_nearest(name, names, space->count) : NULL;
  return nearest ? arena_printf(rules->faults->arena, "did you mean \"%s\"?", nearest)
                 : "name parameters of this space";
}

/* ---- forbidden combinations -------------------------------------------------------------------------- */

static const struct json_field range_fields[] = {{.name = "min", .kind = JSON_KIND_NUMBER},
                                                 {.name = "max", .kind = JSON_KIND_NUMBER},
                                                 JSON_FIELD_END};

/* An ordinal's range becomes the list of its values that lie in it. */
static bool
list_range(struct rules *rules, const char *place, const struct space_param *param,
           struct space_clause *clause)
{
  if (!count_parts(rules, param->value_count, place))
    return true; /* has its fault */
  clause->values = arena_array(rules->arena, param->value_count + 1, sizeof *clause->values);
  if (!clause->values)
  {
    rules->out_of_memory = true;
    return false;
  }
  for (size_t i = 0; i < param->value_count; i++)
  {
    double number = space_param_number(param, (double) i);
    if (number >= clause->low && number <= clause->high)
      clause->values[clause->value_count++] = (double) i;
  }
  return clause->value_count > 0;
}

/* {"min": …, "max": …}: false when faulty. */
static bool
read_range(struct rules *rules, const char *place, const json_t *json, struct space_clause *clause)
{
  const struct space_param *param = &rules->space->params[clause->param];
  bool ranged = param->kind == SPACE_FLOAT || param->kind == SPACE_INT, numeric = ranged;
  if (!json_check(json, range_fields, place, rules->faults))
    return false;
  clause->low = json_get_number(json, "min", -INFINITY);
  clause->high = json_get_number(json, "max", INFINITY);
  if (param->kind == SPACE_ORDINAL || param->kind == SPACE_FIXED)
    numeric = !isnan(space_param_number(param, 0.0));
  const char *fault = NULL, *hint = NULL;
  if (!numeric)
  {
    fault = "has no range: its values are no numbers";
    hint = "list the values that are forbidden here";
  }
  else if (json_object_size(json) == 0)
  {
    fault = "an empty range";
    hint = "give \"min\", \"max\" or both";
  }
  else if (clause->low > clause->high)
    fault = "min must not be above max";
  else if (ranged ? clause->low > param->high || clause->high < param->low
                  : !list_range(rules, place, param, clause) && param->kind == SPACE_ORDINAL)
    fault = "no value of this parameter lies in this range";
  if (fault)
    json_fault_add(rules->faults, place, hint, "%s", fault);
  return !fault;
}

/* One value or a list: false when faulty. */
static bool
read_values(struct rules *rules, const char *place, const json_t *json, struct space_clause *clause)
{
  const struct space_param *param = &rules->space->params[clause->param];
  bool listed = json_is_array(json), good = true;
  size_t count = listed ? json_array_size(json) : 1;
  if (count == 0)
    json_fault_add(rules->faults, place, NULL, "must list at least one value of \"%s\"",
                   param->name);
  if (count == 0 || !count_parts(rules, count, place))
    return false;
  clause->values = arena_array(rules->arena, count, sizeof *clause->values);
  if (!clause->values)
  {
    rules->out_of_memory = true;
    return false;
  }
  for (size_t i = 0; i < count; i++)
  {
    const json_t *value = listed ? json_array_get(json, i) : json;
    double stored;
    const char *fault = space_stored_from_json(param, value, rules->faults->arena, &stored);
    if (!fault)
      clause->values[clause->value_count++] = stored;
    else if (param->kind != SPACE_FIXED) /* another value than the fixed one: never met */
    {
      json_fault_add(rules->faults,
                     listed ? json_pointer_index(rules->faults->arena, place, i) : place, NULL,
                     "not a value of \"%s\": %s", param->name, fault);
      good = false;
    }
  }
  return good;
}

/* One combination; *possible: it can be met. */
static void
read_forbidden(struct rules *rules, const char *pointer, const json_t *json,
               struct space_forbidden *forbidden, bool *possible)
{
  *possible = true;
  if (!json_is_object(json) || json_object_size(json) == 0)
  {
    json_fault_add(rules->faults, pointer, "give {\"parameter\": value, \"other\": [values], …}",
                   "must be an object that names at least one parameter");
    return;
  }
  forbidden->clauses =
    arena_array(rules->arena, json_object_size(json), sizeof *forbidden->clauses);
  if (!forbidden->clauses)
  {
    rules->out_of_memory = true;
    return;
  }
  const char *name;
  json_t *value;
  json_object_foreach((json_t *) json, name, value)
  {
    const char *place = json_pointer(rules->faults->arena, pointer, name);
    struct space_clause *clause = &forbidden->clauses[forbidden->count];
    clause->param = space_find(rules->space, name);
    if (clause->param == SIZE_MAX)
    {
      json_fault_add(rules->faults, place, nearest_name(rules, name),
                     "unknown parameter in \"" FORBIDDEN "\"");
      continue;
    }
    bool range = json_is_object(value);
    bool good = count_parts(rules, 1, place)
                && (range ? read_range(rules, place, value, clause)
                          : read_values(rules, place, value, clause));
    bool fixed = rules->space->params[clause->param].kind == SPACE_FIXED;
    if (good && fixed && clause->value_count == 0)
      *possible = false;
    forbidden->count++;
  }
}

static void
read_all_forbidden(struct rules *rules, const char *pointer, const json_t *list)
{
  struct space *space = rules->space;
  size_t index;
  json_t *json;
  space->forbidden = arena_array(rules->arena, json_array_size(list) + 1, sizeof *space->forbidden);
  if (!space->forbidden)
  {
    rules->out_of_memory = true;
    return;
  }
  json_array_foreach((json_t *) list, index, json)
  {
    const char *place = json_pointer_index(rules->faults->arena, pointer, index);
    struct space_forbidden *forbidden = &space->forbidden[space->forbidden_count];
    bool possible;
    *forbidden = (struct space_forbidden){0};
    read_forbidden(rules, place, json, forbidden, &possible);
    space->forbidden_count += possible;
  }
}

/* ---- relations ---------------------------------------------------------------------------------------- */

static void
read_relation(struct rules *rules, const char *place, const char *text)
{
  struct space *space = rules->space;
  struct space_relation *relations = &space->relations[space->relation_count];
  struct space_relation_fault fault;
  size_t count;
  enum err err = space_relation_parse(text, space, rules->arena, relations, &count, &fault);
  if (err == ERR_INVALID)
    json_fault_add(rules->faults, place, fault.hint, "%s", fault.message);
  rules->out_of_memory = rules->out_of_memory || err == ERR_MEMORY;
  for (size_t k = 0; !err && k < count; k++)
  {
    if (!count_parts(rules, relations[k].count, place))
      return;
    if (!space_relation_possible(space, &relations[k]))
      json_fault_add(rules->faults, place, "widen the range of one of its parameters",
                     "can never hold within the ranges of its parameters");
  }
  if (!err)
    space->relation_count += count;
}

static void
read_all_relations(struct rules *rules, const char *pointer, const json_t *list)
{
  struct space *space = rules->space;
  size_t index;
  json_t *json;
  space->relations = arena_array(rules->arena, SPACE_RELATION_CHAIN_MAX * json_array_size(list) + 1,
                                 sizeof *space->relations);
  if (!space->relations)
  {
    rules->out_of_memory = true;
    return;
  }
  json_array_foreach((json_t *) list, index, json)
  {
    const char *place = json_pointer_index(rules->faults->arena, pointer, index);
    if (json_is_string(json))
      read_relation(rules, place, json_string_value(json));
    else
      json_fault_add(rules->faults, place, NULL, "must be a text such as \"a < b\"");
  }
  if (space->relation_count > SPACE_RULES_MAX)
    json_fault_add(rules->faults, pointer, NULL, "has %zu comparisons, more than %d",
                   space->relation_count, SPACE_RULES_MAX);
}

/* ---- both --------------------------------------------------------------------------------------------- */

bool
space_is_reserved(const char *name)
{
  return name[0] == '$';
}

/* The list of this name, or NULL when it is absent or faulty. */
static const json_t *
rule_list(struct rules *rules, const json_t *object, const char *name, const char *pointer,
          const char *example)
{
  const json_t *list = json_object_get(object, name);
  if (!list || json_is_null(list))
    return NULL;
  const char *place = json_pointer(rules->faults->arena, pointer, name);
  if (json_is_array(list) && json_array_size(list) <= SPACE_RULES_MAX)
    return list;
  if (json_is_array(list))
    json_fault_add(rules->faults, place, NULL, "has %zu entries, more than %d",
                   json_array_size(list), SPACE_RULES_MAX);
  else
    json_fault_add(rules->faults, place, example, "must be a list");
  return NULL;
}

static void
check_reserved(struct rules *rules, const json_t *object, const char *pointer)
{
  const char *name;
  json_t *value;
  json_object_foreach((json_t *) object, name, value) if (space_is_reserved(name)
                                                          && strcmp(name, FORBIDDEN) != 0
                                                          && strcmp(name, RELATIONS) != 0)
    json_fault_add(rules->faults, json_pointer(rules->faults->arena, pointer, name),
                   "a parameter's name may not start with \"$\"; rules are \"" FORBIDDEN
                   "\" and \"" RELATIONS "\"",
                   "unknown rule");
}

/* The rules contradict each other, or almost. */
static void
add_empty(const struct rules *rules, const char *pointer, bool certain)
{
  const struct space *space = rules->space;
  const char *name = space->relation_count == 0 ? FORBIDDEN : RELATIONS;
  bool both = space->relation_count > 0 && space->forbidden_count > 0;
  json_fault_add(rules->faults, both ? pointer : json_pointer(rules->faults->arena, pointer, name),
                 "take a rule away, or widen the ranges of the parameters it names",
                 certain ? "no point of the space keeps all rules"
                         : "no point that keeps all rules could be found");
}

enum err
space_rules_from_json(const json_t *object, const char *pointer, struct arena *arena,
                      struct space *space, struct json_faults *faults)
{
  struct rules rules = {.arena = arena, .faults = faults, .space = space};
  size_t before = faults->count;
  check_reserved(&rules, object, pointer);
  const json_t *list = rule_list(&rules, object, FORBIDDEN, pointer,
                                 "give [{\"optimizer\": \"sgd\", \"batch_size\": [256, 512]}, …]");
  if (list)
    read_all_forbidden(&rules, json_pointer(faults->arena, pointer, FORBIDDEN), list);
  list = rule_list(&rules, object, RELATIONS, pointer, "give [\"min_units < max_units\", …]");
  if (list)
    read_all_relations(&rules, json_pointer(faults->arena, pointer, RELATIONS), list);
  if (rules.out_of_memory)
    return ERR_MEMORY;
  if (faults->count > before)
    return ERR_INVALID;
  if (!space_has_rules(space))
    return ERR_OK;
  bool certain = false;
  double *witness = arena_array(arena, space->count, sizeof *witness);
  enum err err = witness ? space_find_point(space, witness, &certain) : ERR_MEMORY;
  if (err == ERR_NOT_FOUND)
    add_empty(&rules, pointer, certain);
  space->witness = err ? NULL : witness;
  return err == ERR_NOT_FOUND ? ERR_INVALID : err;
}

/* ---- and back ----------------------------------------------------------------------------------------- */

static json_t *
end_to_json(const struct space_param *param, double end)
{
  return param->kind == SPACE_INT && floor(end) == end && fabs(end) <= 0x1p53
           ? json_integer((json_int_t) end)
           : json_real(end);
}

static json_t *
clause_to_json(const struct space_param *param, const struct space_clause *clause)
{
  if (clause->value_count == 1)
    return space_stored_to_json(param, clause->values[0]);
  json_t *json = clause->value_count > 0 ? json_array() : json_object();
  int failed = json == NULL;
  for (size_t i = 0; i < clause->value_count; i++)
    failed |= json_array_append_new(json, space_stored_to_json(param, clause->values[i]));
  if (clause->value_count == 0 && isfinite(clause->low))
    failed |= json_object_set_new(json, "min", end_to_json(param, clause->low));
  if (clause->value_count == 0 && isfinite(clause->high))
    failed |= json_object_set_new(json, "max", end_to_json(param, clause->high));
  if (!failed)
    return json;
  json_decref(json);
  return NULL;
}

static json_t *
forbidden_to_json(const struct space *space, const struct space_forbidden *forbidden)
{
  json_t *object = json_object();
  int failed = object == NULL;
  for (size_t k = 0; k < forbidden->count; k++)
  {
    const struct space_clause *clause = &forbidden->clauses[k];
    const struct space_param *param = &space->params[clause->param];
    failed |= json_object_set_new(object, param->name, clause_to_json(param, clause));
  }
  if (!failed)
    return object;
  json_decref(object);
  return NULL;
}

static json_t *
relation_to_json(const struct space *space, const struct space_relation *relation)
{
  struct buf text = {0};
  space_relation_print(space, relation, &text);
  json_t *json = text.failed ? NULL : json_stringn(text.data, text.length);
  buf_free(&text);
  return json;
}

int
space_rules_to_json(const struct space *space, json_t *object)
{
  int failed = 0;
  if (space->forbidden_count > 0)
  {
    json_t *list = json_array();
    for (size_t k = 0; k < space->forbidden_count; k++)
      failed |= json_array_append_new(list, forbidden_to_json(space, &space->forbidden[k]));
    failed |= json_object_set_new(object, FORBIDDEN, list);
  }
  if (space->relation_count > 0)
  {
    json_t *list = json_array();
    for (size_t k = 0; k < space->relation_count; k++)
      failed |= json_array_append_new(list, relation_to_json(space, &space->relations[k]));
    failed |= json_object_set_new(object, RELATIONS, list);
  }
  return failed;
}

const char *
space_rule_text(const struct space *space, size_t rule, struct arena *arena)
{
  struct buf text = {0};
  const char *copy = NULL;
  if (rule >= space->forbidden_count)
    space_relation_print(space, &space->relations[rule - space->forbidden_count], &text);
  else
  {
    json_t *json = forbidden_to_json(space, &space->forbidden[rule]);
    json_write(json, &text);
    json_decref(json);
  }
  if (!text.failed && text.data)
    copy = arena_strndup(arena, text.data, text_utf8_cut(text.data, text.length, 400));
  buf_free(&text);
  return copy;
}
