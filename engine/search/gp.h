/* A Gaussian process over rows of features: fit and posterior.
 *
 * Kernel: a sum of blocks, k(x,x') = Σ_B [gate of B open for both] · s_B · m(r), with Matérn-5/2
 * m(r) = (1 + √5 r + 5r²/3)·exp(−√5 r) and r² = Σ_k b_k δ_k²; δ is the difference of a numeric feature
 * and 0 or 1 for a categorical one (Hamming). A gated block is the part of a conditional space that
 * one value of a categorical opens. Noise variance is 1e-6 + exp(θ_noise); the constant mean is
 * profiled out (generalised least squares).
 *
 * Hyperparameters θ, one flat array: per block the log b of its features in order and log s; at the
 * end the log noise. The priors are those at the top of gp_fit.c, stated on b, s and the noise and
 * weighed without the Jacobian of the logarithm.
 *
 * A struct gp owns copies of its data and is used by one thread at a time. Not for: choosing points
 * (acquire.h), transforming values (bayes.c).
 */
#ifndef ATTUNE_SEARCH_GP_H
#define ATTUNE_SEARCH_GP_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"

#define GP_NOISE_FLOOR 1e-6

struct gp_block
{
  size_t *features; /* columns of a row; numeric ones first */
  size_t count;     /* of all features of the block */
  size_t numeric;   /* of the numeric ones */
  bool gated;
  size_t gate; /* column that must equal gate_value */
  double gate_value;
};

struct gp_layout
{
  size_t width; /* numbers in a row */
  struct gp_block *blocks;
  size_t block_count;
};

struct gp;

/* Length of θ. */
size_t gp_theta_count(const struct gp_layout *layout);

/* The start of every fit: the mode of the priors. */
void gp_theta_default(const struct gp_layout *layout, double *theta);

/* The fit as a function to minimise. Borrows layout, x (n,width) and y (n). */
struct gp_problem;
enum err gp_problem_new(const struct gp_layout *layout, size_t n, const double *x, const double *y,
                        struct gp_problem **problem);
void gp_problem_free(struct gp_problem *problem);

/* −log posterior density of θ up to a constant: half the quadratic form and half the log determinant,
 * with the mean profiled out, minus the log priors; its gradient into gradient (may be NULL). INFINITY
 * where the covariance is not positive definite. */
double gp_problem_value(struct gp_problem *problem, const double *theta, double *gradient);

/* Maximum a posteriori θ: from gp_theta_default, whatever theta held. */
enum err gp_fit(const struct gp_layout *layout, size_t n, const double *x, const double *y,
                double *theta);

/* The same from where theta stands, in few steps: for data that have hardly changed since. */
enum err gp_refit(const struct gp_layout *layout, size_t n, const double *x, const double *y,
                  double *theta);

/* The posterior under θ. `spare` rows may be appended later. ERR_MEMORY; ERR_DIVERGED when the
 * covariance is not positive definite. */
enum err gp_new(const struct gp_layout *layout, const double *theta, size_t n, const double *x,
                const double *y, size_t spare, struct gp **gp);
void gp_free(struct gp *gp);

/* A copy with room for `spare` further rows. ERR_MEMORY. */
enum err gp_clone(const struct gp *gp, size_t spare, struct gp **clone);

/* Other values (gp_count) at the same rows: O(n²), where gp_new takes O(n³). */
void gp_set_values(struct gp *gp, const double *y);

/* Conditions on a further row whose value is taken to be its posterior mean: means stay, variances
 * shrink. ERR_LIMIT when no spare row is left. */
enum err gp_append(struct gp *gp, const double *row);

size_t gp_count(const struct gp *gp);

/* Variance of the noise. */
double gp_noise(const struct gp *gp);

/* log p(y | θ) without the priors, with the profiled mean. */
double gp_log_likelihood(const struct gp *gp);

/* The log density of each value given all the others, into density (gp_count). ERR_MEMORY,
 * ERR_DIVERGED. */
enum err gp_leave_one_out(const struct gp *gp, double *density);

/* Mean and variance of the noise-free value at one row. */
void gp_predict(struct gp *gp, const double *row, double *mean, double *variance);

/* As gp_predict, with the derivatives by the numeric features (width each; 0 for categorical ones). */
void gp_predict_gradient(struct gp *gp, const double *row, double *mean, double *variance,
                         double *mean_gradient, double *variance_gradient);

/* Means and variances of `count` rows (count,width) at once; `variance` may be NULL. ERR_MEMORY. */
enum err gp_predict_many(struct gp *gp, size_t count, const double *rows, double *mean,
                         double *variance);

/* As gp_predict_many, but in place of the variance what is left of it after the one most telling datum:
 * never less than the variance under a known mean, and much cheaper with many data. ERR_MEMORY. */
enum err gp_predict_bound(struct gp *gp, size_t count, const double *rows, double *mean,
                          double *bound);

#endif
