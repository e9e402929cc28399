/* What the search of a job has tried (of a study: db_study.h), for questions about it: read only.
 */
#ifndef ATTUNE_SQL_DB_INSIGHT_H
#define ATTUNE_SQL_DB_INSIGHT_H

#include "sql/db.h"

struct db_insight_trial
{
  int number;
  const char *state;
  const double *point; /* in the order of the search's space; NaN = inactive */
  size_t point_count;
  double metric, objective; /* NaN = none */
};

/* The job's trials that are done, failed or at work, those that ended first and in the order of their ends.
 * Of more than `most` ended ones (at least 2) the best half of `most`, and an even choice of the others from
 * good to bad. The caller has seen that the job is the tenant's. */
enum db_status db_insight_trials(struct db_conn *conn, const char *job_id, size_t most,
                                 struct arena *arena, struct db_insight_trial **trials,
                                 size_t *count);

/* The schema of the job's version of its dataset, JSON text, also of a dataset that was deleted since. */
enum db_status db_insight_schema(struct db_conn *conn, const char *tenant_id, const char *job_id,
                                 struct arena *arena, const char **schema);

#endif
