/* How long fits really take beside what the families' cost estimates say:
 *
 *   cost_model [CASE…]     one line per case, family and configuration (default, cheapest)
 *
 * A case is a made-up data set of a known shape: its CPU seconds of one fit on four fifths of the rows, the
 * estimate, and their ratio. The machine's factor (family_machine_factor) is printed first and is part of
 * the estimates. Run it alone on an idle machine; OMP_NUM_THREADS=OPENBLAS_NUM_THREADS=1 is set by itself.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/proc.h"
#include "base/rng.h"
#include "data/dataset_write.h"
#include "model/family_cost.h"
#include "train/train.h"

#define COLUMNS_MAX 512

struct bench_case
{
  const char *name;
  size_t rows, columns, classes; /* classes 0 = regression */
  size_t categories;             /* of every second column; 0 = all are numbers */
  size_t side;                   /* of square images */
};

static const struct bench_case cases[] = {
  {"iris", 150, 4, 3, 0, 0},          {"cells", 569, 30, 2, 0, 0},
  {"digits", 1800, 64, 10, 0, 0},     {"houses", 20000, 8, 0, 0, 0},
  {"words", 20000, 14, 2, 12, 0},     {"wide", 2000, 400, 2, 0, 0},
  {"synthetic", 100000, 30, 2, 0, 0}, {"seven", 100000, 30, 7, 0, 0},
  {"pictures", 10000, 0, 10, 0, 28},  {"fashion", 68750, 0, 10, 0, 28},
};

static struct dataset *
save_and_open(const struct table *table, const struct image_set *images, struct err_info *info)
{
  char folder[] = "/tmp/cost-model-XXXXXX", path[64];
  struct dataset *dataset = NULL;
  if (!mkdtemp(folder))
    return NULL;
  snprintf(path, sizeof path, "%s/data.atds", folder);
  if ((table ? dataset_save_table(path, table, info) : dataset_save_images(path, images, info))
      == ERR_OK)
    dataset_open(path, &dataset, info);
  unlink(path);
  rmdir(folder);
  return dataset;
}

static int32_t
class_of(double score, size_t classes)
{
  double share = 0.5 * erfc(-score / sqrt(2.0));
  return (int32_t) fmin(share * (double) classes, (double) classes - 1.0);
}

