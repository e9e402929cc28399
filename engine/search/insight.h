/* The model of a search opened for questions: what the values are like over the space.
 *
 * The questions are asked after the fact (importance.h, slice.h, gain.h) and of any method: where the
 * method has a model of its own that one is used, else one is fitted to the log. Everything follows from
 * the seed and the log; the search's later suggestions are not touched. One thread at a time.
 * Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_INSIGHT_H
#define ATTUNE_SEARCH_INSIGHT_H

#include "search/search_internal.h"
#include "search/sobol_sequence.h"
#include "search/surrogate.h"

#define INSIGHT_LEAST 4   /* trials with a value; fewer say nothing */
#define INSIGHT_MOST 2000 /* data of a model; with more it would take seconds */

struct insight
{
  struct search *search;
  struct surrogate own;        /* where the method has none */
  struct surrogate *surrogate; /* the method's, or own */
  struct surrogate_data data;
  struct gp *gp;
  double *means;    /* (data.n): posterior means of the outcomes of full runs at the data */
  double best_mean; /* the lowest of those of trials with a value that meet the constraints, if any
                        does */
  double worst;     /* the highest outcome of all trials */
  const double
    *best_point; /* of the one of these with the lowest value; borrowed from the search */
};

/* Trials with a value. */
size_t insight_finite_count(const struct search *search);

/* ERR_NOT_FOUND with fewer than INSIGHT_LEAST trials with a value, or nothing to choose in the space;
 * ERR_DIVERGED when no covariance fits the values; ERR_LIMIT with more than INSIGHT_MOST data; ERR_MEMORY. */
enum err insight_open(struct search *search, struct insight *insight);
void insight_close(struct insight *insight);

/* Says why a question has no answer: `err` being what insight_open or another function gave. Returns ERR_MEMORY or
 * ERR_NOT_FOUND. */
enum err insight_refuse(enum err err, struct err_info *info);

/* Means and variances of the outcomes at `count` points (count, space->count); `variance` may be NULL.
 * ERR_MEMORY. */
enum err insight_predict(struct insight *insight, size_t count, const double *points, double *mean,
                         double *variance);

/* From now on the variances are those once the pending trials are known. ERR_MEMORY. */
enum err insight_add_pending(struct insight *insight);

/* The value behind an outcome; and a standard deviation in the units of the values. */
double insight_value(const struct insight *insight, double outcome);
double insight_sd(const struct insight *insight, double outcome, double variance);

/* Even points of the space, the same for every question of a kind: those of a Sobol sequence; under rules the
 * ones that keep them or, where hardly any does, random ones. */
struct insight_points
{
  const struct space *space;
  struct sobol_sequence *sequence;
  struct rng rng;
  uint32_t index; /* of the next of the sequence */
  double *unit;   /* (space->count) */
};
enum err insight_points_init(struct insight_points *points, const struct search *search,
                             uint64_t kind);
void insight_points_clear(struct insight_points *points);
void insight_points_next(struct insight_points *points, double *point);

/* Sets parameters and what they hang on, so that they are active; the others are made legal again. `pick`
 * chooses among several values that open a parameter. False where that can't be had: they are never active
 * together, a rule forbids it, or a value is none of its parameter's. */
struct insight_setting
{
  size_t param;
  double value;
};
bool insight_set(const struct space *space, const struct insight_setting *settings, size_t count,
                 size_t pick, double *point);

#endif
