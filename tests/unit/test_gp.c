/* The Gaussian process against numbers computed the slow way by tests/num/gen_gp.py. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"
#include "search/gp.h"
#include "search/gp_kernel.h"
#include "tests/num/gp_numbers.h"
#include "tests/unit/test_search_near.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))
#define WIDTH 4

static size_t mixed_features[] = {0, 1, 2, 3};
static struct gp_block mixed_blocks[] = {{.features = mixed_features, .count = 4, .numeric = 3}};
static const struct gp_layout mixed_layout = {
  .width = WIDTH, .blocks = mixed_blocks, .block_count = 1};

static size_t gated_first[] = {0};
static size_t gated_second[] = {1, 2};
static size_t gated_third[] = {3};
static struct gp_block gated_blocks[] = {
  {.features = gated_first, .count = 1, .numeric = 0},
  {.features = gated_second, .count = 2, .numeric = 2, .gated = true, .gate_value = 0},
  {.features = gated_third, .count = 1, .numeric = 1, .gated = true, .gate_value = 1}};
static const struct gp_layout gated_layout = {
  .width = WIDTH, .blocks = gated_blocks, .block_count = 3};

struct gp_case
{
  const struct gp_layout *layout;
  size_t n, new_count;
  const double *x, *y, *theta, *new_x, *mean, *variance;
  double likelihood, loo;
};

#define CASE(name)                                                                                 \
  {                                                                                                \
    .layout = &name##_layout, .n = COUNT(name##_y), .new_count = COUNT(name##_mean),               \
    .x = name##_x, .y = name##_y, .theta = name##_theta, .new_x = name##_new, .mean = name##_mean, \
    .variance = name##_variance, .likelihood = name##_likelihood, .loo = name##_loo                \
  }

static const struct gp_case cases[] = {CASE(mixed), CASE(gated)};

static struct gp *
make(const struct gp_case *c, size_t spare)
{
  struct gp *gp;
  assert_int_equal(gp_new(c->layout, c->theta, c->n, c->x, c->y, spare, &gp), ERR_OK);
  return gp;
}

static void
posterior_matches(void **state)
{
  (void) state;
  for (size_t k = 0; k < COUNT(cases); k++)
  {
    const struct gp_case *c = &cases[k];
    struct gp *gp = make(c, 0);
    assert_int_equal(gp_count(gp), c->n);
    assert_near(gp_log_likelihood(gp), c->likelihood, 1e-8 * fabs(c->likelihood));
    double each[32], loo = 0;
    assert_int_equal(gp_leave_one_out(gp, each), ERR_OK);
    for (size_t i = 0; i < c->n; i++)
      loo += each[i];
    assert_near(loo, c->loo, 1e-8 * fabs(c->loo));
    double means[16], variances[16];
    assert_int_equal(gp_predict_many(gp, c->new_count, c->new_x, means, variances), ERR_OK);
    for (size_t j = 0; j < c->new_count; j++)
    {
      double mean, variance;
      gp_predict(gp, c->new_x + j * WIDTH, &mean, &variance);
      assert_near(mean, c->mean[j], 1e-9);
      assert_near(variance, c->variance[j], 1e-9);
      assert_near(means[j], c->mean[j], 1e-9);
      assert_near(variances[j], c->variance[j], 1e-9);
    }
    gp_free(gp);
  }
}

static void
many_rows_match_one_by_one(void **state)
{
  (void) state;
  enum
  {
    ROWS = 700
  };
  static double rows[ROWS * WIDTH], means[ROWS], variances[ROWS];
  static double bound_means[ROWS], bounds[ROWS];
  for (size_t k = 0; k < COUNT(cases); k++)
  {
    struct rng rng;
    rng_init(&rng, 5, k);
    for (size_t i = 0; i < ROWS * WIDTH; i++)
      rows[i] = i % WIDTH == (k ? 0 : 3) ? (double) rng_below(&rng, 2) : rng_double(&rng);
    struct gp *gp = make(&cases[k], 0);
    assert_int_equal(gp_predict_many(gp, ROWS, rows, means, variances), ERR_OK);
    assert_int_equal(gp_predict_bound(gp, ROWS, rows, bound_means, bounds), ERR_OK);
    for (size_t j = 0; j < ROWS; j++)
    {
      double mean, variance;
      assert_true(bound_means[j] == means[j]);
      /* The mean is not quite known: that may add a little to the variance proper. */
      assert_true(bounds[j] > 0.99 * variances[j] - 0.05);
      gp_predict(gp, rows + j * WIDTH, &mean, &variance);
      assert_near(means[j], mean, 1e-10);
      assert_near(variances[j], variance, 1e-10);
    }
    gp_free(gp);
  }
}

