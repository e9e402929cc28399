/* Sizes of the kernels' memory. Private to engine/model and its tests. */
#ifndef ATTUNE_MODEL_KERNEL_MEMORY_H
#define ATTUNE_MODEL_KERNEL_MEMORY_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

#define KERNEL_ALIGNMENT ((size_t) 64)

static inline size_t
kernel_align(size_t bytes)
{
  return (bytes + KERNEL_ALIGNMENT - 1) / KERNEL_ALIGNMENT * KERNEL_ALIGNMENT;
}

/* Of sizes above 0: a · b · c · d ≤ INT_MAX, which BLAS and the offsets in generated code count with. */
static inline bool
kernel_fits(size_t a, size_t b, size_t c, size_t d)
{
  size_t most = INT_MAX;

  return a <= most && b <= most / a && c <= most / (a * b) && d <= most / (a * b * c);
}

#endif
