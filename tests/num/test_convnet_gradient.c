/* A convolutional network's gradient against finite differences, in every form it can have. */
#include <config.h>

#include "base/rng.h"
#include "model/convnet_work.h"
#include "tests/harness/test_support.h"
#include "train/loss.h"

#define ROWS 6
#define STEP 17

struct problem
{
  struct convnet *net;
  struct convnet_work *work;
  float *x;
  int32_t classes[ROWS];
};

static double
loss_of(struct problem *problem)
{
  const float *y = convnet_forward_training(problem->net, problem->work, problem->x, 5, STEP);
  assert_non_null(y);
  return loss_softmax(ROWS, problem->net->config.outputs, y, problem->classes, NULL, 0.1f,
                      convnet_output_gradient(problem->work));
}

static void
set_up(struct problem *problem, const struct convnet_config *config)
{
  size_t pixels = ROWS * config->height * config->width * config->channels;
  struct rng rng;

  assert_int_equal(convnet_new(config, true, &problem->net, NULL), ERR_OK);
  assert_int_equal(convnet_work_new(problem->net, ROWS, KERNEL_FP32, &problem->work, NULL), ERR_OK);
  convnet_init_weights(problem->net, 3);
  rng_init(&rng, 4, 4);
  for (size_t i = 0; i < problem->net->param_count; i++)
    problem->net->w[i] += 0.1f * (float) rng_normal(&rng);
  problem->x = calloc(pixels, sizeof *problem->x);
  for (size_t i = 0; i < pixels; i++)
    problem->x[i] = (float) rng_normal(&rng);
  for (size_t i = 0; i < ROWS; i++)
    problem->classes[i] = (int32_t) rng_below(&rng, config->outputs);
}

static void
tear_down(struct problem *problem)
{
  convnet_work_free(problem->work);
  convnet_free(problem->net);
  free(problem->x);
}

/* Along random directions, each over one layer, so that all weights are in some of them: how far the slope of the
 * loss is from the gradient's part in that direction, relative to the largest such part. The gradient of the
 * first range is taken times `tampering`. */
static double
worst_difference(const struct convnet_config *config, float tampering)
{
  struct problem problem;
  struct rng rng;

  set_up(&problem, config);
  struct convnet *net = problem.net;
  float *gradient = malloc(net->param_count * sizeof *gradient);
  float *kept = malloc(net->param_count * sizeof *kept);
  loss_of(&problem);
  assert_true(convnet_backward(net, problem.work, problem.x));
  memcpy(gradient, net->g, net->param_count * sizeof *gradient);
  memcpy(kept, net->w, net->param_count * sizeof *kept);
  rng_init(&rng, 8, 8);
  double largest = 0.0, worst = 0.0;
  for (size_t range = 0; range < convnet_range_count(net); range++)
  {
    size_t first, count;
    convnet_range(net, range, &first, &count);
    for (size_t i = first; range == 0 && i < first + count; i++)
      gradient[i] *= tampering;
    for (size_t trial = 0; trial < 4; trial++)
    {
      const float h = 2e-3f;
      double along = 0.0, sides[2];
      struct rng start = rng;
      for (int side = 0; side < 2; side++)
      {
        rng = start;
        along = 0.0;
        for (size_t i = first; i < first + count; i++)
        {
          double d = rng_normal(&rng) / sqrt((double) count);
          net->w[i] = kept[i] + (side ? -h : h) * (float) d;
          along += d * (double) gradient[i];
        }
        sides[side] = loss_of(&problem);
      }
      memcpy(net->w, kept, net->param_count * sizeof *kept);
      worst = fmax(worst, fabs((sides[0] - sides[1]) / (2.0 * (double) h) - along));
      largest = fmax(largest, fabs(along));
    }
  }
  assert_true(largest > 1e-2);
  free(kept);
  free(gradient);
  tear_down(&problem);
  return worst / largest;
}

static void
check_gradient(const struct convnet_config *config, double tolerance)
{
  double worst = worst_difference(config, 1.0f);

  if (worst > tolerance)
    fail_msg("%zu stages, %zu blocks, head %zu, grid %zu, norm %d: off by %g", config->stages,
             config->blocks, config->head_units, config->head_grid, config->normalised, worst);
}

static const struct convnet_config plain = {.height = 9,
                                            .width = 8,
                                            .channels = 2,
                                            .outputs = 3,
                                            .stages = 2,
                                            .blocks = 1,
                                            .filters = 5,
                                            .kernel = 3,
                                            .stride = 1,
                                            .normalised = true,
                                            .activation = CONV_GELU};

