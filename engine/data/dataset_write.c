#include <config.h>

#include "data/dataset_write.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/sha256.h"
#include "data/atds.h"

/* One array of the file that is filled from its start. */
struct stream
{
  uint64_t base;   /* offset of the array in the file */
  uint64_t limit;  /* bytes the array holds */
  uint64_t filled; /* bytes appended so far, buffered ones included */
  char *buffer;
  size_t used;
};

struct column_out
{
  enum column_type type;
  size_t rows;
  struct stream data; /* numbers, codes or offsets */
  struct stream text;
};

struct dataset_writer
{
  int fd;
  enum dataset_kind kind;
  size_t row_count;
  size_t column_count;
  size_t height, width, channels;
  struct column_out *columns;
  struct stream pixels, labels;
  size_t label_rows;
  size_t buffer_bytes; /* of each stream */
  uint64_t end;        /* first free byte after the arrays */
  bool failed;
};

/* All streams together take about this much. */
#define WRITER_BUFFER_TOTAL ((size_t) 48 << 20)
#define WRITER_BUFFER_MAX ((size_t) 256 << 10)
#define WRITER_BUFFER_MIN ((size_t) 2 << 10)

static bool
write_all_at(int fd, const void *bytes, size_t length, uint64_t offset)
{
  const char *at = bytes;
  while (length > 0)
  {
    ssize_t n = pwrite(fd, at, length, (off_t) offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n <= 0)
    {
      if (n == 0)
        errno = ENOSPC;
      return false;
    }
    at += n;
    offset += (uint64_t) n;
    length -= (size_t) n;
  }
  return true;
}

static uint64_t
align_up(uint64_t offset)
{
  return (offset + ATDS_ALIGN - 1) / ATDS_ALIGN * ATDS_ALIGN;
}

/* Gives the stream its place at the end of what is laid out; false when the file would be too long. */
static bool
stream_place(struct dataset_writer *writer, struct stream *stream, uint64_t items, uint64_t size)
{
  uint64_t bytes;
  if (__builtin_mul_overflow(items, size, &bytes) || bytes > (uint64_t) INT64_MAX / 2
      || writer->end > (uint64_t) INT64_MAX / 2)
    return false;
  stream->base = align_up(writer->end);
  stream->limit = bytes;
  writer->end = stream->base + bytes;
  return true;
}

static bool
stream_flush(struct dataset_writer *writer, struct stream *stream)
{
  uint64_t offset = stream->base + stream->filled - stream->used;
  if (stream->used > 0 && !write_all_at(writer->fd, stream->buffer, stream->used, offset))
  {
    writer->failed = true;
    return false;
  }
  stream->used = 0;
  return true;
}

static enum err
stream_append(struct dataset_writer *writer, struct stream *stream, const void *bytes,
              size_t length)
{
  const char *at = bytes;
  if (length > stream->limit - stream->filled)
    return ERR_INTERNAL;
  if (stream->buffer == NULL && length > 0)
  {
    stream->buffer = malloc(writer->buffer_bytes);
    if (stream->buffer == NULL)
      return ERR_MEMORY;
  }
  while (length > 0)
  {
    size_t part = writer->buffer_bytes - stream->used;
    if (part > length)
      part = length;
    memcpy(stream->buffer + stream->used, at, part);
    stream->used += part;
    stream->filled += part;
    at += part;
    length -= part;
    if (stream->used == writer->buffer_bytes && !stream_flush(writer, stream))
      return ERR_IO;
  }
  return ERR_OK;
}

static bool
type_is_text(enum column_type type)
{
  return type == COLUMN_TEXT || type == COLUMN_IDENTIFIER;
}

static bool
type_is_number(enum column_type type)
{
  return type == COLUMN_NUMERIC || type == COLUMN_DATETIME;
}

static bool
place_column(struct dataset_writer *writer, struct column_out *column,
             const struct dataset_column_spec *spec)
{
  column->type = spec->type;
  if (type_is_number(spec->type))
    return stream_place(writer, &column->data, writer->row_count, sizeof(double));
  if (!type_is_text(spec->type))
    return stream_place(writer, &column->data, writer->row_count, sizeof(int32_t));
  return stream_place(writer, &column->data, (uint64_t) writer->row_count + 1, sizeof(uint64_t))
         && stream_place(writer, &column->text, spec->text_bytes, 1);
}

