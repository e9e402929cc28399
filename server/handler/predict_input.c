#include <config.h>

#include "server/handler/predict_input.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/predict_explain.h"
#include "server/handler/predict_images.h"
#include "server/handler/predict_interval.h"
#include "server/handler/predict_threshold.h"
#include "server/handler/predict_unusual.h"

enum body_kind
{
  BODY_JSON,
  BODY_CSV,
  BODY_IMAGE,
  BODY_PIXELS,
  BODY_FORM,
  BODY_OTHER
};

static enum body_kind
body_kind(const struct http_request *req)
{
  const char *type = req->content_type;

  if (strcmp(type, "application/json") == 0)
    return BODY_JSON;
  /* what curl -d sends, and nothing at all: JSON, but not from a browser's form */
  if (!req->by_cookie && (!*type || strcmp(type, "application/x-www-form-urlencoded") == 0))
    return BODY_JSON;
  if (strcmp(type, "text/csv") == 0 || strcmp(type, "text/tab-separated-values") == 0)
    return BODY_CSV;
  if (strcmp(type, "image/png") == 0 || strcmp(type, "image/jpeg") == 0)
    return BODY_IMAGE;
  if (strcmp(type, "application/octet-stream") == 0)
    return BODY_PIXELS;
  if (strcmp(type, "multipart/form-data") == 0)
    return BODY_FORM;
  return BODY_OTHER;
}

bool
predict_type_known(struct http_request *req)
{
  if (body_kind(req) != BODY_OTHER)
    return true;
  http_reply_error(
    req, E_UNSUPPORTED_MEDIA_TYPE,
    "send application/json, text/csv, text/tab-separated-values, image/png, image/jpeg, "
    "application/octet-stream or multipart/form-data");
  return false;
}

static enum predict_read
reply_wrong_input(struct http_request *req, const struct model_about *about)
{
  http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                   about->input == DATASET_IMAGES
                     ? "this model takes images: image/png, image/jpeg, multipart files, "
                       "{\"images\": [base64]}, or "
                       "raw pixels as application/octet-stream"
                     : "this model takes rows: {\"rows\": [{…}]} or text/csv");
  return PREDICT_REPLIED;
}

/* ---- rows ------------------------------------------------------------------------------------------ */

enum predict_read
predict_batch_take(struct http_request *req, struct row_batch *batch, struct predict_input *input)
{
  input->batch = batch;
  input->count = row_batch_table(batch)->row_count;
  input->good = calloc(input->count ? input->count : 1, sizeof *input->good);
  if (!input->good)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return PREDICT_REPLIED;
  }
  for (size_t i = 0; i < input->count; i++)
    if (json_array_size(row_batch_faults(batch, i)) == 0)
      input->good[input->good_count++] = i;
  return PREDICT_READ;
}

enum predict_read
predict_rows_read(struct http_request *req, const struct model_about *about, const json_t *rows,
                  bool strict, struct predict_input *input)
{
  struct err_info info = {.code = ERR_OK};
  struct row_batch *batch = NULL;
  enum err rc =
    row_batch_from_json(about->schema, rows, strict, req->limits->predict_rows, &batch, &info);

  if (rc == ERR_OK)
    return predict_batch_take(req, batch, input);
  if (rc == ERR_INVALID || rc == ERR_LIMIT)
    reply_fault(req, E_INVALID, input->place ? input->place : "/rows", NULL, "%s", info.text);
  else
    reply_failure(req, &info);
  return PREDICT_REPLIED;
}

