/* The life of a job: its stages, and what may be done in each. Pure: no SQL, no memory, any thread.
 *
 * A stage is what the columns state, phase and cancel_requested say together. One table has the answer for every
 * stage and verb; db_job_control.c and db_work*.c ask it under the job's row lock before they change anything.
 */
#ifndef ATTUNE_SQL_JOB_H
#define ATTUNE_SQL_JOB_H

#include <stdbool.h>

enum job_stage
{
  JOB_QUEUED,
  JOB_SEARCHING,
  JOB_CANCELLING, /* searching, told to end with its best */
  JOB_FINISHING,  /* the search has ended, the model is being made */
  JOB_ENDING,     /* finishing, told to end with what there is */
  JOB_PAUSED,
  JOB_SUCCEEDED,
  JOB_FAILED,
  JOB_CANCELLED
};
#define JOB_STAGE_COUNT 9

enum job_verb
{
  /* of people */
  JOB_PAUSE,
  JOB_RESUME,
  JOB_EXTEND,
  JOB_CANCEL,
  /* of the engine */
  JOB_TRY,  /* a new trial */
  JOB_STOP, /* the search ends */
  JOB_END,  /* the model is stored */
  JOB_FAIL
};
#define JOB_VERB_COUNT 8

enum job_answer
{
  JOB_MOVED,
  JOB_STAYED, /* it is so already: nothing to do, no fault */
  /* refused: */
  JOB_REFUSED_ENDED,
  JOB_REFUSED_FINISHING,
  JOB_REFUSED_CANCELLING,
  JOB_REFUSED_PAUSED,
  JOB_REFUSED_EARLY, /* its turn comes later: it has not begun, or still searches */
  /* refused for what only the database knows: */
  JOB_REFUSED_QUOTA,     /* too many live jobs */
  JOB_REFUSED_DATASET,   /* its dataset was deleted */
  JOB_REFUSED_FORGOTTEN, /* what its trials made is not kept any more */
  JOB_REFUSED_EXHAUSTED, /* its search has no further points */
  JOB_REFUSED_CHANGED    /* somebody else extended it meanwhile: read it again */
};

struct job_move
{
  enum job_answer answer;
  enum job_stage to; /* with JOB_MOVED; else the stage it is in */
};

/* The stage of a job's row. False when the three don't fit together. */
bool job_stage_of(const char *state, const char *phase, bool cancel_requested,
                  enum job_stage *stage);

/* What the verb does to a job in this stage; `started` says whether it has ever had a trial: one that has
 * not goes back to the queue, and has nothing to end with when it is cancelled. */
struct job_move job_move(enum job_stage stage, enum job_verb verb, bool started);

/* The columns state and phase of a stage. */
const char *job_stage_state(enum job_stage stage);
const char *job_stage_phase(enum job_stage stage);

/* succeeded, failed, cancelled */
bool job_stage_has_ended(enum job_stage stage);

#endif
