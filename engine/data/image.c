#include <config.h>

#include "data/image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <png.h>

/* Neither format can hold more in a legal file, and it keeps every product below far from overflow. */
#define SIDE_MAX 65500u
#define SCANS_MAX 200

static bool
is_png(const void *bytes, size_t length)
{
  return length >= 8 && memcmp(bytes, "\x89PNG\r\n\x1a\n", 8) == 0;
}

static bool
is_jpeg(const void *bytes, size_t length)
{
  return length >= 3 && memcmp(bytes, "\xff\xd8\xff", 3) == 0;
}

bool
image_is_known(const void *bytes, size_t length)
{
  return is_png(bytes, length) || is_jpeg(bytes, length);
}

void
image_free(struct image *image)
{
  free(image->pixels);
  image->pixels = NULL;
}

/* The pixels of an image whose size is known. */
static enum err
allocate(struct image *image, size_t max_pixels, struct err_info *info)
{
  if (image->height == 0 || image->width == 0)
    return err_set(info, ERR_INVALID, "the image has no pixels");
  if (image->height > SIDE_MAX || image->width > SIDE_MAX
      || image->height > max_pixels / image->width)
    return err_set(info, ERR_LIMIT, "the image has %zu x %zu pixels; at most %zu pixels are taken",
                   image->width, image->height, max_pixels);
  image->pixels = malloc(image->height * image->width * image->channels);
  return image->pixels ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory for an image");
}

/* ---- PNG ------------------------------------------------------------------------------------------- */

static enum err
png_fault(png_image *png, struct err_info *info)
{
  enum err rc = err_set(info, ERR_INVALID, "the PNG can't be read: %s", png->message);
  png_image_free(png);
  return rc;
}

static enum err
png_begin(const void *bytes, size_t length, png_image *png, struct err_info *info)
{
  memset(png, 0, sizeof *png);
  png->version = PNG_IMAGE_VERSION;
  return png_image_begin_read_from_memory(png, bytes, length) ? ERR_OK : png_fault(png, info);
}

static enum err
png_decode(const void *bytes, size_t length, size_t max_pixels, struct image *image,
           struct err_info *info)
{
  static const png_color white = {255, 255, 255};
  png_image png;
  enum err rc = png_begin(bytes, length, &png, info);

  if (rc != ERR_OK)
    return rc;
  image->height = png.height;
  image->width = png.width;
  image->channels = png.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
  rc = allocate(image, max_pixels, info);
  if (rc != ERR_OK)
  {
    png_image_free(&png);
    return rc;
  }
  png.format = image->channels == 3 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY;
  if (png_image_finish_read(&png, &white, image->pixels,
                            (png_int_32) (image->width * image->channels), NULL))
    return ERR_OK;
  image_free(image);
  return png_fault(&png, info);
}

/* ---- JPEG ------------------------------------------------------------------------------------------ */

struct jpeg_errors
{
  struct jpeg_error_mgr manager; /* first: libjpeg hands it back as the whole */
  jmp_buf escape;
  char text[JMSG_LENGTH_MAX];
};

static void
jpeg_on_error(j_common_ptr common)
{
  struct jpeg_errors *errors = (struct jpeg_errors *) (void *) common->err;
  common->err->format_message(common, errors->text);
  longjmp(errors->escape, 1);
}

/* Warnings are damage, too: a cut-off file would otherwise come out grey from there on. */
static void
jpeg_on_message(j_common_ptr common, int level)
{
  if (level < 0)
    jpeg_on_error(common);
}

static void
jpeg_on_output(j_common_ptr common)
{
  (void) common;
}

struct jpeg_job
{
  struct jpeg_decompress_struct decoder;
  struct jpeg_errors errors;
  struct jpeg_progress_mgr progress;
};

