/* Jobs, trials, epochs and events as the server reads them. */
#include <config.h>

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sql/db_conn.h"
#include "sql/db_dataset.h"
#include "sql/db_draft.h"
#include "sql/db_job.h"
#include "tests/harness/test_stage_jobs.h"

static void
test_insert_and_get(void **state)
{
  (void) state;
  struct db_job job;
  assert_int_equal(
    db_job_insert(conn, "job_first", tenant, "first", dataset, 1, "{\"metric\": \"accuracy\"}"),
    DB_ROWS);
  assert_int_equal(db_job_get(conn, tenant, "job_first", arena, &job), DB_ROWS);
  assert_string_equal(job.id, "job_first");
  assert_string_equal(job.tenant_id, tenant);
  assert_string_equal(job.name, "first");
  assert_string_equal(job.dataset_id, dataset);
  assert_int_equal(job.dataset_version, 1);
  assert_string_equal(job.spec, "{\"metric\": \"accuracy\"}");
  assert_string_equal(job.state, "queued");
  assert_string_equal(job.phase, "search");
  assert_false(job.cancel_requested);
  assert_null(job.stop_reason);
  assert_null(job.problem);
  assert_int_equal(job.event_seq, 1);
  assert_int_equal(job.trials_total, 0);
  assert_null(job.best_trial_id);
  assert_int_equal(job.best_trial_number, 0);
  assert_null(job.best_params);
  assert_true(isnan(job.best_value));
  assert_null(job.model_name);
  assert_int_equal(job.model_version, 0);
  assert_true(job.created_us > 0 && job.now_us >= job.created_us);
  assert_true(job.started_us == 0 && job.ended_us == 0);

  /* Inserted again after a lost answer: nothing changes. */
  assert_int_equal(db_job_insert(conn, "job_first", tenant, "x", dataset, 1, "{}"), DB_ROWS);
  assert_int_equal(db_job_get(conn, tenant, "job_first", arena, &job), DB_ROWS);
  assert_string_equal(job.name, "first");
  assert_int_equal(job.event_seq, 1);

  assert_int_equal(db_job_get(conn, other, "job_first", arena, &job), DB_NONE);
  assert_int_equal(db_job_get(conn, tenant, "job_none", arena, &job), DB_NONE);
  assert_int_equal(db_job_insert(conn, "job_2", other, "x", dataset, 1, "{}"), DB_NONE);
  assert_int_equal(db_job_insert(conn, "job_2", tenant, "x", dataset, 2, "{}"), DB_NONE);
  assert_int_equal(db_job_insert(conn, "job_2", tenant, "x", "ds_none", 1, "{}"), DB_NONE);
  assert_int_equal(db_job_insert(conn, "job_2", tenant, "x", dataset, 1, "{"), DB_HARD);
  assert_int_equal(db_job_get(conn, tenant, "job_2", arena, &job), DB_NONE);
}

static void
test_counts_and_best(void **state)
{
  (void) state;
  struct db_job job;
  const char *id = make_job();
  make_trial(id, 1, "done", 0.4);
  const char *best = make_trial(id, 2, "done", 0.2);
  make_trial(id, 3, "pruned", 0);
  make_trial(id, 4, "failed", 0);
  make_trial(id, 5, "running", 0);
  make_trial(id, 6, "running", 0);
  make_trial(id, 7, "cancelled", 0);
  test_db_sql(conn, arena,
              "UPDATE job SET state = 'running', best_trial_id = '%s', best_value = 0.8,"
              " started_at = now() WHERE id = '%s'",
              best, id);
  assert_int_equal(db_job_get(conn, tenant, id, arena, &job), DB_ROWS);
  assert_int_equal(job.trials_total, 7);
  assert_int_equal(job.trials_running, 2);
  assert_int_equal(job.trials_done, 2);
  assert_int_equal(job.trials_pruned, 1);
  assert_int_equal(job.trials_failed, 1);
  assert_int_equal(job.trials_cancelled, 1);
  assert_string_equal(job.best_trial_id, best);
  assert_int_equal(job.best_trial_number, 2);
  assert_string_equal(job.best_family, "mlp");
  assert_string_equal(job.best_params, "{\"units\": 2}");
  assert_true(job.best_value == 0.8);
  assert_true(job.started_us > 0);
}

