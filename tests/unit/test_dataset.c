/* The canonical file: written, read back, looked at, and damaged in every byte. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "base/rng.h"

#include <fcntl.h>

static const double ages[] = {30, NAN, 12.5, -1e300};
static const int32_t cities[] = {0, 2, -1, 1};
static const int32_t smokes[] = {1, 0, -1, 1};
static const double days[] = {0, 86400 * 365.0, NAN, 951868800 + 3723.5};
static const uint64_t note_offsets[] = {0, 5, 5, 12, 13};
static const char *const city_names[] = {"Paris", "Rome", "Köln"};
static const char *const words[] = {"no", "yes"};

static const struct column columns[] = {
  {.name = "age", .type = COLUMN_NUMERIC, .number = ages},
  {.name = "city",
   .type = COLUMN_CATEGORICAL,
   .code = cities,
   .categories = city_names,
   .category_count = 3},
  {.name = "smokes",
   .type = COLUMN_BOOLEAN,
   .code = smokes,
   .categories = words,
   .category_count = 2},
  {.name = "day", .type = COLUMN_DATETIME, .number = days},
  {.name = "note", .type = COLUMN_TEXT, .offset = note_offsets, .text = "hellogoodbye!"},
};

static const struct table small = {.row_count = 4, .column_count = 5, .columns = columns};

static void
test_table_round_trip(void **state)
{
  (void) state;
  char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  test_make_dir(dir);
  test_path(path, dir, "small.atds");
  struct err_info info = {0};
  struct dataset *dataset;
  assert_int_equal(dataset_save_table(path, &small, &info), ERR_OK);
  assert_int_equal(dataset_open(path, &dataset, &info), ERR_OK);
  assert_int_equal(dataset_kind(dataset), DATASET_TABLE);
  assert_int_equal(dataset_row_count(dataset), 4);
  assert_null(dataset_images(dataset));
  const struct table *table = dataset_table(dataset);
  assert_int_equal(table->column_count, 5);
  struct arena *arena = arena_new(0);
  static const char *const wanted[4][5] = {
    {"30", "Paris", "yes", "1970-01-01", "hello"},
    {NULL, "Köln", "no", "1971-01-01", NULL},
    {"12.5", NULL, NULL, NULL, "goodbye"},
    {"-1e+300", "Rome", "yes", "2000-03-01T01:02:03.500000Z", "!"},
  };
  for (size_t c = 0; c < 5; c++)
  {
    assert_string_equal(table->columns[c].name, columns[c].name);
    assert_int_equal(table->columns[c].type, columns[c].type);
    for (size_t row = 0; row < 4; row++)
    {
      const char *text = table_value_text(&table->columns[c], row, arena);
      if (wanted[row][c] == NULL)
        assert_null(text);
      else
        assert_string_equal(text, wanted[row][c]);
    }
  }
  assert_int_equal(table_find(table, "day"), 3);
  assert_int_equal(table_find(table, "none"), SIZE_MAX);
  const json_t *first = json_array_get(json_object_get(dataset_schema(dataset), "columns"), 0);
  assert_int_equal(json_integer_value(json_object_get(first, "missing")), 1);
  assert_int_equal(json_integer_value(json_object_get(first, "distinct")), 3);
  arena_free(arena);
  dataset_close(dataset);
  test_remove_dir(dir);
}

static void
test_preview_and_profile(void **state)
{
  (void) state;
  struct fixture fixture;
  assert_int_equal(
    fixture_csv(&fixture, "n,c,d\n1,a,2020-01-01\n2,b,2020-01-03\n3,a,\n4,a,2020-01-02\n"), ERR_OK);
  json_t *preview, *profile;
  assert_int_equal(dataset_preview(fixture.dataset, 1, 2, &preview, NULL), ERR_OK);
  char *text = json_dumps(preview, JSON_COMPACT);
  assert_string_equal(
    text, "{\"columns\":[\"n\",\"c\",\"d\"],\"rows\":[[2,\"b\",\"2020-01-03\"],[3,\"a\",null]]}");
  free(text);
  json_decref(preview);
  assert_int_equal(dataset_preview(fixture.dataset, 100, 5, &preview, NULL), ERR_OK);
  assert_int_equal(json_array_size(json_object_get(preview, "rows")), 0);
  json_decref(preview);

  assert_int_equal(dataset_profile(fixture.dataset, 0, &profile, NULL), ERR_OK);
  const json_t *list = json_object_get(profile, "columns");
  const json_t *n = json_array_get(list, 0), *c = json_array_get(list, 1),
               *d = json_array_get(list, 2);
  assert_near(json_number_value(json_object_get(n, "mean")), 2.5, 1e-12);
  assert_near(json_number_value(json_object_get(n, "sd")), sqrt(5.0 / 3), 1e-12);
  json_int_t sum = 0;
  const json_t *bins = json_object_get(json_object_get(n, "histogram"), "counts");
  assert_int_equal(json_array_size(bins), 20);
  for (size_t b = 0; b < 20; b++)
    sum += json_integer_value(json_array_get(bins, b));
  assert_int_equal(sum, 4);
  const json_t *commonest = json_array_get(json_object_get(c, "values"), 0);
  assert_string_equal(json_string_value(json_object_get(commonest, "value")), "a");
  assert_int_equal(json_integer_value(json_object_get(commonest, "count")), 3);
  assert_string_equal(json_string_value(json_object_get(d, "max")), "2020-01-03");
  assert_int_equal(json_integer_value(json_object_get(d, "missing")), 1);
  json_decref(profile);
  assert_int_equal(dataset_profile(fixture.dataset, 2, &profile, NULL), ERR_OK);
  assert_int_equal(json_integer_value(json_object_get(profile, "rows")), 2);
  assert_int_equal(json_integer_value(json_object_get(profile, "rows_total")), 4);
  json_decref(profile);
  fixture_free(&fixture);
}

static void
test_images(void **state)
{
  (void) state;
  char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  test_make_dir(dir);
  test_path(path, dir, "images.atds");
  static uint8_t pixels[3 * 100 * 130 * 3];
  for (size_t i = 0; i < sizeof pixels; i++)
    pixels[i] = (uint8_t) (i * 31);
  const int32_t labels[] = {1, 0, 1};
  const char *const names[] = {"cat", "dog"};
  struct image_set set = {.count = 3,
                          .height = 100,
                          .width = 130,
                          .channels = 3,
                          .pixels = pixels,
                          .labels = labels,
                          .class_names = names,
                          .class_count = 2};
  struct dataset *dataset;
  struct err_info info = {0};
  assert_int_equal(dataset_save_images(path, &set, &info), ERR_OK);
  assert_int_equal(dataset_open(path, &dataset, &info), ERR_OK);
  const struct image_set *read = dataset_images(dataset);
  assert_non_null(read);
  assert_null(dataset_table(dataset));
  assert_int_equal(read->height, 100);
  assert_memory_equal(read->pixels, pixels, sizeof pixels);
  assert_string_equal(read->class_names[read->labels[0]], "dog");
  json_t *preview, *profile;
  assert_int_equal(dataset_preview(dataset, 1, 10, &preview, NULL), ERR_OK);
  const json_t *list = json_object_get(preview, "images");
  assert_int_equal(json_array_size(list), 2);
  /* A PNG's first bytes, and its size: 130 pixels in steps of 3. */
  assert_has_text(json_string_value(json_object_get(json_array_get(list, 0), "png_base64")),
                  "iVBORw0KGgoAAAANSUhEUgAAACwAAAAi");
  json_decref(preview);
  assert_int_equal(dataset_profile(dataset, 0, &profile, NULL), ERR_OK);
  double sum = 0;
  for (size_t i = 0; i < sizeof pixels; i += 3)
    sum += pixels[i];
  assert_near(json_number_value(
                json_object_get(json_array_get(json_object_get(profile, "pixels"), 0), "mean")),
              sum / (sizeof pixels / 3), 1e-9);
  json_decref(profile);
  dataset_close(dataset);
  test_remove_dir(dir);
}

