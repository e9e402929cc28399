#include <config.h>

#include "train/pace.h"

#include <math.h>

/* The first steps run on cold caches and would make the run look longer than it is. */
#define STEPS_TO_MEASURE 8

void
pace_init(struct pace *pace, size_t planned)
{
  *pace = (struct pace){.planned = planned, .left = planned};
}

void
pace_fit(struct pace *pace, double seconds)
{
  size_t whole = pace->planned > pace->done ? pace->planned - pace->done : 0;

  if (isinf(seconds) || pace->done < STEPS_TO_MEASURE || pace->left == 0)
    return;
  double affordable = floor(seconds / (pace->measured / (double) pace->done + pace->beside));
  pace->left = whole;
  if (!(affordable >= (double) whole))
    pace->left = affordable > 0.0 ? (size_t) affordable : 0;
  pace->shortened = pace->left < whole;
}

void
pace_step(struct pace *pace, double seconds)
{
  pace->measured += seconds;
  pace->done++;
  if (pace->left == 0)
    return;
  pace->t += (1.0 - pace->t) / (double) pace->left;
  pace->left--;
}

double
pace_step_seconds(const struct pace *pace)
{
  return pace->done ? pace->measured / (double) pace->done : 0.0;
}
