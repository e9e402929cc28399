#include <config.h>

#include "model/conv_grid.h"

#include <string.h>

static size_t
cells_of(size_t side, size_t grid)
{
  return side < grid ? side : grid;
}

size_t
conv_grid_cells(size_t height, size_t width, size_t grid)
{
  return cells_of(height, grid) * cells_of(width, grid);
}

/* One cell: the pixels of rows first … last−1 and columns from left to right−1. */
struct cell
{
  size_t first, last, left, right;
};

static struct cell
cell_at(size_t height, size_t width, size_t grid, size_t index)
{
  size_t rows = cells_of(height, grid), columns = cells_of(width, grid);
  size_t i = index / columns, j = index % columns;

  return (struct cell){.first = i * height / rows,
                       .last = (i + 1) * height / rows,
                       .left = j * width / columns,
                       .right = (j + 1) * width / columns};
}

static float
share_of(const struct cell *cell)
{
  return 1.0f / (float) ((cell->last - cell->first) * (cell->right - cell->left));
}

void
conv_grid_gather(size_t n, size_t height, size_t width, size_t channels, size_t grid,
                 const float *maps, size_t stride, float *features)
{
  size_t cells = conv_grid_cells(height, width, grid);

  for (size_t image = 0; image < n; image++, maps += height * width * channels, features += stride)
    for (size_t k = 0; k < cells; k++)
    {
      struct cell cell = cell_at(height, width, grid, k);
      float *mean = features + k * channels, share = share_of(&cell);
      memset(mean, 0, channels * sizeof *mean);
      for (size_t i = cell.first; i < cell.last; i++)
        for (size_t j = cell.left; j < cell.right; j++)
          for (size_t c = 0; c < channels; c++)
            mean[c] += maps[(i * width + j) * channels + c];
      for (size_t c = 0; c < channels; c++)
        mean[c] *= share;
    }
}

void
conv_grid_spread(size_t n, size_t height, size_t width, size_t channels, size_t grid,
                 const float *features, size_t stride, float *maps)
{
  size_t cells = conv_grid_cells(height, width, grid);

  for (size_t image = 0; image < n; image++, maps += height * width * channels, features += stride)
    for (size_t k = 0; k < cells; k++)
    {
      struct cell cell = cell_at(height, width, grid, k);
      const float *d = features + k * channels;
      float share = share_of(&cell);
      for (size_t i = cell.first; i < cell.last; i++)
        for (size_t j = cell.left; j < cell.right; j++)
          for (size_t c = 0; c < channels; c++)
            maps[(i * width + j) * channels + c] = share * d[c];
    }
}
