/* Private to sql/: what a connection remembers. Only db_conn.c, db_exec.c, db_tx.c, db_notify.c,
 * db_blob.c, db_io.c, db_pool.c and db_patch.c look inside. */
#ifndef ATTUNE_SQL_DB_CONN_H
#define ATTUNE_SQL_DB_CONN_H

#include <libpq-fe.h>

#include "sql/db_exec.h"

struct db_conn
{
  PGconn *pg;
  char *conninfo;
  char *name;

  const struct db_statement **prepared; /* on this server session */
  size_t prepared_count, prepared_capacity;
  bool
    stale; /* what is prepared no longer fits the schema: forget it outside the next transaction */

  bool listening;
  int tx_depth;              /* db_tx_run within db_tx_run */
  enum db_status tx_failure; /* the first failure in the open transaction, or DB_ROWS */

  double used_s;     /* when the pool got it back (monotonic) */
  double patience_s; /* the longest wait for the server */
  bool gave_up;      /* that wait ended, and with it the session */

  char error[512];
  char sqlstate[6];
};

/* Notes what went wrong (the result's error, or the connection's when result is NULL), logs it when it is
 * DB_HARD, and says which of DB_SOFT and DB_HARD it is. `what` names the statement. */
enum db_status db_conn_fail(struct db_conn *conn, const PGresult *result, const char *what);
/* Notes our own fault: DB_HARD, logged. */
enum db_status db_conn_fault(struct db_conn *conn, const char *what, const char *format, ...)
  __attribute__((format(printf, 3, 4)));

/* Makes a closed connection usable before a statement outside a transaction; DB_ROWS when it is.
 * Connections that listen are left closed, as their owner must learn of the gap. */
enum db_status db_conn_ready(struct db_conn *conn);

/* How long the server may keep anyone waiting: its own limit of a statement, and some for the way. */
#define DB_PATIENCE_S 35.0

/* Notices, without waiting, that the server has closed an idle connection. */
void db_conn_look(struct db_conn *conn);
/* Whether an open connection's server answers within `seconds`; else the connection is closed. */
bool db_conn_answers(struct db_conn *conn, double seconds);

/* Forgets every prepared statement, on the server as well. */
enum db_status db_conn_forget(struct db_conn *conn);

/* Prepares the statement unless this session has it. */
enum db_status db_conn_prepare(struct db_conn *conn, const struct db_statement *statement,
                               const Oid *types, size_t count);

/* DB_SOFT or DB_HARD for an SQLSTATE. */
enum db_status db_sqlstate_status(const char *sqlstate);
/* Whether preparing again would help (a changed result type, a statement the session lost). */
bool db_sqlstate_is_stale(const char *sqlstate);

#endif
