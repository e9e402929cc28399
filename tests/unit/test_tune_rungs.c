/* Trials that go from rung to rung: what a job's search makes of their scores, from the log as from memory. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/rng.h"
#include "tune/tune_data.h"
#include "tune/tune_rungs.h"
#include "tune/tune_study.h"

#define FOLDS 5
#define EPOCHS 27
#define MOST 64
#define ENTRIES (8 * MOST)
#define WIDTH_MOST 64

static const char schema_text[] =
  "{\"kind\":\"table\",\"rows\":500,\"columns\":["
  "{\"name\":\"a\",\"type\":\"numeric\",\"missing\":0,\"distinct\":400},"
  "{\"name\":\"b\",\"type\":\"numeric\",\"missing\":0,\"distinct\":400},"
  "{\"name\":\"y\",\"type\":\"categorical\",\"missing\":0,\"distinct\":2}],\"warnings\":[]}";

/* A job lived through by one worker: the log, and what each trial has come to. */
struct job
{
  struct arena *arena;
  struct job_spec *spec;
  struct model_data_shape shape;
  size_t folds;
  struct tune_study *study;
  struct tune_entry log[ENTRIES];
  size_t log_count;
  double points[MOST][WIDTH_MOST];
  bool paused[MOST], whole[MOST], over[MOST];
  size_t rung[MOST];
  double seconds[MOST];
  double work; /* in whole trials of networks */
  uint64_t next;
  const char *stop_reason;
  double left_s;
  bool first_fails;
};

