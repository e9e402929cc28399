/* PNGs and JPEGs made in memory for unit tests, by libpng and libjpeg.
 */
#ifndef ATTUNE_TESTS_IMAGE_FIXTURE_H
#define ATTUNE_TESTS_IMAGE_FIXTURE_H

#include <stdio.h>

#include <jpeglib.h>
#include <png.h>

#include "tests/harness/test_support.h"

/* To be freed: data. */
struct bytes
{
  unsigned char *data;
  size_t length;
};

static inline struct bytes
make_png(size_t height, size_t width, unsigned format, const void *pixels)
{
  png_image png = {.version = PNG_IMAGE_VERSION,
                   .height = (png_uint_32) height,
                   .width = (png_uint_32) width,
                   .format = format};
  struct bytes out = {.data = NULL};
  png_alloc_size_t size = 0;

  assert_true(png_image_write_get_memory_size(png, size, 0, pixels, 0, NULL));
  out.data = malloc(size);
  assert_true(png_image_write_to_memory(&png, out.data, &size, 0, pixels, 0, NULL));
  out.length = size;
  return out;
}

static inline struct bytes
make_jpeg(size_t height, size_t width, int channels, J_COLOR_SPACE space, bool progressive,
          uint8_t *pixels)
{
  struct jpeg_compress_struct encoder;
  struct jpeg_error_mgr errors;
  struct bytes out = {.data = NULL};
  unsigned long length = 0;

  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  jpeg_mem_dest(&encoder, &out.data, &length);
  encoder.image_height = (JDIMENSION) height;
  encoder.image_width = (JDIMENSION) width;
  encoder.input_components = channels;
  encoder.in_color_space = space;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, 95, TRUE);
  if (progressive)
    jpeg_simple_progression(&encoder);
  jpeg_start_compress(&encoder, TRUE);
  for (size_t y = 0; y < height; y++)
  {
    JSAMPROW row = pixels + y * width * (size_t) channels;
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  out.length = length;
  return out;
}

#endif
