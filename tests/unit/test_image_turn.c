#include <config.h>

#include "data/image_internal.h"

#include <zlib.h>

#include "base/rng.h"
#include "tests/harness/image_fixture.h"

#define MANY 16000000
#define BLOCK_MAX 128

/* What a stored image of 2 x 3 pixels is seen as, and how high. */
static const char *const seen[9] = {"",       "abcdef", "cbafed", "fedcba", "defabc",
                                    "adbecf", "daebfc", "fcebda", "cfbead"};

static size_t
put(unsigned char *block, size_t at, unsigned bytes, uint32_t value, bool big)
{
  for (unsigned i = 0; i < bytes; i++)
    block[at + i] = (unsigned char) (value >> 8 * (big ? bytes - 1 - i : i));
  return at + bytes;
}

static size_t
put_entry(unsigned char *block, size_t at, unsigned tag, unsigned type, unsigned value, bool big)
{
  at = put(block, at, 2, tag, big);
  at = put(block, at, 2, type, big);
  at = put(block, at, 4, 1, big);
  at = put(block, at, 2, value, big);
  return put(block, at, 2, 0, big);
}

/* A TIFF header, a directory after `gap` bytes with the orientation between two other tags. */
static size_t
make_exif(unsigned orientation, bool big, size_t gap, unsigned char block[BLOCK_MAX])
{
  memset(block, 0, BLOCK_MAX);
  memcpy(block, big ? "MM\0*" : "II*\0", 4);
  put(block, 4, 4, (uint32_t) (8 + gap), big);
  size_t at = put(block, 8 + gap, 2, 3, big);
  at = put_entry(block, at, 0x0100, 3, 640, big);
  at = put_entry(block, at, 0x0112, 3, orientation, big);
  at = put_entry(block, at, 0x0128, 3, 2, big);
  return put(block, at, 4, 0, big);
}

/* Puts a piece of a file between its bytes. */
static struct bytes
insert(struct bytes file, size_t at, const unsigned char *piece, size_t length)
{
  struct bytes out = {.data = malloc(file.length + length), .length = file.length + length};
  assert_non_null(out.data);
  memcpy(out.data, file.data, at);
  memcpy(out.data + at, piece, length);
  memcpy(out.data + at + length, file.data + at, file.length - at);
  free(file.data);
  return out;
}

/* An APP1 segment after the start of a JPEG. */
static struct bytes
with_app1(struct bytes file, const char *name, size_t name_length, const unsigned char *content,
          size_t length)
{
  unsigned char piece[4 + 64 + BLOCK_MAX] = {0xff, 0xe1};
  put(piece, 2, 2, (uint32_t) (2 + name_length + length), true);
  memcpy(piece + 4, name, name_length);
  memcpy(piece + 4 + name_length, content, length);
  return insert(file, 2, piece, 4 + name_length + length);
}

static struct bytes
with_exif(struct bytes file, unsigned orientation, bool big)
{
  unsigned char block[BLOCK_MAX];
  size_t length = make_exif(orientation, big, 0, block);
  return with_app1(file, "Exif\0", 6, block, length);
}

/* An eXIf chunk behind a PNG's head, or before its end. */
static struct bytes
with_chunk(struct bytes file, unsigned orientation, bool big, bool late, bool good)
{
  unsigned char piece[12 + BLOCK_MAX] = {0};
  size_t length = make_exif(orientation, big, 5, piece + 8);
  put(piece, 0, 4, (uint32_t) length, true);
  memcpy(piece + 4, "eXIf", 4);
  uint32_t sum = (uint32_t) crc32(0, piece + 4, (unsigned) length + 4);
  put(piece, 8 + length, 4, good ? sum : sum + 1, true);
  return insert(file, late ? file.length - 12 : 33, piece, 12 + length);
}

static void
check_seen(const struct bytes *file, unsigned orientation)
{
  size_t high = orientation >= 5 ? 3 : 2, wide = 5 - high, height, width;
  uint8_t out[6];
  struct image image;

  assert_int_equal(image_probe(file->data, file->length, &height, &width, NULL), ERR_OK);
  assert_true(height == high && width == wide);
  assert_int_equal(image_decode(file->data, file->length, MANY, &image, NULL), ERR_OK);
  assert_true(image.height == high && image.width == wide);
  assert_memory_equal(image.pixels, seen[orientation], 6);
  image_free(&image);
  assert_int_equal(image_load(file->data, file->length, MANY, high, wide, 1, out, NULL), ERR_OK);
  assert_memory_equal(out, seen[orientation], 6);
}

