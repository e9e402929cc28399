/* The search of a study as it lives in memory: a fold over the study's log, so the same in every process that has
 * read as far. One thread at a time.
 */
#ifndef ATTUNE_SERVER_STUDY_LIVE_H
#define ATTUNE_SERVER_STUDY_LIVE_H

#include "server/study_spec.h"
#include "sql/db_study.h"

struct study_live
{
  struct arena *arena; /* owns the spec */
  struct study_spec spec;
  struct search *search;
  int64_t seq;   /* of the last entry that was folded */
  bool ahead;    /* it has entries that may not be in the log: good for nothing but to be freed */
  size_t trials; /* asked for so far */
  size_t fixed_bytes;
};

/* A study without a log. `spec` is the JSON text that is stored. */
enum err study_live_new(const char *spec, struct study_live **live, struct err_info *info);
/* NULL is ignored. */
void study_live_free(struct study_live *live);

/* Takes the next entry of the log. ERR_INVALID, ERR_CONFLICT or ERR_NOT_FOUND when it can't follow those before it. */
enum err study_live_fold(struct study_live *live, const struct db_study_entry *entry,
                         struct err_info *info);

/* Memory it takes, roughly. */
size_t study_live_bytes(const struct study_live *live);

/* -1 where the study maximises, else 1: what a value told is multiplied with to be minimised. */
double study_live_sign(const struct study_live *live, size_t direction);

#endif
