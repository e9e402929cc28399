/* Every layer, activation and loss: the gradient against finite differences. */
#include <config.h>

#include "base/rng.h"
#include "model/kernel.h"
#include "model/kernel_blas.h"
#include "model/net.h"
#include "tests/harness/test_support.h"
#include "train/loss.h"

#define ROWS 7
#define STEP 41

struct setting
{
  size_t layers, outputs;
  enum net_activation activation;
  float dropout, smoothing;
  bool weighted;
  int loss; /* of one output: square, absolute, Huber, pinball */
};

struct problem
{
  struct net *net;
  struct net_work work;
  struct setting setting;
  float x[ROWS * 5], target[ROWS], weight[ROWS];
  int32_t classes[ROWS];
};

static double
loss_of(struct problem *problem)
{
  const float *y = net_forward_training(problem->net, &problem->work, problem->x, ROWS, 9, STEP);
  const struct setting *setting = &problem->setting;

  const float *weight = setting->weighted ? problem->weight : NULL;

  if (setting->outputs == 1 && setting->loss == 1)
    return loss_absolute(ROWS, y, problem->target, weight, 0.8, problem->work.d[0]);
  if (setting->outputs == 1 && setting->loss == 2)
    return loss_huber(ROWS, y, problem->target, weight, 0.8, problem->work.d[0]);
  if (setting->outputs == 1 && setting->loss == 3)
    return loss_pinball(ROWS, y, problem->target, weight, 0.7, 0.8, problem->work.d[0]);
  if (setting->outputs == 1)
    return loss_square(ROWS, y, problem->target, weight, problem->work.d[0]);
  return loss_softmax(ROWS, setting->outputs, y, problem->classes, weight, setting->smoothing,
                      problem->work.d[0]);
}

/* Largest |finite difference − gradient| over all weights, relative to the largest gradient. The
 * backward pass is told `believed_dropout`. */
static double
worst_difference(struct problem *problem, float believed_dropout)
{
  struct net *net = problem->net;
  double worst = 0.0, largest = 0.0;

  loss_of(problem);
  net->config.dropout = believed_dropout;
  assert_true(net_backward(net, &problem->work, problem->x, ROWS));
  net->config.dropout = problem->setting.dropout;
  float *gradient = malloc(net->param_count * sizeof *gradient);
  memcpy(gradient, net->g, net->param_count * sizeof *gradient);
  for (size_t i = 0; i < net->param_count; i++)
  {
    const float h = 4e-3f;
    float kept = net->w[i];
    net->w[i] = kept + h;
    double up = loss_of(problem);
    net->w[i] = kept - h;
    double down = loss_of(problem);
    net->w[i] = kept;
    double difference = (up - down) / (2.0 * (double) h);
    worst = fmax(worst, fabs(difference - (double) gradient[i]));
    largest = fmax(largest, fabs((double) gradient[i]));
  }
  free(gradient);
  assert_true(largest > 1e-3);
  return worst / largest;
}

static void
check_setting(const struct setting *setting)
{
  struct net_config config = {.inputs = 5,
                              .outputs = setting->outputs,
                              .layers = setting->layers,
                              .units = 11,
                              .activation = setting->activation,
                              .dropout = setting->dropout};
  struct problem problem = {.setting = *setting};
  struct rng rng;

  assert_int_equal(net_new(&config, true, &problem.net, NULL), ERR_OK);
  assert_int_equal(net_work_init(&problem.work, problem.net, ROWS, true), ERR_OK);
  net_init_weights(problem.net, 3);
  rng_init(&rng, 4, 4);
  for (size_t i = 0; i < problem.net->param_count; i++)
    problem.net->w[i] += 0.2f * (float) rng_normal(&rng);
  for (size_t i = 0; i < ROWS * 5; i++)
    problem.x[i] = (float) rng_normal(&rng);
  for (size_t i = 0; i < ROWS; i++)
  {
    problem.target[i] = (float) rng_normal(&rng);
    problem.weight[i] = 0.5f + rng_float(&rng);
    problem.classes[i] = (int32_t) rng_below(&rng, setting->outputs);
  }
  double worst = worst_difference(&problem, setting->dropout);
  /* relu has corners, where a difference may straddle two slopes */
  double tolerance = setting->activation == NET_RELU && setting->layers ? 3e-2 : 4e-3;
  if (worst > tolerance)
    fail_msg("%zu layers, %s, dropout %g: off by %g", setting->layers,
             net_activation_names[setting->activation], (double) setting->dropout, worst);
  net_work_clear(&problem.work);
  net_free(problem.net);
}

static void
test_gradients(void **state)
{
  (void) state;
  for (int activation = 0; activation < NET_ACTIVATION_COUNT; activation++)
    for (size_t layers = 0; layers <= 3; layers++)
      for (int variant = 0; variant < 4; variant++)
        check_setting(&(struct setting){.layers = layers,
                                        .outputs = variant == 0 ? 1 : 4,
                                        .activation = (enum net_activation) activation,
                                        .dropout = variant >= 2 ? 0.3f : 0.0f,
                                        .smoothing = variant == 3 ? 0.15f : 0.0f,
                                        .weighted = variant == 3});
}

static void
test_loss_gradients(void **state)
{
  (void) state;
  for (int loss = 0; loss < 4; loss++)
    for (int weighted = 0; weighted < 2; weighted++)
      check_setting(&(struct setting){
        .layers = 2, .outputs = 1, .activation = NET_SILU, .loss = loss, .weighted = weighted});
}

