/* Tenants with limits, their removal, the audit and the usage. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "sql/db_audit.h"
#include "sql/db_tenant.h"
#include "sql/db_usage.h"
#include "tests/harness/test_stage.h"

#define DAY_US INT64_C(86400000000)

static struct db_tenant_new
new_tenant(const char *name)
{
  struct db_tenant_new tenant = {.name = name, .limits = "{\"keys\": 3}", .key_name = "admin"};
  char *ids = arena_alloc(arena, 64);
  db_id_new("ten_", ids, 32);
  db_id_new("key_", ids + 32, 32);
  tenant.id = ids;
  tenant.key_id = ids + 32;
  memset(tenant.key_hash, 5, 32);
  return tenant;
}

static void
test_one_root(void **state)
{
  (void) state;
  const char *first, *second, *root;
  assert_int_equal(db_tenant_root(conn, arena, &root), DB_NONE);
  assert_int_equal(db_tenant_ensure(conn, "default", arena, &first), DB_ROWS);
  assert_int_equal(db_tenant_ensure(conn, "second", arena, &second), DB_ROWS);
  assert_int_equal(db_tenant_root(conn, arena, &root), DB_ROWS);
  assert_string_equal(root, first);
  struct db_tenant tenant;
  assert_int_equal(db_tenant_get(conn, second, arena, &tenant), DB_ROWS);
  assert_false(tenant.root);
  assert_string_equal(tenant.limits, "{}");
}

static void
test_made_with_its_key(void **state)
{
  (void) state;
  struct db_tenant_new made = new_tenant("made"), twin = new_tenant("made");
  struct db_tenant tenant;
  struct db_key key;
  struct db_tenant_use use;
  assert_int_equal(db_tenant_insert(conn, &made), DB_ROWS);
  /* the same again, after a lost answer; and another of that name */
  assert_int_equal(db_tenant_insert(conn, &made), DB_ROWS);
  assert_int_equal(db_tenant_insert(conn, &twin), DB_NONE);
  assert_int_equal(db_tenant_get(conn, twin.id, arena, &tenant), DB_NONE);
  assert_int_equal(db_key_get(conn, twin.key_id, arena, &key), DB_NONE);
  assert_int_equal(db_tenant_get(conn, made.id, arena, &tenant), DB_ROWS);
  assert_string_equal(tenant.name, "made");
  assert_true(tenant.disabled_us == 0 && tenant.created_us > 0 && !tenant.root);
  assert_int_equal(db_key_get(conn, made.key_id, arena, &key), DB_ROWS);
  assert_int_equal(key.scopes, 15);
  assert_string_equal(key.tenant_limits, "{\"keys\": 3}");
  assert_false(key.tenant_disabled || key.tenant_root);
  assert_int_equal(db_tenant_use(conn, made.id, &use), DB_ROWS);
  assert_true(use.keys == 1 && use.live_jobs == 0 && use.tenant_bytes == 0);
}