static void
test_list_and_live(void **state)
{
  (void) state;
  const char *own = test_db_tenant(conn, arena), *data = test_db_dataset(conn, arena, own);
  const char *ids[5], *cursor = NULL;
  struct db_job *jobs;
  size_t count, seen = 0;
  bool ended;
  for (int i = 0; i < 5; i++)
    ids[i] = test_db_job(conn, arena, own, data, "{}");
  make_trial(ids[4], 1, "done", 0.4);
  for (int page = 0; page < 3; page++)
  {
    assert_int_equal(db_job_list(conn, own, cursor, 2, arena, &jobs, &count), DB_ROWS);
    for (size_t i = 0; i < count; i++)
    {
      assert_string_equal(jobs[i].id, ids[4 - seen]);
      assert_int_equal(jobs[i].trials_done, seen == 0);
      cursor = db_cursor(arena, jobs[i].created_us, jobs[i].id);
      seen++;
    }
  }
  assert_int_equal(seen, 5);
  assert_int_equal(db_job_list(conn, own, cursor, 2, arena, &jobs, &count), DB_ROWS);
  assert_int_equal(count, 0);
  assert_int_equal(db_job_list(conn, own, ":", 2, arena, &jobs, &count), DB_NONE);
  assert_int_equal(db_job_count_live(conn, own, &count), DB_ROWS);
  assert_int_equal(count, 5);
  assert_int_equal(db_job_cancel(conn, own, ids[0], &ended), DB_ROWS);
  assert_int_equal(db_job_count_live(conn, own, &count), DB_ROWS);
  assert_int_equal(count, 4);
}

static void
test_cancel(void **state)
{
  (void) state;
  struct db_job job;
  struct db_event *events;
  size_t count;
  int64_t oldest;
  bool ended = true;
  const char *queued = make_job(), *running = make_job();
  assert_int_equal(db_job_cancel(conn, other, queued, &ended), DB_NONE);
  assert_false(ended);
  assert_int_equal(db_job_cancel(conn, tenant, queued, &ended), DB_ROWS);
  assert_false(ended);
  db_job_get(conn, tenant, queued, arena, &job);
  assert_string_equal(job.state, "cancelled");
  assert_string_equal(job.phase, "ended");
  assert_string_equal(job.stop_reason, "cancelled");
  assert_true(job.ended_us > 0);
  assert_int_equal(db_event_list(conn, tenant, queued, 0, 10, arena, &events, &count, &oldest),
                   DB_ROWS);
  assert_int_equal(count, 3);
  assert_string_equal(events[1].kind, "state");
  assert_string_equal(events[1].data, "{\"state\": \"cancelled\"}");
  assert_string_equal(events[2].kind, "done");
  assert_int_equal(db_job_cancel(conn, tenant, queued, &ended), DB_ROWS);
  assert_true(ended);

  test_db_sql(conn, arena, "UPDATE job SET state = 'running' WHERE id = '%s'", running);
  assert_int_equal(db_job_cancel(conn, tenant, running, &ended), DB_ROWS);
  assert_false(ended);
  db_job_get(conn, tenant, running, arena, &job);
  assert_string_equal(job.state, "running");
  assert_true(job.cancel_requested);
  assert_true(job.ended_us == 0);
}

