#include <config.h>

#include "train/loss.h"

#include <math.h>

#include "base/simd.h"

double
loss_softmax(size_t n, size_t k, const float *logits, const int32_t *classes, const float *weight,
             float smoothing, float *d)
{
  float off = smoothing / (float) k, share = 1.0f / (float) n;
  double total = 0.0;

  for (size_t i = 0; i < n; i++)
  {
    const float *z = logits + i * k;
    float *g = d + i * k;
    float top = z[0], sum = 0.0f, mean = 0.0f;
    for (size_t j = 1; j < k; j++)
      top = z[j] > top ? z[j] : top;
    for (size_t j = 0; j < k; j++)
    {
      g[j] = simd_exp(z[j] - top);
      sum += g[j];
      mean += z[j];
    }
    /* −Σ t log p = log Σ exp z − (1−ε) z_c − ε mean z */
    float log_sum = top + logf(sum);
    float w = weight ? weight[i] : 1.0f;
    float hit = z[classes[i]];
    total += (double) (w * (log_sum - (1.0f - smoothing) * hit - smoothing * mean / (float) k));
    for (size_t j = 0; j < k; j++)
      g[j] = w * share * (g[j] / sum - off);
    g[classes[i]] -= w * share * (1.0f - smoothing);
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
