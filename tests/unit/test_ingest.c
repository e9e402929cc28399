/* Uploads from bytes to datasets: good ones, bad ones, and the child process that reads them. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "base/clock.h"
#include "base/rng.h"
#include "data/ingest.h"

#include <fcntl.h>
#include <zlib.h>

static void
test_types_of_a_file(void **state)
{
  (void) state;
  struct fixture fixture;
  assert_int_equal(fixture_csv(&fixture, "age,city,vip,joined,zip\r\n"
                                         "30,\"Paris, 5e\",yes,2020-01-05,007\r\n"
                                         "NA,Rome,no,2020-01-06,008\r\n"
                                         " 12.5 ,Rome,,,007\r\n"),
                   ERR_OK);
  assert_int_equal(dataset_row_count(fixture.dataset), 3);
  assert_int_equal(fixture_column(&fixture, "age")->type, COLUMN_NUMERIC);
  assert_near(fixture_column(&fixture, "age")->number[2], 12.5, 0);
  assert_true(isnan(fixture_column(&fixture, "age")->number[1]));
  assert_string_equal(fixture_column(&fixture, "city")->categories[0], "Paris, 5e");
  assert_int_equal(fixture_column(&fixture, "vip")->type, COLUMN_BOOLEAN);
  assert_int_equal(fixture_column(&fixture, "vip")->code[0], 1);
  assert_int_equal(fixture_column(&fixture, "vip")->code[2], -1);
  assert_int_equal(fixture_column(&fixture, "joined")->type, COLUMN_DATETIME);
  assert_int_equal(fixture_column(&fixture, "zip")->type, COLUMN_CATEGORICAL);
  const json_t *age = fixture_described(&fixture, "age");
  assert_int_equal(json_integer_value(json_object_get(age, "missing")), 1);
  assert_int_equal(json_integer_value(json_object_get(age, "distinct")), 2);
  assert_int_equal(json_array_size(json_object_get(age, "examples")), 2);
  fixture_free(&fixture);
}

static const char *
warning(const struct fixture *fixture, size_t i)
{
  return json_string_value(
    json_array_get(json_object_get(dataset_schema(fixture->dataset), "warnings"), i));
}

static void
test_headers(void **state)
{
  (void) state;
  struct fixture fixture;
  /* Numbers only: rows, not names. */
  assert_int_equal(fixture_csv(&fixture, "1,2\n3,4\n5,6\n"), ERR_OK);
  assert_int_equal(dataset_row_count(fixture.dataset), 3);
  assert_near(fixture_column(&fixture, "column_2")->number[0], 2, 0);
  assert_has_text(warning(&fixture, 0), "column_1");
  fixture_free(&fixture);
  /* Iris without its header: the word comes again. */
  assert_int_equal(fixture_csv(&fixture, "5.1,3.5,setosa\n4.9,3.0,setosa\n7.0,3.2,versicolor\n"),
                   ERR_OK);
  assert_int_equal(dataset_row_count(fixture.dataset), 3);
  fixture_free(&fixture);
  /* Years as names. */
  assert_int_equal(fixture_csv(&fixture, "country,2019,2020\nItaly,1,2\nSpain,3,4\n"), ERR_OK);
  assert_int_equal(dataset_row_count(fixture.dataset), 2);
  assert_string_equal(dataset_table(fixture.dataset)->columns[1].name, "2019");
  fixture_free(&fixture);
  assert_int_equal(fixture_csv(&fixture, "a,a,,a_2\n1,2,3,4\n"), ERR_OK);
  const struct table *table = dataset_table(fixture.dataset);
  assert_string_equal(table->columns[0].name, "a");
  assert_string_equal(table->columns[1].name, "a_3");
  assert_string_equal(table->columns[2].name, "column_3");
  assert_string_equal(table->columns[3].name, "a_2");
  assert_has_text(warning(&fixture, 0), "column 3 has no name");
  assert_has_text(warning(&fixture, 1), "two columns are named \"a\"");
  fixture_free(&fixture);
  assert_int_equal(fixture_csv(&fixture, "x\n1\n\n2\n"), ERR_OK);
  assert_int_equal(dataset_row_count(fixture.dataset), 2);
  assert_has_text(warning(&fixture, 0), "1 empty lines are skipped");
  fixture_free(&fixture);
}

