/* A database for tests: a private cluster per test program, and rows to stand on.
 *
 * main calls test_db_start first: without ATTUNE_TEST_DATABASE in the environment it runs the program
 * again under tests/harness/with_postgres.sh, which removes the cluster however the program ends. The
 * functions below stop the test (cmocka's fail) when something does not work.
 */
#ifndef ATTUNE_TESTS_TEST_DB_H
#define ATTUNE_TESTS_TEST_DB_H

#include "base/arena.h"
#include "sql/db.h"

/* Returns once there is a cluster; the first call of main. */
void test_db_start(char **argv);

/* Of the cluster's first database, with the schema applied by the first call of test_db_open. */
const char *test_db_conninfo(void);
struct db_conn *test_db_open(void);

/* A new empty database; its conninfo is the arena's. */
const char *test_db_new_database(struct arena *arena, const char *name);

/* One statement that is not prepared; the first column of its first row as text, or "". */
const char *test_db_sql(struct db_conn *conn, struct arena *arena, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* Ids of new rows: a tenant, a ready dataset of `bytes` (kind table), a queued job on one. */
const char *test_db_tenant(struct db_conn *conn, struct arena *arena);
const char *test_db_dataset(struct db_conn *conn, struct arena *arena, const char *tenant_id);
const char *test_db_job(struct db_conn *conn, struct arena *arena, const char *tenant_id,
                        const char *dataset_id, const char *spec);

#endif
