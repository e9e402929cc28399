/* The scan of a predict call's body against the tree of JSON: what it takes is JSON without fault, with the
 * same values bit for bit, and its numbers are those of strtod. */
#include <config.h>

#include <math.h>

#include "base/json.h"
#include "base/json_number.h"
#include "data/row_batch.h"
#include "tests/fuzz/fuzz.h"

static const char schema_text[] =
  "[{\"name\": \"x\", \"type\": \"numeric\"},"
  "{\"name\": \"day\", \"type\": \"datetime\"},"
  "{\"name\": \"kind\", \"type\": \"categorical\", \"categories\": [\"a\", \"b\", \"]\"]}]";

static void
compare(const struct row_schema *schema, const char *text, size_t size, struct row_batch *scanned)
{
  json_t *body = NULL;
  struct row_batch *batch = NULL;
  if (json_parse(text, size, 16, &body, NULL) != ERR_OK || json_object_size(body) != 1
      || row_batch_from_json(schema, json_object_get(body, "rows"), true, 100, &batch, NULL)
           != ERR_OK)
    abort();
  const struct table *left = row_batch_table(scanned), *right = row_batch_table(batch);
  if (left->row_count != right->row_count)
    abort();
  for (size_t row = 0; row < left->row_count; row++)
  {
    if (row_batch_faults(batch, row) != NULL || row_batch_warnings(batch, row) != NULL)
      abort();
    for (size_t c = 0; c < left->column_count; c++)
      if (left->columns[c].number != NULL
            ? memcmp(&left->columns[c].number[row], &right->columns[c].number[row], sizeof(double))
                != 0
            : left->columns[c].code[row] != right->columns[c].code[row])
        abort();
  }
  row_batch_free(batch);
  json_decref(body);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static struct row_schema *schema;
  struct row_batch *scanned = NULL;
  if (schema == NULL)
  {
    json_t *json = json_loads(schema_text, 0, NULL);
    if (row_schema_from_json(json, &schema, NULL) != ERR_OK)
      abort();
    json_decref(json);
  }
  char *text = fuzz_text(data, size);
  if (row_batch_scan(schema, text, size, 100, &scanned))
    compare(schema, text, size, scanned);
  row_batch_free(scanned);
  const char *at = text;
  double value;
  if (json_scan_number(&at, text + size, &value))
  {
    char *end;
    double wanted = strtod(text, &end);
    /* strtod takes hexadecimal too, which starts with a 0 that the scan takes for the whole */
    if (text[1] != 'x' && text[1] != 'X'
        && (end != at || memcmp(&value, &wanted, sizeof value) != 0))
      abort();
  }
  free(text);
  return 0;
}
