/* Shared by tune_finish.c (the score and the report) and tune_finish_choose.c (what is served). */
#ifndef ATTUNE_TUNE_TUNE_FINISH_INTERNAL_H
#define ATTUNE_TUNE_TUNE_FINISH_INTERNAL_H

#include "base/rng.h"
#include "tune/tune_settle.h"

/* Everything the steps of one finish share. */
struct finishing
{
  const struct tune_data *data;
  const struct tune_finish *finish;
  struct tune_library library; /* servable trials first, then the others */
  size_t servable;
  size_t mixed;    /* the first so many may be mixed */
  double *weights; /* (servable): what is served */
  size_t best;     /* the best single trial */
  struct bbc_result bbc;
  bool bbc_done, ensemble;
  struct model *model; /* as loaded from the saved bytes */
  double us_per_row;
  size_t model_bytes; /* of its file */
  struct tune_settled settled;
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

#endif
