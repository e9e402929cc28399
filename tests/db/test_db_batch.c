/* Batches under leases: one owner, each slice stored once and in its place, ended after three attempts, removed whole.
 * Expiry is brought about by moving lease_until, not by waiting. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/sha256.h"
#include "sql/db_batch.h"
#include "sql/db_job.h"
#include "tests/harness/test_stage_workers.h"

#define INPUT "a\n1\n2\n3\n"
#define OF_BATCHES "id NOT IN (SELECT blob_id FROM dataset_version)"

static int
end_all(void **state)
{
  (void) state;
  sql("DELETE FROM prediction_batch");
  sql("DELETE FROM blob WHERE " OF_BATCHES);
  return 0;
}

struct insertion
{
  const struct db_batch *batch;
  int fd;
  uint8_t digest[SHA256_BYTES];
};

static enum db_status
insert_batch(struct db_conn *conn, void *context)
{
  const struct insertion *insertion = context;
  return db_batch_insert(conn, insertion->batch, insertion->fd, insertion->digest);
}

static const char *
insert(void)
{
  char *id = arena_alloc(arena, 32);
  struct sha256 *sha = sha256_new();
  FILE *file = tmpfile();
  db_id_new("bat_", id, 32);
  struct db_batch batch = {.id = id,
                           .tenant_id = tenant,
                           .model_id = "mdl_none",
                           .model_name = "none",
                           .model_version = 1,
                           .options = "{\"strict\": false}",
                           .file_name = "a",
                           .input_bytes = strlen(INPUT),
                           .row_count = 3,
                           .keep_days = 1};
  struct insertion insertion = {.batch = &batch, .fd = fileno(file)};
  fputs(INPUT, file);
  fflush(file);
  sha256_update(sha, INPUT, strlen(INPUT));
  sha256_end(sha, insertion.digest);
  assert_int_equal(db_tx_run(one, "insert", insert_batch, &insertion), DB_ROWS);
  assert_int_equal(db_tx_run(one, "insert", insert_batch, &insertion), DB_ROWS);
  fclose(file);
  return id;
}

static struct db_batch_unit
claim(struct db_conn *conn, const char *worker, const char *wanted)
{
  struct db_batch_unit unit;
  assert_int_equal(db_batch_claim(conn, worker, arena, &unit), DB_ROWS);
  assert_string_equal(unit.batch_id, wanted);
  return unit;
}

static struct db_batch
get(const char *id)
{
  struct db_batch batch;
  assert_int_equal(db_batch_get(one, tenant, id, arena, &batch), DB_ROWS);
  return batch;
}

static void
expire(const char *id)
{
  sql("UPDATE prediction_batch SET lease_until = now() - interval '1 second' WHERE id = '%s'", id);
}

static bool
has_blobs(void)
{
  return strcmp(sql("SELECT count(*)::text FROM blob WHERE " OF_BATCHES), "0") != 0;
}

static void
test_slices(void **state)
{
  struct db_batch_place first = {.bytes = 4, .rows = 1}, last = {8, 3, 1, true};
  struct db_work_pulse pulse;
  struct db_batch_unit none;
  const void *bytes;
  size_t length, live = 0;

  (void) state;
  const char *id = insert();
  assert_string_equal(get(id).state, "queued");
  assert_int_equal(db_batch_count_live(one, tenant, &live), DB_ROWS);
  assert_int_equal(live, 1);
  struct db_batch_unit unit = claim(one, "w", id);
  assert_true(unit.place.bytes == 0 && unit.parts == 0 && unit.attempts == 1);
  assert_true(unit.input_blob > 0 && unit.input_bytes == strlen(INPUT) && unit.model_blob == 0);
  assert_int_equal(db_batch_claim(two, "v", arena, &none), DB_NONE);
  assert_int_equal(db_batch_heartbeat(one, &unit.lease, &pulse), DB_ROWS);
  assert_int_equal(db_batch_store(one, &unit, "x\n", 2, &first), DB_ROWS);
  /* once is enough, and the lease has gone back */
  assert_int_equal(db_batch_store(one, &unit, "x\n", 2, &first), DB_NONE);
  assert_int_equal(db_batch_heartbeat(one, &unit.lease, &pulse), DB_NONE);
  assert_string_equal(get(id).state, "running");
  unit = claim(two, "v", id);
  assert_true(unit.place.bytes == 4 && unit.place.rows == 1 && unit.parts == 1
              && unit.attempts == 1);
  assert_int_equal(db_batch_store(two, &unit, "y\nz\n", 4, &last), DB_ROWS);
  struct db_batch batch = get(id);
  assert_string_equal(batch.state, "succeeded");
  assert_true(batch.rows_done == 3 && batch.rows_faulty == 1 && batch.output_bytes == 6
              && batch.parts == 2 && batch.ended_us > 0);
  assert_int_equal(db_batch_part(one, id, 1, arena, &bytes, &length), DB_ROWS);
  assert_int_equal(length, 4);
  assert_memory_equal(bytes, "y\nz\n", 4);
  assert_int_equal(db_batch_part(one, id, 2, arena, &bytes, &length), DB_NONE);
  assert_false(has_blobs());
  assert_int_equal(db_batch_claim(one, "w", arena, &none), DB_NONE);
  assert_int_equal(db_batch_cancel(one, tenant, id), DB_NONE);
}

