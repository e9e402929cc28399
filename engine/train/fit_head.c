#include <config.h>

#include "train/fit_head.h"

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/la.h"

/* The unit matrix's part, as a multiple of the features' mean variance within classes. Of four splits of two sets
 * each, 1 to 3 were alike and better than 10. */
#define RIDGE 2.0
/* Of the mean deviation: features that hardly move are not blown up. */
#define LEAST_SD 0.1
#define FOLDS 5
#define SCALE_LOW 1e-4
#define SCALE_HIGH 10.0
#define SCALE_STEPS 40
#define ALL FOLDS

/* All is computed with the rows' products, (n,n), for there are fewer rows than features as a rule. */
struct head
{
  const struct fit_head_rows *rows;
  size_t n, k;
  double *products; /* (n,n) */
  size_t *fold;     /* (n) */
  /* of one solution, of the rows outside a fold */
  double *means;   /* (n,k): how each class's mean is made of rows */
  double *root;    /* (n): of its weight; 0 = not used */
  double *centres; /* (k,n): products of the means with each row */
  double *between; /* (n,n): products of the residuals with each row */
  double *pull;    /* (k,k): what the residuals of each class take of its mean */
  double *factor;  /* (n,n) */
  double *right;   /* (n,k) */
  double *w;       /* (n,k): the solution as a sum of rows */
  double *offset;  /* (k) */
  double *seen;    /* (n,k): products · w */
  double *unseen;  /* (n,k): of each row, by the solution without it */
  double *share;   /* (k): log of each class's part of the weight */
};

/* ---- setting up ------------------------------------------------------------------------------------- */

/* x ← (x − mean) / sd, mean and sd (width). False if no feature moves. */
static bool
standardise(struct fit_head_rows *rows, double *mean, double *sd)
{
  size_t n = rows->count, d = rows->width;
  double typical = 0.0;

  for (size_t j = 0; j < d; j++)
  {
    double sum = 0.0, square = 0.0;
    for (size_t i = 0; i < n; i++)
      sum += (double) rows->x[i * d + j];
    mean[j] = sum / (double) n;
    for (size_t i = 0; i < n; i++)
      square += ((double) rows->x[i * d + j] - mean[j]) * ((double) rows->x[i * d + j] - mean[j]);
    sd[j] = sqrt(square / (double) n);
    typical += sd[j] / (double) d;
  }
  if (!(typical > 0.0) || isinf(typical))
    return false;
  for (size_t j = 0; j < d; j++)
  {
    sd[j] = fmax(sd[j], LEAST_SD * typical);
    for (size_t i = 0; i < n; i++)
      rows->x[i * d + j] = (float) (((double) rows->x[i * d + j] - mean[j]) / sd[j]);
  }
  return true;
}

/* Images of a class go to the folds in turn, with all their copies. */
static void
deal(struct head *head, size_t *next)
{
  double all = 0.0;

  for (size_t i = 0; i < head->n; i++)
  {
    int32_t class = head->rows->labels[i];
    head->fold[i] = i % head->rows->copies ? head->fold[i - 1] : next[class]++ % FOLDS;
    head->share[class] += (double) head->rows->weight[i];
    all += (double) head->rows->weight[i];
  }
  /* a class without a row here is not impossible */
  for (size_t c = 0; c < head->k; c++)
    head->share[c] = log((head->share[c] + 0.5) / (all + 0.5 * (double) head->k));
}

static bool
multiply_rows(struct head *head)
{
  size_t n = head->n;
  float *products = malloc(n * n * sizeof *products);

  if (!products)
    return false;
  la_sgemm(false, true, n, n, head->rows->width, 1.0f, head->rows->x, head->rows->width,
           head->rows->x, head->rows->width, 0.0f, products, n);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j <= i; j++)
      head->products[i * n + j] = head->products[j * n + i] = (double) products[i * n + j];
  free(products);
  return true;
}

/* ---- one solution ----------------------------------------------------------------------------------- */

