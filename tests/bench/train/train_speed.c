/* Training steps of one network in a loop, one thread, for speed.py.
 *
 *   train_speed CASE BATCH PRECISION        CASE: mlp, table, cnn, residual; PRECISION: fp32, auto
 *
 * It answers each line "SECONDS" on its standard input with one line of JSON after so long: samples, wall and
 * processor seconds, the last loss. A step is what a job's fit does: rows fetched in a new order (images scaled
 * from bytes), forward, loss, backward, optimizer. The cases are said in speed.py and built once more, for
 * the peer, in torch_speed.py. The data are made up: a pattern per class with noise.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/denormals.h"
#include "base/proc.h"
#include "base/rng.h"
#include "model/convnet.h"
#include "model/kernel.h"
#include "model/model_build.h"
#include "model/net.h"
#include "model/net_bf16.h"
#include "train/loss.h"
#include "train/optim.h"

#define SIDE 28
#define PIXELS (SIDE * SIDE)
#define NUMBERS 20
#define IMAGES 19200
#define ROWS 25600
#define RANGES_MAX (2 * (CONVNET_UNITS_MAX + 2))

struct speed
{
  bool images, convolves;
  size_t count, width, classes, batch;
  uint8_t *pixels; /* (count, width) of images */
  float *rows;     /* (count, width) of a table */
  int32_t *labels; /* (count) */
  struct model_pixels scaling;
  struct net *net;
  struct net_work work;
  struct convnet *convnet;
  struct convnet_work *conv_work;
  float *w, *g;
  struct optim optim;
  struct optim_step step;
  struct optim_range ranges[RANGES_MAX];
  size_t range_count, order_at, epoch, steps;
  size_t *order;
  float *x;
  int32_t *y;
};

static int
fail(const char *what, const struct err_info *info)
{
  fprintf(stderr, "train_speed: %s: %s\n", what, info ? info->text : "failed");
  return 1;
}

static float *
floats_new(size_t count)
{
  size_t bytes = (count * sizeof(float) / 64 + 1) * 64;
  float *made = aligned_alloc(64, bytes);

  if (made)
    memset(made, 0, bytes);
  return made;
}

/* ---- data ------------------------------------------------------------------------------------------- */

static uint8_t
pixel_of(double value)
{
  return (uint8_t) (value < 0.0 ? 0.0 : value > 255.0 ? 255.0 : value);
}

static bool
make_data(struct speed *speed)
{
  struct rng rng;
  float *pattern = floats_new(speed->classes * speed->width);

  speed->labels = calloc(speed->count, sizeof *speed->labels);
  speed->order = calloc(speed->count, sizeof *speed->order);
  speed->x = floats_new(speed->batch * speed->width);
  speed->y = calloc(speed->batch, sizeof *speed->y);
  if (speed->images)
    speed->pixels = malloc(speed->count * speed->width);
  else
    speed->rows = floats_new(speed->count * speed->width);
  if (!pattern || !speed->labels || !speed->order || !speed->x || !speed->y
      || !(speed->images ? (void *) speed->pixels : (void *) speed->rows))
    return false;
  rng_init(&rng, 1, 1);
  for (size_t i = 0; i < speed->classes * speed->width; i++)
    pattern[i] = (float) rng_normal(&rng);
  for (size_t i = 0; i < speed->count; i++)
  {
    speed->labels[i] = (int32_t) rng_below(&rng, speed->classes);
    const float *mine = pattern + (size_t) speed->labels[i] * speed->width;
    for (size_t j = 0; j < speed->width; j++)
    {
      double value = (double) mine[j] + 2.0 * rng_normal(&rng);
      if (speed->images)
        speed->pixels[i * speed->width + j] = pixel_of(96.0 + 48.0 * value);
      else
        speed->rows[i * speed->width + j] = (float) value;
    }
  }
  speed->scaling = (struct model_pixels){
    .height = SIDE, .width = SIDE, .channels = 1, .mean = 96.0f, .scale = 1.0f / 107.0f};
  for (size_t i = 0; i < speed->count; i++)
    speed->order[i] = i;
  speed->order_at = speed->count;
  free(pattern);
  return true;
}

/* ---- networks --------------------------------------------------------------------------------------- */

