/* Losses of networks and their gradients, in one pass. Pure; any thread.
 */
#ifndef ATTUNE_TRAIN_LOSS_H
#define ATTUNE_TRAIN_LOSS_H

#include <stddef.h>
#include <stdint.h>

/* Softmax cross-entropy with label smoothing ε: the target of class c is (1−ε)·1[c] + ε/k.
 * Loss = Σ_i w_i · (−Σ_j t_ij log p_ij) / n; d (n,k) = w_i (p − t)/n. weight may be NULL (all 1). */
double loss_softmax(size_t n, size_t k, const float *logits, const int32_t *classes,
                    const float *weight, float smoothing, float *d);

/* Half the mean squared error: Σ_i w_i (y_i − t_i)²/(2n); d (n) = w_i (y − t)/n. weight may be NULL. */
double loss_square(size_t n, const float *y, const float *target, const float *weight, float *d);

/* The mean absolute error, Σ_i w_i |y_i − t_i|/n, rounded within ± `width` of 0: there e²/(2·width) +
 * width/2, which meets the lines smoothly. weight may be NULL. */
double loss_absolute(size_t n, const float *y, const float *target, const float *weight,
                     double width, float *d);

/* Huber's loss: ½e² for |e| ≤ width, else width·(|e| − width/2), weighted mean (Huber 1964). weight may be
 * NULL. */
double loss_huber(size_t n, const float *y, const float *target, const float *weight, double width,
                  float *d);

/* The pinball loss of the quantile at `level`: Σ_i w_i ρ(t_i − y_i)/n, ρ(r) = level·r above 0, else
 * (level − 1)·r; within ± `width` of 0 a parabola that meets both lines smoothly. weight may be NULL. */
double loss_pinball(size_t n, const float *y, const float *target, const float *weight,
                    double level, double width, float *d);

#endif
