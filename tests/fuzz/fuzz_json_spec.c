/* The JSON of a job, and of a search space: checked, brought to normal form, and that read again. */
#include <config.h>

#include "base/buf.h"
#include "base/space_json.h"
#include "model/job_spec.h"
#include "tests/fuzz/fuzz.h"

static const char table_schema[] =
  "{\"kind\": \"table\", \"rows\": 569, \"columns\": ["
  "{\"name\": \"x\", \"type\": \"numeric\", \"missing\": 0, \"distinct\": 500, \"examples\": []},"
  "{\"name\": \"price\", \"type\": \"numeric\", \"missing\": 3, \"distinct\": 400, \"examples\": "
  "[]},"
  "{\"name\": \"day\", \"type\": \"datetime\", \"missing\": 0, \"distinct\": 300, \"examples\": "
  "[]},"
  "{\"name\": \"kind\", \"type\": \"categorical\", \"missing\": 0, \"distinct\": 3, \"examples\": "
  "[]},"
  "{\"name\": \"sold\", \"type\": \"boolean\", \"missing\": 0, \"distinct\": 2, \"examples\": []}],"
  "\"warnings\": []}";

static const char image_schema[] =
  "{\"kind\": \"images\", \"rows\": 600, \"height\": 28, \"width\": 28, \"channels\": 1,"
  " \"classes\": [{\"name\": \"a\", \"count\": 300}, {\"name\": \"b\", \"count\": 300}], "
  "\"warnings\": []}";

static void
read_spec(const json_t *request, const char *schema_text, struct arena *arena)
{
  static const char *const methods[] = {"bayes", "random", "grid", "sobol", NULL};
  json_t *schema = json_loads(schema_text, 0, NULL);
  struct job_spec_context context = {
    .dataset_schema = schema, .methods = methods, .max_seconds = 86400, .max_trials = 10000};
  struct json_faults faults, again;
  struct job_spec *spec = NULL;
  json_faults_init(&faults, arena);
  json_faults_init(&again, arena);
  if (job_spec_from_json(request, &context, arena, &spec, &faults) == ERR_OK)
  {
    json_t *normal = job_spec_to_json(spec);
    if (normal == NULL || job_spec_from_json(normal, &context, arena, &spec, &again) != ERR_OK)
      abort(); /* the engine reads what was stored */
    json_decref(normal);
  }
  else if (faults.count == 0)
    abort();
  json_decref(json_faults_to_json(&faults));
  json_decref(schema);
}

/* Draws and repairs end within the space. */
static void
draw_points(const struct space *space, struct arena *arena)
{
  double *point = arena_array(arena, space->count + 1, sizeof *point);
  struct rng rng;
  if (point == NULL)
    abort();
  rng_init(&rng, 1, 0);
  for (int i = 0; i < 4; i++)
  {
    space_sample(space, &rng, point);
    if (!space_contains(space, point))
      abort();
    for (size_t p = 0; p < space->count; p++)
      point[p] = 1e3 * rng_normal(&rng);
    space_repair(space, point);
    if (!space_contains(space, point))
      abort();
  }
  space_cardinality(space);
}

static void
read_space(const json_t *object, struct arena *arena)
{
  struct json_faults faults;
  struct space *space = NULL;
  json_faults_init(&faults, arena);
  if (space_from_json(object, "/space", arena, &space, &faults) == ERR_OK)
  {
    struct space *again = NULL;
    json_t *back = space_to_json(space);
    if (back == NULL || space_from_json(back, "", arena, &again, &faults) != ERR_OK)
      abort(); /* what is written can be read */
    json_decref(back);
    draw_points(space, arena);
    draw_points(again, arena);
  }
  if (space_join_families(object, "/space", arena, &space, &faults) == ERR_OK)
    draw_points(space, arena);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  struct err_info info = {.text = ""};
  json_t *value = NULL;
  if (json_parse((const char *) data, size, 32, &value, &info) != ERR_OK)
  {
    if (info.text[0] == '\0')
      abort();
    return 0;
  }
  struct arena *arena = arena_new(0);
  struct buf out = {0};
  if (arena == NULL)
    abort();
  json_write(value, &out);
  buf_free(&out);
  read_spec(value, table_schema, arena);
  read_spec(value, image_schema, arena);
  read_space(value, arena);
  arena_free(arena);
  json_decref(value);
  return 0;
}
