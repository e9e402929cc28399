#include <config.h>

#include "train/train.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "data/image_reduce.h"
#include "model/family.h"
#include "model/model_base.h"
#include "model/model_cnn.h"
#include "train/fit.h"

/* Reduced images that are held for a fit. */
#define REDUCED_BYTES_MAX ((size_t) 256 << 20)

const char *
train_stop_name(enum train_stop stop)
{
  switch (stop)
  {
  case TRAIN_STOP_COMPLETE:
    return "complete";
  case TRAIN_STOP_PATIENCE:
    return "patience";
  case TRAIN_STOP_TIME:
    return "time";
  case TRAIN_STOP_PAUSE:
    return "pause";
  }
  return "complete";
}

void
train_result_clear(struct train_result *result)
{
  model_free(result->model);
  free(result->valid_predictions);
  buf_free(&result->checkpoint);
  memset(result, 0, sizeof *result);
}

size_t
train_epochs(const char *family, const struct model_data_shape *shape, const json_t *params)
{
  const struct model_family *known = model_family_find(family);
  return known && known->has_rungs ? (size_t) family_number(family, shape, params, "epochs") : 0;
}

/* ---- what the families use ------------------------------------------------------------------------ */

double
fit_number(const struct fit *fit, const char *name)
{
  return family_number(fit->request->family, &fit->shape, fit->request->params, name);
}

size_t
fit_choice(const struct fit *fit, const char *name)
{
  return family_choice(fit->request->family, &fit->shape, fit->request->params, name);
}

void
fit_fetch(const struct fit_rows *rows, const size_t *order, size_t first, size_t n, float *x)
{
  for (size_t i = 0; i < n; i++)
  {
    size_t row = order ? order[i] : first + i;
    if (rows->x)
      memcpy(x + i * rows->width, rows->x + row * rows->width, rows->width * sizeof *x);
    else
      model_scale_pixels(rows->scaling,
                         rows->pixels + rows->rows[row] * model_pixels_bytes(rows->scaling),
                         x + i * rows->width);
  }
}

double
fit_elapsed(const struct fit *fit)
{
  return clock_monotonic_s() - fit->started;
}

double
fit_seconds_left(const struct fit *fit)
{
  double limit = fit->request->max_seconds;
  return limit > 0.0 ? limit - fit_elapsed(fit) : INFINITY;
}

void
fit_schedule(const struct fit *fit, enum schedule_kind kind, double t, struct optim_step *step)
{
  const struct range_test *test = fit->request->range_test;

  if (test)
    step->rate = range_test_rate(test, test->count - 1);
  else
  {
    step->rate *= schedule_rate(kind, t);
    step->momentum = schedule_momentum(kind, step->momentum, t);
  }
}

enum err
fit_note_loss(const struct fit *fit, double loss, struct err_info *info)
{
  struct range_test *test = fit->request->range_test;
  double limit = fit->request->range_test_seconds;

  if (!test)
    return ERR_OK;
  if (range_test_take(test, loss) && limit > 0.0 && fit_elapsed(fit) > limit)
    test->end = RANGE_TEST_TIME;
  return test->end == RANGE_TEST_RUNNING ? ERR_OK
                                         : err_set(info, ERR_CANCELLED, "the range test has ended");
}

enum err
fit_report(const struct fit *fit, const struct train_progress *progress, struct err_info *info)
{
  struct train_progress told = *progress;

  told.seconds = fit_elapsed(fit);
  if (fit->request->on_epoch && !fit->request->on_epoch(fit->request->context, &told))
    return err_set(info, ERR_CANCELLED, "the fit was asked to stop");
  return ERR_OK;
}

/* ---- features ------------------------------------------------------------------------------------- */

/* What neither view may let through: a value that float arithmetic cannot carry. */
static void
bound(float *x, size_t count, bool keep_missing)
{
  for (size_t i = 0; i < count; i++)
  {
    if (isnan(x[i]))
      x[i] = keep_missing ? NAN : 0.0f;
    else if (fabsf(x[i]) > 1e30f)
      x[i] = copysignf(1e30f, x[i]);
  }
}

