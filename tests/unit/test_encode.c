/* Columns to features: values by hand, training rows only, bytes and back. */
#include <config.h>

#include "tests/unit/test_encode.h"

/* 12 training rows, then 3 others. */
static const char small[] = "id,n,holes,city,flag,when,same,y\n"
                            "r01,1,1,Rome,yes,2024-01-01,7,a\n"
                            "r02,2,,Rome,no,2024-01-02,7,b\n"
                            "r03,3,3,Paris,yes,2024-01-03,7,a\n"
                            "r04,4,,Paris,no,2024-01-04,7,b\n"
                            "r05,5,5,Oslo,yes,2024-01-05,7,a\n"
                            "r06,6,6,Oslo,no,2024-01-06,7,b\n"
                            "r07,7,7,Rome,yes,2024-01-07,7,a\n"
                            "r08,8,8,Bonn,no,2024-01-08,7,b\n"
                            "r09,9,9,Rome,yes,2024-07-09,7,a\n"
                            "r10,1,1,Rome,no,2024-01-10,7,b\n"
                            "r11,5,2,Paris,yes,2024-01-11,7,a\n"
                            "r12,5,3,Paris,no,2024-01-12,7,b\n"
                            "r13,1000,3,Bern,no,,7,b\n"
                            "r14,,3,Rome,,2024-01-12,8,b\n"
                            "r15,5,3,,yes,2024-01-12,7,a\n";

static struct buf
text_buf(const char *text)
{
  struct buf buf = {0};
  buf_append_text(&buf, text);
  return buf;
}

static void
test_dense(void **state)
{
  (void) state;
  struct rig rig;
  struct buf csv = text_buf(small);
  set_up(&rig, &csv, "y", ENCODE_DENSE, 12);
  const struct encoder *e = rig.encoder;
  size_t width = encoder_width(e);
  float *x = apply(&rig, e, 0, 15, false);
  /* Median 5; quartiles 2.75 and 6.25, so a spread of 3.5; then the clip. */
  size_t n = feature(e, "n");
  for (size_t row = 0; row < 9; row++)
  {
    double z = ((double) row + 1 - 5) / 3.5;
    assert_near(x[row * width + n], z / sqrt(1 + z * z / 9), 1e-6);
  }
  assert_true(x[12 * width + n] > 2.9f && x[12 * width + n] < 3.0f);
  /* A hole that training rows did not have is 0 and has no indicator. */
  assert_near(x[13 * width + n], 0, 0);
  assert_near(x[1 * width + feature(e, "holes is missing")], 1, 0);
  assert_near(x[1 * width + feature(e, "holes")], 0, 0);
  assert_near(x[0 * width + feature(e, "holes is missing")], 0, 0);
  /* Bonn is rare and shares its place with what was never seen. */
  size_t rome = feature(e, "city=Rome"), other = feature(e, "city=(other)");
  assert_near(x[0 * width + rome], 1, 0);
  assert_near(x[0 * width + other], 0, 0);
  assert_near(x[7 * width + other], 1, 0);
  assert_near(x[12 * width + other], 1, 0);
  assert_near(x[14 * width + other], 0, 0);
  assert_near(x[14 * width + rome], 0, 0);
  assert_near(x[0 * width + feature(e, "flag=yes")], 1, 0);
  assert_near(x[1 * width + feature(e, "flag=yes")], 0, 0);
  /* July is half a year on from January; the 1st of January 2024 was a Monday. */
  assert_near(x[8 * width + feature(e, "when (month cos)")], -1, 1e-6);
  assert_near(x[0 * width + feature(e, "when (month cos)")], 1, 1e-6);
  assert_near(x[0 * width + feature(e, "when (weekday cos)")], 1, 1e-6);
  assert_near(x[1 * width + feature(e, "when (weekday sin)")], sin(2 * M_PI / 7), 1e-6);
  /* Left out: an identifier, and what never changes in training. */
  assert_int_equal(encoder_dropped_count(e), 2);
  assert_string_equal(encoder_dropped_name(e, 0), "id");
  assert_string_equal(encoder_dropped_name(e, 1), "same");
  assert_string_equal(encoder_column_name(e, encoder_feature_column(e, rome)), "city");
  for (size_t i = 0; i < 15 * width; i++)
    assert_true(isfinite(x[i]));
  free(x);
  tear_down(&rig);
  buf_free(&csv);
}

