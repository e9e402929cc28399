/* Shared by tune_finish.c (the score and the report), tune_finish_choose.c (what is served), tune_finish_fast.c and
 * tune_finish_refit.c. */
#ifndef ATTUNE_TUNE_TUNE_FINISH_INTERNAL_H
#define ATTUNE_TUNE_TUNE_FINISH_INTERNAL_H

#include "base/rng.h"
#include "tune/tune_limits.h"
#include "tune/tune_settle.h"

/* Everything the steps of one finish share. */
struct finishing
{
  const struct tune_data *data;
  const struct tune_finish *finish;
  struct tune_library library; /* servable trials first, then the others */
  size_t servable;
  size_t mixed;    /* the first so many may be mixed */
  size_t *same_as; /* (library.count): the first trial with the same configuration */
  double *weights; /* (servable): what is served */
  size_t best;     /* the best single trial */
  struct bbc_result bbc;
  bool bbc_done, ensemble;
  struct model *model; /* as loaded from the saved bytes */
  double us_per_row;
  size_t model_bytes; /* of its file */
  struct tune_settled settled;
  double started_s;
  double report_s; /* what the score and the report took */
};

static inline uint64_t
finish_seed(const struct finishing *work, uint64_t stream)
{
  return rng_mix(work->data->spec->seed, stream);
}

/* Servable trials to the front; of them, the best few and the best of each family may be mixed. */
void finish_arrange(struct finishing *work);

/* Chooses the best single trial or a mix, and builds its model within the job's limits if any of them is: its
 * bytes, `model`, `us_per_row`, `settled`, `weights`, `best`, `ensemble`. */
enum err finish_choose(struct finishing *work, struct buf *bytes, struct err_info *info);

/* One trial alone in `weights`. */
void finish_choose_single(struct finishing *work, size_t trial);
/* Settles a model that the weights stand for, which it takes, and keeps it as it comes back from its bytes, with what
 * it costs. */
enum err finish_keep(struct finishing *work, struct model *made, struct buf *bytes,
                     struct err_info *info);
/* The bag of one trial's fold models, as finish_choose builds it. */
enum err finish_build_single(struct finishing *work, size_t trial, struct buf *bytes,
                             struct err_info *info);
/* What one trial alone would cost. */
enum err finish_cost_alone(const struct finishing *work, size_t trial, struct tune_cost *cost,
                           struct err_info *info);
/* How a choice among all trials is estimated, without its bootstraps; groups.of_row is to be freed. */
enum err finish_bbc_request(const struct finishing *work, struct bbc_request *request);

/* Scores what is built and fills in the outcome, but for its bytes. */
enum err finish_report(const struct finishing *work, struct tune_outcome *outcome,
                       struct err_info *info);

/* When the last fit has to be done, on the monotonic clock, if what comes after it takes `after_s`. */
double finish_deadline(const struct finishing *work, double after_s);

/* Makes outcome->fast when what is served is slow and a trial, or one model instead of its folds', is not. */
enum err finish_fast(const struct finishing *work, struct tune_outcome *outcome,
                     struct err_info *info);

/* Fits what is served again on more rows, and keeps that where it is no worse; the report's "refit" tells. Makes
 * outcome->all where the job asks for it. A fit that fails leaves the outcome as it is. */
enum err finish_refit(struct finishing *work, struct tune_outcome *outcome, struct err_info *info);

#endif
