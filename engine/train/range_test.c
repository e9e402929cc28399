#include <config.h>

#include "train/range_test.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Weight of the past in the smoothed loss. */
#define SMOOTHING 0.9
/* Smoothed losses beyond this many times the least have diverged; so have losses above where they began for
 * this share of the steps. */
#define DIVERGED_FACTOR 4.0
#define ABOVE_SHARE 0.05
/* Share of the steps whose losses say where it began: their rates are too small to change much. */
#define FIRST_SHARE 0.1
/* What is no chance: so many standard deviations, and at least this share of the first loss. */
#define SURE_SPREADS 4.0
#define SURE_SHARE 0.01
/* Share of the steps that a slope is taken over. */
#define SLOPE_SHARE 0.1
#define BRIEF_PART 4.0
#define LONG_PART 10.0
/* Measured with AdamW at the defaults of twelve tables and image sets: the rates that ended best lay around a
 * tenth of where the smoothed loss was least (0.09 decades below it, standard deviation 0.7), and 0.6 decades
 * above where it fell fastest (0.8). */
#define ADAM_PART 10.0

enum err
range_test_init(struct range_test *test, double low, double high, size_t steps)
{
  *test = (struct range_test){
    .low = low, .high = high, .steps = steps, .diverged_at = steps, .least = INFINITY};
  test->loss = calloc(steps, sizeof *test->loss);
  test->smooth = calloc(steps, sizeof *test->smooth);
  if (test->loss && test->smooth)
    return ERR_OK;
  range_test_clear(test);
  return ERR_MEMORY;
}

void
range_test_clear(struct range_test *test)
{
  free(test->loss);
  free(test->smooth);
  *test = (struct range_test){.loss = NULL};
}

double
range_test_rate(const struct range_test *test, size_t step)
{
  double share = (double) step / (double) (test->steps - 1);
  return test->low * pow(test->high / test->low, share);
}

static size_t
share_of(const struct range_test *test, double share, size_t least)
{
  size_t count = (size_t) ceil(share * (double) test->steps);
  return count > least ? count : least;
}

/* Where it began, from the first losses. */
static void
note_first(struct range_test *test)
{
  double sum = 0.0, square = 0.0, n = (double) test->count;

  for (size_t i = 0; i < test->count; i++)
    sum += test->loss[i];
  test->first = sum / n;
  for (size_t i = 0; i < test->count; i++)
    square += (test->loss[i] - test->first) * (test->loss[i] - test->first);
  /* of an average with weight a of the past (1−a)/(1+a) of the variance is left, of a mean of n 1/n */
  test->spread = sqrt(square / (n - 1.0) * ((1.0 - SMOOTHING) / (1.0 + SMOOTHING) + 1.0 / n));
}

static double
sure(const struct range_test *test)
{
  return fmax(SURE_SPREADS * test->spread, SURE_SHARE * fabs(test->first));
}

/* Looks at the newest smoothed loss; true when it has diverged. */
static bool
has_diverged(struct range_test *test)
{
  size_t first = share_of(test, FIRST_SHARE, 5), last = test->count - 1;
  double smooth = test->smooth[last];

  if (test->count < first)
    return false;
  if (test->count == first)
    note_first(test);
  test->least = fmin(test->least, smooth);
  test->above = smooth > test->first + sure(test) ? test->above + 1 : 0;
  if (smooth > DIVERGED_FACTOR * test->least)
    test->diverged_at = test->above ? test->count - test->above : last;
  else if (test->above >= share_of(test, ABOVE_SHARE, 3))
    test->diverged_at = test->count - test->above;
  return test->diverged_at < test->steps;
}

bool
range_test_take(struct range_test *test, double loss)
{
  if (test->end != RANGE_TEST_RUNNING)
    return false;
  if (!isfinite(loss))
  {
    test->end = RANGE_TEST_NOT_FINITE;
    test->diverged_at = test->count - test->above;
    return false;
  }
  test->loss[test->count] = loss;
  test->average = SMOOTHING * test->average + (1.0 - SMOOTHING) * loss;
  test->smooth[test->count] = test->average / (1.0 - pow(SMOOTHING, (double) test->count + 1.0));
  test->count++;
  if (!isfinite(test->average))
    test->end = RANGE_TEST_NOT_FINITE;
  else if (has_diverged(test))
    test->end = RANGE_TEST_DIVERGED;
  else if (test->count == test->steps)
    test->end = RANGE_TEST_COMPLETE;
  return test->end == RANGE_TEST_RUNNING;
}

