#include <config.h>

#include "server/handler/dialect.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/predict_images.h"
#include "server/handler/predict_reply.h"

bool
dialect_path(struct http_request *req, struct model_path *path)
{
  const char *version = http_arg(req, "version"), *label = http_arg(req, "label");
  bool good = name_model_path(req->arena, http_arg(req, "model"), path);

  if (good && *version)
  {
    path->alias = version;
    path->version = version_parse(version);
    good = path->version > 0;
  }
  else if (good && *label)
  {
    path->alias = label;
    path->version = 0;
    good = name_is_model(label);
  }
  if (!good)
    http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
  return good;
}

bool
dialect_is_json(const struct http_request *req)
{
  const char *type = req->content_type;

  return strcmp(type, "application/json") == 0
         || (!req->by_cookie && (!*type || strcmp(type, "application/x-www-form-urlencoded") == 0));
}

bool
dialect_json_only(struct http_request *req)
{
  if (dialect_is_json(req))
    return true;
  http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE, "send JSON with Content-Type: application/json");
  return false;
}

enum predict_read
dialect_json_read(struct http_request *req, double budget_us, json_t **body)
{
  struct err_info info = {.code = ERR_OK};
  enum err err;

  if (PREDICT_US_PER_TEXT_BYTE * (double) req->body_length > budget_us)
    return PREDICT_DEAR;
  err = json_parse(req->body, req->body_length, req->server->limits.json_depth, body, &info);
  if (err == ERR_MEMORY)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else if (err)
    http_reply_error(req, E_BAD_JSON, info.text);
  else if (json_is_object(*body))
    return PREDICT_READ;
  else
    reply_fault(req, E_INVALID, "", NULL, "the body must be a JSON object");
  return PREDICT_REPLIED;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

/* {"b64": …} as the text it holds, [value] as value; anything else as it is (new reference). */
static json_t *
plain_value(json_t *value)
{
  const json_t *coded = json_object_size(value) == 1 ? json_object_get(value, "b64") : NULL;
  size_t length = json_string_length(coded), got = 0;
  json_t *text = NULL;

  if (json_array_size(value) == 1)
    return json_incref(json_array_get(value, 0));
  if (json_is_string(coded))
  {
    char *bytes = malloc(length / 4 * 3 + 4);
    if (bytes
        && sodium_base642bin((unsigned char *) bytes, length / 4 * 3 + 3, json_string_value(coded),
                             length, " \r\n\t", &got, NULL, sodium_base64_VARIANT_ORIGINAL)
             == 0
        && !memchr(bytes, '\0', got))
      text = json_stringn(bytes, got);
    free(bytes);
  }
  return text ? text : json_incref(value);
}

static json_t *
plain_object(json_t *object)
{
  json_t *row = json_object(), *value;
  const char *name;

  json_object_foreach(object, name, value)
  {
    json_object_set_new(row, name, plain_value(value));
  }
  return row;
}

/* A row of the list as an object; NULL when it replied. */
static json_t *
row_object(struct http_request *req, const struct row_schema *schema, json_t *item,
           const char *place, size_t index)
{
  size_t columns = row_schema_count(schema),
         given = json_is_array(item) ? json_array_size(item) : 1;
  json_t *row;

  if (json_is_object(item) && !(json_object_size(item) == 1 && json_object_get(item, "b64")))
    return plain_object(item);
  if (given != columns)
  {
    reply_fault(req, E_INVALID, json_pointer_index(req->arena, place, index),
                "give an object by column, or every value in the order of the model's schema",
                "this row has %zu values; the model has %zu columns", given, columns);
    return NULL;
  }
  row = json_object();
  for (size_t c = 0; c < columns; c++)
  {
    enum column_type type;
    const char *name = row_schema_column(schema, c, &type);
    json_object_set_new(row, name,
                        plain_value(json_is_array(item) ? json_array_get(item, c) : item));
  }
  return row;
}

static enum predict_read
table_list_read(struct http_request *req, const struct model_about *about, const json_t *list,
                const char *place, struct predict_input *input)
{
  json_t *rows, *item;
  size_t index;
  enum predict_read result;

  input->place = place;
  /* too many, or none: said where it is counted */
  if (json_array_size(list) == 0 || json_array_size(list) > req->limits->predict_rows)
    return predict_rows_read(req, about, list, false, input);
  rows = json_array();
  json_array_foreach(list, index, item)
  {
    json_t *row = row_object(req, about->schema, item, place, index);
    if (!row)
    {
      json_decref(rows);
      return PREDICT_REPLIED;
    }
    json_array_append_new(rows, row);
  }
  result = predict_rows_read(req, about, rows, false, input);
  json_decref(rows);
  return result;
}

/* ---- images ---------------------------------------------------------------------------------------- */

/* Writes the numbers of nested arrays; false when there are more than `left`, or something is no pixel. */
static bool
flatten_pixels(const json_t *value, uint8_t **out, size_t *left, int depth)
{
  double number = json_number_value(value);
  size_t index;
  json_t *item;

  if (json_is_array(value) && depth < 4)
  {
    json_array_foreach(value, index, item)
    {
      if (!flatten_pixels(item, out, left, depth + 1))
        return false;
    }
    return true;
  }
  if (!json_is_number(value) || !(number >= 0 && number <= 255) || *left == 0)
    return false;
  *(*out)++ = (uint8_t) (number + 0.5);
  --*left;
  return true;
}

static enum predict_read
pixel_list_read(struct http_request *req, const struct model_about *about, const json_t *list,
                const char *place, double us_per_row, double budget_us, struct predict_input *input)
{
  size_t count = json_array_size(list), bytes = about->height * about->width * about->channels;
  size_t index;
  uint8_t *pixels, *at;
  json_t *item;

  /* a pixel takes two bytes of text: what is more than the body can't be right */
  if (bytes == 0 || count > (req->body_length + bytes) / bytes)
    count = 0;
  pixels = at = count ? arena_alloc(req->arena, count * bytes) : NULL;
  json_array_foreach(list, index, item)
  {
    size_t left = bytes;
    if (!pixels || !flatten_pixels(item, &at, &left, 0) || left > 0)
    {
      reply_fault(req, E_INVALID, json_pointer_index(req->arena, place, index),
                  "send {\"b64\": …} with a PNG or JPEG file, which may have any size",
                  "pixels come as %zu x %zu x %zu numbers from 0 to 255", about->height,
                  about->width, about->channels);
      return PREDICT_REPLIED;
    }
  }
  return predict_pixels_take(req, about, pixels, count, us_per_row, budget_us, input);
}

/* {"b64": …} at once or as the only member of an object, or base64 itself; NULL = neither. */
static const json_t *
coded_image(const json_t *item)
{
  const json_t *coded = json_object_get(item, "b64");

  if (!coded && json_object_size(item) == 1)
  {
    item = json_object_iter_value(json_object_iter((json_t *) (uintptr_t) item));
    coded = json_object_get(item, "b64");
  }
  return coded ? coded : item;
}

static enum predict_read
image_list_read(struct http_request *req, const struct model_about *about, const json_t *list,
                const char *place, double us_per_row, double budget_us, struct predict_input *input)
{
  size_t count = json_array_size(list), index;
  struct predict_image *images;
  json_t *item;

  if (count == 0 || count > req->limits->predict_rows)
  {
    reply_fault(req, E_INVALID, place, NULL, "send a list of 1 to %zu images",
                req->limits->predict_rows);
    return PREDICT_REPLIED;
  }
  if (json_is_array(json_array_get(list, 0)))
    return pixel_list_read(req, about, list, place, us_per_row, budget_us, input);
  images = arena_array(req->arena, count, sizeof *images);
  if (!images)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return PREDICT_REPLIED;
  }
  json_array_foreach(list, index, item)
  {
    predict_image_from_base64(req->arena, coded_image(item),
                              json_pointer_index(req->arena, place, index), &images[index]);
  }
  return predict_images_read(req, about, images, count, us_per_row, budget_us, input);
}

