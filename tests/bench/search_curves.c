#include <config.h>

#include "tests/bench/search_curves.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

#define SAMPLES 2000
#define TOP_SHARE 0.5 /* of the budget that "top" spends on the first steps */

const struct curve_task curve_tasks[] = {{"plain-branin", "branin", 3, 0, 0, 0.7, 0.02},
                                         {"plain-hartmann6", "hartmann6", 3, 0, 0, 0.7, 0.02},
                                         {"crossing-hartmann6", "hartmann6", 2, 0, 3, 0.7, 0.02},
                                         {"slow-branin", "branin", 1, 2.5, 0, 0.7, 0.02},
                                         {"slow-hartmann6", "hartmann6", 1, 2, 0.5, 0.7, 0.02},
                                         {"plain-tuning7", "tuning7", 2, 0, 0.5, 0.7, 0.02},
                                         {"crossing-levy5", "levy5", 2, 0, 2, 0.7, 0.02},
                                         {"slow-tuning7", "tuning7", 1, 2, 0.5, 0.7, 0.02}};
const size_t curve_task_count = sizeof curve_tasks / sizeof *curve_tasks;

const struct curve_way curve_ways[] = {{"random", "random", SEARCH_STOPPING_NONE},
                                       {"bayes", "bayes", SEARCH_STOPPING_NONE},
                                       {"top", NULL, SEARCH_STOPPING_NONE},
                                       {"asha", "asha", SEARCH_STOPPING_ASHA},
                                       {"hyperband", "hyperband", SEARCH_STOPPING_HYPERBAND},
                                       {"tpe+asha", "tpe", SEARCH_STOPPING_ASHA},
                                       {"bayes+median", "bayes", SEARCH_STOPPING_MEDIAN},
                                       {"bayes+hyperband", "bayes", SEARCH_STOPPING_HYPERBAND},
                                       {"bayes+asha", "bayes", SEARCH_STOPPING_ASHA}};
const size_t curve_way_count = sizeof curve_ways / sizeof *curve_ways;

void
curves_init(struct curves *curves, const struct curve_task *task)
{
  struct rng rng;
  double point[SEARCH_FUNCTION_DIMS_MAX], sum = 0, square = 0;
  curves->task = task;
  curves->function = search_function_find(task->function);
  search_function_space(curves->function, &curves->space);
  rng_init(&rng, 1, 1);
  for (int k = 0; k < SAMPLES; k++)
  {
    space_sample(&curves->space.space, &rng, point);
    double value = curves->function->value(point, curves->function->dims);
    sum += value / SAMPLES;
    square += value * value / SAMPLES;
  }
  curves->mean = sum;
  curves->sd = sqrt(square - sum * sum);
}

/* Something between 0 and 1 that changes from place to place. */
static double
ripple(const struct curves *curves, const double *point)
{
  double phase = 0;
  for (size_t i = 0; i < curves->function->dims; i++)
    if (!isnan(point[i]))
      phase += (3 + 2 * (double) (i % 3)) * space_to_unit(&curves->space.params[i], point[i]);
  return 0.5 + 0.5 * sin(phase);
}

double
curves_value(const struct curves *curves, const double *point, double step)
{
  const struct curve_task *task = curves->task;
  double f = (curves->function->value(point, curves->function->dims) - curves->mean) / curves->sd;
  double c =
    task->height + task->slow / (1 + exp(2 * f + 1)) + task->crossing * ripple(curves, point);
  return f + c * pow(step, -task->power);
}

double
curves_measure(const struct curves *curves, const double *point, double step, uint64_t seed,
               uint64_t trial)
{
  struct rng rng;
  rng_init(&rng, rng_mix(seed, trial), (uint64_t) step);
  return curves_value(curves, point, step) + curves->task->noise * rng_normal(&rng);
}

/* ---- spending a budget ------------------------------------------------------------------------------- */

struct top_trial
{
  double value;
  double point[SEARCH_FUNCTION_DIMS_MAX];
};

static int
compare_top(const void *a, const void *b)
{
  const struct top_trial *x = a, *y = b;
  return x->value < y->value ? -1 : x->value > y->value;
}

static double
run_top(const struct curves *curves, size_t budget, double steps, uint64_t seed, size_t *asked)
{
  size_t count = (size_t) (TOP_SHARE * (double) budget * steps);
  struct top_trial *trials = calloc(count, sizeof *trials);
  struct rng rng;
  rng_init(&rng, seed, 5);
  for (size_t k = 0; k < count; k++)
  {
    space_sample(&curves->space.space, &rng, trials[k].point);
    trials[k].value = curves_measure(curves, trials[k].point, 1, seed, k);
  }
  qsort(trials, count, sizeof *trials, compare_top);
  double left = (double) budget * steps - (double) count, best = INFINITY, truth = INFINITY;
  for (size_t k = 0; k < count && left >= steps - 1; k++, left -= steps - 1)
  {
    double value = curves_measure(curves, trials[k].point, steps, seed, k);
    if (value >= best)
      continue;
    best = value;
    truth = curves_value(curves, trials[k].point, steps);
  }
  free(trials);
  if (asked)
    *asked = count;
  return truth;
}

/* Runs a suggestion step by step; returns the steps it took. */
static double
run_suggestion(const struct curves *curves, struct search *search,
               const struct search_suggestion *s, const double *point, double steps, uint64_t seed)
{
  double step = s->from_step;
  while (step < s->until_step)
  {
    step++;
    search_measure(search, s->trial, step, curves_measure(curves, point, step, seed, s->trial),
                   NULL);
    if (step < steps && search_should_stop(search, s->trial))
      break;
  }
  if (step >= steps)
    search_tell(search, s->trial, curves_measure(curves, point, steps, seed, s->trial), NULL);
  else if (step < s->until_step)
    search_prune(search, s->trial, NULL);
  return step - s->from_step;
}

double
curves_run(const struct curves *curves, const struct curve_way *way, size_t budget, double steps,
           uint64_t seed, size_t *asked)
{
  if (!way->method)
    return run_top(curves, budget, steps, seed, asked);
  struct search_spec spec = {.method = way->method,
                             .space = &curves->space.space,
                             .seed = seed,
                             .expected_trials = budget,
                             .stopping = way->stopping,
                             .most_steps = steps};
  struct search *search;
  struct err_info info;
  if (search_new(&spec, &search, &info))
  {
    fprintf(stderr, "%s\n", info.text);
    return NAN;
  }
  double point[SEARCH_FUNCTION_DIMS_MAX];
  for (double spent = 0; spent + 0.5 < (double) budget * steps;)
  {
    struct search_suggestion s;
    if (search_suggest(search, search_count(search), &s, point, &info)
        || spent + s.until_step - s.from_step > (double) budget * steps + 0.5)
      break;
    spent += run_suggestion(curves, search, &s, point, steps, seed);
  }
  if (asked)
    *asked = search_count(search);
  bool found = search_best(search, NULL, NULL, point);
  search_free(search);
  return found ? curves_value(curves, point, steps) : INFINITY;
}
