#include <config.h>

#include "tests/harness/test_db.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <sodium.h>

#include "sql/db_conn.h"
#include "sql/db_dataset.h"
#include "sql/db_job.h"
#include "sql/db_tenant.h"

void
test_db_start(char **argv)
{
  if (getenv("ATTUNE_TEST_DATABASE") != NULL)
    return;
  char *const command[] = {"sh", TEST_HARNESS_DIR "/with_postgres.sh", argv[0], NULL};
  execv("/bin/sh", command);
  perror("could not run with_postgres.sh");
  exit(99);
}

const char *
test_db_conninfo(void)
{
  const char *conninfo = getenv("ATTUNE_TEST_DATABASE");
  assert_non_null(conninfo);
  return conninfo;
}

struct db_conn *
test_db_open(void)
{
  struct db_conn *conn;
  struct err_info info;
  int from, to;
  if (db_connect(test_db_conninfo(), "test", &conn, &info) != ERR_OK)
    fail_msg("%s", info.text);
  if (db_patch_apply(conn, &from, &to, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return conn;
}

const char *
test_db_sql(struct db_conn *conn, struct arena *arena, const char *format, ...)
{
  char sql[4096];
  va_list arguments;
  va_start(arguments, format);
  int length = vsnprintf(sql, sizeof sql, format, arguments);
  va_end(arguments);
  assert_in_range(length, 0, sizeof sql - 1);
  PGresult *result = PQexec(conn->pg, sql);
  ExecStatusType kind = PQresultStatus(result);
  if (kind != PGRES_TUPLES_OK && kind != PGRES_COMMAND_OK)
    fail_msg("%s: %s", sql, PQresultErrorMessage(result));
  const char *value = "";
  if (PQntuples(result) > 0)
    value = arena_strdup(arena, PQgetvalue(result, 0, 0));
  PQclear(result);
  return value;
}

const char *
test_db_new_database(struct arena *arena, const char *name)
{
  struct db_conn *conn;
  assert_int_equal(db_connect(test_db_conninfo(), "test", &conn, NULL), ERR_OK);
  test_db_sql(conn, arena, "CREATE DATABASE %s TEMPLATE template0", name);
  db_close(conn);
  return arena_printf(arena, "%s dbname=%s", test_db_conninfo(), name);
}

const char *
test_db_tenant(struct db_conn *conn, struct arena *arena)
{
  char name[32];
  const char *id;
  db_id_new("name_", name, sizeof name);
  assert_int_equal(db_tenant_ensure(conn, name, arena, &id), DB_ROWS);
  return id;
}

static const char dataset_bytes[] = "five rows of bytes";

static long
read_dataset(void *context, char *bytes, size_t size)
{
  size_t *at = context;
  size_t left = sizeof dataset_bytes - 1 - *at;
  size_t count = left < size ? left : size;
  memcpy(bytes, dataset_bytes + *at, count);
  *at += count;
  return (long) count;
}

static bool
rewind_dataset(void *context)
{
  *(size_t *) context = 0;
  return true;
}

const char *
test_db_dataset(struct db_conn *conn, struct arena *arena, const char *tenant_id)
{
  char *id = arena_alloc(arena, 32);
  size_t at = 0;
  struct db_dataset_content content = {.kind = "table",
                                       .bytes = sizeof dataset_bytes - 1,
                                       .rows = 5,
                                       .schema = "{\"columns\": []}",
                                       .read_fn = read_dataset,
                                       .rewind_fn = rewind_dataset,
                                       .context = &at};
  crypto_hash_sha256(content.sha256, (const unsigned char *) dataset_bytes,
                     sizeof dataset_bytes - 1);
  db_id_new("ds_", id, 32);
  assert_int_equal(db_dataset_insert(conn, id, tenant_id, "data", "here"), DB_ROWS);
  assert_int_equal(db_dataset_finish(conn, id, &content), DB_ROWS);
  return id;
}

const char *
test_db_job(struct db_conn *conn, struct arena *arena, const char *tenant_id,
            const char *dataset_id, const char *spec)
{
  char *id = arena_alloc(arena, 32);
  db_id_new("job_", id, 32);
  assert_int_equal(db_job_insert(conn, id, tenant_id, "job", dataset_id, 1, spec), DB_ROWS);
  return id;
}
