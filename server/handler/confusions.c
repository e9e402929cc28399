/* GET …/confusions: the held-out rows behind one cell of a version's confusion matrix. */
#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "base/json.h"
#include "server/dataset_cache.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "sql/db_confusion.h"
#include "sql/db_dataset.h"

/* The cell that is asked for. False when it replied. */
static bool
read_cell(struct http_request *req, struct db_conn *conn, struct db_confusion *cell)
{
  int version;
  enum db_status status = DB_NONE;

  if (version_of_path(req, &version))
    status =
      db_confusion_get(conn, req->tenant_id, http_arg(req, "model"), version,
                       http_query(req, "true"), http_query(req, "predicted"), req->arena, cell);
  if (status == DB_ROWS)
    return true;
  http_reply_db(req, status, E_MODEL_NOT_FOUND);
  return false;
}

static bool
check_names(struct http_request *req)
{
  static const char *const known[] = {"true", "predicted", NULL};
  struct json_faults faults;

  if (!http_query_known(req, known))
    return false;
  json_faults_init(&faults, req->arena);
  for (size_t i = 0; known[i]; i++)
    if (!http_query(req, known[i]))
      json_fault_add(&faults, arena_printf(req->arena, "/%s", known[i]), "send the name of a class",
                     "the parameter %s is missing", known[i]);
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  return faults.count == 0;
}

/* Whether the version has such a cell, and kept its rows. False when it replied. */
static bool
check_cell(struct http_request *req, const struct db_confusion *cell)
{
  struct json_faults faults;

  json_faults_init(&faults, req->arena);
  if (!cell->classes)
    json_fault_add(&faults, "", "see its report for the largest errors",
                   "the model predicts numbers, so it confuses no classes");
  else
  {
    static const char *const hint = "GET the model's schema to see its classes";
    if (cell->truth < 0)
      json_fault_add(&faults, "/true", hint, "there is no class \"%.100s\"",
                     http_query(req, "true"));
    if (cell->predicted < 0)
      json_fault_add(&faults, "/predicted", hint, "there is no class \"%.100s\"",
                     http_query(req, "predicted"));
  }
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  else if (!cell->kept)
    http_reply_error(req, E_CONFUSIONS_NOT_KEPT, NULL);
  return faults.count == 0 && cell->kept;
}

/* The dataset the rows are of; NULL in *dataset when it is gone. False when it replied. */
static bool
open_rows(struct http_request *req, struct db_conn *conn, const struct db_confusion *cell,
          struct db_dataset *row, struct dataset **dataset)
{
  struct err_info info = {.code = ERR_OK};
  enum db_status status = DB_NONE;

  if (cell->dataset_id)
    status = db_dataset_get(conn, req->tenant_id, cell->dataset_id, cell->dataset_version,
                            req->arena, row);
  if (status < DB_NONE)
  {
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
    return false;
  }
  if (status == DB_NONE || strcmp(row->state, "ready") != 0)
    return true;
  if (dataset_cache_open(req->server->datasets, conn, row, dataset, &info) == ERR_OK)
    return true;
  reply_failure(req, &info);
  return false;
}

/* Adds what the dataset has of a row: the values of a table, or the thumbnail of an image. */
static enum err
add_values(const struct dataset *dataset, size_t number, json_t *item, json_t *answer,
           struct err_info *info)
{
  json_t *view = NULL;
  enum err rc = dataset_preview(dataset, number, 1, &view, info);

  if (rc != ERR_OK)
    return rc;
  json_t *columns = json_object_get(view, "columns");
  json_t *image = json_array_get(json_object_get(view, "images"), 0);
  if (columns)
  {
    json_object_set(answer, "columns", columns);
    json_object_set(item, "values", json_array_get(json_object_get(view, "rows"), 0));
  }
  else if (image)
  {
    json_object_set(item, "label", json_object_get(image, "label"));
    json_object_set(item, "png_base64", json_object_get(image, "png_base64"));
  }
  json_decref(view);
  return ERR_OK;
}

static enum err
add_rows(const struct db_confusion *cell, const struct dataset *dataset, json_t *answer,
         struct err_info *info)
{
  json_t *kept = view_json(cell->rows), *items = json_array(), *one;
  enum err rc = ERR_OK;
  size_t index;

  json_array_foreach(kept, index, one)
  {
    json_t *item =
      json_pack("{s:O, s:O}", "row", json_array_get(one, 0), "probability", json_array_get(one, 1));
    if (item && dataset && rc == ERR_OK)
      rc = add_values(dataset, (size_t) json_integer_value(json_array_get(one, 0)), item, answer,
                      info);
    json_array_append_new(items, item);
  }
  json_decref(kept);
  json_object_set_new(answer, "rows", items);
  return rc;
}

static void
reply(struct http_request *req, const struct db_confusion *cell, const struct db_dataset *row,
      struct dataset *dataset)
{
  struct err_info info = {.code = ERR_OK};
  json_t *answer = json_pack(
    "{s:s, s:i, s:s, s:s, s:o, s:o}", "model", cell->model_name, "version", cell->version, "true",
    http_query(req, "true"), "predicted", http_query(req, "predicted"), "count",
    view_json(cell->count), "dataset",
    dataset ? json_pack("{s:s, s:i}", "id", row->id, "version", row->version) : json_null());

  if (add_rows(cell, dataset, answer, &info) == ERR_OK)
  {
    http_reply_json(req, 200, answer);
    return;
  }
  json_decref(answer);
  reply_failure(req, &info);
}

enum http_outcome
handle_model_confusions(struct http_request *req)
{
  struct dataset *dataset = NULL;
  struct db_confusion cell;
  struct db_dataset row;
  struct db_conn *conn;

  if (!check_names(req) || !(conn = http_db(req)) || !read_cell(req, conn, &cell)
      || !check_cell(req, &cell) || !open_rows(req, conn, &cell, &row, &dataset))
    return HTTP_REPLIED;
  reply(req, &cell, &row, dataset);
  if (dataset)
    dataset_close(dataset);
  return HTTP_REPLIED;
}
