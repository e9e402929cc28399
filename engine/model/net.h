/* A multi-layer perceptron over one flat weight array and one flat gradient array.
 *
 * Layer i maps a (n, in) to act (a·W + b), W stored (in, out) so that the forward pass is a plain
 * product. W of layer 0, b of layer 0, W of layer 1, … lie one after the other in `w`; `g` has the
 * same order, so that optimizers, saving and checks are plain loops. The last layer has no activation:
 * its outputs are logits or a standardised value.
 *
 * A net for tables can have more (after RealMLP: Holzmüller, Grinsztajn, Steinwart 2024), each part with its
 * weights in the same array:
 * - `embedded` of the inputs become four numbers each (net_embed.h), in front of the other inputs;
 * - `scaled`: the first layer's inputs are multiplied by a learned factor each. The product of factors and W is
 *   kept in `folded`, so this costs no pass over the rows; a net for prediction has just the product as its W;
 * - `parametric`: a = z + α (act (z) − z), with an α for each hidden unit.
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

struct net_bf16; /* net_bf16.h */

#define NET_LAYERS_MAX 9 /* with the output layer */

struct net_config
{
  size_t inputs, outputs;
  size_t layers; /* hidden ones, 0 … NET_LAYERS_MAX − 1 */
  size_t units;
  enum net_activation activation;
  float dropout; /* 0 ≤ p < 1 */
  size_t embedded;
  bool scaled, parametric;
};

struct net_layer
{
  size_t in, out;
  size_t weights, bias; /* where W and b start in the flat array */
  size_t alpha;         /* where α does, if parametric; of hidden layers */
};

struct net
{
  struct net_config config;
  struct net_layer layers[NET_LAYERS_MAX];
  size_t layer_count;
  size_t param_count;
  uint32_t *order; /* (inputs): the columns of x, the embedded ones first; NULL unless embedded */
  size_t width;    /* numbers that the first layer takes */
  size_t scale;    /* where the factors start in the flat array; the embedding's weights are at 0 */
  float *w;        /* (param_count) */
  float *g;        /* (param_count), NULL unless made for training */
  float *folded;   /* (width, out) of the first layer, if scaled */
};

/* A net with zero weights, and `order` 0, 1, …; the caller may set it. ERR_INVALID when a size is out of
 * bounds, ERR_MEMORY. */
enum err net_new(const struct net_config *config, bool training, struct net **net,
                 struct err_info *info);
void net_free(struct net *net);

/* Brings `folded` up to date; after each change of the weights, before a pass. */
void net_fold(struct net *net);

/* A net for prediction that answers as `net` would with the weights w (param_count). */
enum err net_export(const struct net *net, const float *w, struct net **exported,
                    struct err_info *info);

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
  float *front;             /* the first layer's inputs, (rows, width), if some are embedded */
  float *front_d;           /* gradients of the embedded part, (rows, NET_EMBED_OUT · embedded) */
  struct net_bf16 *bf16;    /* training only: which products are bf16 ones; NULL = none. Owned */
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

/* The same in training mode: `folded` is brought up to date, dropout of step `step` under `seed`, and what
 * net_backward needs is kept. */
const float *net_forward_training(struct net *net, struct net_work *work, const float *x, size_t n,
                                  uint64_t seed, uint64_t step);

/* net->g ← gradient, from x as given to net_forward_training and work->d[0] = ∂L/∂output (n, outputs). */
bool net_backward(struct net *net, struct net_work *work, const float *x, size_t n);

/* Data-dependent start of a net with factors or α (they start at 1): W normal, each unit's scaled so that its
 * sum before the bias has standard deviation 1 over the rows x (n, inputs); each bias minus a random convex
 * combination of five rows' sums. ERR_MEMORY; ERR_INTERNAL if the kernel fails. */
enum err net_init_from_data(struct net *net, uint64_t seed, float sigma, const float *x, size_t n,
                            struct err_info *info);

/* Fused bias + activation + dropout over z (n, out), and its reverse; in place
 * for prediction; `keep` = 1 − p. */
void net_act_forward(enum net_activation activation, size_t n, size_t out, const float *bias,
                     float *z, float *a);
void net_act_infer(enum net_activation activation, size_t n, size_t out, const float *bias,
                   float *y);
void net_act_backward(enum net_activation activation, size_t count, const float *z, const float *a,
                      float keep, float *d);
/* With α (out): a = z + α (act (z) − z); `alpha_d` (out) ← ∂L/∂α. */
void net_act_forward_parametric(enum net_activation activation, size_t n, size_t out,
                                const float *bias, const float *alpha, float *z, float *a);
void net_act_infer_parametric(enum net_activation activation, size_t n, size_t out,
                              const float *bias, const float *alpha, float *y);
void net_act_backward_parametric(enum net_activation activation, size_t n, size_t out,
                                 const float *z, const float *a, float keep, const float *alpha,
                                 float *d, float *alpha_d);
void net_dropout(uint64_t seed, uint64_t stream, float dropout, size_t count, float *a);
/* NET_PHILOX_BLOCKS blocks of rng_block from block `first` on, word w of block i at words[w][i]. */
#define NET_PHILOX_BLOCKS 64
void net_philox_run(uint64_t seed, uint64_t stream, uint64_t first,
                    uint32_t (*words)[NET_PHILOX_BLOCKS]);
void net_add_bias(size_t n, size_t out, const float *bias, float *y);
void net_sum_rows(size_t n, size_t out, const float *d, float *sum);

/* to (n, out) ← from, each row times its factor; and from the gradient g (n, out) of `to` those of `from`, in place,
 * and of the factors: scale_g (n). */
void net_scale_rows(size_t n, size_t out, const float *scale, const float *from, float *to);
void net_unscale_gradient(size_t n, size_t out, const float *scale, const float *from, float *g,
                          float *scale_g);

/* y (n, k) ← softmax of each row, in place. */
void net_softmax(size_t n, size_t k, float *y);

#endif
