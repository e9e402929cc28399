/* Writes JPEGs for the tests: raw pixels in, files out, through libjpeg as anyone's camera would.
 *
 * usage: make_jpeg QUALITY PROGRESSIVE, with images on standard input, each as 4-byte little-endian width,
 * height and channels, then its pixels; on standard output each file after its 4-byte length. */
#include <config.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

#define SIDE_MAX 8192u

static int
read_u32(uint32_t *value)
{
  unsigned char bytes[4];
  if (fread(bytes, 1, sizeof bytes, stdin) != sizeof bytes)
    return 0;
  *value = (uint32_t) bytes[0] | (uint32_t) bytes[1] << 8 | (uint32_t) bytes[2] << 16
           | (uint32_t) bytes[3] << 24;
  return 1;
}

static int
write_file(const unsigned char *bytes, unsigned long length)
{
  unsigned char head[4] = {(unsigned char) length, (unsigned char) (length >> 8),
                           (unsigned char) (length >> 16), (unsigned char) (length >> 24)};
  return fwrite(head, 1, sizeof head, stdout) == sizeof head
         && fwrite(bytes, 1, length, stdout) == length;
}

static int
encode(uint32_t width, uint32_t height, uint32_t channels, unsigned char *pixels, int quality,
       int progressive)
{
  struct jpeg_compress_struct encoder;
  struct jpeg_error_mgr errors;
  unsigned char *bytes = NULL;
  unsigned long length = 0;
  encoder.err = jpeg_std_error(&errors);
  jpeg_create_compress(&encoder);
  jpeg_mem_dest(&encoder, &bytes, &length);
  encoder.image_width = width;
  encoder.image_height = height;
  encoder.input_components = (int) channels;
  encoder.in_color_space = channels == 1 ? JCS_GRAYSCALE : JCS_RGB;
  jpeg_set_defaults(&encoder);
  jpeg_set_quality(&encoder, quality, TRUE);
  if (progressive)
    jpeg_simple_progression(&encoder);
  jpeg_start_compress(&encoder, TRUE);
  while (encoder.next_scanline < height)
  {
    JSAMPROW row = pixels + (size_t) encoder.next_scanline * width * channels;
    jpeg_write_scanlines(&encoder, &row, 1);
  }
  jpeg_finish_compress(&encoder);
  jpeg_destroy_compress(&encoder);
  int written = write_file(bytes, length);
  free(bytes);
  return written;
}

int
main(int argc, char **argv)
{
  uint32_t width, height, channels;
  if (argc != 3)
    return 2;
  while (read_u32(&width))
  {
    if (!read_u32(&height) || !read_u32(&channels) || width == 0 || height == 0 || width > SIDE_MAX
        || height > SIDE_MAX || (channels != 1 && channels != 3))
      return 2;
    size_t size = (size_t) width * height * channels;
    unsigned char *pixels = malloc(size);
    int good = pixels != NULL && fread(pixels, 1, size, stdin) == size
               && encode(width, height, channels, pixels, atoi(argv[1]), atoi(argv[2]));
    free(pixels);
    if (!good)
      return 1;
  }
  return fflush(stdout) == 0 ? 0 : 1;
}
