/* A search on images of 28 x 28 that ends with long fits, its trials' ends as a test tells them. */
#ifndef ATTUNE_TESTS_LONG_SEARCH_H
#define ATTUNE_TESTS_LONG_SEARCH_H

#include "tests/harness/test_support.h"

#include "model/family.h"
#include "tune/tune_data.h"
#include "tune/tune_long.h"
#include "tune/tune_study.h"

#define SEARCH_S 100.0
#define MOST 12

static const char schema_text[] = "{\"kind\":\"images\",\"height\":28,\"width\":28,\"channels\":1,"
                                  "\"classes\":[\"a\",\"b\",\"c\"],\"warnings\":[]}";

struct fixture
{
  struct arena *arena;
  struct job_spec *spec;
  struct model_data_shape shape;
  struct tune_study *study;
  double points[MOST + 1][128];
  uint64_t next;
};

static inline void
set_up_with(struct fixture *fixture, const char *request, size_t rows)
{
  struct err_info info = {0};
  json_t *schema = json_loads(schema_text, 0, NULL), *json = json_loads(request, 0, NULL);
  struct model_data_shape shape = {.kind = DATASET_IMAGES,
                                   .task = TASK_MULTICLASS,
                                   .rows = rows,
                                   .columns = 784,
                                   .height = 28,
                                   .width = 28,
                                   .channels = 1,
                                   .classes = 3};
  json_object_set_new(schema, "rows", json_integer((json_int_t) rows));
  memset(fixture, 0, sizeof *fixture);
  fixture->arena = arena_new(0);
  fixture->next = 1;
  assert_non_null(json);
  if (tune_spec_read(json, schema, fixture->arena, &fixture->spec, &info) != ERR_OK)
    fail_msg("%s", info.text);
  shape.base = fixture->spec->base;
  fixture->shape = shape;
  if (tune_study_new(fixture->spec, &shape, 1, 16000, &fixture->study, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(schema);
  json_decref(json);
}

static inline void
set_up(struct fixture *fixture, const char *request)
{
  set_up_with(fixture, request, 20000);
}

static inline void
tear_down(struct fixture *fixture)
{
  tune_study_free(fixture->study);
  arena_free(fixture->arena);
}

/* What comes next with so many seconds left; its parameters are the caller's. */
static inline struct tune_suggestion
suggest(struct fixture *fixture, double left_s, size_t live)
{
  struct tune_suggestion suggestion;
  struct err_info info = {0};
  struct tune_situation situation = {.next_trial = fixture->next,
                                     .search_s = SEARCH_S,
                                     .search_left_s = left_s,
                                     .best_value = NAN,
                                     .metric = METRIC_ACCURACY,
                                     .live_trials = live,
                                     .workers = 1};
  if (tune_study_suggest(fixture->study, &situation, &suggestion, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return suggestion;
}

static inline void
fold(struct fixture *fixture, struct tune_entry entry)
{
  struct err_info info = {0};
  if (tune_study_fold(fixture->study, &entry, &info) != ERR_OK)
    fail_msg("%s", info.text);
}

/* Starts what is suggested; returns its number. */
static inline uint64_t
start(struct fixture *fixture, const struct tune_suggestion *suggestion)
{
  uint64_t trial = fixture->next++;
  assert_int_equal(suggestion->decision, TUNE_ADD);
  memcpy(fixture->points[trial], suggestion->point, fixture->spec->space->count * sizeof(double));
  fold(fixture,
       (struct tune_entry){.kind = TUNE_ASK, .trial = trial, .point = fixture->points[trial]});
  return trial;
}

static inline void
end_with(struct fixture *fixture, uint64_t trial, double objective, double seconds, double us)
{
  fold(fixture, (struct tune_entry){.kind = TUNE_TELL,
                                    .trial = trial,
                                    .objective = objective,
                                    .seconds = seconds,
                                    .cost = {.us_per_row = us, .bytes = 1e5}});
}

/* The same of a fit of 5 s whose training took so long for each row. */
static inline void
end_trained(struct fixture *fixture, uint64_t trial, double objective, double train_us)
{
  fold(fixture,
       (struct tune_entry){.kind = TUNE_TELL,
                           .trial = trial,
                           .objective = objective,
                           .seconds = 5,
                           .cost = {.us_per_row = 20, .bytes = 1e5, .train_us = train_us}});
}

static inline void
end_after(struct fixture *fixture, uint64_t trial, double objective, double seconds)
{
  end_with(fixture, trial, objective, seconds, 20);
}

/* A whole fit would take 32 s. */
static inline void
end(struct fixture *fixture, uint64_t trial, double objective)
{
  end_after(fixture, trial, objective, 5);
}

/* Three trials within the first part of the search, with these accuracies. */
static inline void
search_with(struct fixture *fixture, const double accuracies[3])
{
  for (size_t i = 0; i < 3; i++)
  {
    struct tune_suggestion suggestion = suggest(fixture, 95 - 8 * (double) i, 0);
    uint64_t trial = start(fixture, &suggestion);
    json_decref(suggestion.params);
    end(fixture, trial, -accuracies[i]);
  }
}

/* The second is the best, the third about as good. */
static inline void
search_shortly(struct fixture *fixture)
{
  search_with(fixture, (const double[]){0.7, 0.9, 0.895});
}

/* Suggests so many trials again; they are at the points of those expected. */
static inline void
expect_again(struct fixture *fixture, double left_s, const uint64_t *expected, size_t count)
{
  for (size_t i = 0; i < count; i++)
  {
    struct tune_suggestion suggestion = suggest(fixture, left_s, i);
    start(fixture, &suggestion);
    assert_true(suggestion.again);
    assert_memory_equal(suggestion.point, fixture->points[expected[i]],
                        fixture->spec->space->count * sizeof(double));
    json_decref(suggestion.params);
  }
}

#endif
