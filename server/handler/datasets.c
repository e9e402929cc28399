#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "base/clock.h"
#include "server/dataset_cache.h"
#include "server/handler/common.h"
#include "server/handler/dataset_ingest.h"
#include "server/ingest_queue.h"
#include "server/json_view.h"
#include "sql/db_dataset.h"

/* An upload that is parsed within this time is answered with its outcome. */
#define ANSWER_WITHIN_S 2.0
/* Held on the thread for the first moment, which suffices for most, then parked. */
#define HOLD_S 0.25
#define PARK_S 0.1
#define PREVIEW_ROWS_MAX 200
/* Statistics come from at most so many rows. */
#define PROFILE_ROWS 200000

/* ---- upload ---------------------------------------------------------------------------------------- */

struct post_state
{
  const char *dataset_id;
  double started_s;
};

static enum http_outcome
answer_upload(struct http_request *req, const struct post_state *state)
{
  struct db_conn *conn = http_db(req);
  const char *location = arena_printf(req->arena, "/api/v1/datasets/%s", state->dataset_id);
  struct db_dataset row;

  if (!conn)
    return HTTP_REPLIED;
  switch (dataset_ingest_look(req, conn, state->dataset_id, &row))
  {
  case DATASET_INGEST_READY:
    http_reply_created(req, 201, location, view_dataset(&row));
    break;
  case DATASET_INGEST_RUNNING:
    http_reply_created(req, 202, location, view_dataset(&row));
    break;
  case DATASET_INGEST_REPLIED:
  default:
    break;
  }
  return HTTP_REPLIED;
}

enum http_outcome
handle_datasets_post(struct http_request *req)
{
  static const char *const known[] = {"name", "image_size", NULL}, *const fields[] = {"name", NULL};
  struct post_state *state = req->state;
  const char *name;

  if (!state)
  {
    state = arena_alloc(req->arena, sizeof *state);
    if (!http_query_known(req, known))
      return HTTP_REPLIED;
    name = upload_field(req, "name");
    if (!dataset_ingest_begin(req, fields, name ? name : http_query(req, "name"),
                              &state->dataset_id))
      return HTTP_REPLIED;
    state->started_s = clock_monotonic_s();
    req->state = state;
  }
  if (ingest_queue_wait(req->server->ingest, state->dataset_id, req->pass == 0 ? HOLD_S : 0.0)
      || clock_monotonic_s() - state->started_s >= ANSWER_WITHIN_S || req->server->draining)
    return answer_upload(req, state);
  http_park(req, NULL, PARK_S);
  return HTTP_PARK;
}

/* ---- look ------------------------------------------------------------------------------------------ */

static json_t *
item_view(const void *row)
{
  return view_dataset(row);
}

static const char *
item_cursor(struct arena *arena, const void *row)
{
  const struct db_dataset *item = row;
  return db_cursor(arena, item->created_us, item->id);
}

enum http_outcome
handle_datasets_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_dataset), item_view, item_cursor};
  struct db_conn *conn;
  struct list_page page;
  struct db_dataset *rows = NULL;
  enum db_status status;
  size_t count = 0;

  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status =
    db_dataset_list(conn, req->tenant_id, page.cursor, page.limit + 1, req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

/* The dataset of the path, at ?version (newest by default). False when it replied. */
static bool
find_dataset(struct http_request *req, struct db_conn *conn, struct db_dataset *row)
{
  enum db_status status;
  int64_t version;

  if (!http_query_integer(req, "version", 1, 1000000, 0, &version))
    return false;
  status =
    db_dataset_get(conn, req->tenant_id, http_arg(req, "dataset"), (int) version, req->arena, row);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
  return status == DB_ROWS;
}

enum http_outcome
handle_datasets_get(struct http_request *req)
{
  static const char *const known[] = {"version", NULL};
  struct db_conn *conn;
  struct db_dataset row;

  if (http_query_known(req, known) && (conn = http_db(req)) && find_dataset(req, conn, &row))
    http_reply_json(req, 200, view_dataset(&row));
  return HTTP_REPLIED;
}

/* Opens a ready dataset. NULL when it replied. */
static struct dataset *
open_dataset(struct http_request *req, struct db_conn *conn, const struct db_dataset *row)
{
  struct err_info info = {.code = ERR_OK};
  struct dataset *dataset = NULL;

  if (strcmp(row->state, "ready") != 0)
    http_reply_error(req, E_DATASET_NOT_READY,
                     arena_printf(req->arena, "dataset %s is %s", row->id, row->state));
  else if (dataset_cache_open(req->server->datasets, conn, row, &dataset, &info) != ERR_OK)
    reply_failure(req, &info);
  return dataset;
}

/* Closes the dataset after what was made of it. */
static enum http_outcome
answer_view(struct http_request *req, struct dataset *dataset, enum err rc, json_t *view,
            const struct err_info *info)
{
  if (rc == ERR_OK)
    http_reply_json(req, 200, view);
  else
    reply_failure(req, info);
  dataset_close(dataset);
  return HTTP_REPLIED;
}

enum http_outcome
handle_datasets_preview(struct http_request *req)
{
  static const char *const known[] = {"version", "limit", "offset", NULL};
  struct err_info info = {.code = ERR_OK};
  struct dataset *dataset;
  struct db_dataset row;
  struct db_conn *conn;
  int64_t limit, offset;
  json_t *view = NULL;
  enum err rc;

  if (!http_query_known(req, known)
      || !http_query_integer(req, "limit", 1, PREVIEW_ROWS_MAX, 20, &limit)
      || !http_query_integer(req, "offset", 0, INT64_C(1) << 40, 0, &offset)
      || !(conn = http_db(req)) || !find_dataset(req, conn, &row)
      || !(dataset = open_dataset(req, conn, &row)))
    return HTTP_REPLIED;
  rc = dataset_preview(dataset, (size_t) offset, (size_t) limit, &view, &info);
  return answer_view(req, dataset, rc, view, &info);
}

enum http_outcome
handle_datasets_profile(struct http_request *req)
{
  static const char *const known[] = {"version", NULL};
  struct err_info info = {.code = ERR_OK};
  struct dataset *dataset;
  struct db_dataset row;
  struct db_conn *conn;
  json_t *view = NULL;
  enum err rc;

  if (!http_query_known(req, known) || !(conn = http_db(req)) || !find_dataset(req, conn, &row)
      || !(dataset = open_dataset(req, conn, &row)))
    return HTTP_REPLIED;
  rc = dataset_profile(dataset, PROFILE_ROWS, &view, &info);
  return answer_view(req, dataset, rc, view, &info);
}

enum http_outcome
handle_datasets_delete(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  bool busy = false;
  enum db_status status;

  if (!conn)
    return HTTP_REPLIED;
  status = db_dataset_delete(conn, req->tenant_id, http_arg(req, "dataset"), &busy);
  if (busy)
    http_reply_error(req, E_DATASET_BUSY, NULL);
  else if (status != DB_ROWS)
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
  else
    http_reply_empty(req);
  return HTTP_REPLIED;
}
