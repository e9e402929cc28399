/* The parts that networks for tables have beside their layers: gradients against finite differences, the
 * embedding against plain double arithmetic, the start from the data, a net exported for prediction. */
#include <config.h>

#include "base/rng.h"
#include "model/net.h"
#include "model/net_bf16.h"
#include "model/net_embed.h"
#include "tests/harness/test_support.h"
#include "train/loss.h"

#define ROWS 9
#define INPUTS 6
#define STEP 3

struct problem
{
  struct net *net;
  struct net_work work;
  float x[ROWS * INPUTS], target[ROWS];
  int32_t classes[ROWS];
};

static double
loss_of(struct problem *problem)
{
  struct net *net = problem->net;
  const float *y = net_forward_training(net, &problem->work, problem->x, ROWS, 9, STEP);
  if (net->config.outputs == 1)
    return loss_square(ROWS, y, problem->target, NULL, problem->work.d[0]);
  return loss_softmax(ROWS, net->config.outputs, y, problem->classes, NULL, 0.1f,
                      problem->work.d[0]);
}

static void
make_problem(struct problem *problem, const struct net_config *config)
{
  struct rng rng;

  assert_int_equal(net_new(config, true, &problem->net, NULL), ERR_OK);
  for (size_t i = 0; config->embedded && i < INPUTS; i++)
    problem->net->order[i] = (uint32_t) ((i + 2) % INPUTS);
  assert_int_equal(net_work_init(&problem->work, problem->net, ROWS, true), ERR_OK);
  rng_init(&rng, 4, 4);
  for (size_t i = 0; i < ROWS * INPUTS; i++)
    problem->x[i] = (float) rng_normal(&rng);
  for (size_t i = 0; i < ROWS; i++)
  {
    problem->target[i] = (float) rng_normal(&rng);
    problem->classes[i] = (int32_t) rng_below(&rng, config->outputs);
  }
  assert_int_equal(net_init_from_data(problem->net, 3, 0.3f, problem->x, ROWS, NULL), ERR_OK);
  /* away from where factors are 1, α is 1 and all sums have the same spread */
  for (size_t i = 0; i < problem->net->param_count; i++)
    problem->net->w[i] += 0.1f * (float) rng_normal(&rng);
}

static void
clear_problem(struct problem *problem)
{
  net_work_clear(&problem->work);
  net_free(problem->net);
}

/* Largest difference of weights first … first + count − 1, relative to their largest gradient. */
static double
worst_of(struct problem *problem, const float *gradient, size_t first, size_t count)
{
  struct net *net = problem->net;
  double worst = 0.0, largest = 0.0;

  for (size_t i = first; i < first + count; i++)
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
  assert_true(largest > 1e-4);
  return worst / largest;
}

static void
check_part(struct problem *problem, const float *gradient, size_t first, size_t count,
           const char *part)
{
  double worst = count ? worst_of(problem, gradient, first, count) : 0.0;
  enum net_activation activation = problem->net->config.activation;
  /* relu and selu have corners, where a difference may straddle two slopes */
  if (worst > (activation == NET_RELU ? 0.12 : activation == NET_SELU ? 4e-2 : 8e-3))
    fail_msg("%s, %s, %zu embedded: off by %g", part,
             net_activation_names[problem->net->config.activation], problem->net->config.embedded,
             worst);
}

static void
check_gradients(const struct net_config *config)
{
  struct problem problem;

  make_problem(&problem, config);
  struct net *net = problem.net;
  float *gradient = malloc(net->param_count * sizeof *gradient);
  loss_of(&problem);
  assert_true(net_backward(net, &problem.work, problem.x, ROWS));
  memcpy(gradient, net->g, net->param_count * sizeof *gradient);
  check_part(&problem, gradient, 0, net_embed_params(config->embedded), "embedding");
  check_part(&problem, gradient, net->scale, config->scaled ? net->width : 0, "factors");
  for (size_t i = 0; i < net->layer_count; i++)
  {
    const struct net_layer *layer = &net->layers[i];
    check_part(&problem, gradient, layer->weights, layer->in * layer->out, "weights");
    check_part(&problem, gradient, layer->bias, layer->out, "biases");
    if (config->parametric && i + 1 < net->layer_count)
      check_part(&problem, gradient, layer->alpha, layer->out, "alpha");
  }
  free(gradient);
  clear_problem(&problem);
}

