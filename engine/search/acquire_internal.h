/* What the files of the acquisition share: acquire_candidates.c draws points, acquire.c scores and refines them. */
#ifndef ATTUNE_SEARCH_ACQUIRE_INTERNAL_H
#define ATTUNE_SEARCH_ACQUIRE_INTERNAL_H

#include "search/acquire.h"

struct acquire_candidate
{
  double score;
  size_t index;
};

struct acquire_work
{
  const struct acquire_task *task;
  const struct space *space;
  size_t width;
  size_t count;
  size_t spread;  /* of the candidates, so many are spread evenly, and come first */
  double *points; /* (count, space->count) */
  double *rows;   /* (count, width) */
  double *mean, *variance;
  struct acquire_candidate *order;
  /* Of the refinement */
  double *row, *mean_gradient, *variance_gradient, *row_gradient, *slopes; /* (width) */
  size_t *moved; /* (width): columns moved by slope */
  size_t moved_count;
  double *x, *low, *high; /* (width) */
  double *trial;          /* (space->count) */
};

/* The range that a parameter is not to leave, in unit coordinates. */
void acquire_limits(const struct acquire_work *work, size_t param, double *low, double *high);

/* Fills work->points and work->rows. ERR_MEMORY. */
enum err acquire_draw_candidates(struct acquire_work *work);

#endif
