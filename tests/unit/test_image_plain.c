/* Common PNGs are read without libpng: the same pixels as libpng's, for every filter and size; and what is unusual or
 * damaged in any byte gets the answer that libpng gives. */
#include <config.h>

#include <zlib.h>

#include "base/rng.h"
#include "data/image.h"
#include "data/image_internal.h"
#include "tests/harness/image_fixture.h"

#define MANY 100000
#define FILE_MAX ((size_t) 300000)

struct file
{
  unsigned char bytes[FILE_MAX];
  size_t length;
};

static void
put_u32(unsigned char *to, uint32_t value)
{
  for (int i = 0; i < 4; i++)
    to[i] = (unsigned char) (value >> (24 - 8 * i));
}

static void
put_chunk(struct file *file, const char *name, const unsigned char *content, size_t length)
{
  unsigned char *at = file->bytes + file->length;

  put_u32(at, (uint32_t) length);
  memcpy(at + 4, name, 4);
  if (length > 0)
    memcpy(at + 8, content, length);
  put_u32(at + 8 + length, (uint32_t) crc32_z(0, at + 4, 4 + length));
  file->length += 12 + length;
}

/* A file of lines (height, 1 + width · channels) that begin with their filters; `before` is a chunk in front of
 * the pixels, none when NULL. */
static void
make_file(size_t height, size_t width, size_t channels, const unsigned char *lines,
          const char *before, struct file *file)
{
  unsigned char header[13] = {0}, packed[FILE_MAX / 2];
  uLongf length = sizeof packed;

  memcpy(file->bytes, "\x89PNG\r\n\x1a\n", 8);
  file->length = 8;
  put_u32(header, (uint32_t) width);
  put_u32(header + 4, (uint32_t) height);
  header[8] = 8;
  header[9] = channels == 3 ? 2 : 0;
  put_chunk(file, "IHDR", header, sizeof header);
  if (before)
    put_chunk(file, before, (const unsigned char *) "\0\0\0\0",
              strcmp(before, "sRGB") == 0 ? 1 : 4);
  assert_int_equal(compress2(packed, &length, lines, height * (1 + width * channels), 6), Z_OK);
  put_chunk(file, "IDAT", packed, length);
  put_chunk(file, "IEND", NULL, 0);
}

static unsigned char *
draw_lines(struct rng *rng, size_t height, size_t line, bool any_filter)
{
  unsigned char *lines = malloc(height * (1 + line));

  assert_non_null(lines);
  for (size_t i = 0; i < height * (1 + line); i++)
    lines[i] = (unsigned char) (i % (1 + line) == 0 ? (any_filter ? rng_below(rng, 5) : 0)
                                                    : rng_below(rng, 256));
  return lines;
}

static void
check_same(struct rng *rng, size_t height, size_t width, size_t channels, const char *before)
{
  static struct file plain, other;
  struct image_stored head = {.divisor = 1}, seen;
  struct image ours, theirs;
  unsigned char *lines = draw_lines(rng, height, width * channels, true);

  make_file(height, width, channels, lines, before, &plain);
  /* a chunk that is none of those passed over leaves the file to libpng, which ignores it */
  make_file(height, width, channels, lines, "xxXx", &other);
  assert_true(image_png_plain_look(plain.bytes, plain.length, &head));
  assert_true(head.height == height && head.width == width && head.image.channels == channels);
  assert_false(image_png_plain_look(other.bytes, other.length, &seen));
  head.image.pixels = malloc(height * width * channels);
  assert_non_null(head.image.pixels);
  assert_true(image_png_plain_decode(plain.bytes, plain.length, &head.image));
  assert_int_equal(image_decode(plain.bytes, plain.length, MANY, &ours, NULL), ERR_OK);
  assert_int_equal(image_decode(other.bytes, other.length, MANY, &theirs, NULL), ERR_OK);
  assert_memory_equal(ours.pixels, theirs.pixels, height * width * channels);
  assert_memory_equal(head.image.pixels, theirs.pixels, height * width * channels);
  image_free(&head.image);
  image_free(&ours);
  image_free(&theirs);
  free(lines);
}

