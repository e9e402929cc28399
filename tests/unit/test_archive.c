/* Archives of images and of a table: good ones in every packing, and those that lie, burst or point outside; each
 * both in this process and through the sandboxed child. */
#include <config.h>

#include "tests/harness/data_fixture.h"

#include <archive.h>
#include <archive_entry.h>

#include "data/archive.h"
#include "data/archive_kind.h"
#include "data/image_census.h"
#include "data/image_labels.h"
#include "data/ingest.h"
#include "data/png.h"

#define PACK_BYTES ((size_t) 8 << 20)

enum packing
{
  PACK_ZIP,
  PACK_TAR,
  PACK_GZIP,
  PACK_XZ,
  PACK_ZSTD,
  PACKINGS
};

/* An archive while it is made, in memory. */
struct pack
{
  struct archive *writer;
  char *bytes;
  size_t length;
};

static void
pack_start(struct pack *pack, enum packing packing)
{
  *pack = (struct pack){.writer = archive_write_new(), .bytes = malloc(PACK_BYTES)};
  assert_non_null(pack->bytes);
  if (packing == PACK_ZIP)
    archive_write_set_format_zip(pack->writer);
  else
    archive_write_set_format_pax_restricted(pack->writer);
  if (packing == PACK_GZIP)
    archive_write_add_filter_gzip(pack->writer);
  if (packing == PACK_XZ)
    archive_write_add_filter_xz(pack->writer);
  if (packing == PACK_ZSTD)
    archive_write_add_filter_zstd(pack->writer);
  assert_int_equal(archive_write_open_memory(pack->writer, pack->bytes, PACK_BYTES, &pack->length),
                   ARCHIVE_OK);
}

static void
pack_entry(struct pack *pack, const char *name, __LA_MODE_T type, const char *link,
           const void *bytes, size_t length)
{
  struct archive_entry *entry = archive_entry_new();
  archive_entry_set_pathname(entry, name);
  archive_entry_set_filetype(entry, type);
  archive_entry_set_perm(entry, 0600);
  archive_entry_set_size(entry, (la_int64_t) length);
  if (link != NULL && type == AE_IFLNK)
    archive_entry_set_symlink(entry, link);
  else if (link != NULL)
    archive_entry_set_hardlink(entry, link);
  assert_true(archive_write_header(pack->writer, entry) >= ARCHIVE_WARN);
  if (length > 0)
    assert_int_equal(archive_write_data(pack->writer, bytes, length), length);
  archive_entry_free(entry);
}

static void
pack_file(struct pack *pack, const char *name, const void *bytes, size_t length)
{
  pack_entry(pack, name, AE_IFREG, NULL, bytes, length);
}

static void
pack_end(struct pack *pack)
{
  archive_write_close(pack->writer);
  archive_write_free(pack->writer);
}

/* A PNG of one value, `height` by 10. */
static struct buf
plain_png(size_t height, size_t channels, uint8_t value)
{
  uint8_t pixels[64 * 10 * 3];
  struct buf png = {0};
  memset(pixels, value, sizeof pixels);
  assert_int_equal(png_write(pixels, height, 10, channels, &png), ERR_OK);
  return png;
}

/* Twelve images of two classes. */
static void
pack_images(struct pack *pack, const char *top)
{
  for (unsigned i = 0; i < 12; i++)
  {
    char name[64];
    struct buf png = plain_png(10 + i % 3, i % 4 == 0 ? 3 : 1, (uint8_t) (20 * i));
    snprintf(name, sizeof name, "%s%s/%u.png", top, i % 2 ? "odd" : "even", i);
    pack_file(pack, name, png.data, png.length);
    buf_free(&png);
  }
}

