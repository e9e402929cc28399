/* The parts of importance*.c. */
#ifndef ATTUNE_SEARCH_IMPORTANCE_INTERNAL_H
#define ATTUNE_SEARCH_IMPORTANCE_INTERNAL_H

#include "search/importance.h"
#include "search/insight.h"

#define IMPORTANCE_BINS_MOST 250
#define IMPORTANCE_ABSENT 255 /* the bin of an inactive parameter */

/* A parameter with a choice, cut into bins of equal parts of its range (or one a value). */
struct importance_axis
{
  size_t param;
  size_t bins;
  size_t cells; /* of a pair */
};

/* The space covered by points: what the model says there, and in which bins they are. */
struct importance_sample
{
  size_t n, count; /* points; axes */
  const struct importance_axis *axes;
  double *values;      /* (n) */
  unsigned char *bins; /* (n, count) */
};

/* The axes of a space (calloc'ed, the caller's). ERR_MEMORY. */
enum err importance_axes(const struct space *space, struct importance_axis **axes, size_t *count);

/* Covers the space; how many points follows from the sizes, so that the time is bounded. */
enum err importance_sample_init(struct insight *insight, const struct importance_axis *axes,
                                size_t count, struct importance_sample *sample);
void importance_sample_clear(struct importance_sample *sample);

/* Fills shares (one an axis) and pairs from a sample, whose values are spent. ERR_MEMORY. */
enum err importance_decompose(struct importance_sample *sample, size_t most_pairs,
                              struct search_importance *importance);

/* Fills shares from the trials alone. ERR_MEMORY. */
enum err importance_of_trials(const struct search *search, const struct importance_axis *axes,
                              size_t count, struct search_importance *importance);

#endif
