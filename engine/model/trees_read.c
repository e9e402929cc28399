#include <config.h>

#include "model/trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/ubj.h"

/* One tree as XGBoost writes it: parallel arrays over its nodes. */
enum tree_array
{
  LEFT,
  RIGHT,
  CONDITION,
  FEATURE,
  MISSING_LEFT,
  GAIN,
  COVER,
  ARRAY_COUNT
};

static const char *const array_names[ARRAY_COUNT] = {
  "left_children", "right_children", "split_conditions", "split_indices",
  "default_left",  "loss_changes",   "sum_hessian"};

struct raw_tree
{
  double *values[ARRAY_COUNT];
  size_t count[ARRAY_COUNT];
  size_t capacity[ARRAY_COUNT];
  size_t *order; /* breadth first: raw index of each node */
};

/* What is being filled. */
struct build
{
  struct trees *trees;
  size_t keep;
  size_t tree_capacity, node_capacity, cover_capacity;
  struct raw_tree raw;
  bool no_memory;
};

/* Doubles *capacity until `needed` fits. */
static bool
grow(void **items, size_t *capacity, size_t needed, size_t size)
{
  if (needed <= *capacity)
    return true;
  size_t wanted = *capacity ? *capacity : 64;
  while (wanted < needed)
    wanted *= 2;
  void *grown = reallocarray(*items, wanted, size);
  if (!grown)
    return false;
  *items = grown;
  *capacity = wanted;
  return true;
}

static void
read_numbers(struct build *build, struct ubj *ubj, enum tree_array which)
{
  struct raw_tree *raw = &build->raw;
  struct ubj_array array;

  raw->count[which] = 0;
  ubj_enter_array(ubj, &array);
  while (ubj_next_element(ubj, &array))
  {
    size_t at = raw->count[which]++;
    void *items = raw->values[which];
    if (!grow(&items, &raw->capacity[which], at + 1, sizeof(double)))
    {
      build->no_memory = ubj->failed = true;
      return;
    }
    raw->values[which] = items;
    raw->values[which][at] = ubj_element_number(ubj, &array);
  }
}

static bool
child_ok(double child, size_t count)
{
  return child > 0.0 && child < (double) count;
}

/* Lays a raw tree's nodes breadth first behind those already there. False if it is no tree. */
static bool
append_tree(struct build *build)
{
  struct trees *trees = build->trees;
  struct raw_tree *raw = &build->raw;
  size_t count = raw->count[LEFT], base = trees->node_count, filled = 1;
  void *nodes = trees->nodes, *cover = trees->cover, *order;

  for (int i = 0; i < ARRAY_COUNT; i++)
    if (raw->count[i] != count || count == 0)
      return false;
  order = reallocarray(raw->order, count, sizeof(size_t));
  if (order)
    raw->order = order;
  if (!order || !grow(&nodes, &build->node_capacity, base + count, sizeof(struct trees_node)))
  {
    build->no_memory = true;
    return false;
  }
  trees->nodes = nodes;
  if (!grow(&cover, &build->cover_capacity, base + count, sizeof(float)))
  {
    build->no_memory = true;
    return false;
  }
  trees->cover = cover;
  raw->order[0] = 0;
  for (size_t at = 0; at < filled; at++)
  {
    size_t i = raw->order[at];
    struct trees_node *node = &trees->nodes[base + at];
    double feature = raw->values[FEATURE][i];
    *node = (struct trees_node){.value = (float) raw->values[CONDITION][i]};
    trees->cover[base + at] = (float) raw->values[COVER][i];
    if (!isfinite(node->value))
      return false;
    if (raw->values[LEFT][i] < 0.0)
      continue;
    if (!child_ok(raw->values[LEFT][i], count) || !child_ok(raw->values[RIGHT][i], count)
        || !(feature >= 0.0) || feature >= (double) trees->inputs || filled + 2 > count)
      return false;
    node->left = (uint32_t) (base + filled);
    node->feature =
      (uint32_t) feature | (raw->values[MISSING_LEFT][i] > 0.0 ? TREES_MISSING_LEFT : 0);
    trees->gain[(size_t) feature] += (float) fmax(raw->values[GAIN][i], 0.0);
    raw->order[filled++] = (size_t) raw->values[LEFT][i];
    raw->order[filled++] = (size_t) raw->values[RIGHT][i];
  }
  trees->starts[trees->tree_count++] = (uint32_t) base;
  trees->node_count = base + filled;
  return trees->node_count < TREES_MISSING_LEFT;
}

static void
read_tree(struct build *build, struct ubj *ubj)
{
  const char *key;
  size_t length;

  ubj_enter_object(ubj);
  while (ubj_next_key(ubj, &key, &length))
  {
    int which = 0;
    while (which < ARRAY_COUNT && !ubj_key_is(key, length, array_names[which]))
      which++;
    if (which < ARRAY_COUNT)
      read_numbers(build, ubj, (enum tree_array) which);
    else
      ubj_skip(ubj);
  }
}

static void
read_trees(struct build *build, struct ubj *ubj)
{
  struct trees *trees = build->trees;
  struct ubj_array array;

  ubj_enter_array(ubj, &array);
  while (ubj_next_element(ubj, &array))
  {
    void *starts = trees->starts;
    if (trees->tree_count >= build->keep)
    {
      ubj_skip(ubj);
      continue;
    }
    if (!grow(&starts, &build->tree_capacity, trees->tree_count + 1, sizeof(uint32_t)))
    {
      build->no_memory = ubj->failed = true;
      return;
    }
    trees->starts = starts;
    read_tree(build, ubj);
    if (ubj->failed || !append_tree(build))
      ubj->failed = true;
  }
}

/* Walks to learner/gradient_booster/model/trees, whatever stands beside it. */
static void
descend(struct build *build, struct ubj *ubj, const char *const *path)
{
  const char *key;
  size_t length;

  ubj_enter_object(ubj);
  while (ubj_next_key(ubj, &key, &length))
  {
    if (!ubj_key_is(key, length, path[0]))
      ubj_skip(ubj);
    else if (path[1])
      descend(build, ubj, path + 1);
    else
      read_trees(build, ubj);
  }
}

enum err
trees_from_ubj(const unsigned char *bytes, size_t length, size_t keep, size_t inputs,
               struct trees **trees, struct err_info *info)
{
  static const char *const path[] = {"learner", "gradient_booster", "model", "trees", NULL};
  struct ubj ubj = {.at = bytes, .end = bytes + length};
  struct build build = {.keep = keep, .trees = calloc(1, sizeof(struct trees))};

  *trees = NULL;
  if (build.trees)
  {
    build.trees->inputs = inputs;
    build.trees->gain = calloc(inputs ? inputs : 1, sizeof(float));
  }
  if (!build.trees || !build.trees->gain)
    build.no_memory = true;
  else
    descend(&build, &ubj, path);
  for (int i = 0; i < ARRAY_COUNT; i++)
    free(build.raw.values[i]);
  free(build.raw.order);
  if (build.no_memory || ubj.failed || build.trees->tree_count != keep)
  {
    trees_free(build.trees);
    return build.no_memory ? err_set(info, ERR_MEMORY, "no memory for the trees")
                           : err_set(info, ERR_INTERNAL, "the trees XGBoost wrote cannot be read");
  }
  *trees = build.trees;
  return ERR_OK;
}
