/* What stopping trials early gains: the true value at the end of the trial chosen, for each way to
 * spend a budget, on made-up learning curves.
 *
 * search_rungs [--seeds N] [--budgets 8,16,32] [--steps 27] [--tasks a,b] [--ways a,b]
 *
 * Prints one row for each task, way and budget (in full runs): the mean of the true final values (in
 * standard deviations of the function over its space, lower is better) with its standard error, by how
 * many standard errors of the paired difference it is better than "bayes" (full runs) and than "top"
 * (all for one step, the best to the end), the number of trials begun and the seconds of a run.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/search_curves.h"

#define SEEDS_MAX 200
#define BUDGETS_MAX 6
#define WAYS_MAX 16

struct options
{
  size_t seeds, steps, budgets[BUDGETS_MAX], budget_count;
  const char *tasks, *ways;
};

static double
now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

static int
listed(const char *list, const char *name)
{
  size_t length = strlen(name);
  for (const char *at = list; at; at = strchr(at, ','))
  {
    at += *at == ',';
    if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == 0))
      return 1;
  }
  return list == NULL;
}

/* By how many standard errors a is lower than b. */
static double
lead(const double *a, const double *b, size_t n)
{
  double sum = 0, square = 0;
  for (size_t i = 0; i < n; i++)
    sum += (b[i] - a[i]) / (double) n;
  for (size_t i = 0; i < n; i++)
    square += (b[i] - a[i] - sum) * (b[i] - a[i] - sum);
  return n > 1 && square > 0 ? sum / sqrt(square / (double) (n - 1) / (double) n) : 0;
}

static void
run_task(const struct options *options, const struct curve_task *task, size_t budget)
{
  static double values[WAYS_MAX][SEEDS_MAX];
  struct curves curves;
  const double *bayes = NULL, *top = NULL;
  curves_init(&curves, task);
  for (size_t w = 0; w < curve_way_count && w < WAYS_MAX; w++)
  {
    if (!listed(options->ways, curve_ways[w].name))
      continue;
    double start = now(), mean = 0, square = 0, asked = 0, n = (double) options->seeds;
    for (size_t seed = 0; seed < options->seeds; seed++)
    {
      size_t trials;
      values[w][seed] =
        curves_run(&curves, &curve_ways[w], budget, (double) options->steps, seed + 1, &trials);
      mean += values[w][seed] / n;
      asked += (double) trials / n;
    }
    for (size_t seed = 0; seed < options->seeds; seed++)
      square += (values[w][seed] - mean) * (values[w][seed] - mean);
    if (strcmp(curve_ways[w].name, "bayes") == 0)
      bayes = values[w];
    if (strcmp(curve_ways[w].name, "top") == 0)
      top = values[w];
    printf("%s,%s,%zu,%zu,%.4f,%.4f,%.2f,%.2f,%.1f,%.3f\n", task->name, curve_ways[w].name, budget,
           options->seeds, mean, sqrt(square / fmax(n - 1, 1) / n),
           bayes ? lead(values[w], bayes, options->seeds) : NAN,
           top ? lead(values[w], top, options->seeds) : NAN, asked, (now() - start) / n);
    fflush(stdout);
  }
}

static int
parse(int argc, char **argv, struct options *options)
{
  for (int i = 1; i + 1 < argc; i += 2)
  {
    const char *value = argv[i + 1];
    if (strcmp(argv[i], "--seeds") == 0)
      options->seeds = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--steps") == 0)
      options->steps = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--tasks") == 0)
      options->tasks = value;
    else if (strcmp(argv[i], "--ways") == 0)
      options->ways = value;
    else if (strcmp(argv[i], "--budgets") == 0)
    {
      options->budget_count = 0;
      for (char *end; *value && options->budget_count < BUDGETS_MAX; value = end + (*end == ','))
      {
        size_t budget = strtoul(value, &end, 10);
        if (end == value || budget == 0)
          return 1;
        options->budgets[options->budget_count++] = budget;
      }
    }
    else
      return 1;
  }
  return argc % 2 == 0 || options->seeds == 0 || options->seeds > SEEDS_MAX || options->steps == 0
         || options->budget_count == 0;
}

int
main(int argc, char **argv)
{
  /* A library already loaded no longer asks how many threads it may start. */
  if (!getenv("OPENBLAS_NUM_THREADS") && setenv("OPENBLAS_NUM_THREADS", "1", 1) == 0)
    execv("/proc/self/exe", argv);
  struct options options = {.seeds = 20, .steps = 27, .budgets = {8, 16, 32}, .budget_count = 3};
  if (parse(argc, argv, &options))
  {
    fprintf(stderr,
            "usage: %s [--seeds N] [--budgets 8,16,32] [--steps 27] [--tasks a,b] [--ways a,b]\n",
            argv[0]);
    return 2;
  }
  printf("task,way,budget,seeds,mean_final,se,se_better_than_bayes,se_better_than_top,trials,"
         "seconds\n");
  for (size_t t = 0; t < curve_task_count; t++)
    for (size_t b = 0; b < options.budget_count; b++)
      if (listed(options.tasks, curve_tasks[t].name))
        run_task(&options, &curve_tasks[t], options.budgets[b]);
  return 0;
}
