/* What a worker keeps on its disk and in its memory: datasets, folders, jobs made ready; and the trial process that
 * reads and writes such a folder. The database is pretended. */
#include <config.h>

#include "tests/harness/scenario.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "tests/harness/toy_data.h"
#include "worker/dataset_cache.h"
#include "worker/prepared.h"
#include "worker/trial_main.h"
#include "worker/work_dir.h"

/* ---- the database, and time ---------------------------------------------------------------------------- */

static struct
{
  enum db_status blob;
  size_t pieces;
  struct db_work_log_entry log[8];
  size_t log_count;
  enum db_status log_status;
} database;

static double pace_s; /* what each look at the clock takes, besides */

double __real_clock_monotonic_s(void);
double __wrap_clock_monotonic_s(void);
double
__wrap_clock_monotonic_s(void)
{
  static double passed_s;
  passed_s += pace_s;
  return __real_clock_monotonic_s() + passed_s;
}

enum db_status
db_blob_read(struct db_conn *conn, int64_t blob_id,
             bool (*write_fn)(void *context, const char *bytes, size_t size), void *context)
{
  (void) conn;
  assert_int_equal(blob_id, 7);
  for (size_t i = 0; i < database.pieces; i++)
    if (!write_fn(context, "data", 4))
      return DB_HARD;
  return database.blob;
}

const char *
db_last_error(const struct db_conn *conn)
{
  (void) conn;
  return "the blob is odd";
}

enum db_status
db_work_log(struct db_conn *conn, const char *job_id, int64_t after, struct arena *arena,
            struct db_work_log_entry **entries, size_t *count)
{
  (void) conn;
  (void) arena;
  assert_string_equal(job_id, "jb_1");
  *count = 0;
  *entries = database.log;
  while (*count < database.log_count && database.log[*count].seq <= after)
    ++*entries, --database.log_count;
  *count = database.log_count;
  return database.log_status;
}

/* ---- the cache of datasets ------------------------------------------------------------------------------ */

#define CACHED_SIZE (TEST_PATH_SIZE + 128) /* a path in the cache */

static char folder[TEST_PATH_SIZE];
static struct dataset_cache cache;
static uint8_t sha256[32] = {0xab, 1};

static bool
never(void *context)
{
  (void) context;
  return false;
}

static enum err
get(struct dataset_wanted wanted, char path[PATH_MAX], struct err_info *info)
{
  wanted.sha256 = sha256;
  wanted.blob_id = 7;
  return dataset_cache_get(&cache, NULL, &wanted, path, info);
}

static void
open_cache(uint64_t limit)
{
  struct err_info info = {0};
  if (dataset_cache_open(&cache, folder, limit, &info) != ERR_OK)
    fail_msg("%s", info.text);
}

static void
test_fetching(void **state)
{
  (void) state;
  char path[PATH_MAX];
  struct err_info info = {0};
  struct buf bytes = {0};
  open_cache((uint64_t) 1 << 30);
  database.pieces = 2;
  static const struct
  {
    enum db_status blob;
    enum err err;
    const char *text;
  } cases[] = {{DB_NONE, ERR_NOT_FOUND, "not in the database any more"},
               {DB_SOFT, ERR_UNAVAILABLE, "the database is not there"},
               {DB_HARD, ERR_IO, "could not fetch the dataset: the blob is odd"}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    database.blob = cases[i].blob;
    assert_int_equal(get((struct dataset_wanted){.bytes = 8}, path, &info), cases[i].err);
    assert_has_text(info.text, cases[i].text);
    assert_int_not_equal(access(path, F_OK), 0);
  }
  database.blob = DB_ROWS;
  assert_int_equal(get((struct dataset_wanted){.bytes = (uint64_t) 1 << 60}, path, &info),
                   ERR_LIMIT);
  assert_has_text(info.text, "no room");
  pace_s = 2;
  assert_int_equal(get((struct dataset_wanted){.bytes = 8, .tick = never}, path, &info),
                   ERR_CANCELLED);
  pace_s = 0;
  assert_int_equal(get((struct dataset_wanted){.bytes = 8}, path, &info), ERR_OK);
  assert_int_equal(file_read_all(path, 100, &bytes, NULL), ERR_OK);
  assert_string_equal(bytes.data, "datadata");
  buf_free(&bytes);
  /* It is there now: nothing is fetched. */
  database.blob = DB_HARD;
  assert_int_equal(get((struct dataset_wanted){.bytes = 8}, path, &info), ERR_OK);
  assert_int_equal(unlink(path), 0);
}