/* Through ingest_archive in this process; then the child must say the same. Closes nothing of the pack. */
static enum err
read_pack(struct fixture *fixture, const void *bytes, size_t length, struct ingest_limits limits)
{
  int input = fixture_file(bytes, length), scratch = fixture_file("", 0);
  struct ingest_work work = fixture_start(fixture, input);
  work.scratch = scratch;
  work.limits = limits;
  enum err err = fixture_finish(fixture, &work, ingest_archive(&work, &fixture->info));
  close(scratch);
#ifdef ATTUNE_COVERAGE
  /* Counters are written before a program is started, under its limits: so low a one would end it there. */
  if (limits.max_output < (uint64_t) 1 << 20)
  {
    close(input);
    return err;
  }
#endif
  scratch = fixture_file("", 0);
  int output = fixture_file("", 0);
  struct ingest_request request = {.kind = INGEST_ARCHIVE,
                                   .input_fd = input,
                                   .labels_fd = -1,
                                   .scratch_fd = scratch,
                                   .output_fd = output,
                                   .limits = limits};
  struct ingest_result result;
  struct err_info info = {0};
  enum err child = ingest_run(&request, &result, &info);
  if (child != err)
    fail_msg("the child says \"%s\", this process \"%s\"", info.text, fixture->info.text);
  if (err == ERR_OK)
    assert_true(json_equal(result.schema, fixture->schema));
  else
    assert_string_equal(info.text, fixture->info.text);
  ingest_result_clear(&result);
  close(output);
  close(scratch);
  close(input);
  return err;
}

static const struct ingest_limits defaults = INGEST_LIMITS_DEFAULT;

static void
test_every_packing_is_the_same(void **state)
{
  (void) state;
  char first[65] = "";
  for (int packing = 0; packing < PACKINGS; packing++)
  {
    struct pack pack;
    pack_start(&pack, (enum packing) packing);
    struct fixture fixture;
    char digest[65];
    pack_entry(&pack, "./all/even/", AE_IFDIR, NULL, NULL, 0);
    pack_images(&pack, "./all/");
    pack_file(&pack, "__MACOSX/all/even/._0.png", "junk", 4);
    pack_end(&pack);
    assert_true(archive_is_known(pack.bytes, pack.length));
    assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, defaults), ERR_OK);
    const struct image_set *images = dataset_images(fixture.dataset);
    assert_int_equal(images->count, 12);
    assert_int_equal(images->height, 11);
    assert_int_equal(images->width, 10);
    assert_int_equal(images->channels, 3);
    assert_string_equal(images->class_names[0], "even");
    assert_int_equal(images->labels[1], 1);
    assert_int_equal(images->pixels[0], 0);
    assert_int_equal(images->pixels[11 * 10 * 3], 20);
    assert_int_equal(dataset_digest(fixture.file, fixture.bytes, digest, NULL), ERR_OK);
    if (first[0] != '\0')
      assert_string_equal(digest, first);
    memcpy(first, digest, sizeof first);
    fixture_free(&fixture);
    free(pack.bytes);
  }
}

/* One entry more, and how it is refused. */
static void
test_hostile_entries(void **state)
{
  (void) state;
  static const struct
  {
    const char *name;
    __LA_MODE_T type;
    const char *link, *says;
  } cases[] = {
    {"odd/x.png", AE_IFLNK, "/etc/passwd", "\"odd/x.png\" is a link"},
    {"odd/x.png", AE_IFREG, "even/0.png", "\"odd/x.png\" is a link"},
    {"odd/x.png", AE_IFCHR, NULL, "\"odd/x.png\" is a device"},
    {"odd/x.png", AE_IFBLK, NULL, "\"odd/x.png\" is a device"},
    {"odd/x.png", AE_IFIFO, NULL, "\"odd/x.png\" is a device"},
    {"../x.png", AE_IFREG, NULL, "\"../x.png\" points outside"},
    {"odd/../../x.png", AE_IFREG, NULL, "points outside"},
    {"odd/..", AE_IFREG, NULL, "points outside"},
    {"..\\x.png", AE_IFREG, NULL, "points outside"},
    {"odd/y\\..\\..\\x.png", AE_IFREG, NULL, "points outside"},
    {"/etc/x.png", AE_IFREG, NULL, "\"/etc/x.png\" points outside"},
    {"\\x.png", AE_IFREG, NULL, "points outside"},
    {"C:\\x.png", AE_IFREG, NULL, "points outside"},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct pack pack;
    pack_start(&pack, PACK_TAR);
    struct fixture fixture;
    pack_images(&pack, "");
    pack_entry(&pack, cases[i].name, cases[i].type, cases[i].link, NULL, 0);
    pack_end(&pack);
    assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, defaults), ERR_INVALID);
    assert_has_text(fixture.info.text, cases[i].says);
    fixture_free(&fixture);
    free(pack.bytes);
  }
}