static void
test_tree(void **state)
{
  (void) state;
  struct rig rig;
  struct buf csv = text_buf(small);
  set_up(&rig, &csv, "y", ENCODE_TREE, 12);
  const struct encoder *e = rig.encoder;
  size_t width = encoder_width(e);
  float *x = apply(&rig, e, 0, 15, false);
  assert_near(x[3 * width + feature(e, "n")], 4, 0);
  assert_near(x[12 * width + feature(e, "n")], 1000, 0);
  assert_true(isnan(x[13 * width + feature(e, "n")]));
  assert_true(isnan(x[1 * width + feature(e, "holes")]));
  assert_true(isnan(x[13 * width + feature(e, "flag=yes")]));
  assert_true(isnan(x[14 * width + feature(e, "city=Rome")]));
  assert_near(x[8 * width + feature(e, "when (month)")], 7, 0);
  assert_near(x[8 * width + feature(e, "when (days)")], 19913, 0);
  assert_true(isnan(x[12 * width + feature(e, "when (year)")]));
  free(x);
  tear_down(&rig);
  buf_free(&csv);
}

/* Only training rows count: other rows may be anything. */
static void
test_no_leak(void **state)
{
  (void) state;
  struct rig a, b;
  struct buf one = text_buf(small), two = text_buf(small);
  memcpy(strstr(two.data, "r13,1000,3,Bern"), "r13,-777,9,Rome", 15);
  set_up(&a, &one, "y", ENCODE_DENSE, 12);
  set_up(&b, &two, "y", ENCODE_DENSE, 12);
  struct buf bytes_a = {0}, bytes_b = {0};
  assert_int_equal(encoder_save(a.encoder, &bytes_a), ERR_OK);
  assert_int_equal(encoder_save(b.encoder, &bytes_b), ERR_OK);
  assert_int_equal(bytes_a.length, bytes_b.length);
  assert_memory_equal(bytes_a.data, bytes_b.data, bytes_a.length);
  buf_free(&bytes_a);
  buf_free(&bytes_b);
  tear_down(&a);
  tear_down(&b);
  buf_free(&one);
  buf_free(&two);
}

static void
test_save_and_load(void **state)
{
  (void) state;
  for (int view = ENCODE_DENSE; view <= ENCODE_TREE; view++)
  {
    struct rig rig;
    struct buf csv = noise_csv(true), bytes = {0}, again = {0};
    set_up(&rig, &csv, "y", (enum encode_view) view, 1500);
    assert_int_equal(encoder_save(rig.encoder, &bytes), ERR_OK);
    size_t length = bytes.length, used;
    buf_append_text(&bytes, "more");
    struct encoder *loaded;
    struct err_info info = {0};
    assert_int_equal(encoder_load(bytes.data, bytes.length, &used, &loaded, &info), ERR_OK);
    assert_int_equal(used, length);
    float *a = apply(&rig, rig.encoder, 0, 2000, false), *b = apply(&rig, loaded, 0, 2000, false);
    assert_memory_equal(a, b, 2000 * encoder_width(loaded) * sizeof *a);
    for (size_t f = 0; f < encoder_width(loaded); f++)
      assert_string_equal(encoder_feature_name(loaded, f), encoder_feature_name(rig.encoder, f));
    assert_int_equal(encoder_save(loaded, &again), ERR_OK);
    assert_int_equal(again.length, length);
    /* A loaded encoder has no folds. */
    if (view == ENCODE_DENSE || view == ENCODE_TREE)
      assert_int_equal(
        encoder_apply(loaded, dataset_table(rig.fixture.dataset), NULL, 10, true, a, &info),
        ERR_CONFLICT);
    encoder_free(loaded);
    free(a);
    free(b);
    buf_free(&again);
    buf_free(&bytes);
    tear_down(&rig);
    buf_free(&csv);
  }
}

