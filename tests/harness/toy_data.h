/* Small datasets made up for tests of model and train: a table with every awkward kind of column, and
 * images of three classes. Header only.
 */
#ifndef ATTUNE_TESTS_TOY_DATA_H
#define ATTUNE_TESTS_TOY_DATA_H

#include "base/arena.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "data/task.h"
#include "tests/harness/test_support.h"

#define TOY_ROWS_MAX 2000

enum toy_target
{
  TOY_BINARY,
  TOY_THREE,
  TOY_NUMBER
};

/* What is wrong with the table on purpose. */
enum toy_fault
{
  TOY_GOOD,
  TOY_NAN_AND_HUGE, /* a tenth of x1 is missing, some of x2 are ±1e300 */
  TOY_USELESS       /* all inputs are constant or missing, but for one */
};

static inline struct dataset *
toy_open(const char *folder)
{
  char path[TEST_PATH_SIZE];
  struct dataset *dataset = NULL;
  struct err_info info;

  test_path(path, folder, "toy.atds");
  if (dataset_open(path, &dataset, &info) != ERR_OK)
    fail_msg("%s", info.text);
  test_remove_dir(folder);
  return dataset;
}

/* Columns x1, x2, color, flag, constant, empty, noise and the target y. */
static inline struct dataset *
toy_table(size_t rows, enum toy_target target, enum toy_fault fault, uint64_t seed)
{
  static const char *const colors[] = {"red", "green", "blue"};
  static const char *const flags[] = {"no", "yes"};
  static const char *const classes[] = {"a", "b", "c"};
  static double x1[TOY_ROWS_MAX], x2[TOY_ROWS_MAX], constant[TOY_ROWS_MAX], empty[TOY_ROWS_MAX],
    noise[TOY_ROWS_MAX], value[TOY_ROWS_MAX];
  static int32_t color[TOY_ROWS_MAX], flag[TOY_ROWS_MAX], label[TOY_ROWS_MAX];
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct rng rng;

  assert_true(rows <= TOY_ROWS_MAX);
  rng_init(&rng, seed, 77);
  for (size_t i = 0; i < rows; i++)
  {
    x1[i] = rng_normal(&rng);
    x2[i] = 3.0 + 2.0 * rng_normal(&rng);
    color[i] = (int32_t) rng_below(&rng, 4) - 1;
    flag[i] = (int32_t) rng_below(&rng, 2);
    constant[i] = 7.0;
    empty[i] = NAN;
    noise[i] = rng_normal(&rng);
    double sum = 2.0 * x1[i] - (x2[i] - 3.0) + (color[i] == 2 ? 2.0 : 0.0) + 0.5 * flag[i];
    value[i] = sum + 0.3 * noise[i];
    label[i] = target == TOY_THREE ? (value[i] > 1.5) + (value[i] > -0.5) : value[i] > 0.4;
    if (fault == TOY_NAN_AND_HUGE && i % 10 == 3)
      x1[i] = NAN;
    if (fault == TOY_NAN_AND_HUGE && i % 50 == 7)
      x2[i] = i % 100 == 7 ? 1e300 : -1e300;
    if (fault == TOY_USELESS)
    {
      x1[i] = NAN;
      color[i] = -1;
      flag[i] = 1;
    }
  }
  struct column columns[] = {{.name = "x1", .type = COLUMN_NUMERIC, .number = x1},
                             {.name = "x2", .type = COLUMN_NUMERIC, .number = x2},
                             {.name = "color",
                              .type = COLUMN_CATEGORICAL,
                              .code = color,
                              .categories = colors,
                              .category_count = 3},
                             {.name = "flag",
                              .type = COLUMN_BOOLEAN,
                              .code = flag,
                              .categories = flags,
                              .category_count = 2},
                             {.name = "constant", .type = COLUMN_NUMERIC, .number = constant},
                             {.name = "empty", .type = COLUMN_NUMERIC, .number = empty},
                             {.name = "noise", .type = COLUMN_NUMERIC, .number = noise},
                             {.name = "y", .type = COLUMN_NUMERIC, .number = value}};
  if (target != TOY_NUMBER)
    columns[7] = (struct column){.name = "y",
                                 .type = COLUMN_CATEGORICAL,
                                 .code = label,
                                 .categories = classes,
                                 .category_count = target == TOY_THREE ? 3 : 2};
  struct table table = {.row_count = rows, .column_count = 8, .columns = columns};
  struct err_info info;
  test_make_dir(folder);
  test_path(path, folder, "toy.atds");
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return toy_open(folder);
}

