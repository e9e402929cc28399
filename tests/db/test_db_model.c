/* Models, versions and aliases. */
#include <config.h>

#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <sodium.h>

#include "sql/db_dataset.h"
#include "sql/db_job.h"
#include "sql/db_alias.h"
#include "sql/db_model.h"
#include "tests/harness/test_stage_tenants.h"

struct store
{
  struct db_model_insert insert;
  struct arena *arena;
  const char *model_id;
  int version;
};

static enum db_status
store_version(struct db_conn *at, void *context)
{
  struct store *store = context;
  return db_model_insert_version(at, &store->insert, store->arena, &store->model_id,
                                 &store->version);
}

static struct store
make_store(const char *owner, const char *name)
{
  return (struct store){.insert = {.tenant_id = owner,
                                   .model_name = name,
                                   .bytes = "weights",
                                   .length = 7,
                                   .family = "mlp",
                                   .task = "classification",
                                   .metric = "accuracy",
                                   .score = 0.75,
                                   .schema = "{\"inputs\": []}",
                                   .report = "{\"score\": 0.75}",
                                   .us_per_row = NAN},
                        .arena = arena};
}

static void
add(const char *owner, const char *name, int wanted_version)
{
  struct store store = make_store(owner, name);
  assert_int_equal(db_tx_run(conn, "test", store_version, &store), DB_ROWS);
  assert_int_equal(store.version, wanted_version);
}

static bool
collect(void *context, const char *bytes, size_t size)
{
  strncat(context, bytes, size);
  return true;
}

static void
test_version(void **state)
{
  (void) state;
  const char *job = test_db_job(conn, arena, tenant, dataset, "{}");
  struct store store = make_store(tenant, "iris");
  struct db_model_version model;
  uint8_t digest[32];
  char text[32] = "";
  store.insert.job_id = job;
  store.insert.final = true;
  store.insert.us_per_row = 12.5;
  assert_int_equal(store_version(conn, &store), DB_HARD); /* not without a transaction */
  assert_int_equal(db_tx_run(conn, "test", store_version, &store), DB_ROWS);
  assert_int_equal(store.version, 1);
  assert_true(strncmp(store.model_id, "mdl_", 4) == 0);

  assert_int_equal(db_model_get(conn, tenant, "iris", 0, NULL, arena, &model), DB_ROWS);
  assert_string_equal(model.model_id, store.model_id);
  assert_string_equal(model.model_name, "iris");
  assert_int_equal(model.version, 1);
  assert_string_equal(model.job_id, job);
  assert_string_equal(model.family, "mlp");
  assert_string_equal(model.task, "classification");
  assert_string_equal(model.metric, "accuracy");
  assert_true(model.score == 0.75 && model.us_per_row == 12.5 && model.final);
  assert_string_equal(model.schema, "{\"inputs\": []}");
  assert_string_equal(model.report, "{\"score\": 0.75}");
  assert_int_equal(model.bytes, 7);
  crypto_hash_sha256(digest, (const unsigned char *) "weights", 7);
  assert_memory_equal(model.sha256, digest, 32);
  assert_int_equal(db_blob_read(conn, model.blob_id, collect, text), DB_ROWS);
  assert_string_equal(text, "weights");

  /* By id; another tenant's; one that is not there. */
  assert_int_equal(db_model_get(conn, tenant, store.model_id, 1, NULL, arena, &model), DB_ROWS);
  assert_int_equal(db_model_get(conn, other, store.model_id, 1, NULL, arena, &model), DB_NONE);
  assert_int_equal(db_model_get(conn, other, "iris", 0, NULL, arena, &model), DB_NONE);
  assert_int_equal(db_model_get(conn, tenant, "iris", 2, NULL, arena, &model), DB_NONE);
  assert_int_equal(db_model_get(conn, tenant, "iris", 0, "canary", arena, &model), DB_NONE);
  assert_int_equal(db_model_get(conn, tenant, "rose", 0, NULL, arena, &model), DB_NONE);

  /* The job shows its model by name. */
  struct db_job row;
  test_db_sql(conn, arena, "UPDATE job SET model_id = '%s', model_version = 1 WHERE id = '%s'",
              store.model_id, job);
  assert_int_equal(db_job_get(conn, tenant, job, arena, &row), DB_ROWS);
  assert_string_equal(row.model_name, "iris");
  assert_int_equal(row.model_version, 1);
}

