/* Shared by the forms of conv_direct.h for different instruction sets. */
#ifndef ATTUNE_MODEL_CONV_DIRECT_INTERNAL_H
#define ATTUNE_MODEL_CONV_DIRECT_INTERNAL_H

#include "model/conv_direct.h"

/* Vectors of filters at a time: packed weights are in such blocks, the last one may be narrower. */
#define CONV_DIRECT_WIDE ((size_t) 2)

/* Inputs of one line of the kernel: of a group's first pixel to its last one. */
size_t conv_direct_taps(const struct conv_direct *conv);

/* Vectors that a group's filters fill. */
size_t conv_direct_vectors(const struct conv_direct *conv);

#endif