/* A stale worker's writes are refused, whatever they are. */
static void
test_one_owner(void **state)
{
  struct db_batch_place end = {.bytes = 8, .rows = 3, .ended = true};
  struct db_work_pulse pulse;

  (void) state;
  const char *id = insert();
  struct db_batch_unit stale = claim(one, "w", id);
  expire(id);
  struct db_batch_unit unit = claim(two, "v", id);
  assert_int_equal(db_batch_heartbeat(one, &stale.lease, &pulse), DB_NONE);
  assert_int_equal(db_batch_store(one, &stale, "x", 1, &end), DB_NONE);
  assert_int_equal(db_batch_end(one, &stale.lease, DB_WORK_FAILED, "late"), DB_NONE);
  assert_int_equal(db_batch_end(one, &stale.lease, DB_WORK_RELEASE, "late"), DB_NONE);
  /* that a worker is dead is known at once */
  assert_int_equal(db_batch_end_worker(one, "w"), DB_NONE);
  assert_int_equal(db_batch_end_worker(one, "v"), DB_ROWS);
  assert_int_equal(db_batch_store(two, &unit, "x", 1, &end), DB_NONE);
  unit = claim(one, "u", id);
  assert_int_equal(db_batch_store(one, &unit, "x", 1, &end), DB_ROWS);
  assert_string_equal(get(id).state, "succeeded");
}

static void
test_attempts(void **state)
{
  struct db_batch_place first = {.bytes = 4, .rows = 1};
  struct db_batch_unit unit, none;

  (void) state;
  const char *id = insert();
  for (int round = 0; round < 2; round++)
  {
    for (int i = 0; i < 2; i++)
    {
      unit = claim(one, "w", id);
      assert_int_equal(db_batch_end(one, &unit.lease, DB_WORK_RETRY, "killed"), DB_ROWS);
    }
    unit = claim(one, "w", id);
    assert_int_equal(db_batch_end(one, &unit.lease, DB_WORK_RELEASE, "stops"), DB_ROWS);
    unit = claim(one, "w", id);
    /* a slice that gets done has its own attempts behind it */
    if (round == 0)
      assert_int_equal(db_batch_store(one, &unit, "x", 1, &first), DB_ROWS);
  }
  assert_int_equal(db_batch_end(one, &unit.lease, DB_WORK_RETRY, "killed again"), DB_ROWS);
  assert_string_equal(get(id).state, "failed");
  assert_non_null(strstr(get(id).problem, "killed again"));
  id = insert();
  for (int i = 0; i < 3; i++)
  {
    claim(one, "w", id);
    expire(id);
  }
  assert_int_equal(db_batch_claim(one, "w", arena, &none), DB_NONE);
  assert_string_equal(get(id).state, "failed");
}

/* The one that was served longest ago comes next. */
static void
test_turns(void **state)
{
  struct db_batch_place first = {.bytes = 4, .rows = 1};

  (void) state;
  const char *early = insert(), *late = insert();
  for (int i = 0; i < 2; i++)
  {
    first.bytes++;
    struct db_batch_unit unit = claim(one, "w", early);
    assert_int_equal(db_batch_store(one, &unit, "x", 1, &first), DB_ROWS);
    unit = claim(one, "w", late);
    assert_int_equal(db_batch_store(one, &unit, "x", 1, &first), DB_ROWS);
  }
}

static void
test_they_go(void **state)
{
  struct db_batch_place first = {.bytes = 4, .rows = 1};
  struct db_work_pulse pulse;
  struct db_batch batch;

  (void) state;
  const char *id = insert();
  struct db_batch_unit unit = claim(one, "w", id);
  assert_int_equal(db_batch_store(one, &unit, "x", 1, &first), DB_ROWS);
  unit = claim(one, "w", id);
  assert_int_equal(db_batch_cancel(one, "ten_nobody", id), DB_NONE);
  assert_int_equal(db_batch_cancel(one, tenant, id), DB_ROWS);
  assert_int_equal(db_batch_heartbeat(one, &unit.lease, &pulse), DB_NONE);
  assert_int_equal(db_batch_store(one, &unit, "x", 1, &first), DB_NONE);
  assert_string_equal(get(id).state, "cancelled");
  assert_string_equal(sql("SELECT count(*)::text FROM prediction_batch_part"), "0");
  assert_false(has_blobs());
  assert_int_equal(db_batch_sweep(one), DB_NONE);
  sql("UPDATE prediction_batch SET ended_at = now() - interval '2 days'");
  assert_int_equal(db_forget_old(one, 30), DB_ROWS);
  assert_int_equal(db_batch_get(one, tenant, id, arena, &batch), DB_NONE);
  /* one that failed frees its file with the next sweep, one that is removed at once */
  id = insert();
  unit = claim(one, "w", id);
  assert_int_equal(db_batch_end(one, &unit.lease, DB_WORK_FAILED, "bad"), DB_ROWS);
  assert_true(has_blobs());
  assert_int_equal(db_batch_sweep(one), DB_NONE);
  assert_false(has_blobs());
  id = insert();
  unit = claim(one, "w", id);
  assert_int_equal(db_batch_delete(one, "ten_nobody", id), DB_NONE);
  assert_int_equal(db_batch_delete(one, tenant, id), DB_ROWS);
  assert_int_equal(db_batch_store(one, &unit, "x", 1, &first), DB_NONE);
  assert_false(has_blobs());
}

int
main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_slices, end_all),
                                     cmocka_unit_test_teardown(test_one_owner, end_all),
                                     cmocka_unit_test_teardown(test_attempts, end_all),
                                     cmocka_unit_test_teardown(test_turns, end_all),
                                     cmocka_unit_test_teardown(test_they_go, end_all)};
  (void) argc;
  test_db_start(argv);
  return cmocka_run_group_tests(tests, stage_workers_setup, stage_workers_teardown);
}