enum predict_read
predict_csv_read(struct http_request *req, const struct model_about *about, const char *bytes,
                 size_t length, bool strict, struct predict_input *input)
{
  struct err_info info = {.code = ERR_OK};
  struct row_batch *batch = NULL;
  enum err rc = row_batch_from_csv(about->schema, bytes, length, strict, req->limits->predict_rows,
                                   &batch, &info);

  if (rc == ERR_OK)
    return predict_batch_take(req, batch, input);
  if (rc == ERR_INVALID || rc == ERR_LIMIT)
    reply_fault(req, E_INVALID, "", "send a header line with the columns' names, then rows", "%s",
                info.text);
  else
    reply_failure(req, &info);
  return PREDICT_REPLIED;
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static enum predict_read
read_json_images(struct http_request *req, const struct model_about *about, const json_t *list,
                 double us_per_row, double budget_us, struct predict_input *input)
{
  size_t count = json_array_size(list), index;
  struct predict_image *images;
  json_t *item;

  if (count == 0 || count > req->limits->predict_rows)
  {
    reply_fault(req, E_INVALID, "/images", NULL, "send 1 to %zu images", req->limits->predict_rows);
    return PREDICT_REPLIED;
  }
  images = arena_array(req->arena, count, sizeof *images);
  if (!images)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return PREDICT_REPLIED;
  }
  json_array_foreach(list, index, item)
  {
    predict_image_from_base64(req->arena, item, json_pointer_index(req->arena, "/images", index),
                              &images[index]);
  }
  return predict_images_read(req, about, images, count, us_per_row, budget_us, input);
}

/* "1" or "true", "0" or "false"; absent is false. False when it is none of them. */
static bool
strict_parse(const char *text, bool *strict)
{
  *strict = text && (strcmp(text, "1") == 0 || strcmp(text, "true") == 0);
  return !text || *strict || strcmp(text, "0") == 0 || strcmp(text, "false") == 0;
}

bool
predict_query_check(struct http_request *req)
{
  static const char *const known[] = {"strict",  "threshold", "interval",
                                      "explain", "unusual",   NULL};
  double threshold, level;
  struct explain_wish explain = {.wanted = false};
  bool strict, unusual;

  if (!http_query_known(req, known))
    return false;
  if (strict_parse(http_query(req, "strict"), &strict))
    return predict_threshold_parse(req, http_query(req, "threshold"), &threshold)
           && predict_interval_parse(req, http_query(req, "interval"), &level)
           && predict_explain_parse(req, http_query(req, "explain"), &explain)
           && predict_unusual_parse(req, http_query(req, "unusual"), &unusual);
  http_reply_error(req, E_BAD_REQUEST, "?strict must be 1, 0, true or false.");
  return false;
}

static bool
query_strict(struct http_request *req)
{
  bool strict;

  strict_parse(http_query(req, "strict"), &strict);
  return strict;
}

/* The members of a predict call in JSON. False when it replied. */
static bool
check_json(struct http_request *req, const struct model_about *about, const json_t *body)
{
  static const struct json_field fields[] = {
    {.name = "rows", .kind = JSON_KIND_ARRAY, .hint = "a list of objects, one per row"},
    {.name = "images", .kind = JSON_KIND_ARRAY, .hint = "a list of strings in base64"},
    {.name = "strict", .kind = JSON_KIND_BOOLEAN},
    {.name = "threshold",
     .kind = JSON_KIND_NUMBER,
     .nullable = true,
     .min = 0,
     .max = 1,
     .hint = "a number such as 0.3"},
    {.name = "interval",
     .kind = JSON_KIND_NUMBER,
     .nullable = true,
     .min = 0,
     .max = 1,
     .hint = "a number such as 0.9"},
    {.name = "explain", .kind = JSON_KIND_ANY, .nullable = true},
    {.name = "unusual", .kind = JSON_KIND_BOOLEAN, .nullable = true},
    JSON_FIELD_END};
  const char *wanted = about->input == DATASET_IMAGES ? "images" : "rows";
  const char *other = about->input == DATASET_IMAGES ? "rows" : "images";
  struct json_faults faults;

  json_faults_init(&faults, req->arena);
  if (!json_is_object(body))
    json_fault_add(&faults, "", "send {\"rows\": [{…}]}", "the body must be a JSON object");
  else
  {
    json_check(body, fields, "", &faults);
    if (json_object_get(body, other))
      json_fault_add(&faults, json_pointer(req->arena, "", other), NULL,
                     "this model takes %s, not %s", wanted, other);
    else if (!json_object_get(body, wanted))
      json_fault_add(&faults, json_pointer(req->arena, "", wanted), NULL,
                     "the member \"%s\" is missing", wanted);
  }
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  return faults.count == 0;
}

