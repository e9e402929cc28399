#include <config.h>

#include "data/encode_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/hash.h"
#include "data/sparse_ridge.h"

/* N-grams (4 bytes each) that are held at once; when the rows have more, every k-th row is fitted on. */
#define MAX_ENTRIES ((size_t) 1 << 25)
/* About as many n-grams as a character adds to a row. */
#define ENTRIES_PER_CHARACTER 3
#define BLOCK_BYTES ((size_t) 1 << 20)
#define LEAST_BITS 10
#define PENALTY 1.0
#define MOST_EPOCHS 6
#define LEAST_EPOCHS 2
/* Products of n-grams with the regressions' lanes, in all epochs. */
#define MAX_WORK 1e10
#define FOLD_SEED 0x574F5244u

/* A text column while it is fitted. */
struct work
{
  const struct encode_fit *fit;
  const struct column *column;
  struct encode_words *words;
  struct arena *arena; /* of the rows' n-grams */
  size_t present;      /* training rows with text */
  size_t stride;       /* every so many of them the regressions see */
  struct sparse_row *rows;
  size_t count; /* of rows seen */
  uint32_t *frequency;
  float *targets;
  uint32_t *at; /* by training row: 1 + its place in `rows`, 0 = not seen */
};

static size_t
length_of(const struct column *column, size_t row)
{
  return (size_t) (column->offset[row + 1] - column->offset[row]);
}

/* Rows with text, whether two of them differ, and about how many n-grams they have. */
static bool
look_over(struct work *work, double *entries)
{
  const struct column *column = work->column;
  const char *first = NULL;
  size_t first_length = 0;
  bool differ = false;
  *entries = 0.0;
  for (size_t i = 0; i < work->fit->count; i++)
  {
    size_t row = work->fit->rows[i], length = length_of(column, row);
    const char *text = column->text + column->offset[row];
    if (length == 0)
      continue;
    work->present++;
    *entries += fmin((double) length, NGRAM_MAX_CHARACTERS) * ENTRIES_PER_CHARACTER;
    if (first == NULL)
    {
      first = text;
      first_length = length;
    }
    differ = differ || length != first_length || memcmp(text, first, length) != 0;
  }
  return differ;
}

static void
choose_size(struct work *work, double entries)
{
  size_t scores = work->words->score_count;
  unsigned most = scores <= 4 ? NGRAM_MAX_BITS : scores <= 16 ? 15 : 14, bits = LEAST_BITS;
  while (bits < most && (double) ((size_t) 1 << bits) < entries)
    bits++;
  work->words->bits = bits;
  work->stride = (size_t) ceil(entries / (double) MAX_ENTRIES);
  if (work->stride == 0)
    work->stride = 1;
}

static size_t
score_count(const struct task *task)
{
  if (task->kind != TASK_MULTICLASS)
    return 1;
  return task->class_count < ENCODE_MAX_SCORES ? task->class_count : ENCODE_MAX_SCORES;
}

static bool
allocate(struct work *work)
{
  struct encode_words *words = work->words;
  struct arena *kept = work->fit->encoder->arena;
  size_t buckets = (size_t) 1 << words->bits, values = ENCODE_LOOKS + words->score_count;
  words->place_count = dataset_row_count(work->fit->dataset);
  words->idf = arena_array(kept, buckets, sizeof *words->idf);
  words->weights = arena_array(kept, buckets * words->score_count, sizeof *words->weights);
  words->weight_unit = arena_array(kept, words->score_count, sizeof(double));
  words->bias = arena_array(kept, words->score_count, sizeof(double));
  words->centre = arena_array(kept, values, sizeof(double));
  words->scale = arena_array(kept, values, sizeof(double));
  words->place = arena_array(kept, words->place_count, sizeof *words->place);
  words->known = arena_array(kept, work->present * values, sizeof(float));
  work->arena = arena_new(BLOCK_BYTES);
  work->at = calloc(work->fit->count, sizeof *work->at);
  work->rows = calloc(work->present + 1, sizeof *work->rows);
  work->frequency = calloc(buckets, sizeof *work->frequency);
  work->targets = calloc(work->present * words->score_count + 1, sizeof(float));
  return words->idf != NULL && words->weights != NULL && words->weight_unit != NULL
         && words->bias != NULL && words->centre != NULL && words->scale != NULL
         && words->place != NULL && words->known != NULL && work->arena != NULL
         && work->rows != NULL && work->at != NULL && work->frequency != NULL
         && work->targets != NULL;
}

/* ---- the rows as n-grams --------------------------------------------------------------------------- */

