#include <config.h>

#include "data/idx.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zlib.h>

#define CHUNK ((size_t) 1 << 16)
#define TYPE_BYTES 0x08u /* unsigned bytes, the third byte of the magic number */

struct idx_reader
{
  int fd;
  const char *what;
  uint64_t offset; /* in the file */
  bool packed;     /* gzip */
  bool stream_open, stream_done;
  z_stream stream;
  unsigned char *chunk;
  size_t chunk_at, chunk_end; /* when not packed */
  size_t dim_count;
  uint64_t dims[IDX_MAX_DIMS];
};

static enum err
fill_chunk(struct idx_reader *reader, size_t *got, struct err_info *info)
{
  for (;;)
  {
    ssize_t n = pread(reader->fd, reader->chunk, CHUNK, (off_t) reader->offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_set_errno(info, ERR_IO, errno, "could not read the %s file", reader->what);
    *got = (size_t) n;
    reader->offset += (uint64_t) n;
    return ERR_OK;
  }
}

static enum err
read_plain(struct idx_reader *reader, uint8_t *bytes, size_t length, size_t *got,
           struct err_info *info)
{
  *got = 0;
  while (*got < length)
  {
    if (reader->chunk_at == reader->chunk_end)
    {
      reader->chunk_at = 0;
      enum err err = fill_chunk(reader, &reader->chunk_end, info);
      if (err != ERR_OK || reader->chunk_end == 0)
        return err;
    }
    size_t part = reader->chunk_end - reader->chunk_at;
    if (part > length - *got)
      part = length - *got;
    memcpy(bytes + *got, reader->chunk + reader->chunk_at, part);
    reader->chunk_at += part;
    *got += part;
  }
  return ERR_OK;
}

/* Inflates at most `length` bytes; fewer only at the end of the data. */
static enum err
read_packed(struct idx_reader *reader, uint8_t *bytes, size_t length, size_t *got,
            struct err_info *info)
{
  z_stream *stream = &reader->stream;
  size_t done = 0;
  while (done < length && !reader->stream_done)
  {
    if (stream->avail_in == 0)
    {
      size_t filled;
      enum err err = fill_chunk(reader, &filled, info);
      if (err != ERR_OK)
        return err;
      if (filled == 0)
        return err_set(info, ERR_INVALID, "the %s file breaks off in the middle of its gzip data",
                       reader->what);
      stream->next_in = reader->chunk;
      stream->avail_in = (uInt) filled;
    }
    size_t want = length - done < (size_t) 1 << 30 ? length - done : (size_t) 1 << 30;
    stream->next_out = bytes + done;
    stream->avail_out = (uInt) want;
    int status = inflate(stream, Z_NO_FLUSH);
    done += want - stream->avail_out;
    if (status == Z_STREAM_END)
      reader->stream_done = true;
    else if (status == Z_MEM_ERROR)
      return err_set(info, ERR_MEMORY, "out of memory");
    else if (status != Z_OK && status != Z_BUF_ERROR)
      return err_set(info, ERR_INVALID, "the gzip data of the %s file is damaged", reader->what);
  }
  *got = done;
  return ERR_OK;
}

static enum err
read_some(struct idx_reader *reader, uint8_t *bytes, size_t length, size_t *got,
          struct err_info *info)
{
  *got = 0;
  return reader->packed ? read_packed(reader, bytes, length, got, info)
                        : read_plain(reader, bytes, length, got, info);
}

enum err
idx_read(struct idx_reader *reader, uint8_t *bytes, size_t length, struct err_info *info)
{
  size_t got;
  enum err err = read_some(reader, bytes, length, &got, info);
  if (err == ERR_OK && got < length)
    err = err_set(info, ERR_INVALID, "the %s file is shorter than its head says; upload it again",
                  reader->what);
  return err;
}

enum err
idx_check_end(struct idx_reader *reader, struct err_info *info)
{
  uint8_t more;
  size_t got;
  enum err err = read_some(reader, &more, 1, &got, info);
  if (err == ERR_OK && got > 0)
    err = err_set(info, ERR_INVALID, "the %s file is longer than its head says; it may be damaged",
                  reader->what);
  return err;
}

static uint32_t
big_endian(const uint8_t *bytes)
{
  return (uint32_t) bytes[0] << 24 | (uint32_t) bytes[1] << 16 | (uint32_t) bytes[2] << 8
         | bytes[3];
}

static enum err
start_reading(struct idx_reader *reader, struct err_info *info)
{
  size_t filled;
  enum err err = fill_chunk(reader, &filled, info);
  if (err != ERR_OK)
    return err;
  reader->packed = filled >= 2 && reader->chunk[0] == 0x1f && reader->chunk[1] == 0x8b;
  if (!reader->packed)
  {
    reader->chunk_end = filled;
    return ERR_OK;
  }
  reader->stream.next_in = reader->chunk;
  reader->stream.avail_in = (uInt) filled;
  if (inflateInit2(&reader->stream, 15 + 16) != Z_OK)
    return err_set(info, ERR_MEMORY, "out of memory");
  reader->stream_open = true;
  return ERR_OK;
}

static enum err
read_head(struct idx_reader *reader, uint64_t max_bytes, struct err_info *info)
{
  uint8_t head[4], size[4];
  size_t got;
  enum err err = read_some(reader, head, sizeof head, &got, info);
  if (err != ERR_OK)
    return err;
  if (got < sizeof head || head[0] != 0 || head[1] != 0)
    return err_set(info, ERR_INVALID,
                   "the %s file is no IDX file: it does not start with two zero "
                   "bytes",
                   reader->what);
  if (head[2] != TYPE_BYTES)
    return err_set(info, ERR_INVALID,
                   "the %s file holds IDX data of type 0x%02x; only unsigned bytes (0x08) are read",
                   reader->what, head[2]);
  if (head[3] == 0 || head[3] > IDX_MAX_DIMS)
    return err_set(info, ERR_INVALID, "the %s file states %u dimensions; 1 to %d are read",
                   reader->what, head[3], IDX_MAX_DIMS);
  reader->dim_count = head[3];
  uint64_t bytes = 1;
  for (size_t d = 0; d < reader->dim_count; d++)
  {
    err = idx_read(reader, size, sizeof size, info);
    if (err != ERR_OK)
      return err;
    reader->dims[d] = big_endian(size);
    if (__builtin_mul_overflow(bytes, reader->dims[d], &bytes) || bytes > max_bytes)
      return err_set(info, ERR_INVALID, "the %s file states more than %llu bytes of data",
                     reader->what, (unsigned long long) max_bytes);
  }
  return ERR_OK;
}

enum err
idx_open(int fd, const char *what, uint64_t max_bytes, struct idx_reader **result,
         struct err_info *info)
{
  *result = NULL;
  struct idx_reader *reader = calloc(1, sizeof *reader);
  if (reader == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  reader->fd = fd;
  reader->what = what;
  reader->chunk = malloc(CHUNK);
  enum err err = reader->chunk == NULL ? err_set(info, ERR_MEMORY, "out of memory")
                                       : start_reading(reader, info);
  if (err == ERR_OK)
    err = read_head(reader, max_bytes, info);
  if (err != ERR_OK)
  {
    idx_close(reader);
    return err;
  }
  *result = reader;
  return ERR_OK;
}

void
idx_close(struct idx_reader *reader)
{
  if (reader == NULL)
    return;
  if (reader->stream_open)
    inflateEnd(&reader->stream);
  free(reader->chunk);
  free(reader);
}

size_t
idx_dim_count(const struct idx_reader *reader)
{
  return reader->dim_count;
}

uint64_t
idx_dim(const struct idx_reader *reader, size_t dim)
{
  return reader->dims[dim];
}
