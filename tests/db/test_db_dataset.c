/* Datasets: ingest, versions, lists, deletion. */
#include <config.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "sql/db_conn.h"
#include "sql/db_dataset.h"
#include "sql/db_job.h"
#include "tests/harness/test_stage.h"

struct file
{
  const char *text;
  size_t at;
  int rewinds;
  const char *kill_dataset; /* deleted by another connection while the file is read */
  int kill_pid;
};

static long
read_file(void *context, char *bytes, size_t size)
{
  struct file *file = context;
  if (file->kill_pid != 0 || file->kill_dataset != NULL)
  {
    struct db_conn *other = test_db_open();
    if (file->kill_pid != 0)
      test_db_sql(other, arena, "SELECT pg_terminate_backend(%d, 5000)", file->kill_pid);
    else
      test_db_sql(other, arena, "UPDATE dataset SET deleted_at = now() WHERE id = '%s'",
                  file->kill_dataset);
    db_close(other);
    file->kill_pid = 0;
    file->kill_dataset = NULL;
  }
  size_t count = strlen(file->text) - file->at;
  if (count > size)
    count = size;
  memcpy(bytes, file->text + file->at, count);
  file->at += count;
  return (long) count;
}

static bool
rewind_file(void *context)
{
  struct file *file = context;
  file->at = 0;
  file->rewinds++;
  return true;
}

static struct db_dataset_content
content_of(struct file *file)
{
  struct db_dataset_content content = {.kind = "table",
                                       .bytes = strlen(file->text),
                                       .rows = 12,
                                       .schema = "{\"columns\": [1, 2]}",
                                       .read_fn = read_file,
                                       .rewind_fn = rewind_file,
                                       .context = file};
  crypto_hash_sha256(content.sha256, (const unsigned char *) file->text, strlen(file->text));
  return content;
}

static const char *
insert(const char *tenant, const char *instance)
{
  char *id = arena_alloc(arena, 32);
  db_id_new("ds_", id, 32);
  assert_int_equal(db_dataset_insert(conn, id, tenant, "irises", instance), DB_ROWS);
  return id;
}

static bool
collect(void *context, const char *bytes, size_t size)
{
  strncat(context, bytes, size);
  return true;
}

static void
test_ingest(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *other = test_db_tenant(conn, arena);
  const char *id = insert(tenant, "here");
  struct db_dataset dataset;
  assert_int_equal(db_dataset_get(conn, tenant, id, 0, arena, &dataset), DB_ROWS);
  assert_string_equal(dataset.state, "ingesting");
  assert_string_equal(dataset.name, "irises");
  assert_int_equal(dataset.version, 1);
  assert_null(dataset.kind);
  assert_null(dataset.schema);
  assert_null(dataset.problem);
  assert_int_equal(db_dataset_heartbeat(conn, id, "here"), DB_ROWS);
  assert_int_equal(db_dataset_heartbeat(conn, id, "there"), DB_NONE);

  struct file file = {.text = "canonical bytes"};
  struct db_dataset_content content = content_of(&file);
  assert_int_equal(db_dataset_finish(conn, id, &content), DB_ROWS);
  assert_int_equal(db_dataset_heartbeat(conn, id, "here"), DB_NONE);
  assert_int_equal(db_dataset_get(conn, tenant, id, 0, arena, &dataset), DB_ROWS);
  assert_string_equal(dataset.state, "ready");
  assert_string_equal(dataset.kind, "table");
  assert_string_equal(dataset.schema, "{\"columns\": [1, 2]}");
  assert_int_equal(dataset.rows, 12);
  assert_int_equal(dataset.bytes, 15);
  assert_memory_equal(dataset.sha256, content.sha256, 32);
  char text[64] = "";
  assert_int_equal(db_blob_read(conn, dataset.blob_id, collect, text), DB_ROWS);
  assert_string_equal(text, "canonical bytes");

  /* Told again after a lost answer: fine without reading; with other content it is not. */
  assert_int_equal(db_dataset_finish(conn, id, &content), DB_ROWS);
  struct file twin = {.text = "other bytes"};
  content = content_of(&twin);
  assert_int_equal(db_dataset_finish(conn, id, &content), DB_NONE);
  assert_int_equal(twin.at, 0);
  assert_int_equal(db_dataset_finish(conn, "ds_none", &content), DB_NONE);

  assert_int_equal(db_dataset_get(conn, other, id, 0, arena, &dataset), DB_NONE);
  assert_int_equal(db_dataset_get(conn, tenant, id, 2, arena, &dataset), DB_NONE);
  assert_int_equal(db_dataset_get(conn, tenant, "ds_none", 0, arena, &dataset), DB_NONE);
}