/* Gives hidden layer i units[i] outputs, at most as many as the net was made with. */
static void
shape_layers(struct net *net, const size_t *units)
{
  size_t at = 0, in = net->config.inputs;

  for (size_t i = 0; i < net->layer_count; i++)
  {
    struct net_layer *layer = &net->layers[i];
    layer->in = in;
    layer->out = i + 1 == net->layer_count ? net->config.outputs : units[i];
    layer->weights = at;
    layer->bias = at + layer->in * layer->out;
    at = layer->bias + layer->out;
    in = layer->out;
  }
  net->param_count = at;
}

static enum err
make_dense(struct speed *speed, const size_t *units, float dropout, enum kernel_precision precision,
           struct err_info *info)
{
  struct net_config config = {.inputs = speed->width,
                              .outputs = speed->classes,
                              .layers = 2,
                              .units = units[0],
                              .activation = NET_RELU,
                              .dropout = dropout};
  enum err rc = net_new(&config, true, &speed->net, info);

  if (rc != ERR_OK)
    return rc;
  shape_layers(speed->net, units);
  net_init_weights(speed->net, 1);
  for (size_t i = 0; i < speed->net->layer_count; i++)
  {
    const struct net_layer *layer = &speed->net->layers[i];
    speed->ranges[speed->range_count++] =
      (struct optim_range){layer->weights, layer->in * layer->out, 1.0f, 1.0f};
    speed->ranges[speed->range_count++] = (struct optim_range){layer->bias, layer->out, 1.0f, 0.0f};
  }
  speed->w = speed->net->w;
  speed->g = speed->net->g;
  rc = net_work_init(&speed->work, speed->net, speed->batch, true);
  if (rc == ERR_OK && precision == KERNEL_BF16)
    rc = net_bf16_new(speed->net, speed->batch, speed->images, &speed->work.bf16, info);
  return rc;
}

static enum err
make_conv(struct speed *speed, const struct convnet_config *config, enum kernel_precision precision,
          struct err_info *info)
{
  enum err rc = convnet_new(config, true, &speed->convnet, info);

  if (rc != ERR_OK)
    return rc;
  convnet_init_weights(speed->convnet, 1);
  for (size_t i = 0; i < convnet_range_count(speed->convnet); i++)
  {
    struct optim_range *range = &speed->ranges[speed->range_count++];
    bool weights = convnet_range(speed->convnet, i, &range->first, &range->count);
    range->rate = 1.0f;
    range->decay = weights ? 1.0f : 0.0f;
  }
  speed->w = speed->convnet->w;
  speed->g = speed->convnet->g;
  return convnet_work_new(speed->convnet, speed->batch, precision, &speed->conv_work, info);
}

static enum err
make_network(struct speed *speed, const char *name, bool wants_fp32, struct err_info *info)
{
  enum kernel_precision precision = !wants_fp32 && kernel_bf16_fast() ? KERNEL_BF16 : KERNEL_FP32;
  struct convnet_config conv = {.height = SIDE,
                                .width = SIDE,
                                .channels = 1,
                                .outputs = 10,
                                .filters = 32,
                                .kernel = 3,
                                .stride = 1,
                                .activation = CONV_RELU};

  if (strcmp(name, "mlp") == 0)
    return make_dense(speed, (const size_t[]){256, 128}, 0.2f, precision, info);
  if (strcmp(name, "table") == 0)
    return make_dense(speed, (const size_t[]){64, 64}, 0.0f, precision, info);
  if (strcmp(name, "cnn") == 0)
  {
    conv.stages = 2;
    conv.head_units = 128;
    conv.pool_first = true;
    conv.dropout = 0.2f;
  }
  else
  {
    conv.stages = 3;
    conv.blocks = 1;
    conv.normalised = true;
  }
  return make_conv(speed, &conv, precision, info);
}

static enum err
set_up(struct speed *speed, const char *name, const char *batch, const char *precision,
       struct err_info *info)
{
  bool table = strcmp(name, "table") == 0;
  enum err rc;

