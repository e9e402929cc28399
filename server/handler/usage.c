#include <config.h>

#include "server/handler/handlers.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/handler/common.h"
#include "server/usage.h"
#include "sql/db_tenant.h"
#include "sql/db_usage.h"

#define DAY_US INT64_C(86400000000)
#define DAYS_SHOWN 30
#define DAYS_MOST 3660

/* Every figure, in the order it is shown; what was not used is 0. */
static const char *const kinds[] = {"requests",       "predictions", "predicted_rows",
                                    "uploaded_bytes", "trials",      "training_seconds",
                                    "stored_bytes",   NULL};

/* "2026-11-23", as days since 1970. */
static bool
parse_day(const char *text, int *day)
{
  int64_t year, month, number;
  if (strlen(text) != 10 || text[4] != '-' || text[7] != '-' || strspn(text, "0123456789-") != 10
      || !text_parse_int64(text, 4, &year) || !text_parse_int64(text + 5, 2, &month)
      || !text_parse_int64(text + 8, 2, &number) || year < 1970 || month < 1 || month > 12
      || number < 1)
    return false;
  int64_t days = clock_days_from_civil(year, (unsigned) month, (unsigned) number);
  int64_t same_year;
  unsigned same_month, same_day;
  clock_civil_from_days(days, &same_year, &same_month, &same_day);
  *day = (int) days;
  return same_month == (unsigned) month && same_day == (unsigned) number;
}

static json_t *
view_day(int day)
{
  char text[32];
  clock_format_rfc3339(day * DAY_US, text, sizeof text);
  return json_stringn(text, 10);
}

/* False when it replied. */
static bool
read_days(struct http_request *req, int *from, int *to)
{
  const char *from_text = http_query(req, "from"), *to_text = http_query(req, "to");
  const char *bad = NULL;
  *to = (int) (clock_unix_us() / DAY_US);
  if (to_text && !parse_day(to_text, to))
    bad = "?to must be a day such as 2026-11-23.";
  *from = *to - DAYS_SHOWN + 1;
  if (from_text && !parse_day(from_text, from))
    bad = "?from must be a day such as 2026-11-23.";
  if (!bad && *from > *to)
    bad = "?from must not be after ?to.";
  if (!bad && *to - *from >= DAYS_MOST)
    bad = "Ask for ten years at most.";
  if (bad)
    http_reply_error(req, E_BAD_REQUEST, bad);
  return !bad;
}

static json_t *
no_figures(void)
{
  json_t *figures = json_object();
  for (size_t i = 0; kinds[i]; i++)
    json_object_set_new(figures, kinds[i], json_integer(0));
  return figures;
}

/* Adds up, but for the gauge: its last value holds. */
static void
add_figure(json_t *figures, const struct db_usage *row)
{
  json_t *before = json_object_get(figures, row->kind);
  double sum = row->amount;
  if (!before)
    return; /* of another version */
  if (strcmp(row->kind, "stored_bytes") != 0)
    sum += json_number_value(before);
  json_object_set_new(figures, row->kind,
                      strcmp(row->kind, "training_seconds") == 0 ? json_real(sum)
                                                                 : json_integer((json_int_t) sum));
}

static json_t *
days_of(const struct db_usage *rows, size_t count)
{
  json_t *items = json_array(), *item = NULL;
  for (size_t i = 0; i < count; i++)
  {
    if (i == 0 || rows[i].day != rows[i - 1].day)
    {
      item = json_pack("{s:o}", "day", view_day(rows[i].day));
      json_object_update_new(item, no_figures());
      json_array_append_new(items, item);
    }
    add_figure(item, &rows[i]);
  }
  return items;
}

enum http_outcome
handle_usage_get(struct http_request *req)
{
  static const char *const known[] = {"from", "to", "group", "tenant", NULL};
  const char *group = http_query(req, "group"), *tenant = http_query(req, "tenant");
  struct db_tenant row;
  struct db_usage *rows = NULL;
  struct db_conn *conn;
  size_t count = 0;
  int from, to;
  bool by_day = group && strcmp(group, "day") == 0;
  if (!http_query_known(req, known) || !read_days(req, &from, &to))
    return HTTP_REPLIED;
  if (group && !by_day && strcmp(group, "total") != 0)
  {
    http_reply_error(req, E_BAD_REQUEST, "?group must be day or total.");
    return HTTP_REPLIED;
  }
  bool own = !tenant || strcmp(tenant, "self") == 0 || strcmp(tenant, req->tenant_id) == 0;
  if (!own && !(req->root && (req->scopes & DB_SCOPE_ADMIN)))
  {
    http_reply_error(req, E_TENANT_NOT_FOUND, NULL);
    return HTTP_REPLIED;
  }
  if (!(conn = http_db(req)))
    return HTTP_REPLIED;
  const char *id = own ? req->tenant_id : tenant;
  enum db_status status = own ? DB_ROWS : db_tenant_get(conn, id, req->arena, &row);
  usage_flush(req->server->usage, conn);
  if (status == DB_ROWS)
    status = db_usage_list(conn, id, from, to, req->arena, &rows, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_TENANT_NOT_FOUND);
    return HTTP_REPLIED;
  }
  json_t *total = no_figures();
  for (size_t i = 0; i < count; i++)
    add_figure(total, &rows[i]);
  json_t *answer = json_pack("{s:s, s:o, s:o, s:o}", "tenant", id, "from", view_day(from), "to",
                             view_day(to), "total", total);
  if (by_day)
    json_object_set_new(answer, "items", days_of(rows, count));
  http_reply_json(req, 200, answer);
  return HTTP_REPLIED;
}
