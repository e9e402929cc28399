#include <config.h>

#include "data/infer_types.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/text.h"
#include "data/distinct.h"
#include "data/hash.h"
#include "data/infer_internal.h"

#define ALL_NUMBERS ((1u << NUMBER_FORMATS) - 1)
#define ALL_DATES ((1u << DATETIME_FORMATS) - 1)
#define ALL_TRUTHS ((1u << VALUE_TRUTH_PAIRS) - 1)
#define EXAMPLE_BYTES 100

struct infer *
infer_new(const char *const *names, size_t columns, size_t set_bytes)
{
  struct infer *infer = calloc(1, sizeof *infer);
  if (infer == NULL)
    return NULL;
  infer->set_limit = set_bytes;
  infer->arena = arena_new(0);
  infer->columns = calloc(columns, sizeof *infer->columns);
  bool good = infer->arena != NULL && infer->columns != NULL;
  infer->column_count = infer->columns != NULL ? columns : 0;
  for (size_t c = 0; good && c < columns; c++)
  {
    struct infer_column *column = &infer->columns[c];
    column->guess.name = arena_strdup(infer->arena, names[c]);
    column->distinct = distinct_new(INFER_MAX_CATEGORIES);
    column->numbers = ALL_NUMBERS;
    column->dates = ALL_DATES;
    column->truths = ALL_TRUTHS;
    column->counts_rows = true;
    column->whole = true;
    column->digits_only = true;
    good = column->guess.name != NULL && column->distinct != NULL;
    infer->set_bytes += good ? distinct_bytes(column->distinct) : 0;
  }
  if (!good)
  {
    infer_free(infer);
    return NULL;
  }
  return infer;
}

void
infer_free(struct infer *infer)
{
  if (infer == NULL)
    return;
  for (size_t c = 0; c < infer->column_count; c++)
    distinct_free(infer->columns[c].distinct);
  free(infer->columns);
  arena_free(infer->arena);
  free(infer);
}

const struct column_guess *
infer_guess(const struct infer *infer, size_t column)
{
  return &infer->columns[column].guess;
}

static bool
all_digits(const char *text, size_t length)
{
  for (size_t i = 0; i < length; i++)
    if (text[i] < '0' || text[i] > '9')
      return false;
  return true;
}

/* Whether the whole number is one more than the one of the row before, from 0 or 1. */
static bool
counts_on(const struct infer_column *column, const char *text, size_t length)
{
  int64_t value;
  if (!text_parse_int64(text, length, &value))
    return false;
  if (column->rows == 0)
    return value == 0 || value == 1;
  return value == column->last + 1;
}

static char *
keep_text(struct infer *infer, const char *text, size_t length)
{
  size_t cut = text_utf8_cut(text, length, EXAMPLE_BYTES);
  return arena_printf(infer->arena, "%.*s%s", (int) cut, text, cut < length ? "…" : "");
}

static bool
has_all(unsigned mask, enum number_format a, enum number_format b)
{
  return (mask & 1u << a) != 0 && (mask & 1u << b) != 0;
}

/* What tells later whether a column whose separators have two meanings can be turned from one to the other. */
static void
look_for_doubt(struct infer_column *column, const char *text, size_t length)
{
  if (!has_all(column->numbers, NUMBER_POINT, NUMBER_COMMA_GROUPED)
      && !has_all(column->numbers, NUMBER_COMMA, NUMBER_POINT_GROUPED))
    return;
  size_t sign = text[0] == '-' || text[0] == '+';
  if (memchr(text, '.', length) == NULL && memchr(text, ',', length) == NULL)
  {
    column->plain = true;
    column->plain_large = column->plain_large || length - sign > 3;
  }
  else
    column->round = column->round || (length > 3 && memcmp(text + length - 3, "000", 3) == 0);
}