/* The check itself is checked: a backward pass that forgets the scale 1/(1−p) must be seen. */
static void
test_check_can_fail(void **state)
{
  (void) state;
  struct net_config config = {
    .inputs = 5, .outputs = 2, .layers = 1, .units = 11, .activation = NET_TANH, .dropout = 0.4f};
  struct problem problem = {
    .setting = {.layers = 1, .outputs = 2, .activation = NET_TANH, .dropout = 0.4f}};

  assert_int_equal(net_new(&config, true, &problem.net, NULL), ERR_OK);
  assert_int_equal(net_work_init(&problem.work, problem.net, ROWS, true), ERR_OK);
  net_init_weights(problem.net, 3);
  for (size_t i = 0; i < ROWS * 5; i++)
    problem.x[i] = (float) i * 0.1f - 1.5f;
  problem.classes[2] = 1;
  assert_true(worst_difference(&problem, 0.4f) < 4e-3);
  assert_true(worst_difference(&problem, 0.0f) > 4e-2);
  net_work_clear(&problem.work);
  net_free(problem.net);
}

static void
test_dropout_share(void **state)
{
  (void) state;
  enum
  {
    COUNT = 40000
  };
  float *a = malloc(COUNT * sizeof *a), *b = malloc(COUNT * sizeof *b);
  size_t dropped = 0;
  double sum = 0.0;

  for (size_t i = 0; i < COUNT; i++)
    a[i] = b[i] = 1.0f;
  net_dropout(7, 8, 0.3f, COUNT, a);
  net_dropout(7, 8, 0.3f, COUNT - 13,
              b); /* the mask of a unit does not depend on how many there are */
  assert_memory_equal(a, b, (COUNT - 13) * sizeof *a);
  for (size_t i = 0; i < COUNT; i++)
  {
    dropped += a[i] == 0.0f;
    sum += (double) a[i];
  }
  assert_near((double) dropped / COUNT, 0.3, 0.01);
  assert_near(sum / COUNT, 1.0, 0.02);
  net_dropout(7, 9, 0.3f, COUNT, b);
  assert_memory_not_equal(a, b, COUNT * sizeof *a);
  free(a);
  free(b);
}

/* The vector form gives the numbers of base/rng.h, also where the block number passes 2^32. */
static void
test_philox(void **state)
{
  (void) state;
  uint32_t words[4][NET_PHILOX_BLOCKS], one[4];
  const uint64_t seed = UINT64_C(0x123456789abcdef0), stream = UINT64_C(0xfedcba9876543210);
  const uint64_t first = UINT64_C(0xfffffff0);

  net_philox_run(seed, stream, first, words);
  for (size_t i = 0; i < NET_PHILOX_BLOCKS; i++)
  {
    rng_block(seed, stream, first + i, one);
    for (size_t w = 0; w < 4; w++)
      assert_int_equal(words[w][i], one[w]);
  }
}

/* oneDNN and OpenBLAS agree on odd and even shapes; a build without oneDNN compares OpenBLAS to itself
 * and to plain loops. */
static void
test_kernels_agree(void **state)
{
  (void) state;
  static const size_t shapes[][3] = {
    {1, 1, 1}, {1, 784, 256}, {7, 5, 3}, {64, 33, 17}, {128, 100, 10}};
  struct rng rng;

  rng_init(&rng, 1, 1);
  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
  {
    size_t n = shapes[s][0], k = shapes[s][1], m = shapes[s][2];
    float *x = malloc(n * k * 4), *w = malloc(k * m * 4), *y = malloc(n * m * 4),
          *z = malloc(n * m * 4), *dw = malloc(k * m * 4), *dw2 = malloc(k * m * 4),
          *dx = malloc(n * k * 4), *dx2 = malloc(n * k * 4);
    for (size_t i = 0; i < n * k; i++)
      x[i] = (float) rng_normal(&rng);
    for (size_t i = 0; i < k * m; i++)
      w[i] = (float) rng_normal(&rng);
    assert_true(kernel_dense_forward(n, k, m, x, w, y));
    kernel_blas_forward(n, k, m, x, w, z);
    for (size_t i = 0; i < n * m; i++)
    {
      double sum = 0.0;
      for (size_t j = 0; j < k; j++)
        sum += (double) x[i / m * k + j] * (double) w[j * m + i % m];
      assert_near((double) y[i], sum, 1e-4);
      assert_near((double) z[i], sum, 1e-4);
    }
    assert_true(kernel_dense_weights(n, k, m, x, y, dw));
    kernel_blas_weights(n, k, m, x, y, dw2);
    for (size_t i = 0; i < k * m; i++)
    {
      double sum = 0.0;
      for (size_t j = 0; j < n; j++)
        sum += (double) x[j * k + i / m] * (double) y[j * m + i % m];
      assert_near((double) dw[i], sum, 1e-4 * (1.0 + fabs(sum)));
      assert_near((double) dw2[i], sum, 1e-4 * (1.0 + fabs(sum)));
    }
    assert_true(kernel_dense_inputs(n, k, m, y, w, dx));
    kernel_blas_inputs(n, k, m, y, w, dx2);
    for (size_t i = 0; i < n * k; i++)
    {
      double sum = 0.0;
      for (size_t j = 0; j < m; j++)
        sum += (double) y[i / k * m + j] * (double) w[i % k * m + j];
      assert_near((double) dx[i], sum, 1e-3 * (1.0 + fabs(sum)));
      assert_near((double) dx2[i], sum, 1e-3 * (1.0 + fabs(sum)));
    }
    free(x), free(w), free(y), free(z), free(dw), free(dw2), free(dx), free(dx2);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_gradients),      cmocka_unit_test(test_loss_gradients),
    cmocka_unit_test(test_check_can_fail), cmocka_unit_test(test_dropout_share),
    cmocka_unit_test(test_philox),         cmocka_unit_test(test_kernels_agree),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
