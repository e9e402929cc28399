/* What a real attune-engine does when its parts are killed, stopped, or grow too large. */
#include <config.h>

#include <signal.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/proc.h"
#include "base/rng.h"
#include "tests/harness/test_stage_engine.h"

/* What is promised, and what a sanitizer's slowness is allowed. */
#ifdef ATTUNE_SANITIZED
#define RESUME_S 45.0
#define KNOWN_DEAD_S 30.0
#define STOP_S 20.0
#define SILENCE_S 16.0
#else
#define RESUME_S 15.0
#define KNOWN_DEAD_S 6.0 /* where it is known that the holder of a lease is dead */
#define STOP_S 5.0
#define SILENCE_S 12.0
#endif

static int
setup(void **state)
{
  return stage_engine_setup(state, 3000);
}

static const char *
start_job(int trials, const char *families)
{
  return test_engine_job(
    conn, arena, tenant, table,
    arena_printf(arena, "{\"target\":\"y\",\"families\":%s,\"budget\":{\"trials\":%d}}", families,
                 trials));
}

/* Trials that take seconds, so that whatever is to happen to one happens while it runs. */
static const char *
start_long_job(int trials)
{
  return test_engine_job(
    conn, arena, tenant, table,
    arena_printf(arena,
                 "{\"target\":\"y\",\"families\":[\"mlp\"],\"budget\":{\"trials\":%d},"
                 "\"validation\":{\"holdout\":0.2},"
                 "\"search\":{\"space\":{\"mlp\":{\"units\":1024,\"layers\":4,"
                 "\"epochs\":200}}}}",
                 trials));
}

/* What grows as a job goes on. */
static const char *
mark(const char *job)
{
  return test_db_sql(conn, arena,
                     "SELECT (SELECT count(*) FROM unit WHERE job_id = '%s' AND state = 'done')"
                     " || ' ' || (SELECT event_seq FROM job WHERE id = '%s')",
                     job, job);
}

static void
wait_for_change(const char *job, const char *before, double seconds)
{
  double end_s = clock_monotonic_s() + seconds;
  while (strcmp(mark(job), before) == 0)
  {
    if (clock_monotonic_s() > end_s)
      fail_msg("the job did not go on within %.0f s", seconds);
    usleep(50000);
  }
}

static pid_t
wait_for_process(pid_t engine, const char *word)
{
  pid_t pids[16];
  double end_s = clock_monotonic_s() + RESUME_S;
  while (clock_monotonic_s() < end_s)
  {
    if (test_engine_find(engine, word, pids, 16) > 0)
      return pids[0];
    usleep(10000);
  }
  fail_msg("no process with %s", word);
  return 0;
}

static void
check_exact(const char *job, int trials)
{
  struct db_job row;
  test_engine_wait(conn, arena, tenant, job, 180, &row);
  assert_string_equal(row.state, "succeeded");
  const char *wanted = arena_printf(arena, "%d %d %d", trials, trials, trials);
  assert_string_equal(test_db_sql(conn, arena,
                                  "SELECT count(*) || ' ' || count(DISTINCT number) || ' ' ||"
                                  " max(number) FROM trial WHERE job_id = '%s'"
                                  " AND state IN ('done','failed')",
                                  job),
                      wanted);
  assert_string_equal(test_db_sql(conn, arena,
                                  "SELECT count(*) || ' ' || count(DISTINCT data->>'number')"
                                  " || ' ' || %d FROM job_event"
                                  " WHERE job_id = '%s' AND kind = 'trial'",
                                  trials, job),
                      wanted);
}

static void
test_trials_and_workers_killed(void **state)
{
  (void) state;
  struct rng rng;
  pid_t engine = test_engine_start(dir, 2, NULL);
  const char *job = start_job(7, "[\"trees\"]");
  rng_init(&rng, 1, 1);
  for (int i = 0; i < 6; i++)
  {
    usleep((useconds_t) (100000 + rng_below(&rng, 500000)));
    kill(wait_for_process(engine, i % 3 == 2 ? "--worker" : "--trial"), SIGKILL);
    wait_for_change(job, mark(job), RESUME_S);
  }
  check_exact(job, 7);
  test_engine_stop(engine, SIGTERM);
  pid_t left[4];
  assert_int_equal(test_engine_find_trials(dir, left, 4), 0);
}

