#include <config.h>

#include "train/schedule.h"

#include <math.h>

#define WARM_UP 0.05
#define CYCLE_PEAK 0.3
#define CYCLE_START 0.1
#define CYCLE_MOMENTUM_DIP 0.1
#define TRIANGLES 4.0
#define TRIANGLE_LOW 0.1

/* From 1 at s = 0 to 0 at s = 1. */
static double
half_cosine(double s)
{
  return 0.5 * (1.0 + cos(M_PI * s));
}

static double
one_cycle(double t)
{
  if (t < CYCLE_PEAK)
    return CYCLE_START + (1.0 - CYCLE_START) * t / CYCLE_PEAK;
  return (1.0 - t) / (1.0 - CYCLE_PEAK);
}

static double
triangles(double t)
{
  double s = fmod(TRIANGLES * t, 1.0);
  return TRIANGLE_LOW + (1.0 - TRIANGLE_LOW) * (1.0 - fabs(2.0 * s - 1.0));
}

/* Three waves of 1, 2 and 4 sevenths. */
static double
restarts(double t)
{
  double sevenths = 7.0 * t;
  if (sevenths < 1.0)
    return half_cosine(sevenths);
  return sevenths < 3.0 ? half_cosine((sevenths - 1.0) / 2.0) : half_cosine((sevenths - 3.0) / 4.0);
}

double
schedule_rate(enum schedule_kind kind, double t)
{
  t = fmin(fmax(t, 0.0), 1.0);
  switch (kind)
  {
  case SCHEDULE_COSINE:
    if (t < WARM_UP)
      return 0.1 + 0.9 * t / WARM_UP;
    return half_cosine((t - WARM_UP) / (1.0 - WARM_UP));
  case SCHEDULE_ONE_CYCLE:
    return one_cycle(t);
  case SCHEDULE_STEP:
    return t < 0.5 ? 1.0 : t < 0.75 ? 0.1 : 0.01;
  case SCHEDULE_CYCLIC:
    return triangles(t);
  case SCHEDULE_SGDR:
    return restarts(t);
  case SCHEDULE_COSLOG4:
    return 0.5 * (1.0 - cos(2.0 * M_PI * log2(1.0 + 15.0 * t)));
  case SCHEDULE_FLAT_COSINE:
    return t < 0.5 ? 1.0 : half_cosine(2.0 * t - 1.0);
  case SCHEDULE_CONSTANT:
    break;
  }
  return 1.0;
}

double
schedule_momentum(enum schedule_kind kind, double momentum, double t)
{
  if (kind != SCHEDULE_ONE_CYCLE)
    return momentum;
  return fmax(momentum - CYCLE_MOMENTUM_DIP * schedule_rate(kind, t), 0.0);
}
