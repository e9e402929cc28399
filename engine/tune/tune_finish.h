/* The end of a job: from the best trials' fold models to one model with an honest report.
 *
 * Chooses between the best single trial and a greedy ensemble, within the job's limits, puts the chosen fold models
 * together to one bag, measures what a prediction costs, and scores it: on the report rows through the saved bytes
 * where there are such rows, else by BBC-CV over the out-of-fold predictions. Where there are report rows the model
 * is fitted again on training and validation rows if time allows, and that one is kept unless it scores worse. With
 * `provisional` only the first trial is taken and its validation score stated: something to serve while the search
 * goes on.
 * Single-threaded; borrows everything given.
 */
#ifndef ATTUNE_TUNE_TUNE_FINISH_H
#define ATTUNE_TUNE_TUNE_FINISH_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/buf.h"
#include "tune/tune_data.h"

struct tune_fold_output
{
  const float *predictions; /* of the fold's validation rows; NULL when dropped */
  size_t prediction_count;
  const void *model; /* file bytes; NULL when dropped */
  size_t model_length;
  /* How its fit went, for a refit to go the same way. */
  double seconds;            /* CPU; 0 = not known */
  size_t epochs, best_epoch; /* or rounds; 0 = not known */
  bool cut_short;            /* the clock shortened its schedule to `epochs` */
};

struct tune_trial
{
  int number;
  const char *family;
  const json_t *params;
  double metric, objective;
  double excess;                        /* over the job's limits: 0 = within them (tune_limits.h) */
  const struct tune_fold_output *folds; /* (split->fold_count) */
};

struct tune_finish
{
  const struct tune_trial *trials; /* best first, those within the job's limits before all others */
  size_t trial_count;
  bool provisional;
  bool simple;              /* no ensemble: for a last attempt after failures, or one in a hurry */
  double seconds;           /* how long it may take; INFINITY = as long as it needs */
  const struct model *base; /* that fits start from; NULL = none */
  const char *dataset_id;
  const char *dataset_sha256; /* hexadecimal */
  const char *stop_reason;    /* NULL while the search goes on */
  size_t trials_done, trials_failed, trials_cancelled;
};

struct tune_outcome
{
  struct buf model; /* the model's file */
  struct buf folds; /* each row's fold, deflated (data/split_pack.h); empty if provisional */
  char *schema;     /* JSON text: what predict wants */
  json_t *report;
  const char *family; /* of the best trial, or "bag" for a mix of trials */
  double score;
  double us_per_row;
  /* The best single trial whose prediction costs little beside the request it answers (3 µs of a table's row,
   * 100 µs of an image), or else is at least twice as fast, with a report of its own (its `folds` are left to
   * this one). Where its folds' models take too long together it is one model, fitted again on all their rows,
   * or without time for that the model of one fold. NULL when there is none beside the model itself. */
  struct tune_outcome *fast;
  /* Where the job asks for it: the same fitted on the report rows, too, with a report that repeats this one's score and
   * says so (its `folds` are left to this one); NULL when there is none. */
  struct tune_outcome *all;
};

/* ERR_NOT_FOUND when no trial has all its fold models. */
enum err tune_finish_run(const struct tune_data *data, const struct tune_finish *finish,
                         struct tune_outcome *outcome, struct err_info *info);
void tune_outcome_clear(struct tune_outcome *outcome);

#endif
