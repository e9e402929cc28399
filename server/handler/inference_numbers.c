#include <config.h>

#include "server/handler/inference.h"

#include <stdint.h>

/* The list of one input, and its shape; NULL when it is no list of numbers that fits. */
static const struct json_lifted *
list_of(const struct http_request *req, const json_t *item, const struct json_lift *lift,
        struct tensor *tensor)
{
  const struct json_lifted *list = json_lift_find(lift, json_object_get(item, "data"));
  struct err_info info;

  if (!list || !json_get_string(item, "name", NULL)
      || json_object_get(json_object_get(item, "parameters"), "binary_data_size")
      || tensor_begin(json_get_string(item, "datatype", ""), json_object_get(item, "shape"),
                      req->limits->tensor_elements, tensor, &info)
           != ERR_OK
      || list->count != tensor->count
      || !tensor_type_takes(tensor->type, list->numbers, list->count))
    return NULL;
  return list;
}

/* One input of (n, columns). */
static bool
take_matrix(const struct http_request *req, const json_t *inputs, const struct json_lift *lift,
            size_t count, struct row_numbers *columns, size_t *rows)
{
  struct tensor tensor;
  const struct json_lifted *list = list_of(req, json_array_get(inputs, 0), lift, &tensor);

  if (!list || tensor.rank != 2 || tensor.shape[1] != count)
    return false;
  for (size_t c = 0; c < count; c++)
    columns[c] = (struct row_numbers){.first = list->numbers + c, .step = count};
  *rows = tensor.shape[0];
  return true;
}

/* An input of (n) or (n, 1) for each column. */
static bool
take_columns(const struct http_request *req, const struct model_about *about, const json_t *inputs,
             const struct json_lift *lift, size_t count, struct row_numbers *columns, size_t *rows)
{
  size_t total = 0;

  for (size_t i = 0; i < count; i++)
  {
    const json_t *item = json_array_get(inputs, i);
    struct tensor tensor;
    const struct json_lifted *list = list_of(req, item, lift, &tensor);
    size_t place =
      list ? row_schema_place(about->schema, json_get_string(item, "name", ""), i) : SIZE_MAX;
    if (place == SIZE_MAX || columns[place].first
        || !(tensor.rank == 1 || (tensor.rank == 2 && tensor.shape[1] == 1))
        || (i > 0 && tensor.shape[0] != *rows))
      return false;
    *rows = tensor.shape[0];
    total += tensor.count;
    columns[place] = (struct row_numbers){.first = list->numbers, .step = 1};
  }
  return total <= req->limits->tensor_elements;
}

bool
inference_numbers_read(struct http_request *req, const struct model_about *about,
                       const json_t *inputs, const struct json_lift *lift, double us_per_row,
                       double budget_us, struct predict_input *input, enum predict_read *result)
{
  size_t count = row_schema_count(about->schema), given = json_array_size(inputs), rows = 0;
  struct row_numbers *columns = arena_array(req->arena, count, sizeof *columns); /* zeroed */

  if (!columns || given > req->limits->columns)
    return false;
  bool matrix = given == 1 && take_matrix(req, inputs, lift, count, columns, &rows);
  return (matrix
          || (given == count && take_columns(req, about, inputs, lift, count, columns, &rows)))
         && dialect_numbers_read(req, about, columns, rows, us_per_row, budget_us, input, result);
}
