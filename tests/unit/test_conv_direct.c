/* Convolutions line by line against plain loops, for every way in which filters and pixels fill vectors; and a
 * network's pass made of them against one whose pass the library makes. */
#include <config.h>

#include "base/proc.h"
#include "base/rng.h"
#include "model/conv_direct.h"
#include "model/convnet.h"
#include "tests/harness/test_support.h"

/* Width, channels, filters, kernel, stride. */
static const size_t shapes[][5] = {
  {28, 1, 8, 3, 1},  {28, 1, 4, 3, 1},  {28, 3, 2, 3, 1},  {14, 8, 16, 3, 1}, {7, 16, 32, 3, 1},
  {9, 3, 8, 3, 1},   {30, 3, 8, 5, 1},  {31, 2, 24, 3, 2}, {32, 3, 8, 3, 2},  {33, 1, 20, 5, 2},
  {16, 5, 40, 3, 1}, {15, 4, 48, 3, 1}, {4, 7, 1, 3, 1},   {1, 2, 3, 3, 1},   {43, 2, 33, 3, 1},
  {3, 1, 64, 5, 1},  {29, 2, 12, 3, 1}, {12, 1, 8, 5, 2},  {26, 9, 17, 3, 1}, {96, 3, 16, 3, 2}};

static float *
draw(struct rng *rng, size_t count)
{
  float *x = aligned_alloc(64, (4 * count + 63) / 64 * 64);

  assert_non_null(x);
  for (size_t i = 0; i < count; i++)
    x[i] = (float) rng_normal(rng);
  return x;
}

static double
right(const size_t *shape, const float *x, const float *w, size_t pixel, size_t filter)
{
  size_t in = shape[1], out = shape[2], kernel = shape[3];
  size_t line = (shape[0] + kernel - 1) * in;
  double sum = 0.0;

  for (size_t a = 0; a < kernel; a++)
    for (size_t b = 0; b < kernel; b++)
      for (size_t c = 0; c < in; c++)
        sum += (double) x[a * line + (pixel * shape[4] + b) * in + c]
               * (double) w[((a * kernel + b) * in + c) * out + filter];
  return sum;
}

/* Runs `check` for every form that this machine has; false if it has none. */
static bool
for_all_forms(void (*check)(const struct conv_direct_form *form))
{
  const struct conv_direct_form *best = conv_direct_here();

#ifdef __x86_64__
  if (best != NULL && best != &conv_direct_avx2)
    check(&conv_direct_avx2);
#endif
  if (best != NULL)
    check(best);
  return best != NULL;
}

static void
check_line(const struct conv_direct_form *form, const size_t *shape, struct rng *rng)
{
  size_t in = shape[1], out = shape[2], kernel = shape[3];
  struct conv_direct conv = conv_direct_plan(form, shape[0], in, out, kernel, shape[4]);
  size_t inputs = kernel * (shape[0] + kernel - 1) * in;
  float *x = malloc(inputs * sizeof *x); /* exactly so long, for the address sanitizer */
  float *w = draw(rng, kernel * kernel * in * out);
  float *packed = draw(rng, conv_direct_packed_floats(&conv));
  float *y = malloc(conv.width * out * sizeof *y);

  assert_true(x && y);
  for (size_t i = 0; i < inputs; i++)
    x[i] = (float) rng_normal(rng);
  assert_int_equal(conv.width, (shape[0] - 1) / shape[4] + 1);
  conv_direct_pack(&conv, w, packed);
  conv_direct_line(&conv, x, packed, y);
  for (size_t p = 0; p < conv.width; p++)
    for (size_t f = 0; f < out; f++)
      assert_near(y[p * out + f], right(shape, x, w, p, f), 1e-4);
  free(y);
  free(packed);
  free(w);
  free(x);
}

static void
check_lines(const struct conv_direct_form *form)
{
  struct rng rng;

  rng_init(&rng, 3, 1);
  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
    check_line(form, shapes[s], &rng);
}

static void
test_lines(void **state)
{
  (void) state;
  if (!for_all_forms(check_lines))
    skip();
}

