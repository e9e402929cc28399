#include <config.h>

#include "base/options.h"

#include <unistd.h>

#include "tests/harness/test_support.h"

static const struct option_def defs[] = {
  {.name = "data-dir",
   .kind = OPTION_TEXT,
   .argument = "DIR",
   .help = "Where data lie.",
   .section = "Files"},
  {.name = "engines",
   .kind = OPTION_INTEGER,
   .fallback = "2",
   .min = 0,
   .max = 64,
   .help = "Number of engines.",
   .section = "Work"},
  {.name = "ratio", .kind = OPTION_NUMBER, .fallback = "0.5", .min = 0, .max = 1},
  {.name = "max-upload", .kind = OPTION_BYTES, .fallback = "2G", .min = 1, .max = INFINITY},
  {.name = "log-level",
   .kind = OPTION_CHOICE,
   .fallback = "info",
   .choices = "debug info warning error"},
  {.name = "json-log", .kind = OPTION_FLAG, .fallback = "false"},
  {.name = NULL},
};

struct fixture
{
  char dir[TEST_PATH_SIZE];
  char file[TEST_PATH_SIZE];
  struct options *options;
  struct buf faults;
};

static int
set_up(void **state)
{
  static struct fixture fixture;
  memset(&fixture, 0, sizeof fixture);
  test_make_dir(fixture.dir);
  test_path(fixture.file, fixture.dir, "attune.conf");
  *state = &fixture;
  return 0;
}