static void
test_bombs(void **state)
{
  (void) state;
  size_t size = (size_t) 80 << 20;
  char *zeros = calloc(size, 1);
  static const enum packing packings[] = {PACK_ZIP, PACK_GZIP, PACK_XZ, PACK_ZSTD};
  assert_non_null(zeros);
  for (size_t i = 0; i < sizeof packings / sizeof packings[0]; i++)
  {
    struct pack pack;
    pack_start(&pack, packings[i]);
    struct fixture fixture;
    pack_file(&pack, "big.csv", zeros, size);
    pack_end(&pack);
    assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, defaults), ERR_INVALID);
    assert_has_text(fixture.info.text, "times its size");
    fixture_free(&fixture);
    free(pack.bytes);
  }
  free(zeros);
}

static void
test_limits(void **state)
{
  (void) state;
  struct pack pack;
  pack_start(&pack, PACK_ZIP);
  struct fixture fixture;
  struct ingest_limits limits = defaults;
  pack_images(&pack, "");
  pack_end(&pack);
  limits.max_entries = 11;
  assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, limits), ERR_INVALID);
  assert_has_text(fixture.info.text, "more than 11 entries");
  fixture_free(&fixture);
  limits = defaults;
  limits.max_unpacked = 200;
  assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, limits), ERR_INVALID);
  assert_has_text(fixture.info.text, "when unpacked");
  fixture_free(&fixture);
  limits = defaults;
  limits.max_output = 1000;
  assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, limits), ERR_INVALID);
  assert_has_text(fixture.info.text, "image_size");
  fixture_free(&fixture);
  /* Every image too large: all are left out, and named. */
  limits = defaults;
  limits.max_pixels = 20;
  assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, limits), ERR_INVALID);
  assert_has_text(fixture.info.text, "12 of 12 images");
  assert_has_text(fixture.faults.items[1].message, "even/0.png was left out");
  assert_has_text(fixture.faults.items[1].message, "at most 20 pixels");
  fixture_free(&fixture);
  free(pack.bytes);
}

/* Cut anywhere, or with a byte turned, an archive gives images or a sentence, never anything else. */
static void
test_torn_and_turned(void **state)
{
  (void) state;
  static const enum packing packings[] = {PACK_ZIP, PACK_TAR, PACK_GZIP, PACK_XZ, PACK_ZSTD};
  for (size_t p = 0; p < sizeof packings / sizeof packings[0]; p++)
  {
    struct pack pack;
    pack_start(&pack, packings[p]);
    pack_images(&pack, "");
    pack_end(&pack);
    for (size_t cut = 1; cut < 10; cut += 3)
    {
      struct fixture fixture;
      size_t length = pack.length * cut / 10;
      enum err err = read_pack(&fixture, pack.bytes, length, defaults);
      /* The blocks at the end of a tar may go. */
      if (packings[p] != PACK_TAR)
        assert_int_equal(err, ERR_INVALID);
      fixture_free(&fixture);
    }
    for (size_t at = 1; at < pack.length; at += pack.length / 14)
    {
      struct fixture fixture;
      pack.bytes[at] = (char) (pack.bytes[at] ^ 0x55);
      enum err err = read_pack(&fixture, pack.bytes, pack.length, defaults);
      assert_true(err == ERR_OK || err == ERR_INVALID);
      pack.bytes[at] = (char) (pack.bytes[at] ^ 0x55);
      fixture_free(&fixture);
    }
    free(pack.bytes);
  }
}

