#include <config.h>

#include "server/handler/common.h"

#include <errno.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/text.h"
#include "server/names.h"

bool
list_page_read(struct http_request *req, struct list_page *page)
{
  static const char *const known[] = {"limit", "cursor", NULL};
  int64_t limit;

  if (!http_query_known(req, known) || !http_query_integer(req, "limit", 1, 100, 20, &limit))
    return false;
  page->limit = (size_t) limit;
  page->cursor = http_query(req, "cursor");
  if (page->cursor && !*page->cursor)
    page->cursor = NULL;
  return true;
}

bool
list_page_number(struct http_request *req, const struct list_page *page, int64_t *after)
{
  *after = 0;
  if (!page->cursor
      || (text_parse_int64(page->cursor, strlen(page->cursor), after) && *after >= 0
          && *after <= INT_MAX))
    return true;
  http_reply_error(req, E_BAD_CURSOR, NULL);
  return false;
}

bool
version_of_path(struct http_request *req, int *version)
{
  const char *text = http_arg(req, "version");
  *version = *text ? version_parse(text) : 0;
  return !*text || *version > 0;
}

void
reply_page(struct http_request *req, const struct list_page *page, enum db_status status,
           const void *rows, size_t count, const struct list_kind *kind)
{
  size_t shown = count < page->limit ? count : page->limit;
  const char *row = rows, *next = NULL;
  json_t *items;

  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_BAD_CURSOR);
    return;
  }
  items = json_array();
  for (size_t i = 0; i < shown; i++, row += kind->row_size)
    json_array_append_new(items, kind->view(row));
  if (count > shown)
    next = kind->cursor(req->arena, row - kind->row_size);
  http_reply_list(req, items, next);
}

void
reply_fault(struct http_request *req, enum error_code code, const char *pointer, const char *hint,
            const char *format, ...)
{
  struct json_faults faults;
  char text[600];
  va_list arguments;

  va_start(arguments, format);
  vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  json_faults_init(&faults, req->arena);
  json_fault_add(&faults, pointer, hint, "%s", text);
  http_reply_faults(req, code, &faults);
}

void
reply_failure(struct http_request *req, const struct err_info *info)
{
  if (info->code == ERR_UNAVAILABLE || info->code == ERR_TIMEOUT)
  {
    http_busy_reason(req, "%s", info->text);
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return;
  }
  log_error("%s: %s", req->route->name, info->text);
  /* the sentence ends with the system's own words for the error */
  if (info->code == ERR_LIMIT || (info->code == ERR_IO && strstr(info->text, strerror(ENOSPC))))
    http_reply_error(req, E_STORAGE_FULL, NULL);
  else
    http_reply_error(req, E_INTERNAL, NULL);
}

bool
job_find(struct http_request *req, struct db_conn *conn, const char *id, struct db_job *row)
{
  enum db_status status = db_job_get(conn, req->tenant_id, id, req->arena, row);

  if (status != DB_ROWS)
    http_reply_db(req, status, E_JOB_NOT_FOUND);
  return status == DB_ROWS;
}