/* A final version takes both aliases along; a fast one of its job is the version before. */
static void
test_fast(void **state)
{
  (void) state;
  struct db_model_version model;
  struct store store = make_store(tenant, "lily");
  struct db_model_insert fast = store.insert;
  add(tenant, "lily", 1);
  fast.family = "linear";
  fast.score = 0.5;
  fast.final = store.insert.final = true;
  store.insert.fast = &fast;
  assert_int_equal(db_tx_run(conn, "test", store_version, &store), DB_ROWS);
  assert_int_equal(store.version, 3);
  assert_int_equal(db_model_get(conn, tenant, "lily", 0, "fast", arena, &model), DB_ROWS);
  assert_int_equal(model.version, 2);
  assert_string_equal(model.family, "linear");
  assert_true(model.score == 0.5 && model.final);
  assert_int_equal(db_model_get(conn, tenant, "lily", 0, NULL, arena, &model), DB_ROWS);
  assert_int_equal(model.version, 3);

  /* What is published while a search goes on leaves it; the next final version does not. */
  add(tenant, "lily", 4);
  assert_int_equal(db_model_get(conn, tenant, "lily", 0, "fast", arena, &model), DB_ROWS);
  assert_int_equal(model.version, 2);
  store.insert.fast = NULL;
  assert_int_equal(db_tx_run(conn, "test", store_version, &store), DB_ROWS);
  assert_int_equal(db_model_get(conn, tenant, "lily", 0, "fast", arena, &model), DB_ROWS);
  assert_int_equal(model.version, 5);
}

/* A version of all rows comes after the best, which stays what the others are taken for. */
static void
test_all(void **state)
{
  (void) state;
  struct db_model_version model;
  struct store store = make_store(tenant, "crocus");
  struct db_model_insert fast = store.insert, all = store.insert;
  all.final = fast.final = store.insert.final = true;
  all.report = "{\"score\": 0.75, \"warnings\": []}";
  store.insert.fast = &fast;
  store.insert.all = &all;
  assert_int_equal(db_tx_run(conn, "test", store_version, &store), DB_ROWS);
  assert_int_equal(store.version, 2);
  assert_int_equal(db_model_get(conn, tenant, "crocus", 0, NULL, arena, &model), DB_ROWS);
  assert_int_equal(model.version, 2);
  assert_int_equal(db_model_get(conn, tenant, "crocus", 0, "all", arena, &model), DB_ROWS);
  assert_int_equal(model.version, 3);
  assert_string_equal(model.report, all.report);
  store.insert.fast = store.insert.all = NULL;
  assert_int_equal(db_tx_run(conn, "test", store_version, &store), DB_ROWS);
  assert_int_equal(store.version, 4);
  assert_int_equal(db_model_get(conn, tenant, "crocus", 0, "all", arena, &model), DB_ROWS);
  assert_int_equal(model.version, 3);
}

static void
test_aliases(void **state)
{
  (void) state;
  struct db_model_version model;
  struct db_alias alias, *aliases;
  size_t count;
  add(tenant, "rose", 1);
  add(tenant, "rose", 2);
  add(other, "rose", 1);
  assert_int_equal(db_model_get(conn, tenant, "rose", 0, "best", arena, &model), DB_ROWS);
  assert_int_equal(model.version, 2);
  assert_int_equal(db_model_get(conn, tenant, "rose", 0, "fast", arena, &model), DB_ROWS);
  assert_int_equal(model.version, 1); /* stays until something faster is chosen */
  assert_null(model.job_id);
  assert_true(isnan(model.us_per_row));
  assert_int_equal(db_alias_put(conn, model.model_id, "canary", 3, NULL, 0, "key_a"), DB_NONE);
  assert_int_equal(db_alias_put(conn, "mdl_none", "canary", 1, NULL, 0, "key_a"), DB_NONE);
  assert_int_equal(db_alias_get(conn, model.model_id, "canary", arena, &alias), DB_NONE);
  assert_int_equal(db_alias_put(conn, model.model_id, "canary", 2, NULL, 0, "key_a"), DB_ROWS);
  assert_int_equal(db_alias_put(conn, model.model_id, "best", 1, NULL, 0, "key_b"), DB_ROWS);
  assert_int_equal(db_alias_list(conn, model.model_id, arena, &aliases, &count), DB_ROWS);
  assert_int_equal(count, 3);
  assert_string_equal(aliases[0].alias, "best");
  assert_int_equal(aliases[0].version, 1);
  assert_string_equal(aliases[0].changed_by, "key_b");
  assert_string_equal(aliases[1].alias, "canary");
  assert_int_equal(aliases[1].version, 2);
  assert_string_equal(aliases[2].alias, "fast");
  assert_null(aliases[2].changed_by);
}

