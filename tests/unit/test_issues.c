/* What is found in tables with one fault each, in clean ones, in samples, and when time is short. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "base/json.h"
#include "base/rng.h"
#include "data/issues.h"

static json_t *
find(const struct fixture *fixture, const char *target, size_t row_limit, double seconds)
{
  struct issues_request request = {
    .dataset = fixture->dataset, .target = target, .row_limit = row_limit, .seconds = seconds};
  json_t *found = NULL;
  struct err_info info = {0};
  if (issues_find(&request, &found, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return found;
}

/* Numbers without any fault, and what each test adds: a column, by row. */
static void
make_table(struct fixture *fixture, size_t rows, const char *name,
           void (*cell)(struct buf *csv, size_t row, struct rng *rng, bool positive))
{
  struct buf csv = {0};
  struct rng rng;
  rng_init(&rng, 12, 1);
  buf_printf(&csv, "u,v,%s,y\n", name);
  for (size_t i = 0; i < rows; i++)
  {
    bool positive = rng_double(&rng) < 0.4;
    buf_printf(&csv, "%.6f,%.6f,", rng_normal(&rng) + positive, rng_normal(&rng));
    cell(&csv, i, &rng, positive);
    buf_printf(&csv, ",%s\n", positive ? "yes" : "no");
  }
  assert_int_equal(fixture_bytes(fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
}

static void
cell_plain(struct buf *csv, size_t row, struct rng *rng, bool positive)
{
  (void) row;
  (void) positive;
  buf_printf(csv, "%.6f", 100 + rng_normal(rng));
}

static void
cell_after(struct buf *csv, size_t row, struct rng *rng, bool positive)
{
  (void) row;
  buf_printf(csv, "%s", positive ? rng_double(rng) < 0.5 ? "paid" : "late" : "open");
}

static void
cell_gap(struct buf *csv, size_t row, struct rng *rng, bool positive)
{
  (void) row;
  /* Only its absence tells. */
  if (positive)
    buf_printf(csv, "%.6f", rng_normal(rng));
}

static void
cell_odd(struct buf *csv, size_t row, struct rng *rng, bool positive)
{
  (void) positive;
  if (row % 50 == 3)
    buf_append_text(csv, "-9999");
  else if (row == 77)
    buf_append_text(csv, "88000");
  else
    buf_printf(csv, "%.4f", 20 + 4 * rng_normal(rng));
}

static void
test_clean(void **state)
{
  (void) state;
  struct fixture fixture;
  make_table(&fixture, 400, "w", cell_plain);
  json_t *found = find(&fixture, "y", 0, INFINITY);
  assert_int_equal(json_array_size(json_object_get(found, "issues")), 0);
  assert_true(json_is_true(json_object_get(found, "complete")));
  json_decref(found);
  /* A number that is the sum of the others and noise is none of their faults. */
  found = find(&fixture, "w", 0, INFINITY);
  assert_int_equal(json_array_size(json_object_get(found, "issues")), 0);
  json_decref(found);
  fixture_free(&fixture);
}

static void
test_leaks(void **state)
{
  (void) state;
  void (*const cells[])(struct buf *, size_t, struct rng *, bool) = {cell_after, cell_gap};
  for (size_t i = 0; i < 2; i++)
  {
    struct fixture fixture;
    make_table(&fixture, 400, "w", cells[i]);
    json_t *found = find(&fixture, "y", 0, INFINITY);
    assert_non_null(fixture_issue(found, "leak", "w"));
    assert_null(fixture_issue(found, "leak", "u"));
    json_decref(found);
    found = find(&fixture, NULL, 0, INFINITY);
    assert_null(fixture_issue(found, "leak", "w"));
    json_decref(found);
    fixture_free(&fixture);
  }
}

static void
test_odd_values(void **state)
{
  (void) state;
  struct fixture fixture;
  make_table(&fixture, 400, "w", cell_odd);
  json_t *found = find(&fixture, "y", 0, INFINITY);
  assert_int_equal(json_get_integer(fixture_issue(found, "placeholder", "w"), "rows_count", 0), 8);
  const json_t *outliers = fixture_issue(found, "outliers", "w");
  assert_int_equal(json_get_integer(outliers, "rows_count", 0), 1);
  assert_int_equal(json_integer_value(json_array_get(json_object_get(outliers, "rows"), 0)), 77);
  assert_int_equal(json_array_size(json_object_get(found, "issues")), 2);
  json_decref(found);
  fixture_free(&fixture);
}

static void
test_sample_and_time(void **state)
{
  (void) state;
  struct fixture fixture;
  make_table(&fixture, 2000, "w", cell_after);
  json_t *found = find(&fixture, "y", 500, INFINITY);
  assert_int_equal(json_get_integer(found, "rows", 0), 2000);
  assert_int_equal(json_get_integer(found, "rows_looked_at", 0), 500);
  assert_non_null(fixture_issue(found, "leak", "w"));
  json_decref(found);
  found = find(&fixture, "y", 0, -1);
  assert_true(json_is_false(json_object_get(found, "complete")));
  assert_null(fixture_issue(found, "leak", "w"));
  json_decref(found);
  /* A target that can't be one is told, and the rest is there. */
  found = find(&fixture, "w", 0, INFINITY);
  json_decref(found);
  struct issues_request request = {
    .dataset = fixture.dataset, .target = "y", .task_name = "regression", .seconds = INFINITY};
  struct err_info info = {0};
  assert_int_equal(issues_find(&request, &found, &info), ERR_OK);
  assert_string_equal(json_get_string(fixture_issue(found, "target", "y"), "severity", ""),
                      "error");
  json_decref(found);
  request.target = "nothing";
  assert_int_equal(issues_find(&request, &found, &info), ERR_INVALID);
  assert_null(found);
  fixture_free(&fixture);
}

/* A name of many bytes is cut in the message without breaking a character. */
static void
test_long_names(void **state)
{
  (void) state;
  struct fixture fixture;
  struct buf csv = {0};
  buf_append_text(&csv, "x,a");
  for (size_t i = 0; i < 80; i++)
    buf_append_text(&csv, "ü");
  buf_append_text(&csv, ",y\n");
  for (size_t i = 0; i < 60; i++)
    buf_printf(&csv, "%zu.5,7,%s\n", i * 37 % 61, i % 2 ? "a" : "b");
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
  json_t *found = find(&fixture, "y", 0, INFINITY);
  assert_int_equal(json_array_size(json_object_get(found, "issues")), 1);
  assert_string_equal(
    json_get_string(json_array_get(json_object_get(found, "issues"), 0), "code", ""), "constant");
  json_decref(found);
  fixture_free(&fixture);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_clean),      cmocka_unit_test(test_leaks),
    cmocka_unit_test(test_odd_values), cmocka_unit_test(test_sample_and_time),
    cmocka_unit_test(test_long_names),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
