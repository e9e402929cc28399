#include <config.h>

#include "model/trees_walk.h"

#include <math.h>
#include <stdlib.h>

#include "base/simd.h"

/* Walks side by side: enough to hide how long a step takes. */
#define WALKS 8
/* Rows that pass all trees of a margin before the next rows do: their features stay in the cache. */
#define ROW_BLOCK 64
/* Fewer rows go one by one, trees side by side. */
#define WIDE_ROWS 10
/* Trees padded to whole ones are worth their memory up to here. */
#define TOP_TREES_MOST 20000

/* ---- the layout ------------------------------------------------------------------------------------- */

void
trees_flat_free(struct trees_flat *flat)
{
  if (!flat)
    return;
  free(flat->group_first);
  free(flat->root);
  free(flat->depth);
  free(flat->steps);
  free(flat->tops);
  trees_shallow_free(flat->shallow);
  free(atomic_load(&flat->cover));
  free(flat);
}

static void
fill_steps(const struct trees *trees, struct trees_step *steps)
{
  for (size_t i = 0; i < trees->node_count; i++)
  {
    const struct trees_node *node = &trees->nodes[i];
    if (!node->left)
      steps[i] = (struct trees_step){.threshold = NAN, .left = (uint32_t) i, .leaf = node->value};
    else
      steps[i] = (struct trees_step){
        .threshold = node->value,
        .feature = (node->feature & ~TREES_MISSING_LEFT)
                   | (node->feature & TREES_MISSING_LEFT ? 0 : TREES_MISSING_RIGHT),
        .left = node->left};
  }
}

/* Children come after their parents, so one pass from the end finds how deep each node's tree is. */
static uint32_t
depth_of(const struct trees *trees, size_t root, size_t end, uint32_t *below)
{
  for (size_t i = end; i-- > root;)
  {
    size_t left = trees->nodes[i].left;
    uint32_t most = 0;
    if (left)
      most = 1
             + (below[left - root] > below[left + 1 - root] ? below[left - root]
                                                            : below[left + 1 - root]);
    below[i - root] = most;
  }
  return below[0];
}

static void
fill_top(const struct trees_step *steps, uint32_t root, uint32_t depth, struct trees_top *top)
{
  uint32_t levels = depth < TREES_TOP_LEVELS ? depth : TREES_TOP_LEVELS, at[2 * TREES_TOP];

  *top = (struct trees_top){.threshold = {NAN}};
  at[1] = root;
  for (uint32_t i = 1; i < 1u << levels; i++)
  {
    const struct trees_step *step = &steps[at[i]];
    top->threshold[i] = step->threshold;
    top->feature[i] = step->feature;
    at[2 * i] = step->left;
    /* under a leaf nothing goes right */
    at[2 * i + 1] = step->left == at[i] ? at[i] : step->left + 1;
  }
  for (uint32_t i = 0; i < 1u << levels; i++)
  {
    top->exit[i] = at[(1u << levels) + i];
    top->leaf[i] = steps[top->exit[i]].leaf;
  }
}

/* The trees margin after margin, each margin's in their order. */
static bool
fill_trees(const struct trees *trees, struct trees_flat *flat)
{
  uint32_t *below = calloc(trees->node_count + 1, sizeof *below);
  size_t next = 0;

  if (!below)
    return false;
  for (size_t t = 0; t < trees->tree_count; t++)
    flat->group_first[trees->group[t] + 1]++;
  for (size_t g = 0; g < trees->groups; g++)
    flat->group_first[g + 1] += flat->group_first[g];
  for (size_t t = 0; t < trees->tree_count; t++)
  {
    size_t at = flat->group_first[trees->group[t]]++;
    size_t end = t + 1 < trees->tree_count ? trees->starts[t + 1] : trees->node_count;
    flat->root[at] = trees->starts[t];
    flat->depth[at] = depth_of(trees, trees->starts[t], end, below);
    if (flat->tops)
      fill_top(flat->steps, flat->root[at], flat->depth[at], &flat->tops[at]);
  }
  for (size_t g = 0; g < trees->groups; g++)
  {
    size_t end = flat->group_first[g];
    flat->group_first[g] = next;
    next = end;
  }
  free(below);
  return true;
}

