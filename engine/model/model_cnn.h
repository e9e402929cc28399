/* The body of a convolutional model: a network folded for prediction, and what training needs of it.
 */
#ifndef ATTUNE_MODEL_MODEL_CNN_H
#define ATTUNE_MODEL_MODEL_CNN_H

#include <jansson.h>
#include <stdbool.h>

#include "base/err.h"
#include "model/convnet.h"
#include "model/model.h"
#include "model/model_build.h"

/* The network that checked parameters (tuned defaults where left out) ask for, on images as `pixels` shows them:
 * with the layers of the shape's base, if it has one, under a new head. */
void model_cnn_config(const struct model_data_shape *shape, const json_t *params,
                      const struct model_pixels *pixels, size_t outputs,
                      struct convnet_config *config);

/* The size that a network with these parameters sees images of the shape's size in. */
void model_cnn_seen_size(const struct model_data_shape *shape, const json_t *params, size_t *height,
                         size_t *width);

/* A body for model_build_take: copies weights and statistics. `mirror`: the mean of an image's logits and those
 * of its mirror image is predicted. ERR_MEMORY, ERR_INTERNAL. */
enum err model_cnn_take(const struct convnet *net, bool mirror, void **body, struct err_info *info);

/* The network of a convolutional model's body. Borrowed. */
const struct convnet *model_cnn_net(const void *body);
/* Whether its answer is the mean with that for the mirrored image. */
bool model_cnn_mirrors(const void *body);

#endif
