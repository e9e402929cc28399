/* Optimizers: one step over a network's flat array of weights, one fused sweep per range.
 *
 * A network of any kind states its weights as ranges of one array, each with its own factors on the
 * learning rate and the decay (biases usually do not decay). Owns its moment arrays; one thread; no
 * allocation in a step. With μ the momentum, η the rate, λ the decay, all after a range's factors:
 *   AdamW     m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², w ← w − ηλw − η m̂/(√v̂ + ε), m̂ = m/(1−β₁ᵗ), v̂ = v/(1−β₂ᵗ)
 *             (Loshchilov, Hutter 2019)
 *   Adam      the same without ηλw, but with g + λw in g's place (Kingma, Ba 2015)
 *   Nesterov  m ← μm + g, w ← w − ηλw − η (g + μm)
 *   momentum  m ← μm + g, w ← w − ηλw − ηm
 *   RMSprop   v ← αv + (1−α)g², m ← μm + g/(√v + ε), w ← w − ηλw − ηm, α = 0.99 (Tieleman, Hinton 2012)
 */
#ifndef ATTUNE_TRAIN_OPTIM_H
#define ATTUNE_TRAIN_OPTIM_H

#include <stddef.h>

#include "base/err.h"

enum optim_kind
{
  OPTIM_ADAMW,
  OPTIM_ADAM,
  OPTIM_NESTEROV,
  OPTIM_MOMENTUM,
  OPTIM_RMSPROP
};

struct optim
{
  enum optim_kind kind;
  size_t count;
  float *m, *v; /* (count); v NULL for the kinds without second moments */
  size_t steps;
};

/* Some of the weights, and what is special about them. */
struct optim_range
{
  size_t first, count;
  float rate;  /* factor on the rate */
  float decay; /* factor on the decay; 0 = these do not decay */
};

/* One step's numbers. */
struct optim_step
{
  double rate, momentum, decay;
  double beta2;   /* of Adam; 0 = 0.99. β₁ is 0.9 */
  double epsilon; /* of Adam and RMSprop; 0 = 1e-8 */
  double clip;    /* gradients of all ranges together are scaled down to this norm; 0 = never */
};

/* ERR_MEMORY. */
enum err optim_init(struct optim *optim, enum optim_kind kind, size_t count);
void optim_clear(struct optim *optim);

/* Moves the weights of the ranges by their gradients; returns the gradients' norm if step->clip asks for
 * it, else 0. Weights outside of the ranges stay (frozen layers). */
double optim_move(struct optim *optim, const struct optim_step *step,
                  const struct optim_range *ranges, size_t range_count, float *w, const float *g);

/* An exponential moving average of a network's weights: s ← d·s + (1−d)·w after each step, with d rising
 * as (1 + t)/(10 + t) up to `decay`, so that a short run's average is not its start. One thread. */
struct ema
{
  float *shadow; /* (count): the weights to predict with */
  size_t count;
  double decay;
  size_t steps;
};

/* The average starts at w. ERR_MEMORY. */
enum err ema_init(struct ema *ema, double decay, const float *w, size_t count);
void ema_clear(struct ema *ema);
void ema_update(struct ema *ema, const float *w);

#endif
