/* Files, programs, options, JSON and spaces while memory ends and calls fail. */
#include <config.h>

#include "tests/harness/scenario.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/log.h"
#include "base/options.h"
#include "base/proc.h"
#include "base/space_json.h"

static char folder[TEST_PATH_SIZE], config[TEST_PATH_SIZE];

/* ---- files ---------------------------------------------------------------------------------------------- */

static bool
run_files(void)
{
  char path[TEST_PATH_SIZE], deep[TEST_PATH_SIZE];
  struct buf bytes = {0};
  test_path(path, folder, "file");
  test_path(deep, folder, "a/b/c");
  call_fails_hold(true);
  test_path(deep, folder, "a");
  file_remove_tree(deep);
  test_path(deep, folder, "a/b/c");
  unlink(path);
  call_fails_hold(false);
  bool done = file_make_dir(deep, 0700, NULL) == ERR_OK
              && file_write_atomic(path, "whole words", 11, 0640, NULL) == ERR_OK
              && file_read_all(path, 100, &bytes, NULL) == ERR_OK;
  if (done)
    assert_string_equal(bytes.data, "whole words");
  buf_free(&bytes);
  call_fails_hold(true);
  /* It is all there, or nothing is: no half file, and no other beside it. */
  if (file_read_all(path, 100, &bytes, NULL) == ERR_OK)
    assert_string_equal(bytes.data, "whole words");
  buf_free(&bytes);
  call_fails_hold(false);
  return done;
}

static bool
run_program(void)
{
  static char *const argv[] = {"true", NULL};
  struct proc_spawn spawn = {.path = "/bin/true", .argv = argv};
  pid_t pid;
  int status = -1;
  bool done = proc_start(&spawn, &pid, NULL) == ERR_OK;
  if (done)
    done = proc_wait_timeout(pid, 10, &status) == ERR_OK && status == 0;
  return done;
}

static void
test_files(void **state)
{
  (void) state;
  /* A folder that is there already need not be made. */
  scenario_without_memory(&(struct scenario){"files", run_files, true, 0, false});
  scenario_with_all_call_faults(&(struct scenario){"files", run_files, true, 0, false});
  scenario_with_failing_calls(&(struct scenario){"program", run_program, true, 0, false},
                              CALL_FAILS, false);
}

static void
test_odd_places(void **state)
{
  (void) state;
  struct err_info info = {0};
  struct buf bytes = {0};
  uint64_t space;
  char path[TEST_PATH_SIZE], cwd[TEST_PATH_SIZE];
  assert_int_equal(file_write_atomic("/dev/null/x", "a", 1, 0600, &info), ERR_IO);
  assert_has_text(info.text, "could not make /dev/null/x");
  assert_int_equal(file_read_all("/dev/null/x", 10, &bytes, &info), ERR_IO);
  assert_int_equal(file_read_all("/no/where", 10, &bytes, &info), ERR_NOT_FOUND);
  assert_int_equal(file_read_all("/dev/zero", 10, &bytes, &info), ERR_LIMIT);
  assert_has_text(info.text, "/dev/zero: has more than 10 bytes");
  buf_free(&bytes);
  assert_int_equal(file_make_dir("/dev/null", 0700, &info), ERR_IO);
  assert_int_equal(file_free_bytes("/no/where", &space, &info), ERR_IO);
  assert_int_equal(file_free_bytes("/", &space, &info), ERR_OK);
  assert_int_equal(file_remove_tree("/no/where"), ERR_OK);
  assert_int_equal(file_remove_tree("/proc/self/status"), ERR_IO);
  int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  assert_int_equal(file_write_fd(full, "abc", 3, &info), ERR_LIMIT);
  assert_has_text(info.text, "No space left");
  close(full);
  assert_int_equal(file_write_fd(-1, "abc", 3, &info), ERR_IO);
  /* A folder in the file's place. */
  test_path(path, folder, "taken");
  assert_int_equal(file_make_dir(path, 0700, NULL), ERR_OK);
  assert_int_equal(file_write_atomic(path, "a", 1, 0600, &info), ERR_IO);
  assert_has_text(info.text, "could not rename");
  /* In the folder one is in. */
  assert_non_null(getcwd(cwd, sizeof cwd));
  assert_int_equal(chdir(folder), 0);
  assert_int_equal(file_write_atomic("here", "a", 1, 0600, &info), ERR_OK);
  assert_int_equal(access("here", F_OK), 0);
  assert_int_equal(chdir(cwd), 0);
  char text[64];
  proc_describe_status(0xffff, text, sizeof text);
  assert_has_text(text, "unknown state");
}