/* Another process fetches it: waited for, unless the wait is given up. */
static void
test_locked(void **state)
{
  (void) state;
  char path[PATH_MAX], lock[CACHED_SIZE], hex[65];
  struct err_info info = {0};
  dataset_hex(sha256, hex);
  assert_int_equal(strncmp(hex, "ab01000", 7), 0);
  snprintf(lock, sizeof lock, "%s/cache/datasets/%s.lock", folder, hex);
  int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  assert_int_equal(flock(fd, LOCK_EX), 0);
  pace_s = 2;
  assert_int_equal(get((struct dataset_wanted){.bytes = 8, .tick = never}, path, &info),
                   ERR_CANCELLED);
  pace_s = 0;
  assert_has_text(info.text, "given up");
  close(fd);
}

static void
put_file(const char *name, size_t bytes, time_t used)
{
  char path[CACHED_SIZE];
  snprintf(path, sizeof path, "%s/cache/datasets/%s", folder, name);
  int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
  assert_int_equal(ftruncate(fd, (off_t) bytes), 0);
  assert_int_equal(futimens(fd, (const struct timespec[]){{used, 0}, {used, 0}}), 0);
  close(fd);
}

static bool
is_file(const char *name)
{
  char path[CACHED_SIZE];
  snprintf(path, sizeof path, "%s/cache/datasets/%s", folder, name);
  return access(path, F_OK) == 0;
}

/* The longest unused go first, none that was just used, and what somebody left half written. */
static void
test_room(void **state)
{
  (void) state;
  time_t now = (time_t) (clock_unix_us() / 1000000);
  char name[32];
  open_cache(1 << 30);
  for (int i = 0; i < 20; i++)
  {
    snprintf(name, sizeof name, "%02d.atds", i);
    put_file(name, 1000, i == 19 ? now : now - 100000 + (i * 7 % 20) * 1000);
  }
  put_file("ff.part", 10, now);
  put_file("ee.part", 10, now);
  char lock[CACHED_SIZE];
  snprintf(lock, sizeof lock, "%s/cache/datasets/ee.lock", folder);
  int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  assert_int_equal(flock(fd, LOCK_EX), 0);
  open_cache(10500);
  assert_false(is_file("ff.part"));
  assert_true(is_file("ee.part")); /* somebody writes it */
  close(fd);
  size_t kept = 0;
  for (int i = 0; i < 20; i++)
  {
    snprintf(name, sizeof name, "%02d.atds", i);
    kept += is_file(name);
    if (i < 19 && i * 7 % 20 >= 12)
      assert_true(is_file(name));
  }
  assert_int_equal(kept, 10);
  open_cache(1);
  assert_true(is_file("19.atds"));
  assert_false(is_file("17.atds"));
}

static void
test_bad_places(void **state)
{
  (void) state;
  static char deep[PATH_MAX];
  struct dataset_cache other;
  struct work_dir dir;
  struct err_info info = {0};
  memset(deep, 'x', sizeof deep - 1);
  assert_int_equal(dataset_cache_open(&other, deep, 1, &info), ERR_LIMIT);
  assert_int_equal(dataset_cache_open(&other, "/dev/null", 1, &info), ERR_IO);
  assert_int_equal(work_dir_at(&dir, ""), ERR_LIMIT);
  assert_int_equal(work_dir_at(&dir, deep), ERR_OK);
  assert_int_equal(work_dir_make(&dir, deep, "a", &info), ERR_LIMIT);
  assert_int_equal(work_dir_make(&dir, "/dev/null", "a", &info), ERR_IO);
  assert_int_equal(work_dir_make(&dir, folder, "w", &info), ERR_OK);
  struct buf bytes = {0};
  json_t *json;
  assert_int_equal(work_dir_read(&dir, "../w/x", &bytes, &info), ERR_INVALID);
  assert_has_text(info.text, "no name of a file");
  assert_int_equal(work_dir_read(&dir, "x", &bytes, &info), ERR_NOT_FOUND);
  assert_int_equal(work_dir_read_json(&dir, "x", &json, &info), ERR_NOT_FOUND);
  assert_int_equal(work_dir_write(&dir, "x", "", 0, &info), ERR_OK);
  assert_int_equal(work_dir_read_json(&dir, "x", &json, &info), ERR_INVALID);
  assert_int_equal(work_dir_write(&dir, "no/such", "", 0, &info), ERR_IO);
  assert_int_equal(work_dir_write_json(&dir, "x", NULL, &info), ERR_MEMORY);
  assert_int_equal(work_dir_write(&dir, deep + 10, "", 0, &info), ERR_LIMIT);
  work_dir_remove(&dir);
  snprintf(cache.dir, sizeof cache.dir, "%.*s", PATH_MAX - 60, deep);
  char path[PATH_MAX];
  assert_int_equal(get((struct dataset_wanted){.bytes = 8}, path, &info), ERR_LIMIT);
  open_cache(1 << 30);
}

