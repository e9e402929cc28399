/* A multi-layer perceptron over one flat weight array and one flat gradient array.
 *
 * Layer i maps a (n, in) to act (a·W + b), W stored (in, out) so that the forward pass is a plain
 * product. W of layer 0, b of layer 0, W of layer 1, … lie one after the other in `w`; `g` has the
 * same order, so that optimizers, saving and checks are plain loops. The last layer has no activation:
 * its outputs are logits or a standardised value.
 *
 * Training: with dropout p a hidden unit is multiplied by 0 or 1/(1−p). The mask is Philox by (seed,
 * step, layer, unit), so it depends on nothing else and is not stored: the backward pass knows a
 * dropped unit by its output being exactly 0. Gradients, with δ = ∂L/∂z of a layer:
 * ∂L/∂W = aᵀδ, ∂L/∂b = Σ_rows δ, δ_before = (δ·Wᵀ) ⊙ act′(z) ⊙ mask; layer 0 needs no input gradient.
 *
 * A net is immutable in prediction (any thread, each with its own net_work); training is one thread's.
 */
#ifndef ATTUNE_MODEL_NET_H
#define ATTUNE_MODEL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum net_activation
{
  NET_RELU,
  NET_GELU, /* the tanh form: x·½(1 + tanh (√(2/π)(x + 0.044715x³))) */
  NET_MISH, /* x·tanh (log (1 + eˣ)) */
  NET_TANH,
  NET_SELU, /* λx above 0, λα(eˣ − 1) below */
  NET_SILU, /* x/(1 + e⁻ˣ) */
  NET_ACTIVATION_COUNT
};

/* NULL-terminated, in the order of the enum, which model files keep: new ones come last. */
extern const char *const net_activation_names[];

#define NET_LAYERS_MAX 9 /* with the output layer */

struct net_config
{
  size_t inputs, outputs;
  size_t layers; /* hidden ones, 0 … NET_LAYERS_MAX − 1 */
  size_t units;
  enum net_activation activation;
  float dropout; /* 0 ≤ p < 1 */
};

struct net_layer
{
  size_t in, out;
  size_t weights, bias; /* where W and b start in the flat array */
};

struct net
{
  struct net_config config;
  struct net_layer layers[NET_LAYERS_MAX];
  size_t layer_count;
  size_t param_count;
  float *w; /* (param_count) */
  float *g; /* (param_count), NULL unless made for training */
};

/* A net with zero weights. ERR_INVALID when a size is out of bounds, ERR_MEMORY. */
enum err net_new(const struct net_config *config, bool training, struct net **net,
                 struct err_info *info);
void net_free(struct net *net);

/* A net for prediction, if `config` has exactly `param_count` weights; else ERR_INVALID. */
enum err net_new_sized(const struct net_config *config, uint64_t param_count, struct net **net,
                       struct err_info *info);

/* Random weights: normal with variance 2/in (relu, gelu, mish, silu), 1/in (tanh, selu); the output layer starts
 * at a tenth of that; biases 0. */
void net_init_weights(struct net *net, uint64_t seed);

/* Scratch memory of one thread for up to `rows` rows at a time. */
struct net_work
{
  size_t rows;
  bool training;
  float *z[NET_LAYERS_MAX]; /* sums with bias, (rows, out); training only */
  float *a[NET_LAYERS_MAX]; /* outputs of hidden layers; the last one is the net's output */
  float *d[2];              /* gradients on their way back; d[0] starts with ∂L/∂output */
  float *memory;
};
/* ERR_MEMORY. Free with net_work_clear. */
enum err net_work_init(struct net_work *work, const struct net *net, size_t rows, bool training);
void net_work_clear(struct net_work *work);

/* The same over memory of the caller's, of net_work_floats floats: never cleared, no allocation. */
size_t net_work_floats(const struct net *net, size_t rows, bool training);
void net_work_place(struct net_work *work, const struct net *net, size_t rows, bool training,
                    float *memory);

/* Outputs (n, outputs) of x (n, inputs), n ≤ work->rows, in work; NULL if the kernel fails. */
const float *net_forward(const struct net *net, struct net_work *work, const float *x, size_t n);

/* The same in training mode: dropout of step `step` under `seed`, and what net_backward needs is kept. */
const float *net_forward_training(const struct net *net, struct net_work *work, const float *x,
                                  size_t n, uint64_t seed, uint64_t step);

/* net->g ← gradient, from x as given to net_forward_training and work->d[0] = ∂L/∂output (n, outputs). */
bool net_backward(struct net *net, struct net_work *work, const float *x, size_t n);

/* Fused bias + activation + dropout over z (n, out), and its reverse; in place
 * for prediction; `keep` = 1 − p. */
void net_act_forward(enum net_activation activation, size_t n, size_t out, const float *bias,
                     float *z, float *a);
void net_act_infer(enum net_activation activation, size_t n, size_t out, const float *bias,
                   float *y);
void net_act_backward(enum net_activation activation, size_t count, const float *z, const float *a,
                      float keep, float *d);
void net_dropout(uint64_t seed, uint64_t stream, float dropout, size_t count, float *a);
/* NET_PHILOX_BLOCKS blocks of rng_block from block `first` on, word w of block i at words[w][i]. */
#define NET_PHILOX_BLOCKS 64
void net_philox_run(uint64_t seed, uint64_t stream, uint64_t first,
                    uint32_t (*words)[NET_PHILOX_BLOCKS]);
void net_add_bias(size_t n, size_t out, const float *bias, float *y);
void net_sum_rows(size_t n, size_t out, const float *d, float *sum);

/* y (n, k) ← softmax of each row, in place. */
void net_softmax(size_t n, size_t k, float *y);

#endif