/* ---- options -------------------------------------------------------------------------------------------- */

static const struct option_def defs[] = {
  {.name = "data-dir", .kind = OPTION_TEXT, .argument = "DIR", .help = "Where.", .section = "F"},
  {.name = "engines", .kind = OPTION_INTEGER, .fallback = "2", .max = 64, .help = "How many."},
  {.name = "ratio", .kind = OPTION_NUMBER, .fallback = "0.5", .min = 0, .max = 1},
  {.name = "cache", .kind = OPTION_BYTES, .fallback = "2G", .min = 1, .max = INFINITY},
  {.name = "level", .kind = OPTION_CHOICE, .fallback = "info", .choices = "debug info"},
  {.name = "json", .kind = OPTION_FLAG, .fallback = "false"},
  {.name = NULL}};

static bool
run_options(void)
{
  char *argv[] = {"program", "--config", config, "--ratio=0.25", "--json", NULL};
  struct options *options = NULL;
  struct buf faults = {0};
  bool done = options_read(defs, 5, argv, &options, &faults) == ERR_OK;
  if (done)
    done = options_number(options, "ratio") == 0.25 && options_integer(options, "engines") == 7
           && options_flag(options, "json");
  options_free(options);
  buf_free(&faults);
  return done;
}

static bool
run_bad_options(void)
{
  char *argv[] = {"program", "--ration", "1",       "--engines=many", "--cache", "2Q",
                  "--level", "loud",     "operand", "--json=perhaps", "--ratio"};
  struct options *options = NULL;
  struct buf faults = {0};
  enum err err = options_read(defs, 11, argv, &options, &faults);
  assert_true(err == ERR_INVALID || err == ERR_MEMORY);
  assert_null(options);
  bool done = err == ERR_INVALID && faults.data != NULL && strstr(faults.data, "--ratio") != NULL
              && strstr(faults.data, "operand") != NULL;
  buf_free(&faults);
  return done;
}

static void
test_options(void **state)
{
  (void) state;
  scenario_without_memory(&(struct scenario){"options", run_options, false, 0, false});
  scenario_without_memory(&(struct scenario){"bad options", run_bad_options, true, 0, false});
  scenario_with_failing_calls(&(struct scenario){"options", run_options, false, 0, false},
                              CALL_FAILS, false);
}

/* ---- JSON and spaces ------------------------------------------------------------------------------------ */

static bool
run_faults(void)
{
  static const char text[] =
    "{\"list\":[1,\"a long text that does not fit into what is shown of a value in a message\"],"
    "\"yes\":false,\"no\":null,\"n\":1e300,\"count\":1.5,\"name\":true,\"knd\":\"x\",\"few\":[],"
    "\"kind\":\"z\",\"deep\":{\"x\":1}}";
  static const char *const kinds[] = {"one", "two", NULL};
  static const struct json_field fields[] = {
    {.name = "list", .kind = JSON_KIND_STRING_ARRAY},
    {.name = "yes", .kind = JSON_KIND_STRING},
    {.name = "no", .kind = JSON_KIND_INTEGER},
    {.name = "n", .kind = JSON_KIND_NUMBER, .min = -INFINITY, .max = 5},
    {.name = "count", .kind = JSON_KIND_INTEGER, .min = 1, .max = INFINITY},
    {.name = "name", .kind = JSON_KIND_STRING},
    {.name = "few", .kind = JSON_KIND_ARRAY, .min = 1, .max = 2},
    {.name = "kind", .kind = JSON_KIND_STRING, .choices = kinds},
    {.name = "deep", .kind = JSON_KIND_ARRAY},
    {.name = "must", .kind = JSON_KIND_BOOLEAN, .required = true},
    JSON_FIELD_END};
  struct json_faults faults;
  struct arena *arena = arena_new(0);
  json_t *value = json_loadb(text, strlen(text), 0, NULL), *list = NULL;
  bool done = arena != NULL && value != NULL;
  if (done)
  {
    json_faults_init(&faults, arena);
    done = !json_check(value, fields, "/x", &faults) && faults.count >= 10
           && (list = json_faults_to_json(&faults)) != NULL;
  }
  json_decref(list);
  json_decref(value);
  arena_free(arena);
  return done;
}

