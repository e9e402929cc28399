/* A worker without training, for tests of db_work.h: how it decides and what it records. Header only.
 */
#ifndef ATTUNE_TESTS_TEST_WORK_H
#define ATTUNE_TESTS_TEST_WORK_H

#include <math.h>

#include "sql/db_work.h"

struct work_plan
{
  int folds;
  int most; /* trials; then the search is stopped */
  const char *worker;
  struct db_work_lease lease;
  int number;
  bool stopped;
};

static inline enum db_status
work_decide(struct db_conn *conn, const struct db_work_job *job, void *context)
{
  struct work_plan *plan = context;
  const double point[] = {job->trial_count, NAN};
  plan->stopped = job->trial_count >= plan->most;
  if (plan->stopped)
    return db_work_stop_search(conn, job, "budget_trials", false);
  plan->number = job->trial_count + 1;
  return db_work_add_trial(conn, job, "linear", "{\"c\": 0.5}", point, 2, plan->folds, NULL,
                           plan->worker, &plan->lease);
}

static inline enum db_status
work_finish(struct db_conn *conn, const struct db_work_lease *lease, double objective, bool *done,
            bool *best)
{
  static const float predictions[] = {0.25f, 0.75f};
  struct db_work_result result = {.metric = -objective,
                                  .objective = objective,
                                  .seconds = 0.5,
                                  .detail = "{\"epochs\": 3}",
                                  .predictions = predictions,
                                  .prediction_count = 2,
                                  .model = "model bytes",
                                  .model_length = 11};
  return db_work_finish_unit(conn, lease, &result, 2, done, best);
}

#endif
