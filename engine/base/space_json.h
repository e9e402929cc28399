/* Spaces and points from and to the JSON of the API (see api-docs/tuning.md, "The search space").
 * {"lr": {"type":"float","low":1e-4,"high":1,"scale":"log"}, "opt": {"type":"categorical",…}, "k": 3}
 */
#ifndef ATTUNE_BASE_SPACE_JSON_H
#define ATTUNE_BASE_SPACE_JSON_H

#include <jansson.h>

#include "base/json.h"
#include "base/space.h"

/* The rules of a space are members beside its parameters, whose names don't start with "$":
 *   "$forbidden": [{"opt": "sgd", "batch": [256, 512], "lr": {"min": 0.1}}, …] each object a combination of
 *     values that may not come together;
 *   "$relations": ["a < b", "a + 2*b <= 1", …] linear relations between numbers (space_relation.h). */

/* Builds a space in the arena from an object of parameters. Every fault (unknown member, low ≥ high, log scale
 * with low ≤ 0, no values, `when` on an unknown parameter or in a circle, a default outside, rules that leave
 * no point …) goes to `faults` under `pointer`. Parameters are ordered so that parents come first, otherwise as
 * written. ERR_INVALID when there were faults. */
enum err space_from_json(const json_t *object, const char *pointer, struct arena *arena,
                         struct space **space, struct json_faults *faults);

/* The same object back (new reference; NULL when out of memory). */
json_t *space_to_json(const struct space *space);

/* A point as {"name": value, …}, inactive parameters left out (new reference). */
json_t *space_point_to_json(const struct space *space, const double *point);

/* A point from such an object: unknown names, illegal values, missing active ones are faults. */
enum err space_point_from_json(const struct space *space, const json_t *object, const char *pointer,
                               double *point, struct json_faults *faults);

/* The stored value that a parameter has for a JSON value of another space: the same or, among ordered numbers, the
 * nearest; NaN where there is nothing like it. A number may lie outside of the range: space_repair clamps it. */
double space_value_near_json(const struct space_param *param, const json_t *json);

/* Joins the spaces of several families to one (see space.h): `families` is an object
 * {"mlp": {space…}, "trees": {space…}}, in its order; names become "mlp.learning_rate" and so on. */
enum err space_join_families(const json_t *families, const char *pointer, struct arena *arena,
                             struct space **space, struct json_faults *faults);

/* Whether the text of a relation names a parameter; false where it can't be read that far. */
bool space_relation_names(const char *text, const char *name);

#endif
