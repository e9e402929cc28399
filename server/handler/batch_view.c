#include <config.h>

#include "server/handler/batch_view.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "server/handler/common.h"
#include "server/handler/handlers.h"
#include "server/json_view.h"
#include "server/spool.h"

#define US_PER_DAY 86400e6
#define WAIT_MAX_S 600.0
#define PARK_S 0.2

json_t *
batch_view(const struct db_batch *row)
{
  bool done = strcmp(row->state, "succeeded") == 0;
  double progress = row->row_count > 0 ? (double) row->rows_done / (double) row->row_count : 0.0;
  json_t *stored = view_json(row->options);
  json_t *options = json_pack("{s:O?, s:O?, s:O?}", "strict", json_object_get(stored, "strict"),
                              "threshold", json_object_get(stored, "threshold"), "interval",
                              json_object_get(stored, "interval"));
  json_t *view = json_pack(
    "{s:s, s:s, s:s, s:s, s:i, s:s, s:o, s:I, s:o, s:I, s:I, s:f}", "id", row->id, "state",
    row->state, "model", row->model_name, "model_id", row->model_id, "version", row->model_version,
    "file", row->file_name, "options", options, "bytes", (json_int_t) row->input_bytes, "rows",
    row->row_count > 0 ? json_integer((json_int_t) row->row_count) : json_null(), "rows_done",
    (json_int_t) row->rows_done, "rows_faulty", (json_int_t) row->rows_faulty, "progress",
    done ? 1.0 : fmin(progress, 1.0));

  json_decref(stored);
  if (view)
  {
    int64_t gone_us = row->ended_us ? row->ended_us + (int64_t) (row->keep_days * US_PER_DAY) : 0;
    json_object_set_new(view, "result_bytes",
                        done ? json_integer((json_int_t) row->output_bytes) : json_null());
    json_object_set_new(view, "error", view_json(row->problem));
    json_object_set_new(view, "created_at", view_time(row->created_us));
    json_object_set_new(view, "started_at", view_time(row->started_us));
    json_object_set_new(view, "ended_at", view_time(row->ended_us));
    json_object_set_new(view, "kept_until", view_time(gone_us));
  }
  return view;
}

static json_t *
item_view(const void *row)
{
  return batch_view(row);
}

static const char *
item_cursor(struct arena *arena, const void *row)
{
  const struct db_batch *item = row;
  return db_cursor(arena, item->created_us, item->id);
}

/* The batch of the path, if the key may see it. False when it replied. */
static bool
find_batch(struct http_request *req, struct db_conn *conn, struct db_batch *row)
{
  enum db_status status =
    db_batch_get(conn, req->tenant_id, http_arg(req, "batch"), req->arena, row);

  if (status == DB_ROWS && req->key_model && strcmp(req->key_model, row->model_name) != 0)
    status = DB_NONE;
  if (status != DB_ROWS)
    http_reply_db(req, status, E_BATCH_NOT_FOUND);
  return status == DB_ROWS;
}

enum http_outcome
handle_batches_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_batch), item_view, item_cursor};
  struct db_conn *conn;
  struct list_page page;
  struct db_batch *rows = NULL;
  enum db_status status;
  size_t count = 0;

  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status = db_batch_list(conn, req->tenant_id, req->key_model, page.cursor, page.limit + 1,
                         req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

/* Reads ?wait, in the first pass. False when it replied. */
static bool
read_wait(struct http_request *req)
{
  static const char *const known[] = {"wait", NULL};
  double wait_s, *deadline_s = req->state;

  if (deadline_s)
    return true;
  if (!http_query_known(req, known)
      || !http_query_number(req, "wait", 0.0, WAIT_MAX_S, 0.0, &wait_s))
    return false;
  deadline_s = arena_alloc(req->arena, sizeof *deadline_s);
  if (!deadline_s)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return false;
  }
  *deadline_s = clock_monotonic_s() + wait_s;
  req->state = deadline_s;
  return true;
}

/* Whether the caller wants to wait for the end, and there is time left. */
static bool
wants_to_wait(struct http_request *req, const struct db_batch *row)
{
  const double *deadline_s = req->state;

  if (row->ended_us || clock_monotonic_s() >= *deadline_s || http_must_answer(req))
    return false;
  http_park(req, NULL, PARK_S);
  return true;
}

