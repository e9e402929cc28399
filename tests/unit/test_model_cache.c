/* The model cache over a pretended database: what is asked of it is counted, and it can go away. */
#include <config.h>

#include "server/model_cache.h"
#include "server/model_route.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "sql/db_model.h"
#include "tests/harness/test_support.h"

#define FILE_BYTES 1000u
/* what the cache reckons for a model with such a file */
#define ENTRY_BYTES (2 * FILE_BYTES + 16384)

struct model
{
  int number;
};

static atomic_int asked, loaded, alive;
static atomic_bool away, damaged;
static atomic_int best = 1;
static const char *divided; /* how the alias best divides its calls */
static struct db_conn *const conn = (struct db_conn *) &asked; /* never looked into */

/* ---- the pretended rooms below --------------------------------------------------------------------- */

enum db_status
db_model_get(struct db_conn *c, const char *tenant_id, const char *name_or_id, int version,
             const char *alias, struct arena *arena, struct db_model_version *row)
{
  (void) c;
  (void) arena;
  atomic_fetch_add(&asked, 1);
  if (away)
    return DB_SOFT;
  if (strncmp(name_or_id, "mdl_", 4) == 0)
    name_or_id += 4;
  if (strcmp(tenant_id, "t1") != 0 || name_or_id[0] != 'm' || version > 9
      || (alias && strcmp(alias, "best") != 0 && strcmp(alias, "fast") != 0))
    return DB_NONE;
  memset(row, 0, sizeof *row);
  row->model_id = arena_printf(arena, "mdl_%s", name_or_id);
  row->model_name = arena_strdup(arena, name_or_id);
  row->version = version ? version : alias && strcmp(alias, "fast") == 0 ? 1 : best;
  row->split = version == 0 ? divided : NULL;
  row->shadow = version == 0 ? 5 : 0;
  row->bytes = FILE_BYTES;
  row->us_per_row = NAN;
  return DB_ROWS;
}

enum db_status
db_blob_read(struct db_conn *c, int64_t blob_id, bool (*write_fn)(void *, const char *, size_t),
             void *context)
{
  static const char bytes[FILE_BYTES];

  (void) c;
  (void) blob_id;
  usleep(20000);
  if (away)
    return DB_SOFT;
  return write_fn(context, bytes, sizeof bytes) ? DB_ROWS : DB_HARD;
}

enum err
model_load(const void *bytes, size_t length, struct model **model, struct err_info *info)
{
  (void) bytes;
  assert_int_equal(length, FILE_BYTES);
  if (damaged)
    return err_set(info, ERR_INVALID, "damaged");
  *model = calloc(1, sizeof **model);
  (*model)->number = atomic_fetch_add(&loaded, 1) + 1;
  atomic_fetch_add(&alive, 1);
  return ERR_OK;
}

void
model_free(struct model *model)
{
  if (model)
    atomic_fetch_sub(&alive, 1);
  free(model);
}

struct model_workspace *
model_workspace_new(void)
{
  return malloc(1);
}

void
model_workspace_free(struct model_workspace *workspace)
{
  free(workspace);
}

static int
begin(void **state)
{
  asked = loaded = alive = 0;
  away = damaged = false;
  best = 1;
  divided = NULL;
  *state = model_cache_new(10 * ENTRY_BYTES);
  return *state ? 0 : -1;
}

static int
end(void **state)
{
  model_cache_free(*state);
  return alive == 0 ? 0 : -1; /* every model was freed */
}

static enum err
get(struct model_cache *cache, const char *name, int version, const char *alias,
    struct model_ref *ref)
{
  struct err_info info;
  return model_cache_get(cache, conn, "t1", name, version, alias, ref, &info);
}

/* ---- tests ----------------------------------------------------------------------------------------- */