static void
test_same_pixels(void **state)
{
  static const char *const before[] = {NULL, "sRGB", "tEXt"};
  struct rng rng;

  (void) state;
  rng_init(&rng, 1, 1);
  for (size_t channels = 1; channels <= 3; channels += 2)
  {
    for (size_t i = 0; i < 40; i++)
      check_same(&rng, 1 + rng_below(&rng, 30), 1 + rng_below(&rng, 30), channels, before[i % 3]);
    check_same(&rng, 150, 170, channels, NULL); /* more than fits the stack */
  }
}

/* Whatever a byte is changed to: either both readers take it, and see the same, or libpng's answer is given. */
static void
test_damage(void **state)
{
  static struct file file;
  struct rng rng;

  (void) state;
  rng_init(&rng, 2, 1);
  unsigned char *lines = draw_lines(&rng, 5, 6, true), *copy = NULL;
  make_file(5, 6, 1, lines, NULL, &file);
  for (size_t i = 8; i < file.length; i++)
    for (unsigned bit = 0; bit < 8; bit++)
    {
      struct image_stored head = {.divisor = 1};
      uint8_t pixels[5 * 6];
      copy = malloc(file.length); /* exactly so long, for the address sanitizer */
      assert_non_null(copy);
      memcpy(copy, file.bytes, file.length);
      copy[i] ^= (unsigned char) (1u << bit);
      head.image.pixels = pixels;
      /* every byte is covered by a check sum, or by what the lengths have to be */
      assert_false(image_png_plain_look(copy, file.length, &head)
                   && head.height * head.width == sizeof pixels
                   && image_png_plain_decode(copy, file.length, &head.image));
      free(copy);
    }
  for (size_t length = 0; length < file.length; length++)
  {
    struct image image;
    copy = malloc(length + 1);
    assert_non_null(copy);
    memcpy(copy, file.bytes, length);
    if (image_decode(copy, length, MANY, &image, NULL) == ERR_OK)
      image_free(&image);
    free(copy);
  }
  free(lines);
}

/* Fewer lines than the header promises, more, or a filter that there is not, with sound check sums. */
static void
test_wrong_content(void **state)
{
  static struct file file;
  struct rng rng;
  struct err_info info;
  struct image image;

  (void) state;
  rng_init(&rng, 3, 1);
  unsigned char *lines = draw_lines(&rng, 9, 8, false);
  make_file(9, 8, 1, lines, NULL, &file);
  for (int kind = 0; kind < 3; kind++)
  {
    static struct file changed;
    unsigned char header[13];
    memcpy(header, file.bytes + 16, sizeof header);
    put_u32(header + 4, kind == 0 ? 10 : 8);
    lines[9] = kind == 2 ? 5 : 0;
    make_file(9, 8, 1, lines, NULL, &changed);
    if (kind < 2)
    {
      memcpy(changed.bytes + 16, header, sizeof header);
      put_u32(changed.bytes + 29, (uint32_t) crc32_z(0, changed.bytes + 12, 17));
    }
    struct image_stored head = {.divisor = 1};
    uint8_t pixels[10 * 8];
    head.image.pixels = pixels;
    assert_true(image_png_plain_look(changed.bytes, changed.length, &head));
    assert_false(image_png_plain_decode(changed.bytes, changed.length, &head.image));
    /* more is passed over with a warning by libpng, the rest refused in its words */
    enum err rc = image_decode(changed.bytes, changed.length, MANY, &image, &info);
    assert_int_equal(rc, kind == 1 ? ERR_OK : ERR_INVALID);
    if (rc == ERR_OK)
      image_free(&image);
  }
  free(lines);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_same_pixels),
                                     cmocka_unit_test(test_damage),
                                     cmocka_unit_test(test_wrong_content)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