/* Divided calls, what an alias pointed to before, and programs that know of neither. */
static void
test_alias_changes(void **state)
{
  (void) state;
  static const char split[] = "{\"1\": 10, \"2\": 90}";
  struct db_model_version model;
  struct db_alias alias, *changes;
  size_t count;
  add(tenant, "anemone", 1);
  add(tenant, "anemone", 2);
  assert_int_equal(db_model_get(conn, tenant, "anemone", 0, "best", arena, &model), DB_ROWS);
  assert_null(model.split);
  assert_int_equal(db_alias_former(conn, model.model_id, "live", 0, NULL, 0, arena, &alias),
                   DB_NONE);
  assert_int_equal(db_alias_put(conn, model.model_id, "live", 1, NULL, 0, "key_a"), DB_ROWS);
  assert_int_equal(db_alias_former(conn, model.model_id, "live", 1, NULL, 0, arena, &alias),
                   DB_NONE);
  assert_int_equal(db_alias_put(conn, model.model_id, "live", 2, split, 0, "key_b"), DB_ROWS);
  assert_int_equal(db_alias_put(conn, model.model_id, "live", 2, split, 0, "key_c"), DB_ROWS);
  assert_int_equal(db_alias_former(conn, model.model_id, "live", 2, split, 0, arena, &alias),
                   DB_ROWS);
  assert_int_equal(alias.version, 1);
  assert_null(alias.split);
  assert_int_equal(db_model_get(conn, tenant, "anemone", 0, "live", arena, &model), DB_ROWS);
  assert_int_equal(model.version, 2);
  assert_string_equal(model.split, split);
  assert_int_equal(db_model_get(conn, tenant, "anemone", 1, "live", arena, &model), DB_ROWS);
  assert_null(model.split);
  assert_int_equal(db_alias_put(conn, model.model_id, "live", 2, split, 1, "key_d"), DB_ROWS);
  assert_int_equal(db_alias_get(conn, model.model_id, "live", arena, &alias), DB_ROWS);
  assert_int_equal(alias.shadow, 1);
  assert_int_equal(db_alias_former(conn, model.model_id, "live", 2, split, 1, arena, &alias),
                   DB_ROWS);
  assert_string_equal(alias.split, split);
  assert_int_equal(alias.shadow, 0);
  test_db_sql(conn, arena, "UPDATE model_alias SET version = 1 WHERE alias = 'live'");
  assert_int_equal(db_alias_get(conn, model.model_id, "live", arena, &alias), DB_ROWS);
  assert_int_equal(alias.version, 1);
  assert_null(alias.split);
  assert_int_equal(db_alias_delete(conn, model.model_id, "live"), DB_ROWS);
  assert_int_equal(db_alias_delete(conn, model.model_id, "live"), DB_NONE);
  assert_int_equal(db_alias_changes(conn, model.model_id, "live", 10, arena, &changes, &count),
                   DB_ROWS);
  assert_int_equal(count, 5);
  assert_int_equal(changes[0].version, 0);
  assert_int_equal(changes[1].version, 1);
  assert_int_equal(changes[2].shadow, 1);
  assert_string_equal(changes[3].split, split);
  assert_string_equal(changes[3].changed_by, "key_b");
  assert_string_equal(changes[4].changed_by, "key_a");
}

