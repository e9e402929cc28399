/* Which targets can be learned, and the refusals a user reads. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include "data/task.h"

/* 24 rows with every kind of target. */
static void
make_table(struct fixture *fixture)
{
  struct buf csv = {0};
  buf_append_text(&csv, "price,rooms,flag,city,rare,same,gone,key,words,when,unique,two\n");
  for (int i = 0; i < 24; i++)
    buf_printf(&csv, "%g,%d,%s,%s,%s,x,,k%03d,the quick brown fox %d,2024-01-%02d,%d,%d\n",
               100.5 + i * i, 10 - i % 3, i % 2 ? "yes" : "no", i % 3 ? "Rome" : "Paris",
               i == 7  ? "only"
               : i % 2 ? "a"
                       : "b",
               i, i, i + 1, 1000 - i * 7, i % 2 ? 5 : 3);
  assert_int_equal(fixture_bytes(fixture, csv.data, csv.length), ERR_OK);
  buf_free(&csv);
}

static enum err
make(const struct fixture *fixture, const char *target, const char *kind, struct task *task,
     struct err_info *info)
{
  enum err err = task_make(fixture->dataset, target, kind, fixture->arena, task, info);
  /* What the schema alone can tell must not contradict. */
  struct err_info again = {0};
  enum err early = task_check_schema(dataset_schema(fixture->dataset), target, kind, &again);
  if (err == ERR_OK)
    assert_int_equal(early, ERR_OK);
  return err;
}

static void
test_kinds(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  struct err_info info;
  make_table(&fixture);
  assert_int_equal(make(&fixture, "price", NULL, &task, &info), ERR_OK);
  assert_int_equal(task.kind, TASK_REGRESSION);
  assert_int_equal(task.output_count, 1);
  assert_near(task_value_of(&task, fixture.dataset, 2), 104.5, 0);
  /* Three whole numbers are a regression unless classes are asked for. */
  assert_int_equal(make(&fixture, "rooms", NULL, &task, &info), ERR_OK);
  assert_int_equal(task.kind, TASK_REGRESSION);
  assert_int_equal(make(&fixture, "rooms", "classification", &task, &info), ERR_OK);
  assert_int_equal(task.kind, TASK_MULTICLASS);
  assert_string_equal(task.class_names[0], "8");
  assert_string_equal(task.class_names[2], "10");
  assert_int_equal(task_class_of(&task, fixture.dataset, 0), 2);
  assert_int_equal(task_class_of(&task, fixture.dataset, 2), 0);
  /* Two are classes unless a regression is asked for. */
  assert_int_equal(make(&fixture, "two", NULL, &task, &info), ERR_OK);
  assert_int_equal(task.kind, TASK_BINARY);
  assert_string_equal(task.class_names[1], "5");
  assert_int_equal(make(&fixture, "two", "regression", &task, &info), ERR_OK);
  assert_int_equal(task.kind, TASK_REGRESSION);
  assert_int_equal(make(&fixture, "flag", "binary", &task, &info), ERR_OK);
  assert_string_equal(task.class_names[0], "no");
  assert_int_equal(task_class_of(&task, fixture.dataset, 1), 1);
  assert_int_equal(make(&fixture, "city", NULL, &task, &info), ERR_OK);
  assert_int_equal(task.kind, TASK_BINARY);
  assert_string_equal(task.class_names[0], "Paris");
  assert_string_equal(info.text, "");
  fixture_free(&fixture);
}

static void
test_lonely_class_is_left_out(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  struct err_info info;
  make_table(&fixture);
  assert_int_equal(make(&fixture, "rare", NULL, &task, &info), ERR_OK);
  assert_int_equal(task.class_count, 2);
  assert_has_text(info.text, "\"only\"");
  assert_int_equal(task_class_of(&task, fixture.dataset, 7), -1);
  assert_int_equal(task_class_of(&task, fixture.dataset, 9), 0);
  fixture_free(&fixture);
}