/* The common body, rows and nothing else, needs no tree of JSON. False for any other: nothing was done. */
static bool
scan_rows(struct http_request *req, const struct model_about *about, double us_per_row,
          double budget_us, struct predict_input *input, enum predict_read *result)
{
  struct row_batch *batch;

  if (!row_batch_scan(about->schema, req->body, req->body_length, req->limits->predict_rows,
                      &batch))
    return false;
  if (us_per_row * (double) row_batch_table(batch)->row_count > budget_us)
  {
    row_batch_free(batch);
    *result = PREDICT_DEAR;
  }
  else
    *result = predict_batch_take(req, batch, input);
  return true;
}

static enum predict_read
read_json(struct http_request *req, const struct model_about *about, double us_per_row,
          double budget_us, struct predict_input *input)
{
  struct err_info info = {.code = ERR_OK};
  enum predict_read result = PREDICT_REPLIED;
  const json_t *rows;
  json_t *body = NULL;

  if (about->input == DATASET_TABLE && scan_rows(req, about, us_per_row, budget_us, input, &result))
    return result;
  enum err err =
    json_parse(req->body, req->body_length, req->server->limits.json_depth, &body, &info);
  if (err)
  {
    if (err == ERR_MEMORY)
      http_reply_error(req, E_INTERNAL, NULL);
    else
      http_reply_error(req, E_BAD_JSON, info.text);
    return PREDICT_REPLIED;
  }
  rows = json_object_get(body, "rows");
  if (check_json(req, about, body))
  {
    input->threshold = json_get_number(body, "threshold", input->threshold);
    input->interval = json_get_number(body, "interval", input->interval);
    input->unusual = json_get_bool(body, "unusual", input->unusual);
    if (!predict_threshold_fits(req, about, input->threshold)
        || !predict_interval_fits(req, about, input->interval)
        || !predict_explain_read(req, json_object_get(body, "explain"), &input->explain))
    {
      json_decref(body);
      return PREDICT_REPLIED;
    }
    if (about->input == DATASET_IMAGES)
      result =
        read_json_images(req, about, json_object_get(body, "images"), us_per_row, budget_us, input);
    else if (us_per_row * (double) json_array_size(rows) > budget_us)
      result = PREDICT_DEAR;
    else
      result = predict_rows_read(req, about, rows, json_get_bool(body, "strict", query_strict(req)),
                                 input);
  }
  json_decref(body);
  return result;
}

/* ---- forms ----------------------------------------------------------------------------------------- */

/* Every part is a "file", "strict", "threshold" or "interval". False when it replied. */
static bool
check_form(struct http_request *req, const struct http_part *parts, size_t count, size_t *files,
           bool *strict, struct predict_input *input)
{
  struct json_faults faults;

  *files = 0;
  json_faults_init(&faults, req->arena);
  for (size_t i = 0; i < count; i++)
    if (strcmp(parts[i].name, "file") == 0)
      ++*files;
    else if (strcmp(parts[i].name, "strict") == 0 && parts[i].value)
    {
      if (!strict_parse(parts[i].value, strict))
        json_fault_add(&faults, "/strict", "send 1, 0, true or false", "must be a boolean");
    }
    else if (strcmp(parts[i].name, "threshold") == 0 && parts[i].value)
    {
      if (!predict_threshold_parse(req, parts[i].value, &input->threshold))
        return false;
    }
    else if (strcmp(parts[i].name, "interval") == 0 && parts[i].value)
    {
      if (!predict_interval_parse(req, parts[i].value, &input->interval))
        return false;
    }
    else
      json_fault_add(&faults, json_pointer(req->arena, "", parts[i].name),
                     "the parts are file, strict, threshold and interval",
                     "there is no part \"%s\" here", parts[i].name);
  if (*files == 0)
    json_fault_add(&faults, "/file", "send each image, or one CSV, as a part named file",
                   "no file was sent");
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  return faults.count == 0;
}

