/* The stage of a test of work under leases: two connections that play two workers, an arena that lives as long as all
 * tests of the program, a tenant and its dataset. Header only, on top of test_db.h; instead of test_stage.h. */
#ifndef ATTUNE_TESTS_TEST_STAGE_WORKERS_H
#define ATTUNE_TESTS_TEST_STAGE_WORKERS_H

#include <stddef.h>

#include "tests/harness/test_db.h"

static struct arena *arena;
static struct db_conn *one, *two;
static const char *tenant;
static __attribute__((unused)) const char *dataset;

#define sql(...) test_db_sql(one, arena, __VA_ARGS__)

static inline int
stage_workers_setup(void **state)
{
  (void) state;
  arena = arena_new(0);
  one = test_db_open();
  two = test_db_open();
  tenant = test_db_tenant(one, arena);
  dataset = test_db_dataset(one, arena, tenant);
  return arena == NULL;
}

static inline int
stage_workers_teardown(void **state)
{
  (void) state;
  db_close(two);
  db_close(one);
  arena_free(arena);
  return 0;
}

#endif
