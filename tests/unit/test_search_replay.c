/* Whatever happens to its trials, a search is what its log says: two processes that suggest in turns and
 * note what the other did, and cold ones made from the log at many places, suggest the same bytes. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "search/search.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define WIDTH 5
#define EVENTS_MAX 400
#define TRIALS_MAX 200

static double kind_a[] = {0};
static struct space_condition when_a = {.parent = 2, .values = kind_a, .value_count = 1};
static struct space_param params[WIDTH] = {
  {.name = "rate", .kind = SPACE_FLOAT, .scale = SPACE_LOG, .low = 1e-4, .high = 1},
  {.name = "depth", .kind = SPACE_INT, .low = 1, .high = 8, .step = 1},
  {.name = "kind", .kind = SPACE_CATEGORICAL, .value_count = 3},
  {.name = "momentum",
   .kind = SPACE_FLOAT,
   .low = 0,
   .high = 0.99,
   .conditions = &when_a,
   .condition_count = 1},
  {.name = "flag", .kind = SPACE_BOOL, .value_count = 2}};
static const struct space space = {.params = params, .count = WIDTH};

enum event_kind
{
  ASK,
  CONTINUE,
  MEASURE,
  TELL,
  FAIL,
  FORGET,
  PRUNE
};

/* One entry of a log as a database would keep it. */
struct event
{
  enum event_kind kind;
  uint64_t trial;
  double step, value;
  double point[WIDTH];
};

static double
loss(const double *p, double step)
{
  double rate = log10(p[0]) + 2, sum = rate * rate + 0.1 * (p[1] - 3) * (p[1] - 3) + 0.3 * p[2];
  if (p[2] == 0)
    sum += (p[3] - 0.8) * (p[3] - 0.8);
  return sum + (1 + p[4]) / step;
}

/* The rest of a result follows from its first value. */
static void
take(struct search *search, const struct event *e)
{
  double values[2] = {e->value, 3 - e->value + 0.1 * e->step}, constraint = 1.5 - e->value;
  struct search_result result = {.values = values, .constraints = &constraint};
  enum err err = ERR_INTERNAL;
  switch (e->kind)
  {
  case ASK:
    err = search_note_ask(search, e->trial, e->point, NULL);
    break;
  case CONTINUE:
    err = search_note_continue(search, e->trial, NULL);
    break;
  case MEASURE:
    err = search_measure(search, e->trial, e->step, e->value, NULL);
    break;
  case TELL:
    err = search_tell_result(search, e->trial, &result, NULL);
    break;
  case FAIL:
  case FORGET:
    err = search_tell_failed(search, e->trial, e->kind == FAIL, NULL);
    break;
  case PRUNE:
    err = search_prune(search, e->trial, NULL);
    break;
  }
  assert_int_equal(err, ERR_OK);
}

/* The trials as whoever runs them sees them. */
struct running
{
  uint64_t trial;
  double step, until;
  double point[WIDTH];
};

struct story
{
  struct search_spec spec;
  struct rng rng;
  struct search *twins[2];
  struct event events[EVENTS_MAX];
  size_t count;
  struct running running[8];
  size_t running_count;
  uint64_t next_trial;
};

static void
add_event(struct story *story, const struct event *event, size_t but)
{
  assert_true(story->count < EVENTS_MAX);
  story->events[story->count++] = *event;
  for (size_t k = 0; k < 2; k++)
    if (k != but)
      take(story->twins[k], event);
}

static void
check_same(const struct search *a, const struct search *b, uint64_t trials)
{
  uint64_t front_a[TRIALS_MAX], front_b[TRIALS_MAX], best_a = 0, best_b = 0;
  assert_int_equal(search_count(a), search_count(b));
  for (uint64_t t = 0; t < trials; t++)
    assert_true(search_should_stop(a, t) == search_should_stop(b, t));
  size_t count = search_pareto(a, front_a);
  assert_int_equal(search_pareto(b, front_b), count);
  assert_memory_equal(front_a, front_b, count * sizeof *front_a);
  assert_true(search_best(a, &best_a, NULL, NULL) == search_best(b, &best_b, NULL, NULL));
  assert_true(best_a == best_b);
}

/* Asks one of the twins; now and then a cold process made from the log must say the same. False at the
 * end of the space. */
static bool
suggest(struct story *story, bool check)
{
  size_t twin = (size_t) rng_below(&story->rng, 2);
  struct search_suggestion s = {0}, again = {0};
  struct event event = {0};
  enum err cold_err = ERR_OK;
  double point[WIDTH] = {0};
  if (check)
  {
    struct search *cold;
    assert_int_equal(search_new(&story->spec, &cold, NULL), ERR_OK);
    for (size_t e = 0; e < story->count; e++)
      take(cold, &story->events[e]);
    check_same(cold, story->twins[twin], story->next_trial);
    cold_err = search_suggest(cold, story->next_trial, &again, point, NULL);
    search_free(cold);
  }
  enum err err = search_suggest(story->twins[twin], story->next_trial, &s, event.point, NULL);
  if (check)
  {
    assert_int_equal(err, cold_err);
    assert_true(err || (s.trial == again.trial && s.continued == again.continued));
    assert_true(err || (s.from_step == again.from_step && s.until_step == again.until_step));
    assert_memory_equal(point, event.point, err ? 0 : sizeof point);
  }
  if (err)
  {
    assert_int_equal(err, ERR_NOT_FOUND);
    return false;
  }
  event.kind = s.continued ? CONTINUE : ASK;
  event.trial = s.trial;
  add_event(story, &event, twin);
  struct running *r = &story->running[story->running_count++];
  *r = (struct running){.trial = s.trial, .step = s.from_step, .until = s.until_step};
  memcpy(r->point, event.point, sizeof r->point);
  if (!s.continued)
    story->next_trial++;
  return true;
}

