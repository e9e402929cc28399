#include <config.h>

#include "data/csv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "data/csv_scan.h"
#include "data/csv_sniff.h"

struct csv_reader
{
  int fd; /* -1 = memory */
  const char *bytes;
  size_t length;   /* of bytes */
  uint64_t offset; /* of the source: what was read into the buffer so far */

  char *buffer;
  size_t capacity, start, end; /* unread bytes are buffer[start … end) */
  bool at_end;                 /* the source has no more */
  bool unclean;                /* the buffer may hold NULs or bytes over 127 */

  char delimiter, newline;
  size_t first; /* bytes before the first record: BOM, sep= line */
  uint64_t first_line;
  size_t max_columns, max_record;

  struct csv_field *fields;
  size_t field_capacity;
  uint64_t line, next_line, blank_lines;
  bool broken; /* the place of the next record is not known */
};

#define READ_BYTES ((size_t) 1 << 18)

static enum err
read_source(struct csv_reader *reader, char *to, size_t size, size_t *got, struct err_info *info)
{
  *got = 0;
  if (reader->fd < 0)
  {
    size_t left = reader->length - (size_t) reader->offset;
    *got = left < size ? left : size;
    memcpy(to, reader->bytes + reader->offset, *got);
    reader->offset += *got;
    return ERR_OK;
  }
  for (;;)
  {
    ssize_t n = pread(reader->fd, to, size, (off_t) reader->offset);
    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      return err_set_errno(info, ERR_IO, errno, "could not read the file");
    *got = (size_t) n;
    reader->offset += (uint64_t) n;
    return ERR_OK;
  }
}