static void
test_changed(void **state)
{
  (void) state;
  struct db_tenant_new made = new_tenant("changed"), other = new_tenant("taken");
  struct db_tenant tenant;
  struct db_key key;
  bool taken = true, yes = true, no = false;
  assert_int_equal(db_tenant_insert(conn, &made), DB_ROWS);
  assert_int_equal(db_tenant_insert(conn, &other), DB_ROWS);
  struct db_tenant_change change = {.limits = "{\"keys\": null, \"live_jobs\": 2}"};
  assert_int_equal(db_tenant_update(conn, made.id, &change, &taken), DB_ROWS);
  change = (struct db_tenant_change){.disabled = &yes};
  assert_int_equal(db_tenant_update(conn, made.id, &change, &taken), DB_ROWS);
  assert_int_equal(db_tenant_get(conn, made.id, arena, &tenant), DB_ROWS);
  assert_string_equal(tenant.limits, "{\"live_jobs\": 2}");
  assert_string_equal(tenant.name, "changed");
  int64_t since_us = tenant.disabled_us;
  assert_true(since_us > 0);
  /* still disabled since then */
  assert_int_equal(db_tenant_update(conn, made.id, &change, &taken), DB_ROWS);
  assert_int_equal(db_key_get(conn, made.key_id, arena, &key), DB_ROWS);
  assert_true(key.tenant_disabled && key.usable);
  db_tenant_get(conn, made.id, arena, &tenant);
  assert_true(tenant.disabled_us == since_us);
  change = (struct db_tenant_change){.disabled = &no, .name = "new"};
  assert_int_equal(db_tenant_update(conn, made.id, &change, &taken), DB_ROWS);
  db_tenant_get(conn, made.id, arena, &tenant);
  assert_true(tenant.disabled_us == 0);
  assert_string_equal(tenant.name, "new");
  change = (struct db_tenant_change){.name = "taken"};
  assert_int_equal(db_tenant_update(conn, made.id, &change, &taken), DB_NONE);
  assert_true(taken);
  change.name = "new";
  assert_int_equal(db_tenant_update(conn, made.id, &change, &taken), DB_ROWS);
  assert_int_equal(db_tenant_update(conn, "ten_none", &change, &taken), DB_NONE);
  change.name = "nobody's";
  assert_int_equal(db_tenant_update(conn, "ten_none", &change, &taken), DB_NONE);
  assert_false(taken);
}

static void
test_pages(void **state)
{
  (void) state;
  struct db_tenant *page;
  size_t count;
  assert_int_equal(db_tenant_list(conn, NULL, 2, arena, &page, &count), DB_ROWS);
  assert_int_equal(count, 2);
  const char *cursor = arena_printf(arena, "%lld:%s", (long long) page[1].created_us, page[1].id);
  const char *second = page[1].id;
  assert_int_equal(db_tenant_list(conn, cursor, 100, arena, &page, &count), DB_ROWS);
  assert_true(count >= 3);
  for (size_t i = 0; i < count; i++)
    assert_string_not_equal(page[i].id, second);
  assert_true(page[count - 1].root);
  assert_int_equal(db_tenant_list(conn, "x", 2, arena, &page, &count), DB_NONE);
}

static void
test_removed(void **state)
{
  (void) state;
  struct db_tenant_new made = new_tenant("removed"), used = new_tenant("used");
  struct db_tenant tenant;
  struct db_tenant_change change = {.disabled = &(bool){true}};
  uint8_t hash[32] = {77};
  const char *root;
  bool busy = false, taken;
  assert_int_equal(db_tenant_insert(conn, &made), DB_ROWS);
  assert_int_equal(db_tenant_insert(conn, &used), DB_ROWS);
  test_db_dataset(conn, arena, used.id);
  assert_int_equal(db_session_insert(conn, hash, made.key_id, "c", 60), DB_ROWS);
  assert_int_equal(db_sign_in_code_insert(conn, hash, made.key_id, 60), DB_ROWS);
  assert_int_equal(
    db_audit_insert(
      conn,
      &(struct db_audit){.tenant_id = made.id, .action = "a", .request_id = "r", .address = ""}, 1),
    DB_ROWS);
  assert_int_equal(db_tenant_delete(conn, made.id, &busy), DB_NONE);
  assert_true(busy); /* not disabled yet */
  assert_int_equal(db_tenant_update(conn, made.id, &change, &taken), DB_ROWS);
  assert_int_equal(db_tenant_update(conn, used.id, &change, &taken), DB_ROWS);
  assert_int_equal(db_tenant_delete(conn, used.id, &busy), DB_NONE);
  assert_true(busy);
  assert_int_equal(db_tenant_delete(conn, made.id, &busy), DB_ROWS);
  assert_int_equal(db_tenant_get(conn, made.id, arena, &tenant), DB_NONE);
  assert_int_equal(db_tenant_delete(conn, made.id, &busy), DB_NONE);
  assert_false(busy);
  db_tenant_root(conn, arena, &root);
  assert_int_equal(db_tenant_update(conn, root, &change, &taken), DB_ROWS);
  assert_int_equal(db_tenant_delete(conn, root, &busy), DB_NONE);
  assert_true(busy);
}