static void
test_digest(void **state)
{
  (void) state;
  char hex[65];
  int fd = fixture_file("abc", 3);
  assert_int_equal(dataset_digest(fd, 3, hex, NULL), ERR_OK);
  assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  assert_int_equal(dataset_digest(fd, 4, hex, NULL), ERR_IO);
  close(fd);
}

/* Reads everything a dataset hands out; a wrong bound would be seen by the sanitizers. */
static void
use_all(const struct dataset *dataset)
{
  json_t *json;
  struct err_info info;
  if (dataset_preview(dataset, 0, 50, &json, &info) == ERR_OK)
    json_decref(json);
  if (dataset_profile(dataset, 0, &json, &info) == ERR_OK)
    json_decref(json);
}

static void
open_damaged(const unsigned char *bytes, size_t length, size_t *opened)
{
  int fd = fixture_file(bytes, length);
  struct dataset *dataset;
  struct err_info info = {0};
  enum err err = dataset_open_fd(fd, &dataset, &info);
  close(fd);
  if (err == ERR_OK)
  {
    ++*opened;
    use_all(dataset);
    dataset_close(dataset);
    return;
  }
  assert_int_equal(err, ERR_INVALID);
  assert_true(info.text[0] != '\0');
  assert_null(dataset);
}

static void
damage_everywhere(const unsigned char *bytes, size_t length)
{
  unsigned char *copy = malloc(length);
  size_t opened = 0, tried = 0;
  assert_non_null(copy);
  static const unsigned char flips[] = {0x01, 0x80, 0xff};
  for (size_t at = 0; at < length; at++)
    for (size_t f = 0; f < sizeof flips; f++)
    {
      memcpy(copy, bytes, length);
      copy[at] ^= flips[f];
      open_damaged(copy, length, &opened);
      tried++;
    }
  struct rng rng;
  rng_init(&rng, 3, 0);
  for (int round = 0; round < 2000; round++)
  {
    memcpy(copy, bytes, length);
    for (size_t n = 1 + rng_below(&rng, 8); n > 0; n--)
      copy[rng_below(&rng, length)] = (unsigned char) rng_below(&rng, 256);
    /* Numbers of the head are where damage hurts most. */
    for (size_t n = rng_below(&rng, 3); n > 0; n--)
    {
      uint64_t value = rng_u64(&rng) >> rng_below(&rng, 64);
      memcpy(copy + 16 + 8 * rng_below(&rng, 14), &value, 8);
    }
    open_damaged(copy, length, &opened);
  }
  for (size_t cut = 0; cut < length; cut += 7)
    open_damaged(bytes, cut, &opened);
  /* Padding and pixels may change without harm; the rest must be noticed. */
  assert_true(opened < tried);
  free(copy);
}

