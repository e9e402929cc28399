/* One fit from the command line, to look at quality and speed by hand:
 *
 *   train_fit fashion FAMILY PARAMS [SECONDS]        Fashion-MNIST: 55,000 rows train, 5,000 validate,
 *                                                    the 10,000 test images are scored at the end
 *   train_fit FILE.csv TARGET FAMILY PARAMS [SEED]   a CSV of numbers: mean over its five folds
 *
 * PARAMS is JSON such as {"units": 64}. Set OMP_NUM_THREADS=OPENBLAS_NUM_THREADS=1.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/clock.h"
#include "base/proc.h"
#include "data/dataset_write.h"
#include "data/split.h"
#include "train/train.h"

#define FASHION "/usr/share/datasets/fashion-mnist/"

static int
fail(const char *what, const struct err_info *info)
{
  fprintf(stderr, "train_fit: %s: %s\n", what, info ? info->text : "failed");
  return 1;
}

static bool
on_epoch(void *context, const struct train_progress *progress)
{
  (void) context;
  printf("epoch %zu/%zu  %.2f s  loss %.5f  valid %.5f  metric %.5f\n", progress->epoch,
         progress->epoch_count, progress->seconds, progress->train_loss, progress->valid_loss,
         progress->valid_metric);
  fflush(stdout);
  return true;
}

/* The bytes of a gzipped IDX file after its head of `skip` bytes. */
static uint8_t *
read_idx(const char *name, size_t skip, size_t length)
{
  gzFile file = gzopen(name, "rb");
  uint8_t *bytes = malloc(length + skip);

  if (!file || !bytes || gzread(file, bytes, (unsigned) (length + skip)) != (int) (length + skip))
    return NULL;
  gzclose(file);
  memmove(bytes, bytes + skip, length);
  return bytes;
}

static struct dataset *
open_fashion(const char *part, size_t count, struct err_info *info)
{
  static const char *const names[] = {"top",    "trouser", "pullover", "dress", "coat",
                                      "sandal", "shirt",   "sneaker",  "bag",   "boot"};
  char name[256], path[] = "/tmp/train-fit-XXXXXX";
  struct dataset *dataset = NULL;
  int32_t *labels = malloc(count * sizeof *labels);

  snprintf(name, sizeof name, FASHION "%s-images-idx3-ubyte.gz", part);
  uint8_t *pixels = read_idx(name, 16, count * 784);
  snprintf(name, sizeof name, FASHION "%s-labels-idx1-ubyte.gz", part);
  uint8_t *raw = read_idx(name, 8, count);
  if (!pixels || !raw || !labels || mkdtemp(path) == NULL)
    return NULL;
  for (size_t i = 0; i < count; i++)
    labels[i] = raw[i];
  struct image_set set = {.count = count,
                          .height = 28,
                          .width = 28,
                          .channels = 1,
                          .pixels = pixels,
                          .labels = labels,
                          .class_names = names,
                          .class_count = 10};
  snprintf(name, sizeof name, "%s/images.atds", path);
  if (dataset_save_images(name, &set, info) == ERR_OK)
    dataset_open(name, &dataset, info);
  unlink(name);
  rmdir(path);
  free(raw);
  free(pixels);
  free(labels);
  return dataset;
}

static double
score_test(const struct train_result *result, const struct dataset *test, const struct task *task,
           double *us)
{
  size_t count = dataset_row_count(test);
  float *out = calloc(count * task->output_count, sizeof *out);
  struct model_workspace *workspace = model_workspace_new();
  size_t hits = 0;
  struct err_info info;

  double before = clock_monotonic_s();
  if (model_predict_dataset(result->model, workspace, test, NULL, count, out, &info) != ERR_OK)
    return NAN;
  *us = (clock_monotonic_s() - before) / (double) count * 1e6;
  for (size_t i = 0; i < count; i++)
  {
    size_t top = 0;
    for (size_t j = 1; j < task->output_count; j++)
      if (out[i * task->output_count + j] > out[i * task->output_count + top])
        top = j;
    hits += top == (size_t) dataset_images(test)->labels[i];
  }
  model_workspace_free(workspace);
  free(out);
  return (double) hits / (double) count;
}

static int
run_fashion(const char *family, const json_t *params, double seconds)
{
  struct err_info info = {.code = ERR_OK};
  struct arena *arena = arena_new(0);
  struct dataset *train = open_fashion("train", 60000, &info);
  struct dataset *test = open_fashion("t10k", 10000, &info);
  struct task task;
  size_t *rows = malloc(60000 * sizeof *rows);
  double us = 0.0;

  if (!train || !test || task_make(train, NULL, NULL, arena, &task, &info) != ERR_OK)
    return fail("opening Fashion-MNIST", &info);
  for (size_t i = 0; i < 60000; i++)
    rows[i] = i;
  struct train_request request = {.dataset = train,
                                  .task = &task,
                                  .family = family,
                                  .params = params,
                                  .train_rows = rows,
                                  .train_count = 55000,
                                  .valid_rows = rows + 55000,
                                  .valid_count = 5000,
                                  .metric = METRIC_ACCURACY,
                                  .seed = 1,
                                  .max_seconds = seconds,
                                  .on_epoch = on_epoch};
  struct train_result result;
  if (train_run(&request, &result, &info) != ERR_OK)
    return fail("the fit", &info);
  double accuracy = score_test(&result, test, &task, &us);
  printf("valid accuracy %.4f (epoch %zu of %zu, %s), test accuracy %.4f, %.2f s, %.2f us/row\n",
         result.metric, result.best_epoch, result.epochs, train_stop_name(result.stop), accuracy,
         result.seconds, us);
  train_result_clear(&result);
  dataset_close(train);
  dataset_close(test);
  arena_free(arena);
  free(rows);
  return 0;
}

