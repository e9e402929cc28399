/* A convolutional network over one flat weight array and one flat gradient array.
 *
 * It is a row of units. Each convolves, takes the largest of each 2 × 2 square if it pools, normalises,
 * bends, and adds the output of the unit before the one before it if it ends a residual block:
 *   y = act (norm (pool (conv x))) [+ skip].
 * Stage s starts with a unit of filters · 2^s maps that pools (the first stage only if `pool_first`), then
 * come `blocks` residual blocks of two units (He et al. 2015). The head takes of each map its mean and its
 * largest value, or, with `head_units`, all of the last maps into a hidden dense layer, or, with `head_grid`, of
 * each stage's last maps the means over the cells of a grid (conv_grid.h); after dropout a dense layer gives the logits or the standardised value. Pooling comes before normalisation: that is four
 * times less to normalise, and as the normalisation only shifts and scales by a number above 0 the order
 * makes no other difference. Without `normalised` a unit has just its shift.
 *
 * In memory: weights (kernel, kernel, in, out) and shift (out) of unit 0, of unit 1, …, then the dense
 * layers' weights (in, out) and biases, all in `w`; `g` has the same order. Training normalises by the
 * batch; prediction by `statistics`, which convnet_measure_* take from rows, and which are folded into the
 * convolutions. Images are (height, width, channels), NHWC.
 *
 * A net is one thread's while it trains. A convnet_infer is immutable; any thread, each with scratch of its own.
 */
#ifndef ATTUNE_MODEL_CONVNET_H
#define ATTUNE_MODEL_CONVNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "model/conv_ops.h"
#include "model/kernel_conv.h"

#define CONVNET_STAGES_MAX 5
#define CONVNET_BLOCKS_MAX 4
#define CONVNET_UNITS_MAX (CONVNET_STAGES_MAX * (1 + 2 * CONVNET_BLOCKS_MAX))
#define CONVNET_SIDE_MAX 256
#define CONVNET_FILTERS_MAX 256

struct convnet_config
{
  size_t height, width, channels, outputs;
  size_t stages;  /* 1 … CONVNET_STAGES_MAX */
  size_t blocks;  /* residual ones in each stage, 0 … CONVNET_BLOCKS_MAX */
  size_t filters; /* maps of the first stage */
  size_t kernel;  /* side of the convolutions: 3 or 5 */
  size_t stride;  /* of the first one: 1 or 2 */
  size_t head_units;
  size_t head_grid; /* cells a side, 0 … CONV_GRID_MAX; not together with head_units */
  bool pool_first, normalised;
  enum conv_activation activation;
  float dropout; /* before the last dense layer, 0 ≤ p < 1 */
};

struct convnet_unit
{
  size_t in_height, in_width, in;
  size_t conv_height, conv_width; /* after the convolution */
  size_t height, width, out;      /* after pooling */
  size_t stride;
  bool pools, adds;
  size_t weights, shift; /* where they start in the flat array */
  size_t statistics;     /* where its means (out), then variances (out) start */
};

struct convnet_dense
{
  size_t in, out, weights, bias;
};

struct convnet
{
  struct convnet_config config;
  struct convnet_unit units[CONVNET_UNITS_MAX];
  size_t unit_count;
  size_t ends[CONVNET_STAGES_MAX]; /* the last unit of each stage */
  size_t
    taps[CONVNET_STAGES_MAX]; /* with head_grid: where its means start in an image's features */
  struct convnet_dense dense[2];
  size_t dense_count;
  size_t param_count, statistic_count;
  float *w;          /* (param_count) */
  float *g;          /* (param_count), NULL unless made for training */
  float *statistics; /* (statistic_count) */
};

/* A net with zero weights, means 0 and variances 1. ERR_INVALID when a size is out of bounds, ERR_MEMORY. */
enum err convnet_new(const struct convnet_config *config, bool training, struct convnet **net,
                     struct err_info *info);
void convnet_free(struct convnet *net);