/* ---- lists and columns ------------------------------------------------------------------------------ */

enum predict_read
dialect_list_read(struct http_request *req, const struct model_about *about, const json_t *list,
                  const char *place, double us_per_row, double budget_us,
                  struct predict_input *input)
{
  if (!json_is_array(list))
  {
    reply_fault(req, E_INVALID, place, NULL, "this must be a list, an item per row or image");
    return PREDICT_REPLIED;
  }
  if (us_per_row * (double) json_array_size(list) > budget_us)
    return PREDICT_DEAR;
  return about->input == DATASET_IMAGES
           ? image_list_read(req, about, list, place, us_per_row, budget_us, input)
           : table_list_read(req, about, list, place, input);
}

/* Lists of one length, by column; false when it replied. */
static bool
columns_fit(struct http_request *req, const json_t *object, const char *place, size_t *rows)
{
  const char *name, *first = NULL;
  json_t *list;

  *rows = 0;
  json_object_foreach((json_t *) (uintptr_t) object, name, list)
  {
    if (!json_is_array(list))
      reply_fault(req, E_INVALID, json_pointer(req->arena, place, name), NULL,
                  "this must be a list, a value per row");
    else if (first && json_array_size(list) != *rows)
      reply_fault(req, E_INVALID, json_pointer(req->arena, place, name),
                  "give every column a value per row", "%zu values are given, but \"%s\" has %zu",
                  json_array_size(list), first, *rows);
    else
    {
      first = name;
      *rows = json_array_size(list);
      continue;
    }
    return false;
  }
  return true;
}