static enum predict_read
read_form(struct http_request *req, const struct model_about *about, double us_per_row,
          double budget_us, struct predict_input *input)
{
  struct predict_image *images;
  struct http_part *parts;
  size_t part_count, files, index = 0;
  bool strict = query_strict(req);

  if (!http_body_parts(req, &parts, &part_count)
      || !check_form(req, parts, part_count, &files, &strict, input)
      || !predict_threshold_fits(req, about, input->threshold)
      || !predict_interval_fits(req, about, input->interval))
    return PREDICT_REPLIED;
  images = arena_array(req->arena, files, sizeof *images);
  if (!images)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return PREDICT_REPLIED;
  }
  for (size_t i = 0; i < part_count; i++)
    if (strcmp(parts[i].name, "file") == 0)
    {
      images[index] =
        (struct predict_image){.bytes = parts[i].value,
                               .length = (size_t) parts[i].size,
                               .pointer = json_pointer_index(req->arena, "/file", index),
                               .name = parts[i].file_name};
      index++;
    }
  if (about->input == DATASET_IMAGES)
    return predict_images_read(req, about, images, files, us_per_row, budget_us, input);
  if (files == 1)
    return predict_csv_read(req, about, images[0].bytes, images[0].length, strict, input);
  reply_fault(req, E_INVALID, "/file", "send one CSV at a time", "%zu files were sent", files);
  return PREDICT_REPLIED;
}

/* ---- the whole ------------------------------------------------------------------------------------- */

size_t
predict_count_lines(const char *bytes, size_t length)
{
  size_t lines = 0;

  for (const char *at = bytes, *end = bytes + length; at < end; lines++)
  {
    const char *next = memchr(at, '\n', (size_t) (end - at));
    at = next ? next + 1 : end;
  }
  return lines;
}

enum predict_read
predict_input_read(struct http_request *req, const struct model_about *about, double us_per_row,
                   double budget_us, struct predict_input *input)
{
  enum body_kind kind = body_kind(req);
  struct predict_image image = {.bytes = req->body, .length = req->body_length, .pointer = ""};

  if (!predict_threshold_parse(req, http_query(req, "threshold"), &input->threshold)
      || !predict_threshold_fits(req, about, input->threshold)
      || !predict_interval_parse(req, http_query(req, "interval"), &input->interval)
      || !predict_interval_fits(req, about, input->interval)
      || !predict_explain_parse(req, http_query(req, "explain"), &input->explain)
      || !predict_unusual_parse(req, http_query(req, "unusual"), &input->unusual))
    return PREDICT_REPLIED;
  if (req->body_length == 0)
  {
    http_reply_error(req, E_BAD_REQUEST, "the body is empty: send rows or images");
    return PREDICT_REPLIED;
  }
  if ((kind == BODY_CSV && about->input == DATASET_IMAGES)
      || ((kind == BODY_IMAGE || kind == BODY_PIXELS) && about->input == DATASET_TABLE))
    return reply_wrong_input(req, about);
  if (kind != BODY_IMAGE && kind != BODY_PIXELS
      && PREDICT_US_PER_TEXT_BYTE * (double) req->body_length > budget_us)
    return PREDICT_DEAR;
  switch (kind)
  {
  case BODY_JSON:
    return read_json(req, about, us_per_row, budget_us, input);
  case BODY_CSV:
    if (us_per_row * (double) predict_count_lines(req->body, req->body_length) > budget_us)
      return PREDICT_DEAR;
    return predict_csv_read(req, about, req->body, req->body_length, query_strict(req), input);
  case BODY_IMAGE:
    return predict_images_read(req, about, &image, 1, us_per_row, budget_us, input);
  case BODY_PIXELS:
    return predict_pixels_read(req, about, us_per_row, budget_us, input);
  case BODY_FORM:
    return read_form(req, about, us_per_row, budget_us, input);
  case BODY_OTHER:
  default:
    predict_type_known(req);
    return PREDICT_REPLIED;
  }
}

void
predict_input_free(struct predict_input *input)
{
  row_batch_free(input->batch);
  free(input->good);
  free(input->owned_pixels);
  for (size_t i = 0; input->faults && i < input->count; i++)
    json_decref(input->faults[i]);
  free(input->faults);
  memset(input, 0, sizeof *input);
}

const json_t *
predict_input_faults(const struct predict_input *input, size_t row)
{
  if (input->batch)
    return row_batch_faults(input->batch, row);
  return input->faults ? input->faults[row] : NULL;
}

const json_t *
predict_input_warnings(const struct predict_input *input, size_t row)
{
  return input->batch ? row_batch_warnings(input->batch, row) : NULL;
}

bool
predict_warns_unknown(const json_t *warnings, const char *column)
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