static enum err
encode_rows(const struct fit *fit, const struct encoder *encoder, const size_t *rows, bool training,
            struct fit_rows *set, struct err_info *info)
{
  size_t cells;
  bool trees = strcmp(fit->request->family, "trees") == 0;

  set->width = encoder_width(encoder);
  if (__builtin_mul_overflow(set->count, set->width, &cells) || cells > SIZE_MAX / 8)
    return err_set(info, ERR_MEMORY, "the encoded table is too large");
  set->x = malloc((cells ? cells : 1) * sizeof(float));
  if (!set->x)
    return err_set(info, ERR_MEMORY, "no memory for %zu rows of %zu features", set->count,
                   set->width);
  enum err rc = set->count ? encoder_apply(encoder, dataset_table(fit->request->dataset), rows,
                                           set->count, training, set->x, info)
                           : ERR_OK;
  if (rc == ERR_OK)
    bound(set->x, cells, trees);
  return rc;
}

static enum err
prepare_table(struct fit *fit, struct encoder **encoder, struct err_info *info)
{
  const struct train_request *request = fit->request;
  enum encode_view view = strcmp(request->family, "trees") == 0 ? ENCODE_TREE : ENCODE_DENSE;
  enum err rc = encoder_fit(request->dataset, request->task, view, request->train_rows,
                            request->train_count, encoder, info);

  if (rc == ERR_OK)
    rc = encode_rows(fit, *encoder, request->train_rows, true, &fit->train, info);
  if (rc == ERR_OK)
    rc = encode_rows(fit, *encoder, request->valid_rows, false, &fit->valid, info);
  return rc;
}

/* Reduces all images once instead of in every epoch, if memory allows: the bytes are the same. */
static void
reduce_images(struct fit *fit, const struct image_set *images)
{
  const struct model_pixels *pixels = &fit->pixels;
  size_t inputs = model_pixels_inputs(pixels), bytes = model_pixels_bytes(pixels);

  if (images->count > REDUCED_BYTES_MAX / inputs)
    return;
  fit->reduced_pixels = malloc(images->count * inputs);
  fit->reduced = *pixels;
  fit->reduced.height = pixels->seen_height;
  fit->reduced.width = pixels->seen_width;
  fit->reduced.seen_height = fit->reduced.seen_width = 0;
  for (size_t i = 0; fit->reduced_pixels && i < images->count; i++)
    image_reduce(images->pixels + i * bytes, pixels->height, pixels->width, pixels->channels,
                 pixels->seen_height, pixels->seen_width, fit->reduced_pixels + i * inputs);
}