static void
test_gradients(void **state)
{
  (void) state;
  for (int activation = 0; activation < NET_ACTIVATION_COUNT; activation++)
    for (size_t variant = 0; variant < 8; variant++)
      check_gradients(&(struct net_config){.inputs = INPUTS,
                                           .outputs = variant & 4 ? 1 : 3,
                                           .layers = variant & 1 ? 2 : 1,
                                           .units = 17,
                                           .activation = (enum net_activation) activation,
                                           .dropout = variant & 2 ? 0.3f : 0.0f,
                                           .embedded = variant == 0   ? 0
                                                       : variant == 7 ? INPUTS
                                                                      : 3,
                                           .scaled = variant != 6,
                                           .parametric = variant != 5});
}

/* A gradient that is wrong in one place is seen. */
static void
test_check_can_fail(void **state)
{
  (void) state;
  struct problem problem;
  make_problem(&problem, &(struct net_config){.inputs = INPUTS,
                                              .outputs = 3,
                                              .layers = 1,
                                              .units = 17,
                                              .activation = NET_MISH,
                                              .embedded = 2,
                                              .scaled = true,
                                              .parametric = true});
  loss_of(&problem);
  assert_true(net_backward(problem.net, &problem.work, problem.x, ROWS));
  float *gradient = malloc(problem.net->param_count * sizeof *gradient);
  memcpy(gradient, problem.net->g, problem.net->param_count * sizeof *gradient);
  size_t count = net_embed_params(2);
  assert_true(worst_of(&problem, gradient, 0, count) < 8e-3);
  gradient[5] += 0.1f;
  assert_true(worst_of(&problem, gradient, 0, count) > 3e-2);
  free(gradient);
  clear_problem(&problem);
}

static void
test_embedding(void **state)
{
  (void) state;
  enum
  {
    EMBEDDED = 2
  };
  static const float values[] = {-3.0f, -0.4f, 0.0f, 0.7f, 2.9f, 1e6f, -1e30f};
  const uint32_t order[] = {2, 0, 1};
  float *w = malloc(net_embed_params(EMBEDDED) * sizeof *w), x[3], y[EMBEDDED * NET_EMBED_OUT + 1];

  net_embed_init(EMBEDDED, 3.0f, 11, w);
  for (size_t v = 0; v < sizeof values / sizeof values[0]; v++)
  {
    x[2] = values[v];
    x[0] = -0.5f * values[v];
    x[1] = 42.0f;
    net_embed_forward(1, 3, EMBEDDED, order, w, x, y);
    for (size_t e = 0; e < EMBEDDED; e++)
      for (size_t j = 0; j < NET_EMBED_MIXED; j++)
      {
        double sum = (double) w[5 * 16 * EMBEDDED + 3 * e + j];
        for (size_t k = 0; k < 16; k++)
          sum += (double) w[2 * 16 * EMBEDDED + (3 * e + j) * 16 + k]
                 * cos(2 * M_PI * (double) w[16 * e + k] * (double) x[order[e]]
                       + (double) w[16 * EMBEDDED + 16 * e + k]);
        if (fabsf(values[v]) < 1e3f)
          assert_near((double) y[4 * e + j], sum, 1e-5);
        assert_true(isfinite(y[4 * e + j]));
      }
    assert_true(y[3] == x[2] && y[7] == x[0] && y[8] == 42.0f);
  }
  free(w);
}