static void
test_damaged_bytes(void **state)
{
  (void) state;
  struct rig rig;
  struct buf csv = text_buf(small), bytes = {0};
  struct err_info info;
  struct encoder *loaded;
  size_t used;
  set_up(&rig, &csv, "y", ENCODE_DENSE, 12);
  assert_int_equal(encoder_save(rig.encoder, &bytes), ERR_OK);
  for (size_t cut = 0; cut < bytes.length; cut++)
    assert_int_equal(encoder_load(bytes.data, cut, &used, &loaded, &info), ERR_INVALID);
  struct rng rng;
  rng_init(&rng, 9, 0);
  for (int round = 0; round < 20000; round++)
  {
    char *copy = malloc(bytes.length);
    memcpy(copy, bytes.data, bytes.length);
    for (size_t n = 1 + rng_below(&rng, 3); n > 0; n--)
      copy[rng_below(&rng, bytes.length)] = (char) rng_below(&rng, 256);
    if (encoder_load(copy, bytes.length, &used, &loaded, &info) == ERR_OK)
    {
      /* It reads as another encoder; it must still be one. */
      float *x = malloc(15 * encoder_width(loaded) * sizeof *x);
      enum err err =
        encoder_apply(loaded, dataset_table(rig.fixture.dataset), NULL, 15, false, x, &info);
      assert_true(err == ERR_OK || err == ERR_INVALID);
      free(x);
      encoder_free(loaded);
    }
    free(copy);
  }
  buf_free(&bytes);
  tear_down(&rig);
  buf_free(&csv);
}

/* Numbers at the ends of what a double holds: in both views every feature is a number, and it is what is stored. */
static void
test_extreme_numbers(void **state)
{
  (void) state;
  static const double values[] = {1.7e308, -1.7e308, 1e300, -1e300, 5e-324, 0, 1, -1, NAN, 1e-300};
  for (int view = ENCODE_DENSE; view <= ENCODE_TREE; view++)
  {
    struct rig rig;
    struct buf csv = {0}, bytes = {0};
    struct encoder *loaded;
    struct err_info info = {0};
    size_t used;
    buf_append_text(&csv, "all,huge,near,group,y\n");
    for (int i = 0; i < 60; i++)
    {
      if (isfinite(values[i % 10]))
        buf_printf(&csv, "%.17g", values[i % 10]);
      buf_printf(&csv, ",%.17g,%.17g,g%d,%.17g\n", i % 2 ? 1.7e308 : -1.7e308, 1e300 + 1e284 * i,
                 i % 50, i % 2 ? 1e28 : -1e28 * i);
    }
    set_up(&rig, &csv, "y", (enum encode_view) view, 60);
    float *x = apply(&rig, rig.encoder, 0, 60, true), *again;
    for (size_t i = 0; i < 60 * encoder_width(rig.encoder); i++)
      assert_true(view == ENCODE_TREE ? !isinf(x[i]) : isfinite(x[i]) && fabsf(x[i]) <= 3.0f);
    assert_int_equal(encoder_save(rig.encoder, &bytes), ERR_OK);
    assert_int_equal(encoder_load(bytes.data, bytes.length, &used, &loaded, &info), ERR_OK);
    again = apply(&rig, loaded, 0, 60, false);
    for (size_t i = 0; i < 60 * encoder_width(rig.encoder); i++)
      assert_true(view == ENCODE_TREE ? !isinf(again[i]) : isfinite(again[i]));
    encoder_free(loaded);
    free(again);
    free(x);
    buf_free(&bytes);
    buf_free(&csv);
    tear_down(&rig);
  }
}

