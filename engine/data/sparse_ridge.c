#include <config.h>

#include "data/sparse_ridge.h"

#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "base/simd.h"

#define UNIT (1.0f / 65535.0f)
#define SEED 0x5249444745u

/* Eight numbers side by side; a lane of them belongs to one output of one fold's regression. */
#define WIDTH 8
typedef float eight __attribute__((vector_size(4 * WIDTH), aligned(4), may_alias));

struct solver
{
  const struct sparse_ridge *problem;
  size_t lanes; /* folds · outputs, filled up; lane = fold · outputs + output */
  float *w;     /* (places, lanes) */
  float *a;     /* (count, lanes) */
  float *mean;  /* (lanes): of the targets outside the fold */
  float *bias;  /* (lanes): weight of a constant 1 */
  float *z, *step;
};

/* z += Σ value · w[place] for each lane. */
static SIMD_INLINE void
products_body(const struct sparse_entry *entries, size_t count, const float *w, size_t lanes,
              float *z)
{
  for (size_t first = 0; first < lanes; first += WIDTH)
  {
    eight sum = *(const eight *) (z + first);
    for (size_t i = 0; i < count; i++)
    {
      float value = (float) entries[i].value * UNIT;
      sum += value * *(const eight *) (w + entries[i].place * lanes + first);
    }
    *(eight *) (z + first) = sum;
  }
}

SIMD_DEFINE(static, products,
            (const struct sparse_entry *entries, size_t count, const float *w, size_t lanes,
             float *z),
            (entries, count, w, lanes, z))

/* w[place] += value · step for each lane. */
static SIMD_INLINE void
spread_body(const struct sparse_entry *entries, size_t count, const float *step, size_t lanes,
            float *w)
{
  for (size_t first = 0; first < lanes; first += WIDTH)
  {
    eight here = *(const eight *) (step + first);
    for (size_t i = 0; i < count; i++)
    {
      float value = (float) entries[i].value * UNIT;
      *(eight *) (w + entries[i].place * lanes + first) += value * here;
    }
  }
}

SIMD_DEFINE(static, spread,
            (const struct sparse_entry *entries, size_t count, const float *step, size_t lanes,
             float *w),
            (entries, count, step, lanes, w))

static void
solver_free(struct solver *solver)
{
  free(solver->w);
  free(solver->a);
  free(solver->mean);
  free(solver->bias);
  free(solver->z);
  free(solver->step);
}

static enum err
solver_init(struct solver *solver, const struct sparse_ridge *problem)
{
  size_t lanes = (problem->folds * problem->outputs + WIDTH - 1) / WIDTH * WIDTH;
  *solver = (struct solver){.problem = problem, .lanes = lanes};
  if (problem->count > SIZE_MAX / 4 / lanes - 1 || problem->places > SIZE_MAX / 4 / lanes)
    return ERR_MEMORY;
  solver->w = calloc(problem->places * lanes, sizeof(float));
  solver->a = calloc((problem->count + 1) * lanes, sizeof(float));
  solver->mean = calloc(lanes, sizeof(float));
  solver->bias = calloc(lanes, sizeof(float));
  solver->z = calloc(lanes, sizeof(float));
  solver->step = calloc(lanes, sizeof(float));
  return solver->w != NULL && solver->a != NULL && solver->mean != NULL && solver->bias != NULL
             && solver->z != NULL && solver->step != NULL
           ? ERR_OK
           : ERR_MEMORY;
}

