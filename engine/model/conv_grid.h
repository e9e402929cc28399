/* Means of maps over the cells of a grid: a few numbers of each map that still say where something is.
 *
 * A side of s pixels has min (s, grid) cells; cell i of k goes from pixel ⌊i·s/k⌋ to ⌊(i+1)·s/k⌋. Maps are
 * (height, width, channels) of one image after another, fp32. Pure; any thread.
 */
#ifndef ATTUNE_MODEL_CONV_GRID_H
#define ATTUNE_MODEL_CONV_GRID_H

#include <stddef.h>

/* The most cells of a side. */
#define CONV_GRID_MAX 16

size_t conv_grid_cells(size_t height, size_t width, size_t grid);

/* features (cells, channels) of image i, which start at features + i · stride, ← means of its maps. */
void conv_grid_gather(size_t n, size_t height, size_t width, size_t channels, size_t grid,
                      const float *maps, size_t stride, float *features);

/* maps ← the gradient of theirs, from that of the features. */
void conv_grid_spread(size_t n, size_t height, size_t width, size_t channels, size_t grid,
                      const float *features, size_t stride, float *maps);

#endif
