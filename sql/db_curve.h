/* Learning curves of many trials at once, thinned, for pictures. */
#ifndef ATTUNE_SQL_DB_CURVE_H
#define ATTUNE_SQL_DB_CURVE_H

#include "sql/db.h"
#include "sql/db_job.h"

/* The first fit of each of up to `limit` trials of a job after the number `after`, by number and epoch: of each
 * planned length about `points` epochs, always the first and the last; they stay the same while a trial goes
 * on. A fit that ends when it has converged has no planned length: about so many of what it has told. A trial
 * without epochs has one row with epoch 0. DB_NONE = no such job. */
enum db_status db_curve_list(struct db_conn *conn, const char *tenant_id, const char *job_id,
                             int64_t after, size_t limit, int points, struct arena *arena,
                             struct db_epoch **epochs, size_t *count);

/* A measure of a trial of a study; step and value are NaN where the trial has none. */
struct db_curve_measure
{
  int number;
  const char *trial_id, *state;
  double step, value;
};

/* The same for a study, whose measures are in the order they were told. DB_NONE = no such study. */
enum db_status db_curve_list_study(struct db_conn *conn, const char *tenant_id,
                                   const char *study_id, int64_t after, size_t limit, int points,
                                   struct arena *arena, struct db_curve_measure **measures,
                                   size_t *count);

#endif