static void
test_engine_killed(void **state)
{
  (void) state;
  pid_t engine = test_engine_start(dir, 2, NULL), left[8];
  const char *job = start_job(6, "[\"trees\"]");
  wait_for_process(engine, "--trial");
  wait_for_change(job, mark(job), RESUME_S);
  test_engine_stop(engine, SIGKILL);
  /* Its workers and trials don't outlive it. */
  for (int i = 0; i < 100 && test_engine_find_trials(dir, left, 8) > 0; i++)
    usleep(100000);
  assert_int_equal(test_engine_find_trials(dir, left, 8), 0);
  const char *before = mark(job);
  double start_s = clock_monotonic_s();
  engine = test_engine_start(dir, 2, NULL);
  wait_for_change(job, before, RESUME_S);
  print_message("went on after %.1f s\n", clock_monotonic_s() - start_s);
  check_exact(job, 6);
  test_engine_stop(engine, SIGTERM);
}

/* The first trial's claims so far and its attempts, and what was noted of them. */
static const char *
claims_of(const char *job)
{
  return test_db_sql(
    conn, arena,
    "SELECT u.lease_token || ' ' || u.attempts || ' ' ||"
    " array_to_string(t.reasons, ', ') FROM unit u JOIN trial t ON t.id = u.trial_id"
    " WHERE u.job_id = '%s' AND t.number = 1",
    job);
}

static void
wait_for_claims(const char *job, const char *wanted)
{
  double start_s = clock_monotonic_s();
  while (strcmp(claims_of(job), wanted) != 0)
  {
    if (clock_monotonic_s() - start_s > KNOWN_DEAD_S)
      fail_msg("after %.0f s the unit was not taken again: %s", KNOWN_DEAD_S, claims_of(job));
    usleep(20000);
  }
  print_message("taken again after %.1f s\n", clock_monotonic_s() - start_s);
}

static void
cancel(const char *job)
{
  struct db_job row;
  bool ended = false;
  assert_int_equal(db_job_cancel(conn, tenant, job, &ended), DB_ROWS);
  test_engine_wait(conn, arena, tenant, job, 30, &row);
  assert_string_equal(row.state, "cancelled");
}

/* Nobody waits for the lease of a worker that is dead for certain: whether its supervisor starts another, or all
 * of the engine has died and one is started on the same folder. */
static void
test_leases_of_the_dead(void **state)
{
  (void) state;
  pid_t engine = test_engine_start(dir, 1, NULL), left[4];
  const char *job = start_long_job(1);
  wait_for_process(engine, "--trial");
  assert_string_equal(claims_of(job), "1 1 ");
  kill(wait_for_process(engine, "--worker"), SIGKILL);
  wait_for_claims(job, "2 2 its worker died");
  wait_for_process(engine, "--trial");
  pid_t worker = wait_for_process(engine, "--worker");
  kill(engine, SIGSTOP); /* or it would start another worker */
  kill(worker, SIGKILL);
  test_engine_stop(engine, SIGKILL);
  engine = test_engine_start(dir, 1, NULL);
  wait_for_claims(job, "3 3 its worker died, its worker died");
  cancel(job);
  test_engine_stop(engine, SIGTERM);
  assert_int_equal(test_engine_find_trials(dir, left, 4), 0);
  assert_string_equal(
    test_db_sql(conn, arena,
                "SELECT count(DISTINCT worker)::text FROM unit WHERE worker LIKE '%%:%%:%%'"),
    test_db_sql(conn, arena, "SELECT count(DISTINCT worker)::text FROM unit WHERE worker <> ''"));
}