enum predict_read
dialect_columns_read(struct http_request *req, const struct model_about *about,
                     const json_t *object, const char *place, double us_per_row, double budget_us,
                     struct predict_input *input)
{
  enum predict_read result = PREDICT_DEAR;
  json_t *rows, *list;
  const char *name;
  size_t count;

  if (about->input == DATASET_IMAGES && json_object_size(object) == 1)
  {
    void *only = json_object_iter((json_t *) (uintptr_t) object);
    return dialect_list_read(req, about, json_object_iter_value(only),
                             json_pointer(req->arena, place, json_object_iter_key(only)),
                             us_per_row, budget_us, input);
  }
  if (about->input == DATASET_IMAGES)
  {
    reply_fault(req, E_INVALID, place, NULL, "this model takes one input: a list of images");
    return PREDICT_REPLIED;
  }
  if (!columns_fit(req, object, place, &count))
    return PREDICT_REPLIED;
  input->place = place;
  input->by_column = true;
  rows = json_array();
  for (size_t i = 0; i < count && count <= req->limits->predict_rows; i++)
  {
    json_t *row = json_object();
    json_object_foreach((json_t *) (uintptr_t) object, name, list)
    {
      json_object_set_new(row, name, plain_value(json_array_get(list, i)));
    }
    json_array_append_new(rows, row);
  }
  if (count > req->limits->predict_rows)
  {
    reply_fault(req, E_INVALID, place, NULL, "%zu rows are too many; send at most %zu at a time",
                count, req->limits->predict_rows);
    result = PREDICT_REPLIED;
  }
  else if (us_per_row * (double) count <= budget_us)
    result = predict_rows_read(req, about, rows, false, input);
  json_decref(rows);
  return result;
}

/* False when it replied. */
static bool
names_fit(struct http_request *req, const json_t *names, const char *place)
{
  json_t *seen = json_object(), *name;
  bool good = json_array_size(names) > 0 && json_array_size(names) <= req->limits->columns;
  size_t index;

  json_array_foreach(names, index, name)
  {
    good = good && json_is_string(name) && !json_object_get(seen, json_string_value(name))
           && json_object_set_new(seen, json_string_value(name), json_true()) == 0;
  }
  json_decref(seen);
  if (!good)
    reply_fault(req, E_INVALID, json_pointer(req->arena, place, "columns"), NULL,
                "this must be a list of the columns' names, each once");
  return good;
}

json_t *
dialect_rows_named(struct http_request *req, const json_t *names, const json_t *rows,
                   const char *place)
{
  size_t count = json_array_size(names), index;
  const char *at = json_pointer(req->arena, place, "data");
  json_t *out, *item;

  if (!names_fit(req, names, place))
    return NULL;
  if (json_array_size(rows) == 0 || json_array_size(rows) > req->limits->predict_rows)
  {
    reply_fault(req, E_INVALID, at, NULL, "send a list of 1 to %zu rows",
                req->limits->predict_rows);
    return NULL;
  }
  out = json_array();
  json_array_foreach(rows, index, item)
  {
    json_t *row = json_object();
    for (size_t c = 0; c < count; c++)
      json_object_set(row, json_string_value(json_array_get(names, c)), json_array_get(item, c));
    json_array_append_new(out, row);
    if (json_array_size(item) == count)
      continue;
    reply_fault(req, E_INVALID, json_pointer_index(req->arena, at, index), NULL,
                "this row has %zu values for %zu columns", json_array_size(item), count);
    json_decref(out);
    return NULL;
  }
  return out;
}

/* ---- answers --------------------------------------------------------------------------------------- */

const char *
dialect_label(const struct model_about *about, const float *outputs)
{
  const struct task *task = about->task;

  return task->class_names[decision_class(&about->decision, outputs, task->class_count)];
}

void
dialect_write_numbers(const float *numbers, size_t count, struct buf *out)
{
  buf_append(out, "[", 1);
  for (size_t i = 0; i < count; i++)
  {
    if (i > 0)
      buf_append(out, ",", 1);
    predict_write_float(numbers[i], out);
  }
  buf_append(out, "]", 1);
}

void
dialect_reply_text(struct http_request *req, struct buf *text)
{
  if (text->failed)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else
    http_reply_buf(req, 200, "application/json", text);
  buf_free(text);
}
