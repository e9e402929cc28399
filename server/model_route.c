#include <config.h>

#include "server/model_route.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "server/names.h"

#define VERSION_MOST 1000000000

struct model_route
model_route_to(int version)
{
  return (struct model_route){.count = 1, .parts = {{version, 100}}};
}

/* By version; twice the same is told by the caller's JSON, which has each name once. */
static void
insert_part(struct model_route *route, int version, int percent)
{
  size_t at = route->count++;

  for (; at > 0 && route->parts[at - 1].version > version; at--)
    route->parts[at] = route->parts[at - 1];
  route->parts[at].version = version;
  route->parts[at].percent = percent;
}

static bool
has_version(const struct model_route *route, int version)
{
  for (size_t i = 0; i < route->count; i++)
    if (route->parts[i].version == version)
      return true;
  return false;
}

/* A short, harmless copy of a member's name for a pointer. */
static void
place_of(const char *pointer, const char *name, char *text, size_t size)
{
  snprintf(text, size, "%s/%.20s", pointer, name);
}

bool
model_route_read(const json_t *split, const char *pointer, struct model_route *route,
                 struct json_faults *faults)
{
  static const char *const hint = "such as {\"3\": 90, \"4\": 10}";
  size_t before = faults->count;
  long long sum = 0;
  const char *name;
  json_t *value;

  *route = (struct model_route){.count = 0};
  if (!json_is_object(split) || json_object_size(split) == 0
      || json_object_size(split) > MODEL_ROUTE_PARTS)
  {
    json_fault_add(faults, pointer, hint, "must name 1 to %d versions and their percents",
                   MODEL_ROUTE_PARTS);
    return false;
  }
  json_object_foreach((json_t *) split, name, value)
  {
    char place[64];
    int version = version_parse(name);
    json_int_t percent = json_is_integer(value) ? json_integer_value(value) : 0;
    place_of(pointer, name, place, sizeof place);
    if (version < 1 || version > VERSION_MOST || has_version(route, version))
      json_fault_add(faults, place, hint, "must be called as a version's number");
    else if (percent < 1 || percent > 100)
      json_fault_add(faults, place, hint, "must be a whole number from 1 to 100");
    else
      insert_part(route, version, (int) percent);
    sum += percent;
  }
  if (faults->count == before && sum != 100)
    json_fault_add(faults, pointer, hint, "the percents must add to 100, not %lld", sum);
  return faults->count == before;
}

struct model_route
model_route_stored(int version, const char *split, int shadow)
{
  struct model_route route;
  struct json_faults faults;
  struct arena *arena = split ? arena_new(0) : NULL;
  json_t *json = split ? json_loads(split, 0, NULL) : NULL;
  bool good = false;

  if (json && arena)
  {
    json_faults_init(&faults, arena);
    good = model_route_read(json, "", &route, &faults);
  }
  json_decref(json);
  arena_free(arena);
  if (!good)
    route = model_route_to(version);
  route.shadow = shadow;
  return route;
}

int
model_route_main(const struct model_route *route)
{
  size_t most = 0;

  for (size_t i = 1; i < route->count; i++)
    if (route->parts[i].percent > route->parts[most].percent)
      most = i;
  return route->parts[most].version;
}

json_t *
model_route_json(const struct model_route *route)
{
  json_t *json = route->count > 1 ? json_object() : json_null();
  char name[16];

  for (size_t i = 0; route->count > 1 && i < route->count; i++)
  {
    snprintf(name, sizeof name, "%d", route->parts[i].version);
    json_object_set_new(json, name, json_integer(route->parts[i].percent));
  }
  return json;
}

const char *
model_route_text(const struct model_route *route, struct arena *arena)
{
  const char *text = NULL;

  for (size_t i = 0; route->count > 1 && i < route->count; i++)
    text = arena_printf(arena, "%s%s\"%d\": %d", text ? text : "", i > 0 ? ", " : "{",
                        route->parts[i].version, route->parts[i].percent);
  return text ? arena_printf(arena, "%s}", text) : NULL;
}

const char *
model_route_etag(const struct model_route *route, struct arena *arena)
{
  const char *text = "\"";

  if (route->count == 1)
    text = arena_printf(arena, "\"%d", route->parts[0].version);
  for (size_t i = 0; route->count > 1 && i < route->count; i++)
    text = arena_printf(arena, "%s%s%d:%d", text, i > 0 ? "," : "", route->parts[i].version,
                        route->parts[i].percent);
  return route->shadow ? arena_printf(arena, "%s+%d\"", text, route->shadow)
                       : arena_printf(arena, "%s\"", text);
}

size_t
model_route_pick(const struct model_route *route, unsigned draw)
{
  unsigned upto = 0;

  for (size_t i = 0; i + 1 < route->count; i++)
  {
    upto += (unsigned) route->parts[i].percent;
    if (draw < upto)
      return i;
  }
  return route->count - 1;
}
