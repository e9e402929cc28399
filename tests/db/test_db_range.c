/* Range tests under leases: claimed once, kept, lost, recorded once, ended after three attempts. Expiry is brought
 * about by moving lease_until, not by waiting. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "sql/db_dataset.h"
#include "sql/db_job.h"
#include "sql/db_range.h"
#include "tests/harness/test_stage_workers.h"
#include "tests/harness/test_work.h"

static int
end_all(void **state)
{
  (void) state;
  sql("UPDATE lr_range_test SET state = 'failed', ended_at = now() WHERE ended_at IS NULL");
  sql("UPDATE job SET state = 'cancelled', phase = 'ended'");
  return 0;
}

static const char *
insert_of(const char *owner, const char *data, enum db_status wanted)
{
  char *id = arena_alloc(arena, 32);
  db_id_new("lrt_", id, 32);
  struct db_range_test test = {.id = id,
                               .tenant_id = owner,
                               .dataset_id = data,
                               .dataset_version = 1,
                               .spec = "{\"families\": [\"mlp\"]}",
                               .family = "mlp",
                               .params = "{\"dropout\": 0.1}",
                               .low = 1e-5,
                               .high = NAN,
                               .steps = 0};
  assert_int_equal(db_range_insert(one, &test), wanted);
  if (wanted == DB_ROWS)
    assert_int_equal(db_range_insert(one, &test), DB_ROWS);
  return id;
}

static const char *
insert(void)
{
  return insert_of(tenant, dataset, DB_ROWS);
}

static struct db_work_lease
claim(struct db_conn *conn, const char *worker, const char *wanted)
{
  struct db_range_unit unit;
  assert_int_equal(db_range_claim(conn, worker, arena, &unit), DB_ROWS);
  assert_string_equal(unit.test_id, wanted);
  return (struct db_work_lease){.unit_id = unit.unit.id, .lease_token = unit.unit.lease_token};
}

static void
expire(const char *id)
{
  sql("UPDATE lr_range_test SET lease_until = now() - interval '1 second' WHERE id = '%s'", id);
}

static struct db_range_test
get(const char *id)
{
  struct db_range_test test;
  assert_int_equal(db_range_get(one, tenant, id, arena, &test), DB_ROWS);
  return test;
}

static void
test_from_insert_to_result(void **state)
{
  struct db_range_unit unit, none;
  struct db_work_pulse pulse;
  struct db_range_test test;
  size_t live = 0;

  (void) state;
  const char *id = insert();
  test = get(id);
  assert_string_equal(test.state, "queued");
  assert_true(test.low == 1e-5 && isnan(test.high) && test.steps == 0 && isnan(test.seconds));
  assert_null(test.result);
  assert_int_equal(db_range_get(one, "ten_nobody", id, arena, &test), DB_NONE);
  assert_int_equal(db_range_count_live(one, tenant, &live), DB_ROWS);
  assert_int_equal(live, 1);
  assert_int_equal(db_range_claim(one, "w", arena, &unit), DB_ROWS);
  assert_string_equal(unit.test_id, id);
  assert_string_equal(unit.unit.family, "mlp");
  assert_string_equal(unit.unit.dataset_id, dataset);
  assert_string_equal(unit.unit.tenant_id, tenant);
  assert_true(unit.low == 1e-5 && isnan(unit.high) && unit.steps == 0 && unit.unit.attempts == 1);
  assert_int_equal(db_range_claim(two, "v", arena, &none), DB_NONE);
  struct db_work_lease lease = {.unit_id = unit.unit.id, .lease_token = unit.unit.lease_token};
  assert_int_equal(db_range_heartbeat(one, &lease, &pulse), DB_ROWS);
  assert_int_equal(pulse.stop, DB_WORK_GO_ON);
  assert_true(isinf(pulse.search_left_s));
  assert_string_equal(get(id).state, "running");
  assert_int_equal(db_range_finish(one, &lease, "{\"low\": 1e-05, \"curve\": {}}", NAN, 0.25),
                   DB_ROWS);
  assert_int_equal(db_range_finish(one, &lease, "{}", NAN, 0.5), DB_NONE);
  assert_int_equal(db_range_heartbeat(one, &lease, &pulse), DB_NONE);
  test = get(id);
  assert_string_equal(test.state, "succeeded");
  assert_string_equal(test.result, "{\"low\": 1e-05, \"curve\": {}}");
  assert_true(test.seconds == 0.25 && test.ended_us >= test.started_us && test.started_us > 0);
  struct db_range_test *page;
  size_t count;
  assert_int_equal(db_range_list(one, tenant, NULL, 1, arena, &page, &count), DB_ROWS);
  assert_int_equal(count, 1);
  assert_string_equal(page[0].id, id);
  assert_null(strstr(page[0].result, "curve"));
}

/* A stale worker's writes are refused, whatever they are. */
static void
test_one_owner(void **state)
{
  struct db_work_pulse pulse;

  (void) state;
  const char *id = insert();
  struct db_work_lease first = claim(one, "w", id);
  expire(id);
  struct db_work_lease second = claim(two, "v", id);
  assert_int_equal(db_range_heartbeat(one, &first, &pulse), DB_NONE);
  assert_int_equal(db_range_finish(one, &first, "{}", NAN, 1), DB_NONE);
  assert_int_equal(db_range_end(one, &first, DB_WORK_FAILED, "late"), DB_NONE);
  assert_int_equal(db_range_end(one, &first, DB_WORK_RELEASE, "late"), DB_NONE);
  assert_string_equal(get(id).state, "running");
  assert_int_equal(db_range_finish(two, &second, "{}", NAN, 1), DB_ROWS);
  assert_string_equal(get(id).state, "succeeded");
}

