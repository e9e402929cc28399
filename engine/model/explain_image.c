#include <config.h>

#include "model/explain_image.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/model_internal.h"

/* Images that are answered at once, at most. */
#define BATCH_BYTES ((size_t) 4 << 20)

void
explain_image_grid(const struct model *model, size_t grid, size_t *rows, size_t *columns)
{
  *rows = grid < model->pixels.height ? grid : model->pixels.height;
  *columns = grid < model->pixels.width ? grid : model->pixels.width;
}

/* Paints one cell of the grid. */
static void
cover(const struct model_pixels *pixels, size_t cell, size_t rows, size_t columns, uint8_t *image)
{
  size_t i = cell / columns, j = cell % columns, channels = pixels->channels;
  size_t top = i * pixels->height / rows, bottom = (i + 1) * pixels->height / rows;
  size_t left = j * pixels->width / columns, right = (j + 1) * pixels->width / columns;
  float mean = roundf(pixels->mean);
  int paint = mean > 0.0f ? (mean < 255.0f ? (int) mean : 255) : 0;

  for (size_t y = top; y < bottom; y++)
    memset(image + (y * pixels->width + left) * channels, paint, (right - left) * channels);
}

enum err
explain_image(const struct model *model, struct model_workspace *workspace, const uint8_t *pixels,
              size_t output, size_t rows, size_t columns, double *drops, struct err_info *info)
{
  size_t bytes = model_pixels_bytes(&model->pixels), outputs = model->task.output_count;
  size_t cells = rows * columns, batch = bytes ? BATCH_BYTES / bytes : 0;
  enum err rc = ERR_OK;

  if (model->input != DATASET_IMAGES)
    return err_set(info, ERR_INVALID, "only images are explained by covering parts of them");
  batch = batch < 1 ? 1 : batch < cells ? batch : cells;
  uint8_t *images = malloc(batch * bytes);
  float *out = calloc((batch + 1) * outputs, sizeof *out), *whole = out;
  if (!images || !out)
    rc = err_set(info, ERR_MEMORY, "no memory for an explanation");
  if (rc == ERR_OK)
    rc = model_predict_images(model, workspace, pixels, 1, whole, info);
  for (size_t first = 0; rc == ERR_OK && first < cells; first += batch)
  {
    size_t n = cells - first < batch ? cells - first : batch;
    for (size_t i = 0; i < n; i++)
    {
      memcpy(images + i * bytes, pixels, bytes);
      cover(&model->pixels, first + i, rows, columns, images + i * bytes);
    }
    rc = model_predict_images(model, workspace, images, n, out + outputs, info);
    for (size_t i = 0; rc == ERR_OK && i < n; i++)
      drops[first + i] = (double) whole[output] - (double) out[(i + 1) * outputs + output];
  }
  free(out);
  free(images);
  return rc;
}
