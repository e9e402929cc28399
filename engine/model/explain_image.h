/* Where in an image a model found its answer: how much less it is when a patch is covered.
 *
 * Occlusion (Zeiler and Fergus, "Visualizing and understanding convolutional networks", ECCV 2014): the image is cut
 * into a grid of cells that do not overlap, and answered once more with each of them painted in the mean brightness
 * of the training images. A cell that matters only together with another shows nothing. Any thread, with its own
 * workspace.
 */
#ifndef ATTUNE_MODEL_EXPLAIN_IMAGE_H
#define ATTUNE_MODEL_EXPLAIN_IMAGE_H

#include "model/model.h"

#define EXPLAIN_GRID_LEAST 2
#define EXPLAIN_GRID_USUAL 7
#define EXPLAIN_GRID_MOST 14

/* Rows and columns of the map: at most `grid` each, and no more than the image has of pixels. */
void explain_image_grid(const struct model *model, size_t grid, size_t *rows, size_t *columns);

/* drops (rows, columns) ← output `output` of an image (height, width, channels) less the same with the cell covered.
 * Takes rows · columns + 1 answers. ERR_INVALID for models of tables, ERR_MEMORY. */
enum err explain_image(const struct model *model, struct model_workspace *workspace,
                       const uint8_t *pixels, size_t output, size_t rows, size_t columns,
                       double *drops, struct err_info *info);

#endif
