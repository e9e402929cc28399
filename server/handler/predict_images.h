/* Private to predict_*.c: encoded images to the pixels of a model. */
#ifndef ATTUNE_SERVER_HANDLER_PREDICT_IMAGES_H
#define ATTUNE_SERVER_HANDLER_PREDICT_IMAGES_H

#include "server/handler/predict_input.h"

/* One image as it came; a fault when `bytes` is NULL. */
struct predict_image
{
  const void *bytes;
  size_t length;
  const char *pointer; /* where it stands in the request */
  const char *name;    /* file name, or NULL */
  const char *fault;   /* why there are no bytes */
};

/* Decodes and fits them all into input. */
enum predict_read predict_images_read(struct http_request *req, const struct model_about *about,
                                      const struct predict_image *images, size_t count,
                                      double us_per_row, double budget_us,
                                      struct predict_input *input);

/* `count` images (≥ 1) of the model's size, (count, height, width, channels): borrowed until the reply. */
enum predict_read predict_pixels_take(struct http_request *req, const struct model_about *about,
                                      const uint8_t *pixels, size_t count, double us_per_row,
                                      double budget_us, struct predict_input *input);

/* Raw pixels: a whole number of images of the model's size. */
enum predict_read predict_pixels_read(struct http_request *req, const struct model_about *about,
                                      double us_per_row, double budget_us,
                                      struct predict_input *input);

/* The text of a JSON string as bytes: base64, also as a data URL. `pointer` is kept. */
void predict_image_from_base64(struct arena *arena, const json_t *text, const char *pointer,
                               struct predict_image *image);

#endif