/* Every system call of a fetch fails: no half file is taken for a whole one. */
static bool
run_fetch(void)
{
  char path[PATH_MAX];
  struct dataset_cache own;
  struct buf bytes = {0};
  database.blob = DB_ROWS;
  bool done = dataset_cache_open(&own, folder, (uint64_t) 1 << 30, NULL) == ERR_OK;
  if (done)
    done = dataset_cache_get(&own, NULL,
                             &(struct dataset_wanted){.sha256 = sha256, .blob_id = 7, .bytes = 8},
                             path, NULL)
           == ERR_OK;
  call_fails_hold(true);
  if (done)
  {
    assert_int_equal(file_read_all(path, 100, &bytes, NULL), ERR_OK);
    assert_int_equal(bytes.length, 8);
    assert_int_equal(unlink(path), 0);
  }
  call_fails_hold(false);
  buf_free(&bytes);
  return done;
}

static void
test_fetch_with_failing_calls(void **state)
{
  (void) state;
  /* A call that fails while the folder is made or tidied does not matter. */
  scenario_with_all_call_faults(&(struct scenario){"fetch", run_fetch, true, 0, false});
}

/* ---- jobs made ready ------------------------------------------------------------------------------------ */

static char table_path[TEST_PATH_SIZE], *schema_text;
static const char spec_text[] =
  "{\"target\":\"y\",\"validation\":{\"folds\":2},\"families\":[\"linear\"],"
  "\"budget\":{\"trials\":9},\"search\":{\"seed\":4}}";

static bool
run_prepare(void)
{
  struct prepared_jobs jobs = {{NULL}};
  bool done = prepared_add(&jobs, "jb_1", spec_text, schema_text, table_path, NULL) == ERR_OK
              && prepared_find(&jobs, "jb_1", spec_text) != NULL;
  prepared_clear(&jobs);
  return done;
}

static void
test_prepare_without_memory(void **state)
{
  (void) state;
  scenario_without_memory(&(struct scenario){"prepare", run_prepare, false, 0, false});
  scenario_with_failing_calls(&(struct scenario){"prepare", run_prepare, false, 0, false},
                              CALL_FAILS, false);
}

static void
test_prepared(void **state)
{
  (void) state;
  struct prepared_jobs jobs = {{NULL}};
  struct err_info info = {0};
  char id[16];
  assert_int_equal(prepared_add(&jobs, "jb_1", "{", schema_text, table_path, &info), ERR_INVALID);
  assert_int_equal(prepared_add(&jobs, "jb_1", spec_text, "[", table_path, &info), ERR_INVALID);
  assert_int_equal(prepared_add(&jobs, "jb_1", spec_text, schema_text, "/no/where", &info),
                   ERR_NOT_FOUND);
  assert_int_equal(
    prepared_add(&jobs, "jb_1", "{\"target\":\"z\"}", schema_text, table_path, &info), ERR_INVALID);
  assert_null(prepared_find(&jobs, "jb_1", spec_text));
  for (int i = 1; i <= PREPARED_MOST + 1; i++)
  {
    snprintf(id, sizeof id, "jb_%d", i);
    assert_int_equal(prepared_add(&jobs, id, spec_text, schema_text, table_path, &info), ERR_OK);
    /* The first is used all the time. */
    assert_non_null(prepared_find(&jobs, "jb_1", spec_text));
  }
  assert_null(prepared_find(&jobs, "jb_2", spec_text));
  assert_non_null(prepared_find(&jobs, "jb_3", spec_text));
  prepared_drop(&jobs, "jb_3");
  assert_null(prepared_find(&jobs, "jb_3", spec_text));
  /* Another spec under the same id: an extension. */
  assert_null(prepared_find(&jobs, "jb_4", "{}"));
  assert_null(prepared_find(&jobs, "jb_4", spec_text));

  struct prepared *job = prepared_find(&jobs, "jb_1", spec_text);
  struct arena *arena = arena_new(0);
  double point[64] = {0};
  size_t width = job->data->spec->space->count;
  for (size_t p = 0; p < width; p++)
    point[p] = job->data->spec->space->params[p].low;
  database.log_status = DB_SOFT;
  database.log_count = 0;
  assert_int_equal(prepared_catch_up(job, NULL, arena), DB_SOFT);
  database.log_status = DB_ROWS;
  database.log[0] = (struct db_work_log_entry){
    .seq = 1, .kind = DB_LOG_ASK, .trial_number = 1, .point = point, .point_count = width};
  database.log[1] = (struct db_work_log_entry){
    .seq = 2, .kind = DB_LOG_TELL, .trial_number = 1, .objective = 1, .seconds = 1};
  database.log_count = 2;
  assert_int_equal(prepared_catch_up(job, NULL, arena), DB_ROWS);
  assert_int_equal(job->seen, 2);
  /* What can't follow is no reason to go on with another search than the log's. */
  database.log[0] =
    (struct db_work_log_entry){.seq = 3, .kind = DB_LOG_TELL, .trial_number = 9, .objective = 1};
  database.log_count = 1;
  assert_int_equal(prepared_catch_up(job, NULL, arena), DB_HARD);
  database.log[0] = (struct db_work_log_entry){
    .seq = 4, .kind = DB_LOG_ASK, .trial_number = 2, .point = point, .point_count = width + 1};
  assert_int_equal(prepared_catch_up(job, NULL, arena), DB_HARD);
  arena_free(arena);
  prepared_clear(&jobs);
}

