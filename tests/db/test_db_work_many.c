/* Many workers on one job, each with every mishap of real life: exactly N trials, each ended once. */
#include <config.h>

#include "tests/harness/test_support.h"

#include <pthread.h>
#include <unistd.h>

#include "base/rng.h"
#include "sql/db_work.h"
#include "tests/harness/test_stage_workers.h"
#include "tests/harness/test_work.h"

#define WORKERS 4
#define TRIALS 40

struct fake
{
  pthread_t thread;
  struct db_conn *conn;
  const char *job;
  int index, faults;
};

/* Ends a unit in one of the ways of real life, or forgets it. */
static void
live_through(struct fake *fake, struct rng *rng, const struct db_work_lease *lease)
{
  struct db_work_pulse pulse;
  bool done, best;
  switch (rng_below(rng, 8))
  {
  case 0:
    if (db_work_end_unit(fake->conn, lease, DB_WORK_RETRY, "killed") < DB_NONE)
      fake->faults++;
    break;
  case 1:
    if (db_work_end_unit(fake->conn, lease, DB_WORK_FAILED, "diverged") < DB_NONE)
      fake->faults++;
    break;
  case 2: /* lost: the lease runs out at once */
    if (db_work_heartbeat(fake->conn, lease, &pulse) == DB_ROWS)
    {
      char text[200];
      struct arena *scratch = arena_new(0);
      snprintf(text, sizeof text,
               "UPDATE unit SET lease_until = now() - interval '1 second'"
               " WHERE id = %lld AND lease_token = %lld AND state = 'leased'",
               (long long) lease->unit_id, (long long) lease->lease_token);
      test_db_sql(fake->conn, scratch, "%s", text);
      arena_free(scratch);
    }
    /* and the result comes all the same, perhaps after another took it */
    if (work_finish(fake->conn, lease, rng_double(rng), &done, &best) < DB_NONE)
      fake->faults++;
    break;
  default:
    if (work_finish(fake->conn, lease, rng_double(rng), &done, &best) < DB_NONE)
      fake->faults++;
    break;
  }
}

static void *
work(void *context)
{
  struct fake *fake = context;
  struct arena *scratch = arena_new(0);
  struct rng rng;
  rng_init(&rng, 5, (uint64_t) fake->index);
  for (int idle = 0; idle < 60;)
  {
    struct db_work_unit unit;
    struct work_plan plan = {.folds = 3, .most = TRIALS, .worker = "fake"};
    arena_reset(scratch);
    enum db_status status = db_work_claim(fake->conn, "fake", scratch, &unit);
    plan.lease = (struct db_work_lease){.unit_id = unit.id, .lease_token = unit.lease_token};
    if (status == DB_ROWS && unit.trial_id == NULL)
    {
      fake->index = -1; /* the finish: leave it leased */
      break;
    }
    if (status == DB_NONE)
      status = db_work_with_job(fake->conn, scratch, work_decide, &plan);
    if (status < DB_NONE)
      fake->faults++;
    if (status != DB_ROWS || plan.stopped)
    {
      idle++;
      usleep(20000);
      continue;
    }
    idle = 0;
    live_through(fake, &rng, &plan.lease);
  }
  arena_free(scratch);
  return NULL;
}

static void
test_exactly_n_trials(void **state)
{
  (void) state;
  struct fake fakes[WORKERS];
  const char *job = test_db_job(one, arena, tenant, dataset, "{\"budget\": {\"trials\": 40}}");
  for (int i = 0; i < WORKERS; i++)
  {
    fakes[i] = (struct fake){.job = job, .index = i, .conn = test_db_open()};
    assert_int_equal(pthread_create(&fakes[i].thread, NULL, work, &fakes[i]), 0);
  }
  int finishers = 0;
  for (int i = 0; i < WORKERS; i++)
  {
    pthread_join(fakes[i].thread, NULL);
    assert_int_equal(fakes[i].faults, 0);
    finishers += fakes[i].index < 0;
    db_close(fakes[i].conn);
  }
  assert_int_equal(finishers, 1);
  assert_string_equal(sql("SELECT count(*) || ' ' || count(DISTINCT number) || ' ' || max(number)"
                          " FROM trial WHERE job_id = '%s' AND state IN ('done','failed')",
                          job),
                      "40 40 40");
  assert_string_equal(sql("SELECT count(*) || ' ' || count(DISTINCT data->>'number') FROM job_event"
                          " WHERE job_id = '%s' AND kind = 'trial'",
                          job),
                      "40 40");
  assert_string_equal(
    sql("SELECT (max(seq) = count(*))::text FROM job_event WHERE job_id = '%s'", job), "true");
  assert_string_equal(sql("SELECT count(DISTINCT s) || ' ' || max(s) FROM (SELECT ask_seq AS s"
                          " FROM trial WHERE job_id = '%s' UNION ALL SELECT tell_seq FROM trial"
                          " WHERE job_id = '%s') AS seqs",
                          job, job),
                      "80 80");
  assert_string_equal(sql("SELECT (best_objective = (SELECT min(objective) FROM trial"
                          " WHERE job_id = '%s' AND state = 'done'))::text FROM job"
                          " WHERE id = '%s'",
                          job, job),
                      "true");
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_exactly_n_trials),
  };
  return cmocka_run_group_tests(tests, stage_workers_setup, stage_workers_teardown);
}