/* What is predicted: ±1 for a class or for a random half of the classes, or the number. */
static float
target_of(const struct work *work, size_t row, size_t s, double centre, double scale)
{
  const struct task *task = work->fit->task;
  if (task->kind == TASK_REGRESSION)
    return (float) encode_clip((task_value_of(task, work->fit->dataset, row) - centre) * scale);
  int32_t class = task_class_of(task, work->fit->dataset, row);
  if (task->kind == TASK_BINARY)
    return class == 1 ? 1.0f : -1.0f;
  if (task->class_count <= ENCODE_MAX_SCORES)
    return class == (int32_t) s ? 1.0f : -1.0f;
  return (hash_mix((uint64_t) class, s) & 1) != 0 ? 1.0f : -1.0f;
}

static bool
labelled(const struct work *work, size_t row)
{
  const struct task *task = work->fit->task;
  return task->kind == TASK_REGRESSION ? isfinite(task_value_of(task, work->fit->dataset, row))
                                       : task_class_of(task, work->fit->dataset, row) >= 0;
}

static enum err
scan_row(struct work *work, size_t row, struct ngram_scratch *scratch)
{
  const char *text = work->column->text + work->column->offset[row];
  size_t length = length_of(work->column, row);
  size_t count = ngram_scan(text, length, work->words->bits, scratch, NULL);
  struct sparse_entry *entries = arena_array(work->arena, count, sizeof *entries);
  if (entries == NULL)
    return ERR_MEMORY;
  for (size_t k = 0; k < count; k++)
  {
    entries[k] = (struct sparse_entry){scratch->grams[k].bucket, scratch->grams[k].count};
    work->frequency[scratch->grams[k].bucket]++;
  }
  /* Equal texts share a fold: one must not tell the other's target. */
  work->rows[work->count++] = (struct sparse_row){
    entries, (uint32_t) count, (uint32_t) (hash_bytes(text, length, FOLD_SEED) % ENCODE_FOLDS)};
  return ERR_OK;
}

/* Scans the rows that the regressions see; place[row] ← 1 + their place. */
static enum err
scan_rows(struct work *work)
{
  const struct encode_fit *fit = work->fit;
  struct ngram_scratch *scratch = malloc(sizeof *scratch);
  double centre = 0.0, scale = 1.0;
  size_t found = 0, scores = work->words->score_count, numbers = 0;
  enum err err = scratch != NULL ? ERR_OK : ERR_MEMORY;
  for (size_t i = 0; i < fit->count && fit->task->kind == TASK_REGRESSION; i++)
    if (labelled(work, fit->rows[i]))
      fit->scratch[numbers++] = task_value_of(fit->task, fit->dataset, fit->rows[i]);
  if (numbers > 0)
    encode_spread(fit->scratch, numbers, &centre, &scale);
  for (size_t i = 0; err == ERR_OK && i < fit->count; i++)
  {
    size_t row = fit->rows[i];
    if (length_of(work->column, row) == 0 || found++ % work->stride != 0 || !labelled(work, row))
      continue;
    for (size_t s = 0; s < scores; s++)
      work->targets[work->count * scores + s] = target_of(work, row, s, centre, scale);
    err = scan_row(work, row, scratch);
    work->at[i] = (uint32_t) work->count;
  }
  free(scratch);
  return err;
}

/* Inverse document frequencies, ln ((1 + n)/(1 + df)) + 1, in 256 steps. */
static void
settle_idf(struct work *work)
{
  struct encode_words *words = work->words;
  double most = log(1.0 + (double) work->count);
  words->idf_step = work->count > 0 ? most / 255.0 : 1.0;
  for (size_t b = 0; b < (size_t) 1 << words->bits; b++)
    words->idf[b] =
      (uint8_t) lround((most - log(1.0 + (double) work->frequency[b])) / words->idf_step);
}

/* Counts → (1 + ln count) · idf, each row of length 1. */
static void
weigh_rows(struct work *work)
{
  const struct encode_words *words = work->words;
  float step = (float) words->idf_step;
  for (size_t i = 0; i < work->count; i++)
  {
    struct sparse_entry *entries = (struct sparse_entry *) (uintptr_t) work->rows[i].entries;
    float values[NGRAM_MAX_GRAMS], square = 0.0f;
    for (size_t k = 0; k < work->rows[i].count; k++)
    {
      values[k] = 1.0f + step * (float) words->idf[entries[k].place];
      if (entries[k].value > 1)
        values[k] *= 1.0f + logf((float) entries[k].value);
      square += values[k] * values[k];
    }
    float unit = square > 0.0f ? 65535.0f / sqrtf(square) : 0.0f;
    for (size_t k = 0; k < work->rows[i].count; k++)
      entries[k].value = (uint16_t) (values[k] * unit + 0.5f);
  }
}

/* ---- the regressions ------------------------------------------------------------------------------- */

static void
settle_weights(struct work *work, const float *weights, const float *bias)
{
  struct encode_words *words = work->words;
  size_t scores = words->score_count, buckets = (size_t) 1 << words->bits;
  for (size_t s = 0; s < scores; s++)
  {
    float most = 1e-30f;
    for (size_t b = 0; b < buckets; b++)
      most = fmaxf(most, fabsf(weights[b * scores + s]));
    words->weight_unit[s] = (double) most / 32767.0;
    words->bias[s] = (double) bias[s];
    for (size_t b = 0; b < buckets; b++)
      words->weights[b * scores + s] = (int16_t) lrintf(weights[b * scores + s] / most * 32767.0f);
  }
}

