/* Where calls to an alias go: all to one version, or divided among several. Pure; any thread. */
#ifndef ATTUNE_SERVER_MODEL_ROUTE_H
#define ATTUNE_SERVER_MODEL_ROUTE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "base/json.h"

#define MODEL_ROUTE_PARTS 10

/* Parts by version, ascending; their percents add to 100. */
struct model_route
{
  size_t count;
  struct
  {
    int version;
    int percent;
  } parts[MODEL_ROUTE_PARTS];
  int shadow; /* a version that answers the same calls, to be compared only; 0 = none */
};

struct model_route model_route_to(int version);

/* {"3": 90, "4": 10}, as a caller wrote it; false with faults below `pointer`. */
bool model_route_read(const json_t *split, const char *pointer, struct model_route *route,
                      struct json_faults *faults);
/* The stored form: `split` as text, or NULL for all calls to `version`. What can't be read goes to `version`. */
struct model_route model_route_stored(int version, const char *split, int shadow);

/* The version with most calls, of equals the earlier. */
int model_route_main(const struct model_route *route);
/* {"3": 90, "4": 10}, or null where all go to one version. New reference. */
json_t *model_route_json(const struct model_route *route);
/* The same as text, NULL where all go to one version or out of memory. */
const char *model_route_text(const struct model_route *route, struct arena *arena);
/* An entity tag that names the target: "3", "3:90,4:10", or with a shadow "3+5", with the quotes. */
const char *model_route_etag(const struct model_route *route, struct arena *arena);

/* Which part a draw in [0, 100) falls to. */
size_t model_route_pick(const struct model_route *route, unsigned draw);

#endif