/* A version goes alone, a model with all of its own; what uses them is told. */
static void
test_removal(void **state)
{
  (void) state;
  struct db_model_version model;
  struct db_model_uses uses;
  add(tenant, "weed", 1);
  add(tenant, "weed", 2);
  add(tenant, "weed", 3);
  assert_int_equal(db_model_get(conn, tenant, "weed", 0, NULL, arena, &model), DB_ROWS);
  assert_int_equal(db_alias_put(conn, model.model_id, "live", 2, "{\"1\": 40, \"2\": 60}", 0, NULL),
                   DB_ROWS);
  assert_int_equal(db_model_uses(conn, "mdl_none", 0, &uses), DB_NONE);
  assert_int_equal(db_model_uses(conn, model.model_id, 2, &uses), DB_ROWS);
  assert_true(uses.aliases == 1 && uses.batches == 0 && uses.jobs == 0);
  assert_int_equal(db_model_uses(conn, model.model_id, 1, &uses), DB_ROWS);
  assert_int_equal(uses.aliases, 2); /* fast, too */
  assert_int_equal(db_model_uses(conn, model.model_id, 0, &uses), DB_ROWS);
  assert_int_equal(uses.aliases, 0);
  assert_int_equal(db_alias_put(conn, model.model_id, "live", 3, NULL, 0, NULL), DB_ROWS);
  assert_int_equal(db_model_delete(conn, model.model_id, 4), DB_NONE);
  assert_int_equal(db_model_delete(conn, model.model_id, 2), DB_ROWS);
  assert_int_equal(db_model_get(conn, tenant, "weed", 2, NULL, arena, &model), DB_NONE);
  assert_int_equal(db_model_get(conn, tenant, "weed", 3, NULL, arena, &model), DB_ROWS);
  assert_int_equal(db_model_delete(conn, model.model_id, 0), DB_ROWS);
  assert_int_equal(db_model_get(conn, tenant, "weed", 0, NULL, arena, &model), DB_NONE);
  add(tenant, "weed", 1); /* the name is free again */
}

static void
test_lists(void **state)
{
  (void) state;
  const char *own = test_db_tenant(conn, arena), *cursor = NULL;
  struct db_model_version *models;
  size_t count, seen = 0;
  static const char *const names[] = {"c", "b", "a"}; /* by their newest version, newest first */
  add(own, "a", 1);
  add(own, "c", 1);
  add(own, "b", 1);
  add(own, "c", 2);
  do
  {
    assert_int_equal(db_model_list(conn, own, cursor, 2, arena, &models, &count), DB_ROWS);
    for (size_t i = 0; i < count; i++)
    {
      assert_string_equal(models[i].model_name, names[seen]);
      assert_int_equal(models[i].version, seen == 0 ? 2 : 1);
      assert_null(models[i].report);
      cursor = db_cursor(arena, models[i].created_us, models[i].model_id);
      seen++;
    }
  } while (count > 0);
  assert_int_equal(seen, 3);
  assert_int_equal(db_model_list(conn, own, "x", 2, arena, &models, &count), DB_NONE);

  assert_int_equal(db_model_version_list(conn, own, "c", 10, arena, &models, &count), DB_ROWS);
  assert_int_equal(count, 2);
  assert_int_equal(models[0].version, 2);
  assert_int_equal(models[1].version, 1);
  assert_int_equal(db_model_version_list(conn, own, "c", 1, arena, &models, &count), DB_ROWS);
  assert_int_equal(count, 1);
  assert_int_equal(db_model_version_list(conn, other, "c", 10, arena, &models, &count), DB_NONE);
}

struct author
{
  const char *tenant;
  int versions[10];
  int count;
};

static void *
write_versions(void *context)
{
  struct author *author = context;
  struct db_conn *own = NULL;
  struct arena *memory = arena_new(0);
  if (memory != NULL && db_connect(test_db_conninfo(), "test", &own, NULL) == ERR_OK)
    for (int i = 0; i < 10; i++)
    {
      struct store store = make_store(author->tenant, "shared");
      store.arena = memory;
      if (db_tx_run(own, "test", store_version, &store) == DB_ROWS)
        author->versions[author->count++] = store.version;
    }
  db_close(own);
  arena_free(memory);
  return NULL;
}

static void
test_two_authors_of_one_model(void **state)
{
  (void) state;
  struct author authors[2] = {{.tenant = tenant}, {.tenant = tenant}};
  pthread_t threads[2];
  bool seen[21] = {false};
  for (int i = 0; i < 2; i++)
    pthread_create(&threads[i], NULL, write_versions, &authors[i]);
  for (int i = 0; i < 2; i++)
    pthread_join(threads[i], NULL);
  for (int i = 0; i < 2; i++)
  {
    assert_int_equal(authors[i].count, 10);
    for (int k = 0; k < 10; k++)
    {
      assert_in_range(authors[i].versions[k], 1, 20);
      assert_false(seen[authors[i].versions[k]]);
      seen[authors[i].versions[k]] = true;
    }
  }
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_all),           cmocka_unit_test(test_version),
    cmocka_unit_test(test_fast),          cmocka_unit_test(test_aliases),
    cmocka_unit_test(test_alias_changes), cmocka_unit_test(test_removal),
    cmocka_unit_test(test_lists),         cmocka_unit_test(test_two_authors_of_one_model)};
  return cmocka_run_group_tests_name("db_model", tests, stage_tenants_setup, stage_teardown);
}
