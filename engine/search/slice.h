/* Cuts through what the model of a search believes, for pictures: along one parameter, and over two.
 *
 * Means and standard deviations are in the units of the values. Where the others are averaged, they are
 * those of an even sample of the space; what a conditional parameter hangs on is set so that it is active.
 * Deterministic by seed and log; the search's later suggestions are not touched.
 */
#ifndef ATTUNE_SEARCH_SLICE_H
#define ATTUNE_SEARCH_SLICE_H

#include "search/search.h"

#define SEARCH_SLICE_POINTS_MOST 200
#define SEARCH_PAIR_POINTS_MOST 40

/* A trial that ended, in the order of the log. */
struct search_observation
{
  uint64_t trial;
  double x, y;  /* the parameters as stored; y NaN in a slice */
  double value; /* NaN: it failed */
};

struct search_slice_row
{
  double at; /* the parameter, as stored in a point */
  /* The others averaged: the mean, the model's own standard deviation at a usual point, and how far
   * the means of different points are apart. NaN where no legal point was found. */
  double mean, sd, spread;
  /* The others as in the best trial; NaN where the parameter is inactive there. */
  double best_mean, best_sd;
  /* The logarithm of the expected improvement there, in standard deviations of the outcomes, once the
   * pending trials are known. */
  double log_ei;
};

struct search_slice
{
  size_t param;
  struct search_slice_row *rows; /* in rising order; every value of a parameter with so few */
  size_t count;
  size_t averaged;                         /* points behind each mean */
  struct search_observation *observations; /* trials in which the parameter was active */
  size_t observation_count;
};

/* `points`: of a continuous parameter, 2 to SEARCH_SLICE_POINTS_MOST; 0 = 50. ERR_INVALID for another
 * number or a parameter without a choice; ERR_NOT_FOUND without a model: too few trials with a value, or
 * values that no process fits; ERR_MEMORY. The caller clears the result. */
enum err search_slice(struct search *search, size_t param, size_t points,
                      struct search_slice *slice, struct err_info *info);
void search_slice_clear(struct search_slice *slice);

struct search_pair
{
  size_t x, y;                 /* parameters */
  double *x_values, *y_values; /* (x_count), (y_count), as stored */
  size_t x_count, y_count;
  double *mean;      /* (x_count, y_count), the others averaged; NaN where the two can't meet */
  double *best_mean; /* the others as in the best trial; NaN where one is inactive there */
  size_t averaged;
  struct search_observation *observations; /* trials in which both were active */
  size_t observation_count;
};

/* `points` a side, 2 to SEARCH_PAIR_POINTS_MOST; 0 = 20. Errors as search_slice; ERR_INVALID also when the
 * two are the same or never active together. */
enum err search_pair(struct search *search, size_t x, size_t y, size_t points,
                     struct search_pair *pair, struct err_info *info);
void search_pair_clear(struct search_pair *pair);

#endif
