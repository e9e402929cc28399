#include <config.h>

#include "model/model_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/image_reduce.h"
#include "base/simd.h"

/* ---- scratch memory ------------------------------------------------------------------------------- */

struct model_workspace *
model_workspace_new(void)
{
  return calloc(1, sizeof(struct model_workspace));
}

void
model_workspace_free(struct model_workspace *workspace)
{
  if (!workspace)
    return;
  for (size_t i = 0; i < SLOT_COUNT; i++)
    free(workspace->floats[i]);
  free(workspace->rows);
  free(workspace);
}

float *
workspace_floats(struct model_workspace *workspace, enum workspace_slot slot, size_t count)
{
  if (count > workspace->capacity[slot] || !workspace->floats[slot])
  {
    if (count > ((size_t) 1 << 40))
      return NULL;
    size_t bytes = (count * sizeof(float) + 64) / 64 * 64;
    float *grown = aligned_alloc(64, bytes);
    if (!grown)
      return NULL;
    free(workspace->floats[slot]);
    workspace->floats[slot] = grown;
    workspace->capacity[slot] = bytes / sizeof(float);
  }
  return workspace->floats[slot];
}

const size_t *
workspace_rows(struct model_workspace *workspace, size_t first, size_t count)
{
  if (count > workspace->row_capacity)
  {
    size_t *grown = malloc(count * sizeof *grown);
    if (!grown)
      return NULL;
    free(workspace->rows);
    workspace->rows = grown;
    workspace->row_capacity = count;
  }
  for (size_t i = 0; i < count; i++)
    workspace->rows[i] = first + i;
  return workspace->rows;
}

/* ---- one batch ------------------------------------------------------------------------------------ */

/* Where a batch comes from: rows of a table, or pixels. */
struct source
{
  const struct table *table;
  const uint8_t *pixels;
  const size_t *rows; /* of the table, or of the images; NULL = 0 … */
  const bool *hidden; /* tables: (rows, columns), see model_predict_hidden; NULL = none is */
  const struct table *const *singles; /* tables of one row each; then `table` is NULL */
};

static SIMD_INLINE void
scale_pixels_body(float mean, float scale, const uint8_t *restrict raw, size_t count,
                  float *restrict x)
{
  for (size_t i = 0; i < count; i++)
    x[i] = ((float) raw[i] - mean) * scale;
}

SIMD_DEFINE(static, scale_pixels,
            (float mean, float scale, const uint8_t *raw, size_t count, float *x),
            (mean, scale, raw, count, x))

size_t
model_pixels_inputs(const struct model_pixels *pixels)
{
  return pixels->seen_height ? pixels->seen_height * pixels->seen_width * pixels->channels
                             : model_pixels_bytes(pixels);
}

size_t
model_pixels_bytes(const struct model_pixels *pixels)
{
  return pixels->height * pixels->width * pixels->channels;
}

void
model_scale_pixels(const struct model_pixels *pixels, const uint8_t *raw, float *x)
{
  uint8_t seen[IMAGE_SEEN_MAX];

  if (pixels->seen_height)
  {
    image_reduce(raw, pixels->height, pixels->width, pixels->channels, pixels->seen_height,
                 pixels->seen_width, seen);
    raw = seen;
  }
  scale_pixels(pixels->mean, pixels->scale, raw, model_pixels_inputs(pixels), x);
}

/* Both views promise finite numbers or NaN; a value beyond float's range is brought back into it. */
static SIMD_INLINE void
bound_features_body(float *x, size_t count)
{
  const float limit = 1e30f;

  for (size_t i = 0; i < count; i++)
  {
    x[i] = x[i] > limit ? limit : x[i];
    x[i] = x[i] < -limit ? -limit : x[i];
  }
}

SIMD_DEFINE(static, bound_features, (float *x, size_t count), (x, count))

/* What a column says nothing with: the middle of the dense view, a missing value of the tree view. */
static void
hide_columns(const struct encoder *encoder, const bool *hidden, size_t n, float *x)
{
  size_t width = encoder_width(encoder), columns = encoder_column_count(encoder);
  float nothing = encoder_view(encoder) == ENCODE_TREE ? NAN : 0.0f;

  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < width; j++)
      if (hidden[i * columns + encoder_feature_column(encoder, j)])
        x[i * width + j] = nothing;
}

