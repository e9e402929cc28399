/* How good each search method's best value is after so many trials, on functions with known minima.
 *
 * search_vs_random [--seeds N] [--first-seed N] [--trials 25,50] [--know-budget 0|1]
 *                  [--methods a,b] [--functions f,g]
 *
 * Prints one row for each function, method and mark (25, 50, 100 … trials): the mean best value with
 * its standard error, the median regret, the mean of its logarithm, and by how many standard errors of
 * the paired difference the method is better than "random"; then the milliseconds of an ask and tell.
 * With --know-budget 1 the searches are told how many trials there will be.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "search/search.h"
#include "tests/bench/search_functions.h"

#define MARKS_MAX 6
#define METHODS_MAX 8

struct options
{
  size_t seeds, first_seed;
  size_t marks[MARKS_MAX];
  size_t mark_count;
  const char *methods;
  const char *functions;
  size_t know_budget; /* whether the searches are told how many trials there will be */
};

/* Best values (mark, seed) of one method on one function. */
struct result
{
  char method[16];
  double *best;
  double milliseconds; /* mean of all asks and tells */
  double slowest;
};

static double
now(void)
{
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double) t.tv_sec + 1e-9 * (double) t.tv_nsec;
}

/* Whether `name` is one of the comma-separated `list` (NULL = all). */
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

static int
run_one(const struct options *options, const struct search_function *function, size_t seed_index,
        struct result *result)
{
  struct search_function_space space;
  search_function_space(function, &space);
  size_t trials = options->marks[options->mark_count - 1];
  struct search_spec spec = {.method = result->method,
                             .space = &space.space,
                             .seed = options->first_seed + seed_index,
                             .expected_trials = options->know_budget ? trials : 0};
  struct search *search;
  struct err_info info;
  if (search_new(&spec, &search, &info))
  {
    fprintf(stderr, "%s\n", info.text);
    return 1;
  }
  double best = INFINITY;
  double point[SEARCH_FUNCTION_DIMS_MAX];
  for (size_t t = 0, mark = 0; t < trials; t++)
  {
    double start = now();
    if (search_ask(search, t, point, &info))
    {
      fprintf(stderr, "%s: %s\n", function->name, info.text);
      search_free(search);
      return 1;
    }
    double value = function->value(point, function->dims);
    search_tell(search, t, value, &info);
    double spent = 1e3 * (now() - start);
    result->milliseconds += spent / (double) (trials * options->seeds);
    result->slowest = fmax(result->slowest, spent);
    best = fmin(best, value);
    if (t + 1 == options->marks[mark])
      result->best[mark++ * options->seeds + seed_index] = best;
  }
  search_free(search);
  return 0;
}

static int
compare_doubles(const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

static double
median(const double *values, size_t n)
{
  double *sorted = malloc(n * sizeof *sorted);
  if (!sorted)
    return NAN;
  memcpy(sorted, values, n * sizeof *sorted);
  qsort(sorted, n, sizeof *sorted, compare_doubles);
  double middle = 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]);
  free(sorted);
  return middle;
}

/* Mean of a − b (b may be NULL) and its standard error. */
static void
mean_and_error(const double *a, const double *b, size_t n, double *mean, double *error)
{
  double sum = 0, square = 0;
  for (size_t i = 0; i < n; i++)
    sum += (a[i] - (b ? b[i] : 0)) / (double) n;
  for (size_t i = 0; i < n; i++)
  {
    double d = a[i] - (b ? b[i] : 0) - sum;
    square += d * d;
  }
  *mean = sum;
  *error = n > 1 ? sqrt(square / (double) (n - 1) / (double) n) : NAN;
}