/* ---- the trial process ---------------------------------------------------------------------------------- */

static struct work_dir trial;

/* Runs a unit; its result, to be decref'd, or NULL when it wrote none. */
static json_t *
run_trial(json_t *unit, int exit_status)
{
  json_t *result = NULL;
  assert_int_equal(work_dir_write_json(&trial, "unit.json", unit, NULL), ERR_OK);
  json_decref(unit);
  assert_int_equal(trial_main(trial.path), exit_status);
  work_dir_read_json(&trial, "result.json", &result, NULL);
  return result;
}

static json_t *
unit_of(const char *more)
{
  json_t *unit =
    json_pack("{s:s, s:o, s:o, s:s}", "data", table_path, "spec", json_loads(spec_text, 0, NULL),
              "schema", json_loads(schema_text, 0, NULL), "job", "jb_1");
  json_t *added = json_loads(more, 0, NULL);
  assert_non_null(added);
  json_object_update(unit, added);
  json_decref(added);
  return unit;
}

static void
check_trial_fails(const char *more, const char *error, const char *text)
{
  json_t *result = run_trial(unit_of(more), 0);
  assert_non_null(result);
  assert_false(json_get_bool(result, "ok", true));
  assert_string_equal(json_get_string(result, "error", ""), error);
  assert_has_text(json_get_string(result, "text", ""), text);
  json_decref(result);
}

static const char fit[] = "{\"family\":\"linear\",\"params\":{},\"trial\":1,\"fold\":0}";

static void
copy_file(const char *from, const char *to)
{
  struct buf bytes = {0};
  assert_int_equal(work_dir_read(&trial, from, &bytes, NULL), ERR_OK);
  assert_int_equal(work_dir_write(&trial, to, bytes.data, bytes.length, NULL), ERR_OK);
  buf_free(&bytes);
}

static void
test_trials(void **state)
{
  (void) state;
  char text[100];
  json_t *result;
  assert_int_equal(trial_main(""), 2);
  assert_int_equal(trial_main("/no/where"), 2);
  snprintf(text, sizeof text, "{\"parent\":%d}", (int) getppid() + 1);
  assert_null(run_trial(unit_of(text), 3));
  check_trial_fails("{\"data\":\"/no/where\"}", "not_found", "/no/where");
  check_trial_fails("{\"spec\":{\"target\":\"z\"}}", "invalid", "z");
  check_trial_fails("{\"family\":\"oracle\",\"trial\":1}", "invalid", "oracle");
  check_trial_fails("{\"family\":\"linear\",\"fold\":9}", "invalid", "fold 9");
  check_trial_fails("{\"mode\":\"finish\"}", "not_found", "no trial");
  check_trial_fails("{\"mode\":\"finish\",\"trials\":[{\"folds\":[{\"model\":\"m0\"}]}]}",
                    "not_found", "m0");
  for (int fold = 0; fold < 2; fold++)
  {
    snprintf(text, sizeof text, "{\"family\":\"linear\",\"params\":{},\"trial\":1,\"fold\":%d}",
             fold);
    result = run_trial(unit_of(text), 0);
    assert_true(json_get_bool(result, "ok", false));
    assert_true(json_get_number(result, "metric", 0) > 0.4);
    json_decref(result);
    copy_file("model.bin", fold == 0 ? "m0" : "m1");
    copy_file("predictions.f32", fold == 0 ? "p0" : "p1");
  }
  static const char finish[] =
    "{\"mode\":\"finish\",\"simple\":true,\"trials\":[{\"number\":1,\"family\":\"linear\","
    "\"params\":{},\"metric\":0.5,\"objective\":0.5,\"folds\":[{\"model\":\"m0\","
    "\"predictions\":\"p0\"},{\"model\":\"m1\",\"predictions\":\"p1\"}]}]}";
  result = run_trial(unit_of(finish), 0);
  assert_true(json_get_bool(result, "ok", false));
  assert_string_equal(json_get_string(result, "family", ""), "linear");
  json_decref(result);
  /* A fold's predictions are cut: no trial can be scored. */
  assert_int_equal(work_dir_write(&trial, "p1", "1234", 4, NULL), ERR_OK);
  check_trial_fails(finish, "not_found", "no trial");
  copy_file("p0", "p1");
  /* A fold's model is damaged. */
  assert_int_equal(work_dir_write(&trial, "m1", "1234", 4, NULL), ERR_OK);
  check_trial_fails(finish, "invalid", "model");
}

