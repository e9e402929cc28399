#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/text.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "sql/db_job_log.h"

#define LIMIT_MOST 1000

static json_t *
view_line(const struct db_log_line *line)
{
  return json_pack("{s:I, s:o, s:s, s:s, s:o, s:s}", "seq", (json_int_t) line->seq, "at",
                   view_time(line->at_us), "level", line->level, "source", line->source, "trial",
                   line->trial_number ? json_integer(line->trial_number) : json_null(), "message",
                   line->message);
}

/* For eyes: one line each, further lines of a message indented. */
static void
append_text(struct buf *text, const struct db_log_line *line)
{
  char at[32];

  clock_format_rfc3339(line->at_us, at, sizeof at);
  buf_printf(text, "%s %-7s %s", at, line->level, line->source);
  if (line->trial_number)
    buf_printf(text, " %d", line->trial_number);
  buf_append_text(text, ": ");
  for (const char *part = line->message; *part;)
  {
    size_t length = strcspn(part, "\n");
    buf_append(text, part, length);
    part += length;
    if (*part == '\n' && *++part)
      buf_append_text(text, "\n    ");
  }
  buf_append_text(text, "\n");
}

static void
reply_text(struct http_request *req, const struct db_log_line *lines, size_t count)
{
  struct buf text = {0};

  for (size_t i = 0; i < count; i++)
    append_text(&text, &lines[i]);
  if (text.failed)
    http_reply_error(req, E_INTERNAL, NULL);
  else
    http_reply_bytes(req, 200, "text/plain; charset=utf-8", text.data ? text.data : "",
                     text.length);
  buf_free(&text);
}

static void
reply_list(struct http_request *req, const struct db_log_line *lines, size_t count, size_t limit)
{
  json_t *items = json_array();
  const char *next = NULL;

  for (size_t i = 0; i < count && i < limit; i++)
    json_array_append_new(items, view_line(&lines[i]));
  if (count > limit)
    next = arena_printf(req->arena, "%lld", (long long) lines[limit - 1].seq);
  http_reply_list(req, items, next);
}

/* The place to go on from: ?after, or ?cursor as lists have it. False when it replied. */
static bool
read_place(struct http_request *req, int64_t *after)
{
  const char *cursor = http_query(req, "cursor");

  if (!http_query_integer(req, "after", 0, INT64_MAX / 2, 0, after))
    return false;
  if (!cursor || !*cursor || (text_parse_int64(cursor, strlen(cursor), after) && *after >= 0))
    return true;
  http_reply_error(req, E_BAD_CURSOR, NULL);
  return false;
}

static bool
read_level(struct http_request *req, enum log_level *level)
{
  const char *name = http_query(req, "level");

  *level = LOG_LEVEL_DEBUG;
  if (!name || log_level_parse(name, level))
    return true;
  http_reply_error(req, E_BAD_REQUEST, "\"level\" is debug, info, warning or error.");
  return false;
}

enum http_outcome
handle_job_logs(struct http_request *req)
{
  static const char *const known[] = {"after", "cursor", "limit", "level", NULL};
  const char *accept = http_header(req, "Accept");
  bool plain = accept && strstr(accept, "text/plain");
  struct db_log_line *lines = NULL;
  struct db_conn *conn;
  enum log_level level;
  enum db_status status;
  int64_t after, limit;
  size_t count = 0;

  if (!http_query_known(req, known) || !read_place(req, &after) || !read_level(req, &level)
      || !http_query_integer(req, "limit", 1, LIMIT_MOST, plain ? LIMIT_MOST : 100, &limit)
      || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status = db_job_log_list(conn, req->tenant_id, http_arg(req, "job"), after, level,
                           (size_t) limit + !plain, req->arena, &lines, &count);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_JOB_NOT_FOUND);
  else if (plain)
    reply_text(req, lines, count);
  else
    reply_list(req, lines, count, (size_t) limit);
  return HTTP_REPLIED;
}