static void
look_for_numbers(struct infer *infer, struct infer_column *column, const char *text, size_t length)
{
  uint64_t seen = column->rows - column->guess.missing;
  /* A column of words is no longer asked; one with a few words among numbers is, for its note. */
  if (column->numbers == 0 && seen > 100 && column->number_like * 10 < seen * 9)
    return;
  unsigned formats = value_number_formats(text, length);
  column->number_like += formats != 0;
  if (formats == 0 && column->odd_value == NULL)
  {
    column->odd_value = keep_text(infer, text, length);
    column->odd_row = column->rows + 1;
  }
  column->numbers &= formats;
  look_for_doubt(column, text, length);
  if (column->numbers == 0)
    column->digits_only = column->digits_only && all_digits(text, length);
  if (column->counts_rows)
  {
    column->counts_rows = counts_on(column, text, length);
    column->last += column->rows == 0 ? (text[length - 1] == '1') : 1;
  }
  if (column->whole)
    column->whole = formats != 0 && memchr(text, '.', length) == NULL
                    && memchr(text, ',', length) == NULL && memchr(text, 'e', length) == NULL
                    && memchr(text, 'E', length) == NULL;
}

static enum err
look_for_truth(struct infer *infer, struct infer_column *column, const char *text, size_t length)
{
  unsigned pair;
  bool yes;
  if (!value_truth(text, length, &pair, &yes))
  {
    column->truths = 0;
    return ERR_OK;
  }
  column->truths &= 1u << pair;
  if (column->guess.words[yes] != NULL)
    return ERR_OK;
  column->guess.words[yes] = arena_strndup(infer->arena, text, length);
  return column->guess.words[yes] != NULL ? ERR_OK : ERR_MEMORY;
}

static enum err
count_distinct(struct infer *infer, struct infer_column *column, const char *text, size_t length)
{
  size_t before = distinct_bytes(column->distinct);
  bool fresh = distinct_add(column->distinct, hash_bytes(text, length, 0));
  infer->set_bytes += distinct_bytes(column->distinct) - before;
  if (infer->set_bytes > infer->set_limit)
  {
    infer->set_bytes -= distinct_bytes(column->distinct);
    distinct_forget(column->distinct);
  }
  if (!fresh)
    return ERR_OK;
  column->distinct_text += length + 1;
  if (column->guess.example_count == INFER_EXAMPLES)
    return ERR_OK;
  char *example = keep_text(infer, text, length);
  if (example == NULL)
    return ERR_MEMORY;
  column->guess.examples[column->guess.example_count++] = example;
  return ERR_OK;
}

/* Words between blanks; of what is written without them (Chinese, Japanese: U+3000 … U+9FFF) two characters
 * count as one. */
static uint64_t
count_words(const char *text, size_t length)
{
  uint64_t words = 1, dense = 0;
  for (size_t i = 1; i < length; i++)
    words += text[i] == ' ' && text[i - 1] != ' ';
  for (size_t i = 0; i < length; i++)
    dense += (unsigned char) text[i] >= 0xE3 && (unsigned char) text[i] <= 0xE9;
  return words + dense / 2;
}

enum err
infer_add(struct infer *infer, size_t index, const char *text, size_t length)
{
  struct infer_column *column = &infer->columns[index];
  value_trim(&text, &length);
  enum err err = ERR_OK;
  if (value_is_missing(text, length))
  {
    column->guess.missing++;
    column->rows++;
    column->counts_rows = false;
    return ERR_OK;
  }
  column->guess.text_bytes += length;
  look_for_numbers(infer, column, text, length);
  column->words += column->numbers != 0 ? 1 : count_words(text, length);
  if (column->dates != 0)
  {
    column->dates &= value_datetime_formats(text, length);
    column->slashes = column->slashes || memchr(text, '/', length) != NULL;
  }
  if (column->truths != 0)
    err = look_for_truth(infer, column, text, length);
  if (err == ERR_OK)
    err = count_distinct(infer, column, text, length);
  column->rows++;
  return err;
}
