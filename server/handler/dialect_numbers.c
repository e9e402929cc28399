#include <config.h>

#include "server/handler/dialect.h"

#include <stdint.h>

#include "server/handler/common.h"

bool
dialect_lift(struct http_request *req, const struct model_about *about, size_t length,
             const char *const *names, struct arena *arena, struct json_lift *lift, json_t **body)
{
  size_t depth = req->server->limits.json_depth;

  *body = NULL;
  if (about->input != DATASET_TABLE || !row_schema_is_numbers(about->schema)
      || !json_lift(req->body, length, names, depth, arena, lift))
    return false;
  if (json_parse(lift->rest, lift->rest_length, depth, body, NULL) == ERR_OK
      && json_is_object(*body))
    return true;
  json_decref(*body);
  *body = NULL;
  return false;
}

bool
dialect_numbers_read(struct http_request *req, const struct model_about *about,
                     const struct row_numbers *columns, size_t rows, double us_per_row,
                     double budget_us, struct predict_input *input, enum predict_read *result)
{
  struct row_batch *batch;

  if (rows == 0 || rows > req->limits->predict_rows)
    return false;
  if (us_per_row * (double) rows > budget_us)
  {
    *result = PREDICT_DEAR;
    return true;
  }
  if (row_batch_from_numbers(about->schema, columns, rows, &batch, NULL) != ERR_OK)
    return false;
  *result = predict_batch_take(req, batch, input);
  return true;
}

/* Puts the columns of rows where the names say; false unless each column is named once. */
static bool
place_columns(const struct row_schema *schema, const struct json_lifted *list, const json_t *names,
              struct row_numbers *columns)
{
  size_t count = row_schema_count(schema);

  if (names && json_array_size(names) != count)
    return false;
  for (size_t i = 0; i < count; i++)
  {
    const char *name = json_string_value(json_array_get(names, i));
    size_t place = names && name ? row_schema_place(schema, name, i) : i;
    if ((names && !name) || place == SIZE_MAX || columns[place].first)
      return false;
    columns[place] = (struct row_numbers){.first = list->numbers + i, .step = count};
  }
  return true;
}

bool
dialect_lifted_read(struct http_request *req, const struct model_about *about,
                    const struct json_lifted *list, const json_t *names, double us_per_row,
                    double budget_us, struct predict_input *input, enum predict_read *result)
{
  size_t count = row_schema_count(about->schema);
  struct row_numbers *columns;

  if (!list || list->row_length != count)
    return false;
  columns = arena_array(req->arena, count, sizeof *columns); /* zeroed */
  return columns && place_columns(about->schema, list, names, columns)
         && dialect_numbers_read(req, about, columns, list->count / count, us_per_row, budget_us,
                                 input, result);
}
