/* GET …/issues: what may be wrong with a dataset. */
#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "base/text.h"
#include "data/issues.h"
#include "server/dataset_cache.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "sql/db_dataset.h"
#include "sql/db_folds.h"

#define ROWS_LOOKED_AT ((size_t) 100000)
#define SECONDS 10.0
#define POOL_WAIT_S 2.0
#define EXAMPLES 20

struct look
{
  struct http_request *req;
  struct db_dataset row;
  struct dataset *dataset;
  const char *target, *task;
  bool has_suspects;
  struct db_label_suspects suspects;
};

/* ?target and ?task, as the schema allows. False when it replied. */
static bool
read_query(struct look *look)
{
  static const char *const known[] = {"version", "target", "task", NULL};
  struct http_request *req = look->req;

  if (!http_query_known(req, known))
    return false;
  look->target = http_query(req, "target");
  look->task = http_query(req, "task");
  return true;
}

/* False when it replied. */
static bool
check_query(struct look *look)
{
  struct http_request *req = look->req;
  bool images = strcmp(look->row.kind, "images") == 0, found = false;
  json_t *schema = view_json(look->row.schema), *column;
  size_t index;

  json_array_foreach(json_object_get(schema, "columns"), index, column)
  {
    found =
      found || (look->target && strcmp(json_get_string(column, "name", ""), look->target) == 0);
  }
  json_decref(schema);
  if (images && look->target)
    reply_fault(req, E_INVALID, "/target", "leave it out: the labels are the target",
                "a set of images has no columns");
  else if (!images && look->target && !found)
    reply_fault(req, E_INVALID, "/target", "GET the dataset to see its columns",
                "there is no column \"%.100s\"", look->target);
  else if (look->task && strcmp(look->task, "classification") != 0
           && strcmp(look->task, "regression") != 0 && strcmp(look->task, "binary") != 0
           && strcmp(look->task, "multiclass") != 0)
    reply_fault(req, E_INVALID, "/task", "give classification, binary, multiclass or regression",
                "there is no task \"%.40s\"", look->task);
  else
    return true;
  return false;
}

static bool
read_rows(struct look *look, struct db_conn *conn)
{
  struct http_request *req = look->req;
  struct err_info info = {.code = ERR_OK};
  int64_t version;
  enum db_status status;

  if (!http_query_integer(req, "version", 1, 1000000, 0, &version))
    return false;
  status = db_dataset_get(conn, req->tenant_id, http_arg(req, "dataset"), (int) version, req->arena,
                          &look->row);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
    return false;
  }
  if (strcmp(look->row.state, "ready") != 0)
  {
    http_reply_error(req, E_DATASET_NOT_READY,
                     arena_printf(req->arena, "dataset %s is %s", look->row.id, look->row.state));
    return false;
  }
  if (!check_query(look))
    return false;
  status = db_label_suspects(conn, req->tenant_id, look->row.id, look->row.version, look->target,
                             req->arena, &look->suspects);
  if (status < DB_NONE)
  {
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
    return false;
  }
  look->has_suspects = status == DB_ROWS;
  if (dataset_cache_open(req->server->datasets, conn, &look->row, &look->dataset, &info) == ERR_OK)
    return true;
  reply_failure(req, &info);
  return false;
}

/* What models that had not seen the rows say of their labels. */
static json_t *
suspects_json(const struct look *look)
{
  const struct db_label_suspects *found = &look->suspects;
  json_t *list = view_json(found->list), *rows = json_array(), *item, *issue;
  const char *message;
  size_t index;

  json_array_foreach(list, index, item)
  {
    if (index < EXAMPLES)
      json_array_append(rows, json_object_get(item, "row"));
  }
  message =
    arena_printf(look->req->arena,
                 "%lld %slabels look wrong to version %d of model \"%s\", which had not seen them",
                 (long long) found->count,
                 strcmp(found->estimate, "holdout") == 0 ? "of the held-out rows' " : "",
                 found->version, found->model_name);
  issue = issue_json("label_suspects", "warning", look->target, (size_t) found->count, rows,
                     message, "look at these rows first; a model can be wrong, too");
  if (!issue)
  {
    json_decref(list);
    return NULL;
  }
  json_object_set_new(issue, "job", json_string(found->job_id));
  json_object_set_new(issue, "suspects", list);
  return issue;
}

static void
reply(struct look *look)
{
  struct issues_request request = {.dataset = look->dataset,
                                   .target = look->target,
                                   .task_name = look->task,
                                   .row_limit = ROWS_LOOKED_AT,
                                   .seconds = SECONDS};
  struct err_info info = {.code = ERR_OK};
  json_t *found = NULL, *suspects;
  enum err rc = issues_find(&request, &found, &info);

  if (rc != ERR_OK)
  {
    if (rc == ERR_MEMORY)
      info.code = ERR_UNAVAILABLE;
    reply_failure(look->req, &info);
    return;
  }
  json_object_set_new(found, "dataset", json_string(look->row.id));
  json_object_set_new(found, "version", json_integer(look->row.version));
  json_object_set_new(found, "target", look->target ? json_string(look->target) : json_null());
  if (look->has_suspects && look->suspects.count > 0 && (suspects = suspects_json(look)))
    json_array_append_new(json_object_get(found, "issues"), suspects);
  http_reply_json(look->req, 200, found);
}

enum http_outcome
handle_dataset_issues(struct http_request *req)
{
  struct look look = {.req = req};
  struct err_info info = {.code = ERR_OK};
  struct db_conn *conn = NULL;
  bool fine;

  if (!read_query(&look))
    return HTTP_REPLIED;
  /* given back before the looking, which may take seconds */
  if (db_acquire(req->server->db, POOL_WAIT_S, &conn, &info) != ERR_OK)
  {
    reply_failure(req, &info);
    return HTTP_REPLIED;
  }
  fine = read_rows(&look, conn);
  db_release(req->server->db, conn);
  if (fine)
    reply(&look);
  if (look.dataset)
    dataset_close(look.dataset);
  return HTTP_REPLIED;
}