/* Every write of a fit fails: its process says so by its exit status or in its result. */
static void
test_trial_with_a_full_disk(void **state)
{
  (void) state;
  bool reached = true;
  size_t failed = 0;
  for (size_t nth = 1; reached; nth++)
  {
    char path[TEST_PATH_SIZE];
    test_path(path, trial.path, "result.json");
    unlink(path);
    json_t *unit = unit_of(fit);
    assert_int_equal(work_dir_write_json(&trial, "unit.json", unit, NULL), ERR_OK);
    json_decref(unit);
    call_fails_from(CALL_FULL, nth, false);
    int status = trial_main(trial.path);
    reached = call_fails_end();
    json_t *result = NULL;
    work_dir_read_json(&trial, "result.json", &result, NULL);
    bool good = status == 0 && json_get_bool(result, "ok", false);
    failed += !good;
    assert_true(good || status == 4
                || strstr(json_get_string(result, "text", ""), "could not write") != NULL);
    assert_true(reached || good);
    json_decref(result);
  }
  assert_true(failed >= 3); /* the model, the predictions, the result */
}

static bool
run_trial_once(void)
{
  json_t *result = NULL;
  bool done = trial_main(trial.path) == 0
              && work_dir_read_json(&trial, "result.json", &result, NULL) == ERR_OK
              && json_get_bool(result, "ok", false);
  json_decref(result);
  return done;
}

static void
test_trial_without_memory(void **state)
{
  (void) state;
  json_t *unit = unit_of(fit);
  assert_int_equal(work_dir_write_json(&trial, "unit.json", unit, NULL), ERR_OK);
  json_decref(unit);
  scenario_without_memory(&(struct scenario){"trial", run_trial_once, true, 30, true});
}

/* ---- set-up --------------------------------------------------------------------------------------------- */

static int
set_up(void **state)
{
  (void) state;
  int null = open("/dev/null", O_RDWR);
  dup2(null, TRIAL_PROGRESS_FD); /* where epochs are told */
  if (null != TRIAL_PROGRESS_FD)
    close(null);
  no_memory_from(0, false);
  test_make_dir(folder);
  test_path(table_path, folder, "table.atds");
  struct dataset *table = toy_table(80, TOY_THREE, TOY_GOOD, 3);
  assert_int_equal(dataset_save_table(table_path, dataset_table(table), NULL), ERR_OK);
  schema_text = json_dumps(dataset_schema(table), 0);
  dataset_close(table);
  return work_dir_make(&trial, folder, "trial", NULL) == ERR_OK ? 0 : 1;
}

static int
tear_down(void **state)
{
  (void) state;
  free(schema_text);
  test_remove_dir(folder);
  return 0;
}

int
main(int argc, char **argv)
{
  (void) argc;
  scenario_restart_without_cache(argv);
  log_setup("test_worker_files", LOG_LEVEL_ERROR + 1, false);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fetching),
    cmocka_unit_test(test_locked),
    cmocka_unit_test(test_room),
    cmocka_unit_test(test_bad_places),
    cmocka_unit_test(test_fetch_with_failing_calls),
    cmocka_unit_test(test_prepared),
    cmocka_unit_test(test_prepare_without_memory),
    cmocka_unit_test(test_trials),
    cmocka_unit_test(test_trial_with_a_full_disk),
    cmocka_unit_test(test_trial_without_memory),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
