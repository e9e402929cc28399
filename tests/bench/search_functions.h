/* Functions with known minima for testing and measuring searches.
 *
 * Each is a space of its own and a value to be minimised. Ackley's minimum is shifted off the centre
 * by a fixed pattern, or a search that tries the centre first would look clever.
 */
#ifndef ATTUNE_TESTS_BENCH_SEARCH_FUNCTIONS_H
#define ATTUNE_TESTS_BENCH_SEARCH_FUNCTIONS_H

#include <stddef.h>

#include "base/space.h"

#define SEARCH_FUNCTION_DIMS_MAX 24

struct search_function
{
  const char *name;
  size_t dims;
  double minimum;
  double low, high; /* of every parameter, where the function has no space of its own */
  double (*value)(const double *x, size_t dims);
  void (*shape)(
    struct space_param *params); /* changes the parameters from plain floats; may be NULL */
};

extern const struct search_function search_functions[];
extern const size_t search_function_count;

const struct search_function *search_function_find(const char *name);

/* The function's space, in memory of the caller. */
struct search_function_space
{
  struct space space;
  struct space_param params[SEARCH_FUNCTION_DIMS_MAX];
};
void search_function_space(const struct search_function *function,
                           struct search_function_space *space);

#endif
