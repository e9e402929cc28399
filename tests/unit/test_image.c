#include <config.h>

#include "data/image.h"
#include "data/image_reduce.h"

#include "base/rng.h"
#include "tests/harness/image_fixture.h"

#define MANY 16000000

static void
fill(uint8_t *pixels, size_t count)
{
  for (size_t i = 0; i < count; i++)
    pixels[i] = (uint8_t) (i * 7 + 3);
}

static void
png_comes_back_exactly(void **state)
{
  uint8_t grey[5 * 7], colour[4 * 3 * 3];
  struct image image;
  struct bytes file;
  size_t height, width;

  (void) state;
  fill(grey, sizeof grey);
  file = make_png(5, 7, PNG_FORMAT_GRAY, grey);
  assert_true(image_is_known(file.data, file.length));
  assert_int_equal(image_probe(file.data, file.length, &height, &width, NULL), ERR_OK);
  assert_true(height == 5 && width == 7);
  assert_int_equal(image_decode(file.data, file.length, MANY, &image, NULL), ERR_OK);
  assert_true(image.height == 5 && image.width == 7 && image.channels == 1);
  assert_memory_equal(image.pixels, grey, sizeof grey);
  image_free(&image);
  free(file.data);

  fill(colour, sizeof colour);
  file = make_png(4, 3, PNG_FORMAT_RGB, colour);
  assert_int_equal(image_decode(file.data, file.length, MANY, &image, NULL), ERR_OK);
  assert_int_equal(image.channels, 3);
  assert_memory_equal(image.pixels, colour, sizeof colour);
  image_free(&image);
  free(file.data);
}

static void
transparent_is_white(void **state)
{
  const uint8_t pixels[2 * 4] = {10, 20, 30, 0, 10, 20, 30, 255};
  struct bytes file = make_png(1, 2, PNG_FORMAT_RGBA, pixels);
  struct image image;

  (void) state;
  assert_int_equal(image_decode(file.data, file.length, MANY, &image, NULL), ERR_OK);
  assert_int_equal(image.channels, 3);
  assert_true(image.pixels[0] == 255 && image.pixels[1] == 255 && image.pixels[2] == 255);
  assert_true(image.pixels[3] == 10 && image.pixels[4] == 20 && image.pixels[5] == 30);
  image_free(&image);
  free(file.data);
}

static void
jpeg_comes_back_nearly(void **state)
{
  uint8_t grey[32 * 24];
  struct image image;
  struct bytes file;
  size_t height, width;

  (void) state;
  for (size_t y = 0; y < 32; y++)
    for (size_t x = 0; x < 24; x++)
      grey[y * 24 + x] = (uint8_t) (4 * y + 3 * x);
  for (int progressive = 0; progressive < 2; progressive++)
  {
    file = make_jpeg(32, 24, 1, JCS_GRAYSCALE, progressive, grey);
    assert_int_equal(image_probe(file.data, file.length, &height, &width, NULL), ERR_OK);
    assert_true(height == 32 && width == 24);
    assert_int_equal(image_decode(file.data, file.length, MANY, &image, NULL), ERR_OK);
    assert_true(image.height == 32 && image.width == 24 && image.channels == 1);
    for (size_t i = 0; i < sizeof grey; i++)
      assert_near(image.pixels[i], grey[i], 4.0);
    image_free(&image);
    free(file.data);
  }
}

static void
refusals(void **state)
{
  uint8_t pixels[64 * 64 * 4] = {0};
  struct err_info info;
  struct image image;
  struct bytes file;

  (void) state;
  file = make_png(64, 64, PNG_FORMAT_GRAY, pixels);
  assert_int_equal(image_decode(file.data, file.length, 64 * 64 - 1, &image, &info), ERR_LIMIT);
  assert_has_text(info.text, "64 x 64");
  assert_null(image.pixels);
  free(file.data);
  file = make_jpeg(64, 64, 4, JCS_CMYK, false, pixels);
  assert_int_equal(image_decode(file.data, file.length, MANY, &image, &info), ERR_INVALID);
  assert_has_text(info.text, "CMYK");
  free(file.data);
  assert_int_equal(image_decode("GIF89a", 6, MANY, &image, &info), ERR_INVALID);
  assert_has_text(info.text, "neither");
  assert_int_equal(image_decode("", 0, MANY, &image, &info), ERR_INVALID);
}

/* A PNG whose header promises 1,000,000 x 1,000,000 pixels must be refused by its header. */
static void
huge_header(void **state)
{
  static const uint8_t head[] = {0x89, 'P',  'N',  'G',  '\r', '\n', 0x1a, '\n', 0,    0,
                                 0,    13,   'I',  'H',  'D',  'R',  0,    0x0f, 0x42, 0x40,
                                 0,    0x0f, 0x42, 0x40, 8,    0,    0,    0,    0};
  uint8_t file[64] = {0};
  struct err_info info;
  struct image image;

  (void) state;
  memcpy(file, head, sizeof head);
  assert_int_not_equal(image_decode(file, sizeof file, MANY, &image, &info), ERR_OK);
  assert_null(image.pixels);
}

