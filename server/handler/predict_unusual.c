#include <config.h>

#include "server/handler/predict_unusual.h"

#include <math.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/predict_reply.h"

bool
predict_unusual_parse(struct http_request *req, const char *text, bool *unusual)
{
  if (!text)
    return true;
  *unusual = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
  if (*unusual || strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
    return true;
  reply_fault(req, E_INVALID, "/unusual", "send 1, 0, true or false", "must be a boolean");
  return false;
}

/* Whether the row came with a value for this column that it was not trained on: read as missing, with a warning. */
static bool
was_unknown(const json_t *warnings, const char *column)
{
  size_t index;
  json_t *item;

  json_array_foreach(warnings, index, item)
  {
    const char *name = json_get_string(item, "column", NULL);
    if (name && strcmp(name, column) == 0 && json_object_get(item, "value"))
      return true;
  }
  return false;
}

/* Why the value is unusual, or NULL. */
static const char *
reason_of(const struct row_schema *schema, size_t place, const struct column *column, size_t row,
          const json_t *warnings)
{
  double low, high;

  if (column->code)
    return column->code[row] < 0 && was_unknown(warnings, column->name) ? "unknown_category" : NULL;
  if (!column->number || !isfinite(column->number[row])
      || !row_schema_range(schema, place, &low, &high))
    return NULL;
  return column->number[row] < low    ? "below_range"
         : column->number[row] > high ? "above_range"
                                      : NULL;
}

static void
write_row(const struct row_schema *schema, const struct table *table, size_t row,
          const json_t *warnings, struct buf *out)
{
  size_t given = 0, found = 0;

  buf_append_text(out, "{\"columns\":[");
  for (size_t i = 0; i < table->column_count; i++)
  {
    const struct column *column = &table->columns[i];
    const char *reason = reason_of(schema, i, column, row, warnings);
    bool missing = column->code     ? column->code[row] < 0 && !reason
                   : column->number ? !isfinite(column->number[row])
                                    : column->offset[row] == column->offset[row + 1];
    given += missing ? 0 : 1;
    if (!reason)
      continue;
    buf_append_text(out, found++ > 0 ? ",{\"column\":" : "{\"column\":");
    predict_write_text(column->name, out);
    buf_append_text(out, ",\"reason\":\"");
    buf_append_text(out, reason);
    buf_append_text(out, "\"}");
  }
  buf_append_text(out, "],\"score\":");
  predict_write_float(given > 0 ? (float) found / (float) given : 0.0f, out);
  buf_append(out, "}", 2); /* with its end */
}

bool
predict_unusual(struct http_request *req, const struct model_about *about,
                struct predict_input *input)
{
  const char **texts;

  if (!input->unusual)
    return true;
  if (about->input != DATASET_TABLE)
  {
    reply_fault(req, E_INVALID, "/unusual", "leave it out",
                "only the values of a table's rows are looked at, not images");
    return false;
  }
  texts = arena_array(req->arena, input->good_count, sizeof *texts);
  for (size_t i = 0; texts && i < input->good_count; i++)
  {
    struct buf text = {.data = NULL};
    write_row(about->schema, row_batch_table(input->batch), input->good[i],
              predict_input_warnings(input, input->good[i]), &text);
    texts[i] = text.failed ? NULL : arena_printf(req->arena, "%s", (const char *) text.data);
    buf_free(&text);
    if (!texts[i])
      texts = NULL;
  }
  if (!texts)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  input->strange = texts;
  return texts != NULL;
}