static void
objective_is_likelihood_and_prior(void **state)
{
  (void) state;
  /* The constant that separates the objective from −log p(y|θ) − log prior is the same for all θ. */
  for (size_t k = 0; k < COUNT(cases); k++)
  {
    const struct gp_case *c = &cases[k];
    struct gp_problem *problem;
    assert_int_equal(gp_problem_new(c->layout, c->n, c->x, c->y, &problem), ERR_OK);
    double expected = -c->likelihood;
    size_t at = 0;
    for (size_t b = 0; b < c->layout->block_count; b++)
    {
      for (size_t f = 0; f < c->layout->blocks[b].count; f++, at++)
        expected += 0.1 / exp(c->theta[at]) + 0.1 * exp(c->theta[at]);
      expected -= c->theta[at] - exp(c->theta[at]);
      at++;
    }
    double noise = 1e-6 + exp(c->theta[at]);
    expected -= 0.1 * log(noise) - 30 * noise;
    double constant = 0.5 * (double) c->n * log(2 * 3.14159265358979323846);
    double value = gp_problem_value(problem, c->theta, NULL);
    assert_near(value, expected - constant, 1e-8 * fabs(expected));
    gp_problem_free(problem);
  }
}

static void
objective_gradient_matches_differences(void **state)
{
  (void) state;
  for (size_t k = 0; k < COUNT(cases); k++)
  {
    const struct gp_case *c = &cases[k];
    size_t count = gp_theta_count(c->layout);
    double theta[16], gradient[16];
    assert_true(count <= 16);
    struct gp_problem *problem;
    assert_int_equal(gp_problem_new(c->layout, c->n, c->x, c->y, &problem), ERR_OK);
    memcpy(theta, c->theta, count * sizeof *theta);
    gp_problem_value(problem, theta, gradient);
    for (size_t i = 0; i < count; i++)
    {
      double step = 1e-5;
      theta[i] = c->theta[i] + step;
      double above = gp_problem_value(problem, theta, NULL);
      theta[i] = c->theta[i] - step;
      double below = gp_problem_value(problem, theta, NULL);
      theta[i] = c->theta[i];
      double slope = (above - below) / (2 * step);
      assert_near(gradient[i], slope, 1e-5 * (1 + fabs(slope)));
    }
    gp_problem_free(problem);
  }
}

static void
posterior_gradient_matches_differences(void **state)
{
  (void) state;
  for (size_t k = 0; k < COUNT(cases); k++)
  {
    const struct gp_case *c = &cases[k];
    struct gp *gp = make(c, 1);
    assert_int_equal(gp_append(gp, c->new_x), ERR_OK);
    for (size_t j = 1; j < c->new_count; j++)
    {
      double row[WIDTH], by_mean[WIDTH], by_variance[WIDTH], mean, variance;
      memcpy(row, c->new_x + j * WIDTH, sizeof row);
      gp_predict_gradient(gp, row, &mean, &variance, by_mean, by_variance);
      for (size_t f = 0; f < WIDTH; f++)
      {
        double step = 1e-5, above[2], below[2];
        if (f == (k ? 0 : 3))
        {
          assert_true(by_mean[f] == 0 && by_variance[f] == 0);
          continue;
        }
        row[f] += step;
        gp_predict(gp, row, &above[0], &above[1]);
        row[f] -= 2 * step;
        gp_predict(gp, row, &below[0], &below[1]);
        row[f] += step;
        assert_near(by_mean[f], (above[0] - below[0]) / (2 * step), 1e-6);
        assert_near(by_variance[f], (above[1] - below[1]) / (2 * step), 1e-6);
      }
    }
    gp_free(gp);
  }
}

/* Appending equals starting again with the posterior means as values. */
static void
append_equals_refactoring(void **state)
{
  (void) state;
  for (size_t k = 0; k < COUNT(cases); k++)
  {
    const struct gp_case *c = &cases[k];
    double x[64 * WIDTH], y[64];
    memcpy(x, c->x, c->n * WIDTH * sizeof *x);
    memcpy(y, c->y, c->n * sizeof *y);
    struct gp *gp = make(c, 3);
    for (size_t j = 0; j < 3; j++)
    {
      const double *row = c->new_x + j * WIDTH;
      double mean, variance;
      gp_predict(gp, row, &mean, &variance);
      memcpy(x + (c->n + j) * WIDTH, row, WIDTH * sizeof *x);
      y[c->n + j] = mean;
      assert_int_equal(gp_append(gp, row), ERR_OK);
    }
    assert_int_equal(gp_append(gp, c->new_x), ERR_LIMIT);
    struct gp *whole;
    assert_int_equal(gp_new(c->layout, c->theta, c->n + 3, x, y, 0, &whole), ERR_OK);
    for (size_t j = 0; j < c->new_count; j++)
    {
      double a[2], b[2];
      gp_predict(gp, c->new_x + j * WIDTH, &a[0], &a[1]);
      gp_predict(whole, c->new_x + j * WIDTH, &b[0], &b[1]);
      assert_near(a[0], b[0], 1e-9);
      assert_near(a[1], b[1], 1e-9);
    }
    gp_free(whole);
    gp_free(gp);
  }
}

