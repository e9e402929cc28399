#include <config.h>

#include "model/trees_shap.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/trees_walk.h"

/* Half of the features on the longest path, rounded up. */
#define POINTS_MOST (TREES_SHAP_DEPTH / 2)
#define PI 3.14159265358979323846
/* Time of one step into a child, in steps of a walk, measured. */
#define STEP_COST 4

/* ---- the weights of nodes --------------------------------------------------------------------------- */

static bool
same_nodes(const struct trees *a, const struct trees *b)
{
  if (a->node_count != b->node_count || a->tree_count != b->tree_count
      || memcmp(a->starts, b->starts, a->tree_count * sizeof *a->starts) != 0)
    return false;
  for (size_t i = 0; i < a->node_count; i++)
    if (a->nodes[i].left != b->nodes[i].left || a->nodes[i].feature != b->nodes[i].feature)
      return false;
  return true;
}

const float *
trees_cover(const struct trees *trees)
{
  struct trees *read = NULL;
  float *mine, *before = NULL;

  if (trees->cover)
    return trees->cover;
  mine = atomic_load(&trees->flat->cover);
  if (mine)
    return mine;
  if (!trees->ubj_length
      || trees_from_ubj(trees->ubj, trees->ubj_length, trees->tree_count, trees->inputs, &read,
                        NULL)
           != ERR_OK)
    return NULL;
  if (same_nodes(trees, read))
  {
    mine = read->cover;
    read->cover = NULL;
  }
  trees_free(read);
  /* another thread may have been sooner */
  if (mine && !atomic_compare_exchange_strong(&trees->flat->cover, &before, mine))
  {
    free(mine);
    mine = before;
  }
  return mine;
}

static size_t
deepest(const struct trees *trees)
{
  size_t depth = 0;

  for (size_t t = 0; t < trees->flat->tree_count; t++)
    if (trees->flat->depth[t] > depth)
      depth = trees->flat->depth[t];
  return depth;
}

bool
trees_shap_possible(const struct trees *trees)
{
  return deepest(trees) <= TREES_SHAP_DEPTH && trees_cover(trees) != NULL;
}

static size_t
point_count(const struct trees *trees)
{
  size_t longest = deepest(trees);

  if (trees->inputs < longest)
    longest = trees->inputs;
  return longest < 2 ? 1 : (longest + 1) / 2;
}

size_t
trees_shap_answers(const struct trees *trees)
{
  double walk = 1.0;

  for (size_t t = 0; t < trees->flat->tree_count; t++)
    walk += (double) trees->flat->depth[t];
  return 1 + (size_t) ((double) trees->node_count * (double) point_count(trees) * STEP_COST / walk);
}

/* ---- the values ------------------------------------------------------------------------------------- */

/* Points t in (0, 1) and weights of the Gauss–Legendre rule, by Newton's method on the Legendre polynomial. */
static void
gauss_legendre(size_t n, double *points, double *weights)
{
  for (size_t i = 0; i < n; i++)
  {
    double x = cos(PI * ((double) i + 0.75) / ((double) n + 0.5)), slope = 1.0;
    for (int step = 0; step < 100; step++)
    {
      double p = 1.0, before = 0.0;
      for (size_t k = 1; k <= n; k++)
      {
        double next = ((2.0 * (double) k - 1.0) * x * p - ((double) k - 1.0) * before) / (double) k;
        before = p;
        p = next;
      }
      slope = (double) n * (x * p - before) / (x * x - 1.0);
      x -= p / slope;
      if (fabs(p / slope) < 1e-15)
        break;
    }
    points[i] = 0.5 + 0.5 * x;
    weights[i] = 1.0 / ((1.0 - x * x) * slope * slope);
  }
}

/* A feature's factor on the path: 1 / (t o + (1 − t) z) at each point. */
struct factor
{
  double takes, share; /* o and z */
  double inverse[POINTS_MOST];
};

struct level
{
  struct factor factor;        /* of the split that leads here */
  double product[POINTS_MOST]; /* of all features' factors */
  double leaves[POINTS_MOST];  /* sum of the leaves below, each with its product */
};

struct shap
{
  const struct trees *trees;
  const float *cover, *x;
  double weight;
  double *shares, *expected;
  size_t count; /* points */
  double points[POINTS_MOST], weights[POINTS_MOST];
  struct level levels[TREES_SHAP_DEPTH + 1];
  uint8_t *last; /* (inputs): the level whose split was last on the feature; 0 = none is */
};

static bool
goes_left(const struct trees_node *node, float value)
{
  return isnan(value) ? (node->feature & TREES_MISSING_LEFT) != 0 : value < node->value;
}

