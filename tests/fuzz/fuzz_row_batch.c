/* Rows of a predict call as JSON and as CSV: every row has faults or values that fit its column. */
#include <config.h>

#include <math.h>

#include "base/json.h"
#include "data/row_batch.h"
#include "tests/fuzz/fuzz.h"

static const char schema_text[] =
  "[{\"name\": \"x\", \"type\": \"numeric\", \"min\": 0, \"max\": 9},"
  "{\"name\": \"price\", \"type\": \"numeric\"},"
  "{\"name\": \"day\", \"type\": \"datetime\"},"
  "{\"name\": \"kind\", \"type\": \"categorical\", \"categories\": [\"a\", \"b\", \"\"]},"
  "{\"name\": \"sold\", \"type\": \"boolean\", \"categories\": [\"no\", \"yes\"]}]";

static void
look(struct row_batch *batch)
{
  const struct table *table = row_batch_table(batch);
  for (size_t row = 0; row < table->row_count; row++)
  {
    row_batch_faults(batch, row);
    row_batch_warnings(batch, row);
    for (size_t i = 0; i < table->column_count; i++)
    {
      const struct column *column = &table->columns[i];
      if (column->code != NULL
          && (column->code[row] < -1 || (size_t) (column->code[row] + 1) > column->category_count))
        abort();
      if (column->number != NULL && isinf(column->number[row]))
        abort();
    }
  }
  row_batch_free(batch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static struct row_schema *schema;
  struct row_batch *batch = NULL;
  json_t *rows = NULL;
  if (schema == NULL)
  {
    json_t *json = json_loads(schema_text, 0, NULL);
    if (row_schema_from_json(json, &schema, NULL) != ERR_OK)
      abort();
    json_decref(json);
  }
  if (size < 1)
    return 0;
  bool strict = data[0] & 1;
  const char *text = (const char *) data + 1;
  if (row_batch_from_csv(schema, text, size - 1, strict, 100, &batch, NULL) == ERR_OK)
    look(batch);
  if (json_parse(text, size - 1, 16, &rows, NULL) == ERR_OK
      && row_batch_from_json(schema, rows, strict, 100, &batch, NULL) == ERR_OK)
    look(batch);
  json_decref(rows);
  return 0;
}
