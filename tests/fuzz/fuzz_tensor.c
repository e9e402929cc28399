/* A tensor's head as JSON, a NUL, then raw elements: checked, and every element read. */
#include <config.h>

#include "base/json.h"
#include "server/tensor.h"
#include "tests/fuzz/fuzz.h"

static void
read_all(const struct tensor *tensor)
{
  for (size_t i = 0; i < tensor->count; i++)
  {
    json_decref(tensor_value(tensor, i));
    if (!tensor->texts)
      tensor_number(tensor, i);
  }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  const uint8_t *end = size > 0 ? memchr(data, '\0', size) : NULL;
  size_t head = end ? (size_t) (end - data) : size;
  struct err_info info;
  struct tensor tensor;
  json_t *json = NULL;
  if (json_parse((const char *) data, head, 32, &json, &info) != ERR_OK)
    return 0;
  struct arena *arena = arena_new(0);
  if (arena == NULL)
    abort();
  if (tensor_begin(json_get_string(json, "datatype", ""), json_object_get(json, "shape"), 1 << 20,
                   &tensor, &info)
      == ERR_OK)
  {
    size_t rest = end ? size - head - 1 : 0;
    uint8_t *bytes = malloc(rest ? rest : 1); /* so that a byte too far is seen */
    if (bytes == NULL)
      abort();
    if (rest > 0)
      memcpy(bytes, end + 1, rest);
    if (tensor_take_bytes(&tensor, bytes, rest, arena, &info) == ERR_OK)
      read_all(&tensor);
    free(bytes);
    tensor.raw = NULL;
    tensor.texts = NULL;
    if (tensor_take_json(&tensor, json_object_get(json, "data"), arena, &info) == ERR_OK)
      read_all(&tensor);
  }
  json_decref(json);
  arena_free(arena);
  return 0;
}