/* x (n, width) ← the rows of tables of one row each. */
static enum err
fetch_singles(const struct model *model, const struct table *const *singles, size_t n, float *x,
              struct err_info *info)
{
  static const size_t only = 0;
  size_t width = encoder_width(model->encoder);
  enum err rc = ERR_OK;

  for (size_t i = 0; rc == ERR_OK && i < n; i++)
    rc = encoder_apply(model->encoder, singles[i], &only, 1, false, x + i * width, info);
  bound_features(x, n * width);
  return rc;
}

static enum err
fetch_batch(const struct model *model, struct model_workspace *workspace,
            const struct source *source, size_t first, size_t n, float **x, struct err_info *info)
{
  size_t bytes = model_pixels_bytes(&model->pixels);
  size_t width = source->table || source->singles ? encoder_width(model->encoder)
                                                  : model_pixels_inputs(&model->pixels);

  *x = workspace_floats(workspace, SLOT_FEATURES, n * width);
  if (!*x)
    return err_set(info, ERR_MEMORY, "no memory for %zu rows of %zu features", n, width);
  if (source->singles)
    return fetch_singles(model, source->singles + first, n, *x, info);
  if (source->table)
  {
    const size_t *rows = source->rows ? source->rows + first : workspace_rows(workspace, first, n);
    if (!rows)
      return err_set(info, ERR_MEMORY, "no memory for %zu row numbers", n);
    enum err rc = encoder_apply(model->encoder, source->table, rows, n, false, *x, info);
    bound_features(*x, n * width);
    if (rc == ERR_OK && source->hidden)
      hide_columns(model->encoder, source->hidden + first * encoder_column_count(model->encoder), n,
                   *x);
    return rc;
  }
  for (size_t i = 0; i < n; i++)
    model_scale_pixels(
      &model->pixels, source->pixels + (source->rows ? source->rows[first + i] : first + i) * bytes,
      *x + i * width);
  return ERR_OK;
}

void
model_rebalance(const double *factors, size_t classes, size_t n, float *p)
{
  for (size_t i = 0; i < n; i++)
  {
    float *row = p + i * classes;
    double sum = 0.0;
    for (size_t k = 0; k < classes; k++)
      sum += (double) row[k] * factors[k];
    if (!(sum > 0.0) || !isfinite(sum))
      continue;
    for (size_t k = 0; k < classes; k++)
      row[k] = (float) ((double) row[k] * factors[k] / sum);
  }
}

/* Classes whose powers are kept between their sum and their division. */
#define KEPT 64

static double
tempered(double p, double top, double temperature)
{
  return exp(log(fmax(p, (double) FLT_EPSILON) / top) / temperature);
}

void
model_temper(double temperature, size_t classes, size_t n, float *p)
{
  for (size_t i = 0; i < n; i++)
  {
    float *row = p + i * classes;
    double top = (double) FLT_EPSILON, sum = 0.0, kept[KEPT];
    for (size_t k = 0; k < classes; k++)
      top = fmax(top, (double) row[k]);
    for (size_t k = 0; k < classes; k++)
    {
      double raised = tempered((double) row[k], top, temperature);
      sum += raised;
      if (k < KEPT)
        kept[k] = raised;
    }
    for (size_t k = 0; k < classes; k++)
      row[k] = (float) ((k < KEPT ? kept[k] : tempered((double) row[k], top, temperature)) / sum);
  }
}

void
model_scale_target(const struct model_target *target, float *out, size_t n)
{
  for (size_t i = 0; i < n; i++)
  {
    double value = (double) out[i] * target->sd + target->mean;
    if (target->clamp)
      value = fmin(fmax(value, target->low), target->high);
    out[i] = (float) (target->log ? expm1(value) : value);
  }
}

static enum err
predict_single(const struct model *model, struct model_workspace *workspace,
               const struct source *source, size_t first, size_t n, float *out,
               struct err_info *info)
{
  float *x;
  enum err rc = fetch_batch(model, workspace, source, first, n, &x, info);

  if (rc == ERR_OK)
    rc = model->kind->predict(model->body, workspace, x, n, out, info);
  if (rc == ERR_OK && model->task.kind == TASK_REGRESSION)
    model_scale_target(&model->target, out, n);
  if (rc == ERR_OK && model->rebalance)
    model_rebalance(model->rebalance, model->task.class_count, n, out);
  return rc;
}