static void
kernel_matches_libm(void **state)
{
  (void) state;
  enum
  {
    N = 2000
  };
  static double r2[N], m[N], slope[N], alone[N];
  for (int i = 0; i < N; i++)
    r2[i] = i == 0 ? 0 : pow(10, -9 + 13.0 * i / N);
  gp_kernel_matern(N, r2, m, slope);
  gp_kernel_matern(N, r2, alone, NULL);
  for (int i = 0; i < N; i++)
  {
    double a = sqrt(5 * r2[i]);
    double e = exp(-a);
    double tolerance = 4e-15 * (1 + a);
    assert_near(m[i], (1 + a + a * a / 3) * e, tolerance * m[i] + 1e-280);
    assert_near(slope[i], (1 + a) * e, tolerance * slope[i] + 1e-280);
    assert_true(alone[i] == m[i]);
  }
}

static void
fit_finds_the_scales(void **state)
{
  (void) state;
  enum
  {
    N = 60
  };
  static double x[N * WIDTH], y[N];
  struct rng rng;
  rng_init(&rng, 3, 3);
  for (size_t i = 0; i < N; i++)
  {
    for (size_t f = 0; f < WIDTH; f++)
      x[i * WIDTH + f] = f == 3 ? (double) rng_below(&rng, 3) : rng_double(&rng);
    y[i] = sin(12 * x[i * WIDTH]) + 0.5 * x[i * WIDTH + 1] + 0.01 * rng_normal(&rng);
  }
  double theta[6], again[6];
  assert_int_equal(gp_fit(&mixed_layout, N, x, y, theta), ERR_OK);
  assert_true(theta[0] > theta[1] + 2); /* the fast direction has the short lengthscale */
  assert_true(theta[1] > theta[2]);     /* the useless one has the longest */
  assert_true(theta[1] > theta[3]);
  assert_true(theta[5] < log(1e-2));

  struct gp_problem *problem;
  double gradient[6];
  assert_int_equal(gp_problem_new(&mixed_layout, N, x, y, &problem), ERR_OK);
  gp_problem_value(problem, theta, gradient);
  for (size_t i = 0; i < 5; i++)
    assert_true(fabs(gradient[i]) < 0.2);
  gp_problem_free(problem);

  for (size_t i = 0; i < 6; i++)
    again[i] = 3;
  assert_int_equal(gp_fit(&mixed_layout, N, x, y, again), ERR_OK);
  assert_memory_equal(theta, again, sizeof theta);
}

static void
odd_data_is_survived(void **state)
{
  (void) state;
  static double x[20 * WIDTH], y[20];
  double theta[6];
  struct gp *gp;
  /* One row; twenty equal rows with different values; constant values. */
  assert_int_equal(gp_fit(&mixed_layout, 1, x, y, theta), ERR_OK);
  assert_int_equal(gp_new(&mixed_layout, theta, 1, x, y, 0, &gp), ERR_OK);
  gp_free(gp);
  for (size_t i = 0; i < 20; i++)
    y[i] = (double) (i % 3) - 1;
  assert_int_equal(gp_fit(&mixed_layout, 20, x, y, theta), ERR_OK);
  assert_int_equal(gp_new(&mixed_layout, theta, 20, x, y, 0, &gp), ERR_OK);
  double mean, variance, average = 0;
  for (size_t i = 0; i < 20; i++)
    average += y[i] / 20;
  gp_predict(gp, x, &mean, &variance);
  assert_near(mean, average, 1e-6);
  assert_true(variance > 0);
  gp_free(gp);
  for (size_t i = 0; i < 20; i++)
  {
    y[i] = 0;
    x[i * WIDTH] = (double) i / 20;
  }
  assert_int_equal(gp_fit(&mixed_layout, 20, x, y, theta), ERR_OK);
  for (size_t i = 0; i < 6; i++)
    assert_true(isfinite(theta[i]));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(posterior_matches),
    cmocka_unit_test(many_rows_match_one_by_one),
    cmocka_unit_test(objective_is_likelihood_and_prior),
    cmocka_unit_test(objective_gradient_matches_differences),
    cmocka_unit_test(posterior_gradient_matches_differences),
    cmocka_unit_test(append_equals_refactoring),
    cmocka_unit_test(kernel_matches_libm),
    cmocka_unit_test(fit_finds_the_scales),
    cmocka_unit_test(odd_data_is_survived),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
