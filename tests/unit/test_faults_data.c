/* Uploads, datasets and what is told of them while memory ends and calls fail. */
#include <config.h>

#include "tests/harness/scenario.h"

#include "data/encode.h"
#include "data/image_labels.h"
#include "data/issues.h"
#include "data/metric.h"
#include "data/row_batch.h"
#include "data/split.h"
#include "data/split_pack.h"
#include "tests/harness/data_fixture.h"
#include "tests/harness/pack_files.h"
#include "tests/harness/toy_data.h"

static struct dataset *table, *images, *mixed;
static int mixed_file;
static struct arena *arena;
static struct task task, number_task;
static int pictures_zip, table_zip, idx_images, idx_labels, csv, labels_list;

/* ---- uploads ------------------------------------------------------------------------------------------ */

struct upload
{
  enum err (*ingest)(struct ingest_work *work, struct err_info *info);
  int input, labels;
  const char *edit;
};

/* From the upload to an open dataset and its digest. */
static bool
run_upload(const struct upload *upload)
{
  struct json_faults faults;
  struct dataset *dataset = NULL;
  struct arena *own = arena_new(0);
  char hex[65];
  if (own == NULL)
    return false;
  json_faults_init(&faults, own);
  call_fails_hold(true);
  lseek(upload->input, 0, SEEK_SET);
  if (upload->labels >= 0)
    lseek(upload->labels, 0, SEEK_SET);
  json_t *edit =
    upload->edit != NULL ? json_loadb(upload->edit, strlen(upload->edit), 0, NULL) : NULL;
  struct ingest_work work = {.input = upload->input,
                             .labels = upload->labels,
                             .edit = edit,
                             .scratch = memfd_create("attune-test", MFD_CLOEXEC),
                             .output = memfd_create("attune-test", MFD_CLOEXEC),
                             .limits = INGEST_LIMITS_DEFAULT,
                             .faults = &faults};
  call_fails_hold(false);
  bool done = (upload->edit == NULL || edit != NULL) && upload->ingest(&work, NULL) == ERR_OK
              && dataset_open_fd(work.output, &dataset, NULL) == ERR_OK
              && dataset_digest(work.output, work.bytes, hex, NULL) == ERR_OK;
  call_fails_hold(true);
  close(work.scratch);
  close(work.output);
  call_fails_hold(false);
  dataset_close(dataset);
  json_decref(work.schema);
  json_decref(edit);
  arena_free(own);
  return done;
}

static bool
run_csv(void)
{
  return run_upload(&(struct upload){.ingest = ingest_csv, .input = csv, .labels = -1});
}

static bool
run_idx(void)
{
  return run_upload(
    &(struct upload){.ingest = ingest_idx, .input = idx_images, .labels = idx_labels});
}

static bool
run_edit(void)
{
  return run_upload(&(struct upload){
    .ingest = ingest_edit,
    .input = mixed_file,
    .labels = -1,
    .edit = "{\"columns\":{\"id\":\"text\",\"x\":\"categorical\",\"flag\":\"categorical\","
            "\"word\":\"identifier\",\"day\":\"text\"}}"});
}

static bool
run_pictures(void)
{
  return run_upload(
    &(struct upload){.ingest = ingest_archive, .input = pictures_zip, .labels = -1});
}

static bool
run_labelled_pictures(void)
{
  return run_upload(
    &(struct upload){.ingest = ingest_archive, .input = pictures_zip, .labels = labels_list});
}

static bool
run_table_zip(void)
{
  return run_upload(&(struct upload){.ingest = ingest_archive, .input = table_zip, .labels = -1});
}

static bool
run_labels(void)
{
  static const char json[] = "[{\"file\":\"a/1.png\",\"label\":\"x\"},{\"file\":\"2.png\","
                             "\"label\":\"y\"}]";
  static const char list[] = "file,label\na/1.png,x\n2.png,\"y, z\"\n";
  struct image_labels *first = NULL, *second = NULL;
  bool done = image_labels_new(json, strlen(json), "labels", &first, NULL) == ERR_OK
              && image_labels_new(list, strlen(list), "labels.csv", &second, NULL) == ERR_OK
              && image_labels_find(second, "2.png", 0, 0) != NULL;
  image_labels_free(first);
  image_labels_free(second);
  return done;
}

