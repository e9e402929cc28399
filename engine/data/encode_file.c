#include <config.h>

#include "data/encode.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "data/encode_internal.h"

#define ENCODER_MAGIC 0x434e4541u /* "AENC" */
/* Version 2 may have text columns: after such a column's record its n-grams' weights follow. An encoder without
 * any is still written as version 1. */
#define ENCODER_VERSION 2u
#define ENCODER_MAX_COLUMNS 10000u
#define ENCODER_MAX_WIDTH ((size_t) 1 << 22)

static void
put_double(struct buf *out, double value)
{
  uint64_t bits;
  memcpy(&bits, &value, sizeof bits);
  buf_append_u64(out, bits);
}

static void
put_doubles(struct buf *out, const double *values, size_t count)
{
  for (size_t i = 0; i < count; i++)
    put_double(out, values[i]);
}

static void
put_text(struct buf *out, const char *text)
{
  size_t length = strlen(text);
  buf_append_u32(out, (uint32_t) length);
  buf_append(out, text, length);
}

static void
save_words(const struct encode_words *words, struct buf *out)
{
  size_t buckets = (size_t) 1 << words->bits, scores = words->score_count;
  buf_append_u32(out, words->bits);
  buf_append_u32(out, (uint32_t) scores);
  put_double(out, words->idf_step);
  put_doubles(out, words->weight_unit, scores);
  put_doubles(out, words->bias, scores);
  put_doubles(out, words->centre, ENCODE_LOOKS + scores);
  put_doubles(out, words->scale, ENCODE_LOOKS + scores);
  buf_append(out, words->idf, buckets);
  buf_append(out, words->weights, buckets * scores * sizeof *words->weights);
}

static void
save_column(const struct encode_column *column, struct buf *out)
{
  put_text(out, column->name);
  buf_append_u32(out, (uint32_t) column->type);
  buf_append_u32(out, (uint32_t) column->kind);
  buf_append_u32(out, (column->indicator ? 1u : 0u) | (column->has_clock ? 2u : 0u)
                        | (column->has_other ? 4u : 0u));
  put_double(out, column->centre);
  put_double(out, column->scale);
  buf_append_u32(out, (uint32_t) column->category_count);
  for (size_t k = 0; k < column->category_count; k++)
    put_text(out, column->categories[k]);
  buf_append_u32(out, (uint32_t) column->stat_count);
  put_doubles(out, column->prior, column->stat_count);
  put_doubles(out, column->stat_centre, column->stat_count);
  put_doubles(out, column->stat_scale, column->stat_count);
  put_doubles(out, column->stats, column->stat_count * column->category_count);
  if (column->kind == ENCODE_WORDS)
    save_words(column->words, out);
}

static uint32_t
least_version(const struct encoder *encoder)
{
  for (size_t c = 0; c < encoder->column_count; c++)
    if (encoder->columns[c].type == COLUMN_TEXT)
      return 2;
  return 1;
}

enum err
encoder_save(const struct encoder *encoder, struct buf *out)
{
  buf_append_u32(out, ENCODER_MAGIC);
  buf_append_u32(out, least_version(encoder));
  buf_append_u32(out, (uint32_t) encoder->view);
  buf_append_u32(out, (uint32_t) encoder->column_count);
  for (size_t c = 0; c < encoder->column_count; c++)
    save_column(&encoder->columns[c], out);
  buf_append_u32(out, (uint32_t) encoder->dropped_count);
  for (size_t d = 0; d < encoder->dropped_count; d++)
    put_text(out, encoder->dropped[d]);
  return out->failed ? ERR_MEMORY : ERR_OK;
}

/* Reads on until something does not fit; then `bad` stays set and everything reads as 0. */
struct reader
{
  const char *bytes;
  size_t length, at;
  struct arena *arena;
  bool bad;
};

static bool
take(struct reader *reader, void *value, size_t size)
{
  memset(value, 0, size);
  if (reader->bad || size > reader->length - reader->at)
  {
    reader->bad = true;
    return false;
  }
  memcpy(value, reader->bytes + reader->at, size);
  reader->at += size;
  return true;
}

static uint32_t
get_u32(struct reader *reader)
{
  uint32_t value;
  take(reader, &value, sizeof value);
  return value;
}

static double
get_double(struct reader *reader)
{
  double value;
  take(reader, &value, sizeof value);
  if (!isfinite(value))
    reader->bad = true;
  return value;
}

static const char *
get_text(struct reader *reader)
{
  uint32_t length = get_u32(reader);
  if (reader->bad || length > reader->length - reader->at
      || memchr(reader->bytes + reader->at, '\0', length) != NULL
      || !text_utf8_valid(reader->bytes + reader->at, length, NULL))
  {
    reader->bad = true;
    return "";
  }
  const char *text = arena_strndup(reader->arena, reader->bytes + reader->at, length);
  reader->at += length;
  if (text == NULL)
    reader->bad = true;
  return text != NULL ? text : "";
}

/* An array of count × size zeroed bytes, of which at least `least` bytes each must still be in the
 * file. */
static void *
get_space(struct reader *reader, size_t count, size_t size, size_t least)
{
  if (reader->bad || count > (reader->length - reader->at) / least)
  {
    reader->bad = true;
    return NULL;
  }
  void *space = arena_array(reader->arena, count, size);
  if (space == NULL)
    reader->bad = true;
  return space;
}

static double *
get_doubles(struct reader *reader, size_t count)
{
  double *values = get_space(reader, count, sizeof *values, sizeof *values);
  for (size_t i = 0; !reader->bad && i < count; i++)
    values[i] = get_double(reader);
  return values;
}

