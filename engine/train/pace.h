/* How much of a run is done, when its length may have to shrink to fit a deadline.
 *
 * The share done, t, grows by (1 − t)/steps_left at each step, so a schedule that is a function of t
 * always runs to its end: a run that must be short gets a shorter schedule, not a cut one. Plain value.
 */
#ifndef ATTUNE_TRAIN_PACE_H
#define ATTUNE_TRAIN_PACE_H

#include <stdbool.h>
#include <stddef.h>

struct pace
{
  size_t planned; /* steps without a deadline */
  size_t done;
  size_t left;
  double t;        /* 0 … 1 */
  double measured; /* seconds of the steps done */
  double
    beside; /* seconds that a step costs beside those, such as its part of a validation; set by the caller */
  bool shortened;
};

void pace_init(struct pace *pace, size_t planned);

/* Fits the steps left to `seconds` (INFINITY = no limit), by the mean time of the steps so far. */
void pace_fit(struct pace *pace, double seconds);

/* One step done, which took `seconds`. */
void pace_step(struct pace *pace, double seconds);

/* What a step has taken, on the mean; 0 before any. */
double pace_step_seconds(const struct pace *pace);

#endif
