/* A stage (test_stage.h) for a real attune-engine: its data directory, and a tenant's table to train on. Header
 * only. */
#ifndef ATTUNE_TESTS_TEST_STAGE_ENGINE_H
#define ATTUNE_TESTS_TEST_STAGE_ENGINE_H

#include "tests/harness/test_engine.h"
#include "tests/harness/test_stage.h"
#include "tests/harness/test_support.h"

static const char *tenant, *table;
static char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE]; /* path: the table's file */

static inline int
stage_engine_setup(void **state, size_t rows)
{
  int failed = stage_setup(state);
  tenant = test_db_tenant(conn, arena);
  test_make_dir(dir);
  test_path(path, dir, "table.atds");
  test_engine_table(path, rows, 1, 0);
  table = test_engine_store(conn, arena, tenant, path);
  return failed;
}

static inline int
stage_engine_teardown(void **state)
{
  test_engine_stop_all();
  test_remove_dir(dir);
  return stage_teardown(state);
}

#endif