static void
print_result(const struct options *options, const struct search_function *function,
             const struct result *result, const struct result *random)
{
  for (size_t m = 0; m < options->mark_count; m++)
  {
    double mean, error, difference = NAN, difference_error = NAN;
    const double *best = result->best + m * options->seeds;
    mean_and_error(best, NULL, options->seeds, &mean, &error);
    if (random && random != result)
      mean_and_error(random->best + m * options->seeds, best, options->seeds, &difference,
                     &difference_error);
    double log_regret = 0;
    for (size_t i = 0; i < options->seeds; i++)
      log_regret += log10(fmax(best[i] - function->minimum, 1e-6)) / (double) options->seeds;
    printf("%s,%s,%zu,%zu,%.6g,%.3g,%.4g,%.3f,%.3g,%.2f,%.1f\n", function->name, result->method,
           options->marks[m], options->seeds, mean, error,
           median(best, options->seeds) - function->minimum, log_regret,
           difference / difference_error, result->milliseconds, result->slowest);
  }
  fflush(stdout);
}

static int
run_function(const struct options *options, const struct search_function *function)
{
  struct result results[METHODS_MAX];
  size_t count = 0;
  const struct result *random = NULL;
  int failed = 0;
  static const char *const order[] = {"random", "sobol", "tpe", "bayes", NULL};
  for (size_t k = 0; order[k] && !failed; k++)
  {
    if (!listed(options->methods, order[k]))
      continue;
    struct result *result = &results[count++];
    memset(result, 0, sizeof *result);
    snprintf(result->method, sizeof result->method, "%s", order[k]);
    result->best = calloc(options->mark_count * options->seeds, sizeof *result->best);
    failed = result->best == NULL;
    for (size_t s = 0; s < options->seeds && !failed; s++)
      failed = run_one(options, function, s, result);
    if (strcmp(order[k], "random") == 0)
      random = result;
  }
  for (size_t k = 0; k < count; k++)
  {
    if (!failed)
      print_result(options, function, &results[k], random);
  }
  for (size_t k = 0; k < count; k++)
    free(results[k].best);
  return failed;
}

static int
parse(int argc, char **argv, struct options *options)
{
  for (int i = 1; i + 1 < argc; i += 2)
  {
    const char *value = argv[i + 1];
    if (strcmp(argv[i], "--seeds") == 0)
      options->seeds = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--first-seed") == 0)
      options->first_seed = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--know-budget") == 0)
      options->know_budget = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--methods") == 0)
      options->methods = value;
    else if (strcmp(argv[i], "--functions") == 0)
      options->functions = value;
    else if (strcmp(argv[i], "--trials") == 0)
    {
      options->mark_count = 0;
      for (char *end; *value && options->mark_count < MARKS_MAX; value = end + (*end == ','))
      {
        size_t mark = strtoul(value, &end, 10);
        if (end == value || mark == 0)
          return 1;
        options->marks[options->mark_count++] = mark;
      }
    }
    else
      return 1;
  }
  return argc % 2 == 0 || options->seeds == 0 || options->mark_count == 0;
}

int
main(int argc, char **argv)
{
  /* A library already loaded no longer asks how many threads it may start. */
  if (!getenv("OPENBLAS_NUM_THREADS") && setenv("OPENBLAS_NUM_THREADS", "1", 1) == 0)
    execv("/proc/self/exe", argv);
  struct options options = {.seeds = 20, .first_seed = 1, .marks = {30}, .mark_count = 1};
  if (parse(argc, argv, &options))
  {
    fprintf(
      stderr,
      "usage: %s [--seeds N] [--first-seed N] [--trials 25,50,100] "
      "[--know-budget 0|1] [--methods random,sobol,tpe,bayes] [--functions branin,hartmann6]\n",
      argv[0]);
    return 2;
  }
  printf("function,method,trials,seeds,mean_best,se,median_regret,mean_log10_regret,se_better_than_"
         "random,"
         "ms_per_trial,ms_slowest\n");
  for (size_t k = 0; k < search_function_count; k++)
    if (listed(options.functions, search_functions[k].name)
        && run_function(&options, &search_functions[k]))
      return 1;
  return 0;
}