/* Something happens to one of the running trials. */
static void
go_on(struct story *story)
{
  size_t which = (size_t) rng_below(&story->rng, story->running_count);
  struct running *r = &story->running[which];
  bool steps = story->spec.most_steps > 0;
  struct event event = {.kind = TELL, .trial = r->trial, .step = r->step};
  uint64_t draw = rng_below(&story->rng, 40);
  bool over = true;
  if (draw == 0)
    event.kind = FAIL;
  else if (draw == 1)
    event.kind = FORGET;
  else if (draw == 2)
    event.kind = PRUNE;
  else if (steps && r->step < r->until)
  {
    event.kind = MEASURE;
    event.step = r->step = fmin(r->until, r->step + 1 + (double) rng_below(&story->rng, 3));
    over = draw == 3;
  }
  event.value = event.kind == MEASURE && over ? (double) NAN : loss(r->point, fmax(1, event.step));
  add_event(story, &event, 2);
  if (event.kind == MEASURE && !over)
  {
    bool stop = search_should_stop(story->twins[0], r->trial);
    over = stop && r->step >= r->until; /* paused */
    if (stop && !over)
    {
      /* Against it is the median rule. */
      event.kind = PRUNE;
      add_event(story, &event, 2);
      over = true;
    }
  }
  if (over)
    story->running[which] = story->running[--story->running_count];
}

static void
live(struct search_spec spec, uint64_t seed, size_t turns)
{
  static struct story story;
  memset(&story, 0, sizeof story);
  spec.space = &space;
  spec.seed = seed;
  story.spec = spec;
  rng_init(&story.rng, seed, 1);
  for (size_t k = 0; k < 2; k++)
    assert_int_equal(search_new(&spec, &story.twins[k], NULL), ERR_OK);
  bool more = true;
  for (size_t turn = 0; turn < turns; turn++)
  {
    if (more && story.running_count < 4 && rng_below(&story.rng, 3) > 0)
      more = suggest(&story, rng_below(&story.rng, 8) == 0);
    else if (story.running_count)
      go_on(&story);
  }
  check_same(story.twins[0], story.twins[1], story.next_trial);
  suggest(&story, true);
  for (size_t k = 0; k < 2; k++)
    search_free(story.twins[k]);
}

static void
every_method_under_every_rule(void **state)
{
  (void) state;
  static const char *const methods[] = {"bayes", "tpe", "random", "sobol", "grid"};
  static const enum search_stopping rules[] = {SEARCH_STOPPING_NONE, SEARCH_STOPPING_MEDIAN,
                                               SEARCH_STOPPING_ASHA, SEARCH_STOPPING_HYPERBAND};
  for (size_t m = 0; m < COUNT(methods); m++)
    for (size_t r = 0; r < COUNT(rules); r++)
      for (uint64_t seed = 1; seed <= 2; seed++)
        live(
          (struct search_spec){
            .method = methods[m], .grid_resolution = 3, .stopping = rules[r], .most_steps = 9},
          seed, m == 0 ? 120 : 240);
  for (uint64_t seed = 3; seed <= 5; seed++)
  {
    live((struct search_spec){.method = "asha", .most_steps = 27, .eta = 3}, seed, 300);
    live((struct search_spec){.method = "hyperband", .most_steps = 16, .eta = 2}, seed, 300);
    live((struct search_spec){.method = "bayes"}, seed, 100);
  }
}

/* Small known budgets are where the model says which paused trial goes on. */
static void
known_budgets(void **state)
{
  (void) state;
  for (uint64_t seed = 1; seed <= 3; seed++)
    for (int rule = 0; rule < 2; rule++)
      live((struct search_spec){.method = "bayes",
                                .expected_trials = 6,
                                .stopping = rule ? SEARCH_STOPPING_HYPERBAND : SEARCH_STOPPING_ASHA,
                                .least_steps = 1,
                                .most_steps = 9},
           seed, 160);
}

static void
several_objectives_and_constraints(void **state)
{
  (void) state;
  static const char *const methods[] = {"bayes", "tpe"};
  for (uint64_t seed = 1; seed <= 2; seed++)
    for (size_t m = 0; m < COUNT(methods); m++)
      for (size_t kind = 0; kind < 4; kind++)
        live(
          (struct search_spec){.method = methods[m],
                               .objective_count = 1 + kind % 2,
                               .constraint_count = kind != 1,
                               .stopping = kind == 3 ? SEARCH_STOPPING_ASHA : SEARCH_STOPPING_NONE,
                               .most_steps = kind == 3 ? 9 : 0},
          seed, 90);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(every_method_under_every_rule),
    cmocka_unit_test(known_budgets),
    cmocka_unit_test(several_objectives_and_constraints),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
