/* Records of predictions between two threads: order, wraparound, drops. */
#include <config.h>

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "server/prediction_ring.h"

/* About the size of what the log puts in. */
struct record
{
  uint32_t row, rows;
  char id[120];
  float value;
};

static struct record
record_of(uint32_t row)
{
  struct record record = {.row = row, .rows = row + 1, .value = (float) row};
  memset(record.id, 'a' + (int) (row % 26), sizeof record.id - 1);
  return record;
}

static void
assert_record(const struct record *got, uint32_t row)
{
  struct record want = record_of(row);
  assert_int_equal(got->row, want.row);
  assert_int_equal(got->rows, want.rows);
  assert_string_equal(got->id, want.id);
}

static void
test_sizes(void **state)
{
  (void) state;
  assert_null(prediction_ring_new(0, sizeof(struct record)));
  assert_null(prediction_ring_new(3, sizeof(struct record)));
  assert_null(
    prediction_ring_new(SIZE_MAX / 2 + 1, sizeof(struct record))); /* its bytes overflow a size */
  assert_null(prediction_ring_new(4, 0));
  prediction_ring_free(NULL);
}

static void
test_wraps_in_order(void **state)
{
  (void) state;
  struct prediction_ring *ring = prediction_ring_new(4, sizeof(struct record));
  assert_non_null(ring);
  uint32_t put = 0, taken = 0;
  struct record got[4];
  for (int round = 0; round < 10; round++)
  {
    for (int i = 0; i < 3; i++, put++)
    {
      struct record record = record_of(put);
      assert_true(prediction_ring_put(ring, &record));
    }
    assert_int_equal(prediction_ring_take(ring, got, 2), 2);
    assert_int_equal(prediction_ring_take(ring, got + 2, 2), 1);
    for (int i = 0; i < 3; i++, taken++)
      assert_record(&got[i], taken);
  }
  assert_true(prediction_ring_is_empty(ring));
  assert_int_equal(prediction_ring_take(ring, got, 4), 0);
  assert_int_equal(prediction_ring_dropped(ring), 0);
  prediction_ring_free(ring);
}

static void
test_full_drops_the_newest(void **state)
{
  (void) state;
  struct prediction_ring *ring = prediction_ring_new(4, sizeof(struct record));
  assert_non_null(ring);
  for (uint32_t i = 0; i < 7; i++)
  {
    struct record record = record_of(i);
    assert_int_equal(prediction_ring_put(ring, &record), i < 4);
  }
  assert_int_equal(prediction_ring_dropped(ring), 3);
  struct record got[8];
  assert_int_equal(prediction_ring_take(ring, got, 8), 4);
  for (uint32_t i = 0; i < 4; i++)
    assert_record(&got[i], i);
  struct record record = record_of(9);
  assert_true(prediction_ring_put(ring, &record));
  prediction_ring_free(ring);
}

#define MANY 20000

static void *
put_many(void *ring)
{
  for (uint32_t i = 0; i < MANY; i++)
  {
    struct record record = record_of(i);
    prediction_ring_put(ring, &record);
    if (i % 64 == 63)
      sched_yield();
  }
  return NULL;
}

/* Whatever the two threads do, what is taken is whole and in order, and nothing is lost uncounted. */
static void
test_two_threads(void **state)
{
  (void) state;
  struct prediction_ring *ring = prediction_ring_new(64, sizeof(struct record));
  assert_non_null(ring);
  pthread_t thread;
  assert_int_equal(pthread_create(&thread, NULL, put_many, ring), 0);
  struct record got[16];
  uint64_t taken = 0;
  uint32_t next = 0;
  while (taken + prediction_ring_dropped(ring) < MANY)
  {
    size_t count = prediction_ring_take(ring, got, 16);
    for (size_t i = 0; i < count; i++)
    {
      assert_true(got[i].row >= next);
      assert_record(&got[i], got[i].row);
      next = got[i].row + 1;
    }
    taken += count;
  }
  pthread_join(thread, NULL);
  assert_int_equal(taken + prediction_ring_dropped(ring), MANY);
  prediction_ring_free(ring);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_sizes),
    cmocka_unit_test(test_wraps_in_order),
    cmocka_unit_test(test_full_drops_the_newest),
    cmocka_unit_test(test_two_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