/* Share of a node's weight that went to a child; half of none at all. */
static double
share_of(const struct shap *shap, size_t node, size_t child)
{
  double all = (double) shap->cover[node];

  return all > 0.0 ? fmin(fmax((double) shap->cover[child] / all, 0.0), 1.0) : 0.5;
}

/* Weighted sum of leaves without a factor. */
static double
without(const struct shap *shap, const double *leaves, const struct factor *factor)
{
  double sum = 0.0;

  for (size_t q = 0; q < shap->count; q++)
    sum += shap->weights[q] * leaves[q] * factor->inverse[q];
  return (factor->takes - factor->share) * sum;
}

static void walk(struct shap *shap, size_t node, size_t depth, double reach);

/* Into a child by a split on `feature`; `reach` is the child's share of the tree's weight. */
static void
walk_child(struct shap *shap, size_t child, size_t depth, size_t feature, bool taken, double share,
           double reach)
{
  struct level *here = &shap->levels[depth - 1], *next = &shap->levels[depth];
  uint8_t before = shap->last[feature];
  const struct factor *old = before ? &shap->levels[before].factor : NULL;

  next->factor.takes = taken && (!old || old->takes > 0.0) ? 1.0 : 0.0;
  next->factor.share = old ? old->share * share : share;
  /* no row in training went there and this one does not: no leaf below counts */
  if (next->factor.takes == 0.0 && next->factor.share == 0.0)
    return;
  for (size_t q = 0; q < shap->count; q++)
  {
    double t = shap->points[q];
    double factor = t * next->factor.takes + (1.0 - t) * next->factor.share;
    next->factor.inverse[q] = 1.0 / factor;
    next->product[q] = here->product[q] * factor * (old ? old->inverse[q] : 1.0);
    next->leaves[q] = 0.0;
  }
  shap->last[feature] = (uint8_t) depth;
  walk(shap, child, depth, reach);
  shap->last[feature] = before;
  /* what the feature's split above will count for these leaves is not theirs: the factor here is */
  double added = without(shap, next->leaves, &next->factor);
  if (old)
    added -= without(shap, next->leaves, old);
  shap->shares[feature] += shap->weight * added;
  for (size_t q = 0; q < shap->count; q++)
    here->leaves[q] += next->leaves[q];
}

/* Fills the leaves of levels[depth]. Ends: no tree is deeper than TREES_SHAP_DEPTH. */
static void
walk(struct shap *shap, size_t node, size_t depth, double reach)
{
  const struct trees_node *at = &shap->trees->nodes[node];
  struct level *here = &shap->levels[depth];
  size_t feature = at->feature & ~TREES_MISSING_LEFT;

  if (!at->left)
  {
    for (size_t q = 0; q < shap->count; q++)
      here->leaves[q] = (double) at->value * here->product[q];
    *shap->expected += shap->weight * reach * (double) at->value;
    return;
  }
  bool left = goes_left(at, shap->x[feature]);
  for (size_t side = 0; side < 2; side++)
  {
    size_t child = at->left + side;
    double share = share_of(shap, node, child);
    walk_child(shap, child, depth + 1, feature, left == (side == 0), share, reach * share);
  }
}

enum err
trees_shap_add(const struct trees *trees, const float *x, size_t group, double weight,
               double *shares, double *expected, struct err_info *info)
{
  struct shap *shap;

  if (!trees_shap_possible(trees))
    return err_set(info, ERR_INVALID, "these trees do not say how many rows went where");
  shap = calloc(1, sizeof *shap);
  if (shap)
    shap->last = calloc(trees->inputs, sizeof *shap->last);
  if (!shap || !shap->last)
  {
    free(shap);
    return err_set(info, ERR_MEMORY, "no memory for an explanation");
  }
  shap->trees = trees;
  shap->cover = trees_cover(trees);
  shap->x = x;
  shap->weight = weight;
  shap->shares = shares;
  shap->expected = expected;
  shap->count = point_count(trees);
  gauss_legendre(shap->count, shap->points, shap->weights);
  *expected += weight * (double) trees->base;
  for (size_t q = 0; q < shap->count; q++)
    shap->levels[0].product[q] = 1.0;
  for (size_t t = 0; t < trees->tree_count; t++)
    if (trees->group[t] == group)
    {
      memset(shap->levels[0].leaves, 0, sizeof shap->levels[0].leaves);
      walk(shap, trees->starts[t], 0, 1.0);
    }
  free(shap->last);
  free(shap);
  return ERR_OK;
}
