/* How trees are laid out for answering, and the walks over that layout. For trees*.c only.
 *
 * A walk has no branch: at each of a tree's levels it goes to left + (feature goes right), a leaf leading to
 * itself, so several walks can run side by side and every one takes as many steps as its tree is deep. On
 * CPUs with AVX-512 sixteen rows walk together: the first six levels of a tree, padded to a whole one, then
 * lie in registers, and only the rows' features and what is deeper is gathered from memory. Whichever way, the
 * leaves of a margin are added in the order of the trees, so margins are equal bit for bit.
 */
#ifndef ATTUNE_MODEL_TREES_WALK_H
#define ATTUNE_MODEL_TREES_WALK_H

#include <stdatomic.h>

#include "model/trees.h"

#define TREES_TOP_LEVELS 6
#define TREES_TOP 64 /* 2^TREES_TOP_LEVELS */

/* A missing value goes right; else left. */
#define TREES_MISSING_RIGHT 0x80000000u

/* A leaf: threshold NaN, so that every value and a missing one stay left, where `left` is the leaf itself. */
struct trees_step
{
  float threshold; /* right unless feature < threshold */
  uint32_t feature;
  uint32_t left;
  float leaf;
};

/* The first levels of a tree, numbered 1, then 2i and 2i + 1 under i. */
struct trees_top
{
  float threshold[TREES_TOP];
  uint32_t feature[TREES_TOP];
  float leaf[TREES_TOP];    /* under the last level: what a leaf adds … */
  uint32_t exit[TREES_TOP]; /* … and the step to go on from */
};

/* Trees of few levels over few inputs, each padded to a whole one and without the steps' places: less than a
 * third of the memory of the steps, most of which a server's other work pushes out of the cache between two
 * calls. Inner nodes are numbered 1, then 2i and 2i + 1 under i. All 64-byte aligned. */
struct trees_shallow
{
  uint32_t levels;  /* of every tree */
  float *threshold; /* (tree_count, 2^levels); NaN where all go left */
  uint8_t *feature; /* (tree_count, 2^levels) */
  float *leaf;      /* (tree_count, 2^levels), from left to right */
};

/* Trees in the order of their margins; within a margin as they came. */
struct trees_flat
{
  size_t tree_count;
  size_t *group_first;      /* (groups + 1): trees of each margin */
  uint32_t *root;           /* (tree_count): its first step */
  uint32_t *depth;          /* (tree_count): steps from the root to the deepest leaf */
  struct trees_step *steps; /* (node_count) */
  struct trees_top
    *tops; /* (tree_count), 64-byte aligned; NULL where sixteen rows do not walk together */
  struct trees_shallow *shallow; /* NULL where a row walks by the steps */
  _Atomic(float *)
    cover; /* (node_count): read from XGBoost's bytes when first asked for (trees_cover) */
};

/* trees->flat ← the layout of trees that are complete; ERR_MEMORY. */
enum err trees_lay_out(struct trees *trees, struct err_info *info);
void trees_flat_free(struct trees_flat *flat);

/* margins (n, groups) ← x (n, inputs): on any CPU. */
void trees_walk_any(const struct trees *trees, const float *x, size_t n, float *margins);

/* NULL when the trees are too deep, the inputs too many, or without memory. Needs steps, root and depth. */
struct trees_shallow *trees_shallow_new(const struct trees_flat *flat, size_t inputs);
void trees_shallow_free(struct trees_shallow *shallow);
/* margins (groups) ← one row x (inputs): on any CPU, only where trees->flat has `shallow`. */
void trees_walk_shallow(const struct trees *trees, const float *x, float *margins);

/* Whether this CPU can walk sixteen rows together; and the walk, only where it can and there are tops. */
bool trees_walk_wide_here(void);
void trees_walk_wide(const struct trees *trees, const float *x, size_t n, float *margins);

#endif
