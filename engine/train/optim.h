/* Optimizers: one step over the whole flat array of weights, in one sweep fused with the gradient.
 *
 * Weights lie in ranges that decay and ranges (biases) that do not. Owns its moment arrays; one thread.
 */
#ifndef ATTUNE_TRAIN_OPTIM_H
#define ATTUNE_TRAIN_OPTIM_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

enum optim_kind
{
  OPTIM_ADAMW, /* decoupled decay: w ← w − rate·decay·w beside the Adam step (Loshchilov, Hutter 2019) */
  OPTIM_ADAM, /* decay enters the gradient (Kingma, Ba 2015) */
  OPTIM_SGD /* Nesterov momentum: v ← μv + g, w ← w − rate (g + μv), decay decoupled as in AdamW */
};

struct optim
{
  enum optim_kind kind;
  size_t count;
  float *m, *v; /* moments; v only for Adam */
  size_t steps;
};

/* One step's numbers. Adam's β₁ 0.9, β₂ 0.99, ε 1e-8 are fixed. */
struct optim_step
{
  double rate, momentum, decay;
};

enum err optim_init(struct optim *optim, enum optim_kind kind, size_t count);
void optim_clear(struct optim *optim);

/* Call once a step, before the ranges: counts the step for Adam's bias correction. */
void optim_begin(struct optim *optim);

/* Moves w[first … first+count−1] by its gradient g. */
void optim_range(struct optim *optim, const struct optim_step *step, bool decays, size_t first,
                 size_t count, float *w, const float *g);

#endif
