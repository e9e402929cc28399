/* A study on a small table, and the log it lives by; for tests of what a job's search asks for. Header only.
 */
#ifndef ATTUNE_TESTS_TEST_STUDY_H
#define ATTUNE_TESTS_TEST_STUDY_H

#include "tests/harness/test_support.h"

#include "tune/tune_data.h"
#include "tune/tune_study.h"

#define MOST 40

static const char schema_text[] =
  "{\"kind\":\"table\",\"rows\":500,\"columns\":["
  "{\"name\":\"a\",\"type\":\"numeric\",\"missing\":0,\"distinct\":400},"
  "{\"name\":\"b\",\"type\":\"numeric\",\"missing\":0,\"distinct\":400},"
  "{\"name\":\"y\",\"type\":\"categorical\",\"missing\":0,\"distinct\":2}],\"warnings\":[]}";

struct fixture
{
  struct arena *arena;
  struct job_spec *spec;
  struct model_data_shape shape;
};

static inline void
make_spec(struct fixture *fixture, const char *request)
{
  struct err_info info = {0};
  json_t *schema = json_loads(schema_text, 0, NULL), *json = json_loads(request, 0, NULL);
  fixture->shape = (struct model_data_shape){
    .kind = DATASET_TABLE, .task = TASK_BINARY, .rows = 500, .columns = 2, .classes = 2};
  if (tune_spec_read(json, schema, fixture->arena, &fixture->spec, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(schema);
  json_decref(json);
}

static inline struct tune_study *
new_study(const struct fixture *fixture)
{
  struct tune_study *study = NULL;
  struct err_info info = {0};
  if (tune_study_new(fixture->spec, &fixture->shape, 5, 400, &study, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return study;
}

static inline struct tune_situation
calm(uint64_t next_trial)
{
  return (struct tune_situation){.next_trial = next_trial,
                                 .search_left_s = INFINITY,
                                 .best_value = NAN,
                                 .metric = METRIC_ACCURACY,
                                 .workers = 1};
}

struct history
{
  struct tune_entry entries[2 * MOST];
  double points[MOST + 1][64];
  size_t count;
};

static inline void
log_entry(struct history *history, struct tune_study *study, struct tune_entry entry)
{
  struct err_info info = {0};
  history->entries[history->count++] = entry;
  if (tune_study_fold(study, &entry, &info) != ERR_OK)
    fail_msg("%s", info.text);
}

static inline int
setup(void **state)
{
  struct fixture *fixture = calloc(1, sizeof *fixture);
  fixture->arena = arena_new(0);
  *state = fixture;
  return 0;
}

static inline int
teardown(void **state)
{
  struct fixture *fixture = *state;
  arena_free(fixture->arena);
  free(fixture);
  return 0;
}

#define study_test(function) cmocka_unit_test_setup_teardown(function, setup, teardown)

#endif