static struct dataset_writer *
writer_new(int fd, enum dataset_kind kind, size_t row_count)
{
  struct dataset_writer *writer = calloc(1, sizeof *writer);
  if (writer == NULL)
    return NULL;
  writer->fd = fd;
  writer->kind = kind;
  writer->row_count = row_count;
  writer->end = ATDS_HEAD_BYTES;
  writer->buffer_bytes = WRITER_BUFFER_MAX;
  return writer;
}

enum err
dataset_writer_table(int fd, size_t row_count, const struct dataset_column_spec *specs,
                     size_t column_count, struct dataset_writer **result, struct err_info *info)
{
  *result = NULL;
  if (column_count == 0 || column_count > ATDS_MAX_COLUMNS)
    return err_set(info, ERR_LIMIT, "a table has 1 to %u columns, not %zu", ATDS_MAX_COLUMNS,
                   column_count);
  struct dataset_writer *writer = writer_new(fd, DATASET_TABLE, row_count);
  if (writer == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  writer->column_count = column_count;
  writer->columns = calloc(column_count, sizeof *writer->columns);
  if (writer->columns == NULL)
  {
    dataset_writer_free(writer);
    return err_set(info, ERR_MEMORY, "out of memory");
  }
  size_t share = WRITER_BUFFER_TOTAL / (2 * column_count);
  writer->buffer_bytes = share > WRITER_BUFFER_MAX   ? WRITER_BUFFER_MAX
                         : share < WRITER_BUFFER_MIN ? WRITER_BUFFER_MIN
                                                     : share;
  for (size_t c = 0; c < column_count; c++)
  {
    uint64_t zero = 0;
    struct column_out *column = &writer->columns[c];
    bool placed = place_column(writer, column, &specs[c]);
    if (!placed
        || (type_is_text(specs[c].type)
            && stream_append(writer, &column->data, &zero, sizeof zero) != ERR_OK))
    {
      dataset_writer_free(writer);
      return err_set(info, placed ? ERR_MEMORY : ERR_LIMIT,
                     placed ? "out of memory" : "the dataset is too large");
    }
  }
  *result = writer;
  return ERR_OK;
}

enum err
dataset_writer_images(int fd, size_t count, size_t height, size_t width, size_t channels,
                      struct dataset_writer **result, struct err_info *info)
{
  *result = NULL;
  struct dataset_writer *writer = writer_new(fd, DATASET_IMAGES, count);
  if (writer == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  writer->height = height;
  writer->width = width;
  writer->channels = channels;
  uint64_t pixels;
  if (__builtin_mul_overflow((uint64_t) height, (uint64_t) width, &pixels)
      || __builtin_mul_overflow(pixels, (uint64_t) channels, &pixels)
      || !stream_place(writer, &writer->pixels, count, pixels)
      || !stream_place(writer, &writer->labels, count, sizeof(int32_t)))
  {
    dataset_writer_free(writer);
    return err_set(info, ERR_LIMIT, "the dataset is too large");
  }
  *result = writer;
  return ERR_OK;
}

enum err
dataset_writer_number(struct dataset_writer *writer, size_t column, double value)
{
  struct column_out *out = &writer->columns[column];
  if (!type_is_number(out->type) || out->rows == writer->row_count)
    return ERR_INTERNAL;
  out->rows++;
  return stream_append(writer, &out->data, &value, sizeof value);
}

enum err
dataset_writer_code(struct dataset_writer *writer, size_t column, int32_t code)
{
  struct column_out *out = &writer->columns[column];
  if (type_is_number(out->type) || type_is_text(out->type) || out->rows == writer->row_count)
    return ERR_INTERNAL;
  out->rows++;
  return stream_append(writer, &out->data, &code, sizeof code);
}

enum err
dataset_writer_text(struct dataset_writer *writer, size_t column, const char *text, size_t length)
{
  struct column_out *out = &writer->columns[column];
  if (!type_is_text(out->type) || out->rows == writer->row_count)
    return ERR_INTERNAL;
  enum err err = stream_append(writer, &out->text, text, length);
  if (err != ERR_OK)
    return err;
  out->rows++;
  uint64_t offset = out->text.filled;
  return stream_append(writer, &out->data, &offset, sizeof offset);
}

enum err
dataset_writer_pixels(struct dataset_writer *writer, const uint8_t *pixels, size_t length)
{
  return stream_append(writer, &writer->pixels, pixels, length);
}

enum err
dataset_writer_label(struct dataset_writer *writer, int32_t label)
{
  writer->label_rows++;
  return stream_append(writer, &writer->labels, &label, sizeof label);
}

enum err
dataset_writer_fewer(struct dataset_writer *writer, size_t count)
{
  uint64_t each = (uint64_t) writer->height * writer->width * writer->channels;
  if (writer->kind != DATASET_IMAGES || count > writer->row_count || writer->label_rows > 0
      || writer->pixels.filled != count * each)
    return ERR_INTERNAL;
  writer->row_count = count;
  writer->pixels.limit = writer->pixels.filled;
  writer->end = writer->pixels.base + writer->pixels.limit;
  return stream_place(writer, &writer->labels, count, sizeof(int32_t)) ? ERR_OK : ERR_INTERNAL;
}

static void
put_u32(unsigned char *bytes, size_t at, uint32_t value)
{
  memcpy(bytes + at, &value, sizeof value);
}

static void
put_u64(unsigned char *bytes, size_t at, uint64_t value)
{
  memcpy(bytes + at, &value, sizeof value);
}

static bool
all_full(const struct dataset_writer *writer)
{
  if (writer->kind == DATASET_IMAGES)
    return writer->pixels.filled == writer->pixels.limit
           && writer->labels.filled == writer->labels.limit;
  for (size_t c = 0; c < writer->column_count; c++)
    if (writer->columns[c].rows != writer->row_count
        || writer->columns[c].text.filled != writer->columns[c].text.limit)
      return false;
  return true;
}

static bool
flush_all(struct dataset_writer *writer)
{
  bool good = stream_flush(writer, &writer->pixels) && stream_flush(writer, &writer->labels);
  for (size_t c = 0; good && c < writer->column_count; c++)
    good = stream_flush(writer, &writer->columns[c].data)
           && stream_flush(writer, &writer->columns[c].text);
  return good;
}

/* Appends the dictionary's strings at writer->end and notes their place in the entry. */
static bool
write_dictionary(struct dataset_writer *writer, const struct dataset_dictionary *dictionary,
                 unsigned char *entry)
{
  uint64_t start = align_up(writer->end);
  struct stream out = {.base = start, .limit = UINT64_MAX};
  bool good = true;
  for (size_t i = 0; good && i < dictionary->count; i++)
    good = stream_append(writer, &out, dictionary->values[i], strlen(dictionary->values[i]) + 1)
           == ERR_OK;
  good = good && stream_flush(writer, &out);
  free(out.buffer);
  put_u64(entry, ATDS_AT_DICT, start);
  put_u64(entry, ATDS_AT_DICT_LENGTH, out.filled);
  put_u64(entry, ATDS_AT_CATEGORIES, dictionary->count);
  writer->end = start + out.filled;
  return good;
}

static bool
make_directory(struct dataset_writer *writer, const struct dataset_dictionary *dictionaries,
               unsigned char *directory)
{
  for (size_t c = 0; c < writer->column_count; c++)
  {
    const struct column_out *column = &writer->columns[c];
    unsigned char *entry = directory + c * ATDS_ENTRY_BYTES;
    put_u32(entry, ATDS_AT_TYPE, (uint32_t) column->type);
    put_u64(entry, ATDS_AT_DATA, column->data.base);
    if (type_is_text(column->type))
    {
      put_u64(entry, ATDS_AT_TEXT, column->text.base);
      put_u64(entry, ATDS_AT_TEXT_LENGTH, column->text.limit);
    }
    else if (!type_is_number(column->type) && !write_dictionary(writer, &dictionaries[c], entry))
      return false;
  }
  return true;
}

enum err
dataset_writer_finish(struct dataset_writer *writer, const struct dataset_dictionary *dictionaries,
                      const json_t *schema, uint64_t *bytes, struct err_info *info)
{
  if (!all_full(writer))
    return err_set(info, ERR_INTERNAL, "a column of the dataset has too few values");
  struct buf text = {0};
  json_write(schema, &text);
  unsigned char *directory = calloc(writer->column_count + 1, ATDS_ENTRY_BYTES);
  unsigned char head[ATDS_HEAD_BYTES] = {0};
  enum err err = ERR_OK;
  if (text.failed || directory == NULL)
  {
    err = err_set(info, ERR_MEMORY, "out of memory");
    goto out;
  }
  size_t schema_length = text.length;
  if (schema_length > ATDS_MAX_SCHEMA_BYTES)
  {
    err = err_set(info, ERR_LIMIT, "the schema is too large");
    goto out;
  }
  size_t directory_length = writer->column_count * ATDS_ENTRY_BYTES;
  bool good = flush_all(writer) && make_directory(writer, dictionaries, directory);
  uint64_t schema_at = align_up(writer->end);
  uint64_t directory_at = align_up(schema_at + schema_length);
  *bytes = directory_at + directory_length;
  memcpy(head, ATDS_MAGIC, ATDS_MAGIC_BYTES);
  put_u32(head, ATDS_AT_VERSION, ATDS_VERSION);
  put_u32(head, ATDS_AT_KIND, (uint32_t) writer->kind);
  put_u64(head, ATDS_AT_FILE_LENGTH, *bytes);
  put_u64(head, ATDS_AT_ROWS, writer->row_count);
  put_u64(head, ATDS_AT_SCHEMA, schema_at);
  put_u64(head, ATDS_AT_SCHEMA_LENGTH, schema_length);
  put_u64(head, ATDS_AT_DIRECTORY, directory_at);
  put_u64(head, ATDS_AT_COLUMNS, writer->column_count);
  put_u64(head, ATDS_AT_HEIGHT, writer->height);
  put_u64(head, ATDS_AT_WIDTH, writer->width);
  put_u64(head, ATDS_AT_CHANNELS, writer->channels);
  put_u64(head, ATDS_AT_CLASSES, json_array_size(json_object_get(schema, "classes")));
  put_u64(head, ATDS_AT_PIXELS, writer->pixels.base);
  put_u64(head, ATDS_AT_LABELS, writer->labels.base);
  if (!good || ftruncate(writer->fd, (off_t) *bytes) != 0
      || !write_all_at(writer->fd, text.data, schema_length, schema_at)
      || !write_all_at(writer->fd, directory, directory_length, directory_at)
      || !write_all_at(writer->fd, head, sizeof head, 0))
    err = err_set_errno(info, ERR_IO, errno, "could not write the dataset");
out:
  free(directory);
  buf_free(&text);
  return err;
}

void
dataset_writer_free(struct dataset_writer *writer)
{
  if (writer == NULL)
    return;
  for (size_t c = 0; writer->columns != NULL && c < writer->column_count; c++)
  {
    free(writer->columns[c].data.buffer);
    free(writer->columns[c].text.buffer);
  }
  free(writer->columns);
  free(writer->pixels.buffer);
  free(writer->labels.buffer);
  free(writer);
}

enum err
dataset_digest(int fd, uint64_t length, char hex[65], struct err_info *info)
{
  const size_t chunk = (size_t) 1 << 18;
  unsigned char *bytes = malloc(chunk);
  struct sha256 *sha = sha256_new();
  enum err err = ERR_OK;
  if (bytes == NULL || sha == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory");
  for (uint64_t at = 0; at < length && err == ERR_OK;)
  {
    size_t want = length - at < chunk ? (size_t) (length - at) : chunk;
    ssize_t n = pread(fd, bytes, want, (off_t) at);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      err = err_set_errno(info, ERR_IO, errno, "could not read the dataset");
    else if (n == 0)
      err = err_set(info, ERR_IO, "the dataset ends too early");
    else
    {
      sha256_update(sha, bytes, (size_t) n);
      at += (uint64_t) n;
    }
  }
  uint8_t digest[SHA256_BYTES];
  sha256_end(sha, digest);
  if (err == ERR_OK)
    sodium_bin2hex(hex, 65, digest, sizeof digest);
  free(bytes);
  return err;
}
