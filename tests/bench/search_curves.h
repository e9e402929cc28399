/* Made-up learning curves with known ends, for testing and measuring searches that stop trials early.
 *
 * value (x, r) = f(x) + c(x)·r^(−a) + noise, f one of the functions with known minima, brought to mean 0
 * and variance 1 over its space. In the plain task c is the same everywhere, so every step orders the
 * trials like the end; among the slow starters c is the larger the better f is, so that early steps
 * mislead; in the crossing task c varies from place to place without a meaning.
 */
#ifndef ATTUNE_TESTS_BENCH_SEARCH_CURVES_H
#define ATTUNE_TESTS_BENCH_SEARCH_CURVES_H

#include "search/search.h"
#include "tests/bench/search_functions.h"

struct curve_task
{
  const char *name;
  const char *function;
  double height;   /* c, in standard deviations of f */
  double slow;     /* how much of c goes with how good f is */
  double crossing; /* how much of c goes with nothing */
  double power;    /* a */
  double noise;    /* standard deviation of one measurement */
};

extern const struct curve_task curve_tasks[];
extern const size_t curve_task_count;

/* A task made ready. */
struct curves
{
  const struct curve_task *task;
  const struct search_function *function;
  struct search_function_space space;
  double mean, sd; /* of f over its space */
};
void curves_init(struct curves *curves, const struct curve_task *task);

/* The true value at a step, and a measurement of it by trial number `trial` under a seed. */
double curves_value(const struct curves *curves, const double *point, double step);
double curves_measure(const struct curves *curves, const double *point, double step, uint64_t seed,
                      uint64_t trial);

/* Ways to spend a budget: a method of search under a stopping rule, or "top" for the plainest of all:
 * random points for one step each, and the best of them run to the end. */
struct curve_way
{
  const char *name, *method;
  enum search_stopping stopping;
};
extern const struct curve_way curve_ways[];
extern const size_t curve_way_count;

/* Spends `budget` full runs of `steps` steps; the true value at the end of the trial that looked best.
 * `asked` (may be NULL) gets the number of trials begun. */
double curves_run(const struct curves *curves, const struct curve_way *way, size_t budget,
                  double steps, uint64_t seed, size_t *asked);

#endif