static bool
run_save(void)
{
  static const char *const names[] = {"a", "b"};
  static const double numbers[] = {1, NAN, 3, 4};
  static const int32_t codes[] = {0, 1, -1, 1};
  static const uint64_t offsets[] = {0, 1, 1, 3, 4};
  struct column columns[] = {{.name = "x", .type = COLUMN_NUMERIC, .number = numbers},
                             {.name = "c",
                              .type = COLUMN_CATEGORICAL,
                              .code = codes,
                              .categories = names,
                              .category_count = 2},
                             {.name = "t", .type = COLUMN_TEXT, .offset = offsets, .text = "abcd"}};
  struct table small = {.row_count = 4, .column_count = 3, .columns = columns};
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct dataset *dataset = NULL;
  call_fails_hold(true);
  test_make_dir(folder);
  call_fails_hold(false);
  test_path(path, folder, "t.atds");
  bool done = dataset_save_table(path, &small, NULL) == ERR_OK
              && dataset_open(path, &dataset, NULL) == ERR_OK && dataset_row_count(dataset) == 4;
  dataset_close(dataset);
  call_fails_hold(true);
  done = dataset_save_images(path, dataset_images(images), NULL) == ERR_OK && done;
  test_remove_dir(folder);
  call_fails_hold(false);
  return done;
}

/* ---- what is told of datasets ------------------------------------------------------------------------- */

static bool
find_issues(const struct dataset *dataset, const char *target)
{
  struct issues_request request = {.dataset = dataset, .target = target, .seconds = INFINITY};
  json_t *found = NULL;
  bool done = issues_find(&request, &found, NULL) == ERR_OK && found != NULL;
  json_decref(found);
  return done;
}

static bool
run_issues(void)
{
  return find_issues(mixed, "word");
}

static bool
run_issues_of_classes(void)
{
  return find_issues(table, "y");
}

static bool
run_issues_of_images(void)
{
  return find_issues(images, NULL);
}

static bool
tell(const struct dataset *dataset)
{
  json_t *preview = NULL, *profile = NULL;
  bool done = dataset_preview(dataset, 0, 3, &preview, NULL) == ERR_OK
              && dataset_profile(dataset, 7, &profile, NULL) == ERR_OK;
  json_decref(preview);
  json_decref(profile);
  return done;
}

static bool
run_tell_table(void)
{
  return tell(mixed);
}

static bool
run_tell_images(void)
{
  return tell(images);
}

static bool
split(const struct split_spec *spec, const struct dataset *dataset, const struct task *its_task)
{
  struct split *made = NULL;
  struct buf packed = {0};
  uint8_t folds[TOY_ROWS_MAX];
  size_t *rows[3] = {NULL, NULL, NULL}, count;
  bool done = split_make(dataset, its_task, spec, &made, NULL) == ERR_OK
              && split_train_rows(made, 0, &rows[0], &count) == ERR_OK
              && split_valid_rows(made, 0, &rows[1], &count) == ERR_OK
              && split_report_rows(made, &rows[2], &count) == ERR_OK
              && split_pack(made, &packed) == ERR_OK
              && split_unpack(packed.data, packed.length, folds, made->row_count, NULL) == ERR_OK
              && memcmp(folds, made->fold_of, made->row_count) == 0;
  for (size_t i = 0; i < 3; i++)
    free(rows[i]);
  buf_free(&packed);
  if (made != NULL)
    split_free(made);
  return done;
}

static bool
run_split_groups(void)
{
  return split(&(struct split_spec){.seed = 2, .group = "color", .fold_count = 2}, table, &task);
}

static bool
run_split_times(void)
{
  return split(&(struct split_spec){.seed = 2, .time = "x2", .holdout = 0.2}, table, &number_task)
         && split(&(struct split_spec){.seed = 2, .time = "x1", .group = "noise", .fold_count = 2},
                  table, &task);
}

static bool
run_split_images(void)
{
  static struct task image_task;
  static bool made;
  if (!made)
    toy_task(images, arena, &image_task);
  made = true;
  return split(&(struct split_spec){.seed = 2, .holdout = 0.2}, images, &image_task)
         && split(&(struct split_spec){.seed = 1, .unstratified = true}, images, &image_task);
}