static void
test_forms(void **state)
{
  (void) state;
  struct convnet_config config = plain;
  check_gradient(&config, 1e-2);
  config.activation = CONV_SILU;
  config.blocks = 2;
  check_gradient(&config, 1e-2);
  config.blocks = 0;
  config.pool_first = true;
  check_gradient(&config, 1e-2);
  config.normalised = false;
  check_gradient(&config, 1e-2);
  config.head_units = 7;
  config.dropout = 0.3f;
  check_gradient(&config, 1e-2);
  config = plain;
  config.kernel = 5;
  config.stride = 2;
  config.dropout = 0.4f;
  check_gradient(&config, 1e-2);
  /* each stage has a gradient of the head's, also where a grid is finer than its maps, and without blocks */
  for (size_t grid = 1; grid < 8; grid += 3)
  {
    config = plain;
    config.stages = 3;
    config.head_grid = grid;
    config.dropout = 0.3f;
    check_gradient(&config, 1e-2);
    config.blocks = 0;
    config.stages = 2;
    check_gradient(&config, 1e-2);
  }
  config = plain;
  config.activation = CONV_RELU;
  check_gradient(&config, 5e-2);
}

/* Maps so large that a few images are convolved at a time, and so many that Winograd's form is taken where the
 * machine has it. */
static void
test_large_maps(void **state)
{
  (void) state;
  struct convnet_config config = plain;
  struct problem problem;
  config.height = config.width = 28;
  config.channels = 1;
  config.filters = 64;
  config.blocks = 0;
  config.pool_first = true;
  config.normalised = false;
  config.head_units = 16;
  set_up(&problem, &config);
  assert_true(problem.work->units[0].images < ROWS && problem.work->units[1].images < ROWS);
  tear_down(&problem);
  check_gradient(&config, 1e-2);
  config = plain;
  config.height = config.width = 16;
  config.head_units = 6;
  config.filters = 16;
  check_gradient(&config, 1e-2);
}

/* A gradient that is a tenth too large in one layer is found. */
static void
test_wrong_gradient_is_found(void **state)
{
  (void) state;
  assert_true(worst_difference(&plain, 1.1f) > 2e-2);
}

/* What training normalises by the batch, prediction must give when its statistics are the batch's. */
static void
test_infer_follows_training(void **state)
{
  (void) state;
  for (int form = 0; form < 6; form++)
  {
    struct convnet_config config = plain;
    struct problem problem;
    struct convnet_infer *infer;
    float out[ROWS * 3];
    config.pool_first = form & 1;
    config.head_units = form & 2 ? 6 : 0;
    config.head_grid = form & 4 ? 3 : 0;
    set_up(&problem, &config);
    const float *y = convnet_forward_training(problem.net, problem.work, problem.x, 5, STEP);
    convnet_measure_begin(problem.net, problem.work);
    assert_true(convnet_measure(problem.net, problem.work, problem.x));
    convnet_measure_end(problem.net, problem.work);
    assert_int_equal(convnet_infer_new(problem.net, &infer, NULL), ERR_OK);
    float *scratch = aligned_alloc(64, (convnet_infer_floats(infer) * 4 + 64) / 64 * 64);
    assert_true(convnet_infer_run(infer, scratch, problem.x, ROWS, out));
    for (size_t i = 0; i < ROWS * 3; i++)
      assert_true(fabsf(out[i] - y[i]) < 2e-4f * (1.0f + fabsf(y[i])));
    free(scratch);
    convnet_infer_free(infer);
    tear_down(&problem);
  }
}

/* bf16 keeps eight bits of each number between layers; what comes out is near what fp32 gives. */
static void
bf16_is_near(const struct convnet_config *config)
{
  struct problem problem;
  struct convnet_work *half;
  set_up(&problem, config);
  size_t count = problem.net->param_count;
  float *gradient = malloc(count * sizeof *gradient);
  double dot = 0.0, a = 0.0, b = 0.0;
  double loss = loss_of(&problem);
  assert_true(convnet_backward(problem.net, problem.work, problem.x));
  memcpy(gradient, problem.net->g, count * sizeof *gradient);
  assert_int_equal(convnet_work_new(problem.net, ROWS, KERNEL_BF16, &half, NULL), ERR_OK);
  struct convnet_work *kept = problem.work;
  problem.work = half;
  double rounded = loss_of(&problem);
  assert_true(convnet_backward(problem.net, half, problem.x));
  for (size_t i = 0; i < count; i++)
  {
    dot += (double) gradient[i] * (double) problem.net->g[i];
    a += (double) gradient[i] * (double) gradient[i];
    b += (double) problem.net->g[i] * (double) problem.net->g[i];
  }
  assert_true(fabs(rounded - loss) < 0.03 * loss);
  assert_true(dot / sqrt(a * b) > 0.99);
  assert_true(loss != rounded);
  problem.work = kept;
  convnet_work_free(half);
  free(gradient);
  tear_down(&problem);
}

static void
test_bf16_is_near(void **state)
{
  (void) state;
  bf16_is_near(&plain);
  struct convnet_config config = plain;
  config.head_grid = 3;
  bf16_is_near(&config);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_forms), cmocka_unit_test(test_large_maps),
    cmocka_unit_test(test_wrong_gradient_is_found), cmocka_unit_test(test_infer_follows_training),
    cmocka_unit_test(test_bf16_is_near)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
