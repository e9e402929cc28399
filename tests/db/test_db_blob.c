/* Blobs: what goes in comes out, whole or not at all. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "base/rng.h"
#include "sql/db_conn.h"
#include "tests/harness/test_stage.h"

/* Bytes without a pattern, given in pieces of changing sizes. */
struct source
{
  unsigned char *bytes;
  size_t length, at;
  size_t stop_at; /* fails here, when not 0 */
  int kill_pid;   /* a backend to end at stop_at instead */
  uint8_t sha256[32];
  uint64_t announced;
  int64_t blob_id;
  int runs;
};

static struct source
make_source(size_t length)
{
  struct source source = {.length = length, .announced = length};
  source.bytes = malloc(length + 8);
  assert_non_null(source.bytes);
  struct rng rng;
  rng_init(&rng, 5, length);
  for (size_t i = 0; i < length; i += 8)
  {
    uint64_t word = rng_u64(&rng);
    memcpy(source.bytes + i, &word, 8);
  }
  crypto_hash_sha256(source.sha256, source.bytes, length);
  return source;
}

static long
read_source(void *context, char *bytes, size_t size)
{
  struct source *source = context;
  size_t count = source->length - source->at;
  if (source->stop_at > 0 && source->at >= source->stop_at)
  {
    if (source->kill_pid == 0)
      return -1;
    struct db_conn *other = test_db_open();
    test_db_sql(other, arena, "SELECT pg_terminate_backend(%d, 5000)", source->kill_pid);
    db_close(other);
    source->stop_at = 0;
  }
  if (count > size)
    count = size;
  if (count > 100003)
    count = 100003;
  memcpy(bytes, source->bytes + source->at, count);
  source->at += count;
  return (long) count;
}

static enum db_status
write_source(struct db_conn *at, void *context)
{
  struct source *source = context;
  source->at = 0;
  source->runs++;
  return db_blob_write(at, read_source, source, source->sha256, source->announced,
                       &source->blob_id);
}

struct sink
{
  const struct source *source;
  size_t at;
  bool same;
  size_t stop_at;
};

static bool
compare(void *context, const char *bytes, size_t size)
{
  struct sink *sink = context;
  if (sink->stop_at > 0 && sink->at >= sink->stop_at)
    return false;
  sink->same = sink->same && sink->at + size <= sink->source->length
               && memcmp(bytes, sink->source->bytes + sink->at, size) == 0;
  sink->at += size;
  return true;
}

static void
check_round_trip(size_t length)
{
  struct source source = make_source(length);
  struct sink sink = {.source = &source, .same = true};
  assert_int_equal(db_tx_run(conn, "test", write_source, &source), DB_ROWS);
  assert_int_equal(db_blob_read(conn, source.blob_id, compare, &sink), DB_ROWS);
  assert_true(sink.same);
  assert_int_equal(sink.at, length);
  assert_int_equal(db_blob_delete(conn, source.blob_id), DB_ROWS);
  assert_int_equal(db_blob_delete(conn, source.blob_id), DB_NONE);
  assert_int_equal(db_blob_read(conn, source.blob_id, compare, &sink), DB_NONE);
  free(source.bytes);
}

static void
check_nothing_left(void)
{
  assert_string_equal(test_db_sql(conn, arena, "SELECT count(*) FROM blob_chunk"), "0");
  assert_string_equal(test_db_sql(conn, arena, "SELECT count(*) FROM blob"), "0");
}

static void
test_round_trips(void **state)
{
  (void) state;
  static const size_t lengths[] = {
    0, 1, (1 << 20) - 1, 1 << 20, (4 << 20) - 1, 4 << 20, (4 << 20) + 1, 20000000};
  for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++)
    check_round_trip(lengths[i]);
  check_nothing_left();
}

static void
test_more_than_one_copy(void **state)
{
  (void) state;
  check_round_trip(((size_t) 64 << 20) + 77); /* a COPY takes 64 MiB */
}

static enum db_status
write_bytes(struct db_conn *at, void *context)
{
  struct source *source = context;
  return db_blob_write_bytes(at, source->bytes, source->length, &source->blob_id);
}