static void
test_trials(void **state)
{
  (void) state;
  const char *id = make_job();
  struct db_trial *trials, trial;
  size_t count;
  assert_int_equal(
    db_trial_list(conn, tenant, id, DB_TRIAL_BY_NUMBER, 0, 10, arena, &trials, &count), DB_ROWS);
  assert_int_equal(count, 0);
  make_trial(id, 1, "done", 0.4);
  make_trial(id, 2, "failed", 0);
  const char *best = make_trial(id, 3, "done", 0.1);
  const char *running = make_trial(id, 4, "running", 0);
  assert_int_equal(
    db_trial_list(conn, tenant, id, DB_TRIAL_BY_NUMBER, 1, 2, arena, &trials, &count), DB_ROWS);
  assert_int_equal(count, 2);
  assert_int_equal(trials[0].number, 2);
  assert_string_equal(trials[0].reasons, "[\"out of memory\", \"it \\\"broke\\\"\"]");
  assert_true(isnan(trials[0].metric) && isnan(trials[0].objective));
  assert_int_equal(trials[1].number, 3);
  assert_true(trials[1].objective == 0.1 && trials[1].metric == 0.9);
  assert_true(trials[1].seconds == 7.5);
  assert_string_equal(trials[1].reasons, "[]");
  assert_int_equal(
    db_trial_list(conn, tenant, id, DB_TRIAL_BY_SCORE, 0, 10, arena, &trials, &count), DB_ROWS);
  assert_int_equal(count, 2);
  assert_string_equal(trials[0].id, best);
  assert_int_equal(
    db_trial_list(conn, tenant, id, DB_TRIAL_BY_SCORE, 1, 10, arena, &trials, &count), DB_ROWS);
  assert_int_equal(count, 1);
  assert_int_equal(trials[0].number, 1);
  assert_int_equal(
    db_trial_list(conn, other, id, DB_TRIAL_BY_NUMBER, 0, 10, arena, &trials, &count), DB_NONE);
  assert_int_equal(
    db_trial_list(conn, tenant, "job_none", DB_TRIAL_BY_SCORE, 0, 10, arena, &trials, &count),
    DB_NONE);

  assert_int_equal(db_trial_get(conn, tenant, id, running, arena, &trial), DB_ROWS);
  assert_string_equal(trial.state, "running");
  assert_int_equal(trial.units_total, 2);
  assert_int_equal(trial.units_done, 1);
  assert_true(trial.seconds == 1.25);
  assert_string_equal(trial.params, "{\"units\": 4}");
  assert_true(trial.created_us > 0 && trial.ended_us == 0);
  assert_int_equal(db_trial_get(conn, other, id, running, arena, &trial), DB_NONE);
  assert_int_equal(db_trial_get(conn, tenant, make_job(), running, arena, &trial), DB_NONE);
}

static void
test_epochs(void **state)
{
  (void) state;
  const char *id = make_job();
  const char *trial = make_trial(id, 1, "running", 0);
  struct db_epoch *epochs;
  size_t count;
  assert_int_equal(db_epoch_list(conn, trial, arena, &epochs, &count), DB_ROWS);
  assert_int_equal(count, 0);
  assert_int_equal(db_epoch_latest(conn, id, arena, &epochs, &count), DB_ROWS);
  assert_int_equal(count, 0);
  test_db_sql(conn, arena,
              "INSERT INTO unit_epoch SELECT u.id, e, 3, 0.5 / e, CASE e WHEN 2 THEN NULL ELSE 0.25"
              " END, 0.75, 1.5 FROM unit u, generate_series(1, 3) e WHERE u.trial_id = '%s'",
              trial);
  assert_int_equal(db_epoch_list(conn, trial, arena, &epochs, &count), DB_ROWS);
  assert_int_equal(count, 6);
  for (size_t i = 0; i < 6; i++)
  {
    assert_int_equal(epochs[i].fold, i / 3);
    assert_int_equal(epochs[i].epoch, i % 3 + 1);
    assert_int_equal(epochs[i].epoch_count, 3);
    assert_string_equal(epochs[i].trial_id, trial);
  }
  assert_true(epochs[1].train_loss == 0.25 && isnan(epochs[1].valid_loss));
  assert_true(epochs[0].valid_metric == 0.75 && epochs[0].seconds == 1.5);
  assert_int_equal(db_epoch_latest(conn, id, arena, &epochs, &count), DB_ROWS);
  assert_int_equal(count, 1); /* the unit that is leased */
  assert_int_equal(epochs[0].fold, 1);
  assert_int_equal(epochs[0].epoch, 3);
  assert_int_equal(epochs[0].trial_number, 1);
}

