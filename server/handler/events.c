#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "server/sse.h"
#include "sql/db_job.h"

#define JOBS_MAX 32
#define PAGE 1000

/* Where a stream of this job begins: after what the client has seen, from the start if that can't be.
 * False when it replied. *over = it has ended and the client has seen all. */
static bool
find_place(struct http_request *req, struct db_conn *conn, const char *job_id,
           struct http_stream_job *place, bool *over)
{
  struct db_job job;
  const char *last = http_header(req, "Last-Event-ID");
  enum db_status status = db_job_get(conn, req->tenant_id, job_id, req->arena, &job);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return false;
  }
  place->job_id = job.id;
  if (!last || !sse_last_id(last, job.id, &place->after) || place->after > job.event_seq)
    place->after = 0;
  *over = strcmp(job.phase, "ended") == 0 && job.event_seq > 0 && place->after == job.event_seq;
  return true;
}

/* The browser's EventSource comes back after the end; 204 makes it stop. */
static void
open_stream(struct http_request *req, const char *const *ids, size_t count)
{
  struct http_stream_job places[JOBS_MAX];
  struct db_conn *conn = http_db(req);
  bool all_over = true;
  if (!conn)
    return;
  for (size_t i = 0; i < count; i++)
  {
    bool over;
    if (!find_place(req, conn, ids[i], &places[i], &over))
      return;
    all_over = all_over && over;
  }
  if (all_over)
    http_reply_empty(req);
  else
    http_stream_jobs(req, places, count);
}

static json_t *
view_event(const struct db_event *event, const char *job_id)
{
  struct buf text = {0};
  struct err_info info;
  json_t *data = NULL;
  sse_append_data(&text, job_id, event);
  if (text.data && json_parse(text.data, text.length, 64, &data, &info) == ERR_OK)
    json_object_set_new(data, "event", json_string(event->kind));
  buf_free(&text);
  return data;
}

static void
reply_page(struct http_request *req, const char *job_id, int64_t after)
{
  struct db_event *events = NULL;
  size_t count = 0;
  int64_t oldest = 0;
  struct db_conn *conn = http_db(req);
  if (!conn)
    return;
  enum db_status status =
    db_event_list(conn, req->tenant_id, job_id, after, PAGE, req->arena, &events, &count, &oldest);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return;
  }
  json_t *items = json_array();
  for (size_t i = 0; i < count; i++)
    if (json_array_append_new(items, view_event(&events[i], job_id)) != 0)
    {
      json_decref(items);
      http_reply_error(req, E_INTERNAL, NULL);
      return;
    }
  http_reply_json(req, 200,
                  json_pack("{s:o, s:I, s:I, s:b}", "items", items, "last",
                            (json_int_t) (count ? events[count - 1].seq : after), "oldest",
                            (json_int_t) oldest, "more", count == PAGE));
}

enum http_outcome
handle_job_events(struct http_request *req)
{
  static const char *const known[] = {"after", NULL};
  const char *job_id = http_arg(req, "job");
  int64_t after;
  if (!http_query_known(req, known)
      || !http_query_integer(req, "after", 0, INT64_MAX / 2, -1, &after))
    return HTTP_REPLIED;
  if (after >= 0)
    reply_page(req, job_id, after);
  else
    open_stream(req, &job_id, 1);
  return HTTP_REPLIED;
}

enum http_outcome
handle_events(struct http_request *req)
{
  static const char *const known[] = {"job", NULL};
  const char *ids[JOBS_MAX];
  size_t count = 0;
  if (!http_query_known(req, known))
    return HTTP_REPLIED;
  for (const char *id = http_query_nth(req, "job", 0); id; id = http_query_nth(req, "job", count))
  {
    bool twice = false;
    for (size_t i = 0; i < count; i++)
      twice = twice || strcmp(ids[i], id) == 0;
    if (twice || count == JOBS_MAX)
    {
      http_reply_error(req, E_BAD_REQUEST,
                       twice ? "The same job is asked for twice."
                             : "At most 32 jobs can share a stream.");
      return HTTP_REPLIED;
    }
    ids[count++] = id;
  }
  if (count == 0)
    http_reply_error(req, E_BAD_REQUEST, "Say which jobs: ?job=ID&job=ID.");
  else
    open_stream(req, ids, count);
  return HTTP_REPLIED;
}