/* One mean and one scale for all pixels, from at most 2,000 training images. */
static void
prepare_images(struct fit *fit)
{
  const struct image_set *images = dataset_images(fit->request->dataset);
  size_t width = images->height * images->width * images->channels;
  size_t stride = fit->train.count / 2000 + 1, seen = 0;
  double sum = 0.0, square = 0.0;

  for (size_t i = 0; i < fit->train.count; i += stride, seen += width)
  {
    const uint8_t *pixels = images->pixels + fit->request->train_rows[i] * width;
    uint64_t here = 0, here_square = 0;
    for (size_t j = 0; j < width; j++)
    {
      here += pixels[j];
      here_square += (uint64_t) pixels[j] * pixels[j];
    }
    sum += (double) here;
    square += (double) here_square;
  }
  double mean = sum / (double) seen;
  double sd = sqrt(fmax(square / (double) seen - mean * mean, 0.0));
  fit->pixels = (struct model_pixels){.height = images->height,
                                      .width = images->width,
                                      .channels = images->channels,
                                      .mean = (float) mean,
                                      .scale = (float) (1.0 / fmax(sd, 1.0))};
  size_t seen_height, seen_width;
  if (fit->shape.base.stages && strcmp(fit->request->family, "cnn") == 0)
  {
    const struct model_pixels *taken;
    model_base_net(fit->request->base, &taken);
    fit->pixels.mean = taken->mean;
    fit->pixels.scale = taken->scale;
  }
  if (strcmp(fit->request->family, "cnn") == 0)
    model_cnn_seen_size(&fit->shape, fit->request->params, &seen_height, &seen_width);
  else
    image_reduced_size(images->height, images->width, images->channels, &seen_height, &seen_width);
  if (seen_height != images->height || seen_width != images->width)
  {
    fit->pixels.seen_height = seen_height;
    fit->pixels.seen_width = seen_width;
  }
  if (fit->pixels.seen_height)
    reduce_images(fit, images);
  for (struct fit_rows *set = &fit->train; set; set = set == &fit->train ? &fit->valid : NULL)
  {
    set->width = model_pixels_inputs(&fit->pixels);
    set->pixels = fit->reduced_pixels ? fit->reduced_pixels : images->pixels;
    set->scaling = fit->reduced_pixels ? &fit->reduced : &fit->pixels;
  }
  fit->train.rows = fit->request->train_rows;
  fit->valid.rows = fit->request->valid_rows;
}

static void
rows_clear(struct fit_rows *set)
{
  free(set->x);
  free(set->classes);
  free(set->values);
  free(set->target);
  free(set->weight);
  free(set->own);
}

/* ---- a run ---------------------------------------------------------------------------------------- */

enum err
fit_state_shape(const struct train_request *request, struct model_data_shape *shape,
                struct err_info *info)
{
  const struct image_set *images = dataset_images(request->dataset);
  const struct table *table = dataset_table(request->dataset);

  *shape = (struct model_data_shape){.kind = dataset_kind(request->dataset),
                                     .task = request->task->kind,
                                     .rows = request->train_count,
                                     .classes = request->task->class_count,
                                     .probabilities = metric_takes_probabilities(request->metric)};
  if (images)
  {
    shape->height = images->height;
    shape->width = images->width;
    shape->channels = images->channels;
    shape->columns = image_reduced_inputs(images->height, images->width, images->channels);
  }
  else
    shape->columns = table->column_count > 1 ? table->column_count - 1 : 1;
  return request->base ? model_base_find(request->base, &shape->base, info) : ERR_OK;
}

static enum err
check_request(const struct train_request *request, const struct model_data_shape *shape,
              struct err_info *info)
{
  const struct model_family *family = model_family_find(request->family);
  enum err rc = family_check_params(request->family, shape, request->params, info);
  char text[200];

  if (rc != ERR_OK)
    return rc;
  if (family->refuse(shape))
    return err_set(info, ERR_INVALID, "%s", family->refuse(shape));
  if (shape->base.stages && model_base_refuse(&shape->base, shape, text, sizeof text))
    return err_set(info, ERR_INVALID, "%s", text);
  if (request->train_count < 2)
    return err_set(info, ERR_INVALID, "%zu training rows are too few to learn from",
                   request->train_count);
  return ERR_OK;
}

static enum err
run_family(struct fit *fit, struct fit_outcome *outcome, struct err_info *info)
{
  if (strcmp(fit->request->family, "linear") == 0)
    return fit_linear(fit, outcome, info);
  if (strcmp(fit->request->family, "trees") == 0)
    return fit_trees(fit, outcome, info);
  if (strcmp(fit->request->family, "cnn") == 0)
    return fit_cnn(fit, outcome, info);
  return fit_mlp(fit, outcome, info);
}

