#include <config.h>

#include "train/loss.h"

#include <math.h>
#include <string.h>

#include "base/simd.h"

#define LANES 16
#define CLASSES_MOST 64 /* that fit a block of rows side by side */

/* ln of a number from 1 on, after Cephes: relative error below 2e-7. No branch and no call. */
static SIMD_INLINE float
log_of(float x)
{
  uint32_t bits;
  memcpy(&bits, &x, sizeof bits);
  /* x = m · 2^e with m from √½ to √2 */
  uint32_t shifted = bits - 0x3f3504f3u;
  float e = (float) ((int32_t) shifted >> 23);
  uint32_t mantissa = (shifted & 0x007fffffu) + 0x3f3504f3u;
  float m;
  memcpy(&m, &mantissa, sizeof m);
  m -= 1.0f;
  float p = 7.0376836292e-2f;
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  float square = m * m;
  return m + (square * m * p - 0.5f * square) + e * 0.6931471806f;
}

/* What a block of rows needs beside its logits. */
struct softmax_block
{
  size_t lanes, k;
  const int32_t *classes;
  const float *weight; /* or NULL */
  float smoothing, share;
};

/* At most LANES rows, of at most CLASSES_MOST classes: rows lie side by side in vectors. losses (lanes). */
static SIMD_INLINE void
softmax_rows_body(const struct softmax_block *block, const float *restrict logits,
                  float *restrict d, float *restrict losses)
{
  float z[CLASSES_MOST][LANES], top[LANES], sum[LANES] = {0}, mean[LANES] = {0}, hit[LANES] = {0};
  size_t k = block->k, lanes = block->lanes;
  float off = block->smoothing / (float) k, sure = 1.0f - block->smoothing;

  for (size_t j = 0; j < k; j++)
    for (size_t l = 0; l < LANES; l++)
      z[j][l] = l < lanes ? logits[l * k + j] : 0.0f;
  for (size_t l = 0; l < lanes; l++)
    hit[l] = logits[l * k + (size_t) block->classes[l]];
  for (size_t l = 0; l < LANES; l++)
    top[l] = l < lanes ? logits[l * k] : 0.0f;
  for (size_t j = 1; j < k; j++)
    for (size_t l = 0; l < LANES; l++)
      top[l] = z[j][l] > top[l] ? z[j][l] : top[l];
  for (size_t j = 0; j < k; j++)
    for (size_t l = 0; l < LANES; l++)
    {
      mean[l] += z[j][l];
      z[j][l] = simd_exp(z[j][l] - top[l]);
      sum[l] += z[j][l];
    }
  /* −Σ t log p = log Σ exp z − (1−ε) z_c − ε mean z */
  for (size_t l = 0; l < LANES; l++)
    losses[l] = top[l] + log_of(sum[l]) - sure * hit[l] - off * mean[l];
  for (size_t l = 0; l < LANES; l++)
    sum[l] = block->share / sum[l];
  for (size_t l = 0; l < lanes; l++)
  {
    float w = block->weight ? block->weight[l] : 1.0f;
    for (size_t j = 0; j < k; j++)
      d[l * k + j] = w * (z[j][l] * sum[l] - block->share * off);
    d[l * k + (size_t) block->classes[l]] -= w * block->share * sure;
    losses[l] *= w;
  }
}

SIMD_DEFINE(static, softmax_rows,
            (const struct softmax_block *block, const float *logits, float *d, float *losses),
            (block, logits, d, losses))

static double
softmax_row(const struct softmax_block *block, const float *z, float *d)
{
  size_t k = block->k;
  float top = z[0], sum = 0.0f, mean = 0.0f, off = block->smoothing / (float) k;
  float w = block->weight ? *block->weight : 1.0f;

  for (size_t j = 1; j < k; j++)
    top = z[j] > top ? z[j] : top;
  for (size_t j = 0; j < k; j++)
  {
    d[j] = simd_exp(z[j] - top);
    sum += d[j];
    mean += z[j];
  }
  float hit = z[*block->classes];
  float loss = top + logf(sum) - (1.0f - block->smoothing) * hit - off * mean;
  for (size_t j = 0; j < k; j++)
    d[j] = w * block->share * (d[j] / sum - off);
  d[*block->classes] -= w * block->share * (1.0f - block->smoothing);
  return (double) (w * loss);
}

double
loss_softmax(size_t n, size_t k, const float *logits, const int32_t *classes, const float *weight,
             float smoothing, float *d)
{
  struct softmax_block block = {.k = k, .smoothing = smoothing, .share = 1.0f / (float) n};
  size_t step = k <= CLASSES_MOST ? LANES : 1;
  double total = 0.0;

  for (size_t i = 0; i < n; i += step)
  {
    float losses[LANES];
    block.lanes = n - i < step ? n - i : step;
    block.classes = classes + i;
    block.weight = weight ? weight + i : NULL;
    if (step == 1)
      total += softmax_row(&block, logits + i * k, d + i * k);
    else
      softmax_rows(&block, logits + i * k, d + i * k, losses);
    for (size_t l = 0; step > 1 && l < block.lanes; l++)
      total += (double) losses[l];
  }
  return total / (double) n;
}

double
loss_square(size_t n, const float *y, const float *target, const float *weight, float *d)
{
  float share = 1.0f / (float) n;
  double total = 0.0;

  for (size_t i = 0; i < n; i++)
  {
    float error = y[i] - target[i];
    float w = weight ? weight[i] : 1.0f;
    total += 0.5 * (double) w * (double) error * (double) error;
    d[i] = w * error * share;
  }
  return total / (double) n;
}

double
loss_huber(size_t n, const float *y, const float *target, const float *weight, double width,
           float *d)
{
  double total = 0.0;

  for (size_t i = 0; i < n; i++)
  {
    double error = (double) y[i] - (double) target[i], w = weight ? (double) weight[i] : 1.0;
    double size = fabs(error);
    total += w * (size <= width ? 0.5 * error * error : width * (size - 0.5 * width));
    d[i] = (float) (w * (size <= width ? error : copysign(width, error)) / (double) n);
  }
  return total / (double) n;
}

/* The absolute error so rounded is Huber's loss over its width, lifted by half the width. */
double
loss_absolute(size_t n, const float *y, const float *target, const float *weight, double width,
              float *d)
{
  double lift = 0.0;
  double total = loss_huber(n, y, target, weight, width, d);

  for (size_t i = 0; i < n; i++)
  {
    lift += weight ? (double) weight[i] : 1.0;
    d[i] = (float) ((double) d[i] / width);
  }
  return total / width + 0.5 * width * lift / (double) n;
}

double
loss_pinball(size_t n, const float *y, const float *target, const float *weight, double level,
             double width, float *d)
{
  double total = 0.0;

  for (size_t i = 0; i < n; i++)
  {
    double r = (double) target[i] - (double) y[i], w = weight ? (double) weight[i] : 1.0;
    double slope = r > 0.0 ? level : level - 1.0, loss = slope * r;
    if (fabs(r) < width)
    {
      slope = r / (2.0 * width) + level - 0.5;
      loss = r * r / (4.0 * width) + (level - 0.5) * r + width / 4.0;
    }
    total += w * loss;
    d[i] = (float) (-w * slope / (double) n);
  }
  return total / (double) n;
}