/* ---- tables --------------------------------------------------------------------------------------- */

#define COLUMNS_MAX 512

struct numbers
{
  char *names[COLUMNS_MAX];
  double *values[COLUMNS_MAX];
  size_t columns, rows;
};

static bool
read_csv(const char *path, struct numbers *numbers)
{
  FILE *file = fopen(path, "r");
  char *line = NULL;
  size_t size = 0, capacity = 0;

  if (!file || getline(&line, &size, file) < 0)
    return false;
  for (char *save, *word = strtok_r(line, ",\r\n", &save); word && numbers->columns < COLUMNS_MAX;
       word = strtok_r(NULL, ",\r\n", &save))
    numbers->names[numbers->columns++] = strdup(word);
  while (getline(&line, &size, file) > 0)
  {
    char *save, *word = strtok_r(line, ",\r\n", &save);
    for (size_t c = 0; numbers->rows == capacity && c < numbers->columns; c++)
      numbers->values[c] = realloc(numbers->values[c], (2 * capacity + 1024) * sizeof(double));
    capacity = numbers->rows == capacity ? 2 * capacity + 1024 : capacity;
    for (size_t c = 0; c < numbers->columns; c++, word = strtok_r(NULL, ",\r\n", &save))
      numbers->values[c][numbers->rows] = word ? strtod(word, NULL) : (double) NAN;
    numbers->rows++;
  }
  free(line);
  fclose(file);
  return numbers->rows > 0;
}

static struct dataset *
open_csv(const char *path, struct err_info *info)
{
  struct numbers numbers = {.columns = 0};
  struct column columns[COLUMNS_MAX] = {{0}};
  char name[256], folder[] = "/tmp/train-fit-XXXXXX";
  struct dataset *dataset = NULL;

  if (!read_csv(path, &numbers) || !mkdtemp(folder))
    return NULL;
  for (size_t c = 0; c < numbers.columns; c++)
    columns[c] = (struct column){
      .name = numbers.names[c], .type = COLUMN_NUMERIC, .number = numbers.values[c]};
  struct table table = {
    .row_count = numbers.rows, .column_count = numbers.columns, .columns = columns};
  snprintf(name, sizeof name, "%s/table.atds", folder);
  if (dataset_save_table(name, &table, info) == ERR_OK)
    dataset_open(name, &dataset, info);
  unlink(name);
  rmdir(folder);
  return dataset;
}

static int
run_folds(struct train_request *request, const struct split *split)
{
  struct err_info info = {.code = ERR_OK};
  double sum = 0.0, seconds = 0.0, log_loss = 0.0;

  for (size_t fold = 0; fold < split->fold_count; fold++)
  {
    size_t *train, *valid;
    struct train_result result;
    if (split_train_rows(split, fold, &train, &request->train_count) != ERR_OK
        || split_valid_rows(split, fold, &valid, &request->valid_count) != ERR_OK)
      return fail("the split", NULL);
    request->train_rows = train;
    request->valid_rows = valid;
    if (train_run(request, &result, &info) != ERR_OK)
      return fail("the fit", &info);
    printf("fold %zu: %s %.5f, log loss %.5f, best %zu of %zu (%s), %.3f s\n", fold,
           metric_name(request->metric), result.metric, result.log_loss, result.best_epoch,
           result.epochs, train_stop_name(result.stop), result.seconds);
    sum += result.metric;
    log_loss += result.log_loss;
    seconds += result.seconds;
    train_result_clear(&result);
    free(train);
    free(valid);
  }
  double n = (double) split->fold_count;
  printf("mean %s %.5f, log loss %.5f, %.3f s a fit\n", metric_name(request->metric), sum / n,
         log_loss / n, seconds / n);
  return 0;
}

static int
run_table(const char *path, const char *target, const char *family, const json_t *params,
          uint64_t seed)
{
  struct err_info info = {.code = ERR_OK};
  struct arena *arena = arena_new(0);
  struct dataset *dataset = open_csv(path, &info);
  struct split *split = NULL;
  struct task task;

  if (!dataset || task_make(dataset, target, NULL, arena, &task, &info) != ERR_OK
      || split_make(dataset, &task, &(struct split_spec){.seed = seed, .fold_count = 5}, &split,
                    &info)
           != ERR_OK)
    return fail(path, &info);
  struct train_request request = {
    .dataset = dataset,
    .task = &task,
    .family = family,
    .params = params,
    .metric = task.kind == TASK_REGRESSION ? METRIC_R2 : METRIC_ACCURACY,
    .seed = seed,
  };
  int code = run_folds(&request, split);
  split_free(split);
  dataset_close(dataset);
  arena_free(arena);
  return code;
}

int
main(int argc, char **argv)
{
  json_error_t error;

  proc_pin_blas_threads(argv, NULL);
  if (argc >= 4 && strcmp(argv[1], "fashion") == 0)
  {
    json_t *params = json_loads(argv[3], 0, &error);
    int code = run_fashion(argv[2], params, argc > 4 ? strtod(argv[4], NULL) : 0.0);
    json_decref(params);
    return code;
  }
  if (argc >= 5)
  {
    json_t *params = json_loads(argv[4], 0, &error);
    int code =
      run_table(argv[1], argv[2], argv[3], params, argc > 5 ? strtoull(argv[5], NULL, 10) : 1);
    json_decref(params);
    return code;
  }
  fprintf(stderr, "usage: train_fit fashion FAMILY PARAMS [SECONDS]\n"
                  "       train_fit FILE.csv TARGET FAMILY PARAMS [SEED]\n");
  return 2;
}
