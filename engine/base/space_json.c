#include <config.h>

#include "base/space_json.h"

#include <math.h>
#include <string.h>

#include "base/space_json_internal.h"
#include "base/text.h"

static size_t
find_draft(const struct space_builder *builder, const char *name)
{
  for (size_t i = 0; i < builder->count; i++)
    if (strcmp(builder->drafts[i].param.name, name) == 0)
      return i;
  return SIZE_MAX;
}

static void
add_unknown_parent(struct space_builder *builder, const char *place, const char *name)
{
  struct arena *arena = builder->faults->arena;
  const char **names = arena_array(arena, builder->count + 1, sizeof *names);
  for (size_t i = 0; names && i < builder->count; i++)
    names[i] = builder->drafts[i].param.name;
  const char *nearest = names ? text_nearest(name, names, builder->count) : NULL;
  json_fault_add(builder->faults, place,
                 nearest ? arena_printf(arena, "did you mean \"%s\"?", nearest)
                         : "name another parameter of this space",
                 "unknown parameter in \"when\"");
}

/* One member of `when`: `legal` is a value of the parent or an array of them. */
static void
read_condition(struct space_builder *builder, const char *place, const struct space_param *parent,
               const json_t *legal, struct space_condition *condition)
{
  size_t count = json_is_array(legal) ? json_array_size(legal) : 1;
  if (parent->kind == SPACE_FLOAT)
  {
    json_fault_add(builder->faults, place, "depend on an int, ordinal, categorical or bool one",
                   "a float parameter cannot be a condition");
    return;
  }
  if (count == 0)
    json_fault_add(builder->faults, place, NULL, "must list at least one value of \"%s\"",
                   parent->name);
  condition->values = arena_array(builder->arena, count, sizeof *condition->values);
  if (!condition->values)
    builder->out_of_memory = true;
  for (size_t i = 0; condition->values && i < count; i++)
  {
    bool listed = json_is_array(legal);
    const char *fault =
      space_stored_from_json(parent, listed ? json_array_get(legal, i) : legal,
                             builder->faults->arena, &condition->values[condition->value_count]);
    if (!fault)
      condition->value_count++;
    else
      json_fault_add(builder->faults,
                     listed ? json_pointer_index(builder->faults->arena, place, i) : place, NULL,
                     "not a value of \"%s\": %s", parent->name, fault);
  }
}

static void
read_conditions(struct space_builder *builder, struct space_draft *draft)
{
  const json_t *when = json_object_get(draft->json, "when");
  if (!json_is_object(when) || json_object_size(when) == 0)
    return;
  struct arena *scratch = builder->faults->arena;
  const char *pointer = json_pointer(scratch, draft->pointer, "when");
  struct space_param *param = &draft->param;
  param->conditions =
    arena_array(builder->arena, json_object_size(when), sizeof *param->conditions);
  if (!param->conditions)
  {
    builder->out_of_memory = true;
    return;
  }
  const char *name;
  json_t *legal;
  json_object_foreach((json_t *) when, name, legal)
  {
    const char *place = json_pointer(scratch, pointer, name);
    size_t parent = find_draft(builder, name);
    if (parent == SIZE_MAX)
      add_unknown_parent(builder, place, name);
    else if (&builder->drafts[parent] == draft)
      json_fault_add(builder->faults, place, NULL, "a parameter cannot depend on itself");
    else
    {
      struct space_condition *condition = &param->conditions[param->condition_count++];
      condition->parent = parent;
      /* a faulty parent has had its own fault; what it would allow is not known */
      if (builder->drafts[parent].sound)
        read_condition(builder, place, &builder->drafts[parent].param, legal, condition);
    }
  }
}

static bool
is_ready(const struct space_builder *builder, const struct space_draft *draft)
{
  for (size_t i = 0; i < draft->param.condition_count; i++)
    if (!builder->drafts[draft->param.conditions[i].parent].placed)
      return false;
  return true;
}

/* Parents first, otherwise as written: takes the first parameter that is ready, again and again. */
static void
place_params(struct space_builder *builder, struct space *space)
{
  while (space->count < builder->count)
  {
    size_t next = SIZE_MAX;
    for (size_t i = 0; i < builder->count && next == SIZE_MAX; i++)
      if (!builder->drafts[i].placed && is_ready(builder, &builder->drafts[i]))
        next = i;
    if (next == SIZE_MAX)
      break;
    struct space_draft *draft = &builder->drafts[next];
    draft->placed = true;
    draft->position = space->count;
    for (size_t i = 0; i < draft->param.condition_count; i++)
      draft->param.conditions[i].parent =
        builder->drafts[draft->param.conditions[i].parent].position;
    space->params[space->count++] = draft->param;
  }
  for (size_t i = 0; i < builder->count; i++)
    if (!builder->drafts[i].placed)
      json_fault_add(
        builder->faults, json_pointer(builder->faults->arena, builder->drafts[i].pointer, "when"),
        "let at least one of them stand without \"when\"", "these conditions go round in a circle");
}

static size_t
count_params(const json_t *object)
{
  size_t count = 0;
  const char *name;
  json_t *json;
  json_object_foreach((json_t *) object, name, json) count += !space_is_reserved(name);
  return count;
}

enum err
space_from_json(const json_t *object, const char *pointer, struct arena *arena,
                struct space **space, struct json_faults *faults)
{
  size_t before = faults->count;
  *space = NULL;
  if (!json_is_object(object))
  {
    json_fault_add(faults, pointer, "give {\"name\": {\"type\": …}, …}",
                   "a search space must be an object");
    return ERR_INVALID;
  }
  size_t count = count_params(object);
  if (count > SPACE_PARAMS_MAX)
  {
    json_fault_add(faults, pointer, NULL, "has %zu parameters, more than %d", count,
                   SPACE_PARAMS_MAX);
    return ERR_INVALID;
  }
  struct space_builder builder = {.arena = arena, .faults = faults, .count = count};
  builder.drafts = arena_array(arena, count, sizeof *builder.drafts);
  struct space *built = arena_alloc(arena, sizeof *built);
  struct space_param *params = arena_array(arena, count, sizeof *params);
  if (!builder.drafts || !built || !params)
    return ERR_MEMORY;

  size_t index = 0;
  const char *name;
  json_t *json;
  json_object_foreach((json_t *) object, name, json)
  {
    if (space_is_reserved(name))
      continue;
    struct space_draft *draft = &builder.drafts[index++];
    draft->param.name = arena_strdup(arena, name);
    draft->json = json;
    draft->pointer = json_pointer(faults->arena, pointer, name);
    if (!draft->param.name)
      return ERR_MEMORY;
  }
  for (size_t i = 0; i < count; i++)
    space_draft_read(&builder, &builder.drafts[i]);
  for (size_t i = 0; i < count; i++)
    read_conditions(&builder, &builder.drafts[i]);
  if (builder.out_of_memory)
    return ERR_MEMORY;
  built->params = params;
  place_params(&builder, built);
  if (faults->count != before)
    return ERR_INVALID;
  enum err err = space_rules_from_json(object, pointer, arena, built, faults);
  *space = err ? NULL : built;
  return err;
}
