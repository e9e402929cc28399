/* The numbers behind Sobol's sequence: for each dimension after the first a primitive polynomial over
 * GF(2) and the first direction numbers (Joe and Kuo 2008). Data only; for sobol_sequence.c.
 */
#ifndef ATTUNE_SEARCH_SOBOL_TABLE_H
#define ATTUNE_SEARCH_SOBOL_TABLE_H

#include <stdint.h>

#define SOBOL_ROWS 159
#define SOBOL_MAX_DEGREE 10

struct sobol_row
{
  unsigned degree;
  uint32_t polynomial; /* bit k is the coefficient of x^k; bits `degree` and 0 are set */
  uint32_t initial[SOBOL_MAX_DEGREE];
};

extern const struct sobol_row sobol_rows[SOBOL_ROWS]; /* row j is dimension j + 1 */

#endif
