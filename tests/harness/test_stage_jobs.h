/* A stage with tenants (test_stage_tenants.h) that jobs and trials are put on. Header only. */
#ifndef ATTUNE_TESTS_TEST_STAGE_JOBS_H
#define ATTUNE_TESTS_TEST_STAGE_JOBS_H

#include "tests/harness/test_stage_tenants.h"

static inline const char *
make_job(void)
{
  return test_db_job(conn, arena, tenant, dataset, "{\"metric\": \"accuracy\"}");
}

/* A trial of two folds, the first done; its objective is `objective` when it is done. */
static inline const char *
make_trial(const char *job, int number, const char *state, double objective)
{
  const char *id = arena_printf(arena, "tr_%s_%d", job + 4, number);
  test_db_sql(conn, arena,
              "INSERT INTO trial (id, job_id, number, family, params, point, state, metric,"
              " objective, seconds, reasons, ask_seq) VALUES ('%s', '%s', %d, 'mlp',"
              " '{\"units\": %d}', '{0.5,NaN}', '%s', %s, %s, %s, %s, 1)",
              id, job, number, number, state,
              objective > 0 ? arena_printf(arena, "%g", 1 - objective) : "NULL",
              objective > 0 ? arena_printf(arena, "%g", objective) : "NULL",
              objective > 0 ? "7.5" : "NULL",
              strcmp(state, "failed") == 0 ? "'{out of memory,\"it \\\"broke\\\"\"}'" : "'{}'");
  test_db_sql(conn, arena,
              "INSERT INTO unit (job_id, trial_id, fold, state, seconds) VALUES"
              " ('%s', '%s', 0, 'done', 1.25), ('%s', '%s', 1, '%s', NULL)",
              job, id, job, id, strcmp(state, "running") == 0 ? "leased" : "done");
  return id;
}

#endif