static void
test_events(void **state)
{
  (void) state;
  const char *id = make_job();
  struct db_event *events;
  size_t count;
  int64_t oldest;
  assert_int_equal(db_event_insert(conn, id, "trial", "{\"n\": 1}"), DB_ROWS);
  assert_int_equal(db_event_insert(conn, id, "best", "{\"n\": 2}"), DB_ROWS);
  assert_int_equal(db_event_insert(conn, id, "nonsense", "{}"), DB_HARD);
  assert_int_equal(db_event_insert(conn, "job_none", "best", "{}"), DB_NONE);
  assert_int_equal(db_event_list(conn, tenant, id, 1, 10, arena, &events, &count, &oldest),
                   DB_ROWS);
  assert_int_equal(count, 2);
  assert_true(oldest == 1);
  assert_true(events[0].seq == 2 && events[1].seq == 3);
  assert_string_equal(events[0].kind, "trial");
  assert_string_equal(events[1].data, "{\"n\": 2}");
  assert_true(events[0].at_us > 0 && events[1].at_us >= events[0].at_us);
  assert_int_equal(db_event_list(conn, tenant, id, 0, 2, arena, &events, &count, &oldest), DB_ROWS);
  assert_int_equal(count, 2);
  assert_int_equal(db_event_list(conn, tenant, id, 3, 2, arena, &events, &count, &oldest), DB_ROWS);
  assert_int_equal(count, 0);
  assert_int_equal(db_event_list(conn, other, id, 0, 2, arena, &events, &count, &oldest), DB_NONE);
  test_db_sql(conn, arena, "DELETE FROM job_event WHERE job_id = '%s' AND seq < 3", id);
  db_event_list(conn, tenant, id, 0, 10, arena, &events, &count, &oldest);
  assert_true(oldest == 3);
  test_db_sql(conn, arena, "DELETE FROM job_event WHERE job_id = '%s'", id);
  db_event_list(conn, tenant, id, 0, 10, arena, &events, &count, &oldest);
  assert_true(oldest == 4);
}

/* Two connections write events of one job in transactions that overlap; a third reads all the while. The
 * reader never sees a number before a smaller one, and none is left out. */
struct writer
{
  const char *job;
  int done;
  bool failed;
};

static enum db_status
write_two(struct db_conn *own, void *context)
{
  struct writer *writer = context;
  static const struct db_statement nap = {"test_nap", "SELECT pg_sleep(0.002)"};
  enum db_status status = db_event_insert(own, writer->job, "trial", "{}");
  if (status == DB_ROWS)
    status = db_exec_none(own, &nap, DB_NO_PARAMS);
  if (status == DB_ROWS)
    status = db_event_insert(own, writer->job, "best", "{}");
  return status;
}

static void *
write_events(void *context)
{
  struct writer *writer = context;
  struct db_conn *own = NULL;
  writer->failed = db_connect(test_db_conninfo(), "test", &own, NULL) != ERR_OK;
  for (int i = 0; i < 50 && !writer->failed; i++)
  {
    writer->failed = db_tx_run(own, "write_two", write_two, writer) != DB_ROWS;
    writer->done += !writer->failed;
  }
  db_close(own);
  return NULL;
}

static void
test_event_numbers_under_two_writers(void **state)
{
  (void) state;
  const char *id = make_job();
  struct writer writers[2] = {{.job = id}, {.job = id}};
  pthread_t threads[2];
  for (int i = 0; i < 2; i++)
    pthread_create(&threads[i], NULL, write_events, &writers[i]);
  int64_t last = 0, oldest;
  double end_s = clock_monotonic_s() + 60;
  while (last < 201 && clock_monotonic_s() < end_s)
  {
    struct arena *memory = arena_new(0);
    struct db_event *events;
    size_t count;
    assert_int_equal(db_event_list(conn, tenant, id, last, 100, memory, &events, &count, &oldest),
                     DB_ROWS);
    for (size_t k = 0; k < count; k++)
    {
      assert_true(events[k].seq == last + 1);
      last = events[k].seq;
    }
    arena_free(memory);
  }
  for (int i = 0; i < 2; i++)
  {
    pthread_join(threads[i], NULL);
    assert_false(writers[i].failed);
    assert_int_equal(writers[i].done, 50);
  }
  assert_true(last == 201); /* "queued", and two writers × 50 × 2 */
}