static void
png_is_turned(void **state)
{
  (void) state;
  for (unsigned way = 0; way < 4; way++)
    for (unsigned orientation = 1; orientation <= 8; orientation++)
    {
      struct bytes file = make_png(2, 3, PNG_FORMAT_GRAY, "abcdef");
      file = with_chunk(file, orientation, way & 1, way & 2, true);
      check_seen(&file, orientation);
      free(file.data);
    }
  /* Damaged, or of no meaning: as it lies. */
  struct bytes file = with_chunk(make_png(2, 3, PNG_FORMAT_GRAY, "abcdef"), 6, false, false, false);
  check_seen(&file, 1);
  free(file.data);
  file = with_chunk(make_png(2, 3, PNG_FORMAT_GRAY, "abcdef"), 9, true, true, true);
  check_seen(&file, 1);
  free(file.data);
}

/* Patches of one value each, large enough to survive being a JPEG. */
#define PATCH ((size_t) 32)

static struct bytes
make_patches(int channels)
{
  size_t width = 3 * PATCH, depth = (size_t) channels;
  uint8_t *pixels = malloc(2 * PATCH * width * depth);
  assert_non_null(pixels);
  for (size_t y = 0; y < 2 * PATCH; y++)
    for (size_t x = 0; x < width; x++)
      for (size_t c = 0; c < depth; c++)
        pixels[(y * width + x) * depth + c] = (uint8_t) (40 * (y / PATCH * 3 + x / PATCH));
  struct bytes file =
    make_jpeg(2 * PATCH, width, channels, channels == 1 ? JCS_GRAYSCALE : JCS_RGB, false, pixels);
  free(pixels);
  return file;
}

static void
check_patches(const struct bytes *file, unsigned orientation, size_t channels)
{
  size_t high = orientation >= 5 ? 3 : 2, wide = 5 - high, height, width;
  uint8_t out[18];
  struct image image;

  assert_int_equal(image_probe(file->data, file->length, &height, &width, NULL), ERR_OK);
  assert_true(height == high * PATCH && width == wide * PATCH);
  assert_int_equal(image_decode(file->data, file->length, MANY, &image, NULL), ERR_OK);
  assert_true(image.height == height && image.width == width && image.channels == channels);
  assert_int_equal(image_load(file->data, file->length, MANY, high, wide, channels, out, NULL),
                   ERR_OK);
  for (size_t i = 0; i < 6 * channels; i++)
  {
    size_t patch = i / channels, y = patch / wide, x = patch % wide;
    size_t middle = ((y * PATCH + PATCH / 2) * width + x * PATCH + PATCH / 2) * channels;
    double wanted = 40.0 * (seen[orientation][patch] - 'a');
    assert_near(image.pixels[middle + i % channels], wanted, 3.0);
    assert_near(out[i], wanted, 3.0);
  }
  image_free(&image);
}

static void
jpeg_is_turned(void **state)
{
  (void) state;
  for (unsigned way = 0; way < 4; way++)
    for (unsigned orientation = 1; orientation <= 8; orientation++)
    {
      int channels = way & 2 ? 3 : 1;
      struct bytes file = with_exif(make_patches(channels), orientation, way & 1);
      check_patches(&file, orientation, (size_t) channels);
      free(file.data);
    }
}

/* Of several APP1 segments the first Exif block counts; others, empty ones too, are passed over. */
static void
other_segments(void **state)
{
  static const char other[] = "http://ns.adobe.com/xap/1.0/";
  struct bytes file = with_exif(with_exif(make_patches(1), 3, false), 6, true);

  (void) state;
  file = with_app1(file, other, sizeof other, (const unsigned char *) "<x/>", 4);
  for (int i = 0; i < 1000; i++)
    file = with_app1(file, "", 0, (const unsigned char *) "", 0);
  file = with_app1(file, "Exif", 4, (const unsigned char *) "", 0);
  check_patches(&file, 6, 1);
  free(file.data);
}

/* Where the pixels are not to be had the file is at fault; a block that lies only turns nothing. */
static void
broken_segments(void **state)
{
  unsigned char whole[BLOCK_MAX];
  size_t length = make_exif(6, true, 0, whole), height, width;

  (void) state;
  for (size_t left = 0; left < length; left++)
  {
    struct bytes file = with_app1(make_patches(1), "Exif\0", 6, whole, left);
    check_patches(&file, left >= 8 + 2 + 2 * 12 ? 6 : 1, 1);
    free(file.data);
  }
  struct bytes file = with_exif(make_patches(1), 6, false);
  for (size_t end = 2; end < 4 + 6 + length; end++)
  {
    unsigned char *cut = malloc(end);
    memcpy(cut, file.data, end);
    assert_int_equal(image_probe(cut, end, &height, &width, NULL), ERR_INVALID);
    free(cut);
  }
  /* one that tells more bytes than the file has, and ones that tell less than their own length */
  for (unsigned told = 0; told < 4; told++)
  {
    struct image image;
    put(file.data, 4, 2, told < 3 ? told : 0xffff, true);
    assert_int_not_equal(image_decode(file.data, file.length, MANY, &image, NULL), ERR_OK);
    assert_null(image.pixels);
    file.data[4] = 0;
  }
  free(file.data);
}

