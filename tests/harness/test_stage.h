/* The stage of a database test: a connection, and an arena that lives as long as all tests of the program.
 *
 *   cmocka_run_group_tests(tests, stage_setup, stage_teardown)
 *
 * A program that needs more calls them from its own. Header only; on top of test_db.h.
 */
#ifndef ATTUNE_TESTS_TEST_STAGE_H
#define ATTUNE_TESTS_TEST_STAGE_H

#include <stddef.h>

#include "tests/harness/test_db.h"

static struct arena *arena;
static struct db_conn *conn;

static inline int
stage_setup(void **state)
{
  (void) state;
  arena = arena_new(0);
  conn = test_db_open();
  return arena == NULL;
}

static inline int
stage_teardown(void **state)
{
  (void) state;
  db_close(conn);
  arena_free(arena);
  return 0;
}

#endif
