/* Every stage of a job × everything that may be done to it. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sql/job.h"

/* One line per stage, a word per verb: a stage's letter where the job goes, = it stays, and the reason of a
 * refusal: e ended, f finishing, c cancelling, p paused, y too early. */
static const char stages[] = "QSXFGPOEC"; /* in the order of enum job_stage */
static const char *const started[JOB_STAGE_COUNT] = {
  /*                 pause resume extend cancel try stop end fail */
  [JOB_QUEUED] = "P=QCSFyE",    [JOB_SEARCHING] = "P=SX=FyE", [JOB_CANCELLING] = "ccc=cGyE",
  [JOB_FINISHING] = "f=SGf=OE", [JOB_ENDING] = "ccc=c=CE",    [JOB_PAUSED] = "=SPXpppp",
  [JOB_SUCCEEDED] = "eeSeeeee", [JOB_FAILED] = "eeSeeeee",    [JOB_CANCELLED] = "eeSeeeee",
};
/* The same for a job that never had a trial: it goes to the queue, and ends at once when cancelled. */
static const char *const fresh[JOB_STAGE_COUNT] = {
  [JOB_QUEUED] = "P=QCSFyE",    [JOB_SEARCHING] = "P=QC=FyE", [JOB_CANCELLING] = "ccc=cGyE",
  [JOB_FINISHING] = "f=QGf=OE", [JOB_ENDING] = "ccc=c=CE",    [JOB_PAUSED] = "=QPCpppp",
  [JOB_SUCCEEDED] = "eeQeeeee", [JOB_FAILED] = "eeQeeeee",    [JOB_CANCELLED] = "eeQeeeee",
};

static char
letter_of(struct job_move move, enum job_stage stage)
{
  switch (move.answer)
  {
  case JOB_MOVED:
    return stages[move.to];
  case JOB_STAYED:
    return move.to == stage ? '=' : '!';
  case JOB_REFUSED_ENDED:
    return 'e';
  case JOB_REFUSED_FINISHING:
    return 'f';
  case JOB_REFUSED_CANCELLING:
    return 'c';
  case JOB_REFUSED_PAUSED:
    return 'p';
  case JOB_REFUSED_EARLY:
    return 'y';
  case JOB_REFUSED_QUOTA:
  case JOB_REFUSED_DATASET:
  case JOB_REFUSED_FORGOTTEN:
  case JOB_REFUSED_EXHAUSTED:
  case JOB_REFUSED_CHANGED:
    break; /* not from here */
  }
  return '?';
}

static void
test_every_stage_and_verb(void **state)
{
  (void) state;
  for (int stage = 0; stage < JOB_STAGE_COUNT; stage++)
    for (int verb = 0; verb < JOB_VERB_COUNT; verb++)
      for (int begun = 0; begun < 2; begun++)
      {
        struct job_move move = job_move((enum job_stage) stage, (enum job_verb) verb, begun != 0);
        char want = (begun ? started : fresh)[stage][verb];
        char have = letter_of(move, (enum job_stage) stage);
        if (have != want)
          fail_msg("stage %s/%s, verb %d, %s: %c, not %c", job_stage_state((enum job_stage) stage),
                   job_stage_phase((enum job_stage) stage), verb, begun ? "begun" : "fresh", have,
                   want);
      }
}

/* Whatever is done, in any order, the job can still come to an end, and only ended jobs are refused a
 * cancel. */
static void
test_no_dead_end(void **state)
{
  (void) state;
  for (int stage = 0; stage < JOB_STAGE_COUNT; stage++)
  {
    enum job_stage at = (enum job_stage) stage;
    if (job_stage_has_ended(at))
      continue;
    struct job_move cancelled = job_move(at, JOB_CANCEL, true);
    assert_true(cancelled.answer == JOB_MOVED || cancelled.answer == JOB_STAYED);
    at = cancelled.to;
    if (!job_stage_has_ended(at))
    {
      struct job_move stopped = job_move(at, JOB_STOP, true);
      assert_true(stopped.answer == JOB_MOVED || stopped.answer == JOB_STAYED);
      struct job_move ended = job_move(stopped.to, JOB_END, true);
      assert_int_equal(ended.answer, JOB_MOVED);
      at = ended.to;
    }
    assert_true(job_stage_has_ended(at));
  }
}

static void
test_rows(void **state)
{
  (void) state;
  enum job_stage stage;
  for (int i = 0; i < JOB_STAGE_COUNT; i++)
  {
    enum job_stage at = (enum job_stage) i;
    assert_true(job_stage_of(job_stage_state(at), job_stage_phase(at),
                             at == JOB_CANCELLING || at == JOB_ENDING, &stage));
    assert_int_equal(stage, at);
  }
  /* After its end it does not matter whether that was asked for. */
  assert_true(job_stage_of("succeeded", "ended", true, &stage));
  assert_int_equal(stage, JOB_SUCCEEDED);
  assert_true(job_stage_of("cancelled", "ended", false, &stage));
  assert_int_equal(stage, JOB_CANCELLED);
  /* What no job may be. */
  assert_false(job_stage_of("paused", "finish", false, &stage));
  assert_false(job_stage_of("paused", "search", true, &stage));
  assert_false(job_stage_of("queued", "search", true, &stage));
  assert_false(job_stage_of("queued", "ended", false, &stage));
  assert_false(job_stage_of("succeeded", "search", false, &stage));
  assert_false(job_stage_of("asleep", "search", false, &stage));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_stage_and_verb),
                                     cmocka_unit_test(test_no_dead_end),
                                     cmocka_unit_test(test_rows)};
  return cmocka_run_group_tests_name("job_state", tests, NULL, NULL);
}