/* Reads more behind the unread bytes, which may move. */
static enum err
refill(struct csv_reader *reader, struct err_info *info)
{
  if (reader->start > 0)
  {
    memmove(reader->buffer, reader->buffer + reader->start, reader->end - reader->start);
    reader->end -= reader->start;
    reader->start = 0;
  }
  if (reader->end == 0)
    reader->unclean = false;
  if (reader->capacity - reader->end < READ_BYTES)
  {
    size_t capacity = reader->capacity * 2 + READ_BYTES;
    char *grown = realloc(reader->buffer, capacity);
    if (grown == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
    reader->buffer = grown;
    reader->capacity = capacity;
  }
  size_t got;
  enum err err = read_source(reader, reader->buffer + reader->end, READ_BYTES, &got, info);
  if (err != ERR_OK)
    return err;
  reader->unclean = reader->unclean || csv_has_special(reader->buffer + reader->end, got);
  reader->end += got;
  reader->at_end = got == 0;
  return ERR_OK;
}

static enum err
open_source(struct csv_reader *source, const struct csv_options *options,
            struct csv_reader **result, struct err_info *info)
{
  *result = NULL;
  struct csv_reader *reader = malloc(sizeof *reader);
  if (reader == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  *reader = *source;
  reader->max_columns = options->max_columns > 0 ? options->max_columns : CSV_MAX_COLUMNS;
  reader->max_record = options->max_record > 0 ? options->max_record : CSV_MAX_RECORD;
  enum err err = refill(reader, info);
  struct csv_form form = {.delimiter = options->delimiter};
  if (err == ERR_OK)
    err = csv_sniff(reader->buffer, reader->end, reader->at_end || reader->end < READ_BYTES, &form,
                    info);
  if (err != ERR_OK)
  {
    csv_close(reader);
    return err;
  }
  reader->delimiter = form.delimiter;
  reader->newline = form.newline;
  reader->first = form.skip;
  reader->first_line = form.skipped_lines + 1;
  csv_rewind(reader);
  *result = reader;
  return ERR_OK;
}

enum err
csv_open_fd(int fd, const struct csv_options *options, struct csv_reader **reader,
            struct err_info *info)
{
  struct csv_reader source = {.fd = fd};
  return open_source(&source, options, reader, info);
}

enum err
csv_open_bytes(const char *bytes, size_t length, const struct csv_options *options,
               struct csv_reader **reader, struct err_info *info)
{
  struct csv_reader source = {.fd = -1, .bytes = bytes, .length = length};
  return open_source(&source, options, reader, info);
}

void
csv_close(struct csv_reader *reader)
{
  if (reader == NULL)
    return;
  free(reader->fields);
  free(reader->buffer);
  free(reader);
}

void
csv_rewind(struct csv_reader *reader)
{
  reader->offset = reader->first;
  reader->start = reader->end = 0;
  reader->at_end = false;
  reader->unclean = false;
  reader->broken = false;
  reader->line = 0;
  reader->next_line = reader->first_line;
  reader->blank_lines = 0;
}

void
csv_seek(struct csv_reader *reader, uint64_t offset)
{
  csv_rewind(reader);
  reader->offset = reader->fd < 0 && offset > reader->length ? reader->length : offset;
}

char
csv_delimiter(const struct csv_reader *reader)
{
  return reader->delimiter;
}

uint64_t
csv_line(const struct csv_reader *reader)
{
  return reader->line;
}

uint64_t
csv_blank_lines(const struct csv_reader *reader)
{
  return reader->blank_lines;
}

uint64_t
csv_bytes(const struct csv_reader *reader)
{
  return reader->offset - (reader->end - reader->start);
}

bool
csv_can_go_on(const struct csv_reader *reader)
{
  return !reader->broken;
}

/* A record as it was found: where it ends, and what is wrong with it. */
struct extent
{
  size_t length;  /* without its line break */
  size_t consume; /* with it */
  uint64_t lines; /* line breaks inside and after */
  bool quotes;    /* its fields are split already, but not yet unescaped */
  size_t count;   /* of those fields */
  bool unclosed, text_after_quote;
  enum err err; /* of add_field */
};

static enum err
too_many_columns(const struct csv_reader *reader, struct err_info *info)
{
  return err_set(info, ERR_INVALID, "there are more than %zu columns", reader->max_columns);
}

static enum err
add_field(struct csv_reader *reader, size_t *count, const char *text, size_t length, bool quoted,
          struct err_info *info)
{
  if (*count == reader->max_columns)
    return too_many_columns(reader, info);
  if (*count == reader->field_capacity)
  {
    size_t capacity = reader->field_capacity * 2 + 16;
    struct csv_field *grown = realloc(reader->fields, capacity * sizeof *grown);
    if (grown == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
    reader->fields = grown;
    reader->field_capacity = capacity;
  }
  reader->fields[(*count)++] = (struct csv_field){text, length, quoted};
  return ERR_OK;
}

/* Splits a record without quotes, eight bytes at a time. */
static enum err
split_plain(struct csv_reader *reader, const char *at, size_t length, size_t *count,
            struct err_info *info)
{
  uint64_t pattern = csv_repeat(reader->delimiter);
  size_t field = 0, i = 0;
  enum err err = ERR_OK;
  for (; i + 8 <= length && err == ERR_OK; i += 8)
  {
    uint64_t word;
    memcpy(&word, at + i, sizeof word);
    for (uint64_t hits = csv_equal_bytes(word, pattern); hits != 0 && err == ERR_OK;
         hits &= hits - 1)
    {
      size_t place = i + (size_t) __builtin_ctzll(hits) / 8;
      err = add_field(reader, count, at + field, place - field, false, info);
      field = place + 1;
    }
  }
  for (; i < length && err == ERR_OK; i++)
    if (at[i] == reader->delimiter)
    {
      err = add_field(reader, count, at + field, i - field, false, info);
      field = i + 1;
    }
  return err != ERR_OK ? err : add_field(reader, count, at + field, length - field, false, info);
}

/* One field from `i`; its raw extent is added. Returns the position of what ended it. */
static size_t
scan_field(struct csv_reader *reader, const char *at, size_t i, size_t size, struct extent *extent)
{
  size_t look = i;
  while (look < size && (at[look] == ' ' || at[look] == '\t') && at[look] != reader->delimiter)
    look++;
  bool quoted = look < size && at[look] == '"';
  size_t start = quoted ? look + 1 : i, end;
  if (quoted)
  {
    end = csv_find_closing(at, start, size);
    extent->lines += csv_count(at + start, end - start, reader->newline);
    extent->unclosed = end == size;
    i = end < size ? end + 1 : size;
  }
  size_t stop = csv_find_break(at, i, size, reader->delimiter, reader->newline);
  if (!quoted)
    end = stop;
  for (; quoted && i < stop; i++)
    if (at[i] != ' ' && at[i] != '\t' && at[i] != '\r')
      extent->text_after_quote = true;
  if (extent->err == ERR_OK)
    extent->err = add_field(reader, &extent->count, at + start, end - start, quoted, NULL);
  return stop;
}

/* Finds and splits a record with quotes; false when the bytes don't hold all of it. */
static bool
scan_quoted(struct csv_reader *reader, const char *at, size_t size, bool final,
            struct extent *extent)
{
  size_t i = scan_field(reader, at, 0, size, extent);
  while (i < size && at[i] == reader->delimiter)
    i = scan_field(reader, at, i + 1, size, extent);
  if (i >= size && !final)
    return false;
  extent->length = i < size ? i : size;
  return true;
}

/* Finds the end of the record in the `size` bytes at `at`; false when they don't hold it. */
static bool
find_end(struct csv_reader *reader, const char *at, size_t size, bool final, struct extent *extent)
{
  const char *end = memchr(at, reader->newline, size);
  size_t plain = end != NULL ? (size_t) (end - at) : size;
  *extent = (struct extent){.length = plain, .quotes = memchr(at, '"', plain) != NULL};
  if (extent->quotes ? !scan_quoted(reader, at, size, final, extent) : end == NULL && !final)
    return false;
  bool ended = extent->length < size;
  extent->consume = extent->length + (ended ? 1 : 0);
  extent->lines += ended ? 1 : 0;
  size_t length = extent->length;
  if (ended && length > 0 && reader->newline == '\n' && at[length - 1] == '\r')
  {
    extent->length--;
    /* The last field of a quoted record reached up to the line break. */
    if (extent->quotes && extent->count > 0)
    {
      struct csv_field *last = &reader->fields[extent->count - 1];
      if (last->text + last->length == at + length)
        last->length--;
    }
  }
  return true;
}

static enum err
finish_quoted(struct csv_reader *reader, const struct extent *extent, size_t *count,
              struct err_info *info)
{
  *count = extent->count;
  if (extent->err == ERR_INVALID)
    return too_many_columns(reader, info);
  if (extent->err != ERR_OK)
    return err_set(info, extent->err, "out of memory");
  if (extent->unclosed)
    return err_set(info, ERR_INVALID, "a quote is opened and never closed");
  if (extent->text_after_quote)
    return err_set(info, ERR_INVALID, "text follows a closing quote");
  for (size_t f = 0; f < extent->count; f++)
    if (reader->fields[f].quoted)
      reader->fields[f].length =
        csv_unescape((char *) (uintptr_t) reader->fields[f].text, reader->fields[f].length);
  return ERR_OK;
}

static enum err
check_bytes(const char *record, size_t length, struct err_info *info)
{
  size_t bad;
  if (memchr(record, '\0', length) != NULL)
    return err_set(info, ERR_INVALID, "a NUL byte; save the file as plain UTF-8 text");
  if (!text_utf8_valid(record, length, &bad))
    return err_set(info, ERR_INVALID, "byte %zu (0x%02x) is not UTF-8; save the file as UTF-8",
                   bad + 1, (unsigned) (unsigned char) record[bad]);
  return ERR_OK;
}

static enum err
read_record(struct csv_reader *reader, struct extent *extent, struct err_info *info)
{
  size_t tried = 0;
  *extent = (struct extent){0};
  for (;;)
  {
    size_t size = reader->end - reader->start;
    bool found = size > tried
                 && find_end(reader, reader->buffer + reader->start, size, reader->at_end, extent);
    if (size == 0 && reader->at_end)
    {
      *extent = (struct extent){0};
      return ERR_OK;
    }
    if ((found ? extent->length : size) > reader->max_record)
    {
      reader->broken = true;
      return err_set(info, ERR_INVALID, "the line is longer than %zu bytes%s", reader->max_record,
                     extent->quotes ? "; a quote may not be closed" : "");
    }
    if (found)
      return ERR_OK;
    /* At the end of the source whatever is left is the record. */
    tried = reader->at_end ? 0 : size;
    enum err err = refill(reader, info);
    if (err != ERR_OK)
      return err;
    if (reader->at_end)
      tried = 0;
  }
}

enum err
csv_next(struct csv_reader *reader, const struct csv_field **fields, size_t *count,
         struct err_info *info)
{
  *count = 0;
  *fields = NULL;
  if (reader->broken)
    return err_set(info, ERR_INVALID, "the file can't be read on after the fault before");
  for (;;)
  {
    struct extent extent;
    reader->line = reader->next_line;
    enum err err = read_record(reader, &extent, info);
    if (err != ERR_OK)
      return err;
    if (extent.consume == 0)
      return ERR_OK;
    char *record = reader->buffer + reader->start;
    reader->start += extent.consume;
    reader->next_line += extent.lines;
    if (extent.length == 0)
    {
      reader->blank_lines++;
      continue;
    }
    if (reader->unclean)
      err = check_bytes(record, extent.length, info);
    if (err == ERR_OK)
      err = extent.quotes ? finish_quoted(reader, &extent, count, info)
                          : split_plain(reader, record, extent.length, count, info);
    *fields = reader->fields;
    if (err != ERR_OK)
      *count = 0;
    return err;
  }
}