static void
test_one_bad_among_many(void **state)
{
  (void) state;
  static const char huge[] =
    "\x89PNG\r\n\x1a\n\0\0\0\rIHDR\x7f\xff\xff\xff\x7f\xff\xff\xff\x08\0\0\0\0";
  struct pack pack;
  pack_start(&pack, PACK_ZIP);
  struct fixture fixture;
  struct buf png = plain_png(10, 1, 5);
  pack_images(&pack, "");
  pack_file(&pack, "odd/torn.png", png.data, png.length - 20);
  pack_file(&pack, "odd/text.png", "no image at all", 15);
  pack_file(&pack, "odd/empty.jpg", "", 0);
  pack_file(&pack, "odd/huge.png", huge, sizeof huge - 1);
  pack_file(&pack, "even/right.jpg", png.data, png.length);
  pack_file(&pack, "notes.txt", "x", 1);
  pack_end(&pack);
  assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, defaults), ERR_OK);
  assert_int_equal(dataset_row_count(fixture.dataset), 13);
  const json_t *warnings = json_object_get(fixture.schema, "warnings");
  static const char *const named[] = {"odd/torn.png was left out", "odd/text.png was left out",
                                      "odd/empty.jpg was left out: it is empty",
                                      "odd/huge.png was left out", "images were resized"};
  for (size_t i = 0; i < sizeof named / sizeof named[0]; i++)
    assert_has_text(json_string_value(json_array_get(warnings, i)), named[i]);
  fixture_free(&fixture);
  buf_free(&png);
  free(pack.bytes);
}

static void
test_a_table_inside(void **state)
{
  (void) state;
  static const char csv[] = "a\tb\n1,5\tx\n2,25\ty\n3,125\tx\n";
  for (int packing = 0; packing < PACKINGS; packing++)
  {
    struct pack pack;
    pack_start(&pack, (enum packing) packing);
    struct fixture fixture;
    pack_file(&pack, "in/data.tsv", csv, strlen(csv));
    pack_end(&pack);
    assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, defaults), ERR_OK);
    assert_near(fixture_column(&fixture, "a")->number[1], 2.25, 0);
    assert_string_equal(
      json_string_value(json_object_get(fixture_described(&fixture, "a"), "format")),
      "decimal_comma");
    fixture_free(&fixture);
    free(pack.bytes);
  }
}

/* A zip of another age names its files in code page 437; the two differ in one letter. */
static void
test_old_names(void **state)
{
  (void) state;
  struct pack pack;
  struct fixture fixture;
  pack_start(&pack, PACK_TAR);
  for (unsigned i = 0; i < 12; i++)
  {
    struct buf png = plain_png(10, 1, (uint8_t) i);
    char name[32];
    snprintf(name, sizeof name, "%s/%u.png", i % 2 ? "b\x84r" : "b\xfcr", i);
    pack_file(&pack, name, png.data, png.length);
    buf_free(&png);
  }
  pack_end(&pack);
  assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, defaults), ERR_OK);
  assert_string_equal(dataset_images(fixture.dataset)->class_names[0], "bär");
  assert_string_equal(dataset_images(fixture.dataset)->class_names[1], "bⁿr");
  fixture_free(&fixture);
  free(pack.bytes);
}