static void
test_attempts(void **state)
{
  struct db_range_unit unit;

  (void) state;
  const char *id = insert();
  for (int i = 0; i < 2; i++)
  {
    struct db_work_lease lease = claim(one, "w", id);
    assert_int_equal(db_range_end(one, &lease, DB_WORK_RETRY, "killed"), DB_ROWS);
    assert_string_equal(get(id).state, "queued");
  }
  /* given back in order: not counted */
  for (int i = 0; i < 4; i++)
  {
    struct db_work_lease lease = claim(one, "w", id);
    assert_int_equal(db_range_end(one, &lease, DB_WORK_RELEASE, "stops"), DB_ROWS);
  }
  struct db_work_lease lease = claim(one, "w", id);
  assert_int_equal(db_range_end(one, &lease, DB_WORK_RETRY, "killed again"), DB_ROWS);
  assert_string_equal(get(id).state, "failed");
  assert_non_null(strstr(get(id).problem, "killed again"));
  /* and one whose worker never says anything */
  id = insert();
  for (int i = 0; i < 3; i++)
  {
    claim(one, "w", id);
    expire(id);
  }
  assert_int_equal(db_range_claim(one, "w", arena, &unit), DB_NONE);
  assert_string_equal(get(id).state, "failed");
  assert_non_null(strstr(get(id).problem, "range_test_failed"));
  /* what can only fail again is not tried again */
  id = insert();
  lease = claim(one, "w", id);
  assert_int_equal(db_range_end(one, &lease, DB_WORK_FAILED, "no such column"), DB_ROWS);
  assert_string_equal(get(id).state, "failed");
}

static void
test_dead_workers_and_turns(void **state)
{
  (void) state;
  const char *first = insert(), *second = insert();
  claim(one, "dead", first);
  assert_int_equal(db_range_end_worker(one, "nobody", "died"), DB_NONE);
  assert_int_equal(db_range_end_worker(one, "dead", "died"), DB_ROWS);
  assert_string_equal(get(first).state, "queued");
  /* the tenant with fewer at work is served first, though it came later */
  const char *other = test_db_tenant(one, arena), *theirs;
  theirs = insert_of(other, test_db_dataset(one, arena, other), DB_ROWS);
  claim(one, "w", first);
  claim(one, "w", theirs);
  claim(one, "w", second);
}

