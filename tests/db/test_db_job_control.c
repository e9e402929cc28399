/* Jobs under control: what each move does to the row, the clock and the log. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sql/db_dataset.h"
#include "sql/db_job.h"
#include "sql/db_job_log.h"
#include "sql/db_work.h"
#include "tests/harness/test_stage_jobs.h"
#include "tests/harness/test_support.h"

static enum job_answer
control_with(const char *id, const struct db_job_control *wanted)
{
  enum job_answer answer = JOB_STAYED;
  assert_int_equal(db_job_control(conn, tenant, id, wanted, &answer), DB_ROWS);
  return answer;
}

static enum job_answer
control(const char *id, enum job_verb verb)
{
  return control_with(id, &(struct db_job_control){.verb = verb, .by = "key_me"});
}

static const char *
one(const char *query, const char *id)
{
  return test_db_sql(conn, arena, query, id);
}

static double
elapsed_of(const char *id)
{
  struct db_job job;
  assert_int_equal(db_job_get(conn, tenant, id, arena, &job), DB_ROWS);
  return job.elapsed_s;
}

/* Pauses are not the budget's time, nor is what lies between an end and an extension. */
static void
test_pause_stops_the_clock(void **state)
{
  (void) state;
  struct db_job job;
  enum job_answer answer;
  const char *id = make_job();
  assert_int_equal(control(id, JOB_PAUSE), JOB_MOVED);
  assert_int_equal(control(id, JOB_RESUME), JOB_MOVED);
  assert_string_equal(one("SELECT state FROM job WHERE id = '%s'", id), "queued");
  test_db_sql(conn, arena,
              "UPDATE job SET state = 'running', started_at = now() - interval '100 seconds'"
              " WHERE id = '%s'",
              id);
  assert_int_equal(control(id, JOB_PAUSE), JOB_MOVED);
  assert_int_equal(control(id, JOB_PAUSE), JOB_STAYED);
  assert_near(elapsed_of(id), 100, 1);
  test_db_sql(conn, arena,
              "UPDATE job SET paused_at = paused_at - interval '60 seconds' WHERE id = '%s'", id);
  assert_near(elapsed_of(id), 40, 1);
  assert_int_equal(control(id, JOB_RESUME), JOB_MOVED);
  assert_near(elapsed_of(id), 40, 1);
  assert_int_equal(db_job_get(conn, tenant, id, arena, &job), DB_ROWS);
  assert_string_equal(job.state, "running");
  assert_true(job.paused_us == 0);
  test_db_sql(conn, arena,
              "UPDATE job SET state = 'succeeded', phase = 'ended', ended_at = clock_timestamp()"
              " - interval '30 seconds' WHERE id = '%s'",
              id);
  assert_near(elapsed_of(id), 10, 1);
  struct db_job_control longer = {
    .verb = JOB_EXTEND, .spec = "{\"budget\": {\"seconds\": 99}}", .summary = "99 seconds"};
  assert_int_equal(control_with(id, &longer), JOB_MOVED);
  assert_near(elapsed_of(id), 10, 1);
  assert_string_equal(one("SELECT state || ' ' || phase || ' ' || extended || ' ' || spec::text"
                          " FROM job WHERE id = '%s'",
                          id),
                      "running search 1 {\"budget\": {\"seconds\": 99}}");
  /* Once more with the same count: its own commit, unacknowledged; another spec: somebody was faster. */
  assert_int_equal(control_with(id, &longer), JOB_MOVED);
  longer.spec = "{\"budget\": {\"seconds\": 100}}";
  assert_int_equal(control_with(id, &longer), JOB_REFUSED_CHANGED);
  assert_string_equal(one("SELECT extended::text FROM job WHERE id = '%s'", id), "1");
  assert_int_equal(db_job_control(conn, other, id, &longer, &answer), DB_NONE);
  assert_string_equal(one("SELECT string_agg(data->>'state', ' ' ORDER BY seq) FROM job_event"
                          " WHERE job_id = '%s' AND kind = 'state'",
                          id),
                      "queued paused queued paused running running");
}

/* An engine that was away before the pause has not used the budget's time either. */
static void
test_pause_after_absence(void **state)
{
  (void) state;
  const char *id = make_job();
  test_db_sql(conn, arena,
              "UPDATE job SET state = 'running', started_at = now() - interval '100 seconds'"
              " WHERE id = '%s'",
              id);
  test_db_sql(conn, arena,
              "INSERT INTO setting (name, value) VALUES ('engine_seen',"
              " (extract(epoch FROM now()) - 70)::text) ON CONFLICT (name) DO UPDATE"
              " SET value = excluded.value");
  assert_int_equal(control(id, JOB_PAUSE), JOB_MOVED);
  assert_near(elapsed_of(id), 30, 1);
  assert_int_equal(control(id, JOB_RESUME), JOB_MOVED);
  /* The engine comes back: what came before the pause's end is settled. */
  assert_true(db_work_presence(conn) >= DB_NONE);
  assert_near(elapsed_of(id), 30, 1);
  assert_int_equal(control(id, JOB_CANCEL), JOB_MOVED);
  test_db_sql(conn, arena, "DELETE FROM setting WHERE name = 'engine_seen'");
}

