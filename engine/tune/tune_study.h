/* What a job's search knows, and the next trial it wants: the fold of the job's ordered log.
 *
 * Fed with the log's entries in order, a study gives the same suggestion whether it has lived through
 * them one by one or was made a moment ago. Every family's tuned defaults come first, the cheapest
 * family before the dearer ones. It also keeps what trials have cost, so that nothing is started that
 * would end after the deadline. Where the job stops trials early, those of a family that can pause go from
 * rung to rung (tune_rungs.h): at each the log has a measure, and the search says which go on; the first
 * trial of a family always does. Borrows the job's spec; owns the rest. One thread at a time.
 * Not for: storing the log (sql/), running the trial (tune_unit.h).
 */
#ifndef ATTUNE_TUNE_TUNE_STUDY_H
#define ATTUNE_TUNE_TUNE_STUDY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/job_spec.h"
#include "search/gain.h"
#include "tune/tune_limits.h"

struct tune_study;

enum tune_entry_kind
{
  TUNE_ASK,      /* a trial was started at `point` */
  TUNE_TELL,     /* it is done with `objective` and `cost` after `seconds` of CPU time */
  TUNE_FAILED,   /* it failed: bad there */
  TUNE_FORGET,   /* it was cancelled: unknown */
  TUNE_MEASURE,  /* it is paused at `rung` with `objective` after `seconds` */
  TUNE_CONTINUE, /* it goes on to `rung` */
  TUNE_PRUNE,    /* it ends where it was paused */
  TUNE_BELIEVE   /* a range test at `point` found `rate` (tune_prior.h) */
};

struct tune_entry
{
  enum tune_entry_kind kind;
  uint64_t trial;
  const double *point; /* of an ask or a belief: spec->space->count doubles */
  double rate;
  size_t rung;
  double objective, seconds;
  struct tune_cost cost; /* of a tell */
};

/* `fold_count` is the number of fits a trial takes, each on about `train_rows` rows. */
enum err tune_study_new(const struct job_spec *spec, const struct model_data_shape *shape,
                        size_t fold_count, size_t train_rows, struct tune_study **study,
                        struct err_info *info);
void tune_study_free(struct tune_study *study);

/* Takes the next entry of the log. ERR_INVALID when it can't follow the entries before it. */
enum err tune_study_fold(struct tune_study *study, const struct tune_entry *entry,
                         struct err_info *info);

enum tune_decision
{
  TUNE_ADD,   /* start a trial */
  TUNE_GO_ON, /* send a paused trial to its next rung */
  TUNE_DROP,  /* end a paused trial as pruned, then ask again */
  TUNE_STOP,  /* the search is over */
  TUNE_WAIT   /* not now */
};

struct tune_suggestion
{
  enum tune_decision decision;
  const char
    *stop_reason; /* "budget_trials", "budget_seconds", "target_score", "exhausted" or "no_gain" */
  struct search_gain gain; /* of a stop with "no_gain" */
  bool cancel_running;     /* with a stop: trials at work are of no use any more */
  const char *family;      /* of the spec */
  json_t *params;          /* without the family's prefix; caller's reference */
  double *point;           /* spec->space->count doubles, lives until the next call */
  double predicted_s;      /* CPU seconds of all its folds */
  bool again;              /* of TUNE_ADD: at the point of an earlier trial */
  uint64_t repeats;        /* of TUNE_ADD: the trial it is again, with another seed; 0 = none */
  uint64_t trial;          /* of TUNE_GO_ON and TUNE_DROP */
  size_t rung;             /* that it is to run to */
  size_t last_rung;        /* of a whole trial; 0 = its family has no rungs */
  size_t until_epoch;      /* where the fit of the first fold pauses; 0 = it runs to its end */
};

struct tune_situation
{
  double search_s;      /* of the whole search, INFINITY without a budget in seconds */
  uint64_t next_trial;  /* number the trial would get */
  double search_left_s; /* until the search must end; INFINITY without a budget in seconds */
  double best_value;    /* the best trial's metric, NaN = none */
  enum metric metric;   /* whose value that is */
  size_t live_trials;   /* started, not ended */
  size_t workers;       /* that share a trial's folds */
};

/* Decides what comes next. An ADD is registered only by its TUNE_ASK entry, a GO_ON by its TUNE_CONTINUE, a
 * DROP by its TUNE_PRUNE: folding that, or another trial's, is what changes the study. */
enum err tune_study_suggest(struct tune_study *study, const struct tune_situation *situation,
                            struct tune_suggestion *suggestion, struct err_info *info);

/* Predicted CPU seconds of a trial of this family: what its trials have cost or, before any, its cost
 * estimate corrected by what the others have shown. */
double tune_study_cost(const struct tune_study *study, const char *family);

/* The most seconds a unit's fit may plan with: what is left for the search, shared by the folds still to
 * come. While families are tried for the first time each leaves the others theirs; a later trial takes at
 * most a third of the whole search, as one of many. 0 = no limit. */
enum tune_length
{
  TUNE_LENGTH_USUAL,
  TUNE_LENGTH_SHORT, /* of a search that ends with long fits (tune_long.h): a small part */
  TUNE_LENGTH_LONG   /* one of those: all that is left */
};

struct tune_share
{
  double search_s;      /* of the whole search; INFINITY = no limit */
  double search_left_s; /* of it */
  size_t folds_left;    /* this one included */
  size_t parallel;      /* units of the trial that run at once */
  enum tune_length length;
  size_t
    first_rounds; /* first trials still to come one after another, this one included; 0 = it is a
                           later one */
};
double tune_unit_seconds(const struct tune_share *share);

/* How long the fits of a trial are that starts with so much left; `again`: at the point of an earlier one. */
enum tune_length tune_unit_length(const struct job_spec *spec, enum dataset_kind kind,
                                  double search_s, double search_left_s, bool again);

/* "mlp" and {"dropout":…} of a point over the joined space (new reference). */
enum err tune_point_params(const struct job_spec *spec, const double *point, const char **family,
                           json_t **params, struct err_info *info);

#endif
