/* One fit on a table with text, for tests/bench/train/text.py:
 *
 *   text_fit FILE.csv TARGET TRAIN_ROWS FAMILY [PARAMS]
 *
 * trains on the first TRAIN_ROWS rows with the family's tuned defaults (PARAMS is JSON that changes them),
 * predicts the others, and prints one line of JSON: metric, seconds to encode, seconds of the fit, bytes of the
 * model, microseconds per predicted row. Set OMP_NUM_THREADS=OPENBLAS_NUM_THREADS=1.
 */
#include <config.h>

#include <fcntl.h>

#include "tests/harness/data_fixture.h"

#include "base/clock.h"
#include "data/encode.h"
#include "train/train.h"

static int
broken(const char *what, const struct err_info *info)
{
  fprintf(stderr, "text_fit: %s: %s\n", what, info->text);
  return 1;
}

static double
encode_seconds(const struct dataset *dataset, const struct task *task, const size_t *rows,
               size_t count, size_t *width)
{
  struct err_info info;
  struct encoder *encoder;
  double start = clock_monotonic_s();
  if (encoder_fit(dataset, task, ENCODE_DENSE, rows, count, &encoder, &info) != ERR_OK)
    return NAN;
  *width = encoder_width(encoder);
  float *x = malloc(count * *width * sizeof *x);
  if (encoder_apply(encoder, dataset_table(dataset), rows, count, true, x, &info) != ERR_OK)
    return NAN;
  double seconds = clock_monotonic_s() - start;
  free(x);
  encoder_free(encoder);
  return seconds;
}

/* One by one, as calls come. */
static double
predict_us(const struct model *model, const struct dataset *dataset, const size_t *rows,
           size_t count)
{
  struct model_workspace *workspace = model_workspace_new();
  struct err_info info;
  float out[TASK_MAX_CLASSES];
  size_t done = count < 2000 ? count : 2000;
  double start = clock_monotonic_s();
  for (size_t i = 0; i < done; i++)
    model_predict_dataset(model, workspace, dataset, rows + i, 1, out, &info);
  double seconds = clock_monotonic_s() - start;
  model_workspace_free(workspace);
  return 1e6 * seconds / (double) done;
}

int
main(int argc, char **argv)
{
  struct err_info info = {0};
  struct fixture fixture;
  struct task task;
  struct train_result result;
  if (argc < 5)
  {
    fprintf(stderr, "usage: text_fit FILE.csv TARGET TRAIN_ROWS FAMILY [PARAMS]\n");
    return 2;
  }
  int file = open(argv[1], O_RDONLY | O_CLOEXEC);
  struct ingest_work work = fixture_start(&fixture, file);
  if (file < 0 || fixture_finish(&fixture, &work, ingest_csv(&work, &info)) != ERR_OK)
    return broken(argv[1], &info);
  if (task_make(fixture.dataset, argv[2], NULL, fixture.arena, &task, &info) != ERR_OK)
    return broken(argv[2], &info);
  size_t rows = dataset_row_count(fixture.dataset), train = strtoull(argv[3], NULL, 10), width = 0;
  size_t *order = calloc(rows + 1, sizeof *order);
  for (size_t i = 0; i < rows; i++)
    order[i] = i;
  double encode_s = encode_seconds(fixture.dataset, &task, order, train, &width);
  struct train_request request = {.dataset = fixture.dataset,
                                  .task = &task,
                                  .family = argv[4],
                                  .params = argc > 5 ? json_loads(argv[5], 0, NULL) : NULL,
                                  .train_rows = order,
                                  .train_count = train,
                                  .valid_rows = order + train,
                                  .valid_count = rows - train,
                                  .metric =
                                    task.kind == TASK_REGRESSION ? METRIC_RMSE : METRIC_ACCURACY};
  if (train_run(&request, &result, &info) != ERR_OK)
    return broken(argv[4], &info);
  struct buf bytes = {0};
  model_save(result.model, &bytes, &info);
  printf("{\"metric\": %.5f, \"encode_s\": %.3f, \"fit_s\": %.3f, \"features\": %zu, "
         "\"model_bytes\": %zu, \"predict_us\": %.1f}\n",
         result.metric, encode_s, result.seconds, width, bytes.length,
         predict_us(result.model, fixture.dataset, order + train, rows - train));
  buf_free(&bytes);
  train_result_clear(&result);
  free(order);
  fixture_free(&fixture);
  return 0;
}