static void
test_extend_needs_what_was(void **state)
{
  (void) state;
  const char *own = test_db_dataset(conn, arena, tenant);
  const char *id = test_db_job(conn, arena, tenant, own, "{}");
  const char *best = make_trial(id, 1, "done", 0.4);
  struct db_job_control more = {.verb = JOB_EXTEND, .spec = "{\"a\": 1}", .most_live = 1000};
  test_db_sql(conn, arena,
              "UPDATE job SET state = 'succeeded', phase = 'ended', stop_reason = 'exhausted',"
              " ended_at = now(), started_at = now(), best_trial_id = '%s' WHERE id = '%s'",
              best, id);
  assert_int_equal(control_with(id, &more), JOB_REFUSED_EXHAUSTED);
  one("UPDATE job SET stop_reason = 'budget_trials' WHERE id = '%s'", id);
  assert_int_equal(control_with(id, &more), JOB_REFUSED_FORGOTTEN);
  test_db_sql(conn, arena,
              "WITH b AS (INSERT INTO blob (sha256, bytes) VALUES (sha256('x'), 0) RETURNING id)"
              " UPDATE unit SET model_blob = b.id FROM b WHERE trial_id = '%s' AND fold = 0",
              best);
  more.most_live = 1;
  make_job();
  assert_int_equal(control_with(id, &more), JOB_REFUSED_QUOTA);
  more.most_live = 0;
  one("UPDATE dataset SET deleted_at = now() WHERE id = '%s'", own);
  assert_int_equal(control_with(id, &more), JOB_REFUSED_DATASET);
  assert_string_equal(one("SELECT state || extended || spec::text FROM job WHERE id = '%s'", id),
                      "succeeded0{}");
  /* Its models are of no use any more: they go before their time. */
  assert_int_equal(db_forget_old(conn, 30), DB_ROWS);
  assert_string_equal(one("SELECT count(model_blob)::text FROM unit WHERE job_id = '%s'", id), "0");
}

static void
test_log(void **state)
{
  (void) state;
  struct db_log_line *lines;
  size_t count;
  char longer[2 * DB_JOB_LOG_BYTES];
  const char *id = make_job();
  assert_int_equal(db_job_log(conn, id, LOG_LEVEL_WARNING, "trial", 7, "a\tb\x01\xff\nc é %d", 5),
                   DB_ROWS);
  memset(longer, 'x', sizeof longer);
  memcpy(longer + DB_JOB_LOG_BYTES - 1, "é", 2); /* the cut falls into it */
  longer[sizeof longer - 1] = '\0';
  assert_int_equal(db_job_log(conn, id, LOG_LEVEL_DEBUG, "search", 0, "%s", longer), DB_ROWS);
  assert_int_equal(db_job_log(conn, "job_none", LOG_LEVEL_INFO, "search", 0, "x"), DB_NONE);
  assert_int_equal(db_job_log_list(conn, tenant, id, 0, LOG_LEVEL_DEBUG, 10, arena, &lines, &count),
                   DB_ROWS);
  assert_int_equal(count, 3);
  assert_has_text(lines[0].message, "created: dataset ds_");
  assert_string_equal(lines[1].message, "a b??\nc é 5");
  assert_string_equal(lines[1].level, "warning");
  assert_string_equal(lines[1].source, "trial");
  assert_int_equal(lines[1].trial_number, 7);
  assert_int_equal(strlen(lines[2].message), DB_JOB_LOG_BYTES - 1);
  assert_true(lines[2].seq == 3 && lines[2].at_us > 0);
  assert_int_equal(
    db_job_log_list(conn, tenant, id, 1, LOG_LEVEL_WARNING, 10, arena, &lines, &count), DB_ROWS);
  assert_int_equal(count, 1);
  assert_int_equal(db_job_log_list(conn, other, id, 0, LOG_LEVEL_DEBUG, 1, arena, &lines, &count),
                   DB_NONE);
  /* The last line says that it is the last. */
  test_db_sql(conn, arena, "UPDATE job SET log_seq = %d WHERE id = '%s'", DB_JOB_LOG_MOST - 2, id);
  for (int i = 0; i < 4; i++)
    assert_int_equal(db_job_log(conn, id, LOG_LEVEL_INFO, "server", 0, "line %d", i),
                     i < 2 ? DB_ROWS : DB_NONE);
  assert_int_equal(
    db_job_log_list(conn, tenant, id, 100, LOG_LEVEL_DEBUG, 10, arena, &lines, &count), DB_ROWS);
  assert_int_equal(count, 2);
  assert_string_equal(lines[0].message, "line 0");
  assert_string_equal(lines[1].level, "warning");
  assert_has_text(lines[1].message, "the log is full");
  /* A full log stops nothing else. */
  assert_int_equal(control(id, JOB_CANCEL), JOB_MOVED);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_pause_stops_the_clock), cmocka_unit_test(test_pause_after_absence),
    cmocka_unit_test(test_extend_needs_what_was), cmocka_unit_test(test_log)};
  return cmocka_run_group_tests_name("db_job_control", tests, stage_tenants_setup, stage_teardown);
}