static const char *
log_lines(const char *id)
{
  return test_db_sql(conn, arena, "SELECT count(*)::text FROM job_log WHERE job_id = '%s'", id);
}

static void
test_sweep_of_what_is_old(void **state)
{
  (void) state;
  const char *old = make_job(), *live = make_job();
  const char *trial = make_trial(old, 1, "running", 0);
  struct db_event *events;
  struct db_epoch *epochs;
  size_t count;
  int64_t oldest;
  test_db_sql(conn, arena,
              "INSERT INTO unit_epoch SELECT id, 1, 1, 0, 0, 0, 0 FROM unit WHERE trial_id = '%s'",
              trial);
  test_db_sql(conn, arena,
              "UPDATE job SET state = 'succeeded', ended_at = now() - interval '31 days'"
              " WHERE id = '%s'",
              old);
  static const char *const names[] = {"a", "b"};
  struct db_draft draft;
  assert_int_equal(db_draft_insert(conn, "im_old", tenant, names, 2), DB_ROWS);
  assert_int_equal(db_draft_upload_add(conn, "im_old", "up_1", 0, 1, "x", 1), DB_ROWS);
  assert_int_equal(db_draft_upload_end(conn, "im_old", 1, 1, 1), DB_ROWS);
  test_db_sql(conn, arena, "UPDATE image_draft SET touched_at = now() - interval '31 days'");
  assert_int_equal(db_draft_insert(conn, "im_new", tenant, names, 2), DB_ROWS);
  assert_int_equal(db_forget_old(conn, 32), DB_ROWS);
  assert_int_equal(db_draft_get(conn, tenant, "im_old", arena, &draft), DB_ROWS);
  assert_true(draft.files == 1 && draft.counts[1] == 1.0 && draft.counts[0] == 0.0);
  db_epoch_list(conn, trial, arena, &epochs, &count);
  assert_int_equal(count, 2);
  assert_string_equal(log_lines(old), "1");
  assert_int_equal(db_forget_old(conn, 30), DB_ROWS);
  assert_int_equal(db_draft_get(conn, tenant, "im_old", arena, &draft), DB_NONE);
  assert_int_equal(db_draft_get(conn, tenant, "im_new", arena, &draft), DB_ROWS);
  assert_string_equal(test_db_sql(conn, arena, "SELECT count(*)::text FROM image_draft_file"), "0");
  assert_string_equal(log_lines(old), "0");
  assert_string_equal(log_lines(live), "1");
  db_epoch_list(conn, trial, arena, &epochs, &count);
  assert_int_equal(count, 0);
  assert_int_equal(db_event_list(conn, tenant, old, 0, 9, arena, &events, &count, &oldest),
                   DB_ROWS);
  assert_int_equal(count, 0);
  assert_true(oldest == 2);
  assert_int_equal(db_event_list(conn, tenant, live, 0, 9, arena, &events, &count, &oldest),
                   DB_ROWS);
  assert_int_equal(count, 1);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_insert_and_get),
                                     cmocka_unit_test(test_counts_and_best),
                                     cmocka_unit_test(test_list_and_live),
                                     cmocka_unit_test(test_cancel),
                                     cmocka_unit_test(test_trials),
                                     cmocka_unit_test(test_epochs),
                                     cmocka_unit_test(test_events),
                                     cmocka_unit_test(test_event_numbers_under_two_writers),
                                     cmocka_unit_test(test_sweep_of_what_is_old)};
  return cmocka_run_group_tests_name("db_job", tests, stage_tenants_setup, stage_teardown);
}
