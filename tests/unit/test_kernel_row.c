/* A row's products are the same alone and among others, and right. */
#include <config.h>

#include "base/proc.h"
#include "base/rng.h"
#include "model/kernel.h"
#include "model/kernel_row.h"
#include "tests/harness/test_support.h"

#define ROWS ((size_t) 9)

/* Widths of every kind of tile and rest; depths around the runs in which products are summed. */
static const size_t shapes[][2] = {
  {1, 1},     {30, 64},  {64, 2},   {5, 15},    {17, 16},  {33, 31},   {8, 33},
  {8, 49},    {20, 130}, {40, 257}, {100, 319}, {784, 10}, {256, 100}, {383, 3},
  {384, 17},  {385, 16}, {400, 70}, {767, 5},   {768, 9},  {769, 20},  {1153, 4},
  {1200, 40}, {1100, 1}, {63, 1},   {65, 1},    {256, 1},  {15, 1},    {3072, 2}};

static float *
draw(struct rng *rng, size_t count)
{
  float *x = malloc(count * sizeof *x); /* exactly so long, for the address sanitizer */

  assert_non_null(x);
  for (size_t i = 0; i < count; i++)
    x[i] = (float) rng_normal(rng);
  return x;
}

static void
check_right(size_t k, size_t m, const float *x, const float *w, const float *y)
{
  for (size_t j = 0; j < m; j++)
  {
    double sum = 0.0, size = 0.0;
    for (size_t i = 0; i < k; i++)
    {
      sum += (double) x[i] * (double) w[i * m + j];
      size += fabs((double) x[i] * (double) w[i * m + j]);
    }
    assert_near(y[j], sum, 2e-6 * size + 1e-7);
  }
}

static void
test_alone_and_among_others(void **state)
{
  (void) state;
  /* what oneDNN 2 sums in which order is known; another library's may differ in the last bits */
  bool exact = kernel_row_here() && strncmp(kernel_name(), "onednn 2.", 9) == 0;

  for (size_t s = 0; s < sizeof shapes / sizeof shapes[0]; s++)
  {
    size_t k = shapes[s][0], m = shapes[s][1];
    struct rng rng;
    rng_init(&rng, 4, s);
    float *x = draw(&rng, ROWS * k), *w = draw(&rng, k * m);
    /* from full rows to nothing but zeros, of either sign: those are left out when they are many */
    for (size_t i = 0; i < ROWS * k; i++)
      if (rng_below(&rng, ROWS - 1) < i / k)
        x[i] = i % 2 ? 0.0f : -0.0f;
    float *all = malloc(ROWS * m * sizeof *all), *alone = malloc(m * sizeof *alone);
    assert_non_null(all);
    assert_non_null(alone);
    assert_true(kernel_dense_forward(ROWS, k, m, x, w, all));
    for (size_t row = 0; row < ROWS; row++)
    {
      assert_true(kernel_dense_forward(1, k, m, x + row * k, w, alone));
      check_right(k, m, x + row * k, w, alone);
      check_right(k, m, x + row * k, w, all + row * m);
      if (exact && memcmp(alone, all + row * m, m * sizeof *alone) != 0)
        fail_msg("row %zu of %zu x %zu differs", row, k, m);
    }
    free(x);
    free(w);
    free(all);
    free(alone);
  }
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_alone_and_among_others)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