static void
test_finish_survives_a_kill(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena);
  const char *id = insert(tenant, "here");
  struct file file = {.text = "read twice", .kill_pid = PQbackendPID(conn->pg)};
  struct db_dataset_content content = content_of(&file);
  uint64_t bytes;
  assert_int_equal(db_dataset_finish(conn, id, &content), DB_ROWS);
  assert_int_equal(file.rewinds, 1);
  assert_int_equal(db_dataset_bytes(conn, tenant, &bytes), DB_ROWS);
  assert_int_equal(bytes, 10);
}

static void
test_finish_of_a_deleted_dataset(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena);
  const char *id = insert(tenant, "here");
  const char *before = test_db_sql(conn, arena, "SELECT count(*) FROM blob");
  struct file file = {.text = "too late", .kill_dataset = id};
  struct db_dataset_content content = content_of(&file);
  assert_int_equal(db_dataset_finish(conn, id, &content), DB_NONE);
  assert_string_equal(test_db_sql(conn, arena, "SELECT count(*) FROM blob"), before);
}

static void
test_failure(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena);
  const char *id = insert(tenant, "here");
  struct db_dataset dataset;
  assert_int_equal(db_dataset_fail(conn, id, "{\"code\": \"bad_csv\"}"), DB_ROWS);
  assert_int_equal(db_dataset_fail(conn, id, "{\"code\": \"again\"}"), DB_NONE);
  assert_int_equal(db_dataset_get(conn, tenant, id, 0, arena, &dataset), DB_ROWS);
  assert_string_equal(dataset.state, "failed");
  assert_string_equal(dataset.problem, "{\"code\": \"bad_csv\"}");
  struct file file = {.text = "x"};
  struct db_dataset_content content = content_of(&file);
  assert_int_equal(db_dataset_finish(conn, id, &content), DB_NONE);
}

static void
test_recovery(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena);
  const char *mine = insert(tenant, "mine"), *fresh = insert(tenant, "theirs");
  const char *stale = insert(tenant, "gone");
  struct db_dataset dataset;
  const char **ids;
  size_t count;
  test_db_sql(
    conn, arena,
    "UPDATE dataset SET lease_until = now() - interval '61 seconds' WHERE id IN ('%s', '%s')",
    stale, mine);
  assert_int_equal(db_dataset_recover(conn, "mine", arena, &ids, &count), DB_ROWS);
  assert_int_equal(count, 1);
  assert_string_equal(ids[0], mine);
  db_dataset_get(conn, tenant, mine, 0, arena, &dataset);
  assert_string_equal(dataset.state, "ingesting");
  db_dataset_get(conn, tenant, fresh, 0, arena, &dataset);
  assert_string_equal(dataset.state, "ingesting");
  db_dataset_get(conn, tenant, stale, 0, arena, &dataset);
  assert_string_equal(dataset.state, "failed");
  assert_non_null(strstr(dataset.problem, "ingest_interrupted"));
  /* Its own lease was renewed: another instance does not give it up. */
  assert_int_equal(db_dataset_recover(conn, "theirs", arena, &ids, &count), DB_ROWS);
  assert_int_equal(count, 1);
  db_dataset_get(conn, tenant, mine, 0, arena, &dataset);
  assert_string_equal(dataset.state, "ingesting");
}