static int
tear_down(void **state)
{
  struct fixture *fixture = *state;
  static const char *const names[] = {"ATTUNE_DATA_DIR",   "ATTUNE_ENGINES",   "ATTUNE_RATIO",
                                      "ATTUNE_MAX_UPLOAD", "ATTUNE_LOG_LEVEL", "ATTUNE_JSON_LOG",
                                      "ATTUNE_CONFIG"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
    unsetenv(names[i]);
  options_free(fixture->options);
  buf_free(&fixture->faults);
  test_remove_dir(fixture->dir);
  return 0;
}

/* Reads the arguments, which blanks part. */
static enum err
read_options(struct fixture *fixture, const char *arguments)
{
  char copy[2048], *argv[32] = {"program"}, *save = NULL;
  int argc = 1;
  snprintf(copy, sizeof copy, "%s", arguments);
  for (char *word = strtok_r(copy, " ", &save); word; word = strtok_r(NULL, " ", &save))
    argv[argc++] = word;
  options_free(fixture->options);
  buf_free(&fixture->faults);
  return options_read(defs, argc, argv, &fixture->options, &fixture->faults);
}

static void
test_defaults(void **state)
{
  struct fixture *fixture = *state;
  assert_int_equal(read_options(fixture, ""), ERR_OK);
  const struct options *options = fixture->options;
  assert_null(options_text(options, "data-dir"));
  assert_int_equal(options_integer(options, "engines"), 2);
  assert_near(options_number(options, "ratio"), 0.5, 0);
  assert_int_equal(options_integer(options, "max-upload"), INT64_C(2) << 30);
  assert_string_equal(options_text(options, "log-level"), "info");
  assert_false(options_flag(options, "json-log"));
  assert_int_equal(options_action(options), OPTIONS_RUN);
}

static void
test_order(void **state)
{
  struct fixture *fixture = *state;
  char arguments[2 * TEST_PATH_SIZE];
  test_write_file(fixture->file,
                  "# a comment\n\n  data-dir =  /from file \r\nengines=3\nratio = 0.1\n"
                  "json-log = yes\nmax-upload=1k\n");
  setenv("ATTUNE_ENGINES", "4", 1);
  setenv("ATTUNE_RATIO", "0.2", 1);
  setenv("ATTUNE_DATA_DIR", "", 1); /* empty means unset */
  snprintf(arguments, sizeof arguments, "--ratio=0.3 --config %s --log-level debug", fixture->file);
  assert_int_equal(read_options(fixture, arguments), ERR_OK);
  const struct options *options = fixture->options;
  assert_string_equal(options_text(options, "data-dir"), "/from file");
  assert_int_equal(options_integer(options, "engines"), 4);
  assert_near(options_number(options, "ratio"), 0.3, 0);
  assert_int_equal(options_integer(options, "max-upload"), 1024);
  assert_string_equal(options_text(options, "log-level"), "debug");
  assert_true(options_flag(options, "json-log"));

  /* the file named by the environment, and a flag that turns a flag off */
  setenv("ATTUNE_CONFIG", fixture->file, 1);
  assert_int_equal(read_options(fixture, "--json-log=off"), ERR_OK);
  assert_false(options_flag(fixture->options, "json-log"));
  assert_string_equal(options_text(fixture->options, "data-dir"), "/from file");
}

static void
test_all_faults(void **state)
{
  struct fixture *fixture = *state;
  char arguments[2 * TEST_PATH_SIZE];
  test_write_file(fixture->file, "engine = 3\nnonsense\n= 5\nratio = many\n");
  setenv("ATTUNE_ENGINES", "65", 1);
  setenv("ATTUNE_JSON_LOG", "maybe", 1);
  snprintf(arguments, sizeof arguments,
           "--config=%s operand --log-level loud --max-upload 5T --dta-dir /x --data-dir",
           fixture->file);
  assert_int_equal(read_options(fixture, arguments), ERR_INVALID);
  assert_null(fixture->options);
  const char *text = fixture->faults.data;
  size_t lines = 0;
  for (const char *next = text; *next; next++)
    lines += *next == '\n';
  assert_int_equal(lines, 11);
  assert_has_text(
    text, "attune.conf, line 1, engine: there is no such option; did you mean \"engines\"?");
  assert_has_text(text, "attune.conf, line 2: must be \"name = value\"");
  assert_has_text(text, "attune.conf, line 3: must be");
  assert_has_text(text, "line 4, ratio: must be a number, not \"many\"");
  assert_has_text(text, "ATTUNE_ENGINES: must be a whole number between 0 and 64, not \"65\"");
  assert_has_text(text, "ATTUNE_JSON_LOG: must be true or false, not \"maybe\"");
  assert_has_text(text, "operand: not an option");
  assert_has_text(text, "--log-level: must be one of: debug info warning error, not \"loud\"");
  assert_has_text(text, "--max-upload: must be a number of bytes");
  assert_has_text(text, "--dta-dir: there is no such option; did you mean \"data-dir\"?");
  assert_has_text(text, "--data-dir: needs a value");
}

static void
test_bad_files(void **state)
{
  struct fixture *fixture = *state;
  assert_int_equal(read_options(fixture, "--config /no/such/file"), ERR_INVALID);
  assert_has_text(fixture->faults.data, "--config: could not open /no/such/file");
  char arguments[2 * TEST_PATH_SIZE];
  snprintf(arguments, sizeof arguments, "--config %s", fixture->file);
  assert_int_equal(file_write_atomic(fixture->file, "a\0b", 3, 0600, NULL), ERR_OK);
  assert_int_equal(read_options(fixture, arguments), ERR_INVALID);
  assert_has_text(fixture->faults.data, "is not a text file");
  assert_int_equal(read_options(fixture, "--config"), ERR_INVALID);
  assert_has_text(fixture->faults.data, "--config: needs a value");
}

static void
test_bytes(void **state)
{
  struct fixture *fixture = *state;
  static const struct
  {
    const char *text;
    int64_t bytes; /* −1 = refused */
  } cases[] = {{"1", 1},
               {"64k", 65536},
               {"3M", 3 << 20},
               {"0", -1},
               {"-1", -1},
               {"K", -1},
               {"1KB", -1},
               {"1.5G", -1},
               {"9999999999G", -1},
               {"1 K", -1},
               {"8589934591G", INT64_C(8589934591) << 30}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    char argument[64];
    snprintf(argument, sizeof argument, "--max-upload=%s", cases[i].text);
    char *argv[] = {"program", argument, NULL};
    options_free(fixture->options);
    buf_free(&fixture->faults);
    enum err err = options_read(defs, 2, argv, &fixture->options, &fixture->faults);
    assert_int_equal(err, cases[i].bytes < 0 ? ERR_INVALID : ERR_OK);
    if (!err)
      assert_int_equal(options_integer(fixture->options, "max-upload"), cases[i].bytes);
  }
}

static void
test_actions_and_export(void **state)
{
  struct fixture *fixture = *state;
  assert_int_equal(read_options(fixture, "--nonsense --help"), ERR_OK);
  assert_int_equal(options_action(fixture->options), OPTIONS_HELP);
  assert_int_equal(read_options(fixture, "--version"), ERR_OK);
  assert_int_equal(options_action(fixture->options), OPTIONS_VERSION);
  setenv("ATTUNE_CONFIG", fixture->file, 1);
  test_write_file(fixture->file, "engines = 7\n");
  assert_int_equal(read_options(fixture, "--data-dir /d"), ERR_OK);
  assert_int_equal(options_export(fixture->options), ERR_OK);
  assert_string_equal(getenv("ATTUNE_DATA_DIR"), "/d");
  assert_string_equal(getenv("ATTUNE_ENGINES"), "7");
  assert_string_equal(getenv("ATTUNE_MAX_UPLOAD"), "2G");
  assert_null(getenv("ATTUNE_CONFIG"));
  assert_int_equal(read_options(fixture, ""), ERR_OK);
  assert_int_equal(options_integer(fixture->options, "engines"), 7);
}

/* Every option, its default and its section are in the help. */
static void
test_help(void **state)
{
  struct fixture *fixture = *state;
  struct buf out = {0};
  fflush(stdout);
  int saved = dup(STDOUT_FILENO);
  assert_non_null(freopen(fixture->file, "w", stdout));
  options_print_help(defs, "program", "Does a thing.");
  fflush(stdout);
  dup2(saved, STDOUT_FILENO);
  close(saved);
  assert_int_equal(file_read_all(fixture->file, 65536, &out, NULL), ERR_OK);
  for (size_t i = 0; defs[i].name; i++)
    assert_has_text(out.data, defs[i].name);
  assert_has_text(out.data, "Usage: program");
  assert_has_text(out.data, "\nWork:\n");
  assert_has_text(out.data, "--data-dir DIR");
  assert_has_text(out.data, "Default: 2G.");
  assert_has_text(out.data, "One of: debug info warning error.");
  assert_has_text(out.data, "--config FILE");
  buf_free(&out);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int
main(void)
{
  const struct CMUnitTest tests[] = {
    TEST(test_defaults), TEST(test_order), TEST(test_all_faults),         TEST(test_bad_files),
    TEST(test_bytes),    TEST(test_help),  TEST(test_actions_and_export),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
