/* What a head with a grid sees of a stage's last maps, and the gradient it sends back to them. Private to convnet_*.c.
 *
 * Maps (n, height, width, channels) are of a precision, features (n, dense[0].in) fp32; `tap` is scratch for the
 * maps in fp32, convnet_end_floats of an image, and is not touched where the maps are fp32 already.
 */
#ifndef ATTUNE_MODEL_CONVNET_STAGE_H
#define ATTUNE_MODEL_CONVNET_STAGE_H

#include "model/convnet.h"

/* Numbers of an image in the last maps of a stage, and of the stage that has the most. */
size_t convnet_end_floats(const struct convnet *net, size_t stage);
size_t convnet_largest_end(const struct convnet *net);

void convnet_gather_stage(const struct convnet *net, size_t stage, enum kernel_precision precision,
                          size_t n, const void *maps, float *tap, float *features);
void convnet_spread_stage(const struct convnet *net, size_t stage, enum kernel_precision precision,
                          size_t n, const float *dfeatures, float *tap, void *dmaps);

#endif