static bool
run_task(void)
{
  struct task made;
  struct arena *own = arena_new(0);
  bool done = own != NULL && task_make(table, "y", NULL, own, &made, NULL) == ERR_OK
              && task_leave_out(&made, table, "x1", own, NULL) == ERR_OK
              && task_make(images, NULL, NULL, own, &made, NULL) == ERR_OK
              && task_make(table, "flag", "binary", own, &made, NULL) == ERR_OK
              && task_make(table, "noise", NULL, own, &made, NULL) == ERR_OK;
  arena_free(own);
  return done;
}

static bool
run_encode_tree(void)
{
  size_t rows[60];
  float x[60 * 40];
  struct encoder *encoder = NULL, *back = NULL;
  struct buf bytes = {0};
  size_t used = 0;
  for (size_t i = 0; i < 60; i++)
    rows[i] = i;
  bool done = encoder_fit(table, &task, ENCODE_TREE, rows, 60, &encoder, NULL) == ERR_OK
              && encoder_width(encoder) <= 40
              && encoder_apply(encoder, dataset_table(table), rows, 60, true, x, NULL) == ERR_OK
              && encoder_save(encoder, &bytes) == ERR_OK
              && encoder_load(bytes.data, bytes.length, &used, &back, NULL) == ERR_OK
              && encoder_apply(back, dataset_table(table), rows, 60, false, x, NULL) == ERR_OK;
  encoder_free(back);
  encoder_free(encoder);
  buf_free(&bytes);
  return done;
}

static bool
run_metrics(void)
{
  static float p[90];
  static int32_t classes[30];
  static double values[30];
  struct task two = task;
  two.kind = TASK_BINARY;
  two.class_count = two.output_count = 2;
  for (size_t i = 0; i < 30; i++)
  {
    classes[i] = (int32_t) (i % 3);
    values[i] = (double) i;
    for (size_t k = 0; k < 3; k++)
      p[3 * i + k] = k == i % 3 ? 0.5f : 0.25f;
  }
  struct labels labels = {.count = 30, .classes = classes};
  json_t *report = metric_report(METRIC_ACCURACY, &task, &labels, p, NULL);
  for (size_t i = 0; i < 30; i++)
    classes[i] = (int32_t) (i % 2);
  json_t *binary = metric_report(METRIC_F1, &two, &labels, p, NULL);
  labels = (struct labels){.count = 30, .values = values};
  json_t *number = metric_report(METRIC_QUANTILE_05, &number_task, &labels, p, NULL);
  bool done = report != NULL && binary != NULL && number != NULL
              && isfinite(metric_weighted_quantile(values, NULL, 30, 0.5));
  json_decref(report);
  json_decref(binary);
  json_decref(number);
  return done;
}

/* ---- set-up ------------------------------------------------------------------------------------------- */

static void
make_mixed(void)
{
  static const char text[] = "id,x,day,word,flag,note\n"
                             "k1,1.5,2024-01-01,red,yes,\"a, b of many words\"\n"
                             "k2,,2024-01-02,blue,no,cats and other beasts\n"
                             "k3,2.5,2024-01-03 10:30:00,red,yes,dogs in the garden\n"
                             "k4,9,2024-01-04,blue,no,eels under the sea\n"
                             "k5,9,2024-01-04,red,no,fish in the soup\n"
                             "k6,1e9,2024-01-04,red,no,goats on the hill\n"
                             "k7,-3,2024-01-05,blue,yes,horses\n"
                             "k8,4,2024-02-05,blue,yes,ibis and jay\n"
                             "k9,4,2024-03-05,red,,kiwis\n"
                             "k10,5,,blue,yes,lions and lambs\n"
                             "k11,5,2024-03-06,red,yes,moles\n"
                             "k12,5.5,2024-03-07,red,no,newts and owls\n";
  struct fixture fixture;
  assert_int_equal(fixture_csv(&fixture, text), ERR_OK);
  mixed = fixture.dataset;
  fixture.dataset = NULL;
  mixed_file = dup(fixture.file);
  csv = fixture_file(text, strlen(text));
  fixture_free(&fixture);
}

