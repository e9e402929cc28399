#include <config.h>

#include "sql/db_job_log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "sql/db_exec.h"

static const char *const level_names[] = {[LOG_LEVEL_DEBUG] = "debug",
                                          [LOG_LEVEL_INFO] = "info",
                                          [LOG_LEVEL_WARNING] = "warning",
                                          [LOG_LEVEL_ERROR] = "error"};

/* Makes the text what a text column and a terminal can take. */
static void
clean(char *text, size_t length)
{
  size_t bad = 0;
  for (size_t at = 0; at < length; at += bad + 1)
  {
    if (text_utf8_valid(text + at, length - at, &bad))
      break;
    text[at + bad] = '?';
  }
  for (size_t i = 0; i < length; i++)
    if (((unsigned char) text[i] < 0x20 && text[i] != '\n') || text[i] == 0x7f)
      text[i] = text[i] == '\t' ? ' ' : '?';
}

enum db_status
db_job_log(struct db_conn *conn, const char *job_id, enum log_level level, const char *source,
           int trial_number, const char *format, ...)
{
  static const struct db_statement insert = {
    "job_log_insert",
    "WITH next AS (UPDATE job SET log_seq = log_seq + 1 WHERE id = $1 AND log_seq < $6"
    " RETURNING log_seq)"
    " INSERT INTO job_log (job_id, seq, level, source, trial_number, message, at)"
    " SELECT $1, log_seq, CASE WHEN log_seq = $6 THEN 'warning' ELSE $2 END, $3, nullif($4, 0),"
    " CASE WHEN log_seq = $6 THEN 'the log is full: nothing more is kept here' ELSE $5 END,"
    " clock_timestamp() FROM next"};
  char message[DB_JOB_LOG_BYTES + 8]; /* room to see a character that must be cut whole */
  va_list arguments;
  va_start(arguments, format);
  int wanted = vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  if (wanted < 0)
    return DB_HARD;
  if ((size_t) wanted > DB_JOB_LOG_BYTES)
    message[text_utf8_cut(message, strlen(message), DB_JOB_LOG_BYTES)] = '\0';
  clean(message, strlen(message));
  return db_exec_none(conn, &insert,
                      DB_PARAMS(db_text(job_id), db_text(level_names[level]), db_text(source),
                                db_int4(trial_number), db_text(message), db_int8(DB_JOB_LOG_MOST)));
}

enum db_status
db_job_log_list(struct db_conn *conn, const char *tenant_id, const char *job_id, int64_t after,
                enum log_level least, size_t limit, struct arena *arena, struct db_log_line **lines,
                size_t *count)
{
  static const struct db_statement there = {"job_log_there",
                                            "SELECT 1 FROM job WHERE tenant_id = $1 AND id = $2"};
  static const struct db_statement list = {
    "job_log_list", "SELECT seq, level, source, trial_number, message, at FROM job_log"
                    " WHERE job_id = $1 AND seq > $2 AND level = ANY($3) ORDER BY seq LIMIT $4"};
  static const struct db_column columns[] = {
    {DB_INT8, offsetof(struct db_log_line, seq), 0},
    {DB_TEXT, offsetof(struct db_log_line, level), 0},
    {DB_TEXT, offsetof(struct db_log_line, source), 0},
    {DB_INT4, offsetof(struct db_log_line, trial_number), 0},
    {DB_TEXT, offsetof(struct db_log_line, message), 0},
    {DB_TIME, offsetof(struct db_log_line, at_us), 0}};
  *count = 0;
  enum db_status status =
    db_exec_none(conn, &there, DB_PARAMS(db_text(tenant_id), db_text(job_id)));
  if (status != DB_ROWS)
    return status;
  size_t names = sizeof level_names / sizeof level_names[0] - (size_t) least;
  status =
    db_exec_many(conn, &list,
                 DB_PARAMS(db_text(job_id), db_int8(after),
                           db_text_array(level_names + least, names), db_int8((int64_t) limit)),
                 DB_COLUMNS(columns), arena, sizeof **lines, lines, count);
  return status == DB_NONE ? DB_ROWS : status;
}