  speed->images = !table;
  speed->convolves = strcmp(name, "cnn") == 0 || strcmp(name, "residual") == 0;
  if (!table && !speed->convolves && strcmp(name, "mlp") != 0)
    return err_set(info, ERR_INVALID, "there is no case %s", name);
  speed->count = table ? ROWS : IMAGES;
  speed->width = table ? NUMBERS : PIXELS;
  speed->classes = table ? 2 : 10;
  speed->batch = strtoul(batch, NULL, 10);
  if (speed->batch == 0 || speed->batch > speed->count)
    return err_set(info, ERR_INVALID, "a batch of %s is out of range", batch);
  if (!make_data(speed))
    return err_set(info, ERR_MEMORY, "no memory for the data");
  rc = make_network(speed, name, strcmp(precision, "fp32") == 0, info);
  if (rc != ERR_OK)
    return rc;
  speed->step = table ? (struct optim_step){.rate = 1e-3, .beta2 = 0.999}
                      : (struct optim_step){.rate = 0.01, .momentum = 0.9};
  return optim_init(&speed->optim, table ? OPTIM_ADAM : OPTIM_MOMENTUM,
                    speed->net ? speed->net->param_count : speed->convnet->param_count);
}

/* ---- steps ------------------------------------------------------------------------------------------ */

static void
fetch(struct speed *speed)
{
  if (speed->order_at + speed->batch > speed->count)
  {
    struct rng rng;
    rng_init(&rng, 1, rng_mix(3, ++speed->epoch));
    rng_shuffle(&rng, speed->order, speed->count);
    speed->order_at = 0;
  }
  for (size_t i = 0; i < speed->batch; i++)
  {
    size_t row = speed->order[speed->order_at + i];
    float *x = speed->x + i * speed->width;
    if (speed->images)
      model_scale_pixels(&speed->scaling, speed->pixels + row * speed->width, x);
    else
      memcpy(x, speed->rows + row * speed->width, speed->width * sizeof *x);
    speed->y[i] = speed->labels[row];
  }
  speed->order_at += speed->batch;
}

static bool
take_step(struct speed *speed, double *loss)
{
  size_t n = speed->batch;

  fetch(speed);
  if (speed->convolves)
  {
    const float *out =
      convnet_forward_training(speed->convnet, speed->conv_work, speed->x, 1, speed->steps);
    if (!out)
      return false;
    *loss = loss_softmax(n, speed->classes, out, speed->y, NULL, 0.0f,
                         convnet_output_gradient(speed->conv_work));
    if (!convnet_backward(speed->convnet, speed->conv_work, speed->x))
      return false;
  }
  else
  {
    const float *out = net_forward_training(speed->net, &speed->work, speed->x, n, 1, speed->steps);
    if (!out)
      return false;
    *loss = loss_softmax(n, speed->classes, out, speed->y, NULL, 0.0f, speed->work.d[0]);
    if (!net_backward(speed->net, &speed->work, speed->x, n))
      return false;
  }
  optim_move(&speed->optim, &speed->step, speed->ranges, speed->range_count, speed->w, speed->g);
  speed->steps++;
  return isfinite(*loss);
}

static bool
run_for(struct speed *speed, double seconds)
{
  double wall = clock_monotonic_s(), cpu = clock_cpu_s(), loss = 0.0;
  size_t before = speed->steps;

  do
    if (!take_step(speed, &loss))
      return false;
  while (clock_monotonic_s() - wall < seconds);
  printf("{\"samples\": %zu, \"wall\": %.6f, \"cpu\": %.6f, \"loss\": %.5f}\n",
         (speed->steps - before) * speed->batch, clock_monotonic_s() - wall, clock_cpu_s() - cpu,
         loss);
  fflush(stdout);
  return true;
}

int
main(int argc, char **argv)
{
  struct err_info info = {.code = ERR_OK};
  struct speed speed = {.batch = 0};
  char line[64];

  proc_pin_blas_threads(argv, NULL);
  if (argc != 4)
  {
    fprintf(stderr, "usage: train_speed mlp|table|cnn|residual BATCH fp32|auto\n");
    return 2;
  }
  if (set_up(&speed, argv[1], argv[2], argv[3], &info) != ERR_OK)
    return fail("setting up", &info);
  (void) denormals_to_zero(); /* as a fit does in its steps */
  printf("{\"params\": %zu}\n", speed.net ? speed.net->param_count : speed.convnet->param_count);
  fflush(stdout);
  while (fgets(line, sizeof line, stdin))
    if (!run_for(&speed, strtod(line, NULL)))
      return fail("a step", NULL);
  return 0; /* the memory goes with the process */
}
