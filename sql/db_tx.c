#include <config.h>

#include "sql/db.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "sql/db_conn.h"
#include "sql/db_io.h"

#define TX_ATTEMPTS 5
/* No new attempt after this long: what is slow by itself would only be slow again. */
#define TX_RETRY_S 20.0

/* Grows by three each time; longer when the server is away. The clock's low digits keep two transactions
 * that met in a deadlock from meeting again. */
static void
pause_before(int attempt, bool lost)
{
  double pause_s = lost ? 0.08 : 0.02;
  for (int i = 1; i < attempt; i++)
    pause_s *= 3;
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  pause_s *= 0.75 + 0.5 * (double) (now.tv_nsec / 1000 % 1000) / 1000;
  struct timespec wait = {.tv_sec = (time_t) pause_s};
  wait.tv_nsec = (long) ((pause_s - (double) wait.tv_sec) * 1e9);
  nanosleep(&wait, NULL);
}

static enum db_status
commit(struct db_conn *conn, const char *name, enum db_status status)
{
  PGresult *result = db_io_exec(conn, "COMMIT");
  if (PQresultStatus(result) != PGRES_COMMAND_OK)
    status = db_conn_fail(conn, result, name);
  else if (strcmp(PQcmdStatus(result), "COMMIT") != 0)
  {
    /* The function did not pass on a statement's failure; nothing was kept. */
    status = conn->tx_failure;
    if (status != DB_SOFT)
      status = db_conn_fault(conn, name, "a failed transaction can't be committed");
  }
  PQclear(result);
  return status;
}

static enum db_status
run_once(struct db_conn *conn, const char *name,
         enum db_status (*fn)(struct db_conn *conn, void *context), void *context)
{
  enum db_status status = db_conn_ready(conn);
  if (status == DB_ROWS && conn->stale)
    status = db_conn_forget(conn);
  if (status == DB_ROWS)
    status = db_exec_sql(conn, "BEGIN");
  if (status != DB_ROWS)
    return status;
  conn->error[0] = conn->sqlstate[0] = '\0';
  conn->tx_failure = DB_ROWS;
  conn->tx_depth = 1;
  status = fn(conn, context);
  if (status >= DB_NONE)
    status = commit(conn, name, status);
  conn->tx_depth = 0;
  conn->tx_failure = DB_ROWS;
  if (status < DB_NONE && db_is_open(conn) && PQtransactionStatus(conn->pg) != PQTRANS_IDLE)
  {
    char error[sizeof conn->error], sqlstate[sizeof conn->sqlstate];
    memcpy(error, conn->error, sizeof error);
    memcpy(sqlstate, conn->sqlstate, sizeof sqlstate);
    db_exec_sql(conn, "ROLLBACK");
    memcpy(conn->error, error, sizeof error);
    memcpy(conn->sqlstate, sqlstate, sizeof sqlstate);
  }
  return status;
}

enum db_status
db_tx_run(struct db_conn *conn, const char *name,
          enum db_status (*fn)(struct db_conn *conn, void *context), void *context)
{
  if (conn->tx_depth > 0)
  {
    conn->tx_depth++;
    enum db_status inner = fn(conn, context);
    conn->tx_depth--;
    return inner;
  }
  double start_s = clock_monotonic_s();
  double retry_s = fmin(TX_RETRY_S, conn->patience_s);
  for (int attempt = 1;; attempt++)
  {
    enum db_status status = run_once(conn, name, fn, context);
    if (status != DB_SOFT || attempt == TX_ATTEMPTS || db_is_full(conn)
        || clock_monotonic_s() - start_s > retry_s)
    {
      if (status == DB_SOFT)
        log_warning("database: %s given up after %d attempts: %s", name, attempt, conn->error);
      return status;
    }
    pause_before(attempt, !db_is_open(conn));
  }
}