static void
test_datasets_are_kept(void **state)
{
  bool busy = false;

  (void) state;
  const char *data = test_db_dataset(one, arena, tenant), *id = insert_of(tenant, data, DB_ROWS);
  assert_int_equal(db_dataset_delete(one, tenant, data, &busy), DB_NONE);
  assert_true(busy);
  struct db_work_lease lease = claim(one, "w", id);
  assert_int_equal(db_range_finish(one, &lease, "{}", NAN, 1), DB_ROWS);
  assert_int_equal(db_dataset_delete(one, tenant, data, &busy), DB_ROWS);
  insert_of(tenant, data, DB_NONE);
  insert_of("ten_nobody", dataset, DB_NONE);
  /* old ones go */
  sql("UPDATE lr_range_test SET ended_at = now() - interval '31 days' WHERE id = '%s'", id);
  const char *young = insert();
  lease = claim(one, "w", young);
  db_range_finish(one, &lease, "{}", NAN, 1);
  assert_int_equal(db_forget_old(one, 30), DB_ROWS);
  struct db_range_test test;
  assert_int_equal(db_range_get(one, tenant, id, arena, &test), DB_NONE);
  assert_string_equal(get(young).state, "succeeded");
}

/* ---- those of jobs ------------------------------------------------------------------------------------- */

static const double test_points[2][2] = {{0, 1}, {1, NAN}};

static enum db_status
add_tests(struct db_conn *conn, const struct db_work_job *job, void *context)
{
  const struct db_range_wanted wanted[] = {
    {.family = "mlp", .params = "{}", .point = test_points[0], .point_count = 2},
    {.family = "mlp",
     .params = "{\"optimizer\": \"sgd\"}",
     .point = test_points[1],
     .point_count = 2}};
  bool *had = context;
  *had = job->has_tests;
  return db_range_add(conn, job, wanted, 2);
}

/* A job whose search has asked for two tests. */
static const char *
job_with_tests(void)
{
  const char *job = test_db_job(one, arena, tenant, dataset, "{\"families\": [\"mlp\"]}");
  bool had = true;
  assert_int_equal(db_work_with_job(one, arena, add_tests, &had), DB_ROWS);
  assert_false(had);
  assert_string_equal(sql("SELECT state || ' ' || phase FROM job WHERE id = '%s'", job),
                      "running search");
  assert_string_equal(sql("SELECT (started_at IS NOT NULL)::text FROM job WHERE id = '%s'", job),
                      "true");
  return job;
}

static struct db_work_lease
claim_of(struct db_conn *conn, const char *job)
{
  struct db_range_unit unit;
  assert_int_equal(db_range_claim(conn, "w", arena, &unit), DB_ROWS);
  assert_string_equal(unit.unit.job_id, job);
  assert_string_equal(unit.unit.spec, "{\"families\": [\"mlp\"]}");
  return (struct db_work_lease){.unit_id = unit.unit.id, .lease_token = unit.unit.lease_token};
}

/* Trials wait for the tests; what they found is in the log once, in the order of their ends. */
static void
test_a_search_begins_with_tests(void **state)
{
  struct work_plan plan = {.folds = 1, .most = 10, .worker = "w"};
  struct db_work_log_entry *entries;
  size_t count = 0, live = 0;

  (void) state;
  const char *job = job_with_tests();
  assert_int_equal(db_range_count_live(one, tenant, &live), DB_ROWS);
  assert_int_equal(live, 0);
  assert_int_equal(db_work_with_job(one, arena, work_decide, &plan), DB_NONE);
  struct db_work_lease first = claim_of(one, job), second = claim_of(two, job);
  assert_int_equal(db_range_finish(two, &second, "{}", 0.25, 1), DB_ROWS);
  assert_int_equal(db_range_finish(two, &second, "{}", 0.25, 1), DB_NONE);
  assert_int_equal(db_work_with_job(one, arena, work_decide, &plan), DB_NONE);
  assert_int_equal(db_range_finish(one, &first, "{}", 0.125, 1), DB_ROWS);
  assert_int_equal(db_work_with_job(one, arena, work_decide, &plan), DB_ROWS);
  assert_int_equal(db_work_log(one, job, 0, arena, &entries, &count), DB_ROWS);
  assert_int_equal(count, 3);
  assert_int_equal(entries[0].kind, DB_LOG_BELIEVE);
  assert_true(entries[0].rate == 0.25 && entries[0].point_count == 2);
  assert_true(entries[0].point[0] == 1 && isnan(entries[0].point[1]));
  assert_int_equal(entries[1].kind, DB_LOG_BELIEVE);
  assert_true(entries[1].rate == 0.125);
  assert_int_equal(entries[2].kind, DB_LOG_ASK);
  assert_true(entries[0].seq == 1 && entries[1].seq == 2 && entries[2].seq == 3);
  assert_int_equal(db_work_log(one, job, 1, arena, &entries, &count), DB_ROWS);
  assert_int_equal(count, 2);
  /* and they are kept as long as the log */
  sql("UPDATE lr_range_test SET ended_at = now() - interval '99 days' WHERE job_id = '%s'", job);
  assert_int_equal(db_forget_old(one, 30), DB_ROWS);
  assert_int_equal(db_work_log(one, job, 0, arena, &entries, &count), DB_ROWS);
  assert_int_equal(count, 3);
}

