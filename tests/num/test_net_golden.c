/* The network, the losses, the optimizers and the linear solvers against numpy (gen_net.py). */
#include <config.h>

#include "model/model_linear.h"
#include "model/net.h"
#include "tests/harness/test_support.h"
#include "tests/num/net_numbers.h"
#include "train/fit.h"
#include "train/fit_ridge.h"
#include "train/loss.h"
#include "train/optim.h"

#define ROWS 6
#define INPUTS 4

static float
wave(size_t index, double step, double shift, double size)
{
  return (float) (sin((double) index * step + shift) * size);
}

struct golden
{
  enum net_activation activation;
  bool square;
  const double *loss, *gradient, *output;
};

#define GOLDEN(ACT, name)                                                                          \
  {ACT, false, golden_loss_softmax_##name, golden_gradient_softmax_##name,                         \
   golden_output_softmax_##name},                                                                  \
  {                                                                                                \
    ACT, true, golden_loss_square_##name, golden_gradient_square_##name,                           \
      golden_output_square_##name                                                                  \
  }

static const struct golden goldens[] = {GOLDEN(NET_RELU, relu), GOLDEN(NET_GELU, gelu),
                                        GOLDEN(NET_MISH, mish), GOLDEN(NET_TANH, tanh),
                                        GOLDEN(NET_SELU, selu), GOLDEN(NET_SILU, silu)};

static void
check_golden(const struct golden *golden)
{
  static const int32_t classes[ROWS] = {0, 1, 2, 2, 1, 0};
  static const float weight[ROWS] = {1.0f, 0.5f, 2.0f, 1.0f, 0.75f, 0.75f};
  struct net_config config = {.inputs = INPUTS,
                              .outputs = golden->square ? 1 : 3,
                              .layers = 2,
                              .units = 5,
                              .activation = golden->activation};
  struct net *net;
  struct net_work work;
  float x[ROWS * INPUTS], target[ROWS];

  assert_int_equal(net_new(&config, true, &net, NULL), ERR_OK);
  assert_int_equal(net_work_init(&work, net, ROWS, true), ERR_OK);
  for (size_t i = 0; i < net->param_count; i++)
    net->w[i] = wave(i, 0.7, 0.3, 0.6);
  for (size_t i = 0; i < ROWS * INPUTS; i++)
    x[i] = wave(i, 1.3, 0.1, 1.5);
  for (size_t i = 0; i < ROWS; i++)
    target[i] = wave(i, 0.9, 0.2, 1.0);

  const float *y = net_forward_training(net, &work, x, ROWS, 1, 0);
  double loss = golden->square ? loss_square(ROWS, y, target, NULL, work.d[0])
                               : loss_softmax(ROWS, 3, y, classes, weight, 0.1f, work.d[0]);
  assert_true(net_backward(net, &work, x, ROWS));
  assert_near(loss, golden->loss[0], 1e-6);
  for (size_t i = 0; i < ROWS * config.outputs; i++)
    assert_near((double) y[i], golden->output[i], 3e-6);
  for (size_t i = 0; i < net->param_count; i++)
    assert_near((double) net->g[i], golden->gradient[i], 2e-6);
  /* the path that serves gives the same outputs */
  y = net_forward(net, &work, x, ROWS);
  for (size_t i = 0; i < ROWS * config.outputs; i++)
    assert_near((double) y[i], golden->output[i], 3e-6);
  net_work_clear(&work);
  net_free(net);
}

static void
test_nets(void **state)
{
  (void) state;
  for (size_t i = 0; i < sizeof goldens / sizeof goldens[0]; i++)
    check_golden(&goldens[i]);
}

static void
test_value_losses(void **state)
{
  (void) state;
  static const float weight[ROWS] = {1.0f, 0.5f, 2.0f, 1.0f, 0.75f, 0.75f};
  static const double *const losses[] = {golden_value_loss_absolute, golden_value_loss_huber,
                                         golden_value_loss_pinball};
  static const double *const slopes[] = {golden_value_slope_absolute, golden_value_slope_huber,
                                         golden_value_slope_pinball};
  float y[ROWS], target[ROWS], d[ROWS];

  for (size_t i = 0; i < ROWS; i++)
  {
    y[i] = wave(i, 1.7, 0.4, 1.2);
    target[i] = wave(i, 0.9, 0.2, 1.0);
  }
  for (size_t kind = 0; kind < 3; kind++)
  {
    double loss = kind == 0   ? loss_absolute(ROWS, y, target, weight, 0.4, d)
                  : kind == 1 ? loss_huber(ROWS, y, target, weight, 0.4, d)
                              : loss_pinball(ROWS, y, target, weight, 0.8, 0.4, d);
    assert_near(loss, losses[kind][0], 1e-6);
    for (size_t i = 0; i < ROWS; i++)
      assert_near((double) d[i], slopes[kind][i], 1e-6);
  }
}

/* Blocks of rows, their remainder, and more classes than a block takes, against plain double arithmetic. */
static void
test_softmax_blocks(void **state)
{
  (void) state;
  static const size_t shapes[][2] = {{1, 2}, {16, 3}, {19, 3}, {40, 64}, {21, 65}, {5, 300}};

  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
  {
    size_t n = shapes[s][0], k = shapes[s][1];
    float *z = malloc(n * k * sizeof *z), *d = malloc(n * k * sizeof *d), weight[40];
    int32_t classes[40];
    double total = 0, smoothing = 0.2;
    for (size_t i = 0; i < n * k; i++)
      z[i] = wave(i, 1.9, 0.3, i % 7 == 3 ? 60.0 : 4.0);
    for (size_t i = 0; i < n; i++)
    {
      classes[i] = (int32_t) (i * 5 % k);
      weight[i] = 0.5f + (float) (i % 3);
    }
    double loss = loss_softmax(n, k, z, classes, weight, (float) smoothing, d);
    for (size_t i = 0; i < n; i++)
    {
      double top = -1e9, sum = 0;
      for (size_t j = 0; j < k; j++)
        top = fmax(top, (double) z[i * k + j]);
      for (size_t j = 0; j < k; j++)
        sum += exp((double) z[i * k + j] - top);
      for (size_t j = 0; j < k; j++)
      {
        double p = exp((double) z[i * k + j] - top) / sum;
        double t = smoothing / (double) k + ((size_t) classes[i] == j ? 1 - smoothing : 0.0);
        assert_near((double) d[i * k + j], (double) weight[i] * (p - t) / (double) n, 1e-6);
        total -= (double) weight[i] * t * ((double) z[i * k + j] - top - log(sum)) / (double) n;
      }
    }
    assert_near(loss, total, 1e-5 * (1 + fabs(total)));
    free(d);
    free(z);
  }
}

/* Two ranges, as in optimizers() of gen_net.py. */
static const struct optim_range ranges[] = {{.first = 0, .count = 3, .rate = 1.0f, .decay = 1.0f},
                                            {.first = 3, .count = 2, .rate = 0.1f}};

static void
check_optim(enum optim_kind kind, struct optim_step step, const double *golden,
            const double *average)
{
  struct optim optim;
  struct ema ema;
  float w[6], g[6];

  step.rate = 0.05;
  step.momentum = 0.9;
  step.decay = 0.02;
  assert_int_equal(optim_init(&optim, kind, 6), ERR_OK);
  for (size_t i = 0; i < 6; i++)
    w[i] = wave(i, 1.1, 0.4, 1.0);
  assert_int_equal(ema_init(&ema, 0.5, w, 6), ERR_OK);
  for (int t = 1; t <= 12; t++)
  {
    for (size_t i = 0; i < 5; i++)
      g[i] = wave(i, 0.6, t, 0.8);
    g[5] = NAN; /* outside of the ranges: not touched, not in the norm */
    double norm = optim_move(&optim, &step, ranges, 2, w, g);
    assert_true(step.clip > 0.0 ? norm > 0.5 : norm == 0.0);
    ema_update(&ema, w);
  }
  for (size_t i = 0; i < 5; i++)
    assert_near((double) w[i], golden[i], 2e-6 * (1.0 + fabs(golden[i])));
  assert_true(w[5] == wave(5, 1.1, 0.4, 1.0));
  for (size_t i = 0; average && i < 5; i++)
    assert_near((double) ema.shadow[i], average[i], 2e-6);
  ema_clear(&ema);
  optim_clear(&optim);
}

static void
test_optimizers(void **state)
{
  (void) state;
  struct optim_step usual = {0};

  check_optim(OPTIM_ADAMW, usual, golden_optim_adamw, NULL);
  check_optim(OPTIM_ADAM, usual, golden_optim_adam, NULL);
  check_optim(OPTIM_NESTEROV, usual, golden_optim_nesterov, golden_ema);
  check_optim(OPTIM_MOMENTUM, usual, golden_optim_momentum, NULL);
  check_optim(OPTIM_RMSPROP, usual, golden_optim_rmsprop, NULL);
  check_optim(OPTIM_ADAMW, (struct optim_step){.beta2 = 0.95, .epsilon = 1e-2}, golden_optim_beta2,
              NULL);
  check_optim(OPTIM_NESTEROV, (struct optim_step){.clip = 0.5}, golden_optim_clip, NULL);
}

#define LINEAR_ROWS 40

/* Data of linear_data() in gen_net.py. */
static void
linear_data(float x[LINEAR_ROWS * 3], float y[LINEAR_ROWS], int32_t classes[LINEAR_ROWS])
{
  static const double w[3] = {1.0, -2.0, 0.3};

  for (size_t i = 0; i < LINEAR_ROWS; i++)
  {
    double sum = 0.25 + 0.5 * sin((double) i * 5.1 + 0.7);
    for (size_t j = 0; j < 3; j++)
    {
      double value = sin((double) (3 * i + j) * 2.3 + 0.5) * 1.2;
      x[3 * i + j] = (float) value;
      sum += value * w[j];
    }
    y[i] = (float) sum;
    classes[i] = sum > 0.0;
  }
}

static void
test_ridge(void **state)
{
  (void) state;
  float x[LINEAR_ROWS * 3], y[LINEAR_ROWS];
  int32_t classes[LINEAR_ROWS];
  struct fit_rows rows = {.count = LINEAR_ROWS, .width = 3, .x = x, .target = y};
  double w[4] = {0};
  size_t iterations;

  linear_data(x, y, classes);
  assert_int_equal(fit_ridge(&rows, 0.05, 0.0, w, &iterations, NULL), ERR_OK);
  for (size_t i = 0; i < 4; i++)
    assert_near(w[i], golden_ridge[i], 1e-6);
  memset(w, 0, sizeof w);
  assert_int_equal(fit_ridge(&rows, 0.4, 0.75, w, &iterations, NULL), ERR_OK);
  for (size_t i = 0; i < 4; i++)
    assert_near(w[i], golden_lasso[i], 2e-5);
  assert_true(golden_lasso[2] == 0.0 && w[2] == 0.0);
}

static void
check_logistic(const char *text, bool softmax, const double *golden)
{
  float x[LINEAR_ROWS * 3], y[LINEAR_ROWS];
  int32_t classes[LINEAR_ROWS];
  json_t *params = json_loads(text, 0, NULL);
  struct train_request request = {.family = "linear", .params = params, .seed = 1};
  struct fit fit = {.request = &request,
                    .shape = {.kind = DATASET_TABLE,
                              .task = TASK_BINARY,
                              .rows = LINEAR_ROWS,
                              .columns = 3,
                              .classes = 2},
                    .outputs = softmax ? 3 : 2,
                    .train = {.count = LINEAR_ROWS, .width = 3, .x = x, .classes = classes}};
  struct fit_outcome outcome = {.body = NULL};

  linear_data(x, y, classes);
  assert_int_equal(fit_linear(&fit, &outcome, NULL), ERR_OK);
  struct linear *linear = outcome.body;
  if (!softmax)
  {
    for (size_t i = 0; i < 3; i++)
      assert_near((double) linear->weights[i], golden[i], 2e-3);
    assert_near((double) linear->bias[0], golden[3], 2e-3);
  }
  else
    /* a class that never occurs is pushed down: the other two act as a logistic model */
    assert_true(linear->bias[2] < linear->bias[0] && linear->bias[2] < linear->bias[1]);
  linear_free(linear);
  json_decref(params);
}

static void
test_logistic(void **state)
{
  (void) state;
  check_logistic("{\"penalty\": 0.02}", false, golden_logistic);
  check_logistic("{\"penalty\": 0.1, \"l1_ratio\": 0.8}", false, golden_logistic_l1);
  check_logistic("{\"penalty\": 0.02}", true, NULL);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_nets),           cmocka_unit_test(test_value_losses),
    cmocka_unit_test(test_softmax_blocks), cmocka_unit_test(test_optimizers),
    cmocka_unit_test(test_ridge),          cmocka_unit_test(test_logistic),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
