/* A request's method and path: decoded and routed. */
#include <config.h>

#include "base/text.h"
#include "server/http_internal.h"
#include "tests/fuzz/fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const char *const methods[] = {"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "BREW"};
  if (size < 1)
    return 0;
  struct arena *arena = arena_new(0);
  char *path = fuzz_text(data + 1, size - 1), allow[200] = "";
  const struct http_route *route = NULL;
  struct http_name_value args[HTTP_ARGS_MAX];
  size_t count = 0;
  if (arena == NULL)
    abort();
  enum http_match match =
    http_route_match(methods[data[0] % 7], path, arena, &route, args, &count, allow, sizeof allow);
  if (match == HTTP_MATCH_FOUND)
    for (size_t i = 0; i < count; i++)
      if (args[i].value == NULL || strchr(args[i].value, '/') != NULL
          || strcmp(args[i].value, "..") == 0
          || !text_utf8_valid(args[i].value, strlen(args[i].value), NULL))
        abort();
  http_decode(arena, path, strlen(path), false);
  free(path);
  arena_free(arena);
  return 0;
}
