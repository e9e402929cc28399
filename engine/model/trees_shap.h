/* What each feature of a row added to the margins of boosted trees: exact Shapley values.
 *
 * The values of TreeSHAP with the trees' own weights (Lundberg, Erion, Lee, "Consistent individualized feature
 * attribution for tree ensembles", 2018; XGBoost's pred_contribs): where a feature is hidden, a split on it is followed
 * both ways, each in the share of the training rows' weight (sum of hessians) that went there. A missing value is
 * followed the way the split sends it. The features of a tree that are hidden are independent of each other only as
 * far as the tree knows.
 *
 * On the path to a leaf feature k multiplies the leaf's weight by f_k = o_k when it speaks and by z_k when it is hidden
 * (o: whether the row takes all of its splits there, z: the product of the shares). A Shapley value is the integral
 * over t from 0 to 1 of the multilinear extension's slope (Owen, "Multilinear extensions of games", 1972), here
 *     value of the leaf · (o_k − z_k) · ∫ Π_{j≠k} (t o_j + (1 − t) z_j) dt,
 * a polynomial in t of a degree below the number of features on the path, so that a Gauss–Legendre rule of half as many
 * points is exact. The products are carried down the tree and the sums of leaves up, at each point, so a tree costs
 * its nodes times the points (as in Yu et al., "Linear TreeShap", 2022), and no term is subtracted from one like it.
 */
#ifndef ATTUNE_MODEL_TREES_SHAP_H
#define ATTUNE_MODEL_TREES_SHAP_H

#include "model/trees.h"

/* Deeper trees than this are not explained so. */
#define TREES_SHAP_DEPTH 64

/* Weight of training rows in each node, (node_count); owned by the trees. NULL when XGBoost's bytes are not kept or do
 * not fit the nodes, or without memory. Any thread. */
const float *trees_cover(const struct trees *trees);

/* Whether trees_shap can be asked. */
bool trees_shap_possible(const struct trees *trees);

/* About how many of the trees' answers to one row it takes as long as. */
size_t trees_shap_answers(const struct trees *trees);

/* Adds weight × the contributions to one margin of a row x (inputs; NaN = missing): to shares (inputs) each feature's,
 * and to *expected the margin's mean over the training rows' weight, its base included. ERR_MEMORY; ERR_INVALID where
 * it is not possible. */
enum err trees_shap_add(const struct trees *trees, const float *x, size_t group, double weight,
                        double *shares, double *expected, struct err_info *info);

/* XGBoost's own, shares (n, groups, inputs + 1), the last of each the expected margin: for checks. */
enum err trees_shap_xgboost(const struct trees *trees, const float *x, size_t n, float *shares,
                            struct err_info *info);

#endif