static void
test_audit(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *other = test_db_tenant(conn, arena);
  enum
  {
    COUNT = 1203
  };
  struct db_audit *rows = arena_array(arena, COUNT, sizeof *rows), *found;
  size_t count;
  for (int i = 0; i < COUNT; i++)
    rows[i] = (struct db_audit){.tenant_id = i == 7  ? "ten_gone"
                                             : i % 2 ? tenant
                                                     : other,
                                .key_id = i % 3 ? "key_a" : NULL,
                                .action = i % 5 ? "jobs.create" : "keys.create",
                                .object = i % 3 ? "job_x" : NULL,
                                .status = i,
                                .request_id = "r",
                                .address = "::1",
                                .at_us = clock_unix_us() - (int64_t) i * DAY_US};
  assert_int_equal(db_audit_insert(conn, rows, COUNT), DB_ROWS);
  assert_int_equal(db_audit_insert(conn, rows, 0), DB_ROWS);
  struct db_audit_filter filter = {.after = -1};
  assert_int_equal(db_audit_list(conn, tenant, &filter, 3, arena, &found, &count), DB_ROWS);
  assert_int_equal(count, 3);
  assert_int_equal(found[0].status, 1201); /* the last one given */
  assert_int_equal(found[2].status, 1197);
  assert_null(found[2].object);
  filter.before = found[2].id;
  assert_int_equal(db_audit_list(conn, tenant, &filter, 1, arena, &found, &count), DB_ROWS);
  assert_int_equal(found[0].status, 1195);
  filter = (struct db_audit_filter){.after = 0, .action = "keys.create", .key_id = "key_a"};
  assert_int_equal(db_audit_list(conn, tenant, &filter, 100, arena, &found, &count), DB_ROWS);
  assert_int_equal(found[0].status, 5);
  for (size_t i = 0; i < count; i++)
    assert_true(found[i].status % 5 == 0 && found[i].status % 3 != 0 && found[i].status % 2 == 1);
  assert_int_equal(db_audit_forget(conn, 90), DB_ROWS);
  filter = (struct db_audit_filter){.after = 0};
  assert_int_equal(db_audit_list(conn, tenant, &filter, 1000, arena, &found, &count), DB_ROWS);
  assert_int_equal(count, 44); /* 1, 3, 5, 9, …, 89 */
  assert_int_equal(found[count - 1].status, 89);
}

static double
figure(const char *tenant, int from, int to, const char *kind)
{
  struct db_usage *rows;
  size_t count;
  double sum = 0;
  assert_int_equal(db_usage_list(conn, tenant, from, to, arena, &rows, &count), DB_ROWS);
  for (size_t i = 0; i < count; i++)
  {
    assert_true(rows[i].day >= from && rows[i].day <= to);
    if (strcmp(rows[i].kind, kind) == 0)
      sum += rows[i].amount;
  }
  return sum;
}

static void
test_usage(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *other = test_db_tenant(conn, arena);
  int today = (int) (clock_unix_us() / DAY_US);
  const struct db_usage rows[] = {
    {tenant, today, "requests", 3},     {tenant, today - 1, "requests", 4},
    {other, today, "requests", 50},     {tenant, today, "requests", 5},
    {"ten_gone", today, "requests", 5}, {tenant, today, "predicted_rows", 0.5}};
  assert_int_equal(db_usage_add(conn, rows, 6), DB_ROWS);
  assert_int_equal(db_usage_add(conn, rows, 2), DB_ROWS);
  assert_true(figure(tenant, today, today, "requests") == 11);
  assert_true(figure(tenant, today - 1, today - 1, "requests") == 8);
  assert_true(figure(tenant, today - 9, today, "requests") == 19);
  assert_true(figure(other, today - 9, today, "requests") == 50);
  assert_true(figure(tenant, today, today, "predicted_rows") == 0.5);
  assert_true(figure(tenant, today - 9, today - 2, "requests") == 0);
}

