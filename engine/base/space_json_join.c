#include <config.h>

#include "base/space_json.h"

#include <math.h>
#include <string.h>

#include "base/space_json_internal.h"

/* Copies a parameter of family number `family` as "name.parameter", active in that family alone;
 * `offset` is where the family's parameters start in the joined space. */
static bool
join_param(struct arena *arena, const char *family_name, size_t family, size_t offset,
           const struct space_param *from, struct space_param *to)
{
  *to = *from;
  to->name = arena_printf(arena, "%s.%s", family_name, from->name);
  to->conditions = arena_array(arena, from->condition_count + 1, sizeof *to->conditions);
  double *in_family = arena_array(arena, 1, sizeof *in_family);
  if (!to->name || !to->conditions || !in_family)
    return false;
  in_family[0] = (double) family;
  to->conditions[0] = (struct space_condition){.parent = 0, .values = in_family, .value_count = 1};
  for (size_t i = 0; i < from->condition_count; i++)
  {
    to->conditions[i + 1] = from->conditions[i];
    to->conditions[i + 1].parent += offset;
  }
  to->condition_count = from->condition_count + 1;
  return true;
}

static bool
set_family_param(struct arena *arena, const json_t *families, struct space_param *param)
{
  *param = (struct space_param){.name = "family",
                                .help = "the kind of model",
                                .kind = SPACE_CATEGORICAL,
                                .value_count = json_object_size(families)};
  param->values = arena_array(arena, param->value_count, sizeof *param->values);
  if (!param->values)
    return false;
  size_t index = 0;
  const char *name;
  json_t *json;
  json_object_foreach((json_t *) families, name, json)
  {
    param->values[index].kind = SPACE_VALUE_TEXT;
    param->values[index].text = arena_strdup(arena, name);
    if (!param->values[index++].text)
      return false;
  }
  return true;
}

/* Appends the rules of a part whose parameters start at `offset` of the joined space. */
static bool
join_rules(struct arena *arena, const struct space *part, size_t offset, struct space *joined)
{
  for (size_t k = 0; k < part->forbidden_count; k++)
  {
    struct space_forbidden *to = &joined->forbidden[joined->forbidden_count++];
    *to = part->forbidden[k];
    to->clauses = arena_array(arena, to->count, sizeof *to->clauses);
    if (!to->clauses)
      return false;
    for (size_t c = 0; c < to->count; c++)
    {
      to->clauses[c] = part->forbidden[k].clauses[c];
      to->clauses[c].param += offset;
    }
  }
  for (size_t k = 0; k < part->relation_count; k++)
  {
    struct space_relation *to = &joined->relations[joined->relation_count++];
    *to = part->relations[k];
    to->params = arena_array(arena, to->count, sizeof *to->params);
    if (!to->params)
      return false;
    for (size_t c = 0; c < to->count; c++)
      to->params[c] = part->relations[k].params[c] + offset;
  }
  return true;
}

/* Each family keeps its own rules, and its values in the witness. */
static bool
join_all_rules(struct arena *arena, struct space *const *parts, size_t part_count,
               struct space *joined)
{
  size_t forbidden = 0, relations = 0, offset = 1;
  for (size_t i = 0; i < part_count; i++)
  {
    forbidden += parts[i]->forbidden_count;
    relations += parts[i]->relation_count;
  }
  joined->forbidden = arena_array(arena, forbidden, sizeof *joined->forbidden);
  joined->relations = arena_array(arena, relations, sizeof *joined->relations);
  double *witness = arena_array(arena, joined->count, sizeof *witness);
  if (!joined->forbidden || !joined->relations || !witness)
    return false;
  for (size_t i = 0; i < part_count; offset += parts[i++]->count)
  {
    if (!join_rules(arena, parts[i], offset, joined))
      return false;
    for (size_t p = 0; p < parts[i]->count; p++)
      witness[offset + p] = parts[i]->witness ? parts[i]->witness[p] : NAN;
  }
  if (space_has_rules(joined))
    joined->witness = witness;
  return true;
}

enum err
space_join_families(const json_t *families, const char *pointer, struct arena *arena,
                    struct space **space, struct json_faults *faults)
{
  size_t before = faults->count;
  *space = NULL;
  size_t family_count = json_is_object(families) ? json_object_size(families) : 0;
  if (family_count == 0)
  {
    json_fault_add(faults, pointer, "give {\"family\": {…}, …}",
                   "must be an object with at least one family");
    return ERR_INVALID;
  }
  struct space **parts = arena_array(arena, family_count, sizeof *parts);
  struct space *joined = arena_alloc(arena, sizeof *joined);
  if (!parts || !joined)
    return ERR_MEMORY;
  size_t index = 0, total = 1;
  const char *name;
  json_t *json;
  json_object_foreach((json_t *) families, name, json)
  {
    enum err err = space_from_json(json, json_pointer(faults->arena, pointer, name), arena,
                                   &parts[index], faults);
    if (err == ERR_MEMORY)
      return err;
    total += parts[index] ? parts[index]->count : 0;
    index++;
  }
  if (faults->count == before && total > SPACE_PARAMS_MAX)
    json_fault_add(faults, pointer, NULL, "has %zu parameters, more than %d", total,
                   SPACE_PARAMS_MAX);
  if (faults->count != before)
    return ERR_INVALID;

  joined->params = arena_array(arena, total, sizeof *joined->params);
  if (!joined->params || !set_family_param(arena, families, &joined->params[0]))
    return ERR_MEMORY;
  joined->count = 1;
  index = 0;
  json_object_foreach((json_t *) families, name, json)
  {
    size_t offset = joined->count;
    for (size_t i = 0; i < parts[index]->count; i++)
      if (!join_param(arena, name, index, offset, &parts[index]->params[i],
                      &joined->params[joined->count++]))
        return ERR_MEMORY;
    index++;
  }
  if (!join_all_rules(arena, parts, family_count, joined))
    return ERR_MEMORY;
  *space = joined;
  return ERR_OK;
}