/* The same bits as by name for each row alone, in the columns' own order and in another one. */
static void
check_bound(const char *target, enum encode_view view, const char *names_last)
{
  struct rig rig;
  struct buf csv = text_buf(small);
  struct err_info info = {0};
  struct row_schema *schema;
  set_up(&rig, &csv, target, view, 12);
  assert_int_equal(row_schema_from_task(rig.fixture.dataset, &rig.task, &schema, &info), ERR_OK);
  json_t *columns = row_schema_to_json(schema), *moved = NULL;
  row_schema_free(schema);
  for (size_t i = 0; names_last && i < json_array_size(columns); i++)
    if (strcmp(json_string_value(json_object_get(json_array_get(columns, i), "name")), names_last)
        == 0)
    {
      moved = json_incref(json_array_get(columns, i));
      json_array_remove(columns, i);
    }
  if (moved)
    json_array_append_new(columns, moved);
  assert_int_equal(row_schema_from_json(columns, &schema, &info), ERR_OK);
  size_t width = encoder_width(rig.encoder);
  const char *rows =
    "{\"n\":3,\"holes\":null,\"city\":\"Rome\",\"flag\":\"no\",\"when\":\"2024-03-05\"}|"
    "{\"n\":1e300,\"holes\":-4.25,\"city\":\"Bern\",\"flag\":null,\"when\":null}|"
    "{\"n\":null,\"holes\":7,\"city\":null,\"flag\":\"yes\",\"when\":\"2020-01-01\"}";
  float *plain = malloc(width * sizeof *plain), *bound = malloc(width * sizeof *bound);
  for (int pass = 0; pass < 2; pass++)
    for (const char *at = rows; *at; at += strcspn(at, "|") + (at[strcspn(at, "|")] == '|'))
    {
      json_t *row = json_loadb(at, strcspn(at, "|"), 0, NULL), *list = json_pack("[o]", row);
      struct row_batch *batch;
      assert_non_null(row);
      struct encoder *other = NULL;
      struct buf bytes = {0};
      size_t used;
      assert_int_equal(encoder_save(rig.encoder, &bytes), ERR_OK);
      assert_int_equal(encoder_load(bytes.data, bytes.length, &used, &other, &info), ERR_OK);
      assert_int_equal(row_batch_from_json(schema, list, false, 1, &batch, &info), ERR_OK);
      assert_int_equal(encoder_apply(other, row_batch_table(batch), NULL, 1, false, plain, &info),
                       ERR_OK);
      assert_int_equal(encoder_bind(rig.encoder, schema), ERR_OK);
      assert_int_equal(
        encoder_apply(rig.encoder, row_batch_table(batch), NULL, 1, false, bound, &info), ERR_OK);
      assert_memory_equal(plain, bound, width * sizeof *plain);
      row_batch_free(batch);
      json_decref(list);
      encoder_free(other);
      buf_free(&bytes);
    }
  free(plain);
  free(bound);
  json_decref(columns);
  row_schema_free(schema);
  tear_down(&rig);
  buf_free(&csv);
}

static void
test_bound(void **state)
{
  (void) state;
  check_bound("y", ENCODE_DENSE, NULL);
  check_bound("y", ENCODE_DENSE, "n");
  check_bound("y", ENCODE_TREE, "holes");
}

