/* Splits CSV into records and fields (RFC 4180), from a file or from memory, in bounded memory.
 *
 * Understands quotes, doubled quotes, line breaks inside quotes, CRLF, LF and lone CR files, a byte
 * order mark and Excel's `sep=;` line. NUL bytes, bad UTF-8, a quote that never ends and records
 * over the limit are faults with a sentence. It knows nothing of headers, types or missing values.
 * Owns its buffer; one thread.
 */
#ifndef ATTUNE_DATA_CSV_H
#define ATTUNE_DATA_CSV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define CSV_MAX_RECORD ((size_t) 1 << 20)
#define CSV_MAX_COLUMNS 10000

struct csv_field
{
  const char *text; /* until the next csv_next; no NUL after it */
  size_t length;
  bool quoted;
};

struct csv_options
{
  char delimiter;     /* 0 = found out from the first lines: comma, semicolon, tab or bar */
  size_t max_columns; /* 0 = CSV_MAX_COLUMNS */
  size_t max_record;  /* bytes; 0 = CSV_MAX_RECORD */
};

struct csv_reader;

/* Reads `fd` by pread from offset 0; the descriptor stays the caller's. */
enum err csv_open_fd(int fd, const struct csv_options *options, struct csv_reader **reader,
                     struct err_info *info);
/* Reads `bytes`, which stay the caller's and must stay there. */
enum err csv_open_bytes(const char *bytes, size_t length, const struct csv_options *options,
                        struct csv_reader **reader, struct err_info *info);
void csv_close(struct csv_reader *reader);

/* The next record; empty lines are skipped. *count = 0 at the end. ERR_INVALID: the record is
 * faulty (a sentence without its place is in *info); if csv_can_go_on, the next call gives the next
 * record. */
enum err csv_next(struct csv_reader *reader, const struct csv_field **fields, size_t *count,
                  struct err_info *info);
bool csv_can_go_on(const struct csv_reader *reader);

/* Starts again at the first record (of the same delimiter). */
void csv_rewind(struct csv_reader *reader);

/* Goes on at the record that begins `offset` bytes from the start, as csv_bytes gave it after the one before. Lines are
 * counted from there. */
void csv_seek(struct csv_reader *reader, uint64_t offset);

char csv_delimiter(const struct csv_reader *reader);
/* The line, from 1, on which the last record began; empty lines skipped so far; bytes consumed. */
uint64_t csv_line(const struct csv_reader *reader);
uint64_t csv_blank_lines(const struct csv_reader *reader);
uint64_t csv_bytes(const struct csv_reader *reader);

#endif
