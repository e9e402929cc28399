/* Training images changed at random, so that a network sees each one a little differently in every epoch.
 *
 * Every strength is a share or an angle; 0 changes nothing. What is drawn depends on (seed, epoch, row) alone:
 * the same run sees the same images whatever the order or the thread. Never for validation rows.
 * Pure; any thread.
 */
#ifndef ATTUNE_TRAIN_AUGMENT_H
#define ATTUNE_TRAIN_AUGMENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/model_build.h"

struct augment
{
  double shift;    /* moved by up to this share of each side */
  bool flip;       /* mirrored left to right in every other epoch */
  double rotation; /* turned by up to so many degrees */
  double
    crop; /* a part of the picture, its side smaller by up to this share, is stretched to the whole */
  double cutout;     /* a square of this share of the smaller side is blanked */
  double brightness; /* brightness and contrast changed by up to this share of the pixels' spread */
};

/* x (height, width, channels) ← the image `raw` of the seen size, changed, as model_scale_pixels scales it.
 * `pixels` must not reduce (seen_height 0). Places beyond an edge repeat it. */
void augment_image(const struct augment *augment, const struct model_pixels *pixels,
                   const uint8_t *raw, uint64_t seed, uint64_t epoch, uint64_t row, float *x);

/* The share of the first image in a mix of two: Beta (alpha, alpha), 0 < alpha ≤ 4 (Zhang et al. 2018, "mixup"). */
double augment_mix_share(double alpha, uint64_t seed, uint64_t step);

#endif