/* ---- what it says ----------------------------------------------------------------------------------- */

/* Slope of the raw losses from one step to the next around `at`, by least squares over `half` steps on either
 * side: unlike the smoothed losses it lags behind nothing. */
static double
slope_at(const struct range_test *test, size_t at, size_t half)
{
  double sum = 0.0, squares = 0.0;

  for (size_t i = 1; i <= half; i++)
  {
    sum += (double) i * (test->loss[at + i] - test->loss[at - i]);
    squares += 2.0 * (double) (i * i);
  }
  return sum / squares;
}

/* The step of the least smoothed loss before it left. */
static size_t
lowest(const struct range_test *test)
{
  size_t end = test->diverged_at < test->count ? test->diverged_at : test->count, best = 0;

  for (size_t i = 1; i < end; i++)
    if (test->smooth[i] < test->smooth[best])
      best = i;
  return best;
}

/* The step at which the loss falls fastest; SIZE_MAX when it does not fall beyond chance. */
static size_t
steepest(const struct range_test *test)
{
  size_t half = share_of(test, SLOPE_SHARE / 2.0, 3), end = lowest(test), best = SIZE_MAX;
  double least = 0.0;

  if (test->count < share_of(test, FIRST_SHARE, 5) || test->count < 2 * half + 1
      || !(test->first - test->smooth[end] > sure(test)))
    return SIZE_MAX;
  for (size_t at = half; at <= end && at + half < test->count; at++)
  {
    double slope = slope_at(test, at, half);
    if (slope < least)
    {
      least = slope;
      best = at;
    }
  }
  return best;
}

/* The suggestion, from the points that are known. */
static void
suggest(const struct range_test *test, enum range_test_rule rule, struct range_test_advice *advice)
{
  double part = rule == RANGE_TEST_LONG ? LONG_PART : BRIEF_PART;

  if (test->end == RANGE_TEST_TIME)
    advice->note = "the time ran out before the rates were through: take fewer steps, or a smaller "
                   "network";
  else if (isnan(advice->steepest))
    advice->note = isnan(advice->divergence)
                     ? "the loss never fell: test higher rates or more steps"
                     : "the loss never fell before it diverged: test lower rates or more steps";
  else
  {
    advice->most = advice->divergence / part;
    advice->rate =
      rule == RANGE_TEST_ADAM || isnan(advice->most) ? advice->lowest / ADAM_PART : advice->most;
    advice->start = fmin(advice->steepest, advice->rate);
    if (isnan(advice->divergence))
      advice->note = "the loss never diverged: higher rates may do as well";
  }
}

void
range_test_advise(const struct range_test *test, enum range_test_rule rule,
                  struct range_test_advice *advice)
{
  size_t fastest = steepest(test);

  *advice = (struct range_test_advice){
    .rate = NAN, .start = NAN, .most = NAN, .steepest = NAN, .lowest = NAN, .divergence = NAN};
  if (fastest != SIZE_MAX)
  {
    advice->steepest = range_test_rate(test, fastest);
    advice->lowest = range_test_rate(test, lowest(test));
  }
  if (test->diverged_at < test->steps)
    advice->divergence = range_test_rate(test, test->diverged_at);
  suggest(test, rule, advice);
}

const char *
range_test_end_name(enum range_test_end end)
{
  switch (end)
  {
  case RANGE_TEST_RUNNING:
    return "running";
  case RANGE_TEST_COMPLETE:
    return "complete";
  case RANGE_TEST_DIVERGED:
    return "diverged";
  case RANGE_TEST_NOT_FINITE:
    return "not_finite";
  case RANGE_TEST_TIME:
    return "time";
  }
  return "running";
}
