#include <config.h>

#include "server/handler/handlers.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/text.h"
#include "data/ingest.h"
#include "data/table.h"
#include "server/dataset_cache.h"
#include "server/handler/common.h"
#include "server/ingest_job.h"
#include "server/json_view.h"
#include "sql/db_dataset.h"

struct change
{
  struct db_dataset row; /* the version it starts from */
  json_t *edit;          /* {"columns": {name: type}} */
};

/* ---- the body -------------------------------------------------------------------------------------- */

static const char *
nearest_column(const json_t *columns, const char *name, struct arena *arena)
{
  size_t count = json_array_size(columns), index;
  const char **names = arena_array(arena, count, sizeof *names);
  json_t *column;

  if (!names)
    return NULL;
  json_array_foreach(columns, index, column)
  {
    names[index] = json_get_string(column, "name", "");
  }
  return text_nearest(name, names, count);
}

static bool
has_column(const json_t *columns, const char *name)
{
  size_t index;
  json_t *column;

  json_array_foreach(columns, index, column)
  {
    if (strcmp(json_get_string(column, "name", ""), name) == 0)
      return true;
  }
  return false;
}

/* The type, or {"type", "format"}: either, or both. */
static void
check_wanted(const json_t *value, const char *pointer, struct json_faults *faults)
{
  static const struct json_field fields[] = {
    {.name = "type", .kind = JSON_KIND_STRING},
    {.name = "format",
     .kind = JSON_KIND_STRING,
     .hint = "dates: iso, dmy, mdy; numbers: decimal_point, decimal_comma, thousands_comma, "
             "thousands_point"},
    JSON_FIELD_END};
  const json_t *wanted = json_is_object(value) ? json_object_get(value, "type") : value;
  bool has_format = json_is_string(json_object_get(value, "format"));
  enum column_type type;

  if (json_is_object(value))
    json_check(value, fields, pointer, faults);
  if (has_format && !wanted)
    return;
  if (!json_is_string(wanted) || !column_type_parse(json_string_value(wanted), &type))
    json_fault_add(faults, pointer, "numeric, categorical, boolean, datetime, text or identifier",
                   "must be the type of the column, or {\"type\", \"format\"}");
}

static void
check_columns(struct arena *arena, const json_t *wanted, const json_t *columns,
              struct json_faults *faults)
{
  const char *name;
  json_t *value;

  json_object_foreach((json_t *) wanted, name, value)
  {
    const char *pointer = json_pointer(arena, "/columns", name);
    const char *near;
    if (!has_column(columns, name))
    {
      near = nearest_column(columns, name, arena);
      json_fault_add(faults, pointer,
                     near ? arena_printf(arena, "did you mean \"%s\"?", near) : NULL,
                     "the dataset has no column \"%s\"", name);
    }
    check_wanted(value, pointer, faults);
  }
}

/* False when it replied. */
static bool
check_body(struct http_request *req, const struct change *change, const json_t *columns)
{
  static const struct json_field fields[] = {
    {.name = "columns",
     .kind = JSON_KIND_OBJECT,
     .required = true,
     .hint = "{\"zip\": \"identifier\"}"},
    {.name = "version", .kind = JSON_KIND_INTEGER, .min = 1, .max = 1e9},
    JSON_FIELD_END};
  const json_t *wanted = json_object_get(req->json, "columns");
  struct json_faults faults;

  json_faults_init(&faults, req->arena);
  if (!json_is_object(req->json))
    json_fault_add(&faults, "", "send {\"columns\": {\"zip\": \"identifier\"}}",
                   "the body must be a JSON object");
  else
  {
    json_check(req->json, fields, "", &faults);
    if (json_is_object(wanted) && json_object_size(wanted) == 0)
      json_fault_add(&faults, "/columns", "name the columns to change and their types",
                     "no column is named");
    check_columns(req->arena, wanted, columns, &faults);
  }
  if (faults.count > 0)
  {
    http_reply_faults(req, E_INVALID, &faults);
    return false;
  }
  if (json_get_integer(req->json, "version", change->row.version) == change->row.version)
    return true;
  http_reply_error(req, E_CONFLICT,
                   arena_printf(req->arena,
                                "the newest version is %d now; look at it and try again",
                                change->row.version));
  return false;
}

/* The dataset as it is, and the body checked against it. False when it replied. */
static bool
read_change(struct http_request *req, struct db_conn *conn, struct change *change)
{
  enum db_status status =
    db_dataset_get(conn, req->tenant_id, http_arg(req, "dataset"), 0, req->arena, &change->row);
  json_t *schema;
  bool fine = false;

  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
    return false;
  }
  schema = view_json(change->row.schema);
  if (strcmp(change->row.state, "ready") != 0)
    http_reply_error(
      req, E_DATASET_NOT_READY,
      arena_printf(req->arena, "dataset %s is %s", change->row.id, change->row.state));
  else if (!json_is_array(json_object_get(schema, "columns")))
    http_reply_error(req, E_CONFLICT, "a set of images has no columns to correct");
  else
    fine = check_body(req, change, json_object_get(schema, "columns"));
  json_decref(schema);
  change->edit = fine ? json_pack("{s:O}", "columns", json_object_get(req->json, "columns")) : NULL;
  return fine;
}

