/* Boosted trees: growing them through XGBoost, and answering from our own flat arrays.
 *
 * `struct trees` is immutable and free to share. Its nodes lie tree after tree, breadth first, the two
 * children of a node side by side; an answer walks them with the same comparisons as XGBoost and adds
 * in the same order, so margins are equal bit for bit. XGBoost's own bytes (UBJSON) are kept beside
 * for export and for later releases. Only model_trees.c knows XGBoost.
 */
#ifndef ATTUNE_MODEL_TREES_H
#define ATTUNE_MODEL_TREES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct trees_flat;

enum trees_objective
{
  TREES_VALUE,   /* squared error, one output */
  TREES_SIGMOID, /* two classes, one margin */
  TREES_SOFTMAX, /* many classes, one margin each */
  TREES_QUANTILE /* pinball loss, one output; a trained model answers as TREES_VALUE */
};

#define TREES_MISSING_LEFT 0x80000000u

struct trees_node
{
  float value;      /* go left if feature < value; a leaf: what it adds */
  uint32_t left;    /* index of the left child, the right one follows; 0 = leaf */
  uint32_t feature; /* with TREES_MISSING_LEFT when a missing value goes left */
};

struct trees
{
  enum trees_objective objective;
  size_t inputs;
  size_t groups; /* margins */
  float base;    /* every margin starts here */
  size_t tree_count;
  uint32_t *starts; /* (tree_count): root of each tree */
  uint32_t *group;  /* (tree_count) */
  size_t node_count;
  struct trees_node *nodes;
  float *gain;  /* (inputs): summed loss reduction, for importance */
  float *cover; /* (node_count): what trees_cover gives, once grown; NULL in loaded ones */
  unsigned char *ubj;
  size_t ubj_length;
  struct trees_flat
    *flat; /* the same nodes as walks want them (trees_walk.h), made of the others */
};

void trees_free(struct trees *trees);

/* margins (n, groups) ← x (n, inputs), NaN = missing; a row's margins do not depend on the others. */
void trees_margins(const struct trees *trees, const float *x, size_t n, float *margins);

/* The same from XGBoost itself, from the kept bytes: for checks. */
enum err trees_margins_xgboost(const struct trees *trees, const float *x, size_t n, float *margins,
                               struct err_info *info);

/* The first `keep` trees out of XGBoost's UBJSON, copied to arrays (see trees_read.c). */
enum err trees_from_ubj(const unsigned char *bytes, size_t length, size_t keep, size_t inputs,
                        struct trees **trees, struct err_info *info);

/* ---- growing -------------------------------------------------------------------------------------- */

struct trees_config
{
  enum trees_objective objective;
  size_t inputs, groups;
  double learning_rate, min_child_weight, subsample, colsample, alpha, lambda;
  size_t max_depth;
  uint64_t seed;
  double quantile;   /* of TREES_QUANTILE: its level */
  double base_score; /* the first guess: a value, or a probability */
};

/* Rows to grow on or to watch. x (rows, inputs), finite or NaN; y classes or values; weight may be NULL. */
struct trees_rows
{
  const float *x;
  size_t rows;
  const float *y;
  const float *weight;
};

struct trees_trainer;

/* valid->rows may be 0. XGBoost copies the rows; labels and weights must outlive the trainer. */
enum err trees_trainer_new(const struct trees_config *config, const struct trees_rows *train,
                           const struct trees_rows *valid, struct trees_trainer **trainer,
                           struct err_info *info);
void trees_trainer_free(struct trees_trainer *trainer);

/* Adds one round (one tree a margin); losses are log loss, RMSE or pinball loss, NaN without validation rows. */
enum err trees_trainer_round(struct trees_trainer *trainer, double *train_loss, double *valid_loss,
                             struct err_info *info);

/* The model of the first `rounds` rounds. */
enum err trees_trainer_finish(struct trees_trainer *trainer, size_t rounds, struct trees **trees,
                              struct err_info *info);

#endif
