/* How far rows and images are from a dataset, against what its statistics must give. */
#include <config.h>

#include "data/novelty.h"
#include "data/row_batch.h"
#include "tests/harness/toy_data.h"

#define ROWS 400
#define INPUTS 7

struct rig
{
  struct dataset *dataset;
  struct arena *arena;
  struct task task;
  struct novelty *novelty;
  struct row_schema *schema;
};

static void
set_up(struct rig *rig, struct dataset *dataset)
{
  struct err_info info;
  *rig = (struct rig){.dataset = dataset, .arena = arena_new(0)};
  toy_task(dataset, rig->arena, &rig->task);
  assert_int_equal(novelty_fit(dataset, &rig->task, &rig->novelty, &info), ERR_OK);
  if (dataset_table(dataset))
    assert_int_equal(row_schema_from_task(dataset, &rig->task, &rig->schema, &info), ERR_OK);
}

static void
tear_down(struct rig *rig)
{
  row_schema_free(rig->schema);
  novelty_free(rig->novelty);
  arena_free(rig->arena);
  dataset_close(rig->dataset);
}

/* The distance of a row sent as JSON; distances (INPUTS). */
static double
measure(const struct rig *rig, const char *json, const bool *unknown, double *distances)
{
  struct row_batch *batch;
  struct err_info info;
  json_t *rows = json_loads(json, 0, NULL);
  assert_non_null(rows);
  assert_int_equal(row_batch_from_json(rig->schema, rows, false, 10, &batch, &info), ERR_OK);
  double distance = novelty_row(rig->novelty, row_batch_table(batch), 0, unknown, distances);
  row_batch_free(batch);
  json_decref(rows);
  return distance;
}

static double
rarity(double share)
{
  return sqrt(-2.0 * log(share));
}

/* x1, x2, color, flag, constant, empty, noise */
static void
test_columns(void **state)
{
  (void) state;
  const bool unknown[INPUTS] = {false, false, true};
  struct rig rig;
  double d[INPUTS], low, high;
  set_up(&rig, toy_table(ROWS, TOY_BINARY, TOY_NAN_AND_HUGE, 3));
  assert_int_equal(novelty_rows(rig.novelty), ROWS);
  assert_int_equal(novelty_inputs(rig.novelty), INPUTS);
  assert_false(novelty_never_missing(rig.novelty, 0));
  assert_true(novelty_never_missing(rig.novelty, 1));
  assert_true(novelty_range(rig.novelty, 1, &low, &high));
  assert_true(low == -1e300 && high == 1e300);
  assert_false(novelty_range(rig.novelty, 5, &low, &high));

  double whole = measure(
    &rig, "[{\"x1\":0.1,\"x2\":3,\"color\":\"red\",\"flag\":\"no\",\"constant\":7,\"noise\":0}]",
    NULL, d);
  assert_true(d[0] < 0.4 && d[1] < 0.3 && d[6] < 0.3);
  assert_near(d[2], rarity(0.25), 0.2);
  assert_near(d[3], rarity(0.5), 0.2);
  assert_true(d[4] == 0.0 && d[5] == 0.0);
  double sum = 0;
  for (size_t i = 0; i < INPUTS; i++)
    sum += d[i] * d[i];
  assert_near(whole, sqrt(sum / INPUTS), 1e-12);
  assert_true(novelty_farther(rig.novelty, whole) > 0.5);

  /* outliers do not widen what is usual; gaps, what never was, and a constant that changed are as rare as one row */
  whole = measure(&rig, "[{\"x1\":-8,\"constant\":8,\"empty\":1,\"noise\":1e9}]", unknown, d);
  assert_near(d[0], 8.0, 1.5);
  assert_near(d[1], rarity(1.0 / (ROWS + 1)), 1e-9);
  assert_near(d[2], rarity(1.0 / (ROWS + 1)), 1e-9);
  assert_near(d[4], rarity(1.0 / (ROWS + 1)), 1e-9);
  assert_near(d[5], rarity(1.0 / (ROWS + 1)), 1e-9);
  assert_true(d[6] == NOVELTY_MOST);
  assert_true(novelty_farther(rig.novelty, whole) == 0.0);
  measure(&rig, "[{\"x2\":3}]", NULL, d);
  assert_near(d[0], rarity(0.1), 1e-6);
  assert_near(d[2], rarity(0.25), 0.2);
  tear_down(&rig);
}

/* Of the training rows themselves as many are farther as is told. */
static void
test_farther(void **state)
{
  (void) state;
  struct rig rig;
  double d[INPUTS], sum = 0.0, last = 1.0;
  set_up(&rig, toy_table(ROWS, TOY_NUMBER, TOY_GOOD, 5));
  for (size_t row = 0; row < ROWS; row++)
  {
    double distance = novelty_row(rig.novelty, dataset_table(rig.dataset), row, NULL, d);
    double farther = novelty_farther(rig.novelty, distance);
    assert_true(farther >= 0.0 && farther <= 1.0);
    sum += farther / ROWS;
  }
  assert_near(sum, 0.5, 0.05);
  assert_true(novelty_farther(rig.novelty, 0.0) == 1.0);
  assert_true(novelty_farther(rig.novelty, 1e9) == 0.0);
  for (double distance = 0.0; distance < 10.0; distance += 0.05)
  {
    double farther = novelty_farther(rig.novelty, distance);
    assert_true(farther <= last);
    last = farther;
  }
  tear_down(&rig);
}