static void
test_versions(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *other = test_db_tenant(conn, arena);
  const char *id = test_db_dataset(conn, arena, tenant);
  struct db_dataset dataset;
  uint64_t bytes;
  int version = 0;
  struct file file = {.text = "corrected"};
  struct db_dataset_content content = content_of(&file);
  content.kind = "images";
  assert_int_equal(db_dataset_add_version(conn, other, id, 1, &content, &version), DB_NONE);
  assert_int_equal(db_dataset_add_version(conn, tenant, id, 2, &content, &version), DB_NONE);
  assert_int_equal(db_dataset_add_version(conn, tenant, id, 1, &content, &version), DB_ROWS);
  assert_int_equal(version, 2);
  assert_int_equal(db_dataset_add_version(conn, tenant, id, 1, &content, &version), DB_NONE);
  assert_int_equal(db_dataset_get(conn, tenant, id, 0, arena, &dataset), DB_ROWS);
  assert_int_equal(dataset.version, 2);
  assert_string_equal(dataset.kind, "images");
  assert_int_equal(db_dataset_get(conn, tenant, id, 1, arena, &dataset), DB_ROWS);
  assert_int_equal(dataset.version, 1);
  assert_string_equal(dataset.kind, "table");
  int64_t first = dataset.blob_id;
  assert_int_equal(db_dataset_bytes(conn, tenant, &bytes), DB_ROWS);
  assert_int_equal(bytes, 18 + 9);
  /* Only the schema differs: the bytes are shared. */
  content.schema = "{\"columns\": []}";
  assert_int_equal(db_dataset_add_version(conn, tenant, id, 2, &content, &version), DB_ROWS);
  assert_int_equal(version, 3);
  db_dataset_bytes(conn, tenant, &bytes);
  assert_int_equal(bytes, 18 + 9);
  db_dataset_get(conn, tenant, id, 3, arena, &dataset);
  assert_string_equal(dataset.schema, "{\"columns\": []}");
  assert_true(dataset.blob_id != first && dataset.blob_id != 0);

  const char *open = insert(tenant, "here");
  assert_int_equal(db_dataset_add_version(conn, tenant, open, 1, &content, &version), DB_NONE);
}

static void
test_list(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *cursor = NULL, *ids[5];
  struct db_dataset *datasets;
  size_t count, seen = 0;
  for (int i = 0; i < 4; i++)
    ids[i] = test_db_dataset(conn, arena, tenant);
  ids[4] = insert(tenant, "here");
  test_db_dataset(conn, arena, test_db_tenant(conn, arena));
  do
  {
    assert_int_equal(db_dataset_list(conn, tenant, cursor, 2, arena, &datasets, &count), DB_ROWS);
    for (size_t i = 0; i < count; i++)
    {
      assert_string_equal(datasets[i].id, ids[4 - seen]);
      assert_null(datasets[i].schema);
      assert_string_equal(datasets[i].state, seen == 0 ? "ingesting" : "ready");
      cursor = db_cursor(arena, datasets[i].created_us, datasets[i].id);
      seen++;
    }
  } while (count > 0);
  assert_int_equal(seen, 5);
  /* The cursor's row may be deleted meanwhile: the pages go on from its place. */
  bool busy;
  assert_int_equal(db_dataset_list(conn, tenant, NULL, 2, arena, &datasets, &count), DB_ROWS);
  cursor = db_cursor(arena, datasets[1].created_us, datasets[1].id);
  assert_int_equal(db_dataset_delete(conn, tenant, datasets[1].id, &busy), DB_ROWS);
  assert_int_equal(db_dataset_list(conn, tenant, cursor, 9, arena, &datasets, &count), DB_ROWS);
  assert_int_equal(count, 3);
  assert_string_equal(datasets[0].id, ids[2]);
  assert_int_equal(db_dataset_list(conn, tenant, "5", 9, arena, &datasets, &count), DB_NONE);
}

