/* Archives, PNGs and IDX files for tests, made in memory. Header only.
 */
#ifndef ATTUNE_TESTS_PACK_FILES_H
#define ATTUNE_TESTS_PACK_FILES_H

#include <archive.h>
#include <archive_entry.h>

#include "base/buf.h"
#include "data/png.h"
#include "tests/harness/test_support.h"

#define PACK_FILES_BYTES ((size_t) 1 << 20)

struct pack_files
{
  struct archive *writer;
  char *bytes;
  size_t length;
};

static inline void
pack_files_start(struct pack_files *pack)
{
  *pack = (struct pack_files){.writer = archive_write_new(), .bytes = malloc(PACK_FILES_BYTES)};
  assert_non_null(pack->bytes);
  archive_write_set_format_zip(pack->writer);
  assert_int_equal(
    archive_write_open_memory(pack->writer, pack->bytes, PACK_FILES_BYTES, &pack->length),
    ARCHIVE_OK);
}

static inline void
pack_files_add(struct pack_files *pack, const char *name, const void *bytes, size_t length)
{
  struct archive_entry *entry = archive_entry_new();
  archive_entry_set_pathname(entry, name);
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0600);
  archive_entry_set_size(entry, (la_int64_t) length);
  assert_true(archive_write_header(pack->writer, entry) >= ARCHIVE_WARN);
  if (length > 0)
    assert_int_equal(archive_write_data(pack->writer, bytes, length), length);
  archive_entry_free(entry);
}

/* The bytes are the caller's then. */
static inline void
pack_files_end(struct pack_files *pack)
{
  archive_write_close(pack->writer);
  archive_write_free(pack->writer);
}

/* A PNG of one value, `height` by 10. */
static inline struct buf
pack_files_png(size_t height, size_t channels, uint8_t value)
{
  uint8_t pixels[64 * 10 * 3];
  struct buf png = {0};
  memset(pixels, value, sizeof pixels);
  assert_int_equal(png_write(pixels, height, 10, channels, &png), ERR_OK);
  return png;
}

/* An IDX file of bytes with these sizes, its data counting up. */
static inline struct buf
pack_files_idx(const uint32_t *dims, size_t dim_count, unsigned modulo)
{
  struct buf out = {0};
  const uint8_t magic[4] = {0, 0, 8, (uint8_t) dim_count};
  size_t length = 1;
  buf_append(&out, magic, 4);
  for (size_t d = 0; d < dim_count; d++)
  {
    const uint8_t size[4] = {0, 0, (uint8_t) (dims[d] >> 8), (uint8_t) dims[d]};
    buf_append(&out, size, 4);
    length *= dims[d];
  }
  for (size_t i = 0; i < length; i++)
  {
    const uint8_t byte = (uint8_t) (i % modulo);
    buf_append(&out, &byte, 1);
  }
  assert_false(out.failed);
  return out;
}

#endif
