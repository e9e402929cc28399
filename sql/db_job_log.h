/* A job's log: what the server and the engine did for it, in words, for whoever asks why it went as it did.
 *
 * Lines are numbered by a counter raised under the job's row lock, so a reader past n has seen all before.
 * A job keeps DB_JOB_LOG_MOST lines; the last says that no more follow. They are forgotten with its events.
 */
#ifndef ATTUNE_SQL_DB_JOB_LOG_H
#define ATTUNE_SQL_DB_JOB_LOG_H

#include "base/log.h"
#include "sql/db.h"

#define DB_JOB_LOG_MOST 10000
#define DB_JOB_LOG_BYTES 4000 /* of one message; a longer one is cut */

struct db_log_line
{
  int64_t seq;
  const char *level;
  const char *source; /* server, search, trial, finish */
  int trial_number;   /* 0 = of none */
  const char *message;
  int64_t at_us;
};

/* Adds a line, within the transaction that is open or else by itself. What is not UTF-8 or a control
 * character (but line ends) is written as '?'. `source` is "server", "search", "trial" or "finish";
 * trial_number 0 = of none. DB_NONE when the log is full or there is no such job. */
enum db_status db_job_log(struct db_conn *conn, const char *job_id, enum log_level level,
                          const char *source, int trial_number, const char *format, ...)
  __attribute__((format(printf, 6, 7)));

/* Lines after the number `after` of at least this level, in order. */
enum db_status db_job_log_list(struct db_conn *conn, const char *tenant_id, const char *job_id,
                               int64_t after, enum log_level least, size_t limit,
                               struct arena *arena, struct db_log_line **lines, size_t *count);

#endif