static void
test_trials_and_bytes(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena);
  int today = (int) (clock_unix_us() / DAY_US);
  const char *dataset = test_db_dataset(conn, arena, tenant);
  const char *job = test_db_job(conn, arena, tenant, dataset, "{}");
  test_db_sql(
    conn, arena,
    "INSERT INTO trial (id, job_id, number, family, params, point, ask_seq, seconds, ended_at)"
    " SELECT 'tr_u' || n, '%s', n, 'linear', '{}', '{}', n, n,"
    " CASE WHEN n < 5 THEN now() - make_interval(days => n) END"
    " FROM generate_series(1, 5) n",
    job);
  assert_true(figure(tenant, today - 9, today, "trials") == 4);
  assert_true(figure(tenant, today - 9, today, "training_seconds") == 10);
  assert_true(figure(tenant, today - 2, today - 2, "trials") == 1);
  assert_true(figure(tenant, today - 2, today - 2, "training_seconds") == 2);
  struct db_tenant_use use;
  assert_int_equal(db_tenant_use(conn, tenant, &use), DB_ROWS);
  assert_true(use.tenant_bytes > 0 && use.live_jobs == 1);
  double bytes = (double) use.tenant_bytes;
  assert_true(figure(tenant, today, today, "stored_bytes") == bytes);
  assert_int_equal(db_usage_gauge(conn), DB_ROWS);
  assert_int_equal(db_usage_gauge(conn), DB_ROWS);
  assert_true(figure(tenant, today, today, "stored_bytes") == bytes);
  const char *kept = test_db_sql(conn, arena,
                                 "SELECT amount::bigint::text FROM usage_day WHERE tenant_id = '%s'"
                                 " AND kind = 'stored_bytes'",
                                 tenant);
  assert_string_equal(kept, arena_printf(arena, "%.0f", bytes));
}

/* A batch counts with its file until its end, and with its result until it is removed. */
static void
test_bytes_of_batches(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena);
  int today = (int) (clock_unix_us() / DAY_US);
  const char *dataset = test_db_dataset(conn, arena, tenant);
  struct db_tenant_use before, use;
  assert_int_equal(db_tenant_use(conn, tenant, &before), DB_ROWS);
  test_db_sql(conn, arena,
              "INSERT INTO prediction_batch (id, tenant_id, model_id, model_name, model_version,"
              " options, file_name, input_blob, input_sha256, input_bytes, row_count, keep_days,"
              " output_bytes) SELECT 'bat_' || n, '%s', 'mdl_x', 'x', 1, '{}', 'rows', v.blob_id,"
              " v.sha256, 1000, 1, 1, 10 FROM dataset_version v, generate_series(1, 2) n"
              " WHERE v.dataset_id = '%s'",
              tenant, dataset);
  assert_int_equal(db_tenant_use(conn, tenant, &use), DB_ROWS);
  assert_int_equal(use.tenant_bytes, before.tenant_bytes + 2020);
  assert_true(figure(tenant, today, today, "stored_bytes") == (double) use.tenant_bytes);
  test_db_sql(conn, arena, "UPDATE prediction_batch SET input_blob = NULL WHERE id = 'bat_1'");
  assert_int_equal(db_tenant_use(conn, tenant, &use), DB_ROWS);
  assert_int_equal(use.tenant_bytes, before.tenant_bytes + 1020);
  test_db_sql(conn, arena, "DELETE FROM prediction_batch");
  assert_int_equal(db_tenant_use(conn, tenant, &use), DB_ROWS);
  assert_int_equal(use.tenant_bytes, before.tenant_bytes);
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_one_root),
    cmocka_unit_test(test_made_with_its_key),
    cmocka_unit_test(test_changed),
    cmocka_unit_test(test_pages),
    cmocka_unit_test(test_removed),
    cmocka_unit_test(test_audit),
    cmocka_unit_test(test_usage),
    cmocka_unit_test(test_trials_and_bytes),
    cmocka_unit_test(test_bytes_of_batches),
  };
  return cmocka_run_group_tests_name("db_admin", tests, stage_setup, stage_teardown);
}
