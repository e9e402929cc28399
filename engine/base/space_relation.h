/* Linear relations between parameters as text: "min_units < max_units", "a + b <= 1", "2*x - y >= 0.5",
 * "0.1 <= a + b <= 1". Sums of numbers and of parameters times or by numbers, on either side of <, <=, >
 * or >=. A name of letters, digits, "_" and "." stands as it is; others stand in quotes, 'max-units',
 * a quote within doubled. Used by space_json_*.c.
 */
#ifndef ATTUNE_BASE_SPACE_RELATION_H
#define ATTUNE_BASE_SPACE_RELATION_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/space.h"

/* Most comparisons in one text. */
#define SPACE_RELATION_CHAIN_MAX 4

struct space_relation_fault
{
  const char *message; /* in the arena or static */
  const char *hint;    /* may be NULL */
};

/* Reads one text into at most SPACE_RELATION_CHAIN_MAX relations over the space's parameters, made in the
 * arena. ERR_INVALID with a fault, ERR_MEMORY. */
enum err space_relation_parse(const char *text, const struct space *space, struct arena *arena,
                              struct space_relation *relations, size_t *count,
                              struct space_relation_fault *fault);

/* Appends a relation as such a text: reading it gives the same relation. */
void space_relation_print(const struct space *space, const struct space_relation *relation,
                          struct buf *out);

#endif
