#include <config.h>

#include "train/schedule.h"

#include <math.h>

#define WARM_UP 0.05
#define CYCLE_PEAK 0.3
#define CYCLE_START 0.1
#define CYCLE_MOMENTUM_DIP 0.1

static double
one_cycle(double t)
{
  if (t < CYCLE_PEAK)
    return CYCLE_START + (1.0 - CYCLE_START) * t / CYCLE_PEAK;
  return (1.0 - t) / (1.0 - CYCLE_PEAK);
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
    return 0.5 * (1.0 + cos(M_PI * (t - WARM_UP) / (1.0 - WARM_UP)));
  case SCHEDULE_ONE_CYCLE:
    return one_cycle(t);
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