/* Every truncation and many single-byte changes end in a fault or a picture of the told size. */
static void
damaged_files(void **state)
{
  uint8_t pixels[24 * 24 * 3];
  struct rng rng;

  (void) state;
  fill(pixels, sizeof pixels);
  rng_init(&rng, 1, 1);
  for (int kind = 0; kind < 3; kind++)
  {
    struct bytes file = kind == 0 ? make_png(24, 24, PNG_FORMAT_RGB, pixels)
                                  : make_jpeg(24, 24, 3, JCS_RGB, kind == 2, pixels);
    struct image image;
    for (size_t length = 0; length + 16 < file.length; length++)
    {
      unsigned char *cut = malloc(length ? length : 1);
      memcpy(cut, file.data, length);
      assert_int_not_equal(image_decode(cut, length, MANY, &image, NULL), ERR_OK);
      assert_null(image.pixels);
      free(cut);
    }
    for (int i = 0; i < 3000; i++)
    {
      size_t at = rng_below(&rng, file.length);
      unsigned char old = file.data[at];
      file.data[at] = (unsigned char) rng_below(&rng, 256);
      if (image_decode(file.data, file.length, MANY, &image, NULL) == ERR_OK)
        assert_true(image.pixels && image.height * image.width <= MANY);
      image_free(&image);
      file.data[at] = old;
    }
    free(file.data);
  }
}

static void
fitting(void **state)
{
  uint8_t pixels[] = {0, 100, 200, 44, 10, 20, 30, 40}, out[64];
  struct image image = {.height = 2, .width = 4, .channels = 1, .pixels = pixels};
  uint8_t red[] = {255, 0, 0};
  struct image colour = {.height = 1, .width = 1, .channels = 3, .pixels = red};

  (void) state;
  assert_int_equal(image_fit(&image, 2, 4, 1, out, NULL), ERR_OK);
  assert_memory_equal(out, pixels, sizeof pixels);
  /* to one pixel: the mean, 444 / 8 = 55.5 */
  assert_int_equal(image_fit(&image, 1, 1, 1, out, NULL), ERR_OK);
  assert_int_equal(out[0], 56);
  /* halved in one direction */
  assert_int_equal(image_fit(&image, 2, 2, 1, out, NULL), ERR_OK);
  assert_true(out[0] == 50 && out[1] == 122 && out[2] == 15 && out[3] == 35);
  /* four to three: shares of 1 and 1/3 of a pixel each */
  assert_int_equal(image_fit(&image, 2, 3, 1, out, NULL), ERR_OK);
  assert_true(out[0] == 25 && out[1] == 150 && out[2] == 83);
  /* enlarged: each pixel twice */
  assert_int_equal(image_fit(&image, 2, 8, 1, out, NULL), ERR_OK);
  for (size_t i = 0; i < 16; i++)
    assert_int_equal(out[i], pixels[i / 8 * 4 + i % 8 / 2]);
  /* grey to colour and back */
  assert_int_equal(image_fit(&image, 2, 4, 3, out, NULL), ERR_OK);
  for (size_t i = 0; i < 24; i++)
    assert_int_equal(out[i], pixels[i / 3]);
  assert_int_equal(image_fit(&colour, 1, 1, 1, out, NULL), ERR_OK);
  assert_int_equal(out[0], 76);
  assert_int_equal(image_fit(&colour, 0, 1, 1, out, NULL), ERR_INVALID);
  assert_int_equal(image_fit(&colour, 1, 1, 2, out, NULL), ERR_INVALID);
}

static void
test_reduced_sizes(void **state)
{
  (void) state;
  static const size_t cases[][5] = {
    {28, 28, 1, 28, 28},   {32, 32, 3, 32, 32},  {55, 55, 1, 55, 55},   {56, 56, 1, 55, 55},
    {224, 224, 3, 32, 32}, {64, 128, 3, 22, 45}, {1, 9000, 1, 1, 3072}, {9000, 1, 3, 1024, 1}};
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    size_t height, width;
    image_reduced_size(cases[i][0], cases[i][1], cases[i][2], &height, &width);
    assert_int_equal(height, cases[i][3]);
    assert_int_equal(width, cases[i][4]);
    assert_true(image_reduced_inputs(cases[i][0], cases[i][1], cases[i][2]) <= IMAGE_INPUTS_MAX);
  }
}

/* The same means as image_fit finds, by another way of adding. */
static void
test_reduce(void **state)
{
  (void) state;
  static uint8_t pixels[97 * 131 * 3], reduced[IMAGE_INPUTS_MAX], fitted[IMAGE_INPUTS_MAX];
  static const size_t cases[][5] = {
    {97, 131, 3, 27, 36}, {97, 131, 1, 47, 64},   {40, 40, 3, 20, 20}, {3, 131, 1, 2, 130},
    {9, 9, 1, 9, 9},      {2, 19000, 1, 1, 3000}, {1, 12001, 3, 1, 7}, {1, 38000, 1, 1, 1}};
  uint32_t random = 7;
  for (size_t i = 0; i < sizeof pixels; i++)
    pixels[i] = (uint8_t) ((random = random * 1664525u + 1013904223u) >> 24);
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    const size_t *c = cases[i];
    struct image image = {.height = c[0], .width = c[1], .channels = c[2], .pixels = pixels};
    image_reduce(pixels, c[0], c[1], c[2], c[3], c[4], reduced);
    assert_int_equal(image_fit(&image, c[3], c[4], c[2], fitted, NULL), ERR_OK);
    for (size_t k = 0; k < c[3] * c[4] * c[2]; k++)
      assert_in_range(reduced[k] + 1, fitted[k], fitted[k] + 2);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(png_comes_back_exactly),
    cmocka_unit_test(transparent_is_white),
    cmocka_unit_test(jpeg_comes_back_nearly),
    cmocka_unit_test(refusals),
    cmocka_unit_test(huge_header),
    cmocka_unit_test(damaged_files),
    cmocka_unit_test(fitting),
    cmocka_unit_test(test_reduced_sizes),
    cmocka_unit_test(test_reduce),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
