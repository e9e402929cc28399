/* Fits on a table, for tests/bench/train/defaults.py:
 *
 *   table_fit FILE.csv TARGET FAMILY PARAMS REPEATS      PARAMS: JSON that changes the tuned defaults
 *
 * Each repeat shuffles the rows by its number: 60% train, 15% choose the epoch or the rounds, 25% are scored through
 * the code that serves. One line of JSON: "error" is the mean share of wrong rows (each with half a row more), or
 * RMSE over the target's standard deviation; "log_loss" (null for numbers), "cpu_s" of a fit. Set
 * OMP_NUM_THREADS=OPENBLAS_NUM_THREADS=1.
 */
#include <config.h>

#include <fcntl.h>

#include "tests/harness/data_fixture.h"

#include "base/clock.h"
#include "base/rng.h"
#include "train/train.h"

struct sums
{
  double error, log_loss, cpu;
};

static int
broken(const char *what, const struct err_info *info)
{
  fprintf(stderr, "table_fit: %s: %s\n", what, info->text);
  return 1;
}

static void
score(const struct task *task, const struct dataset *dataset, const size_t *rows, size_t count,
      const float *out, struct sums *sums)
{
  size_t k = task->output_count;
  double wrong = 0.5, loss = 0, sum = 0, square = 0, squares = 0, n = (double) count;

  for (size_t i = 0; i < count; i++)
  {
    if (task->kind == TASK_REGRESSION)
    {
      double value = task_value_of(task, dataset, rows[i]), off = (double) out[i] - value;
      sum += value;
      square += value * value;
      squares += off * off;
      continue;
    }
    size_t truth = (size_t) task_class_of(task, dataset, rows[i]), top = 0;
    for (size_t j = 1; j < k; j++)
      top = out[i * k + j] > out[i * k + top] ? j : top;
    wrong += top != truth;
    loss -= log(fmax((double) out[i * k + truth], 1e-9));
  }
  if (task->kind == TASK_REGRESSION)
    sums->error += sqrt(squares / fmax(square - sum * sum / n, 1e-300));
  else
    sums->error += wrong / n;
  sums->log_loss += loss / n;
}

static enum err
repeat(const struct train_request *base, uint64_t seed, size_t *order, struct sums *sums,
       struct err_info *info)
{
  size_t rows = dataset_row_count(base->dataset), test = rows / 4, valid = (rows - test) / 5;
  struct train_request request = *base;
  struct model_workspace *workspace = model_workspace_new();
  struct train_result result;
  struct rng rng;

  for (size_t i = 0; i < rows; i++)
    order[i] = i;
  rng_init(&rng, seed, 5);
  rng_shuffle(&rng, order, rows);
  request.seed = seed;
  request.train_rows = order;
  request.train_count = rows - test - valid;
  request.valid_rows = order + request.train_count;
  request.valid_count = valid;
  double before = clock_cpu_s();
  enum err rc = train_run(&request, &result, info);
  sums->cpu += clock_cpu_s() - before;
  float *out = calloc(test * base->task->output_count + 1, sizeof *out);
  if (rc == ERR_OK)
    rc = model_predict_dataset(result.model, workspace, base->dataset, order + rows - test, test,
                               out, info);
  if (rc == ERR_OK)
    score(base->task, base->dataset, order + rows - test, test, out, sums);
  free(out);
  model_workspace_free(workspace);
  train_result_clear(&result);
  return rc;
}

int
main(int argc, char **argv)
{
  struct err_info info = {0};
  struct fixture fixture;
  struct task task;
  struct sums sums = {0};

  if (argc != 6)
  {
    fprintf(stderr, "usage: table_fit FILE.csv TARGET FAMILY PARAMS REPEATS\n");
    return 2;
  }
  int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  struct ingest_work work = fixture_start(&fixture, file);
  if (file < 0 || fixture_finish(&fixture, &work, ingest_csv(&work, &info)) != ERR_OK)
    return broken(argv[1], &info);
  if (task_make(fixture.dataset, argv[2], NULL, fixture.arena, &task, &info) != ERR_OK)
    return broken(argv[2], &info);
  json_t *params = json_loads(argv[4], 0, NULL);
  size_t *order = calloc(dataset_row_count(fixture.dataset) + 1, sizeof *order);
  unsigned long repeats = strtoul(argv[5], NULL, 10);
  struct train_request request = {.dataset = fixture.dataset,
                                  .task = &task,
                                  .family = argv[3],
                                  .params = params,
                                  .metric =
                                    task.kind == TASK_REGRESSION ? METRIC_RMSE : METRIC_ACCURACY};
  for (unsigned long seed = 1; seed <= repeats; seed++)
    if (repeat(&request, seed, order, &sums, &info) != ERR_OK)
      return broken(argv[3], &info);
  double n = (double) repeats;
  printf("{\"error\": %.5f, \"log_loss\": ", sums.error / n);
  if (task.kind == TASK_REGRESSION)
    printf("null");
  else
    printf("%.5f", sums.log_loss / n);
  printf(", \"cpu_s\": %.4f}\n", sums.cpu / n);
  json_decref(params);
  free(order);
  fixture_free(&fixture);
  return 0;
}