static enum err
fit_scores(struct work *work, float **predictions)
{
  size_t scores = work->words->score_count, buckets = (size_t) 1 << work->words->bits;
  size_t entries = 0;
  for (size_t i = 0; i < work->count; i++)
    entries += work->rows[i].count;
  double epochs = MAX_WORK / ((double) (entries + 1) * (double) (scores * ENCODE_FOLDS + 3));
  struct sparse_ridge problem = {.rows = work->rows,
                                 .count = work->count,
                                 .targets = work->targets,
                                 .outputs = scores,
                                 .folds = ENCODE_FOLDS,
                                 .places = buckets,
                                 .penalty = PENALTY,
                                 .epochs = (size_t) fmin(fmax(epochs, LEAST_EPOCHS), MOST_EPOCHS)};
  float *weights = malloc(buckets * scores * sizeof *weights);
  float bias[ENCODE_MAX_SCORES];
  *predictions = malloc((work->count * scores + 1) * sizeof **predictions);
  enum err err = weights != NULL && *predictions != NULL
                   ? sparse_ridge_fit(&problem, weights, bias, *predictions)
                   : ERR_MEMORY;
  if (err == ERR_OK)
    settle_weights(work, weights, bias);
  free(weights);
  return err;
}

/* ---- the values of the training rows --------------------------------------------------------------- */

/* known ← every row with text; out of fold where the regressions have seen it. */
static enum err
keep_values(struct work *work, const float *predictions)
{
  const struct encode_fit *fit = work->fit;
  struct encode_words *words = work->words;
  size_t scores = words->score_count, values = ENCODE_LOOKS + scores, kept = 0;
  struct ngram_scratch *scratch = malloc(sizeof *scratch);
  for (size_t i = 0; scratch != NULL && i < fit->count; i++)
  {
    size_t row = fit->rows[i], length = length_of(work->column, row);
    float *here = words->known + kept * values;
    if (length == 0)
      continue;
    encode_words_values(words, work->column->text + work->column->offset[row], length, scratch,
                        here);
    if (work->at[i] > 0)
      memcpy(here + ENCODE_LOOKS, predictions + (work->at[i] - 1) * scores, scores * sizeof *here);
    words->place[row] = (uint32_t) ++kept;
  }
  enum err err = scratch != NULL ? ERR_OK : ERR_MEMORY;
  free(scratch);
  return err;
}

/* Looks by median and quartiles, scores by mean and deviation. */
static void
settle_scales(struct work *work)
{
  struct encode_words *words = work->words;
  size_t values = ENCODE_LOOKS + words->score_count;
  double *centre = words->centre, *scale = words->scale, *scratch = work->fit->scratch;
  for (size_t v = 0; v < values; v++)
  {
    double sum = 0.0, square = 0.0, n = (double) work->present;
    for (size_t i = 0; i < work->present; i++)
      sum += scratch[i] = (double) words->known[i * values + v];
    for (size_t i = 0; i < work->present; i++)
      square += (scratch[i] - sum / n) * (scratch[i] - sum / n);
    if (v < ENCODE_LOOKS)
      encode_spread(scratch, work->present, &centre[v], &scale[v]);
    else
    {
      centre[v] = sum / n;
      scale[v] = square > 1e-12 * n ? 1.0 / sqrt(square / n) : 0.0;
    }
  }
}

static void
work_free(struct work *work)
{
  arena_free(work->arena);
  free(work->rows);
  free(work->at);
  free(work->frequency);
  free(work->targets);
}

enum err
encode_words_fit(const struct encode_fit *fit, const struct column *column,
                 struct encode_column *out)
{
  struct work work = {.fit = fit, .column = column};
  float *predictions = NULL;
  double entries;
  bool differ = look_over(&work, &entries), gaps = work.present < fit->count;
  if (work.present == 0 || (!differ && !gaps))
    return ERR_OK;
  out->indicator = gaps && fit->encoder->view == ENCODE_DENSE;
  out->words = work.words = arena_alloc(fit->encoder->arena, sizeof *work.words);
  if (work.words == NULL)
    return ERR_MEMORY;
  out->kind = ENCODE_WORDS;
  work.words->score_count = score_count(fit->task);
  choose_size(&work, entries);
  enum err err = allocate(&work) ? scan_rows(&work) : ERR_MEMORY;
  if (err == ERR_OK)
  {
    settle_idf(&work);
    weigh_rows(&work);
    err = fit_scores(&work, &predictions);
  }
  if (err == ERR_OK)
    err = keep_values(&work, predictions);
  if (err == ERR_OK)
    settle_scales(&work);
  free(predictions);
  work_free(&work);
  return err;
}