static struct tune_study *
new_study(const struct job *job)
{
  struct tune_study *study = NULL;
  struct err_info info = {0};
  if (tune_study_new(job->spec, &job->shape, job->folds, 400, &study, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return study;
}

static struct job *
begin(const char *search, size_t folds, const char *families)
{
  struct job *job = calloc(1, sizeof *job);
  struct err_info info = {0};
  json_t *schema = json_loads(schema_text, 0, NULL);
  job->arena = arena_new(0);
  const char *space = strstr(families, "mlp") ? "{\"mlp\":{\"epochs\":27}}" : "{}";
  char *text = arena_printf(job->arena,
                            "{\"target\":\"y\",\"families\":%s,\"budget\":{\"trials\":27},"
                            "\"search\":{%s,\"seed\":4,\"space\":%s}}",
                            families, search, space);
  json_t *json = json_loads(text, 0, NULL);
  job->shape = (struct model_data_shape){
    .kind = DATASET_TABLE, .task = TASK_BINARY, .rows = 500, .columns = 2, .classes = 2};
  if (tune_spec_read(json, schema, job->arena, &job->spec, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_decref(schema);
  json_decref(json);
  job->folds = folds;
  job->left_s = INFINITY;
  job->next = 1;
  job->study = new_study(job);
  return job;
}

static void
end(struct job *job)
{
  tune_study_free(job->study);
  arena_free(job->arena);
  free(job);
}

static void
add_entry(struct job *job, struct tune_entry entry)
{
  struct err_info info = {0};
  assert_true(job->log_count < ENTRIES);
  job->log[job->log_count++] = entry;
  if (tune_study_fold(job->study, &entry, &info) != ERR_OK)
    fail_msg("%s", info.text);
}

static struct tune_situation
situation_of(const struct job *job)
{
  return (struct tune_situation){.next_trial = job->next,
                                 .search_left_s = job->left_s,
                                 .best_value = NAN,
                                 .metric = METRIC_ACCURACY,
                                 .workers = 1};
}

/* A study made from the log alone decides the same. */
static void
check_cold(const struct job *job, const struct tune_suggestion *warm)
{
  struct tune_study *cold = new_study(job);
  struct tune_situation situation = situation_of(job);
  struct tune_suggestion same;
  for (size_t i = 0; i < job->log_count; i++)
    assert_int_equal(tune_study_fold(cold, &job->log[i], NULL), ERR_OK);
  assert_int_equal(tune_study_suggest(cold, &situation, &same, NULL), ERR_OK);
  assert_int_equal(same.decision, warm->decision);
  assert_int_equal(same.trial, warm->trial);
  assert_int_equal(same.rung, warm->rung);
  if (warm->decision == TUNE_ADD)
    assert_memory_equal(same.point, warm->point, job->spec->space->count * sizeof *same.point);
  json_decref(same.params);
  tune_study_free(cold);
}

/* What a trial scores: early rungs are worse, and a little off. */
static double
score(const struct job *job, uint64_t trial, size_t rung)
{
  struct rng rng;
  double sum = 0;
  for (size_t p = 0; p < job->spec->space->count; p++)
    if (!isnan(job->points[trial][p]))
      sum += pow(space_to_unit(&job->spec->space->params[p], job->points[trial][p]) - 0.3, 2);
  rng_init(&rng, trial, rung);
  return sum + 0.3 * pow(0.5, (double) rung) + 0.02 * rng_normal(&rng);
}

/* The trial runs to the rung: a whole trial of networks takes 90 s, of others 9 s. */
static void
run_to(struct job *job, uint64_t trial, size_t rung, size_t last)
{
  struct tune_rungs rungs;
  tune_rungs_plan(job->spec, job->folds, &rungs);
  double before = last > 0 && job->seconds[trial] > 0 ? job->seconds[trial] / 90 : 0;
  double share = last > 0 ? tune_rungs_share(&rungs, rung, EPOCHS) : 1;
  job->seconds[trial] = last > 0 ? 90 * share : 9;
  job->work += last > 0 ? share - before : 0;
  job->left_s -= last > 0 ? 90 * (share - before) : 9;
  job->rung[trial] = rung;
  job->paused[trial] = rung < last;
  struct tune_entry entry = {.kind = rung < last ? TUNE_MEASURE : TUNE_TELL,
                             .trial = trial,
                             .rung = rung,
                             .objective = score(job, trial, rung),
                             .seconds = job->seconds[trial]};
  if (job->first_fails && trial == 1)
    entry.kind = TUNE_FAILED;
  job->whole[trial] = entry.kind == TUNE_TELL;
  job->over[trial] = entry.kind != TUNE_MEASURE;
  job->paused[trial] = entry.kind == TUNE_MEASURE;
  add_entry(job, entry);
}

static void
add_trial(struct job *job, const struct tune_suggestion *suggestion)
{
  uint64_t trial = job->next++;
  bool network = strcmp(suggestion->family, "mlp") == 0;
  assert_true(trial < MOST);
  assert_int_equal(suggestion->last_rung, network ? 2 + (job->folds > 1) : 0);
  assert_int_equal(suggestion->until_epoch, network ? 3 : 0);
  memcpy(job->points[trial], suggestion->point,
         job->spec->space->count * sizeof *suggestion->point);
  add_entry(job,
            (struct tune_entry){.kind = TUNE_ASK, .trial = trial, .point = job->points[trial]});
  run_to(job, trial, 0, suggestion->last_rung);
}

/* One decision and what comes of it; false when the search has ended. */
static bool
step(struct job *job)
{
  struct tune_situation situation = situation_of(job);
  struct tune_suggestion suggestion;
  struct err_info info = {0};
  if (tune_study_suggest(job->study, &situation, &suggestion, &info) != ERR_OK)
    fail_msg("%s", info.text);
  if (job->log_count % 5 == 0)
    check_cold(job, &suggestion);
  uint64_t trial = suggestion.trial;
  switch (suggestion.decision)
  {
  case TUNE_ADD:
    add_trial(job, &suggestion);
    break;
  case TUNE_GO_ON:
    assert_true(job->paused[trial]);
    assert_int_equal(suggestion.rung, job->rung[trial] + 1);
    assert_int_equal(suggestion.until_epoch, suggestion.rung == 1 ? 9 : 0);
    add_entry(job,
              (struct tune_entry){.kind = TUNE_CONTINUE, .trial = trial, .rung = suggestion.rung});
    run_to(job, trial, suggestion.rung, suggestion.last_rung);
    break;
  case TUNE_DROP:
    assert_true(job->paused[trial]);
    job->paused[trial] = false;
    job->over[trial] = true;
    add_entry(job, (struct tune_entry){.kind = TUNE_PRUNE, .trial = trial});
    break;
  case TUNE_WAIT:
    fail_msg("nobody is at work to wait for");
    break;
  case TUNE_STOP:
    job->stop_reason = suggestion.stop_reason;
    break;
  }
  json_decref(suggestion.params);
  return suggestion.decision != TUNE_STOP;
}

static size_t
count(const bool *flags)
{
  size_t sum = 0;
  for (size_t i = 0; i < MOST; i++)
    sum += flags[i];
  return sum;
}

/* ---- the plan ------------------------------------------------------------------------------------------ */

static void
test_plan(void **state)
{
  (void) state;
  struct job *job = begin("\"early_stopping\":\"asha\"", FOLDS, "[\"mlp\",\"trees\"]");
  struct tune_rungs rungs;
  tune_rungs_plan(job->spec, 1, &rungs);
  assert_int_equal(rungs.count, 3);
  assert_int_equal(tune_rungs_epoch(&rungs, 0, 100), 12);
  assert_int_equal(tune_rungs_epoch(&rungs, 1, 100), 34);
  assert_int_equal(tune_rungs_epoch(&rungs, 2, 100), 0);
  assert_int_equal(tune_rungs_epoch(&rungs, 0, 3), 1);
  assert_int_equal(tune_rungs_epoch(&rungs, 1, 3), 2);
  assert_int_equal(tune_rungs_epoch(&rungs, 1, 2), 0);
  assert_int_equal(tune_rungs_epoch(&rungs, 0, 1), 0);
  assert_near(tune_rungs_share(&rungs, 0, 27), 1.0 / 9, 1e-12);
  assert_near(tune_rungs_share(&rungs, 2, 27), 1, 0);
  tune_rungs_plan(job->spec, 5, &rungs);
  assert_int_equal(rungs.count, 4);
  assert_int_equal(tune_rungs_epoch(&rungs, 1, 27), 9);
  assert_int_equal(tune_rungs_epoch(&rungs, 2, 27), 0);
  assert_near(tune_rungs_share(&rungs, 1, 27), 1.0 / 15, 1e-12);
  assert_near(tune_rungs_share(&rungs, 2, 27), 1.0 / 5, 1e-12);
  assert_near(tune_rungs_share(&rungs, 3, 27), 1, 0);
  assert_near(tune_rungs_step(2), 9, 1e-12);
  assert_int_equal(tune_rungs_whole(&rungs, 27), 3);
  assert_int_equal(tune_rungs_whole(&rungs, 0), 0);
  end(job);
  job = begin("\"early_stopping\":\"asha\"", FOLDS, "[\"linear\",\"trees\"]");
  tune_rungs_plan(job->spec, 5, &rungs);
  assert_int_equal(rungs.count, 0);
  end(job);
}

/* ---- the rules ------------------------------------------------------------------------------------------ */

static void
test_asha(void **state)
{
  (void) state;
  static const char *const searches[] = {"\"early_stopping\":\"asha\"", "\"method\":\"asha\"",
                                         "\"method\":\"sobol\",\"early_stopping\":\"asha\"",
                                         "\"method\":\"hyperband\""};
  for (size_t s = 0; s < 4; s++)
    for (size_t folds = 1; folds <= FOLDS; folds += FOLDS - 1)
    {
      struct job *job = begin(searches[s], folds, "[\"mlp\"]");
      while (step(job))
        assert_true(job->log_count < 4 * MOST);
      assert_string_equal(job->stop_reason, "budget_trials");
      assert_int_equal(job->next, 28);
      assert_true(job->whole[1]);                                     /* the first never waits */
      assert_true(count(job->whole) >= 3 && count(job->whole) <= 12); /* one in nine at least */
      assert_true(job->work < 27.0 / 2);
      end(job);
    }
}

/* Those that go on are good ones: their mean rank at the first rung is in the better half. */
static void
test_the_better_go_on(void **state)
{
  (void) state;
  struct job *job = begin("\"method\":\"random\",\"early_stopping\":\"asha\"", FOLDS, "[\"mlp\"]");
  while (step(job))
    continue;
  double ranks = 0, promoted = 0;
  for (uint64_t t = 2; t < job->next; t++)
  {
    size_t better = 0;
    for (uint64_t u = 2; u < job->next; u++)
      better += score(job, u, 0) < score(job, t, 0);
    if (job->rung[t] > 0)
    {
      ranks += (double) better;
      promoted++;
    }
  }
  assert_true(promoted >= 5);
  assert_true(ranks / promoted < 9);
  end(job);
}

static void
test_median(void **state)
{
  (void) state;
  struct job *job =
    begin("\"method\":\"random\",\"early_stopping\":\"median\"", FOLDS, "[\"mlp\"]");
  while (step(job))
    continue;
  assert_string_equal(job->stop_reason, "budget_trials");
  assert_int_equal(count(job->over), 27); /* each has its end, none is left paused */
  assert_int_equal(count(job->paused), 0);
  assert_true(count(job->whole) >= 5 && count(job->whole) <= 14);
  end(job);
}

static void
test_families_without_rungs(void **state)
{
  (void) state;
  struct job *job =
    begin("\"method\":\"random\",\"early_stopping\":\"asha\"", FOLDS, "[\"mlp\",\"trees\"]");
  while (step(job))
    continue;
  size_t trees = 0;
  for (uint64_t t = 1; t < job->next; t++)
    if (job->seconds[t] == 9.0)
    {
      assert_true(job->whole[t]);
      trees++;
    }
  assert_true(trees > 5 && trees < 22);
  end(job);
}

/* No job ends with nothing whole when something is paused. */
static void
test_something_whole(void **state)
{
  (void) state;
  struct job *job = begin("\"method\":\"random\",\"early_stopping\":\"asha\"", FOLDS, "[\"mlp\"]");
  job->first_fails = true;
  job->spec->budget_trials = 3;
  while (step(job))
    continue;
  assert_int_equal(job->next, 4);
  assert_int_equal(count(job->whole), 1);
  assert_false(job->whole[1]);
  end(job);
}

/* Seconds: when they don't do for a new trial, they go to paused ones that can still be whole; nothing starts
 * that can't. */
static void
test_seconds(void **state)
{
  (void) state;
  struct job *job = begin("\"method\":\"random\",\"early_stopping\":\"asha\"", FOLDS, "[\"mlp\"]");
  job->spec->budget_trials = 0;
  job->left_s = 500;
  while (step(job))
    assert_true(job->log_count < 4 * MOST);
  assert_string_equal(job->stop_reason, "budget_seconds");
  assert_true(job->left_s >= 0);
  assert_true(job->left_s < 90 * 1.15); /* a whole trial more could not have been made */
  assert_true(count(job->whole) >= 3);
  end(job);
}

/* While others are at work the search waits for what they show. */
static void
test_waits(void **state)
{
  (void) state;
  struct job *job = begin("\"method\":\"random\",\"early_stopping\":\"asha\"", FOLDS, "[\"mlp\"]");
  while (job->next <= 27)
    assert_true(step(job));
  struct tune_suggestion suggestion = {.decision = TUNE_GO_ON};
  while (step(job))
    continue;
  struct tune_situation situation = situation_of(job);
  situation.live_trials = 1;
  assert_int_equal(tune_study_suggest(job->study, &situation, &suggestion, NULL), ERR_OK);
  assert_int_equal(suggestion.decision, TUNE_WAIT);
  end(job);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_plan),
    cmocka_unit_test(test_asha),
    cmocka_unit_test(test_the_better_go_on),
    cmocka_unit_test(test_median),
    cmocka_unit_test(test_families_without_rungs),
    cmocka_unit_test(test_something_whole),
    cmocka_unit_test(test_seconds),
    cmocka_unit_test(test_waits),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