/* Notes of a few words, which tell the two classes of y; every seventh is missing. */
static inline struct dataset *
toy_texts(size_t rows)
{
  static const char *const classes[] = {"fruit", "tool"};
  static const char *const words[] = {"a ripe plum", "the cherry", "an old saw", "this hammer"};
  uint64_t *offset = calloc(rows + 1, sizeof *offset);
  int32_t *label = calloc(rows, sizeof *label);
  char *text = calloc(rows, 40), folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct err_info info;

  for (size_t i = 0; i < rows; i++)
  {
    label[i] = (int32_t) (i % 4 / 2);
    offset[i + 1] = offset[i];
    if (i % 7 != 5)
      offset[i + 1] += (uint64_t) sprintf(text + offset[i], "%s of %zu", words[i % 4], i);
  }
  struct column columns[] = {{.name = "note", .type = COLUMN_TEXT, .offset = offset, .text = text},
                             {.name = "y",
                              .type = COLUMN_CATEGORICAL,
                              .code = label,
                              .categories = classes,
                              .category_count = 2}};
  struct table table = {.row_count = rows, .column_count = 2, .columns = columns};
  test_make_dir(folder);
  test_path(path, folder, "toy.atds");
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("%s", info.text);
  free(offset);
  free(label);
  free(text);
  return toy_open(folder);
}

/* Images of 8 × 8 with noise; the bright quarter tells the class. */
static inline struct dataset *
toy_images(size_t count, uint64_t seed)
{
  static const char *const classes[] = {"top left", "top right", "bottom left"};
  uint8_t *pixels = malloc(count * 64);
  int32_t *labels = malloc(count * sizeof *labels);
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct err_info info;
  struct rng rng;

  rng_init(&rng, seed, 78);
  for (size_t i = 0; i < count; i++)
  {
    labels[i] = (int32_t) rng_below(&rng, 3);
    for (size_t p = 0; p < 64; p++)
    {
      size_t quarter = (p / 32) * 2 + (p % 8) / 4;
      pixels[i * 64 + p] =
        (uint8_t) (rng_below(&rng, 120) + (quarter == (size_t) labels[i] ? 60 : 0));
    }
  }
  struct image_set set = {.count = count,
                          .height = 8,
                          .width = 8,
                          .channels = 1,
                          .pixels = pixels,
                          .labels = labels,
                          .class_names = classes,
                          .class_count = 3};
  test_make_dir(folder);
  test_path(path, folder, "toy.atds");
  if (dataset_save_images(path, &set, &info) != ERR_OK)
    fail_msg("%s", info.text);
  free(pixels);
  free(labels);
  return toy_open(folder);
}

/* Noise in which a bright band lies across or down: two classes. */
static inline struct dataset *
toy_bands(size_t count, size_t height, size_t width, size_t channels)
{
  static const char *const classes[] = {"across", "down"};
  size_t inputs = height * width * channels;
  uint8_t *raw = malloc(count * inputs);
  int32_t *labels = malloc(count * sizeof *labels);
  char folder[TEST_PATH_SIZE], path[TEST_PATH_SIZE];
  struct rng rng;
  rng_init(&rng, 5, 79);
  for (size_t i = 0; i < count; i++)
  {
    labels[i] = (int32_t) (i % 2);
    size_t at = rng_below(&rng, (labels[i] ? width : height) - 2);
    for (size_t p = 0; p < inputs; p++)
    {
      size_t y = p / channels / width, x = p / channels % width, here = labels[i] ? x : y;
      raw[i * inputs + p] =
        (uint8_t) (rng_below(&rng, 60) + (here >= at && here < at + 3 ? 150 : 0));
    }
  }
  struct image_set set = {.count = count,
                          .height = height,
                          .width = width,
                          .channels = channels,
                          .pixels = raw,
                          .labels = labels,
                          .class_names = classes,
                          .class_count = 2};
  test_make_dir(folder);
  test_path(path, folder, "toy.atds");
  assert_int_equal(dataset_save_images(path, &set, NULL), ERR_OK);
  free(raw);
  free(labels);
  return toy_open(folder);
}

/* The task "y" (or the images' class) of a toy dataset. */
static inline void
toy_task(const struct dataset *dataset, struct arena *arena, struct task *task)
{
  struct err_info info;
  const char *target = dataset_kind(dataset) == DATASET_TABLE ? "y" : NULL;
  if (task_make(dataset, target, NULL, arena, task, &info) != ERR_OK)
    fail_msg("%s", info.text);
}

#endif