static void
test_bytes_of_memory(void **state)
{
  (void) state;
  struct source source = make_source(3000000);
  struct sink sink = {.source = &source, .same = true};
  assert_int_equal(db_tx_run(conn, "test", write_bytes, &source), DB_ROWS);
  assert_int_equal(db_blob_read(conn, source.blob_id, compare, &sink), DB_ROWS);
  assert_true(sink.same && sink.at == 3000000);
  db_blob_delete(conn, source.blob_id);
  source.length = 0;
  assert_int_equal(db_tx_run(conn, "test", write_bytes, &source), DB_ROWS);
  sink.at = 0;
  assert_int_equal(db_blob_read(conn, source.blob_id, compare, &sink), DB_ROWS);
  assert_int_equal(sink.at, 0);
  db_blob_delete(conn, source.blob_id);
  free(source.bytes);
}

static void
test_bad_writes_leave_nothing(void **state)
{
  (void) state;
  struct source source = make_source(9000000);
  int64_t blob_id;
  /* Without a transaction. */
  assert_int_equal(db_blob_write(conn, read_source, &source, source.sha256, 9000000, &blob_id),
                   DB_HARD);
  /* The reader fails. */
  source.stop_at = 6000000;
  assert_int_equal(db_tx_run(conn, "test", write_source, &source), DB_HARD);
  check_nothing_left();
  source.stop_at = 0;
  /* Fewer and more bytes than announced, other bytes than announced. */
  source.announced = 9000001;
  assert_int_equal(db_tx_run(conn, "test", write_source, &source), DB_HARD);
  source.announced = 8999999;
  assert_int_equal(db_tx_run(conn, "test", write_source, &source), DB_HARD);
  source.announced = 9000000;
  source.sha256[7] ^= 1;
  assert_int_equal(db_tx_run(conn, "test", write_source, &source), DB_HARD);
  check_nothing_left();
  assert_true(db_is_open(conn));
  free(source.bytes);
}

static void
test_killed_while_writing(void **state)
{
  (void) state;
  struct source source = make_source(20000000);
  source.stop_at = 12000000;
  source.kill_pid = PQbackendPID(conn->pg);
  assert_int_equal(db_tx_run(conn, "test", write_source, &source), DB_ROWS);
  assert_int_equal(source.runs, 2);
  assert_string_equal(test_db_sql(conn, arena, "SELECT count(*) FROM blob"), "1");
  struct sink sink = {.source = &source, .same = true};
  assert_int_equal(db_blob_read(conn, source.blob_id, compare, &sink), DB_ROWS);
  assert_true(sink.same);
  db_blob_delete(conn, source.blob_id);
  check_nothing_left();
  free(source.bytes);
}

static void
test_bad_reads(void **state)
{
  (void) state;
  struct source source = make_source(9000000);
  struct sink sink = {.source = &source, .same = true, .stop_at = 2000000};
  assert_int_equal(db_tx_run(conn, "test", write_source, &source), DB_ROWS);
  assert_int_equal(db_blob_read(conn, source.blob_id, compare, &sink), DB_HARD);
  sink.stop_at = 0;
  long long id = source.blob_id;
  test_db_sql(conn, arena,
              "UPDATE blob_chunk SET data = set_byte(data, 99, get_byte(data, 99) # 1)"
              " WHERE blob_id = %lld AND seq = 1",
              id);
  sink.at = 0;
  assert_int_equal(db_blob_read(conn, source.blob_id, compare, &sink), DB_HARD);
  assert_false(sink.same);
  assert_non_null(strstr(db_last_error(conn), "digest"));
  test_db_sql(conn, arena, "DELETE FROM blob_chunk WHERE blob_id = %lld AND seq = 2", id);
  assert_int_equal(db_blob_read(conn, source.blob_id, compare, &sink), DB_HARD);
  assert_non_null(strstr(db_last_error(conn), "missing"));
  db_blob_delete(conn, source.blob_id);
  free(source.bytes);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trips),          cmocka_unit_test(test_more_than_one_copy),
    cmocka_unit_test(test_bytes_of_memory),      cmocka_unit_test(test_bad_writes_leave_nothing),
    cmocka_unit_test(test_killed_while_writing), cmocka_unit_test(test_bad_reads)};
  return cmocka_run_group_tests_name("db_blob", tests, stage_setup, stage_teardown);
}
