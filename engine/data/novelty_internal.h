/* Private to novelty*.c. */
#ifndef ATTUNE_DATA_NOVELTY_INTERNAL_H
#define ATTUNE_DATA_NOVELTY_INTERNAL_H

#include "base/arena.h"
#include "data/novelty.h"

#define NOVELTY_LEVELS 11
/* More categories than this have no shares: only unknown ones and gaps are told. */
#define NOVELTY_CATEGORIES 1000

/* Shares of training rows that are nearer than the distances kept. */
extern const double novelty_levels[NOVELTY_LEVELS];

struct novelty_input
{
  double missing; /* share of rows */
  bool is_number;
  double median, spread, low, high; /* of a number; spread 0 = all alike */
  float *shares;                    /* (share_count) of each category, of all rows; NULL = none */
  size_t share_count;
};

struct novelty
{
  struct arena *arena; /* owns everything below */
  size_t rows;
  struct novelty_input *inputs;
  size_t count;
  double distances[NOVELTY_LEVELS]; /* ascending */
};

/* With room for so many inputs; NULL when out of memory. */
struct novelty *novelty_new(size_t inputs);

/* The distance of one number; NaN = missing. */
double novelty_of_number(const struct novelty *novelty, size_t input, double value);

/* The root of the mean of squares. */
double novelty_of_all(const double *distances, size_t count);

#endif
