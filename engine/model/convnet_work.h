/* What a batch needs (convnet.h). Private to convnet_*.c. */
#ifndef ATTUNE_MODEL_CONVNET_WORK_H
#define ATTUNE_MODEL_CONVNET_WORK_H

#include "model/convnet.h"

struct unit_work
{
  struct kernel_conv *conv;
  size_t images; /* of the batch at a time, when convolving */
  void *c;       /* after the convolution, of as many images */
  void *p;       /* after pooling; c itself if the unit does not pool */
  void *y;       /* the unit's output */
  uint8_t *which;
  float *mean, *r; /* (out): of the batch */
};

/* Going back, each map's memory takes its gradient as soon as the map itself is not needed any more. */
struct convnet_work
{
  size_t n;
  enum kernel_precision precision;
  struct unit_work units[CONVNET_UNITS_MAX];
  size_t unit_count;
  float
    *features; /* what the first dense layer sees: (n, in); may be the last unit's output itself */
  uint32_t *where; /* places of the largest values */
  float *z, *a;    /* hidden dense layer: (n, head_units) */
  float *output, *doutput;
  float *dfeatures;
  float *tap;       /* with head_grid: of the stages' last maps the largest, (n, maps) */
  void *tap_narrow; /* the same in the maps' precision */
  float *scale, *offset, *variance; /* (widest) */
  double *sums;                     /* of the statistics: mean, mean², variance of each batch */
  size_t batches;
  float *slope; /* of a few images' weights */
  void *packed, *scratch;
  char *memory;
};

#endif