/* Rows are computed side by side or alone; to the bit the same. */
static void
test_embedding_of_one_row(void **state)
{
  enum
  {
    TOGETHER = 19
  };
  (void) state;
  const uint32_t order[INPUTS] = {5, 0, 3, 1, 4, 2};
  float w[4096], x[TOGETHER * INPUTS], all[TOGETHER * INPUTS * NET_EMBED_OUT],
    one[INPUTS * NET_EMBED_OUT];
  struct rng rng;
  assert_true(net_embed_params(INPUTS) <= sizeof w / sizeof *w);
  net_embed_init(INPUTS, 3.0f, 5, w);
  rng_init(&rng, 3, 4);
  for (size_t i = 0; i < TOGETHER * INPUTS; i++)
    x[i] = (float) rng_normal(&rng) * (i % 7 == 0 ? 1e6f : 1.0f);
  for (size_t embedded = 2; embedded <= INPUTS; embedded += 2)
  {
    size_t width = embedded * NET_EMBED_OUT + INPUTS - embedded;
    net_embed_forward(TOGETHER, INPUTS, embedded, order, w, x, all);
    for (size_t row = 0; row < TOGETHER; row++)
    {
      net_embed_forward(1, INPUTS, embedded, order, w, x + row * INPUTS, one);
      assert_memory_equal(one, all + row * width, width * sizeof *one);
    }
  }
}

/* Sums of standard deviation 1 before the bias; biases within the sums; a constant unit does no harm. */
static void
test_start(void **state)
{
  (void) state;
  enum
  {
    N = 200
  };
  struct net_config config = {.inputs = 3,
                              .outputs = 2,
                              .layers = 1,
                              .units = 8,
                              .activation = NET_SELU,
                              .scaled = true,
                              .parametric = true};
  struct net *net, *again;
  float x[N * 3];
  struct rng rng;

  rng_init(&rng, 1, 1);
  for (size_t i = 0; i < N * 3; i++)
    x[i] = i % 3 ? 50.0f * (float) rng_normal(&rng) + 7.0f : 1.0f;
  assert_int_equal(net_new(&config, true, &net, NULL), ERR_OK);
  assert_int_equal(net_new(&config, true, &again, NULL), ERR_OK);
  assert_int_equal(net_init_from_data(net, 5, 0.1f, x, N, NULL), ERR_OK);
  assert_int_equal(net_init_from_data(again, 5, 0.1f, x, N, NULL), ERR_OK);
  assert_memory_equal(net->w, again->w, net->param_count * sizeof(float));
  for (size_t j = 0; j < 8; j++)
  {
    double sum = 0, square = 0, low = 1e9, high = -1e9;
    for (size_t i = 0; i < N; i++)
    {
      double z = 0;
      for (size_t k = 0; k < 3; k++)
        z += (double) x[3 * i + k] * (double) net->w[net->layers[0].weights + k * 8 + j];
      sum += z;
      square += z * z;
      low = fmin(low, z);
      high = fmax(high, z);
    }
    assert_near(sqrt(square / N - sum / N * sum / N), 1.0, 1e-3);
    double bias = (double) net->w[net->layers[0].bias + j];
    assert_true(-bias > low && -bias < high);
    assert_true(net->w[net->layers[0].alpha + j] == 1.0f);
  }
  for (size_t i = 0; i < N * 3; i++)
    x[i] = 2.0f;
  assert_int_equal(net_init_from_data(net, 5, 0.1f, x, N, NULL), ERR_OK);
  for (size_t i = 0; i < net->param_count; i++)
    assert_true(isfinite(net->w[i]));
  net_free(again);
  net_free(net);
}

/* A net for prediction has no factors, and answers the same numbers. */
static void
test_export(void **state)
{
  (void) state;
  for (size_t embedded = 0; embedded <= INPUTS; embedded += 3)
  {
    struct problem problem;
    struct net *exported;
    struct net_work work;
    make_problem(&problem, &(struct net_config){.inputs = INPUTS,
                                                .outputs = 3,
                                                .layers = 2,
                                                .units = 17,
                                                .activation = NET_SELU,
                                                .embedded = embedded,
                                                .scaled = true,
                                                .parametric = true});
    net_fold(problem.net);
    assert_int_equal(net_export(problem.net, problem.net->w, &exported, NULL), ERR_OK);
    assert_int_equal(net_work_init(&work, exported, ROWS, false), ERR_OK);
    assert_null(exported->folded);
    assert_int_equal(exported->param_count, problem.net->param_count - problem.net->width);
    const float *y = net_forward(problem.net, &problem.work, problem.x, ROWS);
    const float *z = net_forward(exported, &work, problem.x, ROWS);
    assert_memory_equal(y, z, ROWS * 3 * sizeof *y);
    net_work_clear(&work);
    net_free(exported);
    clear_problem(&problem);
  }
}

