/* What a learning-rate range test records, when it ends, and what its losses say (Smith 2017, 2018).
 *
 * One short run in which the rate rises geometrically from step to step while the loss of each step's batch
 * is written down. The curve is flat while steps are too small to matter, falls where the network learns, and
 * turns up where steps are too large. Pure but for its own memory; one thread. Runs one: range_run.h.
 */
#ifndef ATTUNE_TRAIN_RANGE_TEST_H
#define ATTUNE_TRAIN_RANGE_TEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum range_test_end
{
  RANGE_TEST_RUNNING,
  RANGE_TEST_COMPLETE, /* all steps, without divergence */
  RANGE_TEST_DIVERGED, /* the smoothed loss passed 4 times its least, or stayed above where it began */
  RANGE_TEST_NOT_FINITE, /* so did this, in a single step */
  RANGE_TEST_TIME
};

struct range_test
{
  double low, high; /* rates of the first and the last step */
  size_t steps;     /* planned */
  size_t count;     /* taken */
  double *loss;     /* (steps): of the batch of each step, before it; finite */
  double *smooth;   /* (steps): its exponential average, corrected for its start */
  enum range_test_end end;
  size_t diverged_at; /* step at which the loss began to leave; `steps` = it never did */
  double average;     /* of the losses, not corrected */
  double first,
    spread;     /* mean of the first losses, and how far smoothed ones differ from it by chance */
  double least; /* of smooth, once its start is over */
  size_t above; /* steps in a row, to the last, with a loss above where it began */
};

/* How a rate is suggested, by optimizer and schedule. */
enum range_test_rule
{
  RANGE_TEST_BRIEF, /* the schedule touches its peak only: a quarter of where the loss diverges */
  RANGE_TEST_LONG,  /* it stays at its peak for long: a tenth */
  RANGE_TEST_ADAM   /* steps have a size of their own: a tenth of where the loss is least */
};

struct range_test_advice
{
  double rate;        /* to take; NaN = the test says nothing */
  double start, most; /* ends of the range worth trying; NaN = unknown */
  double steepest;    /* rate at which the loss falls fastest; NaN = it never falls */
  double lowest;      /* rate at which the smoothed loss is least; NaN = it never falls */
  double divergence;  /* rate at which it leaves; NaN = it never does */
  const char *note;   /* a sentence when something is unknown, else NULL */
};

/* low < high, both > 0; at least 2 steps. ERR_MEMORY. */
enum err range_test_init(struct range_test *test, double low, double high, size_t steps);
void range_test_clear(struct range_test *test);

/* The rate of a step, from 0. */
double range_test_rate(const struct range_test *test, size_t step);

/* Takes the loss of the next step; false when the test has ended with it. */
bool range_test_take(struct range_test *test, double loss);

void range_test_advise(const struct range_test *test, enum range_test_rule rule,
                       struct range_test_advice *advice);

const char *range_test_end_name(enum range_test_end end);

#endif
