#include <config.h>

#include "sql/job.h"

#include <stddef.h>
#include <string.h>

static const struct
{
  const char *state, *phase;
  bool cancel_requested;
} rows[JOB_STAGE_COUNT] = {
  [JOB_QUEUED] = {"queued", "search", false},      [JOB_SEARCHING] = {"running", "search", false},
  [JOB_CANCELLING] = {"running", "search", true},  [JOB_FINISHING] = {"running", "finish", false},
  [JOB_ENDING] = {"running", "finish", true},      [JOB_PAUSED] = {"paused", "search", false},
  [JOB_SUCCEEDED] = {"succeeded", "ended", false}, [JOB_FAILED] = {"failed", "ended", false},
  [JOB_CANCELLED] = {"cancelled", "ended", true},
};

#define TO(stage)                                                                                  \
  {                                                                                                \
    JOB_MOVED, stage                                                                               \
  }
#define STAY(stage)                                                                                \
  {                                                                                                \
    JOB_STAYED, stage                                                                              \
  }
#define NO(why, stage)                                                                             \
  {                                                                                                \
    JOB_REFUSED_##why, stage                                                                       \
  }
#define ENDED(stage)                                                                               \
  {                                                                                                \
    [JOB_PAUSE] = NO(ENDED, stage), [JOB_RESUME] = NO(ENDED, stage),                               \
    [JOB_EXTEND] = TO(JOB_SEARCHING), [JOB_CANCEL] = NO(ENDED, stage),                             \
    [JOB_TRY] = NO(ENDED, stage), [JOB_STOP] = NO(ENDED, stage), [JOB_END] = NO(ENDED, stage),     \
    [JOB_FAIL] = NO(ENDED, stage)                                                                  \
  }

static const struct job_move moves[JOB_STAGE_COUNT][JOB_VERB_COUNT] = {
  [JOB_QUEUED] = {[JOB_PAUSE] = TO(JOB_PAUSED),
                  [JOB_RESUME] = STAY(JOB_QUEUED),
                  [JOB_EXTEND] = TO(JOB_QUEUED),
                  [JOB_CANCEL] = TO(JOB_CANCELLED),
                  [JOB_TRY] = TO(JOB_SEARCHING),
                  [JOB_STOP] = TO(JOB_FINISHING),
                  [JOB_END] = NO(EARLY, JOB_QUEUED),
                  [JOB_FAIL] = TO(JOB_FAILED)},
  [JOB_SEARCHING] = {[JOB_PAUSE] = TO(JOB_PAUSED),
                     [JOB_RESUME] = STAY(JOB_SEARCHING),
                     [JOB_EXTEND] = TO(JOB_SEARCHING),
                     [JOB_CANCEL] = TO(JOB_CANCELLING),
                     [JOB_TRY] = STAY(JOB_SEARCHING),
                     [JOB_STOP] = TO(JOB_FINISHING),
                     [JOB_END] = NO(EARLY, JOB_SEARCHING),
                     [JOB_FAIL] = TO(JOB_FAILED)},
  [JOB_CANCELLING] = {[JOB_PAUSE] = NO(CANCELLING, JOB_CANCELLING),
                      [JOB_RESUME] = NO(CANCELLING, JOB_CANCELLING),
                      [JOB_EXTEND] = NO(CANCELLING, JOB_CANCELLING),
                      [JOB_CANCEL] = STAY(JOB_CANCELLING),
                      [JOB_TRY] = NO(CANCELLING, JOB_CANCELLING),
                      [JOB_STOP] = TO(JOB_ENDING),
                      [JOB_END] = NO(EARLY, JOB_CANCELLING),
                      [JOB_FAIL] = TO(JOB_FAILED)},
  [JOB_FINISHING] = {[JOB_PAUSE] = NO(FINISHING, JOB_FINISHING),
                     [JOB_RESUME] = STAY(JOB_FINISHING),
                     [JOB_EXTEND] = TO(JOB_SEARCHING),
                     [JOB_CANCEL] = TO(JOB_ENDING),
                     [JOB_TRY] = NO(FINISHING, JOB_FINISHING),
                     [JOB_STOP] = STAY(JOB_FINISHING),
                     [JOB_END] = TO(JOB_SUCCEEDED),
                     [JOB_FAIL] = TO(JOB_FAILED)},
  [JOB_ENDING] = {[JOB_PAUSE] = NO(CANCELLING, JOB_ENDING),
                  [JOB_RESUME] = NO(CANCELLING, JOB_ENDING),
                  [JOB_EXTEND] = NO(CANCELLING, JOB_ENDING),
                  [JOB_CANCEL] = STAY(JOB_ENDING),
                  [JOB_TRY] = NO(CANCELLING, JOB_ENDING),
                  [JOB_STOP] = STAY(JOB_ENDING),
                  [JOB_END] = TO(JOB_CANCELLED),
                  [JOB_FAIL] = TO(JOB_FAILED)},
  [JOB_PAUSED] = {[JOB_PAUSE] = STAY(JOB_PAUSED),
                  [JOB_RESUME] = TO(JOB_SEARCHING),
                  [JOB_EXTEND] = TO(JOB_PAUSED),
                  [JOB_CANCEL] = TO(JOB_CANCELLING),
                  [JOB_TRY] = NO(PAUSED, JOB_PAUSED),
                  [JOB_STOP] = NO(PAUSED, JOB_PAUSED),
                  [JOB_END] = NO(PAUSED, JOB_PAUSED),
                  [JOB_FAIL] = NO(PAUSED, JOB_PAUSED)},
  [JOB_SUCCEEDED] = ENDED(JOB_SUCCEEDED),
  [JOB_FAILED] = ENDED(JOB_FAILED),
  [JOB_CANCELLED] = ENDED(JOB_CANCELLED),
};

bool
job_stage_of(const char *state, const char *phase, bool cancel_requested, enum job_stage *stage)
{
  for (int i = 0; i < JOB_STAGE_COUNT; i++)
  {
    /* Once it has ended it does not matter whether its end was asked for. */
    bool told = strcmp(phase, "ended") != 0 && cancel_requested;
    bool tells = strcmp(rows[i].phase, "ended") != 0 && rows[i].cancel_requested;
    if (strcmp(rows[i].state, state) == 0 && strcmp(rows[i].phase, phase) == 0 && told == tells)
    {
      *stage = (enum job_stage) i;
      return true;
    }
  }
  return false;
}

struct job_move
job_move(enum job_stage stage, enum job_verb verb, bool started)
{
  struct job_move move = moves[stage][verb];
  if (move.answer != JOB_MOVED || started || verb == JOB_TRY)
    return move;
  if (move.to == JOB_SEARCHING)
    move.to = JOB_QUEUED;
  if (move.to == JOB_CANCELLING)
    move.to = JOB_CANCELLED;
  return move;
}

const char *
job_stage_state(enum job_stage stage)
{
  return rows[stage].state;
}

const char *
job_stage_phase(enum job_stage stage)
{
  return rows[stage].phase;
}

bool
job_stage_has_ended(enum job_stage stage)
{
  return stage == JOB_SUCCEEDED || stage == JOB_FAILED || stage == JOB_CANCELLED;
}
