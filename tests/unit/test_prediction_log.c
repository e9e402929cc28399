/* The log of predictions while there is no database: nobody waits, what finds no room is counted. */
#include <config.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "server/prediction_log.h"

#define MANY 10000

static struct prediction_record
record_of(int row)
{
  struct prediction_record record = {.row = row, .rows = MANY, .version = 1, .class_index = -1};
  memcpy(record.id, "prd_0123456789abcdefghjk", 25);
  memcpy(record.model, "mdl_0123456789abcdefghjk", 25);
  return record;
}

static struct prediction_log *
start(struct db_pool **pool)
{
  struct err_info info = {.code = ERR_OK};
  static struct server_limits limits;
  struct prediction_log *log = NULL;
  limits = (struct server_limits){.prediction_rate = 500, .prediction_rows = 1000};
  assert_int_equal(db_pool_new("host=/nonexistent connect_timeout=2", "test", 1, pool, &info),
                   ERR_OK);
  assert_int_equal(prediction_log_start(*pool, NULL, &limits, &log, &info), ERR_OK);
  return log;
}

static void *
put_many(void *log)
{
  for (int i = 0; i < MANY; i++)
  {
    struct prediction_record record = record_of(i);
    prediction_log_put(log, &record);
  }
  return NULL;
}

static void
test_without_a_database(void **state)
{
  (void) state;
  struct db_pool *pool;
  struct prediction_log *log = start(&pool);
  struct prediction_log_counts counts;
  pthread_t threads[3];
  for (size_t i = 0; i < 3; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, put_many, log), 0);
  for (size_t i = 0; i < 3; i++)
    pthread_join(threads[i], NULL);
  double began = clock_monotonic_s();
  for (int i = 0; i < MANY; i++)
  {
    struct prediction_record record = record_of(i);
    prediction_log_put(log, &record);
  }
  print_message("%.1f ns a record\n", 1e9 * (clock_monotonic_s() - began) / MANY);
  assert_false(prediction_log_flush(log, 3));
  prediction_log_counts(log, &counts);
  assert_int_equal(counts.logged, 0);
  /* four threads with 2048 places each */
  assert_int_equal(counts.dropped, 4 * (MANY - 2048));
  prediction_log_stop(log);
  db_pool_free(pool);
}

/* Of each model so many between two flushes; another model has its own. */
static void
test_grants(void **state)
{
  (void) state;
  struct db_pool *pool;
  struct prediction_log *log = start(&pool);
  char models[64] = {0};
  uint64_t turn = 0, last = 0;
  size_t granted = prediction_log_grant(log, &models[0], 10, &last);
  assert_in_range(granted, 1, 10);
  assert_int_equal(prediction_log_grant(log, &models[0], 0, &turn), 0);
  assert_int_equal(turn, last + 1);
  assert_in_range(prediction_log_grant(log, &models[0], 100000, &turn), 50, 64);
  assert_in_range(prediction_log_grant(log, &models[32], 5, &turn), 1, 5);
  struct prediction_sample sample = {.count = 1};
  for (int i = 0; i < 1000; i++)
    prediction_log_sample(log, &sample);
  prediction_log_stop(log);
  db_pool_free(pool);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_without_a_database),
                                     cmocka_unit_test(test_grants)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
