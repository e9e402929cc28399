/* Lists of numbers taken out of JSON text before it is parsed: for bodies that are mostly numbers, of which a
 * tree would cost many times their scanning.
 *
 * Members of the given names whose value is a list of numbers and null, perhaps of such lists, are read straight to
 * doubles, as json_scan_number has them, and a mark stands in their place in what is left to parse. Whatever is out of
 * the ordinary is left in the text. Pure; any thread.
 */
#ifndef ATTUNE_BASE_JSON_LIFT_H
#define ATTUNE_BASE_JSON_LIFT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"

/* Longer texts are not looked at: memory is a small multiple of the text. */
#define JSON_LIFT_BYTES_MAX ((size_t) 4 << 20)

struct json_lifted
{
  const double *numbers; /* row-major; NaN for null */
  size_t count;
  size_t row_length; /* of a list of lists without lists in them, all as long; else 0 */
};

struct json_lift
{
  const char *rest; /* the text with marks (arena) */
  size_t rest_length;
  struct json_lifted *lists;
  size_t count;
};

/* False when there is nothing to lift, without memory, and when a list would lie deeper than max_depth: parse the text
 * as it is. `names` ends with NULL. */
bool json_lift(const char *text, size_t length, const char *const *names, size_t max_depth,
               struct arena *arena, struct json_lift *lift);

/* The list that a value of the parsed rest stands for; NULL when it is no mark. */
const struct json_lifted *json_lift_find(const struct json_lift *lift, const json_t *value);

#endif