/* A small file can hold thousands of scans over a large image, each of which costs a pass over it. */
static void
jpeg_on_progress(j_common_ptr common)
{
  const struct jpeg_decompress_struct *decoder = (j_decompress_ptr) common;
  struct jpeg_errors *errors = (struct jpeg_errors *) (void *) common->err;

  if (decoder->input_scan_number <= SCANS_MAX)
    return;
  snprintf(errors->text, sizeof errors->text, "it has more than %d scans", SCANS_MAX);
  longjmp(errors->escape, 1);
}

static void
jpeg_start(struct jpeg_job *job, const void *bytes, size_t length)
{
  job->decoder.err = jpeg_std_error(&job->errors.manager);
  job->errors.manager.error_exit = jpeg_on_error;
  job->errors.manager.emit_message = jpeg_on_message;
  job->errors.manager.output_message = jpeg_on_output;
  jpeg_create_decompress(&job->decoder);
  job->progress.progress_monitor = jpeg_on_progress;
  job->decoder.progress = &job->progress;
  jpeg_mem_src(&job->decoder, bytes, (unsigned long) length);
  jpeg_read_header(&job->decoder, TRUE);
}

static enum err
jpeg_decode(const void *bytes, size_t length, size_t max_pixels, struct image *image,
            struct err_info *info)
{
  struct jpeg_job job;
  enum err rc;

  memset(&job, 0, sizeof job);
  if (setjmp(job.errors.escape))
  {
    image_free(image);
    jpeg_destroy_decompress(&job.decoder);
    return err_set(info, ERR_INVALID, "the JPEG can't be read: %s", job.errors.text);
  }
  jpeg_start(&job, bytes, length);
  image->height = job.decoder.image_height;
  image->width = job.decoder.image_width;
  image->channels = job.decoder.num_components == 1 ? 1 : 3;
  rc = job.decoder.num_components == 4
         ? err_set(info, ERR_INVALID, "the JPEG is in CMYK; save it as RGB")
         : allocate(image, max_pixels, info);
  if (rc == ERR_OK)
  {
    job.decoder.out_color_space = image->channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
    job.decoder.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&job.decoder);
    while (job.decoder.output_scanline < job.decoder.output_height)
    {
      JSAMPROW row = image->pixels + job.decoder.output_scanline * image->width * image->channels;
      jpeg_read_scanlines(&job.decoder, &row, 1);
    }
    jpeg_finish_decompress(&job.decoder);
  }
  jpeg_destroy_decompress(&job.decoder);
  return rc;
}

static enum err
jpeg_look(const void *bytes, size_t length, struct image *head, struct err_info *info)
{
  struct jpeg_job job;

  memset(&job, 0, sizeof job);
  if (setjmp(job.errors.escape))
  {
    jpeg_destroy_decompress(&job.decoder);
    return err_set(info, ERR_INVALID, "the JPEG can't be read: %s", job.errors.text);
  }
  jpeg_start(&job, bytes, length);
  head->height = job.decoder.image_height;
  head->width = job.decoder.image_width;
  head->channels = job.decoder.num_components == 1 ? 1 : 3;
  jpeg_destroy_decompress(&job.decoder);
  return ERR_OK;
}

/* ---- both ------------------------------------------------------------------------------------------ */

enum err
image_look(const void *bytes, size_t length, struct image *head, struct err_info *info)
{
  png_image png;
  enum err rc;

  memset(head, 0, sizeof *head);
  if (is_jpeg(bytes, length))
    return jpeg_look(bytes, length, head, info);
  if (!is_png(bytes, length))
    return err_set(info, ERR_INVALID, "this is neither a PNG nor a JPEG");
  rc = png_begin(bytes, length, &png, info);
  if (rc != ERR_OK)
    return rc;
  head->height = png.height;
  head->width = png.width;
  head->channels = png.format & PNG_FORMAT_FLAG_COLOR ? 3 : 1;
  png_image_free(&png);
  return ERR_OK;
}

