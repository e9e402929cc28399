/* What a tell and an ask take, in a tight loop on one core, refits included.
 *
 * latency [--at 100,500,1000] [--window 100] [--dims 10] [--seeds 3] [--method bayes] [--cpu 0|1]
 *
 * Every seed is one search on a shifted Levy function, live from its first trial. For each `at` the tell + ask
 * pairs of trials at − window/2 … at + window/2 are taken from all seeds together. One line for each:
 * trials, pairs, median, p99, worst (milliseconds). Nothing is done between a tell and the next ask.
 * With --cpu 1 processor time counts in place of the wall's: for a machine with other work on it.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "search/search.h"

#define MARKS_MAX 8
#define DIMS_MAX 60
#define PI 3.14159265358979323846

struct options
{
  size_t marks[MARKS_MAX];
  size_t mark_count;
  size_t window, dims, seeds;
  size_t cpu;
  const char *method;
};

/* All pairs: milliseconds[seed × trials + trial]. */
struct times
{
  double *milliseconds;
  size_t trials;
};

static double
now_ms(const struct options *options)
{
  struct timespec t;
  clock_gettime(options->cpu ? CLOCK_PROCESS_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return 1e3 * (double) t.tv_sec + 1e-6 * (double) t.tv_nsec;
}

/* Levy's function with its minimum 0 at a place other than the middle in each coordinate. */
static double
levy(const double *x, size_t dims)
{
  double sum = 0, w = 0;
  for (size_t i = 0; i < dims; i++)
  {
    double golden = (double) (i + 1) * 0.61803398874989484820;
    w = 1 + (x[i] + 6 - 12 * (golden - floor(golden))) / 4;
    double wave = sin(PI * w + 1), first = sin(PI * w), last = sin(2 * PI * w);
    if (i == 0)
      sum += first * first;
    sum += (w - 1) * (w - 1) * (i + 1 < dims ? 1 + 10 * wave * wave : 1 + last * last);
  }
  return sum;
}

static enum err
run_seed(const struct options *options, size_t seed_index, struct times *times)
{
  static char names[DIMS_MAX][8];
  struct space_param params[DIMS_MAX] = {0};
  struct space space = {.params = params, .count = options->dims};
  for (size_t i = 0; i < options->dims; i++)
  {
    snprintf(names[i], sizeof names[i], "x%zu", i % 1000);
    params[i] = (struct space_param){
      .name = names[i], .kind = SPACE_FLOAT, .scale = SPACE_LINEAR, .low = -10, .high = 10};
  }
  struct search_spec spec = {.method = options->method, .space = &space, .seed = 1 + seed_index};
  struct search *search;
  struct err_info info;
  double point[DIMS_MAX];
  enum err err = search_new(&spec, &search, &info);
  if (!err)
    err = search_ask(search, 0, point, &info);
  for (size_t t = 0; t < times->trials && !err; t++)
  {
    double value = levy(point, options->dims);
    double start = now_ms(options);
    err = search_tell(search, t, value, &info);
    if (!err)
      err = search_ask(search, t + 1, point, &info);
    times->milliseconds[seed_index * times->trials + t] = now_ms(options) - start;
  }
  if (err)
    fprintf(stderr, "%s\n", info.text);
  search_free(search);
  return err;
}

static int
compare_doubles(const void *a, const void *b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return x < y ? -1 : x > y;
}

static void
print_mark(const struct options *options, const struct times *times, size_t mark, double *room)
{
  size_t half = options->window / 2, first = mark > half ? mark - half : 0, n = 0;
  for (size_t s = 0; s < options->seeds; s++)
    for (size_t t = first; t < mark + half && t < times->trials; t++)
      room[n++] = times->milliseconds[s * times->trials + t];
  if (n == 0)
    return;
  qsort(room, n, sizeof *room, compare_doubles);
  printf("%zu,%zu,%.3f,%.3f,%.3f\n", mark, n, 0.5 * (room[(n - 1) / 2] + room[n / 2]),
         room[(size_t) (0.99 * (double) (n - 1) + 0.5)], room[n - 1]);
}

static int
parse(int argc, char **argv, struct options *options)
{
  for (int i = 1; i + 1 < argc; i += 2)
  {
    const char *value = argv[i + 1];
    if (strcmp(argv[i], "--window") == 0)
      options->window = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--dims") == 0)
      options->dims = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--seeds") == 0)
      options->seeds = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--cpu") == 0)
      options->cpu = strtoul(value, NULL, 10);
    else if (strcmp(argv[i], "--method") == 0)
      options->method = value;
    else if (strcmp(argv[i], "--at") == 0)
    {
      options->mark_count = 0;
      for (char *end; *value && options->mark_count < MARKS_MAX; value = end + (*end == ','))
      {
        options->marks[options->mark_count++] = strtoul(value, &end, 10);
        if (end == value)
          return 1;
      }
    }
    else
      return 1;
  }
  return argc % 2 == 0 || options->seeds == 0 || options->seeds > 1000 || options->dims == 0
         || options->dims > DIMS_MAX || options->window < 2;
}

int
main(int argc, char **argv)
{
  /* A library already loaded no longer asks how many threads it may start. */
  if (!getenv("OPENBLAS_NUM_THREADS") && setenv("OPENBLAS_NUM_THREADS", "1", 1) == 0)
    execv("/proc/self/exe", argv);
  struct options options = {.marks = {100, 500, 1000},
                            .mark_count = 3,
                            .window = 100,
                            .dims = 10,
                            .seeds = 3,
                            .method = "bayes"};
  if (parse(argc, argv, &options))
  {
    fprintf(stderr, "usage: %s [--at 100,500,1000] [--window 100] [--dims 10] [--seeds 3]\n",
            argv[0]);
    return 2;
  }
  struct times times = {0};
  for (size_t m = 0; m < options.mark_count; m++)
  {
    size_t end = options.marks[m] + options.window / 2;
    if (end > 100000)
      return 2;
    times.trials = end > times.trials ? end : times.trials;
  }
  double *room = calloc(options.seeds * times.trials, sizeof *room);
  times.milliseconds = calloc(options.seeds * times.trials, sizeof *times.milliseconds);
  int failed = !room || !times.milliseconds;
  for (size_t s = 0; s < options.seeds && !failed; s++)
    failed = run_seed(&options, s, &times) != ERR_OK;
  if (!failed)
  {
    printf("trials,pairs,median_ms,p99_ms,worst_ms\n");
    for (size_t m = 0; m < options.mark_count; m++)
      print_mark(&options, &times, options.marks[m], room);
  }
  free(room);
  free(times.milliseconds);
  return failed;
}