enum http_outcome
handle_batches_get(struct http_request *req)
{
  struct db_conn *conn;
  struct db_batch row;

  if (!read_wait(req) || !(conn = http_db(req)) || !find_batch(req, conn, &row))
    return HTTP_REPLIED;
  if (wants_to_wait(req, &row))
    return HTTP_PARK;
  http_reply_json(req, 200, batch_view(&row));
  return HTTP_REPLIED;
}

enum http_outcome
handle_batches_cancel(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_batch row;

  if (!conn || !find_batch(req, conn, &row))
    return HTTP_REPLIED;
  if (req->json && !(json_is_object(req->json) && json_object_size(req->json) == 0))
  {
    reply_fault(req, E_INVALID, "", "send no body", "this takes no members");
    return HTTP_REPLIED;
  }
  enum db_status status = db_batch_cancel(conn, req->tenant_id, row.id);
  if (status == DB_ROWS)
    status = db_batch_get(conn, req->tenant_id, row.id, req->arena, &row);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_BATCH_ENDED);
  else
    http_reply_json(req, 200, batch_view(&row));
  return HTTP_REPLIED;
}

enum http_outcome
handle_batches_delete(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_batch row;

  if (!conn || !find_batch(req, conn, &row))
    return HTTP_REPLIED;
  enum db_status status = db_batch_delete(conn, req->tenant_id, row.id);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_BATCH_NOT_FOUND);
  else
    http_reply_empty(req);
  return HTTP_REPLIED;
}

/* ---- the result ----------------------------------------------------------------------------------------- */

/* Writes the parts one after another: none is in memory for longer than it takes. */
static enum db_status
gather(struct db_conn *conn, const struct db_batch *row, struct spool_file *file,
       struct err_info *info)
{
  struct arena *arena = arena_new(0);
  enum db_status status = DB_ROWS;
  const void *bytes;
  size_t length;

  if (!arena)
    return DB_SOFT;
  for (int seq = 0; seq < row->parts && status == DB_ROWS; seq++)
  {
    arena_reset(arena);
    status = db_batch_part(conn, row->id, seq, arena, &bytes, &length);
    if (status == DB_ROWS && spool_write(file, bytes, length, info) != ERR_OK)
      status = DB_HARD;
  }
  arena_free(arena);
  return status;
}

static void
reply_not_ready(struct http_request *req, const struct db_batch *row)
{
  json_t *problem = view_json(row->problem);
  const char *reason = json_get_string(problem, "detail", NULL);

  http_reply_error(req, E_BATCH_NOT_READY,
                   reason ? arena_printf(req->arena, "The batch failed: %s.", reason)
                          : arena_printf(req->arena, "The batch is %s: %llu rows are done.",
                                         row->state, (unsigned long long) row->rows_done));
  json_decref(problem);
}

/* A copy of the answers in a file that goes with the reply. */
static void
reply_result(struct http_request *req, struct db_conn *conn, const struct db_batch *row)
{
  struct spool_file file = {.fd = -1};
  struct err_info info = {.code = ERR_OK};
  enum db_status status = DB_HARD;
  enum err rc = spool_check_room(req->server->data_dir, row->output_bytes,
                                 req->server->limits.spool_reserve, &info);

  if (rc == ERR_OK)
    rc = spool_open(req->server->data_dir, &file, &info);
  if (rc == ERR_OK)
    status = gather(conn, row, &file, &info);
  if (rc != ERR_OK || info.code != ERR_OK)
    reply_failure(req, &info);
  else if (status != DB_ROWS)
    http_reply_db(req, status, E_BATCH_NOT_FOUND);
  else
  {
    int fd = file.fd;
    http_reply_header(req, "Content-Disposition",
                      arena_printf(req->arena, "attachment; filename=\"%s.csv\"", row->id));
    file.fd = -1;
    http_reply_file(req, "text/csv; charset=utf-8", fd, file.size);
  }
  spool_remove(&file);
}

enum http_outcome
handle_batches_result(struct http_request *req)
{
  struct db_conn *conn;
  struct db_batch row;

  if (!read_wait(req) || !(conn = http_db(req)) || !find_batch(req, conn, &row))
    return HTTP_REPLIED;
  if (wants_to_wait(req, &row))
    return HTTP_PARK;
  if (strcmp(row.state, "succeeded") != 0)
    reply_not_ready(req, &row);
  else
    reply_result(req, conn, &row);
  return HTTP_REPLIED;
}
