/* Walks through the points of a space one by one, every parameter over a list of levels.
 *
 * Discrete parameters take all their values, or evenly spread ones where a resolution is given and they have
 * more; continuous ones take `resolution` values from low to high, even on their scale. Inactive parameters
 * take no part, and points that break a rule of the space are left out. Owns its lists; borrows the space; one
 * thread at a time.
 */
#ifndef ATTUNE_SEARCH_ENUMERATE_H
#define ATTUNE_SEARCH_ENUMERATE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "base/space.h"

struct enumerate;

/* resolution 0: every value; ERR_INVALID if a parameter is continuous. ERR_MEMORY. */
enum err enumerate_new(const struct space *space, size_t resolution, struct enumerate **enumerate);
void enumerate_free(struct enumerate *enumerate);

/* Back to the first point. */
void enumerate_restart(struct enumerate *enumerate);

/* Writes the next point; false after the last. The last parameter moves fastest. Where rules leave so
 * little that many steps in all lead to no point, the walk ends before: enumerate_gave_up. */
bool enumerate_next(struct enumerate *enumerate, double *point);

bool enumerate_gave_up(const struct enumerate *enumerate);

/* Number of points, counted up to `limit`, which is also the answer when the walk gave up. */
size_t enumerate_count(struct enumerate *enumerate, size_t limit);

#endif
