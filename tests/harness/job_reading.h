/* A job's request read against a data set's schema. Header only.
 */
#ifndef ATTUNE_TESTS_JOB_READING_H
#define ATTUNE_TESTS_JOB_READING_H

#include "model/job_spec.h"
#include "tests/harness/test_support.h"

static const char *const job_methods[] = {"bayes", "random", "grid", "sobol", "asha", NULL};

static const char table_schema[] =
  "{\"kind\": \"table\", \"rows\": 569, \"columns\": ["
  "{\"name\": \"x\", \"type\": \"numeric\", \"missing\": 0, \"distinct\": 500, \"examples\": []},"
  "{\"name\": \"price\", \"type\": \"numeric\", \"missing\": 0, \"distinct\": 400, \"examples\": "
  "[]},"
  "{\"name\": \"kind\", \"type\": \"categorical\", \"missing\": 0, \"distinct\": 3, \"examples\": "
  "[]},"
  "{\"name\": \"sold\", \"type\": \"boolean\", \"missing\": 0, \"distinct\": 2, \"examples\": []}],"
  "\"warnings\": []}";

struct reading
{
  struct arena *arena;
  json_t *schema, *request;
  struct job_spec *spec;
  struct json_faults faults;
  enum err rc;
};

static inline void
read_spec(struct reading *reading, const char *schema, const char *request)
{
  struct job_spec_context context = {
    .methods = job_methods, .max_seconds = 86400, .max_trials = 10000};

  reading->arena = arena_new(0);
  reading->schema = json_loads(schema, 0, NULL);
  reading->request = json_loads(request, JSON_DECODE_ANY, NULL);
  assert_non_null(reading->schema);
  assert_non_null(reading->request);
  context.dataset_schema = reading->schema;
  json_faults_init(&reading->faults, reading->arena);
  reading->rc = job_spec_from_json(reading->request, &context, reading->arena, &reading->spec,
                                   &reading->faults);
}

static inline void
read_good(struct reading *reading, const char *schema, const char *request)
{
  read_spec(reading, schema, request);
  if (reading->rc != ERR_OK)
    fail_msg("%s: %s", reading->faults.count ? reading->faults.items[0].pointer : "?",
             reading->faults.count ? reading->faults.items[0].message : "?");
}

static inline void
done(struct reading *reading)
{
  json_decref(reading->schema);
  json_decref(reading->request);
  arena_free(reading->arena);
}

static inline void
expect_fault(const struct reading *reading, const char *pointer, const char *text)
{
  assert_int_equal(reading->rc, ERR_INVALID);
  assert_null(reading->spec);
  for (size_t i = 0; i < reading->faults.kept; i++)
    if (strcmp(reading->faults.items[i].pointer, pointer) == 0
        && strstr(reading->faults.items[i].message, text))
      return;
  for (size_t i = 0; i < reading->faults.kept; i++)
    print_error("%s: %s\n", reading->faults.items[i].pointer, reading->faults.items[i].message);
  fail_msg("no fault %s \"%s\"", pointer, text);
}

#endif
