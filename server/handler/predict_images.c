#include <config.h>

#include "server/handler/predict_images.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "data/image.h"
#include "server/handler/common.h"

/* Decoding takes about this long. */
#define US_PER_ENCODED_BYTE 0.02
#define US_PER_PIXEL 0.02
/* Pixels of one request at the model's size, and of images being decoded in all requests. */
#define PIXEL_BYTES_MAX ((size_t) 256 << 20)
#define DECODING_BYTES_MAX ((size_t) 256 << 20)

static size_t
image_bytes(const struct model_about *about)
{
  return about->height * about->width * about->channels;
}

static enum predict_read
reply_too_many(struct http_request *req, const struct model_about *about)
{
  http_reply_error(req, E_TOO_LARGE,
                   arena_printf(req->arena, "send at most %zu images at once",
                                PIXEL_BYTES_MAX / (image_bytes(about) ? image_bytes(about) : 1)));
  return PREDICT_REPLIED;
}

static enum predict_read
reply_memory(struct http_request *req)
{
  http_reply_busy(req, E_UNAVAILABLE, 2);
  return PREDICT_REPLIED;
}

void
predict_image_from_base64(struct arena *arena, const json_t *value, const char *pointer,
                          struct predict_image *image)
{
  const char *text = json_string_value(value), *comma;
  size_t length = json_string_length(value), got = 0;
  unsigned char *bytes;

  *image = (struct predict_image){.pointer = pointer};
  if (!text)
  {
    image->fault = "must be a string with the image in base64";
    return;
  }
  if (strncmp(text, "data:", 5) == 0 && (comma = strchr(text, ',')))
  {
    length -= (size_t) (comma + 1 - text);
    text = comma + 1;
  }
  bytes = arena_alloc(arena, length / 4 * 3 + 3);
  if (!bytes
      || sodium_base642bin(bytes, length / 4 * 3 + 3, text, length, " \r\n\t", &got, NULL,
                           sodium_base64_VARIANT_ORIGINAL)
           != 0)
  {
    image->fault = "is not base64";
    return;
  }
  image->bytes = bytes;
  image->length = got;
}

static json_t *
fault_list(const struct predict_image *image, const char *message)
{
  return json_pack("[{s:s, s:s}]", "pointer", image->pointer, "message", message);
}

/* What decoding all of them would take, by their headers. */
static double
decode_cost_us(const struct predict_image *images, size_t count, double budget_us)
{
  double cost = 0.0;

  for (size_t i = 0; i < count && cost <= budget_us; i++)
  {
    size_t height = 0, width = 0;
    cost += US_PER_ENCODED_BYTE * (double) images[i].length;
    if (images[i].bytes
        && image_probe(images[i].bytes, images[i].length, &height, &width, NULL) == ERR_OK)
      cost += US_PER_PIXEL * (double) height * (double) width;
  }
  return cost;
}

/* Takes `bytes` of what may be decoded at once; false when there is not that much left. */
static bool
take_decoding(struct server *server, size_t bytes)
{
  size_t limit = DECODING_BYTES_MAX;

  if (limit < 4 * server->limits.image_pixels)
    limit = 4 * server->limits.image_pixels;
  if (atomic_fetch_add(&server->decoding_bytes, bytes) + bytes <= limit)
    return true;
  atomic_fetch_sub(&server->decoding_bytes, bytes);
  return false;
}

static enum err
decode_one(struct server *server, const struct model_about *about,
           const struct predict_image *image, uint8_t *out, struct err_info *info)
{
  size_t height, width, bytes;
  enum err rc;

  if (!image->bytes)
    return err_set(info, ERR_INVALID, "%s", image->fault);
  rc = image_probe(image->bytes, image->length, &height, &width, info);
  if (rc != ERR_OK)
    return rc;
  if (width == 0 || height > server->limits.image_pixels / width)
    return err_set(info, ERR_INVALID,
                   "the image has %zu x %zu pixels; at most %zu pixels are taken", width, height,
                   server->limits.image_pixels);
  bytes = 3 * height * width;
  if (!take_decoding(server, bytes))
    return err_set(info, ERR_UNAVAILABLE, "too many images are being decoded");
  rc = image_load(image->bytes, image->length, server->limits.image_pixels, about->height,
                  about->width, about->channels, out, info);
  atomic_fetch_sub(&server->decoding_bytes, bytes);
  return rc;
}

enum predict_read
predict_images_read(struct http_request *req, const struct model_about *about,
                    const struct predict_image *images, size_t count, double us_per_row,
                    double budget_us, struct predict_input *input)
{
  size_t bytes = image_bytes(about);
  struct err_info info;

  if (count > req->limits->predict_rows || (bytes && count > PIXEL_BYTES_MAX / bytes))
    return reply_too_many(req, about);
  if (us_per_row * (double) count > budget_us
      || us_per_row * (double) count + decode_cost_us(images, count, budget_us) > budget_us)
    return PREDICT_DEAR;
  input->count = count;
  input->good = calloc(count, sizeof *input->good);
  input->faults = calloc(count, sizeof *input->faults);
  input->names = arena_array(req->arena, count, sizeof *input->names);
  input->owned_pixels = malloc(count * bytes);
  input->pixels = input->owned_pixels;
  if (!input->good || !input->faults || !input->names || !input->owned_pixels)
    return reply_memory(req);
  for (size_t i = 0; i < count; i++)
  {
    enum err rc = decode_one(req->server, about, &images[i],
                             input->owned_pixels + input->good_count * bytes, &info);
    input->names[i] = images[i].name;
    if (rc == ERR_OK)
      input->good[input->good_count++] = i;
    else if (rc == ERR_UNAVAILABLE || rc == ERR_MEMORY)
      return reply_memory(req);
    else
      input->faults[i] = fault_list(&images[i], info.text);
  }
  return PREDICT_READ;
}

enum predict_read
predict_pixels_take(struct http_request *req, const struct model_about *about,
                    const uint8_t *pixels, size_t count, double us_per_row, double budget_us,
                    struct predict_input *input)
{
  if (count > req->limits->predict_rows)
    return reply_too_many(req, about);
  if (us_per_row * (double) count > budget_us)
    return PREDICT_DEAR;
  input->count = input->good_count = count;
  input->good = calloc(count, sizeof *input->good);
  if (!input->good)
    return reply_memory(req);
  for (size_t i = 0; i < count; i++)
    input->good[i] = i;
  input->pixels = pixels;
  return PREDICT_READ;
}

enum predict_read
predict_pixels_read(struct http_request *req, const struct model_about *about, double us_per_row,
                    double budget_us, struct predict_input *input)
{
  size_t bytes = image_bytes(about), count = bytes ? req->body_length / bytes : 0;

  if (count == 0 || req->body_length % bytes != 0)
  {
    reply_fault(req, E_INVALID, "",
                "send each image as height x width x channels bytes, row by row, one after another",
                "raw pixels come in whole images of %zu x %zu x %zu = %zu bytes, not %zu bytes",
                about->height, about->width, about->channels, bytes, req->body_length);
    return PREDICT_REPLIED;
  }
  return predict_pixels_take(req, about, (const uint8_t *) req->body, count, us_per_row, budget_us,
                             input);
}