enum err
trees_lay_out(struct trees *trees, struct err_info *info)
{
  struct trees_flat *flat = calloc(1, sizeof *flat);
  size_t count = trees->tree_count;
  bool good = flat != NULL;

  trees_flat_free(trees->flat);
  trees->flat = flat;
  if (good)
  {
    flat->tree_count = count;
    flat->group_first = calloc(trees->groups + 1, sizeof *flat->group_first);
    flat->root = calloc(count + 1, sizeof *flat->root);
    flat->depth = calloc(count + 1, sizeof *flat->depth);
    flat->steps = aligned_alloc(64, (trees->node_count * sizeof *flat->steps / 64 + 1) * 64);
    good = flat->group_first && flat->root && flat->depth && flat->steps;
  }
  if (good && trees_walk_wide_here() && count > 0 && count <= TOP_TREES_MOST
      && trees->inputs < (size_t) 1 << 26)
    flat->tops = aligned_alloc(64, count * sizeof *flat->tops);
  if (good)
  {
    fill_steps(trees, flat->steps);
    good = fill_trees(trees, flat);
    flat->shallow = good ? trees_shallow_new(flat, trees->inputs) : NULL;
  }
  if (good)
    return ERR_OK;
  trees_flat_free(flat);
  trees->flat = NULL;
  return err_set(info, ERR_MEMORY, "no memory for the trees");
}

/* ---- walks on any CPU ------------------------------------------------------------------------------- */

static SIMD_INLINE uint32_t
go(const struct trees_step *steps, uint32_t at, const float *x)
{
  const struct trees_step *step = &steps[at];
  float value = x[step->feature & ~TREES_MISSING_RIGHT];
  uint32_t missing_right = step->feature >> 31;

  return step->left
         + ((uint32_t) (value >= step->threshold) | ((uint32_t) (value != value) & missing_right));
}

/* sum + the leaves of trees first … first + count − 1 for one row. */
static float
walk_trees(const struct trees_flat *flat, size_t first, size_t count, const float *x, float sum)
{
  uint32_t at[WALKS], depth = 0;

  for (size_t k = 0; k < WALKS; k++)
  {
    /* places that are left over repeat the first tree, and are not added */
    size_t t = first + (k < count ? k : 0);
    at[k] = flat->root[t];
    depth = flat->depth[t] > depth ? flat->depth[t] : depth;
  }
  for (uint32_t level = 0; level < depth; level++)
#pragma GCC unroll 8
    for (size_t k = 0; k < WALKS; k++)
      at[k] = go(flat->steps, at[k], x);
  for (size_t k = 0; k < count && k < WALKS; k++)
    sum += flat->steps[at[k]].leaf;
  return sum;
}

static void
walk_row(const struct trees *trees, const float *x, float *margins)
{
  const struct trees_flat *flat = trees->flat;

  for (size_t g = 0; g < trees->groups; g++)
  {
    size_t end = flat->group_first[g + 1];
    float sum = trees->base;
    for (size_t t = flat->group_first[g]; t < end; t += WALKS)
      sum = walk_trees(flat, t, end - t, x, sum);
    margins[g] = sum;
  }
}

/* margins[row · groups] += the leaf of tree t, for WALKS rows. */
static void
walk_rows(const struct trees *trees, size_t t, const float *x, float *margins)
{
  const struct trees_flat *flat = trees->flat;
  uint32_t at[WALKS];

  for (size_t k = 0; k < WALKS; k++)
    at[k] = flat->root[t];
  for (uint32_t level = 0; level < flat->depth[t]; level++)
#pragma GCC unroll 8
    for (size_t k = 0; k < WALKS; k++)
      at[k] = go(flat->steps, at[k], x + k * trees->inputs);
  for (size_t k = 0; k < WALKS; k++)
    margins[k * trees->groups] += flat->steps[at[k]].leaf;
}

void
trees_walk_any(const struct trees *trees, const float *x, size_t n, float *margins)
{
  const struct trees_flat *flat = trees->flat;
  size_t groups = trees->groups, whole = n / WALKS * WALKS;

  for (size_t i = 0; i < whole * groups; i++)
    margins[i] = trees->base;
  for (size_t first = 0; first < whole; first += ROW_BLOCK)
  {
    size_t end = first + ROW_BLOCK < whole ? first + ROW_BLOCK : whole;
    for (size_t g = 0; g < groups; g++)
      for (size_t t = flat->group_first[g]; t < flat->group_first[g + 1]; t++)
        for (size_t row = first; row < end; row += WALKS)
          walk_rows(trees, t, x + row * trees->inputs, margins + row * groups + g);
  }
  for (size_t row = whole; row < n; row++)
    if (flat->shallow)
      trees_walk_shallow(trees, x + row * trees->inputs, margins + row * groups);
    else
      walk_row(trees, x + row * trees->inputs, margins + row * groups);
}

void
trees_margins(const struct trees *trees, const float *x, size_t n, float *margins)
{
  if (n >= WIDE_ROWS && trees->flat->tops)
    trees_walk_wide(trees, x, n, margins);
  else
    trees_walk_any(trees, x, n, margins);
}
