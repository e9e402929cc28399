/* The families' tables of hyperparameters, a file each: family_params_*.c. Private to engine/model.
 */
#ifndef ATTUNE_MODEL_FAMILY_PARAMS_H
#define ATTUNE_MODEL_FAMILY_PARAMS_H

#include <math.h>

#include "model/family.h"

/* Each ends with FAMILY_PARAMS_END. */
extern const struct family_param family_params_linear[];
extern const struct family_param family_params_trees[];
extern const struct family_param family_params_mlp[];
extern const struct family_param family_params_cnn[];

#define FAMILY_PARAMS_END                                                                          \
  {                                                                                                \
    .name = NULL                                                                                   \
  }

/* For tuned defaults that depend on the data. */
static inline double
family_clip(double value, double low, double high)
{
  return fmin(fmax(value, low), high);
}

#endif
