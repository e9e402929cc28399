/* The population stability index against numbers worked out by hand. */
#include <config.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "data/drift.h"

static void
test_psi(void **state)
{
  (void) state;
  static const uint64_t none[2] = {0, 0}, same[2] = {10, 30}, tripled[2] = {30, 90};
  assert_true(isnan(drift_psi(none, same, 2)));
  assert_true(isnan(drift_psi(same, none, 2)));
  assert_float_equal(drift_psi(same, same, 2), 0, 1e-12);
  assert_true(drift_psi(same, tripled, 2) < 1e-3);
  /* 0.5 more in each of two bins, 198 in all: shares 1/4, 3/4 against 3/4, 1/4: 2 * 0.5 * ln 3. */
  static const uint64_t low[2] = {49, 148}, high[2] = {148, 49};
  double share = 49.5 / 198, other = 148.5 / 198;
  assert_float_equal(share, 0.25, 1e-12);
  assert_float_equal(other, 0.75, 1e-12);
  assert_float_equal(drift_psi(low, high, 2), 1.0986122886681098, 1e-9);
  assert_float_equal(drift_psi(high, low, 2), 1.0986122886681098, 1e-9);
  static const uint64_t all[2] = {0, 1000};
  double empty = drift_psi(same, all, 2);
  assert_true(isfinite(empty) && empty > DRIFT_MUCH);
}

static void
test_bins(void **state)
{
  (void) state;
  static const double edges[3] = {1, 2, 4};
  assert_int_equal(drift_bin(edges, 3, -INFINITY), 0);
  assert_int_equal(drift_bin(edges, 3, 0.5), 0);
  assert_int_equal(drift_bin(edges, 3, 1), 1);
  assert_int_equal(drift_bin(edges, 3, 3.9), 2);
  assert_int_equal(drift_bin(edges, 3, 4), 3);
  assert_int_equal(drift_bin(edges, 3, INFINITY), 3);
  assert_int_equal(drift_bin(edges, 3, NAN), 4);
  assert_int_equal(drift_bin(NULL, 0, 7), 0);
}

/* Quantiles of chi-square at 0.999 from a table: 27.877 of 9 degrees, 10.828 of 1, where the cube is 3% off. */
static void
test_noise(void **state)
{
  (void) state;
  assert_float_equal(drift_psi_noise(10, 200, 200), 27.877 / 100, 0.002);
  assert_float_equal(drift_psi_noise(2, 100, 100), 10.828 / 50, 0.008);
  assert_true(isinf(drift_psi_noise(10, 0, 100)));
  assert_float_equal(drift_psi_noise(1, 10, 10), 0, 0);
  assert_string_equal(drift_word(0.05, 0.01), "stable");
  assert_string_equal(drift_word(0.15, 0.2), "stable");
  assert_string_equal(drift_word(0.15, 0.12), "moderate");
  assert_string_equal(drift_word(0.3, 0.12), "strong");
  assert_string_equal(drift_word(3, 0.3), "too_few");
  assert_string_equal(drift_word(NAN, 0.1), "too_few");
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_psi), cmocka_unit_test(test_bins),
                                     cmocka_unit_test(test_noise)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
