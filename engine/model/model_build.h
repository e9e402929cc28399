/* How training puts a model together: the trained body and everything its predictions need.
 */
#ifndef ATTUNE_MODEL_MODEL_BUILD_H
#define ATTUNE_MODEL_MODEL_BUILD_H

#include <jansson.h>
#include <stdbool.h>

#include "data/encode.h"
#include "model/model.h"

/* Images: size, the size the body sees them in (image_reduce.h), and pixels become (value − mean) · scale. */
struct model_pixels
{
  size_t height, width, channels;
  size_t seen_height, seen_width; /* 0 = the whole */
  float mean, scale;
};

/* Regression: prediction = output · sd + mean, clamped to low … high if asked; e to its power − 1 if the
 * target was taken as ln (1 + value). */
struct model_target
{
  double mean, sd;
  bool clamp, log;
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
  const double *rebalance;       /* (classes), > 0: see model_rebalance; NULL = none; copied */
  void *body;                    /* struct linear, trees or net, by family; taken */
};

/* Takes parts->encoder and parts->body, also on failure. */
enum err model_build_take(struct model_parts *parts, struct model **model, struct err_info *info);

/* Inputs of the body, and bytes of an image. */
size_t model_pixels_inputs(const struct model_pixels *pixels);
size_t model_pixels_bytes(const struct model_pixels *pixels);

/* x (inputs) ← one image, reduced and scaled; the same code trains and predicts. */
void model_scale_pixels(const struct model_pixels *pixels, const uint8_t *raw, float *x);

/* Undoes the weights that classes had in training: p (n, classes) ← p · factors, each row made to sum to
 * 1. With the factors 1 / weight this is Bayes' rule for the classes' real shares (Saerens, Latinne,
 * Decaestecker 2002). */
void model_rebalance(const double *factors, size_t classes, size_t n, float *p);

/* out (n) ← the target in its own units. */
void model_scale_target(const struct model_target *target, float *out, size_t n);

#endif
