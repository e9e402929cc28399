#include <config.h>

#include "server/handler/inference.h"

#include <math.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/predict_images.h"

/* ---- tables ---------------------------------------------------------------------------------------- */

/* An (n, k) tensor that holds every column of the model. */
static bool
is_matrix(const struct inference_input *inputs, size_t count, size_t columns)
{
  return count == 1 && inputs[0].tensor.rank == 2 && inputs[0].tensor.shape[1] == columns;
}

/* Whether each input is a column, (n) or (n, 1), and all have as many rows. False when it replied. */
static bool
columns_fit(struct http_request *req, const struct inference_input *inputs, size_t count,
            size_t columns)
{
  for (size_t i = 0; i < count; i++)
  {
    const struct tensor *tensor = &inputs[i].tensor;
    const char *shape = json_pointer(req->arena, inputs[i].pointer, "shape");
    bool good = tensor->rank == 1 || (tensor->rank == 2 && tensor->shape[1] == 1);
    for (size_t j = 0; j < i; j++)
      if (strcmp(inputs[i].name, inputs[j].name) == 0)
      {
        reply_fault(req, E_INVALID, inputs[i].pointer, NULL, "the input \"%s\" comes twice",
                    inputs[i].name);
        return false;
      }
    if (good && tensor->shape[0] == inputs[0].tensor.shape[0])
      continue;
    if (good)
      reply_fault(req, E_INVALID, shape, "give every input as many rows",
                  "this input has %zu rows, the first one %zu", tensor->shape[0],
                  inputs[0].tensor.shape[0]);
    else
      reply_fault(req, E_INVALID, shape, "GET /v2/models/{model} lists the inputs",
                  "send one input per column of shape [n] or [n, 1], or a single one of [n, %zu] "
                  "with every column in the order of the model's",
                  columns);
    return false;
  }
  return true;
}

/* A cell under its column's name; false when it replied. */
static bool
set_cell(struct http_request *req, json_t *row, const char *column,
         const struct inference_input *input, size_t index)
{
  json_t *value = tensor_value(&input->tensor, index);

  if (value)
    return json_object_set_new(row, column, value) == 0;
  reply_fault(
    req, E_INVALID, input->pointer,
    input->tensor.texts ? "send text as UTF-8"
                        : "leave a missing value out: null in JSON, or an empty string as BYTES",
    "element %zu is %s", index, input->tensor.texts ? "not UTF-8" : "not a finite number");
  return false;
}

static bool
set_row(struct http_request *req, json_t *row, const struct row_schema *schema,
        const struct inference_input *inputs, size_t count, size_t index)
{
  size_t columns = row_schema_count(schema);
  bool matrix = is_matrix(inputs, count, columns), good = true;

  if (!matrix)
    for (size_t i = 0; i < count && good; i++)
      good = set_cell(req, row, inputs[i].name, &inputs[i], index);
  else
    for (size_t c = 0; c < columns && good; c++)
    {
      enum column_type type;
      good = set_cell(req, row, row_schema_column(schema, c, &type), inputs, index * columns + c);
    }
  return good;
}

static enum predict_read
table_read(struct http_request *req, const struct model_about *about,
           const struct inference_input *inputs, size_t count, double us_per_row, double budget_us,
           struct predict_input *input)
{
  size_t columns = row_schema_count(about->schema), rows = inputs[0].tensor.shape[0];
  enum predict_read result = PREDICT_REPLIED;
  bool good = true;
  json_t *list;

  if (!is_matrix(inputs, count, columns) && !columns_fit(req, inputs, count, columns))
    return PREDICT_REPLIED;
  if (rows == 0 || rows > req->limits->predict_rows)
  {
    reply_fault(req, E_INVALID, json_pointer(req->arena, inputs[0].pointer, "shape"), NULL,
                "send 1 to %zu rows at once", req->limits->predict_rows);
    return PREDICT_REPLIED;
  }
  if (us_per_row * (double) rows > budget_us)
    return PREDICT_DEAR;
  input->place = "/inputs";
  input->by_column = true;
  list = json_array();
  for (size_t i = 0; i < rows && good; i++)
  {
    json_t *row = json_object();
    good = set_row(req, row, about->schema, inputs, count, i);
    json_array_append_new(list, row);
  }
  if (good)
    result = predict_rows_read(req, about, list, true, input);
  json_decref(list);
  return result;
}