/* Scores the model on the validation rows, through the code that will serve it. */
static enum err
score(const struct fit *fit, struct train_result *result, struct err_info *info)
{
  const struct train_request *request = fit->request;
  size_t outputs = request->task->output_count;
  struct labels labels = {.count = request->valid_count,
                          .classes = fit->valid.classes,
                          .values = fit->valid.values,
                          .weights = fit->valid.own};
  struct model_workspace *workspace = model_workspace_new();
  enum err rc;

  result->metric = result->objective = result->log_loss = NAN;
  result->valid_predictions = calloc(request->valid_count * outputs + 1, sizeof(float));
  if (!workspace || !result->valid_predictions)
    rc = err_set(info, ERR_MEMORY, "no memory for %zu predictions", request->valid_count);
  else
    rc = model_predict_dataset(result->model, workspace, request->dataset, request->valid_rows,
                               request->valid_count, result->valid_predictions, info);
  for (size_t i = 0; rc == ERR_OK && i < request->valid_count * outputs; i++)
    if (!isfinite(result->valid_predictions[i]))
      rc = err_set(info, ERR_DIVERGED, "the model's predictions are not finite");
  if (rc == ERR_OK && request->valid_count)
  {
    const float *predictions = result->valid_predictions;
    result->metric =
      metric_score(request->metric, request->task, &labels, predictions, request->decision);
    result->objective =
      metric_objective(request->metric, request->task, &labels, predictions, request->decision);
    if (request->task->kind != TASK_REGRESSION)
      result->log_loss = metric_compute(METRIC_LOG_LOSS, request->task, &labels, predictions);
  }
  model_workspace_free(workspace);
  return rc;
}

static enum err
build_and_score(struct fit *fit, struct encoder **encoder, struct fit_outcome *outcome,
                struct train_result *result, struct err_info *info)
{
  json_t *none = fit->request->params ? NULL : json_object();
  struct model_parts parts = {.family = fit->request->family,
                              .params = fit->request->params ? fit->request->params : none,
                              .task = fit->request->task,
                              .dataset = fit->request->dataset,
                              .encoder = *encoder,
                              .pixels = fit->pixels,
                              .target = fit->target,
                              .rebalance = fit->rebalance,
                              .body = outcome->body};
  enum err rc;

  if (!(parts.target.sd > 0.0))
    parts.target = (struct model_target){.sd = 1.0};
  *encoder = NULL;
  rc = model_build_take(&parts, &result->model, info);
  json_decref(none);
  return rc == ERR_OK ? score(fit, result, info) : rc;
}

enum err
train_run(const struct train_request *request, struct train_result *result, struct err_info *info)
{
  struct fit fit = {.request = request,
                    .outputs = request->task->output_count,
                    .quantile = fmax(metric_quantile(request->metric), 0.0), /* 0 of NaN */
                    .train = {.count = request->train_count},
                    .valid = {.count = request->valid_count},
                    .started = clock_monotonic_s()};
  struct fit_outcome outcome = {.body = NULL};
  struct encoder *encoder = NULL;
  enum err rc;

  memset(result, 0, sizeof *result);
  rc = fit_state_shape(request, &fit.shape, info);
  if (rc == ERR_OK)
    rc = check_request(request, &fit.shape, info);
  if (rc == ERR_OK)
    rc = fit_read_labels(&fit, info);
  if (rc == ERR_OK && fit.shape.kind == DATASET_IMAGES)
    prepare_images(&fit);
  else if (rc == ERR_OK)
    rc = prepare_table(&fit, &encoder, info);
  if (rc == ERR_OK)
    rc = run_family(&fit, &outcome, info);
  if (rc == ERR_OK)
    rc = build_and_score(&fit, &encoder, &outcome, result, info);
  result->epochs = outcome.epochs;
  result->row_us = outcome.row_us;
  result->best_epoch = outcome.best_epoch;
  result->stop = outcome.stop;
  result->checkpoint = outcome.checkpoint;
  result->seconds = fit_elapsed(&fit);
  encoder_free(encoder);
  rows_clear(&fit.train);
  rows_clear(&fit.valid);
  free(fit.reduced_pixels);
  free(fit.class_weight);
  free(fit.rebalance);
  if (rc != ERR_OK)
    train_result_clear(result);
  return rc;
}
