/* Images made small enough for models that look at each pixel by itself.
 *
 * Above IMAGE_INPUTS_MAX values an image is shrunk by the mean over areas, both sides by the same factor. The
 * rule is a pure function of the size, so training and prediction agree; a stored model keeps the result.
 * Deterministic; no state; any thread. Not for uploads of any size: see image_fit.
 */
#ifndef ATTUNE_DATA_IMAGE_REDUCE_H
#define ATTUNE_DATA_IMAGE_REDUCE_H

#include <stddef.h>
#include <stdint.h>

/* 32 x 32 pixels in colour: MNIST's and CIFAR's images are taken whole. */
#define IMAGE_INPUTS_MAX 3072u

/* The most values that any model sees of an image: 128 x 128 pixels of 4 channels. */
#define IMAGE_SEEN_MAX 65536u

/* The size that images of (height, width, channels) are seen in: their own, or less. */
void image_reduced_size(size_t height, size_t width, size_t channels, size_t *seen_height,
                        size_t *seen_width);

/* How many values that is. */
size_t image_reduced_inputs(size_t height, size_t width, size_t channels);

/* out (seen_height, seen_width, channels) ← pixels (height, width, channels). The seen size is not larger on
 * either side; channels are 1 to 4. */
void image_reduce(const uint8_t *pixels, size_t height, size_t width, size_t channels,
                  size_t seen_height, size_t seen_width, uint8_t *out);

#endif
