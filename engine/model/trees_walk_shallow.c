#include <config.h>

#include "model/trees_walk.h"

#include <math.h>
#include <stdlib.h>

#include "base/simd.h"

#define LEVELS_MOST 6
/* The top bit of a feature's number says where a missing value goes. */
#define MISSING_RIGHT 0x80u
#define INPUTS_MOST 128
/* Walks side by side: enough to hide how long a step takes. */
#define WALKS 8

void
trees_shallow_free(struct trees_shallow *shallow)
{
  if (!shallow)
    return;
  free(shallow->threshold);
  free(shallow->leaf);
  free(shallow->feature);
  free(shallow);
}

static void
fill_tree(const struct trees_step *steps, uint32_t root, struct trees_shallow *shallow, size_t t)
{
  size_t size = (size_t) 1 << shallow->levels;
  float *threshold = shallow->threshold + t * size, *leaf = shallow->leaf + t * size;
  uint8_t *feature = shallow->feature + t * size;
  uint32_t at[2 << LEVELS_MOST];

  threshold[0] = NAN;
  feature[0] = 0;
  at[1] = root;
  for (size_t i = 1; i < size; i++)
  {
    const struct trees_step *step = &steps[at[i]];
    threshold[i] = step->threshold;
    feature[i] = (uint8_t) ((step->feature & ~TREES_MISSING_RIGHT)
                            | (step->feature & TREES_MISSING_RIGHT ? MISSING_RIGHT : 0));
    at[2 * i] = step->left;
    /* under a leaf nothing goes right */
    at[2 * i + 1] = step->left == at[i] ? at[i] : step->left + 1;
  }
  for (size_t i = 0; i < size; i++)
    leaf[i] = steps[at[size + i]].leaf;
}

struct trees_shallow *
trees_shallow_new(const struct trees_flat *flat, size_t inputs)
{
  uint32_t levels = 0;
  for (size_t t = 0; t < flat->tree_count; t++)
    levels = flat->depth[t] > levels ? flat->depth[t] : levels;
  if (levels > LEVELS_MOST || inputs > INPUTS_MOST || flat->tree_count == 0)
    return NULL;
  struct trees_shallow *shallow = calloc(1, sizeof *shallow);
  if (!shallow)
    return NULL;
  size_t cells = flat->tree_count << levels;
  shallow->levels = levels;
  /* lines of 64 bytes: cells are at most 2^6 for each of 2^32 trees */
  shallow->threshold = aligned_alloc(64, (cells * sizeof(float) / 64 + 1) * 64);
  shallow->leaf = aligned_alloc(64, (cells * sizeof(float) / 64 + 1) * 64);
  shallow->feature = aligned_alloc(64, (cells / 64 + 1) * 64);
  if (!shallow->threshold || !shallow->leaf || !shallow->feature)
  {
    trees_shallow_free(shallow);
    return NULL;
  }
  for (size_t t = 0; t < flat->tree_count; t++)
    fill_tree(flat->steps, flat->root[t], shallow, t);
  return shallow;
}

/* sum + the leaves of trees first … first + count − 1. */
static SIMD_INLINE float
walk_trees(const struct trees_shallow *shallow, size_t first, size_t count, const float *x,
           float sum)
{
  const uint32_t levels = shallow->levels;
  const float *threshold = shallow->threshold + (first << levels);
  const uint8_t *feature = shallow->feature + (first << levels);
  const float *leaf = shallow->leaf + (first << levels);
  uint32_t at[WALKS];

#pragma GCC unroll 8
  for (size_t k = 0; k < WALKS; k++)
    at[k] = 1;
  for (uint32_t level = 0; level < levels; level++)
#pragma GCC unroll 8
    for (size_t k = 0; k < WALKS; k++)
    {
      /* places that are left over repeat the first tree, and are not added */
      size_t cell = ((k < count ? k : 0) << levels) + at[k];
      float value = x[feature[cell] & (MISSING_RIGHT - 1)];
      uint32_t missing_right = feature[cell] >> 7;
      at[k] =
        2 * at[k]
        + ((uint32_t) (value >= threshold[cell]) | ((uint32_t) (value != value) & missing_right));
    }
  for (size_t k = 0; k < count && k < WALKS; k++)
    sum += leaf[(k << levels) + at[k] - ((size_t) 1 << levels)];
  return sum;
}

void
trees_walk_shallow(const struct trees *trees, const float *x, float *margins)
{
  const struct trees_flat *flat = trees->flat;

  for (size_t g = 0; g < trees->groups; g++)
  {
    size_t end = flat->group_first[g + 1], t = flat->group_first[g];
    float sum = trees->base;
    for (; t + WALKS <= end; t += WALKS)
      sum = walk_trees(flat->shallow, t, WALKS, x, sum);
    if (t < end)
      sum = walk_trees(flat->shallow, t, end - t, x, sum);
    margins[g] = sum;
  }
}