/* ---- images ---------------------------------------------------------------------------------------- */

static enum predict_read
files_read(struct http_request *req, const struct model_about *about,
           const struct inference_input *one, double us_per_row, double budget_us,
           struct predict_input *input)
{
  size_t count = one->tensor.count;
  struct predict_image *images;

  if (count == 0 || count > req->limits->predict_rows)
  {
    reply_fault(req, E_INVALID, one->pointer, NULL, "send 1 to %zu images",
                req->limits->predict_rows);
    return PREDICT_REPLIED;
  }
  images = arena_array(req->arena, count, sizeof *images);
  if (!images)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return PREDICT_REPLIED;
  }
  for (size_t i = 0; i < count; i++)
  {
    const char *pointer = json_pointer_index(req->arena, one->pointer, i);
    if (one->tensor.texts)
      images[i] = (struct predict_image){.bytes = one->tensor.texts[i].bytes,
                                         .length = one->tensor.texts[i].length,
                                         .pointer = pointer};
    else
      predict_image_from_base64(req->arena, one->tensor.cells[i], pointer, &images[i]);
  }
  return predict_images_read(req, about, images, count, us_per_row, budget_us, input);
}

/* (n, height, width, channels) as bytes; NULL when it replied. */
static const uint8_t *
pixels_of(struct http_request *req, const struct inference_input *one)
{
  uint8_t *pixels;

  if (one->tensor.raw && one->tensor.type == TENSOR_UINT8)
    return one->tensor.raw;
  pixels = arena_alloc(req->arena, one->tensor.count);
  if (!pixels)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return NULL;
  }
  for (size_t i = 0; i < one->tensor.count; i++)
  {
    double value = tensor_number(&one->tensor, i);
    if (!(value >= 0 && value <= 255))
    {
      reply_fault(req, E_INVALID, one->pointer, "scale pixels so that 255 is the brightest",
                  "element %zu is no number from 0 to 255", i);
      return NULL;
    }
    pixels[i] = (uint8_t) floor(value + 0.5);
  }
  return pixels;
}

static enum predict_read
images_read(struct http_request *req, const struct model_about *about,
            const struct inference_input *inputs, size_t count, double us_per_row, double budget_us,
            struct predict_input *input)
{
  const struct tensor *tensor = &inputs[0].tensor;
  bool flat = tensor->rank == 1 || (tensor->rank == 2 && tensor->shape[1] == 1);
  bool fits = (tensor->rank == 4 || (tensor->rank == 3 && about->channels == 1))
              && tensor->shape[1] == about->height && tensor->shape[2] == about->width
              && (tensor->rank == 3 || tensor->shape[3] == about->channels);
  const uint8_t *pixels;

  if (count == 1 && flat && tensor->type == TENSOR_BYTES)
    return files_read(req, about, inputs, us_per_row, budget_us, input);
  if (count != 1 || !fits || tensor->type == TENSOR_BYTES || tensor->count == 0)
  {
    reply_fault(req, E_INVALID, count == 1 ? inputs[0].pointer : "/inputs",
                "other sizes are taken as PNG or JPEG",
                "send one input: UINT8 or FP32 of [n, %zu, %zu, %zu], or BYTES of [n] with PNG or "
                "JPEG files",
                about->height, about->width, about->channels);
    return PREDICT_REPLIED;
  }
  if (us_per_row * (double) tensor->shape[0] > budget_us)
    return PREDICT_DEAR;
  pixels = pixels_of(req, inputs);
  return pixels
           ? predict_pixels_take(req, about, pixels, tensor->shape[0], us_per_row, budget_us, input)
           : PREDICT_REPLIED;
}

enum predict_read
inference_rows_read(struct http_request *req, const struct model_about *about,
                    const struct inference_input *inputs, size_t count, double us_per_row,
                    double budget_us, struct predict_input *input)
{
  return about->input == DATASET_IMAGES
           ? images_read(req, about, inputs, count, us_per_row, budget_us, input)
           : table_read(req, about, inputs, count, us_per_row, budget_us, input);
}