static void
test_damaged_table(void **state)
{
  (void) state;
  struct fixture fixture;
  assert_int_equal(
    fixture_csv(&fixture, "n,c,b,d,t\n1,a,yes,2020-01-01,007\n2,b,no,,008\n,a,yes,2020-01-02,\n"),
    ERR_OK);
  unsigned char *bytes = malloc(fixture.bytes);
  assert_int_equal(pread(fixture.file, bytes, fixture.bytes, 0), (ssize_t) fixture.bytes);
  damage_everywhere(bytes, fixture.bytes);
  free(bytes);
  fixture_free(&fixture);
}

static void
test_damaged_images(void **state)
{
  (void) state;
  char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  test_make_dir(dir);
  test_path(path, dir, "images.atds");
  static const uint8_t pixels[2 * 4] = {1, 2, 3, 4, 5, 6, 7, 8};
  const int32_t labels[] = {1, 0};
  const char *const names[] = {"cat", "dog"};
  struct image_set set = {.count = 2,
                          .height = 2,
                          .width = 2,
                          .channels = 1,
                          .pixels = pixels,
                          .labels = labels,
                          .class_names = names,
                          .class_count = 2};
  assert_int_equal(dataset_save_images(path, &set, NULL), ERR_OK);
  struct buf bytes = {0};
  assert_int_equal(file_read_all(path, 1 << 20, &bytes, NULL), ERR_OK);
  damage_everywhere((const unsigned char *) bytes.data, bytes.length);
  buf_free(&bytes);
  test_remove_dir(dir);
}

static void
test_open_faults(void **state)
{
  (void) state;
  struct dataset *dataset;
  struct err_info info = {0};
  assert_int_equal(dataset_open("/nonexistent/x.atds", &dataset, &info), ERR_NOT_FOUND);
  assert_int_equal(dataset_open("/", &dataset, &info), ERR_INVALID);
  unsigned char head[256] = "\x89"
                            "ATDS\r\n\x1a\x02";
  int fd = fixture_file(head, sizeof head);
  assert_int_equal(dataset_open_fd(fd, &dataset, &info), ERR_INVALID);
  assert_has_text(info.text, "format version 2");
  close(fd);
}

static void
test_writer_checks_its_caller(void **state)
{
  (void) state;
  int fd = fixture_file("", 0);
  struct dataset_writer *writer;
  struct dataset_column_spec spec[] = {{COLUMN_NUMERIC, 0}, {COLUMN_TEXT, 3}};
  struct dataset_dictionary none[2] = {{NULL, 0}, {NULL, 0}};
  struct err_info info = {0};
  uint64_t bytes;
  assert_int_equal(dataset_writer_table(fd, 1, spec, 2, &writer, &info), ERR_OK);
  assert_int_equal(dataset_writer_code(writer, 0, 1), ERR_INTERNAL);
  assert_int_equal(dataset_writer_number(writer, 0, 1), ERR_OK);
  assert_int_equal(dataset_writer_number(writer, 0, 2), ERR_INTERNAL);
  assert_int_equal(dataset_writer_text(writer, 1, "abcd", 4), ERR_INTERNAL);
  json_t *schema = json_pack("{s:s}", "kind", "table");
  assert_int_equal(dataset_writer_finish(writer, none, schema, &bytes, &info), ERR_INTERNAL);
  dataset_writer_free(writer);
  assert_int_equal(dataset_writer_table(fd, 1, spec, 0, &writer, &info), ERR_LIMIT);
  assert_int_equal(dataset_writer_table(fd, SIZE_MAX / 2, spec, 2, &writer, &info), ERR_LIMIT);
  json_decref(schema);
  close(fd);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_table_round_trip), cmocka_unit_test(test_preview_and_profile),
    cmocka_unit_test(test_images),           cmocka_unit_test(test_digest),
    cmocka_unit_test(test_damaged_table),    cmocka_unit_test(test_damaged_images),
    cmocka_unit_test(test_open_faults),      cmocka_unit_test(test_writer_checks_its_caller),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
