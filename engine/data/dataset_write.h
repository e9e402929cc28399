/* Writes the canonical file (see dataset.h) to a seekable descriptor, in bounded memory.
 *
 * The row count, the column types and the bytes of text columns are known beforehand; cells are
 * then appended column by column or row by row, buffered, and put in their place with pwrite.
 * Nothing is readable before dataset_writer_finish has written the head. Owns its buffers, not the
 * descriptor. One thread. Not for changing a file: datasets are immutable.
 */
#ifndef ATTUNE_DATA_DATASET_WRITE_H
#define ATTUNE_DATA_DATASET_WRITE_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "data/table.h"

struct dataset_writer;

struct dataset_column_spec
{
  enum column_type type;
  uint64_t text_bytes; /* sum of the lengths of a text or identifier column's values */
};

/* The strings of one categorical or boolean column. */
struct dataset_dictionary
{
  const char *const *values;
  size_t count;
};

/* A writer of a table; `specs` is copied. ERR_LIMIT when there are more columns than the format
 * holds. */
enum err dataset_writer_table(int fd, size_t row_count, const struct dataset_column_spec *specs,
                              size_t column_count, struct dataset_writer **writer,
                              struct err_info *info);

/* A writer of images of (height, width, channels) bytes each. */
enum err dataset_writer_images(int fd, size_t count, size_t height, size_t width, size_t channels,
                               struct dataset_writer **writer, struct err_info *info);

/* Each appends the next cell of `column`: NaN, -1 or length 0 = missing. ERR_INTERNAL when the type
 * is another or the column is full; ERR_IO when the file can't be written. */
enum err dataset_writer_number(struct dataset_writer *writer, size_t column, double value);
enum err dataset_writer_code(struct dataset_writer *writer, size_t column, int32_t code);
enum err dataset_writer_text(struct dataset_writer *writer, size_t column, const char *text,
                             size_t length);

/* Append pixels (any number of bytes at a time) and one label. */
enum err dataset_writer_pixels(struct dataset_writer *writer, const uint8_t *pixels, size_t length);
enum err dataset_writer_label(struct dataset_writer *writer, int32_t label);

/* There are only `count` images after all, fewer than was said: all their pixels are appended and no label
 * yet. ERR_INTERNAL when that is not so. */
enum err dataset_writer_fewer(struct dataset_writer *writer, size_t count);

/* Writes dictionaries (one per column, ignored where the type has none; NULL for images), schema
 * and head. ERR_INTERNAL when a column is not full. *bytes is the length of the file. */
enum err dataset_writer_finish(struct dataset_writer *writer,
                               const struct dataset_dictionary *dictionaries, const json_t *schema,
                               uint64_t *bytes, struct err_info *info);

/* NULL is ignored. */
void dataset_writer_free(struct dataset_writer *writer);

/* The schema JSON of a table or of images (see dataset_schema) with missing and distinct counts,
 * examples and an empty list of warnings. New reference; NULL when out of memory. */
json_t *dataset_schema_of_table(const struct table *table);
json_t *dataset_schema_of_images(const struct image_set *images);

/* A whole table, or image set, from memory to a new file at `path` (mode 0600). */
enum err dataset_save_table(const char *path, const struct table *table, struct err_info *info);
enum err dataset_save_images(const char *path, const struct image_set *images,
                             struct err_info *info);

/* The same to an open descriptor, with a schema made by the caller. */
enum err dataset_write_table(int fd, const struct table *table, const json_t *schema,
                             uint64_t *bytes, struct err_info *info);

/* SHA-256 over the first `length` bytes of the file, in lower-case hexadecimal (65 bytes with the
 * NUL). */
enum err dataset_digest(int fd, uint64_t length, char hex[65], struct err_info *info);

#endif