static void
check_pool(const struct conv_direct_form *form, size_t width, size_t out, struct rng *rng)
{
  struct conv_direct conv = conv_direct_plan(form, width, 1, out, 3, 1);
  float *above = malloc(width * out * sizeof *above), *below = malloc(width * out * sizeof *below);
  float *bias = draw(rng, out), *y = malloc(width / 2 * out * sizeof *y);

  assert_true(above && below && y);
  for (size_t i = 0; i < width * out; i++)
  {
    above[i] = (float) rng_normal(rng);
    below[i] = (float) rng_normal(rng);
  }
  conv_direct_pool(&conv, above, below, bias, y);
  for (size_t p = 0; p < width / 2; p++)
    for (size_t f = 0; f < out; f++)
    {
      size_t left = 2 * p * out + f, next = left + out;
      float most = fmaxf(fmaxf(above[left], above[next]), fmaxf(below[left], below[next]));
      assert_true(y[p * out + f] == fmaxf(most + bias[f], 0.0f));
    }
  free(y);
  free(bias);
  free(below);
  free(above);
}

static void
check_pools(const struct conv_direct_form *form)
{
  struct rng rng;

  rng_init(&rng, 4, 1);
  for (size_t width = 4; width < 11; width++)
    for (size_t out = 1; out < 41; out += out < 9 ? 1 : 8)
      check_pool(form, width, out, &rng);
}

static void
test_pools(void **state)
{
  (void) state;
  if (!for_all_forms(check_pools))
    skip();
}

/* What the units of a body normalised by its statistics give while they are trained is what prediction gives. */
static void
check_net(const struct convnet_config *config, struct rng *rng)
{
  size_t pixels = config->height * config->width * config->channels;
  struct convnet_infer *infer;
  struct convnet_work *work;
  struct convnet *net;
  struct err_info info;

  assert_int_equal(convnet_new(config, true, &net, &info), ERR_OK);
  convnet_init_weights(net, 7);
  for (size_t i = 0; i < net->statistic_count; i++)
    net->statistics[i] = 0.5f + 0.25f * (float) rng_double(rng);
  for (size_t i = 0; i < net->unit_count; i++)
    for (size_t c = 0; c < net->units[i].out; c++)
      net->w[net->units[i].shift + c] = (float) rng_normal(rng);
  assert_int_equal(convnet_infer_new(net, &infer, &info), ERR_OK);
  assert_int_equal(convnet_work_new(net, 2, KERNEL_FP32, &work, &info), ERR_OK);
  float *x = draw(rng, 2 * pixels), *scratch = draw(rng, convnet_infer_floats(infer));
  float *out = malloc(2 * config->outputs * sizeof *out);
  assert_non_null(out);
  assert_true(convnet_infer_run(infer, scratch, x, 2, out));
  const float *trained = convnet_forward_frozen(net, work, x, 1, 1);
  assert_non_null(trained);
  for (size_t i = 0; i < 2 * config->outputs; i++)
    assert_near(out[i], trained[i], 2e-4 * (1.0 + fabs((double) trained[i])));
  free(out);
  free(scratch);
  free(x);
  convnet_work_free(work);
  convnet_infer_free(infer);
  convnet_free(net);
}

static void
test_nets(void **state)
{
  static const struct convnet_config configs[] = {
    {.height = 28, .width = 28, .channels = 1, .stages = 3, .filters = 8, .pool_first = true},
    {.height = 13, .width = 18, .channels = 3, .stages = 2, .blocks = 1, .filters = 8},
    {.height = 9, .width = 7, .channels = 3, .stages = 1, .blocks = 2, .filters = 12},
    {.height = 21,
     .width = 30,
     .channels = 1,
     .stages = 2,
     .blocks = 1,
     .filters = 16,
     .stride = 2},
    {.height = 4, .width = 5, .channels = 1, .stages = 3, .filters = 8, .head_units = 6},
    {.height = 16, .width = 16, .channels = 3, .stages = 2, .filters = 16, .head_grid = 2}};
  struct rng rng;

  (void) state;
  rng_init(&rng, 5, 1);
  for (size_t i = 0; i < sizeof configs / sizeof configs[0]; i++)
    for (int kernel = 3; kernel <= 5; kernel += 2)
      for (unsigned act = 0; act < CONV_ACTIVATION_COUNT; act++)
      {
        struct convnet_config config = configs[i];
        config.kernel = (size_t) kernel;
        config.stride = config.stride ? config.stride : 1;
        config.outputs = 4;
        config.normalised = true;
        config.activation = (enum conv_activation) act;
        check_net(&config, &rng);
      }
}

int
main(int argc, char **argv)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_lines), cmocka_unit_test(test_pools),
                                     cmocka_unit_test(test_nets)};

  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  return cmocka_run_group_tests(tests, NULL, NULL);
}