/* As many classes as leave most rows alone in theirs, and numbers that are too large. */
static void
test_too_many_classes(void **state)
{
  (void) state;
  static const struct
  {
    int alone, twice; /* classes of a single row, of two rows */
    const char *says; /* NULL: learned */
    bool early;       /* the schema alone tells */
  } cases[] = {{14, 3, "more classes than the rows allow", true},
               {10, 4, "more classes than the rows allow", false},
               {5, 6, NULL, false}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct fixture fixture;
    struct task task;
    struct err_info info = {0}, early = {0};
    struct buf csv = {0};
    buf_append_text(&csv, "x,y\n");
    for (int k = 0; k < cases[i].alone; k++)
      buf_printf(&csv, "%d,a%d\n", k, k);
    for (int k = 0; k < 2 * cases[i].twice; k++)
      buf_printf(&csv, "%d,b%d\n", k, k / 2);
    assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
    assert_int_equal(task_check_schema(dataset_schema(fixture.dataset), "y", NULL, &early),
                     cases[i].early ? ERR_INVALID : ERR_OK);
    enum err err = task_make(fixture.dataset, "y", NULL, fixture.arena, &task, &info);
    if (cases[i].says == NULL)
      assert_int_equal(err, ERR_OK);
    else
    {
      assert_int_equal(err, ERR_INVALID);
      assert_has_text(info.text, cases[i].says);
    }
    fixture_free(&fixture);
    buf_free(&csv);
  }
  struct fixture fixture;
  struct task task;
  struct err_info info = {0};
  struct buf csv = {0};
  buf_append_text(&csv, "x,y\n");
  for (int k = 0; k < 30; k++)
    buf_printf(&csv, "%d,%s\n", k, k == 17 ? "-1e300" : k % 2 ? "1.5" : "2.25");
  assert_int_equal(fixture_bytes(&fixture, csv.data, csv.length), ERR_OK);
  assert_int_equal(task_make(fixture.dataset, "y", NULL, fixture.arena, &task, &info), ERR_INVALID);
  assert_has_text(info.text, "row 18");
  fixture_free(&fixture);
  buf_free(&csv);
}

static void
test_refusals(void **state)
{
  (void) state;
  static const struct
  {
    const char *target, *kind, *says;
  } cases[] = {
    {"nothing", NULL, "there is no column \"nothing\"; the columns are price, rooms"},
    {NULL, NULL, "a table needs a target"},
    {"same", NULL, "the same value in every row"},
    {"gone", NULL, "missing in every row"},
    {"key", NULL, "is an identifier"},
    {"words", NULL, "is free text"},
    {"when", NULL, "is a date"},
    {"city", "regression", "regression needs numbers"},
    {"rooms", "binary", "3 classes, and binary means two"},
    {"unique", "classification", "a different value in every row"},
    {"price", "clustering", "there is no task \"clustering\""},
  };
  struct fixture fixture;
  make_table(&fixture);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct task task;
    struct err_info info = {0}, early = {0};
    assert_int_equal(make(&fixture, cases[i].target, cases[i].kind, &task, &info), ERR_INVALID);
    assert_has_text(info.text, cases[i].says);
    assert_int_equal(
      task_check_schema(dataset_schema(fixture.dataset), cases[i].target, cases[i].kind, &early),
      ERR_INVALID);
    assert_string_equal(early.text, info.text);
  }
  fixture_free(&fixture);
}

static void
test_few_rows(void **state)
{
  (void) state;
  struct fixture fixture;
  struct task task;
  struct err_info info;
  assert_int_equal(fixture_csv(&fixture, "x,y\n1,a\n2,b\n3,a\n4,b\n"), ERR_OK);
  assert_int_equal(make(&fixture, "y", NULL, &task, &info), ERR_INVALID);
  assert_has_text(info.text, "only 4 rows");
  fixture_free(&fixture);
}

static void
test_images(void **state)
{
  (void) state;
  char dir[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  test_make_dir(dir);
  test_path(path, dir, "images.atds");
  static const uint8_t pixels[12] = {0};
  static const int32_t labels[12] = {0, 1, 2, 0, 1, 0, 0, 1, 0, 1, 1, 3};
  const char *const names[] = {"a", "b", "c", "d"};
  struct image_set set = {.count = 12,
                          .height = 1,
                          .width = 1,
                          .channels = 1,
                          .pixels = pixels,
                          .labels = labels,
                          .class_names = names,
                          .class_count = 4};
  struct dataset *dataset;
  struct task task;
  struct err_info info;
  struct arena *arena = arena_new(0);
  assert_int_equal(dataset_save_images(path, &set, NULL), ERR_OK);
  assert_int_equal(dataset_open(path, &dataset, NULL), ERR_OK);
  assert_int_equal(task_make(dataset, NULL, NULL, arena, &task, &info), ERR_OK);
  assert_int_equal(task.kind, TASK_BINARY);
  assert_null(task.target);
  assert_int_equal(task_class_of(&task, dataset, 2), -1);
  assert_int_equal(task_class_of(&task, dataset, 1), 1);
  assert_has_text(info.text, "2 classes have a single row");
  assert_int_equal(task_make(dataset, NULL, "regression", arena, &task, &info), ERR_INVALID);
  assert_int_equal(task_check_schema(dataset_schema(dataset), NULL, "regression", &info),
                   ERR_INVALID);
  arena_free(arena);
  dataset_close(dataset);
  test_remove_dir(dir);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_kinds),    cmocka_unit_test(test_lonely_class_is_left_out),
    cmocka_unit_test(test_refusals), cmocka_unit_test(test_too_many_classes),
    cmocka_unit_test(test_few_rows), cmocka_unit_test(test_images),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