static void
found_once_then_kept(void **state)
{
  struct model_ref a, b;

  assert_false(model_cache_peek(*state, "t1", "m", 0, NULL, &a));
  assert_int_equal(get(*state, "m", 0, NULL, &a), ERR_OK);
  assert_string_equal(a.model_name, "m");
  assert_int_equal(a.version, 1);
  assert_true(a.us_per_row > 0.0);
  assert_true(model_cache_peek(*state, "t1", "m", 0, "best", &b));
  assert_ptr_equal(a.model, b.model);
  assert_int_equal(asked, 1);
  assert_int_equal(loaded, 1);
  model_cache_release(*state, &a);
  model_cache_release(*state, &b);
  model_cache_release(*state, &b); /* twice does no harm */
}

static void
other_keys_same_model(void **state)
{
  struct model_ref a, b;

  assert_int_equal(get(*state, "m", 0, NULL, &a), ERR_OK);
  assert_int_equal(get(*state, "m", 0, "fast", &b), ERR_OK);
  assert_ptr_equal(a.model, b.model);
  model_cache_release(*state, &b);
  assert_int_equal(get(*state, "m", 1, NULL, &b), ERR_OK);
  assert_ptr_equal(a.model, b.model);
  assert_int_equal(loaded, 1);
  model_cache_release(*state, &a);
  model_cache_release(*state, &b);
}

static void
not_of_others(void **state)
{
  struct err_info info;
  struct model_ref ref;
  char longest[1000];

  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_OK);
  model_cache_release(*state, &ref);
  assert_false(model_cache_peek(*state, "t2", "m", 0, NULL, &ref));
  assert_int_equal(model_cache_get(*state, conn, "t2", "m", 0, NULL, &ref, &info), ERR_NOT_FOUND);
  assert_int_equal(get(*state, "x", 0, NULL, &ref), ERR_NOT_FOUND);
  assert_int_equal(get(*state, "m", 0, "nowhere", &ref), ERR_NOT_FOUND);
  memset(longest, 'm', sizeof longest - 1);
  longest[sizeof longest - 1] = '\0';
  assert_int_equal(get(*state, longest, 0, NULL, &ref), ERR_NOT_FOUND);
}

static void
moved_alias(void **state)
{
  struct model_ref old, new;

  assert_int_equal(get(*state, "m", 0, NULL, &old), ERR_OK);
  best = 2;
  assert_true(model_cache_peek(*state, "t1", "m", 0, NULL, &new));
  assert_int_equal(new.version, 1); /* nobody has told it yet */
  model_cache_release(*state, &new);
  model_cache_forget(*state, "mdl_other");
  assert_true(model_cache_peek(*state, "t1", "m", 0, NULL, &new));
  model_cache_release(*state, &new);
  model_cache_forget(*state, "mdl_m");
  assert_false(model_cache_peek(*state, "t1", "m", 0, NULL, &new));
  assert_int_equal(get(*state, "m", 0, NULL, &new), ERR_OK);
  assert_int_equal(new.version, 2);
  assert_ptr_not_equal(old.model, new.model);
  model_cache_release(*state, &old);
  model_cache_release(*state, &new);
}

/* Each call takes a version by its percents; none of them waits for a load, and none is let go while it serves. */
static void
divided_alias(void **state)
{
  struct model_ref ref;
  int calls[4] = {0};

  best = 3;
  divided = "{\"2\": 25, \"3\": 75}";
  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_OK);
  assert_int_equal(loaded, 2);
  model_cache_release(*state, &ref);
  for (int i = 0; i < 4000; i++)
  {
    assert_true(model_cache_peek(*state, "t1", "m", 0, "best", &ref));
    assert_in_range(ref.version, 2, 3);
    assert_int_equal(ref.shadow, 5);
    calls[ref.version]++;
    model_cache_release(*state, &ref);
  }
  assert_in_range(calls[2], 800, 1200); /* 27 is a standard deviation */
  assert_true(model_cache_peek(*state, "t1", "m", 2, NULL, &ref)
              || get(*state, "m", 2, NULL, &ref) == ERR_OK);
  assert_int_equal(ref.version, 2);
  model_cache_release(*state, &ref);
  assert_int_equal(loaded, 2);
  divided = NULL;
  model_cache_forget(*state, "mdl_m");
  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_OK);
  assert_int_equal(ref.version, 3);
  model_cache_release(*state, &ref);
}

