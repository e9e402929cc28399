/* Comparing numbers in the tests of search: cmocka 1.1 knows only floats. */
#ifndef ATTUNE_TESTS_UNIT_TEST_SEARCH_NEAR_H
#define ATTUNE_TESTS_UNIT_TEST_SEARCH_NEAR_H

#include <math.h>

static inline void
check_near(double value, double expected, double tolerance, const char *file, int line)
{
  if (fabs(value - expected) <= tolerance)
    return;
  print_error("%.17g is not within %g of %.17g\n", value, tolerance, expected);
  _fail(file, line);
}

/* Fails unless |value − expected| ≤ tolerance (NaN always fails). */
#define assert_near(value, expected, tolerance)                                                    \
  check_near((value), (expected), (tolerance), __FILE__, __LINE__)

#endif
