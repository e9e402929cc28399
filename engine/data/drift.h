/* How far what a model is asked lies from what it was trained on.
 *
 * The population stability index of two counts over the same bins: the sum of (a - e) ln(a / e) over the bins'
 * shares a (asked) and e (expected), which is the symmetric Kullback-Leibler divergence (Jeffreys 1946). By custom
 * below 0.1 is little, from 0.25 on much. Pure functions, any thread.
 */
#ifndef ATTUNE_DATA_DRIFT_H
#define ATTUNE_DATA_DRIFT_H

#include <stddef.h>
#include <stdint.h>

#define DRIFT_SOME 0.1
#define DRIFT_MUCH 0.25

/* The index of asked against expected, both (bins); at least 0. Each bin counts half a case more than it has, so
 * that an empty one gives a large index rather than an infinite one. NaN when either has no cases. */
double drift_psi(const uint64_t *expected, const uint64_t *asked, size_t bins);

/* The bin of `value` among edges (edge_count, rising): the number of edges at or below it. Bins are closed below;
 * NaN goes to the bin after the last, edge_count + 1. */
size_t drift_bin(const double *edges, size_t edge_count, double value);

/* What the index stays below in 999 of 1000 cases though nothing has changed: with no change it is near a chi-square of
 * bins - 1 degrees of freedom times 1 / n + 1 / m (Yurdakul 2018), whose quantile is taken by Wilson and Hilferty's
 * cube (1931). Infinite where n or m is 0. */
double drift_psi_noise(size_t bins, double n, double m);

/* "stable", "moderate" or "strong"; "too_few" where that many cases can't tell. */
const char *drift_word(double psi, double noise);

#endif
