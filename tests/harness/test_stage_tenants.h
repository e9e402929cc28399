/* A stage (test_stage.h) with two tenants and a dataset of the first. Header only. */
#ifndef ATTUNE_TESTS_TEST_STAGE_TENANTS_H
#define ATTUNE_TESTS_TEST_STAGE_TENANTS_H

#include "tests/harness/test_stage.h"

static const char *tenant, *other;
static __attribute__((unused)) const char *dataset;

static inline int
stage_tenants_setup(void **state)
{
  int failed = stage_setup(state);
  tenant = test_db_tenant(conn, arena);
  other = test_db_tenant(conn, arena);
  dataset = test_db_dataset(conn, arena, tenant);
  return failed;
}

#endif