static enum err
predict_bag(const struct model *model, struct model_workspace *workspace,
            const struct source *source, size_t first, size_t n, float *out, struct err_info *info)
{
  size_t count = n * model->task.output_count;
  float *member = workspace_floats(workspace, SLOT_MEMBER, count);
  enum err rc = member ? ERR_OK : err_set(info, ERR_MEMORY, "no memory for predictions");

  memset(out, 0, count * sizeof *out);
  for (size_t i = 0; rc == ERR_OK && i < model->member_count; i++)
  {
    float weight = (float) model->weights[i];
    rc = predict_single(model->members[i], workspace, source, first, n, member, info);
    for (size_t j = 0; rc == ERR_OK && j < count; j++)
      out[j] += weight * member[j];
  }
  return rc;
}

static enum err
predict_source(const struct model *model, struct model_workspace *workspace,
               const struct source *source, size_t count, float *out, struct err_info *info)
{
  enum err rc = ERR_OK;

  for (size_t first = 0; rc == ERR_OK && first < count; first += MODEL_BATCH_ROWS)
  {
    size_t n = count - first < MODEL_BATCH_ROWS ? count - first : MODEL_BATCH_ROWS;
    float *here = out + first * model->task.output_count;
    if (model->kind)
      rc = predict_single(model, workspace, source, first, n, here, info);
    else
      rc = predict_bag(model, workspace, source, first, n, here, info);
    if (rc == ERR_OK && model->temperature != 1.0)
      model_temper(model->temperature, model->task.class_count, n, here);
  }
  return rc;
}

/* ---- the entry points ----------------------------------------------------------------------------- */

enum err
model_predict_table(const struct model *model, struct model_workspace *workspace,
                    const struct table *table, const size_t *rows, size_t count, float *out,
                    struct err_info *info)
{
  struct source source = {.table = table, .rows = rows};

  if (model->input != DATASET_TABLE)
    return err_set(info, ERR_INVALID, "this model answers for images, not for rows of a table");
  return predict_source(model, workspace, &source, count, out, info);
}

enum err
model_predict_singles(const struct model *model, struct model_workspace *workspace,
                      const struct table *const *tables, size_t count, float *out,
                      struct err_info *info)
{
  struct source source = {.singles = tables};

  if (model->input != DATASET_TABLE)
    return err_set(info, ERR_INVALID, "this model answers for images, not for rows of a table");
  return predict_source(model, workspace, &source, count, out, info);
}

size_t
model_pass_bytes(const struct model *model)
{
  size_t bytes = model->kind && model->kind->pass_bytes ? model->kind->pass_bytes(model->body) : 0;

  for (size_t i = 0; i < model->member_count; i++)
    bytes += model_pass_bytes(model->members[i]);
  return bytes;
}

enum err
model_predict_hidden(const struct model *model, struct model_workspace *workspace,
                     const struct table *table, const size_t *rows, const bool *hidden,
                     size_t count, float *out, struct err_info *info)
{
  struct source source = {.table = table, .rows = rows, .hidden = hidden};

  return predict_source(model, workspace, &source, count, out, info);
}

enum err
model_encode_row(const struct model *model, struct model_workspace *workspace,
                 const struct table *table, size_t row, float **x, struct err_info *info)
{
  struct source source = {.table = table, .rows = &row};

  return fetch_batch(model, workspace, &source, 0, 1, x, info);
}

enum err
model_predict_images(const struct model *model, struct model_workspace *workspace,
                     const uint8_t *pixels, size_t count, float *out, struct err_info *info)
{
  struct source source = {.pixels = pixels};

  if (model->input != DATASET_IMAGES)
    return err_set(info, ERR_INVALID, "this model answers for rows of a table, not for images");
  return predict_source(model, workspace, &source, count, out, info);
}

enum err
model_predict_dataset(const struct model *model, struct model_workspace *workspace,
                      const struct dataset *dataset, const size_t *rows, size_t count, float *out,
                      struct err_info *info)
{
  const struct image_set *images = dataset_images(dataset);
  struct source source = {.table = dataset_table(dataset), .rows = rows};

  if (model->input != dataset_kind(dataset))
    return err_set(info, ERR_INVALID, "the model was trained on %s",
                   model->input == DATASET_IMAGES ? "images" : "a table");
  if (images)
  {
    if (images->height != model->pixels.height || images->width != model->pixels.width
        || images->channels != model->pixels.channels)
      return err_set(info, ERR_INVALID, "the model takes images of %zu × %zu pixels",
                     model->pixels.width, model->pixels.height);
    source.pixels = images->pixels;
  }
  return predict_source(model, workspace, &source, count, out, info);
}
