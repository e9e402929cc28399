/* Jobs a worker has made ready to search: dataset mapped, split made, search state folded.
 *
 * A few are kept, so that the next suggestion costs only what is new in the log; one that was dropped is
 * made again with the same result. Owns everything. One thread.
 */
#ifndef ATTUNE_WORKER_PREPARED_H
#define ATTUNE_WORKER_PREPARED_H

#include <jansson.h>
#include <stdint.h>

#include "sql/db_work.h"
#include "tune/tune_data.h"
#include "tune/tune_study.h"

struct prepared
{
  char job_id[64];
  char *spec_text; /* as it was when this was made: an extension changes it */
  json_t *spec, *schema;
  struct tune_data *data;
  struct tune_study *study;
  int64_t seen; /* number of the last log entry folded */
  double used_s;
};

#define PREPARED_MOST 8

struct prepared_jobs
{
  struct prepared *items[PREPARED_MOST];
};

/* The job if it is ready for this spec, else NULL. */
struct prepared *prepared_find(struct prepared_jobs *jobs, const char *job_id, const char *spec);

/* Makes a job ready from the stored spec and schema and the dataset file, in place of the one longest unused. */
enum err prepared_add(struct prepared_jobs *jobs, const char *job_id, const char *spec,
                      const char *schema, const char *path, struct err_info *info);

/* Folds what is new in the job's log. */
enum db_status prepared_catch_up(struct prepared *prepared, struct db_conn *conn,
                                 struct arena *arena);

void prepared_drop(struct prepared_jobs *jobs, const char *job_id);
void prepared_clear(struct prepared_jobs *jobs);

#endif
