#include <config.h>

#include "server/handler/batch_dataset.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "data/csv_write.h"
#include "server/dataset_cache.h"
#include "server/handler/common.h"
#include "server/handler/job_create.h"

#define PIECE_BYTES ((size_t) 1 << 18)

/* With the fewest digits that read back as the same number. */
static void
write_number(double value, struct buf *out)
{
  char text[40] = "";

  for (int digits = 6; digits <= 17 && isfinite(value); digits++)
  {
    snprintf(text, sizeof text, "%.*g", digits, value);
    if (strtod(text, NULL) == value)
      break;
  }
  buf_append_text(out, text);
}

static void
write_value(const struct column *column, size_t row, struct buf *out)
{
  if (column->type == COLUMN_NUMERIC)
  {
    write_number(column->number[row], out);
    return;
  }
  json_t *value = table_value_json(column, row);
  if (!value)
    out->failed = true;
  else if (json_is_string(value))
    csv_write_field(json_string_value(value), json_string_length(value), false, out);
  json_decref(value);
}

static void
write_row(const struct table *table, size_t row, struct buf *out)
{
  size_t before = out->length;

  for (size_t c = 0; c < table->column_count; c++)
  {
    if (c > 0)
      buf_append(out, ",", 1);
    write_value(&table->columns[c], row, out);
  }
  /* an empty line would be no row */
  if (out->length == before)
    buf_append_text(out, "\"\"");
  buf_append(out, "\n", 1);
}

static enum err
flush(struct buf *text, uint64_t most, struct spool_file *file, struct err_info *info)
{
  enum err rc = ERR_OK;

  if (text->failed)
    return err_set(info, ERR_UNAVAILABLE, "out of memory");
  if (file->size + text->length > most)
    return err_set(info, ERR_INVALID, "as a file it has more than %llu bytes",
                   (unsigned long long) most);
  if (text->length > 0)
    rc = spool_write(file, text->data, text->length, info);
  text->length = 0;
  return rc;
}

enum err
batch_dataset_write(const struct table *table, uint64_t most, struct spool_file *file,
                    struct err_info *info)
{
  struct buf text = {.data = NULL};
  enum err rc = ERR_OK;

  for (size_t c = 0; c < table->column_count; c++)
  {
    const char *name = table->columns[c].name;
    buf_append_text(&text, c > 0 ? "," : "");
    csv_write_field(name, strlen(name), *name == '\0', &text);
  }
  buf_append(&text, "\n", 1);
  for (size_t row = 0; row < table->row_count && rc == ERR_OK; row++)
  {
    write_row(table, row, &text);
    if (text.length >= PIECE_BYTES)
      rc = flush(&text, most, file, info);
  }
  if (rc == ERR_OK)
    rc = flush(&text, most, file, info);
  buf_free(&text);
  return rc;
}

/* ---- the request -------------------------------------------------------------------------------------- */

/* The members of the body. NULL when it replied; else a new reference. */
static json_t *
read_body(struct http_request *req, const struct http_part *body)
{
  static const struct json_field fields[] = {
    {.name = "dataset",
     .kind = JSON_KIND_STRING,
     .required = true,
     .min = 1,
     .max = 200,
     .hint = "the id that POST /api/v1/datasets gave"},
    {.name = "strict", .kind = JSON_KIND_BOOLEAN},
    {.name = "threshold", .kind = JSON_KIND_NUMBER, .nullable = true, .min = 0, .max = 1},
    {.name = "interval", .kind = JSON_KIND_NUMBER, .nullable = true, .min = 0, .max = 1},
    JSON_FIELD_END};
  struct err_info info = {.code = ERR_OK};
  struct buf text = {.data = NULL};
  struct json_faults faults;
  json_t *json = NULL;

  json_faults_init(&faults, req->arena);
  enum err rc = file_read_all(body->path, req->server->limits.json_bytes, &text, &info);
  if (rc == ERR_OK)
    rc = json_parse(text.data ? text.data : "", text.length, req->server->limits.json_depth, &json,
                    &info);
  buf_free(&text);
  if (rc != ERR_OK)
    http_reply_error(req, rc == ERR_LIMIT ? E_TOO_LARGE : E_BAD_JSON, info.text);
  else if (!json_is_object(json))
    reply_fault(req, E_INVALID, "", "send {\"dataset\": \"ds_…\"}",
                "the body must be a JSON object");
  else if (json_check(json, fields, "", &faults))
    return json;
  else
    http_reply_faults(req, E_INVALID, &faults);
  json_decref(json);
  return NULL;
}

/* The dataset's rows in a file that takes the part's place, and goes with the request as that would have. */
static bool
write_rows(struct http_request *req, const struct dataset *dataset, struct http_part *body)
{
  struct spool_file file = {.fd = -1};
  struct err_info info = {.code = ERR_OK};
  uint64_t most = req->limits->batch_bytes;
  enum err rc =
    spool_check_room(req->server->data_dir, most, req->server->limits.spool_reserve, &info);

  if (rc == ERR_OK)
    rc = spool_open(req->server->data_dir, &file, &info);
  if (rc == ERR_OK)
    rc = batch_dataset_write(dataset_table(dataset), most, &file, &info);
  if (rc == ERR_OK)
    rc = spool_close(&file, &info);
  const char *path = rc == ERR_OK ? arena_strdup(req->arena, file.path) : NULL;
  if (path)
  {
    unlink(body->path);
    body->path = path;
    body->size = file.size;
    return true;
  }
  spool_remove(&file);
  if (rc == ERR_INVALID)
    reply_fault(req, E_INVALID, "/dataset", "send its rows as several files", "%s", info.text);
  else
    reply_failure(req, &info);
  return false;
}

bool
batch_dataset_take(struct http_request *req, struct db_conn *conn, struct http_part *body,
                   struct batch_wish *wish)
{
  struct err_info info = {.code = ERR_OK};
  struct dataset *dataset = NULL;
  struct db_dataset row;
  bool done = false;
  json_t *json = read_body(req, body);

  if (json && job_dataset_find(req, conn, json, &row))
  {
    if (dataset_cache_open(req->server->datasets, conn, &row, &dataset, &info) != ERR_OK)
      reply_failure(req, &info);
    else if (!dataset_table(dataset))
      reply_fault(req, E_INVALID, "/dataset", "name a dataset of rows", "this one has images");
    else
      done = write_rows(req, dataset, body);
    dataset_close(dataset);
    body->file_name = row.name;
    wish->plain = true;
    wish->strict = json_get_bool(json, "strict", wish->strict);
    wish->threshold = json_get_number(json, "threshold", wish->threshold);
    wish->interval = json_get_number(json, "interval", wish->interval);
  }
  json_decref(json);
  return done;
}