/* A worker that is only stopped keeps its lease for all its time, whatever others of its folder do. */
static void
test_sleepers_are_not_dead(void **state)
{
  (void) state;
  pid_t engine = test_engine_start(dir, 1, NULL), other;
  const char *job = start_long_job(3);
  pid_t trial = wait_for_process(engine, "--trial");
  pid_t worker = wait_for_process(engine, "--worker");
  kill(worker, SIGSTOP);
  other = test_engine_start(dir, 1, NULL);
  sleep(4); /* its sweeps come every second */
  assert_string_equal(claims_of(job), "1 1 ");
  assert_int_equal(kill(trial, 0), 0);
  kill(worker, SIGCONT);
  cancel(job);
  test_engine_stop(engine, SIGTERM);
  test_engine_stop(other, SIGTERM);
}

/* A worker that sleeps past its lease finds its unit taken and records nothing. */
static void
test_worker_stopped_past_its_lease(void **state)
{
  (void) state;
  pid_t engine = test_engine_start(dir, 1, NULL), other;
  const char *job = start_job(3, "[\"trees\"]");
  pid_t trial = wait_for_process(engine, "--trial");
  pid_t worker = wait_for_process(engine, "--worker");
  kill(worker, SIGSTOP);
  kill(trial, SIGSTOP);
  const char *taken = arena_printf(
    arena, "SELECT max(lease_token) || ' ' || max(attempts) FROM unit WHERE job_id = '%s'", job);
  other = test_engine_start(dir, 1, NULL);
  double end_s = clock_monotonic_s() + RESUME_S;
  while (strcmp(test_db_sql(conn, arena, "%s", taken), "2 2") != 0)
  {
    if (clock_monotonic_s() > end_s)
      fail_msg("nobody took the sleeper's unit within %.0f s", RESUME_S);
    usleep(100000);
  }
  kill(trial, SIGCONT);
  kill(worker, SIGCONT);
  check_exact(job, 3);
  assert_string_equal(test_db_sql(conn, arena,
                                  "SELECT (count(*) = count(DISTINCT (trial_id, fold)))::text"
                                  " FROM unit WHERE job_id = '%s' AND trial_id IS NOT NULL",
                                  job),
                      "true");
  test_engine_stop(engine, SIGTERM);
  test_engine_stop(other, SIGTERM);
}

/* Stops or continues the database's side of every engine connection. */
static void
signal_backends(int number)
{
  const char *pids = test_db_sql(conn, arena,
                                 "SELECT string_agg(pid::text, ' ') FROM pg_stat_activity"
                                 " WHERE application_name LIKE 'attune-engine%%'");
  for (char *at = (char *) (uintptr_t) pids, *end; *at != '\0'; at = end)
  {
    long pid = strtol(at, &end, 10);
    if (end == at)
      break;
    kill((pid_t) pid, number);
  }
}

/* With the database silent a worker hangs in its heartbeat; its trial must end all the same, before
 * another could take the unit. */
static void
test_silent_database(void **state)
{
  (void) state;
  pid_t engine = test_engine_start(dir, 1, NULL), pids[4];
  const char *job = start_long_job(1);
  pid_t trial = wait_for_process(engine, "--trial");
  sleep(1);
  signal_backends(SIGSTOP);
  double start_s = clock_monotonic_s();
  while (test_engine_find(engine, "--trial", pids, 4) > 0 && pids[0] == trial
         && clock_monotonic_s() - start_s < 20)
    usleep(50000);
  double took_s = clock_monotonic_s() - start_s;
  signal_backends(SIGCONT);
  print_message("the trial ended after %.1f s of silence\n", took_s);
  assert_true(took_s > 6 && took_s < SILENCE_S);
  struct db_job row;
  bool ended = false;
  wait_for_process(engine, "--trial"); /* tried again */
  assert_int_equal(db_job_cancel(conn, tenant, job, &ended), DB_ROWS);
  test_engine_wait(conn, arena, tenant, job, 30, &row);
  assert_string_equal(row.state, "cancelled");
  test_engine_stop(engine, SIGTERM);
}