/* Columns of nothing but numbers, more than are taken at a time, whose features lie as the request's numbers do. */
static void
check_bound_numbers(enum encode_view view, size_t columns)
{
  struct rig rig;
  struct buf csv = {0}, bytes = {0};
  struct err_info info = {0};
  struct row_schema *schema;
  struct row_batch *batch;
  struct encoder *other;
  struct rng rng;
  size_t used;
  rng_init(&rng, 8, columns);
  for (size_t c = 0; c < columns; c++)
    buf_printf(&csv, "x%zu,", c);
  buf_append_text(&csv, "y\n");
  for (int i = 0; i < 30; i++)
  {
    for (size_t c = 0; c < columns; c++)
      buf_printf(&csv, "%.6g,", rng_normal(&rng));
    buf_printf(&csv, "%s\n", i % 2 ? "a" : "b");
  }
  set_up(&rig, &csv, "y", view, 30);
  assert_int_equal(row_schema_from_task(rig.fixture.dataset, &rig.task, &schema, &info), ERR_OK);
  assert_int_equal(encoder_save(rig.encoder, &bytes), ERR_OK);
  assert_int_equal(encoder_load(bytes.data, bytes.length, &used, &other, &info), ERR_OK);
  assert_int_equal(encoder_bind(rig.encoder, schema), ERR_OK);
  size_t width = encoder_width(rig.encoder);
  float *plain = malloc(2 * width * sizeof *plain), *bound = malloc(2 * width * sizeof *bound);
  for (size_t count = 1; count <= 2; count++)
  {
    json_t *rows = json_array();
    for (size_t i = 0; i < count; i++)
    {
      json_t *row = json_array();
      for (size_t c = 0; c < columns; c++)
        json_array_append_new(row, c % 50 == 49 ? json_null() : json_real(rng_normal(&rng)));
      json_array_append_new(rows, row);
    }
    assert_int_equal(row_batch_from_json(schema, rows, false, 2, &batch, &info), ERR_OK);
    assert_int_equal(encoder_apply(other, row_batch_table(batch), NULL, count, false, plain, &info),
                     ERR_OK);
    assert_int_equal(
      encoder_apply(rig.encoder, row_batch_table(batch), NULL, count, false, bound, &info), ERR_OK);
    assert_memory_equal(plain, bound, count * width * sizeof *plain);
    row_batch_free(batch);
    json_decref(rows);
  }
  free(plain);
  free(bound);
  encoder_free(other);
  row_schema_free(schema);
  buf_free(&bytes);
  tear_down(&rig);
  buf_free(&csv);
}

static void
test_bound_numbers(void **state)
{
  (void) state;
  check_bound_numbers(ENCODE_DENSE, 300);
  check_bound_numbers(ENCODE_DENSE, 1);
  check_bound_numbers(ENCODE_TREE, 150);
}

static void
test_refusals(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  struct err_info info;
  struct encoder *encoder;
  struct buf csv = {0};
  buf_append_text(&csv, "key,same,y\n");
  for (int i = 0; i < 20; i++)
    buf_printf(&csv, "k%d,1,%s\n", i, i % 2 ? "a" : "b");
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  assert_int_equal(task_make(fixture.dataset, "y", NULL, fixture.arena, &task, &info), ERR_OK);
  const size_t rows[] = {0, 1, 2, 3};
  assert_int_equal(encoder_fit(fixture.dataset, &task, ENCODE_DENSE, rows, 4, &encoder, &info),
                   ERR_INVALID);
  assert_has_text(info.text, "no column can be learned from");
  assert_int_equal(encoder_fit(fixture.dataset, &task, ENCODE_DENSE, rows, 0, &encoder, &info),
                   ERR_INVALID);
  fixture_free(&fixture);
  buf_free(&csv);

  struct rig rig;
  csv = text_buf(small);
  set_up(&rig, &csv, "y", ENCODE_DENSE, 12);
  struct fixture other;
  float x[64];
  assert_int_equal(fixture_csv(&other, "n,holes,city,flag\n1,1,Rome,yes\n2,2,Rome,no\n"), ERR_OK);
  assert_int_equal(
    encoder_apply(rig.encoder, dataset_table(other.dataset), NULL, 1, false, x, &info),
    ERR_INVALID);
  assert_has_text(info.text, "\"when\" is not there");
  fixture_free(&other);
  assert_int_equal(fixture_csv(&other, "n,x\na,1\nb,2\n"), ERR_OK);
  assert_int_equal(
    encoder_apply(rig.encoder, dataset_table(other.dataset), NULL, 1, false, x, &info),
    ERR_INVALID);
  assert_has_text(info.text, "\"n\" is categorical, not numeric");
  fixture_free(&other);
  tear_down(&rig);
  buf_free(&csv);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_dense),           cmocka_unit_test(test_tree),
    cmocka_unit_test(test_no_leak),         cmocka_unit_test(test_save_and_load),
    cmocka_unit_test(test_damaged_bytes),   cmocka_unit_test(test_bound),
    cmocka_unit_test(test_bound_numbers),   cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_extreme_numbers),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