/* means and root of the rows outside a fold. */
static void
centre(struct head *head, size_t without)
{
  size_t n = head->n, k = head->k;
  const float *weight = head->rows->weight;
  const int32_t *labels = head->rows->labels;
  double *sum = head->offset;

  memset(sum, 0, k * sizeof *sum);
  memset(head->means, 0, n * k * sizeof *head->means);
  for (size_t i = 0; i < n; i++)
  {
    head->root[i] = head->fold[i] != without ? sqrt((double) weight[i]) : 0.0;
    if (head->fold[i] != without)
      sum[labels[i]] += (double) weight[i];
  }
  for (size_t i = 0; i < n; i++)
    if (head->fold[i] != without)
      head->means[i * k + (size_t) labels[i]] = (double) weight[i] / sum[labels[i]];
}

/* between ← Q·X·Xᵀ, right ← Q·X·Mᵀ and factor ← Q·X·(Q·X)ᵀ: a row of Q is a row less its class's mean, so that none
 * of them takes a product of two matrices (n,n). */
static void
multiply_residuals(struct head *head)
{
  size_t n = head->n, k = head->k;
  const int32_t *labels = head->rows->labels;

  la_dgemm(true, false, k, n, n, 1.0, head->means, k, head->products, n, 0.0, head->centres, n);
  for (size_t i = 0; i < n; i++)
  {
    const double *centre_row = head->centres + (size_t) labels[i] * n;
    for (size_t j = 0; j < n; j++)
      head->between[i * n + j] = head->root[i] * (head->products[i * n + j] - centre_row[j]);
  }
  la_dgemm(false, false, n, k, n, 1.0, head->between, n, head->means, k, 0.0, head->right, k);
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++)
      head->factor[i * n + j] =
        head->root[j] * (head->between[i * n + j] - head->right[i * k + (size_t) labels[j]]);
}

/* w ← (Pᵀ's columns − Qᵀ·right) times `scale`. */
static void
sum_rows(struct head *head, double scale)
{
  size_t n = head->n, k = head->k;
  const int32_t *labels = head->rows->labels;

  memset(head->pull, 0, k * k * sizeof *head->pull);
  for (size_t i = 0; i < n; i++)
    for (size_t c = 0; c < k; c++)
      head->pull[(size_t) labels[i] * k + c] += head->root[i] * head->right[i * k + c];
  for (size_t i = 0; i < n; i++)
  {
    size_t own = (size_t) labels[i];
    for (size_t c = 0; c < k; c++)
      head->w[i * k + c] =
        scale
        * (head->means[i * k + c] + head->means[i * k + own] * head->pull[own * k + c]
           - head->root[i] * head->right[i * k + c]);
  }
}

/* With X the rows, M = Pᵀ·X the means and R = Q·X the residuals, C = (RᵀR + λI)/m: C⁻¹Mᵀ is a sum of rows,
 * X ᵀ(P − Qᵀ(RRᵀ + λI)⁻¹RMᵀ)·m/λ, by Woodbury's identity. Scores are seen = products · w and
 * offset = −½ diag (M·C⁻¹Mᵀ). False if there is none. */
static bool
solve(struct head *head, size_t without)
{
  size_t n = head->n, k = head->k, used = 0;
  double trace = 0.0;

  centre(head, without);
  multiply_residuals(head);
  for (size_t i = 0; i < n; i++)
  {
    trace += head->factor[i * n + i];
    used += head->fold[i] != without;
  }
  double lambda = RIDGE * trace / (double) head->rows->width;
  used /= head->rows->copies;
  double freedom = used > k ? (double) (used - k) : 1.0;
  if (!(lambda > 0.0) || isinf(lambda))
    return false;
  for (size_t i = 0; i < n; i++)
    head->factor[i * n + i] += lambda;
  if (!la_dpotrf(n, head->factor, n))
    return false;
  la_dtrsm(false, n, k, head->factor, n, head->right, k);
  la_dtrsm(true, n, k, head->factor, n, head->right, k);
  sum_rows(head, freedom / lambda);
  la_dgemm(false, false, n, k, n, 1.0, head->products, n, head->w, k, 0.0, head->seen, k);
  for (size_t c = 0; c < k; c++)
  {
    head->offset[c] = 0.0;
    for (size_t i = 0; i < n; i++)
      head->offset[c] -= 0.5 * head->means[i * k + c] * head->seen[i * k + c];
  }
  return true;
}

