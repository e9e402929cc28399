/* Odd data: what is wrong with rows and columns, numbers read the wrong way, damaged files, a parser started by
 * hand. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include <fcntl.h>
#include <sys/wait.h>

#include "base/json.h"
#include "base/proc.h"
#include "data/issues.h"
#include "data/table.h"

/* ---- issues --------------------------------------------------------------------------------------------- */

static json_t *
find(const struct dataset *dataset, const char *target)
{
  struct issues_request request = {.dataset = dataset, .target = target, .seconds = INFINITY};
  json_t *found = NULL;
  struct err_info info = {0};
  if (issues_find(&request, &found, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return found;
}

static void
check_issue(const json_t *found, const char *code, const char *column, size_t rows, size_t first)
{
  const json_t *issue = fixture_issue(found, code, column);
  if (issue == NULL)
    fail_msg("%s of %s: %s", code, column != NULL ? column : "all", json_dumps(found, 0));
  assert_int_equal(json_get_integer(issue, "rows_count", -1), rows);
  if (rows > 0)
    assert_int_equal(json_integer_value(json_array_get(json_object_get(issue, "rows"), 0)), first);
}

/* A table of 300 rows with one fault of each kind. */
static void
test_columns(void **state)
{
  (void) state;
  struct fixture fixture;
  struct buf csv = {0};
  buf_append_text(&csv, "x,number,few,key,mixed,hole,y\n");
  for (unsigned i = 0; i < 300; i++)
  {
    buf_printf(&csv, "%u.%u,%u,%s,k%05u,", i * 37 % 101, i * 7 % 9, i + 1,
               i == 7 ? "other" : "same", i * 7919 % 99991);
    if (i % 40 == 5)
      buf_append_text(&csv, "unknown,");
    else
      buf_printf(&csv, "%u,", i * 13 % 50);
    buf_printf(&csv, "%s,", i % 3 ? "" : "1.5");
    buf_append_text(&csv, i % 60 == 1 ? "\n" : i % 59 == 0 ? "rare\n" : "usual\n");
  }
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
  json_t *found = find(fixture.dataset, "y");
  check_issue(found, "identifier", "number", 0, 0);
  check_issue(found, "nearly_constant", "few", 0, 0);
  check_issue(found, "missing_target", "y", 5, 1);
  check_issue(found, "missing", "hole", 200, 1);
  check_issue(found, "mixed_types", "mixed", 8, 5);
  assert_true(fixture_issue(found, "small_class", "y") != NULL
              || fixture_issue(found, "imbalance", "y"));
  json_decref(found);
  fixture_free(&fixture);
}

static void
test_copies(void **state)
{
  (void) state;
  struct fixture fixture;
  struct buf csv = {0};
  buf_append_text(&csv, "a,b,y\n");
  for (unsigned i = 0; i < 100; i++)
    buf_printf(&csv, "%u.25,%u,%s\n", i * 37 % 101, i * 11 % 97, i % 2 ? "p" : "q");
  buf_append_text(&csv, "0.25,0,q\n");   /* row 0 again */
  buf_append_text(&csv, "37.25,11,q\n"); /* row 1 with the other answer */
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  json_t *found = find(fixture.dataset, "y");
  check_issue(found, "duplicates", NULL, 1, 100);
  check_issue(found, "duplicate_conflict", NULL, 2, 1);
  json_decref(found);
  /* Of a regression only equal numbers are copies; without a target there is no conflict. */
  found = find(fixture.dataset, "a");
  assert_null(fixture_issue(found, "duplicate_conflict", NULL));
  assert_non_null(fixture_issue(found, "duplicates", NULL));
  json_decref(found);
  found = find(fixture.dataset, NULL);
  assert_null(fixture_issue(found, "duplicate_conflict", NULL));
  json_decref(found);
  buf_free(&csv);
  fixture_free(&fixture);
}

static void
test_images(void **state)
{
  (void) state;
  static const char *const names[] = {"a", "b", "c"};
  uint8_t pixels[40 * 16];
  int32_t labels[40];
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  for (size_t i = 0; i < 40; i++)
  {
    labels[i] = (int32_t) (i % 2);
    for (size_t p = 0; p < 16; p++)
      pixels[16 * i + p] = (uint8_t) (i == 11 ? 9 : i * 5 + p * 3);
  }
  labels[39] = 2;
  memcpy(pixels + 16 * 20, pixels, 16);          /* a copy of image 0 */
  memcpy(pixels + 16 * 21, pixels + 16 * 2, 16); /* image 2 under another class */
  struct image_set set = {40, 4, 4, 1, pixels, labels, names, 3};
  test_make_dir(folder);
  test_path(path, folder, "i.atds");
  assert_int_equal(dataset_save_images(path, &set, NULL), ERR_OK);
  struct dataset *dataset = NULL;
  assert_int_equal(dataset_open(path, &dataset, NULL), ERR_OK);
  test_remove_dir(folder);
  json_t *found = find(dataset, NULL);
  check_issue(found, "blank_image", NULL, 1, 11);
  check_issue(found, "duplicates", NULL, 1, 20);
  check_issue(found, "duplicate_conflict", NULL, 2, 2);
  json_decref(found);
  dataset_close(dataset);
}

/* ---- numbers read the wrong way -------------------------------------------------------------------------- */

static enum err
edit(const struct fixture *before, struct fixture *after, const char *json)
{
  struct ingest_work work = fixture_start(after, before->file);
  json_t *wanted = json_loads(json, 0, NULL);
  assert_non_null(wanted);
  work.edit = wanted;
  enum err err = ingest_edit(&work, &after->info);
  json_decref(wanted);
  return fixture_finish(after, &work, err);
}

/* "1,500" is a thousand and a half, or one and a half: turned, and turned back. */
static void
check_reread(const char *csv, const char *name, const char *format, double first, const char *other,
             double turned)
{
  struct fixture before, after, back;
  char json[200];
  assert_int_equal(fixture_csv(&before, csv), ERR_OK);
  assert_near(fixture_column(&before, name)->number[0], first, 1e-9);
  assert_string_equal(json_get_string(fixture_described(&before, name), "format", ""), format);
  snprintf(json, sizeof json, "{\"columns\":{\"%s\":{\"format\":\"%s\"}}}", name, other);
  if (edit(&before, &after, json) != ERR_OK)
    fail_msg("%s: %s", csv, after.info.text);
  assert_near(fixture_column(&after, name)->number[0], turned, 1e-9);
  assert_string_equal(json_get_string(fixture_described(&after, name), "format", ""), other);
  snprintf(json, sizeof json, "{\"columns\":{\"%s\":{\"format\":\"%s\"}}}", name, format);
  if (edit(&after, &back, json) != ERR_OK)
    fail_msg("%s: %s", csv, back.info.text);
  assert_near(fixture_column(&back, name)->number[0], first, 1e-9);
  fixture_free(&back);
  fixture_free(&after);
  /* A format that the numbers never had is refused. */
  snprintf(json, sizeof json, "{\"columns\":{\"%s\":{\"format\":\"%s\"}}}", name,
           "thousands_point");
  if (strcmp(other, "thousands_point") != 0)
  {
    assert_int_equal(edit(&before, &after, json), ERR_INVALID);
    assert_has_text(after.info.text, "format");
    fixture_free(&after);
  }
  fixture_free(&before);
}

static void
test_rereading(void **state)
{
  (void) state;
  check_reread("a;b\n1,500;x\n2,250;y\n3,125;x\n4,000;y\n", "a", "decimal_comma", 1.5,
               "thousands_comma", 1500);
  check_reread("a,b\n\"1,500\",x\n\"12,250\",y\n\"3,125\",x\n", "a", "thousands_comma", 1500,
               "decimal_comma", 1.5);
}

/* Truth values of many writings, and dates as numbers and texts. */
static void
test_retyping(void **state)
{
  (void) state;
  static const char csv[] = "zero,word,when,one\n0,ja,2024-01-02,7\n1,nein,2024-02-03,7\n"
                            "1,ja,2024-03-04,7\n0,,2024-04-05,7\n0,ja,,7\n";
  struct fixture before, after;
  assert_int_equal(fixture_csv(&before, csv), ERR_OK);
  assert_int_equal(edit(&before, &after, "{\"columns\":{\"when\":\"numeric\"}}"), ERR_OK);
  assert_near(fixture_column(&after, "when")->number[0], 1704153600.0, 0);
  assert_true(isnan(fixture_column(&after, "when")->number[4]));
  fixture_free(&after);
  assert_int_equal(edit(&before, &after, "{\"columns\":{\"one\":\"boolean\"}}"), ERR_INVALID);
  assert_has_text(after.info.text, "value");
  fixture_free(&after);
  assert_int_equal(edit(&before, &after, "{\"columns\":{\"when\":\"categorical\"}}"), ERR_OK);
  assert_string_equal(fixture_column(&after, "when")->categories[0], "2024-01-02");
  fixture_free(&after);
  fixture_free(&before);
}

/* ---- damage --------------------------------------------------------------------------------------------- */

/* The bytes of a table's file with every kind of column. */
static struct buf
file_bytes(const struct fixture *fixture)
{
  struct buf bytes = {0};
  assert_int_equal(lseek(fixture->file, 0, SEEK_SET), 0);
  assert_int_equal(file_read_fd(fixture->file, (size_t) 1 << 20, &bytes, NULL), ERR_OK);
  return bytes;
}

static void
use_dataset(const struct dataset *dataset)
{
  const struct table *table = dataset_table(dataset);
  struct arena *arena = arena_new(0);
  for (size_t c = 0; c < table->column_count; c++)
    for (size_t row = 0; row < table->row_count; row++)
    {
      const char *text = table_value_text(&table->columns[c], row, arena);
      assert_true(text == NULL || strlen(text) < 1000);
    }
  arena_free(arena);
}

/* Whatever byte is turned, and wherever the file ends, it is refused or can be read through safely. */
static void
test_damaged_datasets(void **state)
{
  (void) state;
  static const char csv[] = "n,c,t,d,b,k\n1,red,some words here,2024-01-01,yes,a1\n"
                            "2,blue,other words there,2024-01-02,no,a2\n"
                            ",red,,,,a3\n4,blue,more of the words,2024-01-04,no,a4\n";
  struct fixture fixture;
  size_t refused = 0;
  assert_int_equal(fixture_csv(&fixture, csv), ERR_OK);
  struct buf bytes = file_bytes(&fixture);
  for (size_t at = 0; at < bytes.length; at++)
    for (int kind = 0; kind < 3; kind++)
    {
      struct dataset *dataset = NULL;
      struct err_info info = {0};
      char kept = bytes.data[at];
      bytes.data[at] = (char) (kind == 0 ? kept ^ 1 : kind == 1 ? kept ^ 0x80 : 0xff);
      int fd = fixture_file(bytes.data, kind == 2 && at % 8 == 0 ? at : bytes.length);
      bytes.data[at] = kept;
      enum err err = dataset_open_fd(fd, &dataset, &info);
      close(fd);
      if (err == ERR_OK)
        use_dataset(dataset);
      else
      {
        assert_int_equal(err, ERR_INVALID);
        assert_true(info.text[0] != '\0');
        refused++;
      }
      dataset_close(dataset);
    }
  assert_true(refused > bytes.length);
  buf_free(&bytes);
  fixture_free(&fixture);
}

/* ---- the parser started by hand -------------------------------------------------------------------------- */

static int
run_ingest(const char *const *arguments, int report)
{
  char path[4096];
  char *argv[16] = {"attune-ingest"};
  struct err_info info = {0};
  pid_t pid;
  int status;
  size_t count = 1;
  for (; *arguments != NULL; arguments++)
    argv[count++] = (char *) *arguments;
  if (proc_find_program("attune-ingest", path, sizeof path, &info) != ERR_OK)
    fail_msg("%s", info.text);
  int quiet = open("/dev/null", O_WRONLY | O_CLOEXEC);
  struct proc_fd fds[] = {{quiet, 1}, {quiet, 2}, {report, 5}, {report, 3}, {report, 4}};
  struct proc_spawn spawn = {.path = path, .argv = argv, .fds = fds, .fd_count = 5};
  assert_int_equal(proc_start(&spawn, &pid, &info), ERR_OK);
  close(quiet);
  assert_int_equal(proc_wait_timeout(pid, 20, &status), ERR_OK);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void
test_options_of_the_parser(void **state)
{
  (void) state;
#define GOOD "--input-fd=3", "--output-fd=4", "--report-fd=5"
  static const char *const cases[][8] = {
    {NULL},
    {"--input-fd=3", NULL},
    {GOOD, "operand", NULL},
    {GOOD, "--kind=idx", NULL},
    {GOOD, "--kind=edit", NULL},
    {GOOD, "--kind=archive", NULL},
    {GOOD, "--kind=oracle", NULL},
    {GOOD, "--header=perhaps", NULL},
    {GOOD, "--delimiter=x", NULL},
    {GOOD, "--delimiter=;;", NULL},
    {GOOD, "--max-rows=0", NULL},
    {GOOD, "--max-rows=many", NULL},
    {GOOD, "--image-height=70000", NULL},
    {GOOD, "--image-width=-1", NULL},
    {GOOD, "--unknown=1", NULL},
    {"--input-fd=x", "--output-fd=4", "--report-fd=5", NULL},
    {"--input-fd=3", "--output-fd=9999999", "--report-fd=5", NULL},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    int report = fixture_file("", 0);
    assert_int_equal(run_ingest(cases[i], report), 2);
    assert_int_equal(lseek(report, 0, SEEK_END), 0);
    close(report);
  }
#undef GOOD
}

static enum err
run_child(const char *csv, struct ingest_request request, struct ingest_result *result,
          struct err_info *info)
{
  int input = fixture_file(csv, strlen(csv)), output = fixture_file("", 0);
  static const struct ingest_limits limits = INGEST_LIMITS_DEFAULT;
  request.input_fd = input;
  request.output_fd = output;
  request.labels_fd = -1;
  request.limits = limits;
  enum err err = ingest_run(&request, result, info);
  close(input);
  close(output);
  return err;
}

/* What the caller asks for arrives: header, delimiter, edit. */
static void
test_wishes_of_the_caller(void **state)
{
  (void) state;
  struct ingest_result result;
  struct err_info info = {0};
  static const char *const csvs[] = {"a|b\n1|2\n3|4\n", "a\tb\n1\t2\n3\t4\n", "a;b\n1;2\n3;4\n"};
  static const char delimiters[] = {'|', '\t', ';'};
  for (size_t i = 0; i < 3; i++)
    for (int header = INGEST_HEADER_AUTO; header <= INGEST_HEADER_NO; header++)
    {
      struct ingest_request request = {.header = (enum ingest_header) header,
                                       .delimiter = delimiters[i]};
      assert_int_equal(run_child(csvs[i], request, &result, &info), ERR_OK);
      assert_int_equal(json_array_size(json_object_get(result.schema, "columns")), 2);
      assert_int_equal(json_get_integer(result.schema, "rows", 0),
                       header == INGEST_HEADER_NO ? 3 : 2);
      ingest_result_clear(&result);
    }
  /* An edit of what is no dataset, and one that is no edit. */
  json_t *change = json_loads("{\"columns\":{\"a\":\"text\"}}", 0, NULL);
  struct ingest_request request = {.kind = INGEST_EDIT, .edit = change};
  assert_int_equal(run_child("no dataset", request, &result, &info), ERR_INVALID);
  ingest_result_clear(&result);
  json_decref(change);
}

static bool
always(void *context)
{
  (void) context;
  return true;
}

/* A parser that dies, hangs or talks rubbish, in the real one's place. */
static void
test_false_parsers(void **state)
{
  (void) state;
  static const struct
  {
    const char *script;
    bool cancelled;
    enum err err;
    const char *says;
  } cases[] = {
    {"exit 0", false, ERR_INTERNAL, "ended with code 0 without a report"},
    {"exit 7", false, ERR_INTERNAL, "ended with code 7"},
    {"kill -SEGV $$", false, ERR_INTERNAL, "signal 11"},
    {"kill -KILL $$", false, ERR_LIMIT, "of computing"},
    {"kill -XCPU $$", false, ERR_LIMIT, "of computing"},
    {"kill -SYS $$", false, ERR_INVALID, "reading the file was stopped"},
    {"echo rubbish >&6", false, ERR_INTERNAL, "without a report"},
    {"echo '{\"ok\":true}' >&6", false, ERR_INTERNAL, "without a report"},
    {"echo '{\"ok\":true,\"schema\":{},\"sha256\":\"12\"}' >&6", false, ERR_INTERNAL, "report"},
    {"echo '{\"ok\":false}' >&6", false, ERR_INTERNAL, "could not be read"},
    {"echo '{\"ok\":false,\"status\":\"memory\"}' >&6", false, ERR_LIMIT, "too much memory"},
    {"echo '{\"ok\":false,\"status\":\"invalid\",\"message\":\"odd\"}' >&6", false, ERR_INVALID,
     "odd"},
    {"exec sleep 20", true, ERR_CANCELLED, "was cancelled"},
    {"exec sleep 20", false, ERR_TIMEOUT, "could not be read within 2 s"},
  };
  char folder[TEST_PATH_SIZE], program[TEST_PATH_SIZE], text[300];
  test_make_dir(folder);
  test_path(program, folder, "attune-ingest");
  setenv("ATTUNE_LIBEXECDIR", folder, 1);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct ingest_result result;
    struct err_info info = {0};
    int input = fixture_file("a\n1\n", 4), output = fixture_file("", 0);
    struct ingest_request request = {.input_fd = input,
                                     .labels_fd = -1,
                                     .output_fd = output,
                                     .limits = INGEST_LIMITS_DEFAULT,
                                     .cancelled = cases[i].cancelled ? always : NULL};
    request.limits.max_seconds = 1;
    snprintf(text, sizeof text, "#!/bin/sh\n%s\n", cases[i].script);
    assert_int_equal(file_write_atomic(program, text, strlen(text), 0700, NULL), ERR_OK);
    enum err err = ingest_run(&request, &result, &info);
    if (err != cases[i].err)
      fail_msg("%s: %s: %s", cases[i].script, err_name(err), info.text);
    assert_has_text(info.text, cases[i].says);
    assert_null(result.schema);
    ingest_result_clear(&result);
    close(input);
    close(output);
  }
  unsetenv("ATTUNE_LIBEXECDIR");
  test_remove_dir(folder);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_columns),
    cmocka_unit_test(test_copies),
    cmocka_unit_test(test_images),
    cmocka_unit_test(test_rereading),
    cmocka_unit_test(test_retyping),
    cmocka_unit_test(test_damaged_datasets),
    cmocka_unit_test(test_options_of_the_parser),
    cmocka_unit_test(test_wishes_of_the_caller),
    cmocka_unit_test(test_false_parsers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