static void
test_bad_csv(void **state)
{
  (void) state;
  static const struct
  {
    const char *bytes;
    size_t length; /* 0 = a string */
    const char *says;
    size_t faults, row;
  } cases[] = {
    {"", 0, "the file is empty", 0, 0},
    {"\n\n\n", 0, "the file is empty", 0, 0},
    {"a,b\n", 0, "a header line and no rows", 0, 0},
    {"a,b\n1,2\n1,2,3\n", 0, "row 2 (line 3): the row has 3 fields, the header has 2", 1, 2},
    {"a,b\n1\n", 0, "row 1 (line 2): the row has 1 field, the header has 2", 1, 1},
    {"a,b\n1,\0\n3,4\n", 12, "row 1 (line 2): a NUL byte", 1, 1},
    {"a,b\n1,\xff\n3,4\n", 12, "row 1 (line 2): byte 3 (0xff) is not UTF-8", 1, 1},
    {"a,b\n1,2\n\"x,4\n", 0, "row 2 (line 3): a quote is opened and never closed", 1, 2},
    {"a,b\n1\n2,3,4\n5,6\n\"x\"y,1\n", 0, "3 rows can't be read; the first: row 1", 3, 1},
    {"\x89PNG\r\n\x1a\n\0\0\0", 11, "", 0, 0},
    {"PK\x03\x04xxxxxxx", 0, "Excel", 0, 0},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct fixture fixture;
    size_t length = cases[i].length > 0 ? cases[i].length : strlen(cases[i].bytes);
    assert_int_equal(fixture_bytes(&fixture, cases[i].bytes, length), ERR_INVALID);
    assert_has_text(fixture.info.text, cases[i].says);
    assert_int_equal(fixture.faults.count, cases[i].faults);
    if (cases[i].faults > 0)
      assert_int_equal(fixture.faults.items[0].row, cases[i].row);
    fixture_free(&fixture);
  }
}

static void
test_faults_are_bounded(void **state)
{
  (void) state;
  struct fixture fixture;
  struct buf csv = {0};
  buf_append_text(&csv, "a,b\n");
  for (int i = 0; i < 5000; i++)
    buf_append_text(&csv, "1,2,3\n");
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_INVALID);
  assert_int_equal(fixture.faults.kept, JSON_FAULTS_MAX);
  assert_has_text(fixture.info.text, "at least 100 rows");
  fixture_free(&fixture);
  buf_free(&csv);
}