/* ---- the new version ------------------------------------------------------------------------------- */

static long
read_content(void *context, char *bytes, size_t size)
{
  ssize_t got;

  do
    got = read(*(const int *) context, bytes, size);
  while (got < 0 && errno == EINTR);
  return (long) got;
}

static bool
rewind_content(void *context)
{
  return lseek(*(const int *) context, 0, SEEK_SET) == 0;
}

/* Values that the new type can't hold: as faults of the columns asked for. */
static void
reply_unfit(struct http_request *req, const struct ingest_result *result,
            const struct err_info *info)
{
  struct json_faults faults;
  size_t index;
  json_t *item;

  json_faults_init(&faults, req->arena);
  json_array_foreach(result->faults, index, item)
  {
    const char *column = json_get_string(item, "column", NULL);
    struct json_fault fault = {.pointer =
                                 column ? json_pointer(req->arena, "/columns", column) : "/columns",
                               .message = json_get_string(item, "message", info->text),
                               .value = json_get_string(item, "value", NULL),
                               .hint = json_get_string(item, "hint", NULL),
                               .row = (size_t) json_get_integer(item, "row", 0),
                               .column = column};
    json_fault_add_full(&faults, &fault);
  }
  if (faults.count == 0)
    json_fault_add(&faults, "/columns", NULL, "%s", info->text);
  http_reply_faults(req, E_INVALID, &faults);
}

static void
store_version(struct http_request *req, struct db_conn *conn, const struct change *change,
              const struct ingest_outcome *outcome, const char *path, int fd)
{
  struct db_dataset_content content = {.kind = outcome->kind,
                                       .bytes = outcome->bytes,
                                       .rows = outcome->rows,
                                       .schema = outcome->schema,
                                       .read_fn = read_content,
                                       .rewind_fn = rewind_content,
                                       .context = &fd};
  enum db_status status = DB_HARD;
  struct db_dataset row;
  int version;

  memcpy(content.sha256, outcome->sha256, sizeof content.sha256);
  if (rewind_content(&fd))
    status = db_dataset_add_version(conn, req->tenant_id, change->row.id, change->row.version,
                                    &content, &version);
  if (status == DB_NONE)
  {
    http_reply_error(req, E_CONFLICT,
                     "the dataset was changed meanwhile; look at it and try again");
    return;
  }
  if (status == DB_ROWS)
    status = db_dataset_get(conn, req->tenant_id, change->row.id, version, req->arena, &row);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
    return;
  }
  /* a file that can't be kept here is fetched when it is needed */
  dataset_cache_put(req->server->datasets, path, outcome->sha256, NULL);
  http_reply_created(req, 201,
                     arena_printf(req->arena, "/api/v1/datasets/%s?version=%d", row.id, version),
                     view_dataset(&row));
}

static void
make_version(struct http_request *req, struct db_conn *conn, const struct change *change,
             const char *path, int input, int output)
{
  struct ingest_request request = {.kind = INGEST_EDIT,
                                   .input_fd = input,
                                   .labels_fd = -1,
                                   .output_fd = output,
                                   .edit = change->edit,
                                   .limits = ingest_job_limits(req->server)};
  struct ingest_result result = {.schema = NULL};
  struct ingest_outcome outcome = {.ready = false};
  struct err_info info = {.code = ERR_OK};
  enum err rc = ingest_run(&request, &result, &info);

  if (rc == ERR_OK)
    rc = ingest_outcome_fill(&outcome, &result, &info);
  if (rc == ERR_OK)
    store_version(req, conn, change, &outcome, path, output);
  else if (rc == ERR_INVALID || rc == ERR_LIMIT)
    reply_unfit(req, &result, &info);
  else
    reply_failure(req, &info);
  ingest_outcome_free(&outcome);
  ingest_result_clear(&result);
}

enum http_outcome
handle_datasets_schema_patch(struct http_request *req)
{
  struct err_info info = {.code = ERR_OK};
  struct change change = {.edit = NULL};
  struct db_conn *conn = http_db(req);
  int input = -1, output = -1;
  char *path = NULL;

  if (!conn || !read_change(req, conn, &change))
    return HTTP_REPLIED;
  if (dataset_cache_file(req->server->datasets, conn, &change.row, &input, &info) != ERR_OK
      || dataset_cache_temporary(req->server->datasets, &path, &output, &info) != ERR_OK)
    reply_failure(req, &info);
  else
    make_version(req, conn, &change, path, input, output);
  if (output >= 0)
  {
    close(output);
    unlink(path); /* gone already when it was put in the cache */
  }
  if (input >= 0)
    close(input);
  free(path);
  json_decref(change.edit);
  return HTTP_REPLIED;
}