/* ERR_INVALID if the config can't be built; else the number of weights and of statistics. */
enum err convnet_count(const struct convnet_config *config, size_t *params, size_t *statistics,
                       struct err_info *info);

/* Normal weights with variance 2 / (inputs of a sum), a tenth of half that in the last layer; shifts and biases 0. */
void convnet_init_weights(struct convnet *net, uint64_t seed);

/* net's units ← the weights, shifts and statistics of another net with the same units; only the first unit's
 * inputs may differ. From colour to grey its weights are summed over the channels, which is what a grey image
 * repeated in each channel gives; from grey to colour each channel takes its part, which is what the mean of the
 * channels gives. False, and nothing is changed, when the units differ otherwise. */
bool convnet_take_body(struct convnet *net, const struct convnet *from);

/* Where the dense layers' weights start. */
size_t convnet_body_count(const struct convnet *net);

/* Multiplications and additions of one image's forward pass, the dense layers included. */
double convnet_flops(const struct convnet_config *config);

/* The weights as ranges for an optimizer: range `index` of convnet_range_count; whether it takes weight decay. */
size_t convnet_range_count(const struct convnet *net);
bool convnet_range(const struct convnet *net, size_t index, size_t *first, size_t *count);

/* ---- training --------------------------------------------------------------------------------------- */

/* All a batch of `n` images needs; owns its memory. */
struct convnet_work;
enum err convnet_work_new(const struct convnet *net, size_t n, enum kernel_precision precision,
                          struct convnet_work **work, struct err_info *info);
void convnet_work_free(struct convnet_work *work);

/* (n, outputs) of x (n, height, width, channels) fp32, normalised by the batch, dropout by (seed, step); NULL
 * if a kernel fails. What convnet_backward needs is kept in work. */
const float *convnet_forward_training(const struct convnet *net, struct convnet_work *work,
                                      const float *x, uint64_t seed, uint64_t step);

/* Where ∂L/∂output (n, outputs) is to be put before convnet_backward. */
float *convnet_output_gradient(struct convnet_work *work);

/* net->g ← gradient, for x as given to convnet_forward_training. */
bool convnet_backward(struct convnet *net, struct convnet_work *work, const float *x);

/* The same for a body that is not trained: its units are normalised by net->statistics, as they are when they
 * predict, and only the dense layers have a gradient. */
const float *convnet_forward_frozen(const struct convnet *net, struct convnet_work *work,
                                    const float *x, uint64_t seed, uint64_t step);
bool convnet_backward_head(struct convnet *net, struct convnet_work *work);

/* The same without dropout: what the net predicts, but for rounding in the work's precision. */
const float *convnet_forward_kept(const struct convnet *net, struct convnet_work *work,
                                  const float *x);

/* net->statistics ← means and variances over all batches given between begin and end. */
void convnet_measure_begin(struct convnet *net, struct convnet_work *work);
bool convnet_measure(struct convnet *net, struct convnet_work *work, const float *x);
void convnet_measure_end(struct convnet *net, struct convnet_work *work);

/* ---- prediction ------------------------------------------------------------------------------------- */

struct convnet_infer;
/* Folds the net's weights and statistics (fp32); borrows nothing. */
enum err convnet_infer_new(const struct convnet *net, struct convnet_infer **infer,
                           struct err_info *info);
void convnet_infer_free(struct convnet_infer *infer);

/* Folds the weights anew into an infer that was made of a net of the same config. */
bool convnet_infer_take(struct convnet_infer *infer, const struct convnet *net);

/* Floats of scratch memory, aligned to 64 bytes. */
size_t convnet_infer_floats(const struct convnet_infer *infer);

/* features (n, dense[0].in) ← what the dense layers see of x; the net has no head_units. */
bool convnet_infer_features(const struct convnet_infer *infer, float *scratch, const float *x,
                            size_t n, float *features);

/* out (n, outputs) ← x (n, height, width, channels); image by image, so that the answer does not depend on what
 * else is asked. */
bool convnet_infer_run(const struct convnet_infer *infer, float *scratch, const float *x, size_t n,
                       float *out);

#endif