static unsigned
orientation_of(const unsigned char *block, size_t length)
{
  unsigned char *tight = malloc(length > 0 ? length : 1);
  memcpy(tight, block, length);
  unsigned found = image_exif_orientation(tight, length);
  free(tight);
  return found;
}

static void
blocks(void **state)
{
  static const uint32_t offsets[] = {0, 7, 45, 46, 47, 48, 0x7fffffff, 0x80000000, 0xffffffff};
  unsigned char block[BLOCK_MAX];
  struct rng rng;

  (void) state;
  rng_init(&rng, 3, 1);
  for (unsigned big = 0; big < 2; big++)
  {
    for (unsigned orientation = 0; orientation < 20; orientation++)
    {
      size_t length = make_exif(orientation, big, 7, block);
      assert_int_equal(orientation_of(block, length),
                       orientation >= 1 && orientation <= 8 ? orientation : 1);
    }
    size_t length = make_exif(8, big, 0, block);
    for (size_t left = 0; left <= length; left++)
      assert_int_equal(orientation_of(block, left), left >= 8 + 2 + 2 * 12 ? 8 : 1);
    for (size_t i = 0; i < sizeof offsets / sizeof offsets[0]; i++)
    {
      put(block, 4, 4, offsets[i], big);
      assert_int_equal(orientation_of(block, length), 1);
    }
    /* more entries than there is room for; a long, two shorts, another byte order's mark */
    make_exif(8, big, 0, block);
    put(block, 8, 2, 0xffff, big);
    assert_int_equal(orientation_of(block, length), 8);
    put(block, 8 + 2 + 12 + 2, 2, 4, big);
    assert_int_equal(orientation_of(block, length), 1);
    make_exif(8, big, 0, block);
    put(block, 8 + 2 + 12 + 4, 4, 2, big);
    assert_int_equal(orientation_of(block, length), 1);
    make_exif(8, big, 0, block);
    block[0] = big ? 'I' : 'M';
    assert_int_equal(orientation_of(block, length), 1);
    for (int i = 0; i < 20000; i++)
    {
      make_exif(5, big, 0, block);
      for (int k = 0; k < 3; k++)
        block[rng_below(&rng, length)] = (unsigned char) rng_below(&rng, 256);
      assert_in_range(orientation_of(block, length), 1, 8);
    }
  }
}

/* Loading, which turns last, gives what decoding, which turns first, and fitting do. */
static void
load_is_decode_and_fit(void **state)
{
  static const size_t sizes[][3] = {{5, 9, 3},   {9, 5, 1},  {13, 7, 3}, {40, 61, 1},
                                    {2, 100, 3}, {13, 7, 1}, {1, 1, 1}};
  static uint8_t pixels[13 * 7 * 3], loaded[40 * 61 * 3], fitted[40 * 61 * 3];
  struct rng rng;

  (void) state;
  rng_init(&rng, 4, 1);
  for (size_t i = 0; i < sizeof pixels; i++)
    pixels[i] = (uint8_t) rng_below(&rng, 256);
  for (unsigned orientation = 1; orientation <= 8; orientation++)
    for (size_t i = 0; i < 2 * sizeof sizes / sizeof sizes[0]; i++)
    {
      const size_t *size = sizes[i / 2];
      struct bytes file = make_png(13, 7, i % 2 ? PNG_FORMAT_RGB : PNG_FORMAT_GRAY, pixels);
      struct image image;
      file = with_chunk(file, orientation, false, true, true);
      assert_int_equal(
        image_load(file.data, file.length, MANY, size[0], size[1], size[2], loaded, NULL), ERR_OK);
      assert_int_equal(image_decode(file.data, file.length, MANY, &image, NULL), ERR_OK);
      assert_int_equal(image_fit(&image, size[0], size[1], size[2], fitted, NULL), ERR_OK);
      assert_memory_equal(loaded, fitted, size[0] * size[1] * size[2]);
      image_free(&image);
      free(file.data);
    }
}

