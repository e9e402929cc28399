/* A linear model: outputs = x · W + b, then sigmoid, softmax or nothing.
 * Immutable once trained. Training is train/fit_linear.c.
 */
#ifndef ATTUNE_MODEL_MODEL_LINEAR_H
#define ATTUNE_MODEL_MODEL_LINEAR_H

#include <stddef.h>

enum linear_link
{
  LINEAR_VALUE,   /* regression: one output */
  LINEAR_SIGMOID, /* two classes: one logit */
  LINEAR_SOFTMAX  /* many classes: one logit each */
};

struct linear
{
  enum linear_link link;
  size_t inputs, outputs; /* outputs = logits */
  float *weights;         /* (inputs, outputs) */
  float *bias;            /* (outputs) */
  float *spread;          /* (inputs): standard deviation in the training rows, for importance */
  float *
    mean; /* (inputs): in the training rows of a table; NULL for images, and in files made before it was kept */
};

/* All zeros; NULL when out of memory. */
struct linear *linear_new(enum linear_link link, size_t inputs, size_t outputs);
void linear_free(struct linear *linear);

#endif
