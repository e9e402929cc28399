#include <config.h>

#include "data/row_batch_internal.h"

#include <string.h>

#include "base/json_number.h"

struct row_scan
{
  const struct row_schema *schema;
  struct row_batch *batch;
  const char *at, *end;
  size_t *order;  /* which column stood at each place of the row before; for objects */
  size_t *row_of; /* per column: the row that gave it last, counted from 1; for objects */
};

static void
skip_blanks(struct row_scan *scan)
{
  while (scan->at < scan->end
         && (*scan->at == ' ' || *scan->at == '\n' || *scan->at == '\r' || *scan->at == '\t'))
    scan->at++;
}

static bool
take(struct row_scan *scan, char wanted)
{
  skip_blanks(scan);
  if (scan->at == scan->end || *scan->at != wanted)
    return false;
  scan->at++;
  return true;
}

/* A string of plain ASCII without escapes. */
static bool
take_string(struct row_scan *scan, const char **text, size_t *length)
{
  if (!take(scan, '"'))
    return false;
  const char *start = scan->at;
  for (const char *at = start; at < scan->end; at++)
  {
    unsigned char c = (unsigned char) *at;
    if (c == '"')
    {
      *text = start;
      *length = (size_t) (at - start);
      scan->at = at + 1;
      return true;
    }
    if (c < 0x20 || c >= 0x80 || c == '\\')
      return false;
  }
  return false;
}

static bool
take_number(struct row_scan *scan, size_t row, size_t column)
{
  enum column_type type = scan->schema->columns[column].type;
  double value;
  if ((type != COLUMN_NUMERIC && type != COLUMN_DATETIME)
      || !json_scan_number(&scan->at, scan->end, &value))
    return false;
  row_batch_set_number(scan->batch, row, column, value);
  return true;
}

static bool
take_null(struct row_scan *scan)
{
  if (scan->end - scan->at < 4 || memcmp(scan->at, "null", 4) != 0)
    return false;
  scan->at += 4;
  return true;
}

static bool
take_value(struct row_scan *scan, size_t row, size_t column)
{
  const char *text;
  size_t length;
  skip_blanks(scan);
  if (scan->at == scan->end)
    return false;
  switch (*scan->at)
  {
  case '"':
    if (!take_string(scan, &text, &length))
      return false;
    row_batch_set_text(scan->batch, row, column, text, length, false);
    return true;
  case 'n':
    return take_null(scan);
  default:
    return take_number(scan, row, column);
  }
}

/* Nothing but numbers and null: they go straight to their cells. */
static bool
take_numbers(struct row_scan *scan, size_t row)
{
  size_t rows = scan->batch->table.row_count;
  double *cell = scan->batch->numbers + row;
  for (size_t c = 0; c < scan->schema->count; c++, cell += rows)
  {
    if (c > 0 && !take(scan, ','))
      return false;
    skip_blanks(scan);
    if (!json_scan_number(&scan->at, scan->end, cell) && !take_null(scan))
      return false;
  }
  return take(scan, ']');
}

static bool
take_array(struct row_scan *scan, size_t row)
{
  const char *start = scan->at;
  if (scan->schema->all_numbers)
  {
    if (take_numbers(scan, row))
      return true;
    scan->at = start;
  }
  for (size_t c = 0; c < scan->schema->count; c++)
    if ((c > 0 && !take(scan, ',')) || !take_value(scan, row, c))
      return false;
  return take(scan, ']');
}

/* Rows mostly name their columns in the order of the row before. */
static size_t
find_column(const struct row_scan *scan, size_t place, const char *name, size_t length)
{
  size_t guess = scan->order[place];
  const struct row_column *known = &scan->schema->columns[guess];
  if (known->name_length == length && memcmp(known->name, name, length) == 0)
    return guess;
  return row_schema_find(scan->schema, name, length);
}

static bool
take_object(struct row_scan *scan, size_t row)
{
  for (size_t place = 0; place < scan->schema->count; place++)
  {
    const char *name;
    size_t length;
    if ((place > 0 && !take(scan, ',')) || !take_string(scan, &name, &length))
      return false;
    size_t column = find_column(scan, place, name, length);
    if (column == SIZE_MAX || scan->row_of[column] == row + 1 || !take(scan, ':')
        || !take_value(scan, row, column))
      return false;
    scan->row_of[column] = row + 1;
    scan->order[place] = column;
  }
  return take(scan, '}');
}

static size_t
count_bytes(const char *at, const char *end, char wanted)
{
  size_t count = 0;
  while ((at = memchr(at, wanted, (size_t) (end - at))) != NULL)
  {
    at++;
    count++;
  }
  return count;
}

/* `{"rows":[` and a row's first bracket, which is left; 0 when the body starts otherwise. */
static char
take_start(struct row_scan *scan)
{
  const char *name;
  size_t length;
  if (!take(scan, '{') || !take_string(scan, &name, &length) || length != 4
      || memcmp(name, "rows", 4) != 0 || !take(scan, ':') || !take(scan, '['))
    return 0;
  skip_blanks(scan);
  char bracket = scan->at < scan->end ? *scan->at : 0;
  return bracket == '{' || bracket == '[' ? bracket : 0;
}

static bool
take_rows(struct row_scan *scan, char bracket, size_t rows)
{
  for (size_t row = 0; row < rows; row++)
  {
    if ((row > 0 && !take(scan, ',')) || !take(scan, bracket)
        || !(bracket == '[' ? take_array(scan, row) : take_object(scan, row))
        || scan->batch->faults[row] != NULL || scan->batch->warnings[row] != NULL)
      return false;
  }
  if (!take(scan, ']') || !take(scan, '}'))
    return false;
  skip_blanks(scan);
  return scan->at == scan->end;
}

static bool
make_room(struct row_scan *scan, char bracket, size_t rows)
{
  size_t count = scan->schema->count;
  if (row_batch_new(scan->schema, rows, &scan->batch, NULL) != ERR_OK)
    return false;
  struct row_batch *batch = scan->batch;
  if (bracket == '[')
    return true;
  if (batch->order == NULL)
  {
    batch->order = arena_array(batch->arena, count, sizeof *batch->order);
    batch->row_of = arena_array(batch->arena, count, sizeof *batch->row_of);
    for (size_t c = 0; batch->order != NULL && c < count; c++)
      batch->order[c] = c;
  }
  else
    memset(batch->row_of, 0, count * sizeof *batch->row_of);
  scan->order = batch->order;
  scan->row_of = batch->row_of;
  return scan->order != NULL && scan->row_of != NULL;
}

bool
row_batch_scan(const struct row_schema *schema, const char *bytes, size_t length, size_t max_rows,
               struct row_batch **batch)
{
  struct row_scan scan = {.schema = schema, .at = bytes, .end = bytes + length};
  char bracket = take_start(&scan);
  *batch = NULL;
  if (bracket == 0)
    return false;
  /* one closing bracket is that of the body, or of the list; a string with one in it is read the other way */
  size_t rows = count_bytes(scan.at, scan.end, bracket == '[' ? ']' : '}') - 1;
  /* so that the cells take no more memory than a small multiple of the body */
  if (rows == 0 || rows > max_rows || rows > length / (2 * schema->count))
    return false;
  if (!make_room(&scan, bracket, rows) || !take_rows(&scan, bracket, rows)
      || row_batch_finish(scan.batch, NULL) != ERR_OK)
  {
    row_batch_free(scan.batch);
    return false;
  }
  *batch = scan.batch;
  return true;
}