static bool
run_spaces(void)
{
  static const char text[] =
    "{\"lr\":{\"type\":\"float\",\"low\":0.001,\"high\":1,\"scale\":\"log\",\"default\":0.1},"
    "\"n\":{\"type\":\"int\",\"low\":1,\"high\":9,\"step\":2,\"when\":{\"kind\":[\"p\",\"q\"]}},"
    "\"kind\":{\"type\":\"categorical\",\"choices\":[\"p\",\"q\",3]},"
    "\"flag\":{\"type\":\"bool\",\"help\":\"yes or no\"},"
    "\"size\":{\"type\":\"ordinal\",\"values\":[8,16],\"when\":{\"flag\":true}},\"k\":3}";
  static const char *const bad[] = {
    "{\"lr\":{\"type\":\"float\",\"low\":2,\"high\":1},\"n\":{\"type\":\"int\",\"lwo\":1},"
    "\"a\":{\"type\":\"flaot\"},\"b\":[],\"c\":{\"type\":\"categorical\",\"choices\":[1,1]},"
    "\"d\":{\"type\":\"float\",\"low\":0,\"high\":1,\"scale\":\"log\"},"
    "\"e\":{\"type\":\"int\",\"low\":1,\"high\":3,\"default\":9,\"when\":{\"zz\":1}}}",
    "[]", "{}"};
  static const char point_text[] =
    "{\"lr\":0.5,\"kind\":\"q\",\"n\":3,\"flag\":true,\"size\":16,\"k\":3}";
  struct json_faults faults;
  struct space *space = NULL;
  json_t *json[6] = {NULL};
  double point[8];
  struct arena *arena = arena_new(0);
  json[0] = json_loadb(text, strlen(text), 0, NULL);
  json[1] = json_loadb(point_text, strlen(point_text), 0, NULL);
  json[5] = json_loadb("{\"lr\":7,\"knd\":\"q\",\"n\":2,\"flag\":1,\"size\":9}",
                       strlen("{\"lr\":7,\"knd\":\"q\",\"n\":2,\"flag\":1,\"size\":9}"), 0, NULL);
  bool done = arena != NULL && json[0] != NULL && json[1] != NULL && json[5] != NULL;
  if (done)
  {
    json_faults_init(&faults, arena);
    done = space_from_json(json[0], "/space", arena, &space, &faults) == ERR_OK
           && space_point_from_json(space, json[1], "/point", point, &faults) == ERR_OK
           && (json[2] = space_to_json(space)) != NULL
           && (json[3] = space_point_to_json(space, point)) != NULL && json_equal(json[3], json[1])
           && isinf(space_cardinality(space))
           && space_point_from_json(space, json[5], "/point", point, &faults) == ERR_INVALID;
  }
  for (size_t i = 0; done && i < 3; i++)
  {
    json[4] = json_loadb(bad[i], strlen(bad[i]), 0, NULL);
    json_faults_init(&faults, arena);
    enum err err =
      json[4] != NULL ? space_from_json(json[4], "", arena, &space, &faults) : ERR_MEMORY;
    done = i < 2 ? err == ERR_INVALID && faults.count > 0 : err != ERR_MEMORY;
    json_decref(json[4]);
    json[4] = NULL;
  }
  for (size_t i = 0; i < 6; i++)
    json_decref(json[i]);
  arena_free(arena);
  return done;
}

static void
test_json(void **state)
{
  (void) state;
  scenario_without_memory(&(struct scenario){"faults", run_faults, true, 0, false});
  scenario_without_memory(&(struct scenario){"spaces", run_spaces, true, 0, false});
}

static int
set_up(void **state)
{
  (void) state;
  no_memory_from(0, false);
  test_make_dir(folder);
  test_path(config, folder, "attune.conf");
  test_write_file(config, "# comment\nengines = 7\n\ncache=1M\n");
  return 0;
}

static int
tear_down(void **state)
{
  (void) state;
  test_remove_dir(folder);
  return 0;
}

int
main(int argc, char **argv)
{
  (void) argc;
  scenario_restart_without_cache(argv);
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_files),
    cmocka_unit_test(test_odd_places),
    cmocka_unit_test(test_options),
    cmocka_unit_test(test_json),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
