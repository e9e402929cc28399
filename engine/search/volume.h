/* By how much a trial of several objectives is expected to enlarge the volume that the best ones dominate.
 *
 * The volume between a front and a reference point is, but for a constant, the mean over directions of
 * t^m, t being how far one gets from the reference point along the direction before leaving what the
 * front dominates (Golovin & Zhang, "Random hypervolume scalarizations", 2020). A point with independent
 * normal objectives lies beyond t with probability Π_j Φ((reference_j − t·direction_j − mean_j)/sd_j), so
 * the expected gain along one direction is ∫ m·t^(m−1)·Π_j Φ dt from where the front ends. This is done
 * for a fixed set of directions, in logarithms throughout, so that far from any gain there is still a
 * slope. Pure but for the memory it owns. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_VOLUME_H
#define ATTUNE_SEARCH_VOLUME_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "search/search.h"

#define VOLUME_DIRECTIONS 48

struct volume
{
  size_t m;
  double reference[SEARCH_OBJECTIVES_MAX];
  double directions[VOLUME_DIRECTIONS][SEARCH_OBJECTIVES_MAX];
  double reached[VOLUME_DIRECTIONS]; /* t at the end of the front */
};

/* For n ≥ 1 points of m values to be minimised, values (n, m). The reference point lies beyond the worst
 * of the front by a part of its size, or of the spread of all points where the front is small. The
 * directions follow from the seed. ERR_MEMORY. */
enum err volume_init(struct volume *volume, size_t n, size_t m, const double *values,
                     uint64_t seed);

/* log of the expected gain of a point with these means and variances (m each), up to a constant; its
 * derivatives by them. */
double volume_log_gain(const struct volume *volume, const double *mean, const double *variance,
                       double *by_mean, double *by_variance);

#endif