static void
test_nested(void **state)
{
  (void) state;
  struct pack inner;
  pack_start(&inner, PACK_ZIP);
  pack_images(&inner, "");
  pack_end(&inner);
  struct pack pack;
  pack_start(&pack, PACK_GZIP);
  struct fixture fixture;
  pack_images(&pack, "");
  /* By its bytes: the name may say anything. */
  pack_file(&pack, "odd/inner.png", inner.bytes, inner.length);
  pack_end(&pack);
  assert_int_equal(read_pack(&fixture, pack.bytes, pack.length, defaults), ERR_INVALID);
  assert_has_text(fixture.info.text, "\"odd/inner.png\" is an archive itself");
  fixture_free(&fixture);
  free(inner.bytes);
  free(pack.bytes);
}

static void
test_labels(void **state)
{
  (void) state;
  struct image_labels *labels;
  struct err_info info;
  static const char csv[] =
    "file,label\r\na/1.png, cat \r\n2.png,\"dog, big\"\r\n./b/3.png,cat\r\n";
  assert_int_equal(image_labels_new(csv, strlen(csv), "labels.csv", &labels, &info), ERR_OK);
  assert_string_equal(image_labels_find(labels, "a/1.png", 0, 0), "cat");
  assert_string_equal(image_labels_find(labels, "top/a/1.png", 4, 0), "cat");
  assert_string_equal(image_labels_find(labels, "top/x/2.png", 4, 0), "dog, big");
  assert_string_equal(image_labels_find(labels, "b/3.png", 0, 0), "cat");
  assert_null(image_labels_find(labels, "1.png", 0, 0));
  image_labels_free(labels);
  static const char list[] = " [\"x\", \"\", \"y\"]";
  assert_int_equal(image_labels_new(list, strlen(list), "labels", &labels, &info), ERR_OK);
  assert_string_equal(image_labels_find(labels, "any", 0, 2), "y");
  assert_null(image_labels_find(labels, "any", 0, 1));
  assert_null(image_labels_find(labels, "any", 0, 3));
  image_labels_free(labels);
  static const char *const bad[] = {"",
                                    "file,label\n",
                                    "a\n",
                                    "a,b,c\n",
                                    "a,x\na,y\n",
                                    "[1]",
                                    "[\"a\", {\"file\": \"b\", \"label\": \"c\"}]",
                                    "[{\"file\": \"b\"}]"};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(image_labels_new(bad[i], strlen(bad[i]), "labels", &labels, &info),
                     ERR_INVALID);
}

static void
test_common_size(void **state)
{
  (void) state;
  static const struct
  {
    size_t sizes[3][2], height, width;
  } cases[] = {
    {{{28, 28}, {28, 28}, {28, 28}}, 28, 28},       {{{10, 40}, {20, 30}, {300, 20}}, 20, 30},
    {{{375, 500}, {375, 500}, {40, 31}}, 168, 224}, {{{2, 3}, {2, 3}, {1, 1}}, 8, 8},
    {{{2000, 10}, {2000, 10}, {2000, 10}}, 224, 8},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct image_census census = {0};
    size_t height, width, channels;
    for (size_t k = 0; k < 3; k++)
      assert_int_equal(
        image_census_add(&census, cases[i].sizes[k][0], cases[i].sizes[k][1], k == 1 ? 3 : 1),
        ERR_OK);
    image_census_settle(&census, 0, 0, &height, &width, &channels);
    assert_int_equal(height, cases[i].height);
    assert_int_equal(width, cases[i].width);
    assert_int_equal(channels, 3);
    image_census_settle(&census, 7, 9, &height, &width, &channels);
    assert_int_equal(height * 100 + width, 709);
    image_census_free(&census);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_packing_is_the_same),
    cmocka_unit_test(test_hostile_entries),
    cmocka_unit_test(test_bombs),
    cmocka_unit_test(test_limits),
    cmocka_unit_test(test_torn_and_turned),
    cmocka_unit_test(test_one_bad_among_many),
    cmocka_unit_test(test_a_table_inside),
    cmocka_unit_test(test_old_names),
    cmocka_unit_test(test_nested),
    cmocka_unit_test(test_labels),
    cmocka_unit_test(test_common_size),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