/* An alias that was moved to what can't be loaded goes on as it was. */
static void
moved_to_damage(void **state)
{
  struct model_ref ref;

  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_OK);
  model_cache_release(*state, &ref);
  best = 2;
  damaged = true;
  model_cache_forget(*state, "mdl_m");
  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_OK);
  assert_int_equal(ref.version, 1);
  model_cache_release(*state, &ref);
  assert_int_equal(get(*state, "m", 2, NULL, &ref), ERR_INTERNAL);
}

static void
routes(void **state)
{
  (void) state;
  struct arena *arena = arena_new(0);
  struct model_route route = model_route_stored(4, "{\"10\": 5, \"4\": 90, \"3\": 5}", 0);
  struct json_faults faults;
  static const char *const bad[] = {"[]",
                                    "{}",
                                    "{\"1\": 50}",
                                    "{\"1\": 50, \"2\": 51}",
                                    "{\"1\": 100, \"2\": 0}",
                                    "{\"02\": 50, \"2\": 50}",
                                    "{\"x\": 50, \"2\": 50}",
                                    "{\"1\": 50.0, \"2\": 50}",
                                    "{\"0\": 50, \"2\": 50}",
                                    "{\"1\": -50, \"2\": 150}"};

  assert_int_equal(route.count, 3);
  assert_string_equal(model_route_etag(&route, arena), "\"3:5,4:90,10:5\"");
  assert_string_equal(model_route_text(&route, arena), "{\"3\": 5, \"4\": 90, \"10\": 5}");
  assert_int_equal(model_route_main(&route), 4);
  assert_int_equal(model_route_pick(&route, 0), 0);
  assert_int_equal(model_route_pick(&route, 4), 0);
  assert_int_equal(model_route_pick(&route, 5), 1);
  assert_int_equal(model_route_pick(&route, 94), 1);
  assert_int_equal(model_route_pick(&route, 95), 2);
  assert_int_equal(model_route_pick(&route, 99), 2);
  route = model_route_stored(7, "{\"8\": 1}", 9);
  assert_int_equal(route.count, 1);
  assert_string_equal(model_route_etag(&route, arena), "\"7+9\"");
  assert_null(model_route_text(&route, arena));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    json_t *json = json_loads(bad[i], 0, NULL);
    json_faults_init(&faults, arena);
    assert_false(model_route_read(json, "/split", &route, &faults));
    assert_true(faults.count > 0);
    json_decref(json);
  }
  arena_free(arena);
}

static void
database_away(void **state)
{
  struct err_info info;
  struct model_ref ref;

  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_OK);
  model_cache_release(*state, &ref);
  model_cache_forget(*state, NULL);
  away = true;
  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_OK);
  model_cache_release(*state, &ref);
  /* for a moment the fast path serves it, too, without asking again */
  assert_true(model_cache_peek(*state, "t1", "m", 0, NULL, &ref));
  model_cache_release(*state, &ref);
  assert_int_equal(get(*state, "m2", 0, NULL, &ref), ERR_UNAVAILABLE);
  assert_int_equal(model_cache_get(*state, NULL, "t1", "m", 0, NULL, &ref, &info), ERR_OK);
  model_cache_release(*state, &ref);
  assert_int_equal(model_cache_get(*state, NULL, "t1", "m2", 0, NULL, &ref, &info),
                   ERR_UNAVAILABLE);
  away = false;
  assert_int_equal(get(*state, "m2", 0, NULL, &ref), ERR_OK);
  model_cache_release(*state, &ref);
}

static void
damaged_file(void **state)
{
  struct model_ref ref;
  struct model_cache_counts counts;

  damaged = true;
  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_INTERNAL);
  damaged = false;
  model_cache_stats(*state, &counts);
  assert_int_equal(counts.failures, 1);
  assert_int_equal(counts.models, 0);
  assert_int_equal(get(*state, "m", 0, NULL, &ref), ERR_OK);
  model_cache_release(*state, &ref);
}