/* Clouds that overlap: a fit has something to find and something to give up on. */
static struct dataset *
make_table(const struct bench_case *shape, struct err_info *info)
{
  static const char *words[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"};
  static const char *labels[] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"};
  struct column columns[COLUMNS_MAX + 1] = {{0}};
  char names[COLUMNS_MAX][16];
  double *score = calloc(shape->rows, sizeof *score);
  struct rng rng;
  rng_init(&rng, 7, 1);
  for (size_t c = 0; c < shape->columns; c++)
  {
    struct column *column = &columns[c];
    bool coded = shape->categories && c % 2;
    double weight = rng_normal(&rng) / sqrt((double) shape->columns);
    snprintf(names[c], sizeof names[c], "c%zu", c);
    column->name = names[c];
    column->type = coded ? COLUMN_CATEGORICAL : COLUMN_NUMERIC;
    int32_t *code = coded ? calloc(shape->rows, sizeof *code) : NULL;
    double *number = coded ? NULL : calloc(shape->rows, sizeof *number);
    column->code = code;
    column->number = number;
    column->category_count = coded ? shape->categories : 0;
    column->categories = coded ? words : NULL;
    for (size_t i = 0; i < shape->rows; i++)
    {
      double draw = rng_normal(&rng);
      if (coded)
        code[i] = class_of(draw, shape->categories);
      else
        number[i] = draw;
      score[i] += weight * (c % 3 ? draw : fabs(draw));
    }
  }
  struct column *target = &columns[shape->columns];
  target->name = "target";
  target->type = shape->classes ? COLUMN_CATEGORICAL : COLUMN_NUMERIC;
  target->category_count = shape->classes;
  target->categories = shape->classes ? labels : NULL;
  int32_t *code = shape->classes ? calloc(shape->rows, sizeof *code) : NULL;
  double *number = shape->classes ? NULL : calloc(shape->rows, sizeof *number);
  target->code = code;
  target->number = number;
  for (size_t i = 0; i < shape->rows; i++)
  {
    double value = score[i] + 0.4 * rng_normal(&rng);
    if (shape->classes)
      code[i] = class_of(value, shape->classes);
    else
      number[i] = value;
  }
  struct table table = {
    .row_count = shape->rows, .column_count = shape->columns + 1, .columns = columns};
  struct dataset *dataset = save_and_open(&table, NULL, info);
  for (size_t c = 0; c <= shape->columns; c++)
  {
    free((void *) (uintptr_t) columns[c].code);
    free((void *) (uintptr_t) columns[c].number);
  }
  free(score);
  return dataset;
}

static struct dataset *
make_images(const struct bench_case *shape, struct err_info *info)
{
  static const char *const labels[] = {"k0", "k1", "k2", "k3", "k4", "k5", "k6", "k7", "k8", "k9"};
  size_t pixels = shape->side * shape->side;
  uint8_t *bytes = malloc(shape->rows * pixels);
  int32_t *classes = malloc(shape->rows * sizeof *classes);
  double *patterns = malloc(shape->classes * pixels * sizeof *patterns);
  struct rng rng;
  rng_init(&rng, 8, 1);
  for (size_t i = 0; i < shape->classes * pixels; i++)
    patterns[i] = 110 + 30 * rng_normal(&rng);
  for (size_t i = 0; i < shape->rows; i++)
  {
    classes[i] = (int32_t) rng_below(&rng, shape->classes);
    for (size_t p = 0; p < pixels; p++)
      bytes[i * pixels + p] = (uint8_t) fmin(
        fmax(patterns[(size_t) classes[i] * pixels + p] + 255 * (rng_double(&rng) - 0.5), 0), 255);
  }
  struct image_set set = {.count = shape->rows,
                          .height = shape->side,
                          .width = shape->side,
                          .channels = 1,
                          .pixels = bytes,
                          .labels = classes,
                          .class_names = labels,
                          .class_count = shape->classes};
  struct dataset *dataset = save_and_open(NULL, &set, info);
  free(patterns);
  free(classes);
  free(bytes);
  return dataset;
}

/* The configuration with the least work that the default space of the family holds. */
static json_t *
cheapest(const char *family)
{
  if (strcmp(family, "mlp") == 0)
    return json_pack("{s:i, s:i}", "layers", 1, "units", 64);
  if (strcmp(family, "trees") == 0)
    return json_pack("{s:i}", "max_depth", 2);
  return json_object();
}

static int
measure(const struct bench_case *shape, const struct dataset *dataset, const struct task *task,
        const char *family, const json_t *params, const char *label, double factor)
{
  struct err_info info = {.code = ERR_OK};
  struct train_result result;
  size_t count = dataset_row_count(dataset), train = count - count / 5;
  size_t *rows = malloc(count * sizeof *rows);
  for (size_t i = 0; i < count; i++)
    rows[i] = i;
  struct model_data_shape data = {
    .kind = shape->side ? DATASET_IMAGES : DATASET_TABLE,
    .task = task->kind,
    .rows = count,
    .columns = shape->side ? shape->side * shape->side : shape->columns,
    .encoded = shape->columns / 2 * shape->categories
               + (shape->categories ? shape->columns - shape->columns / 2 : 0),
    .classes = task->class_count};
  struct train_request request = {.dataset = dataset,
                                  .task = task,
                                  .family = family,
                                  .params = params,
                                  .train_rows = rows,
                                  .train_count = train,
                                  .valid_rows = rows + train,
                                  .valid_count = count - train,
                                  .metric =
                                    task->kind == TASK_REGRESSION ? METRIC_RMSE : METRIC_ACCURACY,
                                  .seed = 1};
  double before = clock_cpu_s();
  if (train_run(&request, &result, &info) != ERR_OK)
  {
    fprintf(stderr, "cost_model: %s, %s: %s\n", shape->name, family, info.text);
    return 1;
  }
  double seconds = clock_cpu_s() - before;
  double estimate = family_cost(family, &data, params, train) * factor;
  printf("%-10s %-7s %-8s measured %9.4f s, estimate %9.4f s, ratio %5.2f, %zu rounds\n",
         shape->name, family, label, seconds, estimate, estimate / seconds, result.epochs);
  fflush(stdout);
  train_result_clear(&result);
  free(rows);
  return 0;
}

static int
run_case(const struct bench_case *shape, double factor)
{
  struct err_info info = {.code = ERR_OK};
  struct arena *arena = arena_new(0);
  struct dataset *dataset = shape->side ? make_images(shape, &info) : make_table(shape, &info);
  struct task task;
  int failed = 0;
  if (!dataset
      || task_make(dataset, shape->side ? NULL : "target", NULL, arena, &task, &info) != ERR_OK)
  {
    fprintf(stderr, "cost_model: %s: %s\n", shape->name, info.text);
    return 1;
  }
  for (const struct model_family *family = model_families(); family->name && !failed; family++)
  {
    struct model_data_shape data = {.kind = shape->side ? DATASET_IMAGES : DATASET_TABLE,
                                    .task = task.kind};
    json_t *params = cheapest(family->name);
    if (!family->refuse(&data))
    {
      json_t *none = json_object();
      failed = measure(shape, dataset, &task, family->name, none, "default", factor);
      json_decref(none);
      if (!failed && json_object_size(params) > 0)
        failed = measure(shape, dataset, &task, family->name, params, "cheapest", factor);
    }
    json_decref(params);
  }
  dataset_close(dataset);
  arena_free(arena);
  return failed;
}

int
main(int argc, char **argv)
{
  proc_pin_blas_threads(argv, NULL);
  double factor = family_machine_factor();
  printf("machine factor %.2f\n", factor);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    bool wanted = argc < 2;
    for (int a = 1; a < argc; a++)
      wanted = wanted || strcmp(argv[a], cases[i].name) == 0;
    if (wanted && run_case(&cases[i], factor) != 0)
      return 1;
  }
  return 0;
}
