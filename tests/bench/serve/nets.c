/* Networks on one row: perceptrons and a convolutional network on a 28x28 image, weights at random, one thread.
 *
 *   make tests/bench/serve/nets && tests/bench/serve/nets
 *
 * Microseconds a row alone and among 256; for perceptrons, how many of 256 rows' answers differ in any bit
 * between the two. One JSON object a line on stdout. */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/proc.h"
#include "base/rng.h"
#include "model/convnet.h"
#include "model/kernel.h"
#include "model/net.h"

#define ROWS ((size_t) 256)
#define TRIES 9

static double
now(void)
{
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double) time.tv_sec + 1e-9 * (double) time.tv_nsec;
}

_Noreturn static void
die(const char *what)
{
  fprintf(stderr, "%s\n", what);
  exit(1);
}

static float *
draw(size_t count)
{
  float *x = malloc(count * sizeof *x);
  struct rng rng;

  if (!x)
    die("out of memory");
  rng_init(&rng, 1, 1);
  for (size_t i = 0; i < count; i++)
    x[i] = (float) rng_normal(&rng);
  return x;
}

static size_t
rows_that_differ(const struct net *net, struct net_work *alone, struct net_work *among,
                 const float *x)
{
  size_t outputs = net->config.outputs, differ = 0;
  const float *all = net_forward(net, among, x, ROWS);

  for (size_t i = 0; i < ROWS; i++)
  {
    const float *one = net_forward(net, alone, x + i * net->config.inputs, 1);
    differ += memcmp(one, all + i * outputs, outputs * sizeof *one) != 0;
  }
  return differ;
}

static void
time_perceptron(size_t inputs, size_t layers, size_t units, size_t outputs)
{
  struct net_config config = {
    .inputs = inputs, .outputs = outputs, .layers = layers, .units = units};
  struct net *net;
  struct net_work alone, among;
  struct err_info info;
  double best = INFINITY, best_among = INFINITY;
  float *x = draw(ROWS * inputs);

  if (net_new(&config, false, &net, &info) != ERR_OK
      || net_work_init(&alone, net, 1, false) != ERR_OK
      || net_work_init(&among, net, ROWS, false) != ERR_OK)
    die("out of memory");
  net_init_weights(net, 1);
  for (int try = 0; try < TRIES; try++)
  {
    double start = now();
    for (size_t i = 0; i < 10 * ROWS; i++)
      net_forward(net, &alone, x + i % ROWS * inputs, 1);
    double middle = now();
    for (size_t i = 0; i < 10; i++)
      net_forward(net, &among, x, ROWS);
    best = fmin(best, (middle - start) / (10.0 * (double) ROWS));
    best_among = fmin(best_among, (now() - middle) / (10.0 * (double) ROWS));
  }
  printf("{\"net\": \"%zu-%zux%zu-%zu\", \"us\": %.3f, \"us_among_256\": %.3f, \"differ\": %zu}\n",
         inputs, layers, units, outputs, 1e6 * best, 1e6 * best_among,
         rows_that_differ(net, &alone, &among, x));
  net_work_clear(&alone);
  net_work_clear(&among);
  net_free(net);
  free(x);
}

/* A convolutional network in inference form, with what its stages cost in multiplications beside. */
static void
time_convnet(size_t stages, size_t blocks, size_t filters, bool pool_first)
{
  struct convnet_config config = {.height = 28,
                                  .width = 28,
                                  .channels = 1,
                                  .outputs = 10,
                                  .stages = stages,
                                  .blocks = blocks,
                                  .filters = filters,
                                  .kernel = 3,
                                  .stride = 1,
                                  .pool_first = pool_first,
                                  .normalised = true};
  struct convnet *net;
  struct convnet_infer *infer;
  struct err_info info;
  float out[10], *x = draw(28 * 28);
  double best = INFINITY;

  if (convnet_new(&config, false, &net, &info) != ERR_OK)
    die(info.text);
  convnet_init_weights(net, 1);
  if (convnet_infer_new(net, &infer, &info) != ERR_OK)
    die(info.text);
  float *scratch = aligned_alloc(64, (convnet_infer_floats(infer) + 16) / 16 * 64);
  if (!scratch)
    die("out of memory");
  for (int try = 0; try < TRIES; try++)
  {
    double start = now();
    for (size_t i = 0; i < 100; i++)
      if (!convnet_infer_run(infer, scratch, x, 1, out))
        die("a convolution failed");
    best = fmin(best, (now() - start) / 100.0);
  }
  printf("{\"convnet\": \"28x28, %zu stages, %zu blocks, %zu filters%s\", \"us\": %.1f, "
         "\"mflop\": %.1f, \"gflop_a_second\": %.1f}\n",
         stages, blocks, filters, pool_first ? ", pooled first" : "", 1e6 * best,
         convnet_flops(&config) / 1e6, convnet_flops(&config) / best / 1e9);
  free(scratch);
  convnet_infer_free(infer);
  convnet_free(net);
  free(x);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  printf("{\"kernel\": \"%s\"}\n", kernel_name());
  time_perceptron(30, 2, 64, 2);
  time_perceptron(784, 1, 256, 10);
  time_perceptron(784, 2, 128, 10);
  time_perceptron(784, 2, 256, 10);
  time_perceptron(12, 3, 256, 1);
  time_convnet(3, 0, 8, true);
  time_convnet(3, 0, 8, false);
  time_convnet(2, 0, 16, false);
  time_convnet(3, 0, 32, true);
  time_convnet(3, 1, 32, false);
  return 0;
}
