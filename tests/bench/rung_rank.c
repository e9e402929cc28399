/* How well a network's score at a rung ranks it: `make tests/bench/rung_rank`, then
 *
 *   rung_rank fashion|classes|numbers [CONFIGURATIONS] [EPOCHS] [SEED]
 *
 * fits random configurations of the default space in full, and prints for each rung Spearman's rank correlation
 * with the full score of three scores: of the weights at the rung, in the middle of the schedule (cut), of
 * those of the best epoch until then (pause, what a pause scores), and of a schedule that is complete at the
 * rung (short), which can't go on from there. `kept` is the share of runs in which the best configuration of
 * all is in the rung's best third, over random subsets of 9. fashion: 3,000 images train, 1,000 validate;
 * classes: a mixture in 16 columns; numbers: Friedman's first function. Set
 * OMP_NUM_THREADS=OPENBLAS_NUM_THREADS=1.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#include "base/proc.h"
#include "base/rng.h"
#include "base/space_json.h"
#include "data/dataset_write.h"
#include "model/family.h"
#include "search/search.h"
#include "train/train.h"

#define FASHION "/usr/share/datasets/fashion-mnist/train-"
#define ROWS 4000
#define TRAIN 3000
#define CONFIGURATIONS_MAX 200
#define RUNGS 2
#define SUBSET 9
#define SUBSETS 2000

enum score
{
  SCORE_CUT,
  SCORE_PAUSE,
  SCORE_SHORT,
  SCORE_COUNT
};

static const char *const score_names[] = {"cut", "pause", "short"};

struct trial
{
  double full, at[RUNGS][SCORE_COUNT];
};

static struct err_info info;

static void
die(const char *what)
{
  fprintf(stderr, "rung_rank: %s: %s\n", what, info.text);
  exit(1);
}

/* ---- data ----------------------------------------------------------------------------------------- */

static uint8_t *
read_idx(const char *name, size_t skip, size_t length)
{
  gzFile file = gzopen(name, "rb");
  uint8_t *bytes = malloc(length + skip);

  if (!file || !bytes || gzread(file, bytes, (unsigned) (length + skip)) != (int) (length + skip))
    die(name);
  gzclose(file);
  memmove(bytes, bytes + skip, length);
  return bytes;
}

static enum err
save_fashion(const char *path)
{
  static const char *const names[] = {"top",    "trouser", "pullover", "dress", "coat",
                                      "sandal", "shirt",   "sneaker",  "bag",   "boot"};
  static int32_t labels[ROWS];
  uint8_t *raw = read_idx(FASHION "labels-idx1-ubyte.gz", 8, ROWS);
  struct image_set set = {.count = ROWS,
                          .height = 28,
                          .width = 28,
                          .channels = 1,
                          .pixels = read_idx(FASHION "images-idx3-ubyte.gz", 16, ROWS * 784),
                          .labels = labels,
                          .class_names = names,
                          .class_count = 10};
  for (size_t i = 0; i < ROWS; i++)
    labels[i] = raw[i];
  return dataset_save_images(path, &set, &info);
}

/* Sixteen columns, of which eight tell four classes of four clusters each; a tenth of the labels is wrong. */
static void
draw_classes(double (*x)[ROWS], int32_t *label)
{
  double centre[16][8];
  struct rng rng;

  rng_init(&rng, 11, 1);
  for (size_t c = 0; c < 16; c++)
    for (size_t j = 0; j < 8; j++)
      centre[c][j] = 1.1 * rng_normal(&rng);
  for (size_t i = 0; i < ROWS; i++)
  {
    size_t cluster = (size_t) rng_below(&rng, 16);
    for (size_t j = 0; j < 16; j++)
      x[j][i] = rng_normal(&rng) + (j < 8 ? centre[cluster][j] : 0.0);
    label[i] = (int32_t) (rng_below(&rng, 10) ? cluster % 4 : rng_below(&rng, 4));
  }
}

static void
draw_numbers(double (*x)[ROWS], double *y)
{
  struct rng rng;

  rng_init(&rng, 12, 1);
  for (size_t i = 0; i < ROWS; i++)
  {
    for (size_t j = 0; j < 16; j++)
      x[j][i] = rng_double(&rng);
    y[i] = 10.0 * sin(M_PI * x[0][i] * x[1][i]) + 20.0 * (x[2][i] - 0.5) * (x[2][i] - 0.5)
           + 10.0 * x[3][i] + 5.0 * x[4][i] + rng_normal(&rng);
  }
}