/* Rounded products change the outputs and gradients by no more than rounding can; layers that gain nothing are
 * not rounded at all. */
static void
test_bf16(void **state)
{
  (void) state;
  enum
  {
    N = 64,
    WIDE = 48
  };
  struct net_config config = {.inputs = WIDE,
                              .outputs = 3,
                              .layers = 2,
                              .units = 64,
                              .activation = NET_MISH,
                              .scaled = true,
                              .parametric = true};
  struct net *net;
  struct net_work plain, rounded;
  float *x = malloc(N * WIDE * sizeof *x);
  int32_t classes[N];
  struct rng rng;

  rng_init(&rng, 2, 2);
  for (size_t i = 0; i < N * WIDE; i++)
    x[i] = (float) rng_normal(&rng);
  for (size_t i = 0; i < N; i++)
    classes[i] = (int32_t) rng_below(&rng, 3);
  assert_int_equal(net_new(&config, true, &net, NULL), ERR_OK);
  assert_int_equal(net_init_from_data(net, 3, 0.1f, x, N, NULL), ERR_OK);
  float *exact = malloc(net->param_count * sizeof *exact);
  for (int first = 0; first < 2; first++)
  {
    assert_int_equal(net_work_init(&plain, net, N, true), ERR_OK);
    assert_int_equal(net_work_init(&rounded, net, N, true), ERR_OK);
    assert_int_equal(net_bf16_new(net, N, first, &rounded.bf16, NULL), ERR_OK);
    assert_int_equal(net_bf16_has(rounded.bf16, 0), first);
    assert_true(net_bf16_has(rounded.bf16, 1) && !net_bf16_has(rounded.bf16, 2));
    const float *y = net_forward_training(net, &plain, x, N, 1, 1);
    loss_softmax(N, 3, y, classes, NULL, 0.1f, plain.d[0]);
    assert_true(net_backward(net, &plain, x, N));
    memcpy(exact, net->g, net->param_count * sizeof *exact);
    const float *z = net_forward_training(net, &rounded, x, N, 1, 1);
    loss_softmax(N, 3, z, classes, NULL, 0.1f, rounded.d[0]);
    assert_true(net_backward(net, &rounded, x, N));
    double largest = 0, worst = 0, off = 0;
    for (size_t i = 0; i < net->param_count; i++)
    {
      largest = fmax(largest, fabs((double) exact[i]));
      worst = fmax(worst, fabs((double) (exact[i] - net->g[i])));
    }
    for (size_t i = 0; i < N * 3; i++)
      off = fmax(off, fabs((double) (y[i] - z[i])));
    assert_true(worst > 0 && worst < 0.03 * largest);
    assert_true(off > 0 && off < 0.05);
    net_work_clear(&rounded);
    net_work_clear(&plain);
  }
  struct net_bf16 *none;
  assert_int_equal(net_bf16_new(net, 8, true, &none, NULL), ERR_OK);
  assert_null(none); /* too few rows */
  free(exact);
  free(x);
  net_free(net);
}

static void
test_bad_shapes(void **state)
{
  (void) state;
  struct net *net;
  struct net_config config = {.inputs = 3, .outputs = 1, .layers = 1, .units = 4, .embedded = 4};
  assert_int_equal(net_new(&config, true, &net, NULL), ERR_INVALID);
  config.embedded = 3;
  assert_int_equal(net_new_sized(&config, 4, &net, NULL), ERR_INVALID);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_gradients), cmocka_unit_test(test_check_can_fail),
    cmocka_unit_test(test_embedding), cmocka_unit_test(test_embedding_of_one_row),
    cmocka_unit_test(test_start),     cmocka_unit_test(test_export),
    cmocka_unit_test(test_bf16),      cmocka_unit_test(test_bad_shapes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