static bool
kind_fits_type(const struct encode_column *column)
{
  switch (column->type)
  {
  case COLUMN_NUMERIC:
    return column->kind == ENCODE_NONE || column->kind == ENCODE_NUMBER;
  case COLUMN_DATETIME:
    return column->kind == ENCODE_NONE || column->kind == ENCODE_TIME;
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    return column->kind == ENCODE_NONE || column->kind == ENCODE_BINARY
           || column->kind == ENCODE_ONE_HOT || column->kind == ENCODE_TARGET;
  case COLUMN_TEXT:
    return column->kind == ENCODE_NONE || column->kind == ENCODE_WORDS;
  case COLUMN_IDENTIFIER:
    break;
  }
  return false;
}

/* Bytes as they are in the file. */
static void *
get_bytes(struct reader *reader, size_t count, size_t size)
{
  void *bytes = get_space(reader, count, size, size);
  if (bytes != NULL)
    take(reader, bytes, count * size);
  return bytes;
}

static void
load_words(struct reader *reader, struct encode_column *column)
{
  struct encode_words *words = arena_alloc(reader->arena, sizeof *words);
  uint32_t bits = get_u32(reader), scores = get_u32(reader);
  reader->bad = reader->bad || words == NULL || bits == 0 || bits > NGRAM_MAX_BITS || scores == 0
                || scores > ENCODE_MAX_SCORES;
  if (reader->bad)
    return;
  words->bits = bits;
  words->score_count = scores;
  words->idf_step = get_double(reader);
  words->weight_unit = get_doubles(reader, scores);
  words->bias = get_doubles(reader, scores);
  words->centre = get_doubles(reader, ENCODE_LOOKS + scores);
  words->scale = get_doubles(reader, ENCODE_LOOKS + scores);
  words->idf = get_bytes(reader, (size_t) 1 << bits, 1);
  words->weights = get_bytes(reader, ((size_t) 1 << bits) * scores, sizeof *words->weights);
  column->words = words;
}

static void
load_column(struct reader *reader, struct encode_column *column)
{
  column->name = get_text(reader);
  uint32_t type = get_u32(reader), kind = get_u32(reader), flags = get_u32(reader);
  reader->bad = reader->bad || type > COLUMN_IDENTIFIER || kind > ENCODE_WORDS || flags > 7;
  column->type = (enum column_type) type;
  column->kind = (enum encode_kind) kind;
  column->indicator = (flags & 1u) != 0;
  column->has_clock = (flags & 2u) != 0;
  column->has_other = (flags & 4u) != 0;
  reader->bad = reader->bad || !kind_fits_type(column);
  column->centre = get_double(reader);
  column->scale = get_double(reader);
  column->category_count = get_u32(reader);
  column->categories = get_space(reader, column->category_count, sizeof(char *), 4);
  for (size_t k = 0; !reader->bad && k < column->category_count; k++)
  {
    column->categories[k] = get_text(reader);
    /* Found by bisection, so the order matters. */
    if (k > 0 && strcmp(column->categories[k - 1], column->categories[k]) >= 0)
      reader->bad = true;
  }
  column->stat_count = get_u32(reader);
  reader->bad = reader->bad || column->stat_count > ENCODE_MAX_STATS
                || (column->kind == ENCODE_TARGET) != (column->stat_count > 0)
                || (column->kind == ENCODE_BINARY && column->category_count != 1);
  column->prior = get_doubles(reader, column->stat_count);
  column->stat_centre = get_doubles(reader, column->stat_count);
  column->stat_scale = get_doubles(reader, column->stat_count);
  column->stats = get_doubles(reader, column->stat_count * column->category_count);
  if (!reader->bad && column->kind == ENCODE_WORDS)
    load_words(reader, column);
}

static void
load_all(struct reader *reader, struct encoder *encoder)
{
  uint32_t magic = get_u32(reader), version = get_u32(reader), view = get_u32(reader);
  reader->bad = reader->bad || magic != ENCODER_MAGIC || version == 0 || version > ENCODER_VERSION
                || view > ENCODE_TREE;
  encoder->view = (enum encode_view) view;
  size_t count = get_u32(reader), width = 0;
  reader->bad = reader->bad || count > ENCODER_MAX_COLUMNS;
  encoder->columns = get_space(reader, count, sizeof *encoder->columns, 40);
  for (size_t c = 0; !reader->bad && c < count; c++)
  {
    load_column(reader, &encoder->columns[c]);
    encoder->column_count++;
    width += encoder->columns[c].category_count + 10;
    reader->bad = reader->bad || width > ENCODER_MAX_WIDTH;
  }
  size_t dropped = get_u32(reader);
  encoder->dropped = get_space(reader, dropped, sizeof(char *), 4);
  for (size_t d = 0; !reader->bad && d < dropped; d++)
    encoder->dropped[encoder->dropped_count++] = get_text(reader);
}

enum err
encoder_load(const char *bytes, size_t length, size_t *used, struct encoder **result,
             struct err_info *info)
{
  *result = NULL;
  struct encoder *encoder = calloc(1, sizeof *encoder);
  if (encoder == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  encoder->arena = arena_new(0);
  struct reader reader = {.bytes = bytes, .length = length, .arena = encoder->arena};
  enum err err = ERR_OK;
  if (encoder->arena == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory");
  else
  {
    load_all(&reader, encoder);
    if (reader.bad)
      err = err_set(info, ERR_INVALID, "the encoder's bytes are damaged or of another version");
    else
      err = encode_lay_out(encoder, info);
  }
  if (err != ERR_OK)
  {
    encoder_free(encoder);
    return err;
  }
  *used = reader.at;
  *result = encoder;
  return ERR_OK;
}