static enum err
save_table(const char *path, bool classes)
{
  static const char *const names[] = {"a", "b", "c", "d"};
  static double x[16][ROWS], y[ROWS];
  static int32_t label[ROWS];
  static char titles[16][8];
  struct column columns[17];

  if (classes)
    draw_classes(x, label);
  else
    draw_numbers(x, y);
  for (size_t j = 0; j < 16; j++)
  {
    snprintf(titles[j], sizeof titles[j], "x%zu", j);
    columns[j] = (struct column){.name = titles[j], .type = COLUMN_NUMERIC, .number = x[j]};
  }
  columns[16] = classes ? (struct column){.name = "y",
                                          .type = COLUMN_CATEGORICAL,
                                          .code = label,
                                          .categories = names,
                                          .category_count = 4}
                        : (struct column){.name = "y", .type = COLUMN_NUMERIC, .number = y};
  struct table table = {.row_count = ROWS, .column_count = 17, .columns = columns};
  return dataset_save_table(path, &table, &info);
}

static struct dataset *
open_data(const char *name)
{
  char folder[] = "/tmp/rung-rank-XXXXXX", path[64];
  struct dataset *dataset = NULL;

  if (!mkdtemp(folder))
    die("a folder");
  snprintf(path, sizeof path, "%s/data.atds", folder);
  if ((strcmp(name, "fashion") == 0 ? save_fashion(path)
                                    : save_table(path, strcmp(name, "classes") == 0))
        != ERR_OK
      || dataset_open(path, &dataset, &info) != ERR_OK)
    die("the data");
  unlink(path);
  rmdir(folder);
  return dataset;
}

/* ---- fits ----------------------------------------------------------------------------------------- */

struct watch
{
  enum metric metric;
  size_t rungs[RUNGS];
  double *cut[RUNGS];
};

/* As the search scores it (metric_objective), near enough. */
static bool
on_epoch(void *context, const struct train_progress *progress)
{
  const struct watch *watch = context;

  for (size_t r = 0; r < RUNGS; r++)
    if (progress->epoch == watch->rungs[r])
      *watch->cut[r] =
        (metric_higher_is_better(watch->metric) ? -1.0 : 1.0) * progress->valid_metric
        + (watch->metric == METRIC_ACCURACY ? 1e-3 * progress->valid_loss : 0.0);
  return true;
}

/* Runs on from *checkpoint, which is replaced; a fit that diverges is the worst and stays so. */
static double
fit(struct train_request *request, struct buf *checkpoint)
{
  struct train_result result;

  request->checkpoint = checkpoint ? checkpoint->data : NULL;
  request->checkpoint_length = checkpoint ? checkpoint->length : 0;
  if (train_run(request, &result, &info) != ERR_OK)
    return INFINITY;
  double objective = result.objective;
  if (checkpoint)
  {
    buf_free(checkpoint);
    *checkpoint = result.checkpoint;
    result.checkpoint = (struct buf){.data = NULL};
  }
  train_result_clear(&result);
  return objective;
}

static void
run_trial(struct train_request *request, json_t *params, const struct watch *watch,
          struct trial *trial)
{
  struct watch mine = *watch;
  struct buf checkpoint = {.data = NULL};
  json_int_t epochs = json_integer_value(json_object_get(params, "epochs"));

  request->on_epoch = on_epoch;
  request->context = &mine;
  for (size_t r = 0; r < RUNGS; r++)
  {
    mine.cut[r] = &trial->at[r][SCORE_CUT];
    trial->at[r][SCORE_CUT] = INFINITY;
  }
  for (size_t r = 0; r < RUNGS; r++)
  {
    request->pause_epoch = watch->rungs[r];
    trial->at[r][SCORE_PAUSE] =
      r > 0 && isinf(trial->at[r - 1][SCORE_PAUSE]) ? INFINITY : fit(request, &checkpoint);
  }
  request->pause_epoch = 0;
  trial->full = checkpoint.data ? fit(request, &checkpoint) : trial->at[RUNGS - 1][SCORE_PAUSE];
  buf_free(&checkpoint);
  request->on_epoch = NULL;
  for (size_t r = 0; r < RUNGS; r++)
  {
    json_object_set_new(params, "epochs", json_integer((json_int_t) watch->rungs[r]));
    trial->at[r][SCORE_SHORT] = fit(request, NULL);
  }
  json_object_set_new(params, "epochs", json_integer(epochs));
}

/* ---- ranks ---------------------------------------------------------------------------------------- */

static void
rank(const double *values, size_t count, double *ranks)
{
  for (size_t i = 0; i < count; i++)
  {
    ranks[i] = 0.0;
    for (size_t j = 0; j < count; j++)
      ranks[i] += values[j] < values[i] ? 1.0 : values[j] == values[i] && j != i ? 0.5 : 0.0;
  }
}

static double
correlation(const double *a, const double *b, size_t count)
{
  double mean = ((double) count - 1.0) / 2.0, ab = 0.0, aa = 0.0, bb = 0.0;

  for (size_t i = 0; i < count; i++)
  {
    ab += (a[i] - mean) * (b[i] - mean);
    aa += (a[i] - mean) * (a[i] - mean);
    bb += (b[i] - mean) * (b[i] - mean);
  }
  return ab / sqrt(aa * bb);
}