static void
test_deletion(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *other = test_db_tenant(conn, arena);
  const char *id = test_db_dataset(conn, arena, tenant);
  const char *job = test_db_job(conn, arena, tenant, id, "{}");
  const char *before = test_db_sql(conn, arena, "SELECT count(*) FROM blob");
  struct db_dataset dataset;
  uint64_t bytes;
  bool busy, ended;
  assert_int_equal(db_dataset_delete(conn, other, id, &busy), DB_NONE);
  assert_false(busy);
  assert_int_equal(db_dataset_delete(conn, tenant, id, &busy), DB_NONE);
  assert_true(busy);
  assert_int_equal(db_job_cancel(conn, tenant, job, &ended), DB_ROWS);
  assert_int_equal(db_dataset_delete(conn, tenant, id, &busy), DB_ROWS);
  assert_false(busy);
  assert_int_equal(db_dataset_delete(conn, tenant, id, &busy), DB_NONE);
  assert_int_equal(db_dataset_get(conn, tenant, id, 0, arena, &dataset), DB_NONE);
  assert_int_equal(db_dataset_bytes(conn, tenant, &bytes), DB_ROWS);
  assert_int_equal(bytes, 0);
  assert_int_equal(atoi(test_db_sql(conn, arena, "SELECT count(*) FROM blob")), atoi(before) - 1);
  /* The job that used it can still be read, and no new one can use it. */
  struct db_job row;
  assert_int_equal(db_job_get(conn, tenant, job, arena, &row), DB_ROWS);
  assert_string_equal(row.dataset_id, id);
  assert_int_equal(db_job_insert(conn, "job_late", tenant, "late", id, 1, "{}"), DB_NONE);
  const char *open = insert(tenant, "here");
  assert_int_equal(db_dataset_delete(conn, tenant, open, &busy), DB_ROWS);
}

/* A job is inserted while its dataset is deleted: one of the two is refused, every time. */
struct user
{
  const char *tenant, *dataset;
  pthread_barrier_t *barrier;
  struct db_conn *own;
  enum db_status status;
};

static void *
use_dataset(void *context)
{
  struct user *user = context;
  char id[32];
  db_id_new("job_", id, sizeof id);
  pthread_barrier_wait(user->barrier);
  user->status = db_job_insert(user->own, id, user->tenant, "job", user->dataset, 1, "{}");
  return NULL;
}

static void
test_deletion_against_a_new_job(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena);
  struct db_conn *own = test_db_open();
  pthread_barrier_t barrier;
  pthread_barrier_init(&barrier, NULL, 2);
  for (int i = 0; i < 300; i++)
  {
    struct user user = {.tenant = tenant,
                        .dataset = test_db_dataset(conn, arena, tenant),
                        .barrier = &barrier,
                        .own = own,
                        .status = DB_HARD};
    pthread_t thread;
    bool busy;
    pthread_create(&thread, NULL, use_dataset, &user);
    pthread_barrier_wait(&barrier);
    enum db_status deleted = db_dataset_delete(conn, tenant, user.dataset, &busy);
    pthread_join(thread, NULL);
    assert_true(user.status == (deleted == DB_ROWS ? DB_NONE : DB_ROWS));
    assert_int_equal(busy, deleted == DB_NONE);
  }
  pthread_barrier_destroy(&barrier);
  db_close(own);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_ingest),
                                     cmocka_unit_test(test_finish_survives_a_kill),
                                     cmocka_unit_test(test_finish_of_a_deleted_dataset),
                                     cmocka_unit_test(test_failure),
                                     cmocka_unit_test(test_recovery),
                                     cmocka_unit_test(test_versions),
                                     cmocka_unit_test(test_list),
                                     cmocka_unit_test(test_deletion),
                                     cmocka_unit_test(test_deletion_against_a_new_job)};
  return cmocka_run_group_tests_name("db_dataset", tests, stage_setup, stage_teardown);
}