static enum err
find_means(struct solver *solver)
{
  const struct sparse_ridge *problem = solver->problem;
  size_t outputs = problem->outputs;
  double *sums = calloc(problem->folds * outputs + outputs, sizeof *sums);
  size_t *counts = calloc(problem->folds, sizeof *counts);
  enum err err = sums != NULL && counts != NULL ? ERR_OK : ERR_MEMORY;
  double *all = sums != NULL ? sums + problem->folds * outputs : NULL;
  for (size_t i = 0; err == ERR_OK && i < problem->count; i++)
  {
    counts[problem->rows[i].fold]++;
    for (size_t s = 0; s < outputs; s++)
    {
      sums[problem->rows[i].fold * outputs + s] += (double) problem->targets[i * outputs + s];
      all[s] += (double) problem->targets[i * outputs + s];
    }
  }
  for (size_t f = 0; err == ERR_OK && f < problem->folds; f++)
    for (size_t s = 0; s < outputs && counts[f] < problem->count; s++)
      solver->mean[f * outputs + s] =
        (float) ((all[s] - sums[f * outputs + s]) / (double) (problem->count - counts[f]));
  free(sums);
  free(counts);
  return err;
}

/* z ← what each lane's regression says of the row, beside its mean. */
static void
predict(struct solver *solver, const struct sparse_row *row)
{
  memcpy(solver->z, solver->bias, solver->lanes * sizeof(float));
  products(row->entries, row->count, solver->w, solver->lanes, solver->z);
}

/* Sets the row's a in every regression that may see it. */
static void
improve(struct solver *solver, size_t i)
{
  const struct sparse_ridge *problem = solver->problem;
  const struct sparse_row *row = &problem->rows[i];
  size_t outputs = problem->outputs, own = row->fold * outputs;
  float *a = solver->a + i * solver->lanes, *step = solver->step;
  /* The row's length is 1, and the constant adds another. */
  float shrink = (float) (1.0 / problem->penalty), rate = 1.0f / (1.0f + 2.0f * shrink);
  predict(solver, row);
  for (size_t f = 0, lane = 0; f < problem->folds; f++)
    for (size_t s = 0; s < outputs; s++, lane++)
      step[lane] =
        (problem->targets[i * outputs + s] - solver->mean[lane] - solver->z[lane] - a[lane]) * rate;
  memset(step + own, 0, outputs * sizeof *step);
  for (size_t lane = 0; lane < solver->lanes; lane++)
  {
    a[lane] += step[lane];
    step[lane] *= shrink;
    solver->bias[lane] += step[lane];
  }
  spread(row->entries, row->count, step, solver->lanes, solver->w);
}

static void
give(struct solver *solver, float *weights, float *bias, float *predictions)
{
  const struct sparse_ridge *problem = solver->problem;
  size_t outputs = problem->outputs, folds = problem->folds;
  float share = 1.0f / (float) folds;
  for (size_t i = 0; i < problem->count; i++)
  {
    size_t own = problem->rows[i].fold * outputs;
    predict(solver, &problem->rows[i]);
    for (size_t s = 0; s < outputs; s++)
      predictions[i * outputs + s] = solver->mean[own + s] + solver->z[own + s];
  }
  memset(bias, 0, outputs * sizeof *bias);
  memset(weights, 0, problem->places * outputs * sizeof *weights);
  for (size_t f = 0; f < folds; f++)
    for (size_t s = 0; s < outputs; s++)
    {
      size_t lane = f * outputs + s;
      bias[s] += share * (solver->mean[lane] + solver->bias[lane]);
      for (size_t p = 0; p < problem->places; p++)
        weights[p * outputs + s] += share * solver->w[p * solver->lanes + lane];
    }
}

enum err
sparse_ridge_fit(const struct sparse_ridge *problem, float *weights, float *bias,
                 float *predictions)
{
  struct solver solver;
  size_t *order = malloc((problem->count + 1) * sizeof *order);
  struct rng rng;
  enum err err = solver_init(&solver, problem);
  if (err == ERR_OK)
    err = order != NULL ? find_means(&solver) : ERR_MEMORY;
  if (err != ERR_OK)
    goto out;
  rng_init(&rng, SEED, 0);
  for (size_t i = 0; i < problem->count; i++)
    order[i] = i;
  for (size_t epoch = 0; epoch < problem->epochs; epoch++)
  {
    rng_shuffle(&rng, order, problem->count);
    for (size_t k = 0; k < problem->count; k++)
      improve(&solver, order[k]);
  }
  give(&solver, weights, bias, predictions);
out:
  free(order);
  solver_free(&solver);
  return err;
}