enum err
image_probe(const void *bytes, size_t length, size_t *height, size_t *width, struct err_info *info)
{
  struct image head;
  enum err rc = image_look(bytes, length, &head, info);

  *height = head.height;
  *width = head.width;
  return rc;
}

enum err
image_decode(const void *bytes, size_t length, size_t max_pixels, struct image *image,
             struct err_info *info)
{
  memset(image, 0, sizeof *image);
  if (is_png(bytes, length))
    return png_decode(bytes, length, max_pixels, image, info);
  if (is_jpeg(bytes, length))
    return jpeg_decode(bytes, length, max_pixels, image, info);
  return err_set(info, ERR_INVALID, "this is neither a PNG nor a JPEG");
}

/* ---- fitting --------------------------------------------------------------------------------------- */

/* Sample of a channel wanted at a pixel of the image. */
static float
sample(const uint8_t *pixel, size_t have, size_t want, size_t channel)
{
  if (have == want)
    return (float) pixel[channel];
  if (want == 1)
    return 0.299f * (float) pixel[0] + 0.587f * (float) pixel[1] + 0.114f * (float) pixel[2];
  return (float) pixel[0];
}

/* rows (image height, width, channels) ← the image, each pixel the mean over its share of a line. */
static void
fit_lines(const struct image *image, size_t width, size_t channels, float *rows)
{
  double scale = (double) image->width / (double) width;

  for (size_t y = 0; y < image->height; y++)
    for (size_t x = 0; x < width; x++)
    {
      double from = (double) x * scale, to = (double) (x + 1) * scale;
      float *out = rows + (y * width + x) * channels;
      size_t last = (size_t) to < image->width ? (size_t) to : image->width - 1;
      for (size_t i = (size_t) from; i <= last; i++)
      {
        double low = from > (double) i ? from : (double) i;
        double high = to < (double) (i + 1) ? to : (double) (i + 1);
        float share = high > low ? (float) ((high - low) / scale) : 0.0f;
        const uint8_t *pixel = image->pixels + (y * image->width + i) * image->channels;
        for (size_t c = 0; c < channels; c++)
          out[c] += share * sample(pixel, image->channels, channels, c);
      }
    }
}

static void
fit_columns(const float *rows, size_t have, size_t line, size_t height, uint8_t *out)
{
  double scale = (double) have / (double) height;

  for (size_t y = 0; y < height; y++)
  {
    double from = (double) y * scale, to = (double) (y + 1) * scale;
    size_t last = (size_t) to < have ? (size_t) to : have - 1;
    for (size_t k = 0; k < line; k++)
    {
      double sum = 0.0;
      for (size_t i = (size_t) from; i <= last; i++)
      {
        double low = from > (double) i ? from : (double) i;
        double high = to < (double) (i + 1) ? to : (double) (i + 1);
        if (high > low)
          sum += (high - low) / scale * (double) rows[i * line + k];
      }
      out[y * line + k] = (uint8_t) (sum >= 254.5 ? 255.0 : sum + 0.5);
    }
  }
}

enum err
image_fit(const struct image *image, size_t height, size_t width, size_t channels, uint8_t *out,
          struct err_info *info)
{
  float *rows;

  if (height == 0 || width == 0 || height > SIDE_MAX || width > SIDE_MAX
      || (channels != 1 && channels != 3))
    return err_set(info, ERR_INVALID, "images of %zu x %zu with %zu channels can't be made", width,
                   height, channels);
  if (image->height == height && image->width == width && image->channels == channels)
  {
    memcpy(out, image->pixels, height * width * channels);
    return ERR_OK;
  }
  rows = calloc(image->height * width, channels * sizeof *rows);
  if (!rows)
    return err_set(info, ERR_MEMORY, "out of memory for an image");
  fit_lines(image, width, channels, rows);
  fit_columns(rows, image->height, width * channels, height, out);
  free(rows);
  return ERR_OK;
}