static void
test_limits(void **state)
{
  (void) state;
  static const char csv[] = "a,b\n1,2\n3,4567\n";
  static const struct
  {
    struct ingest_limits limits;
    const char *says;
  } cases[] = {
    {{.max_bytes = 10, .max_rows = 9, .max_columns = 9, .max_cell_bytes = 9},
     "the file has 15 bytes"},
    {{.max_bytes = 99, .max_rows = 1, .max_columns = 9, .max_cell_bytes = 9}, "more than 1 rows"},
    {{.max_bytes = 99, .max_rows = 9, .max_columns = 1, .max_cell_bytes = 9},
     "more than 1 columns"},
    {{.max_bytes = 99, .max_rows = 9, .max_columns = 9, .max_cell_bytes = 3},
     "the value is longer than is allowed"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct fixture fixture;
    int input = fixture_file(csv, strlen(csv));
    struct ingest_work work = fixture_start(&fixture, input);
    work.limits = cases[i].limits;
    assert_int_equal(ingest_csv(&work, &fixture.info), ERR_INVALID);
    assert_has_text(fixture.info.text, cases[i].says);
    close(input);
    fixture_free(&fixture);
  }
}

/* Random tables, written as CSV and read back: every value the same. */
static void
test_round_trip(void **state)
{
  (void) state;
  static const char *const words[] = {"plain", "with, comma", "with \"quotes\"", "line\nbreak",
                                      "naïve", "x;y",         "12 apples"};
  struct rng rng;
  rng_init(&rng, 21, 0);
  for (int round = 0; round < 60; round++)
  {
    size_t rows = 25 + rng_below(&rng, 100);
    double *numbers = malloc(rows * sizeof *numbers);
    size_t *picks = malloc(rows * sizeof *picks);
    struct buf csv = {0};
    buf_append_text(&csv, "number,word\n");
    for (size_t i = 0; i < rows; i++)
    {
      numbers[i] = rng_below(&rng, 9) == 0
                     ? (double) NAN
                     : rng_normal(&rng) * pow(10, (double) rng_below(&rng, 12) - 6);
      picks[i] = rng_below(&rng, sizeof words / sizeof words[0]);
      if (isnan(numbers[i]))
        buf_append_text(&csv, ",\"");
      else
        buf_printf(&csv, "%.17g,\"", numbers[i]);
      for (const char *c = words[picks[i]]; *c != '\0'; c++)
      {
        buf_append(&csv, "\"", *c == '"');
        buf_append(&csv, c, 1);
      }
      buf_append_text(&csv, round % 2 ? "\"\n" : "\"\r\n");
    }
    struct fixture fixture;
    assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
    const struct column *number = fixture_column(&fixture, "number");
    const struct column *word = fixture_column(&fixture, "word");
    assert_int_equal(number->type, COLUMN_NUMERIC);
    assert_int_equal(word->type, COLUMN_CATEGORICAL);
    for (size_t i = 0; i < rows; i++)
    {
      assert_near(number->number[i], numbers[i], 0);
      assert_string_equal(word->categories[word->code[i]], words[picks[i]]);
    }
    fixture_free(&fixture);
    buf_free(&csv);
    free(numbers);
    free(picks);
  }
}

static void
test_noise(void **state)
{
  (void) state;
  static const char *const pieces[] = {
    ",", ",",          "\n",  "\n", "\"", "1",        "2.5",  "-",  "x", "007",   "1,5",
    ";", "2020-01-01", "yes", "no", "\r", "\xc3\xa9", "\xff", "NA", " ", "1e999", "0x1"};
  struct rng rng;
  rng_init(&rng, 5, 0);
  size_t good = 0;
  for (int round = 0; round < 3000; round++)
  {
    struct buf csv = {0};
    for (size_t n = rng_below(&rng, 60); n > 0; n--)
      buf_append_text(&csv, pieces[rng_below(&rng, sizeof pieces / sizeof pieces[0])]);
    buf_append(&csv, "", 0);
    struct fixture fixture;
    enum err err = fixture_bytes(&fixture, csv.data, csv.length);
    assert_true(err == ERR_OK || err == ERR_INVALID);
    good += err == ERR_OK;
    fixture_free(&fixture);
    buf_free(&csv);
  }
  assert_true(good > 50);
}

/* An IDX file of bytes: magic with `type`, sizes, data. */
static struct buf
idx_bytes(unsigned type, const uint32_t *dims, size_t dim_count, const uint8_t *data, size_t length)
{
  struct buf out = {0};
  const uint8_t magic[4] = {0, 0, (uint8_t) type, (uint8_t) dim_count};
  buf_append(&out, magic, 4);
  for (size_t d = 0; d < dim_count; d++)
  {
    const uint8_t size[4] = {(uint8_t) (dims[d] >> 24), (uint8_t) (dims[d] >> 16),
                             (uint8_t) (dims[d] >> 8), (uint8_t) dims[d]};
    buf_append(&out, size, 4);
  }
  buf_append(&out, data, length);
  return out;
}

static struct buf
gzip(const struct buf *plain)
{
  struct buf out = {0};
  z_stream stream = {0};
  assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  assert_true(buf_reserve(&out, deflateBound(&stream, plain->length) + 64));
  stream.next_in = (Bytef *) plain->data;
  stream.avail_in = (uInt) plain->length;
  stream.next_out = (Bytef *) out.data;
  stream.avail_out = (uInt) out.capacity;
  assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.length = stream.total_out;
  deflateEnd(&stream);
  return out;
}

static enum err
ingest_pair(struct fixture *fixture, const struct buf *images, const struct buf *labels)
{
  int input = fixture_file(images->data, images->length);
  int second = fixture_file(labels->data, labels->length);
  struct ingest_work work = fixture_start(fixture, input);
  work.labels = second;
  enum err err = ingest_idx(&work, &fixture->info);
  close(input);
  close(second);
  return fixture_finish(fixture, &work, err);
}

static const uint8_t pixel_data[24] = {1,  2,  3,  4,  5,  6,  7,  8,  9,  10, 11, 12,
                                       13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24};
static const uint8_t label_data[4] = {7, 3, 7, 9};

static void
test_idx(void **state)
{
  (void) state;
  struct buf images = idx_bytes(8, (const uint32_t[]){4, 2, 3}, 3, pixel_data, 24);
  struct buf labels = idx_bytes(8, (const uint32_t[]){4}, 1, label_data, 4);
  struct buf packed = gzip(&images);
  for (int gz = 0; gz < 2; gz++)
  {
    struct fixture fixture;
    assert_int_equal(ingest_pair(&fixture, gz ? &packed : &images, &labels), ERR_OK);
    const struct image_set *set = dataset_images(fixture.dataset);
    assert_int_equal(set->count, 4);
    assert_int_equal(set->height, 2);
    assert_int_equal(set->width, 3);
    assert_int_equal(set->channels, 1);
    assert_memory_equal(set->pixels, pixel_data, 24);
    assert_int_equal(set->class_count, 3);
    assert_string_equal(set->class_names[0], "3");
    assert_string_equal(set->class_names[set->labels[3]], "9");
    fixture_free(&fixture);
  }
  buf_free(&images);
  buf_free(&labels);
  buf_free(&packed);
}

static void
test_bad_idx(void **state)
{
  (void) state;
  struct buf images = idx_bytes(8, (const uint32_t[]){4, 2, 3}, 3, pixel_data, 24);
  struct buf labels = idx_bytes(8, (const uint32_t[]){4}, 1, label_data, 4);
  struct buf short_images = idx_bytes(8, (const uint32_t[]){4, 2, 3}, 3, pixel_data, 23);
  struct buf long_images = idx_bytes(8, (const uint32_t[]){4, 2, 2}, 3, pixel_data, 24);
  struct buf floats = idx_bytes(13, (const uint32_t[]){4, 2, 3}, 3, pixel_data, 24);
  struct buf flat = idx_bytes(8, (const uint32_t[]){4, 6}, 2, pixel_data, 24);
  struct buf none = idx_bytes(8, (const uint32_t[]){0, 2, 3}, 3, pixel_data, 0);
  struct buf empty = idx_bytes(8, (const uint32_t[]){4, 0, 3}, 3, pixel_data, 0);
  struct buf huge =
    idx_bytes(8, (const uint32_t[]){0xffffffff, 0xffffffff, 0xffffffff}, 3, pixel_data, 24);
  struct buf few = idx_bytes(8, (const uint32_t[]){3}, 1, label_data, 3);
  struct buf no_labels = idx_bytes(8, (const uint32_t[]){0}, 1, label_data, 0);
  struct buf five = idx_bytes(8, (const uint32_t[]){4, 2, 1, 1, 3}, 5, pixel_data, 24);
  struct buf wrong = {0}, broken = gzip(&images), cut = gzip(&images), short_packed, nothing = {0};
  buf_append(&wrong, "a,b\n1,2\n", 8);
  buf_append(&nothing, "", 0);
  memset(broken.data + broken.length - 20, 0x55, 10);
  cut.length -= 12;
  short_packed = gzip(&short_images);
  const struct
  {
    const struct buf *images, *labels;
    const char *says;
  } cases[] = {
    {&short_images, &labels, "images file is shorter than its head says"},
    {&short_packed, &labels, "images file is shorter than its head says"},
    {&long_images, &labels, "images file is longer than its head says"},
    {&floats, &labels, "type 0x0d"},
    {&flat, &labels, "has 2 dimensions"},
    {&five, &labels, "states 5 dimensions"},
    {&none, &no_labels, "holds no images"},
    {&empty, &labels, "0 × 3 pixels"},
    {&huge, &labels, "states more than"},
    {&images, &few, "4 images and 3 labels"},
    {&labels, &images, "swapped"},
    {&images, &images, "labels file has 3 dimensions"},
    {&wrong, &labels, "images file is no IDX file"},
    {&nothing, &labels, "images file is no IDX file"},
    {&broken, &labels, "gzip data of the images file is damaged"},
    {&cut, &labels, "breaks off"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct fixture fixture;
    assert_int_equal(ingest_pair(&fixture, cases[i].images, cases[i].labels), ERR_INVALID);
    assert_has_text(fixture.info.text, cases[i].says);
    fixture_free(&fixture);
  }
  struct buf *all[] = {&images, &labels, &short_images, &long_images,  &floats,    &flat,
                       &none,   &empty,  &huge,         &few,          &no_labels, &five,
                       &wrong,  &broken, &cut,          &short_packed, &nothing};
  for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
    buf_free(all[i]);
}

/* A child's work on this CSV. */
static enum err
run_child(const char *csv, size_t length, struct ingest_limits limits, bool (*cancelled)(void *),
          struct ingest_result *result, int *output, struct err_info *info)
{
  int input = fixture_file(csv, length);
  *output = fixture_file("", 0);
  struct ingest_request request = {.kind = INGEST_CSV,
                                   .input_fd = input,
                                   .labels_fd = -1,
                                   .output_fd = *output,
                                   .limits = limits,
                                   .cancelled = cancelled};
  enum err err = ingest_run(&request, result, info);
  close(input);
  return err;
}

static const struct ingest_limits defaults = INGEST_LIMITS_DEFAULT;

static void
test_child(void **state)
{
  (void) state;
  static const char csv[] = "a,b\n1,x\n2,y\n3,x\n";
  struct ingest_result result;
  struct err_info info = {0};
  int output;
  assert_int_equal(run_child(csv, strlen(csv), defaults, NULL, &result, &output, &info), ERR_OK);
  char digest[65];
  assert_int_equal(dataset_digest(output, result.bytes, digest, NULL), ERR_OK);
  assert_string_equal(digest, result.sha256);
  struct dataset *dataset;
  assert_int_equal(dataset_open_fd(output, &dataset, &info), ERR_OK);
  assert_int_equal(dataset_row_count(dataset), 3);
  assert_true(json_equal(result.schema, dataset_schema(dataset)));
  dataset_close(dataset);

  /* Edited by another child. */
  json_t *edit = json_pack("{s:{s:s}}", "columns", "a", "categorical");
  int edited = fixture_file("", 0);
  struct ingest_request request = {.kind = INGEST_EDIT,
                                   .input_fd = output,
                                   .labels_fd = -1,
                                   .output_fd = edited,
                                   .edit = edit,
                                   .limits = defaults};
  struct ingest_result second;
  assert_int_equal(ingest_run(&request, &second, &info), ERR_OK);
  assert_int_equal(dataset_open_fd(edited, &dataset, &info), ERR_OK);
  assert_int_equal(dataset_table(dataset)->columns[0].type, COLUMN_CATEGORICAL);
  dataset_close(dataset);
  ingest_result_clear(&second);
  json_decref(edit);
  close(edited);
  ingest_result_clear(&result);
  close(output);

  assert_int_equal(run_child("a,b\n1\n2,3,4\n", 12, defaults, NULL, &result, &output, &info),
                   ERR_INVALID);
  assert_has_text(info.text, "2 rows can't be read");
  assert_int_equal(json_array_size(result.faults), 2);
  assert_int_equal(json_integer_value(json_object_get(json_array_get(result.faults, 1), "row")), 2);
  ingest_result_clear(&result);
  close(output);
}

static bool
now(void *context)
{
  (void) context;
  return true;
}

/* A file that takes a while, and more than its limits. */
static void
test_child_is_bounded(void **state)
{
  (void) state;
  struct buf csv = {0};
  struct ingest_result result;
  struct err_info info = {0};
  int output;
  buf_append_text(&csv, "a,b,c\n");
  for (int i = 0; i < 400000; i++)
    buf_printf(&csv, "%d,%d.%d,w%d\n", i, i % 97, i, i % 1000);
  double start = clock_monotonic_s();
  assert_int_equal(run_child(csv.data, csv.length, defaults, now, &result, &output, &info),
                   ERR_CANCELLED);
  assert_true(clock_monotonic_s() - start < 20);
  assert_null(result.schema);
  close(output);

  struct ingest_limits limits = defaults;
  limits.max_output = 100000;
  enum err err = run_child(csv.data, csv.length, limits, NULL, &result, &output, &info);
  assert_true(err == ERR_IO || err == ERR_UNAVAILABLE);
  assert_null(result.schema);
  ingest_result_clear(&result);
  close(output);
#ifndef ATTUNE_SANITIZED
  limits = defaults;
  limits.max_memory = 4 << 20;
  assert_int_equal(run_child(csv.data, csv.length, limits, NULL, &result, &output, &info),
                   ERR_LIMIT);
  assert_has_text(info.text, "memory");
  close(output);
#endif
  buf_free(&csv);
}

/* A parser that its sandbox ended is a fault of the file, said as one, not an error of ours. */
static void
test_child_that_the_sandbox_ends(void **state)
{
  (void) state;
  static const char script[] = "#!/bin/sh\nkill -s SYS $$\n";
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct ingest_result result;
  struct err_info info = {0};
  int output;
  test_make_dir(folder);
  test_path(path, folder, "attune-ingest");
  assert_int_equal(file_write_atomic(path, script, strlen(script), 0700, &info), ERR_OK);
  setenv("ATTUNE_LIBEXECDIR", folder, 1);
  enum err err = run_child("a\n1\n", 4, defaults, NULL, &result, &output, &info);
  unsetenv("ATTUNE_LIBEXECDIR");
  assert_int_equal(err, ERR_INVALID);
  assert_has_text(info.text, "what it may not");
  close(output);
  test_remove_dir(folder);
}

/* Debian's dataset-fashion-mnist, where it is installed. */
static void
test_fashion_mnist(void **state)
{
  (void) state;
  static const char folder[] = "/usr/share/datasets/fashion-mnist/";
  char path[TEST_PATH_SIZE];
  test_path(path, folder, "train-images-idx3-ubyte.gz");
  int images = open(path, O_RDONLY | O_CLOEXEC);
  test_path(path, folder, "train-labels-idx1-ubyte.gz");
  int labels = open(path, O_RDONLY | O_CLOEXEC);
  if (images < 0 || labels < 0)
    skip();
  int output = fixture_file("", 0);
  struct ingest_request request = {.kind = INGEST_IDX,
                                   .input_fd = images,
                                   .labels_fd = labels,
                                   .output_fd = output,
                                   .limits = defaults};
  struct ingest_result result;
  struct err_info info = {0};
  assert_int_equal(ingest_run(&request, &result, &info), ERR_OK);
  struct dataset *dataset;
  assert_int_equal(dataset_open_fd(output, &dataset, &info), ERR_OK);
  const struct image_set *set = dataset_images(dataset);
  assert_int_equal(set->count, 60000);
  assert_int_equal(set->height, 28);
  assert_int_equal(set->width, 28);
  assert_int_equal(set->channels, 1);
  assert_int_equal(set->class_count, 10);
  size_t counts[10] = {0};
  for (size_t i = 0; i < set->count; i++)
    counts[set->labels[i]]++;
  for (size_t k = 0; k < 10; k++)
    assert_int_equal(counts[k], 6000);
  assert_int_equal(set->labels[0], 9); /* an ankle boot */
  dataset_close(dataset);
  ingest_result_clear(&result);
  close(output);
  close(images);
  close(labels);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_types_of_a_file),
    cmocka_unit_test(test_headers),
    cmocka_unit_test(test_bad_csv),
    cmocka_unit_test(test_faults_are_bounded),
    cmocka_unit_test(test_limits),
    cmocka_unit_test(test_round_trip),
    cmocka_unit_test(test_noise),
    cmocka_unit_test(test_idx),
    cmocka_unit_test(test_bad_idx),
    cmocka_unit_test(test_child),
    cmocka_unit_test(test_child_that_the_sandbox_ends),
    cmocka_unit_test(test_child_is_bounded),
    cmocka_unit_test(test_fashion_mnist),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
