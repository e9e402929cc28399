/* How training puts a model together: the trained body and everything its predictions need.
 */
#ifndef ATTUNE_MODEL_MODEL_BUILD_H
#define ATTUNE_MODEL_MODEL_BUILD_H

#include <jansson.h>
#include <stdbool.h>

#include "data/encode.h"
#include "model/model.h"

/* Images: size, and pixels become (value − mean) · scale. */
struct model_pixels
{
  size_t height, width, channels;
  float mean, scale;
};

/* Regression: prediction = output · sd + mean, clamped to low … high if asked. */
struct model_target
{
  double mean, sd;
  bool clamp;
  double low, high;
};

struct model_parts
{
  const char *family;
  const json_t *params;          /* a reference is taken */
  const struct task *task;       /* copied */
  const struct dataset *dataset; /* for the input schema */
  struct encoder *encoder;       /* tables; taken */
  struct model_pixels pixels;    /* images */
  struct model_target target;    /* regression */
  void *body;                    /* struct linear, trees or net, by family; taken */
};

/* Takes parts->encoder and parts->body, also on failure. */
enum err model_build_take(struct model_parts *parts, struct model **model, struct err_info *info);

/* x (count, pixels) ← scaled pixels; the same code trains and predicts. */
void model_scale_pixels(const struct model_pixels *pixels, const uint8_t *raw, size_t count,
                        float *x);

#endif