static void
test_images(void **state)
{
  (void) state;
  /* two pixels of three channels, in two rows */
  static const uint8_t two[] = {0, 100, 200, 10, 10, 10};
  double values[NOVELTY_IMAGE_INPUTS], d[NOVELTY_IMAGE_INPUTS];
  struct rig rig;
  novelty_image_values(two, 2, 1, 3, values);
  assert_near(values[0], 55.0, 1e-9);
  assert_near(values[1], sqrt((0 + 1e4 + 4e4 + 300) / 6 - 55.0 * 55.0), 1e-9);
  assert_near(values[2], (10.0 + 90.0 + 190.0) / 3.0, 1e-9);
  assert_near(values[3], 100.0, 1e-9);
  novelty_image_values(two, 1, 2, 3, values);
  assert_near(values[2], (10.0 + 90.0 + 190.0) / 3.0, 1e-9);
  novelty_image_values(two, 1, 1, 1, values);
  assert_true(values[0] == 0.0 && values[2] == 0.0 && values[3] == 0.0);

  set_up(&rig, toy_images(90, 9));
  const struct image_set *images = dataset_images(rig.dataset);
  size_t bytes = images->height * images->width * images->channels;
  uint8_t *white = malloc(bytes);
  memset(white, 255, bytes);
  novelty_image_values(images->pixels, images->height, images->width, images->channels, values);
  double usual = novelty_image(rig.novelty, values, d);
  assert_true(novelty_farther(rig.novelty, usual) > 0.0);
  novelty_image_values(white, images->height, images->width, images->channels, values);
  double strange = novelty_image(rig.novelty, values, d);
  assert_true(strange > usual && d[0] > 3.0);
  assert_true(novelty_farther(rig.novelty, strange) == 0.0);
  free(white);
  tear_down(&rig);
}

/* The same from the file; what is damaged is refused. */
static void
test_file(void **state)
{
  (void) state;
  static const char *const bad[] = {"[]", "{}", "{\"rows\":5}",
                                    "{\"rows\":5,\"inputs\":[],\"distances\":[]}"};
  struct rig rig;
  struct novelty *again;
  struct err_info info;
  double d[INPUTS], e[INPUTS];
  set_up(&rig, toy_table(ROWS, TOY_BINARY, TOY_NAN_AND_HUGE, 3));
  json_t *json = novelty_json(rig.novelty);
  char *text = json_dumps(json, 0);
  json_t *read = json_loads(text, 0, NULL);
  assert_int_equal(novelty_read(read, INPUTS, &again, &info), ERR_OK);
  for (size_t row = 0; row < 20; row++)
  {
    const struct table *table = dataset_table(rig.dataset);
    double one = novelty_row(rig.novelty, table, row, NULL, d);
    double other = novelty_row(again, table, row, NULL, e);
    assert_true(one == other);
    assert_memory_equal(d, e, sizeof d);
    assert_true(novelty_farther(rig.novelty, one) == novelty_farther(again, other));
  }
  novelty_free(again);
  assert_int_equal(novelty_read(read, INPUTS + 1, &again, &info), ERR_INVALID);
  assert_null(again);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    json_t *wrong = json_loads(bad[i], 0, NULL);
    assert_int_equal(novelty_read(wrong, INPUTS, &again, &info), ERR_INVALID);
    json_decref(wrong);
  }
  json_t *first = json_array_get(json_object_get(read, "inputs"), 0);
  static const char *const members[] = {"missing", "spread", "low", "high"};
  static const double values[] = {1.5, -1.0, 9.0, -9.0};
  for (size_t i = 0; i < 4; i++)
  {
    json_t *kept = json_incref(json_object_get(first, members[i]));
    json_object_set_new(first, members[i], json_real(values[i]));
    assert_int_equal(novelty_read(read, INPUTS, &again, &info), ERR_INVALID);
    json_object_set_new(first, members[i], json_string("1"));
    assert_int_equal(novelty_read(read, INPUTS, &again, &info), ERR_INVALID);
    json_object_set_new(first, members[i], kept);
  }
  json_array_set_new(json_object_get(read, "distances"), 3, json_real(-1.0));
  assert_int_equal(novelty_read(read, INPUTS, &again, &info), ERR_INVALID);
  json_decref(read);
  json_decref(json);
  free(text);
  tear_down(&rig);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_columns), cmocka_unit_test(test_farther),
                                     cmocka_unit_test(test_images), cmocka_unit_test(test_file)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