/* A test that found nothing, or failed, is no entry; the search goes on all the same. */
static void
test_tests_that_tell_nothing(void **state)
{
  struct work_plan plan = {.folds = 1, .most = 10, .worker = "w"};
  struct db_work_log_entry *entries;
  size_t count = 0;

  (void) state;
  const char *job = job_with_tests();
  struct db_work_lease first = claim_of(one, job), second = claim_of(two, job);
  assert_int_equal(db_range_finish(one, &first, "{}", NAN, 1), DB_ROWS);
  assert_int_equal(db_range_end(two, &second, DB_WORK_FAILED, "no memory"), DB_ROWS);
  assert_int_equal(db_work_with_job(one, arena, work_decide, &plan), DB_ROWS);
  assert_int_equal(db_work_log(one, job, 0, arena, &entries, &count), DB_ROWS);
  assert_int_equal(count, 1);
  assert_int_equal(entries[0].kind, DB_LOG_ASK);
}

static void
test_control_of_the_job(void **state)
{
  struct db_work_pulse pulse;
  struct db_range_unit unit;
  enum job_answer answer;
  struct db_job_control pause = {.verb = JOB_PAUSE}, resume = {.verb = JOB_RESUME};
  bool ended = false;

  (void) state;
  const char *job = job_with_tests();
  struct db_work_lease lease = claim_of(one, job);
  assert_int_equal(db_range_heartbeat(one, &lease, &pulse), DB_ROWS);
  assert_int_equal(pulse.stop, DB_WORK_GO_ON);
  assert_int_equal(db_job_control(one, tenant, job, &pause, &answer), DB_ROWS);
  assert_int_equal(db_range_heartbeat(one, &lease, &pulse), DB_ROWS);
  assert_int_equal(pulse.stop, DB_WORK_STOP_PAUSE);
  assert_int_equal(db_range_end(one, &lease, DB_WORK_RELEASE, "paused"), DB_ROWS);
  assert_int_equal(db_range_claim(one, "w", arena, &unit), DB_NONE);
  assert_int_equal(db_job_control(one, tenant, job, &resume, &answer), DB_ROWS);
  lease = claim_of(one, job);
  assert_int_equal(db_job_cancel(one, tenant, job, &ended), DB_ROWS);
  assert_int_equal(db_range_heartbeat(one, &lease, &pulse), DB_ROWS);
  assert_true(pulse.stop == DB_WORK_STOP_CANCEL || pulse.stop == DB_WORK_STOP_ENDED);
  /* the other one will not be needed */
  assert_int_equal(db_range_claim(two, "w", arena, &unit), DB_NONE);
  assert_string_equal(sql("SELECT count(*)::text FROM lr_range_test WHERE job_id = '%s'"
                          " AND state = 'failed'",
                          job),
                      "1");
  assert_int_equal(db_range_end(one, &lease, DB_WORK_CANCELLED, "cancelled"), DB_ROWS);
  assert_true(db_work_sweep(one) >= DB_NONE);
  assert_string_equal(sql("SELECT state FROM job WHERE id = '%s'", job), "cancelled");
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_teardown(test_from_insert_to_result, end_all),
    cmocka_unit_test_teardown(test_one_owner, end_all),
    cmocka_unit_test_teardown(test_attempts, end_all),
    cmocka_unit_test_teardown(test_dead_workers_and_turns, end_all),
    cmocka_unit_test_teardown(test_datasets_are_kept, end_all),
    cmocka_unit_test_teardown(test_a_search_begins_with_tests, end_all),
    cmocka_unit_test_teardown(test_tests_that_tell_nothing, end_all),
    cmocka_unit_test_teardown(test_control_of_the_job, end_all),
  };
  return cmocka_run_group_tests(tests, stage_workers_setup, stage_workers_teardown);
}