static void
bounded(void **state)
{
  struct model_ref held, ref;
  struct model_cache_counts counts;
  char name[16];

  assert_int_equal(get(*state, "m", 0, NULL, &held), ERR_OK);
  for (int i = 0; i < 500; i++)
  {
    snprintf(name, sizeof name, "m%d", i);
    assert_int_equal(get(*state, name, 0, NULL, &ref), ERR_OK);
    model_cache_release(*state, &ref);
    model_cache_stats(*state, &counts);
    assert_true(counts.bytes <= 10 * ENTRY_BYTES);
  }
  assert_int_equal(counts.models, 10);
  assert_int_equal(alive, 10);
  assert_int_equal(counts.misses, 501);
  assert_int_equal(counts.evictions, 491);
  assert_int_equal(counts.failures, 0);
  /* the one in use stayed, the latest are there, an early one is not */
  assert_true(model_cache_peek(*state, "t1", "m", 0, NULL, &ref));
  assert_ptr_equal(ref.model, held.model);
  model_cache_release(*state, &ref);
  assert_true(model_cache_peek(*state, "t1", "m499", 0, NULL, &ref));
  model_cache_release(*state, &ref);
  assert_false(model_cache_peek(*state, "t1", "m3", 0, NULL, &ref));
  model_cache_release(*state, &held);
}

static void
larger_than_all(void **state)
{
  struct model_cache *cache = model_cache_new(10);
  struct model_ref a, b;

  (void) state;
  assert_int_equal(get(cache, "m", 0, NULL, &a), ERR_OK);
  assert_int_equal(get(cache, "m1", 0, NULL, &b), ERR_OK);
  assert_int_equal(alive, 2);
  model_cache_release(cache, &a);
  assert_int_equal(alive, 1);
  model_cache_release(cache, &b);
  assert_int_equal(alive, 0);
  model_cache_free(cache);
}

static void *
ask_many(void *context)
{
  struct model_cache *cache = context;
  struct model_ref ref;
  char name[16];

  for (int i = 0; i < 60; i++)
  {
    snprintf(name, sizeof name, "m%d", i % 4);
    if (get(cache, name, 0, NULL, &ref) != ERR_OK || strcmp(ref.model_name, name) != 0)
      return "a wrong answer";
    model_cache_measured(&ref, 10.0);
    model_cache_release(cache, &ref);
    if (i % 7 == 0)
      model_cache_forget(cache, NULL);
    model_cache_workspace_give(cache, model_cache_workspace_take(cache));
  }
  return NULL;
}

static void
many_threads(void **state)
{
  pthread_t threads[8];
  void *fault;

  for (size_t i = 0; i < 8; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, ask_many, *state), 0);
  for (size_t i = 0; i < 8; i++)
  {
    pthread_join(threads[i], &fault);
    assert_null(fault);
  }
  assert_int_equal(loaded, 4); /* each once, though eight asked at the same time */
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test_setup_teardown(found_once_then_kept, begin, end),
    cmocka_unit_test_setup_teardown(other_keys_same_model, begin, end),
    cmocka_unit_test_setup_teardown(not_of_others, begin, end),
    cmocka_unit_test_setup_teardown(moved_alias, begin, end),
    cmocka_unit_test_setup_teardown(divided_alias, begin, end),
    cmocka_unit_test_setup_teardown(moved_to_damage, begin, end),
    cmocka_unit_test(routes),
    cmocka_unit_test_setup_teardown(database_away, begin, end),
    cmocka_unit_test_setup_teardown(damaged_file, begin, end),
    cmocka_unit_test_setup_teardown(bounded, begin, end),
    cmocka_unit_test_setup_teardown(larger_than_all, begin, end),
    cmocka_unit_test_setup_teardown(many_threads, begin, end),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