static void
make_archives(void)
{
  static const char list[] = "file,label\n0.png,p\n1.png,q\n2.png,p\n3.png,q\n4.png,p\n5.png,q\n"
                             "6.png,p\n7.png,q\n8.png,p\n9.png,q\n10.png,p\n11.png,q\n";
  static const char tabbed[] = "a\tb\n1,5\tx\n2,25\ty\n3,125\tx\n";
  struct pack_files pack;
  pack_files_start(&pack);
  for (unsigned i = 0; i < 12; i++)
  {
    char name[64];
    struct buf png = pack_files_png(10 + i % 3, i % 4 == 0 ? 3 : 1, (uint8_t) (20 * i));
    snprintf(name, sizeof name, "top/%s/%u.png", i % 2 ? "odd" : "even", i);
    pack_files_add(&pack, name, png.data, png.length - (i == 7 ? 20 : 0));
    buf_free(&png);
  }
  pack_files_add(&pack, "top/readme.md", "x", 1);
  pack_files_end(&pack);
  pictures_zip = fixture_file(pack.bytes, pack.length);
  free(pack.bytes);
  labels_list = fixture_file(list, strlen(list));
  pack_files_start(&pack);
  pack_files_add(&pack, "in/data.tsv", tabbed, strlen(tabbed));
  pack_files_end(&pack);
  table_zip = fixture_file(pack.bytes, pack.length);
  free(pack.bytes);
}

static int
set_up(void **state)
{
  (void) state;
  no_memory_from(0, false);
  arena = arena_new(0);
  table = toy_table(60, TOY_THREE, TOY_NAN_AND_HUGE, 3);
  images = toy_images(30, 3);
  toy_task(table, arena, &task);
  assert_int_equal(task_make(table, "noise", NULL, arena, &number_task, NULL), ERR_OK);
  make_mixed();
  make_archives();
  struct buf bytes = pack_files_idx((const uint32_t[]){12, 3, 4}, 3, 251);
  idx_images = fixture_file(bytes.data, bytes.length);
  buf_free(&bytes);
  bytes = pack_files_idx((const uint32_t[]){12}, 1, 3);
  idx_labels = fixture_file(bytes.data, bytes.length);
  buf_free(&bytes);
  return 0;
}

static int
tear_down(void **state)
{
  (void) state;
  const int files[] = {pictures_zip, table_zip,   idx_images, idx_labels,
                       csv,          labels_list, mixed_file};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
    close(files[i]);
  dataset_close(table);
  dataset_close(images);
  dataset_close(mixed);
  arena_free(arena);
  return 0;
}

/* may_be_done, dense */
static const struct scenario memory_scenarios[] = {
  {"csv", run_csv, true, 100, false},
  {"idx", run_idx, true, 0, false},
  {"edit", run_edit, true, 0, false},
  {"pictures", run_pictures, true, 0, false},
  {"labelled pictures", run_labelled_pictures, true, 0, false},
  {"table in a zip", run_table_zip, true, 100, false},
  {"labels", run_labels, false, 0, false},
  {"save", run_save, false, 0, false},
  {"issues", run_issues, true, 0, false},
  {"issues of classes", run_issues_of_classes, true, 0, false},
  {"issues of images", run_issues_of_images, true, 0, false},
  {"table told", run_tell_table, true, 0, false},
  {"images told", run_tell_images, true, 0, false},
  {"split by groups", run_split_groups, false, 0, false},
  {"split by times", run_split_times, false, 0, false},
  {"split of images", run_split_images, false, 0, false},
  {"tasks", run_task, false, 0, false},
  {"encode for trees", run_encode_tree, false, 0, false},
  {"metrics", run_metrics, true, 0, false},
};

static void
test_without_memory(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof memory_scenarios / sizeof memory_scenarios[0]; i++)
    scenario_without_memory(&memory_scenarios[i]);
}

static const struct scenario call_scenarios[] = {
  {"csv", run_csv, false, 0, false},
  {"idx", run_idx, false, 0, false},
  {"edit", run_edit, false, 0, false},
  {"pictures", run_pictures, false, 0, false},
  {"labelled pictures", run_labelled_pictures, false, 0, false},
  {"table in a zip", run_table_zip, true, 0, false},
  {"save", run_save, false, 0, false},
};

static void
test_with_failing_calls(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof call_scenarios / sizeof call_scenarios[0]; i++)
  {
    const struct scenario *scenario = &call_scenarios[i];
    scenario_with_failing_calls(scenario, CALL_FAILS, false);
    scenario_with_failing_calls(scenario, CALL_FAILS, true);
    scenario_with_failing_calls(scenario, CALL_FULL, true);
  }
}

int
main(int argc, char **argv)
{
  (void) argc;
  scenario_restart_without_cache(argv);
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_without_memory),
    cmocka_unit_test(test_with_failing_calls),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
