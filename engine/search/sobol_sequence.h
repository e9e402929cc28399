/* Sobol's low-discrepancy sequence, scrambled: every point can be had by its number.
 *
 * The scramble is a random lower-triangular matrix over GF(2) per dimension and a digital shift
 * (Matousek 1998), keyed by the seed: any 2^k points from a multiple of 2^k on still hold exactly one
 * point in each of the 2^k slices of every dimension. Dimensions beyond the table (SOBOL_DIMENSIONS)
 * are filled by the counter generator. Owns its memory; free to share between threads once made.
 */
#ifndef ATTUNE_SEARCH_SOBOL_SEQUENCE_H
#define ATTUNE_SEARCH_SOBOL_SEQUENCE_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SOBOL_DIMENSIONS 160

struct sobol_sequence;

/* A sequence over `dims` dimensions; ERR_MEMORY only. */
enum err sobol_sequence_new(size_t dims, uint64_t seed, struct sobol_sequence **sequence);

/* The same without the scramble: point 0 is the origin (for tests and comparisons). */
enum err sobol_sequence_new_plain(size_t dims, struct sobol_sequence **sequence);

void sobol_sequence_free(struct sobol_sequence *sequence);

/* Point `index` (0 … 2^32−1) into unit (dims), each in [0,1). */
void sobol_sequence_point(const struct sobol_sequence *sequence, uint32_t index, double *unit);

#endif