/* ---- its scale -------------------------------------------------------------------------------------- */

static double
log_loss(const struct head *head, double scale)
{
  size_t k = head->k;
  double loss = 0.0;

  for (size_t i = 0; i < head->n; i++)
  {
    const double *scores = head->unseen + i * k;
    double most = -INFINITY, sum = 0.0;
    for (size_t c = 0; c < k; c++)
      most = fmax(most, scale * scores[c] + head->share[c]);
    for (size_t c = 0; c < k; c++)
      sum += exp(scale * scores[c] + head->share[c] - most);
    int32_t class = head->rows->labels[i];
    loss += (double) head->rows->weight[i]
            * (log(sum) + most - scale * scores[class] - head->share[class]);
  }
  return loss;
}

/* The log loss is convex in the scale: a golden section finds its least. */
static double
best_scale(const struct head *head)
{
  const double golden = 0.6180339887498949;
  double low = log(SCALE_LOW), high = log(SCALE_HIGH);

  for (size_t i = 0; i < SCALE_STEPS; i++)
  {
    double a = high - golden * (high - low), b = low + golden * (high - low);
    if (log_loss(head, exp(a)) <= log_loss(head, exp(b)))
      high = b;
    else
      low = a;
  }
  return exp(0.5 * (low + high));
}

/* ---- the whole -------------------------------------------------------------------------------------- */

static bool
score_unseen(struct head *head)
{
  for (size_t f = 0; f < FOLDS; f++)
  {
    if (!solve(head, f))
      return false;
    for (size_t i = 0; i < head->n; i++)
      for (size_t c = 0; head->fold[i] == f && c < head->k; c++)
        head->unseen[i * head->k + c] = head->seen[i * head->k + c] + head->offset[c];
  }
  return true;
}

/* From a sum of standardised rows to weights of the features as they are. */
static void
write_weights(const struct head *head, const double *mean, const double *sd, double scale, float *w,
              float *bias)
{
  size_t d = head->rows->width, k = head->k;

  for (size_t c = 0; c < k; c++)
  {
    double start = scale * head->offset[c] + head->share[c];
    for (size_t j = 0; j < d; j++)
    {
      double sum = 0.0;
      for (size_t i = 0; i < head->n; i++)
        sum += head->w[i * k + c] * (double) head->rows->x[i * d + j];
      w[j * k + c] = (float) (scale * sum / sd[j]);
      start -= scale * sum / sd[j] * mean[j];
    }
    bias[c] = (float) start;
  }
}

enum err
fit_head_solve(struct fit_head_rows *rows, float *w, float *bias, struct err_info *info)
{
  size_t n = rows->count, k = rows->classes, d = rows->width;
  struct head head = {.rows = rows, .n = n, .k = k};
  double *memory = calloc(3 * n * n + 6 * n * k + n + k * k + 2 * k + 2 * d, sizeof *memory);
  size_t *numbers = calloc(n + k, sizeof *numbers);
  enum err rc = ERR_OK;

  if (!memory || !numbers)
    rc = err_set(info, ERR_MEMORY, "no memory for the features of %zu images", n);
  else
  {
    double *mean = memory + 3 * n * n + 6 * n * k + n + k * k + 2 * k, *sd = mean + d;
    head.products = memory;
    head.between = head.products + n * n;
    head.factor = head.between + n * n;
    head.means = head.factor + n * n;
    head.right = head.means + n * k;
    head.w = head.right + n * k;
    head.seen = head.w + n * k;
    head.unseen = head.seen + n * k;
    head.centres = head.unseen + n * k;
    head.root = head.centres + n * k;
    head.pull = head.root + n;
    head.offset = head.pull + k * k;
    head.share = head.offset + k;
    head.fold = numbers;
    deal(&head, numbers + n);
    if (standardise(rows, mean, sd))
    {
      if (!multiply_rows(&head))
        rc = err_set(info, ERR_MEMORY, "no memory for the features of %zu images", n);
      else if (score_unseen(&head) && solve(&head, ALL))
        write_weights(&head, mean, sd, best_scale(&head), w, bias);
    }
  }
  free(numbers);
  free(memory);
  return rc;
}
