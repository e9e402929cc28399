/* Small things that several handlers share. Each function that may reply says when it does. */
#ifndef ATTUNE_SERVER_HANDLER_COMMON_H
#define ATTUNE_SERVER_HANDLER_COMMON_H

#include "server/http.h"
#include "sql/db_job.h"

/* ?limit (1 to 100, 20 by default) and ?cursor of a list, with no other parameter. False when it replied. */
struct list_page
{
  size_t limit;
  const char *cursor;
};
bool list_page_read(struct http_request *req, struct list_page *page);

/* The cursor of a list that goes by numbers: *after is 0 without one. False when it replied. */
bool list_page_number(struct http_request *req, const struct list_page *page, int64_t *after);

/* Replies with the page of a query that asked for one row more than page->limit: `view` makes an item of a
 * row, `cursor` the place after it. A status that is not DB_ROWS is answered as a bad cursor, or as 503 or 500. */
struct list_kind
{
  size_t row_size;
  json_t *(*view)(const void *row);
  const char *(*cursor)(struct arena *arena, const void *row);
};
void reply_page(struct http_request *req, const struct list_page *page, enum db_status status,
                const void *rows, size_t count, const struct list_kind *kind);

/* Replies with one fault: a problem of `code` with a fault at `pointer` (hint may be NULL). */
void reply_fault(struct http_request *req, enum error_code code, const char *pointer,
                 const char *hint, const char *format, ...) __attribute__((format(printf, 5, 6)));

/* The version that a path names; *version is 0 where it names none, and the alias `best` is meant. False when what
 * stands there is no version. */
bool version_of_path(struct http_request *req, int *version);

/* Replies for a failed step that is none of the caller's input: ERR_UNAVAILABLE and ERR_TIMEOUT → 503,
 * ERR_IO on a full disk → 507, the others → 500, logged. */
void reply_failure(struct http_request *req, const struct err_info *info);

/* The job as it is now. False when it replied. */
bool job_find(struct http_request *req, struct db_conn *conn, const char *id, struct db_job *row);

#endif
