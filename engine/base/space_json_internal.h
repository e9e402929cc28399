/* Shared by the files of space_json alone: single values of parameters from and to JSON. */
#ifndef ATTUNE_BASE_SPACE_JSON_INTERNAL_H
#define ATTUNE_BASE_SPACE_JSON_INTERNAL_H

#include <jansson.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/space.h"

/* Limits on what a caller may send. */
#define SPACE_PARAMS_MAX 1000
#define SPACE_VALUES_MAX 1000
#define SPACE_NAME_MAX 128
#define SPACE_RULES_MAX 200       /* forbidden combinations, and relations */
#define SPACE_RULE_PARTS_MAX 4000 /* their values and terms together */

/* A parameter on its way into the space. */
struct space_draft
{
  struct space_param param;
  const json_t *json;
  const char *pointer;
  bool sound;  /* read without fault */
  bool placed; /* already in the space's order */
  size_t position;
};

struct space_builder
{
  struct arena *arena;
  struct json_faults *faults;
  struct space_draft *drafts;
  size_t count;
  bool out_of_memory;
};

/* Reads everything of one parameter but its conditions. */
void space_draft_read(struct space_builder *builder, struct space_draft *draft);

/* The legal value of `param` that `json` stands for, as stored in a point. NULL when it is one, else
 * a sentence (in the arena or static) on what it must be; *stored is then untouched. */
const char *space_stored_from_json(const struct space_param *param, const json_t *json,
                                   struct arena *arena, double *stored);

/* A stored value (not NaN) as JSON, new reference. */
json_t *space_stored_to_json(const struct space_param *param, double stored);

/* A choice: a number, a string or a boolean; false if `json` is none of them or memory is out. */
bool space_value_from_json(const json_t *json, struct arena *arena, struct space_value *value);
json_t *space_value_to_json(const struct space_value *value);
bool space_values_equal(const struct space_value *a, const struct space_value *b);

/* Members of a space that start with "$" are no parameters but rules. */
bool space_is_reserved(const char *name);

/* Reads "$forbidden" and "$relations" of `object` into a space whose parameters are complete. Faults of all
 * rules; ERR_INVALID when there were any, also when no point is left. ERR_MEMORY. */
enum err space_rules_from_json(const json_t *object, const char *pointer, struct arena *arena,
                               struct space *space, struct json_faults *faults);

/* Adds them to `object`; not 0 when out of memory. */
int space_rules_to_json(const struct space *space, json_t *object);

/* A rule as it would be written, in the arena; NULL when out of memory. */
const char *space_rule_text(const struct space *space, size_t rule, struct arena *arena);

#endif