/* A JPEG of twice the size or more is decoded smaller, which comes to nearly the same; below that, to the same. */
static void
large_jpegs(void **state)
{
  enum
  {
    HIGH = 203,
    WIDE = 310
  };
  static uint8_t pixels[HIGH * WIDE * 3], loaded[HIGH * WIDE * 3], again[HIGH * WIDE * 3];
  static const size_t divisors[] = {1, 2, 3, 4, 8, 16};
  struct image image;
  struct err_info info;

  (void) state;
  for (size_t y = 0; y < HIGH; y++)
    for (size_t x = 0; x < WIDE; x++)
      for (size_t c = 0; c < 3; c++)
        pixels[(y * WIDE + x) * 3 + c] =
          (uint8_t) (128.0 + 60.0 * sin((double) x / 11.0 + (double) c)
                     + 60.0 * cos((double) y / 17.0));
  struct bytes file = make_jpeg(HIGH, WIDE, 3, JCS_RGB, false, pixels);
  assert_int_equal(image_decode(file.data, file.length, MANY, &image, NULL), ERR_OK);
  for (size_t i = 0; i < sizeof divisors / sizeof divisors[0]; i++)
  {
    size_t height = HIGH / divisors[i], width = WIDE / divisors[i], differing = 0;
    for (int more = 0; more < 2; more++, height += (size_t) (divisors[i] > 1))
    {
      size_t count = height * width * 3;
      assert_int_equal(image_load(file.data, file.length, MANY, height, width, 3, loaded, NULL),
                       ERR_OK);
      assert_int_equal(image_load(file.data, file.length, MANY, height, width, 3, again, NULL),
                       ERR_OK);
      assert_memory_equal(loaded, again, count);
      assert_int_equal(image_fit(&image, height, width, 3, again, NULL), ERR_OK);
      differing = 0;
      for (size_t k = 0; k < count; k++)
      {
        assert_near(loaded[k], again[k], 6.0);
        differing += loaded[k] != again[k];
      }
      if (height * 2 > HIGH)
        assert_int_equal(differing, 0);
    }
    assert_true(divisors[i] < 3 || differing > 0);
  }
  image_free(&image);
  /* What it costs is the size it is stored in. */
  assert_int_equal(image_load(file.data, file.length, HIGH * WIDE - 1, 8, 8, 3, loaded, &info),
                   ERR_LIMIT);
  assert_has_text(info.text, "310 x 203");
  assert_int_equal(image_load(file.data, file.length, MANY, 0, 8, 3, loaded, NULL), ERR_INVALID);
  assert_int_equal(image_load("GIF89a", 6, MANY, 8, 8, 3, loaded, NULL), ERR_INVALID);
  free(file.data);
}

/* Twice what a new pixel's area adds up to, in parts of a pixel: by its definition, in whole numbers. */
static uint64_t
brute_sum(const struct image *image, size_t height, size_t width, size_t y, size_t x, size_t c)
{
  uint64_t sum = 0;
  for (size_t i = 0; i < image->height * height; i++)
    for (size_t j = 0; j < image->width * width; j++)
      if (i / image->height == y && j / image->width == x)
        sum += image->pixels[(i / height * image->width + j / width) * image->channels + c];
  return sum;
}

static void
means_are_exact(void **state)
{
  static const size_t cases[][4] = {
    {7, 5, 3, 4}, {6, 4, 3, 2}, {3, 4, 7, 9}, {1, 8, 2, 3}, {9, 1, 2, 2}};
  uint8_t pixels[9 * 8 * 3], out[9 * 9 * 3];
  struct rng rng;

  (void) state;
  rng_init(&rng, 5, 1);
  for (size_t i = 0; i < 10 * sizeof cases / sizeof cases[0]; i++)
  {
    const size_t *k = cases[i / 10];
    struct image image = {
      .height = k[0], .width = k[1], .channels = i % 2 ? 3 : 1, .pixels = pixels};
    uint64_t area = k[0] * k[1];
    for (size_t j = 0; j < sizeof pixels; j++)
      pixels[j] = (uint8_t) rng_below(&rng, i % 3 ? 256 : 3);
    assert_int_equal(image_fit(&image, k[2], k[3], image.channels, out, NULL), ERR_OK);
    for (size_t j = 0; j < k[2] * k[3] * image.channels; j++)
    {
      size_t at = j / image.channels;
      uint64_t sum = brute_sum(&image, k[2], k[3], at / k[3], at % k[3], j % image.channels);
      assert_int_equal(out[j], (2 * sum + area) / (2 * area));
    }
    assert_int_equal(image_fit(&image, k[2], k[3], 4 - image.channels, out, NULL), ERR_OK);
    for (size_t j = 0; j < k[2] * k[3] && image.channels == 3; j++)
    {
      uint64_t sum = 299 * brute_sum(&image, k[2], k[3], j / k[3], j % k[3], 0)
                     + 587 * brute_sum(&image, k[2], k[3], j / k[3], j % k[3], 1)
                     + 114 * brute_sum(&image, k[2], k[3], j / k[3], j % k[3], 2);
      assert_int_equal(out[j], (2 * sum + 1000 * area) / (2000 * area));
    }
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(png_is_turned),  cmocka_unit_test(jpeg_is_turned),
    cmocka_unit_test(other_segments), cmocka_unit_test(broken_segments),
    cmocka_unit_test(blocks),         cmocka_unit_test(load_is_decode_and_fit),
    cmocka_unit_test(large_jpegs),    cmocka_unit_test(means_are_exact),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