static void
test_limits(void **state)
{
  (void) state;
  static const char *const memory[] = {"--memory-per-trial", "2M", NULL};
  struct db_job row;
  pid_t engine = test_engine_start(dir, 1, memory);
  const char *job = start_long_job(2);
  test_engine_wait(conn, arena, tenant, job, 60, &row);
  assert_string_equal(row.state, "failed");
  assert_has_text(row.problem, "all_trials_failed");
  assert_has_text(row.problem, "limit of 2 MiB of memory");
  assert_int_equal(row.trials_failed, 2);
  test_engine_stop(engine, SIGTERM);
}

/* An orderly stop gives the unit back at once: no attempt is lost, the next engine need not wait. */
static void
test_orderly_stop(void **state)
{
  (void) state;
  pid_t engine = test_engine_start(dir, 1, NULL);
  const char *job = start_job(3, "[\"trees\"]");
  wait_for_process(engine, "--trial");
  double start_s = clock_monotonic_s();
  test_engine_stop(engine, SIGTERM);
  assert_true(clock_monotonic_s() - start_s < STOP_S);
  assert_string_equal(test_db_sql(conn, arena,
                                  "SELECT count(*)::text FROM unit WHERE job_id = '%s'"
                                  " AND (state = 'leased' OR (state = 'pending' AND attempts > 0))",
                                  job),
                      "0");
  const char *before = mark(job);
  engine = test_engine_start(dir, 2, NULL);
  wait_for_change(job, before, 8);
  check_exact(job, 3);
  test_engine_stop(engine, SIGTERM);
}

/* A test that failed leaves neither engines nor jobs to the next one. */
static int
clean_up(void **state)
{
  (void) state;
  signal_backends(SIGCONT);
  test_engine_stop_all();
  test_db_sql(conn, arena,
              "UPDATE job SET state = 'cancelled', phase = 'ended', ended_at = now()"
              " WHERE state IN ('queued','running')");
  return 0;
}

/* An upgrade puts another file in the program's place while it runs: what is at work goes on as the version it
 * is, also what it starts later and a worker that is started again. */
static void
test_program_replaced(void **state)
{
  (void) state;
  char program[TEST_PATH_SIZE], folder[TEST_PATH_SIZE], copy[TEST_PATH_SIZE];
  struct buf file = {0};
  test_make_dir(folder);
  test_path(copy, folder, "attune-engine");
  assert_int_equal(proc_find_program("attune-engine", program, sizeof program, NULL), ERR_OK);
  assert_int_equal(file_read_all(program, SIZE_MAX, &file, NULL), ERR_OK);
  assert_int_equal(file_write_atomic(copy, file.data, file.length, 0755, NULL), ERR_OK);
  buf_free(&file);
  assert_int_equal(setenv("ATTUNE_LIBEXECDIR", folder, 1), 0);
  pid_t engine = test_engine_start(dir, 1, NULL);
  unsetenv("ATTUNE_LIBEXECDIR");
  wait_for_process(engine, "--worker");
  assert_int_equal(file_write_atomic(copy, "#!/bin/false\n", 13, 0755, NULL), ERR_OK);
  const char *job = start_job(4, "[\"trees\"]");
  kill(wait_for_process(engine, "--trial"), SIGKILL);
  kill(wait_for_process(engine, "--worker"), SIGKILL);
  check_exact(job, 4);
  test_engine_stop(engine, SIGTERM);
  test_remove_dir(folder);
}

#define kill_test(function) cmocka_unit_test_teardown(function, clean_up)

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    kill_test(test_trials_and_workers_killed),
    kill_test(test_engine_killed),
    kill_test(test_leases_of_the_dead),
    kill_test(test_sleepers_are_not_dead),
    kill_test(test_worker_stopped_past_its_lease),
    kill_test(test_silent_database),
    kill_test(test_limits),
    kill_test(test_orderly_stop),
    kill_test(test_program_replaced),
  };
  return cmocka_run_group_tests(tests, setup, stage_engine_teardown);
}