static double
kept(const double *full, const double *rung, size_t count)
{
  size_t order[CONFIGURATIONS_MAX], hits = 0;
  struct rng rng;

  rng_init(&rng, 1, 2);
  for (size_t s = 0; s < SUBSETS; s++)
  {
    size_t best = 0, better = 0;
    for (size_t i = 0; i < count; i++)
      order[i] = i;
    rng_shuffle(&rng, order, count);
    for (size_t i = 1; i < SUBSET; i++)
      best = full[order[i]] < full[order[best]] ? i : best;
    for (size_t i = 0; i < SUBSET; i++)
      better += rung[order[i]] < rung[order[best]];
    hits += better < SUBSET / 3;
  }
  return (double) hits / SUBSETS;
}

static void
report(const struct trial *trials, size_t count, const size_t *rungs)
{
  static double full[CONFIGURATIONS_MAX], rung[CONFIGURATIONS_MAX], full_rank[CONFIGURATIONS_MAX],
    rung_rank[CONFIGURATIONS_MAX];

  for (size_t i = 0; i < count; i++)
    full[i] = trials[i].full;
  rank(full, count, full_rank);
  for (size_t r = 0; r < RUNGS; r++)
    for (int s = 0; s < SCORE_COUNT; s++)
    {
      for (size_t i = 0; i < count; i++)
        rung[i] = trials[i].at[r][s];
      rank(rung, count, rung_rank);
      printf("epoch %3zu  %-5s  rank correlation %.3f  kept %.3f\n", rungs[r], score_names[s],
             correlation(full_rank, rung_rank, count), kept(full, rung, count));
    }
}

int
main(int argc, char **argv)
{
  const char *name = argc > 1 ? argv[1] : "classes";
  size_t count = argc > 2 ? strtoul(argv[2], NULL, 10) : 24;
  size_t epochs = argc > 3 ? strtoul(argv[3], NULL, 10) : 27;
  static struct trial trials[CONFIGURATIONS_MAX];
  static size_t rows[ROWS];
  struct arena *arena = arena_new(0);
  struct json_faults faults;
  struct space *space = NULL;
  struct search *search = NULL;
  struct task task;

  proc_pin_blas_threads(argv, NULL);
  json_faults_init(&faults, arena);
  struct dataset *dataset = open_data(name);
  if (task_make(dataset, strcmp(name, "fashion") ? "y" : NULL, NULL, arena, &task, &info) != ERR_OK)
    die("the task");
  struct model_data_shape shape = {.kind = dataset_kind(dataset),
                                   .task = task.kind,
                                   .rows = TRAIN,
                                   .columns = dataset_images(dataset) ? 784 : 16,
                                   .classes = task.class_count};
  json_t *json = model_family_find("mlp")->default_space(&shape);
  if (space_from_json(json, "", arena, &space, &faults) != ERR_OK
      || search_new(&(struct search_spec){.method = "random",
                                          .space = space,
                                          .seed = argc > 4 ? strtoul(argv[4], NULL, 10) : 1},
                    &search, &info)
           != ERR_OK)
    die("the space");
  for (size_t i = 0; i < ROWS; i++)
    rows[i] = i;
  struct train_request request = {.dataset = dataset,
                                  .task = &task,
                                  .family = "mlp",
                                  .train_rows = rows,
                                  .train_count = TRAIN,
                                  .valid_rows = rows + TRAIN,
                                  .valid_count = ROWS - TRAIN,
                                  .metric =
                                    task.kind == TASK_REGRESSION ? METRIC_RMSE : METRIC_ACCURACY,
                                  .seed = 3};
  struct watch watch = {.metric = request.metric, .rungs = {epochs / 9, epochs / 3}};
  count = count < CONFIGURATIONS_MAX ? count : CONFIGURATIONS_MAX;
  for (size_t i = 0; i < count; i++)
  {
    double point[64];
    if (search_ask(search, i + 1, point, &info) != ERR_OK)
      die("a point");
    json_t *params = space_point_to_json(space, point);
    json_object_set_new(params, "epochs", json_integer((json_int_t) epochs));
    request.params = params;
    run_trial(&request, params, &watch, &trials[i]);
    printf("%2zu full %.5f", i + 1, trials[i].full);
    for (size_t r = 0; r < RUNGS; r++)
      printf("  | %.5f %.5f %.5f", trials[i].at[r][SCORE_CUT], trials[i].at[r][SCORE_PAUSE],
             trials[i].at[r][SCORE_SHORT]);
    puts("");
    fflush(stdout);
    json_decref(params);
  }
  report(trials, count, watch.rungs);
  search_free(search);
  json_decref(json);
  dataset_close(dataset);
  arena_free(arena);
  return 0;
}
