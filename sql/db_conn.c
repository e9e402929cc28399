#include <config.h>

#include "sql/db_conn.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "sql/db_io.h"

/* Of every session. The server's own keepalives find a client that is gone, so that its row locks are
 * released; JIT costs more than it gives on statements as short as ours. */
static const char session_settings[] =
  "SET TimeZone = 'UTC'; SET idle_in_transaction_session_timeout = '10s';"
  "SET statement_timeout = '30s'; SET client_min_messages = 'warning';"
  "SET default_transaction_isolation = 'read committed';"
  "SET default_transaction_read_only = off; SET jit = off;"
  "SET tcp_keepalives_idle = 5; SET tcp_keepalives_interval = 2; SET tcp_keepalives_count = 2;"
  "SET tcp_user_timeout = '10s'";

/* Copies the message without its last newline, with the others as blanks: one log line. */
static void
copy_line(char *line, size_t size, const char *message)
{
  size_t length = 0;
  for (; message[length] != '\0' && length + 1 < size; length++)
    line[length] = message[length] == '\n' || message[length] == '\t' ? ' ' : message[length];
  while (length > 0 && line[length - 1] == ' ')
    length--;
  line[length] = '\0';
}

enum db_status
db_sqlstate_status(const char *sqlstate)
{
  static const char *const soft[] = {
    "08",    /* connection */
    "40",    /* serialization, deadlock */
    "53",    /* disk full, memory, connections */
    "57P",   /* shutting down, starting, crashed */
    "57014", /* statement timeout */
    "55P03", /* lock timeout */
    "25P03", /* idle for too long in a transaction */
    "25006", /* a standby */
  };
  for (size_t i = 0; i < sizeof soft / sizeof soft[0]; i++)
    if (strncmp(sqlstate, soft[i], strlen(soft[i])) == 0)
      return DB_SOFT;
  return DB_HARD;
}

bool
db_sqlstate_is_stale(const char *sqlstate)
{
  /* 0A000: cached plan must not change result type; 26000: no such statement; 42P05: there is one. */
  return strcmp(sqlstate, "0A000") == 0 || strcmp(sqlstate, "26000") == 0
         || strcmp(sqlstate, "42P05") == 0;
}

static void
note_failure(struct db_conn *conn, enum db_status status)
{
  if (conn->tx_depth > 0 && conn->tx_failure == DB_ROWS)
    conn->tx_failure = status;
}

enum db_status
db_conn_fail(struct db_conn *conn, const PGresult *result, const char *what)
{
  const char *state = result != NULL ? PQresultErrorField(result, PG_DIAG_SQLSTATE) : NULL;
  const char *primary = result != NULL ? PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY) : NULL;
  bool lost = PQstatus(conn->pg) != CONNECTION_OK;
  snprintf(conn->sqlstate, sizeof conn->sqlstate, "%s",
           state != NULL ? state
           : lost        ? "08006"
                         : "");
  const char *message = primary != NULL ? primary
                        : result != NULL && *PQresultErrorMessage(result) != '\0'
                          ? PQresultErrorMessage(result)
                          : PQerrorMessage(conn->pg);
  copy_line(conn->error, sizeof conn->error, message);
  if (lost && conn->gave_up)
    snprintf(conn->error, sizeof conn->error, "the database did not answer within %g s",
             conn->patience_s);

  enum db_status status = lost ? DB_SOFT : db_sqlstate_status(conn->sqlstate);
  if (strcmp(conn->sqlstate, "25P02") == 0 && conn->tx_failure == DB_SOFT)
    status = DB_SOFT; /* an earlier failure of this transaction went unnoticed */
  if (db_sqlstate_is_stale(conn->sqlstate))
  {
    conn->stale = true;
    status = DB_SOFT;
  }
  note_failure(conn, status);
  if (status == DB_HARD)
    log_error("database: %s failed: %s (%s)", what, conn->error, conn->sqlstate);
  else
    log_debug("database: %s did not work this time: %s (%s)", what, conn->error, conn->sqlstate);
  return status;
}

enum db_status
db_conn_fault(struct db_conn *conn, const char *what, const char *format, ...)
{
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(conn->error, sizeof conn->error, format, arguments);
  va_end(arguments);
  conn->sqlstate[0] = '\0';
  note_failure(conn, DB_HARD);
  log_error("database: %s failed: %s", what, conn->error);
  return DB_HARD;
}

static void
on_notice(void *context, const char *message)
{
  char line[256];
  copy_line(line, sizeof line, message);
  log_debug("database (%s): %s", (const char *) context, line);
}

/* What conninfo says wins over the values before it; those after it are ours. */
static PGconn *
open_session(const struct db_conn *conn)
{
  const char *const keywords[] = {"keepalives",
                                  "keepalives_idle",
                                  "keepalives_interval",
                                  "keepalives_count",
                                  "tcp_user_timeout",
                                  "connect_timeout",
                                  "dbname",
                                  "application_name",
                                  "client_encoding",
                                  NULL};
  const char *const values[] = {"1",        "5",    "2", "2", "10000", "5", conn->conninfo,
                                conn->name, "UTF8", NULL};
  return PQconnectdbParams(keywords, values, 1);
}

static enum err
open_conn(struct db_conn *conn, struct err_info *info)
{
  if (conn->pg != NULL)
    PQfinish(conn->pg);
  conn->prepared_count = 0;
  conn->stale = conn->gave_up = false;
  conn->pg = open_session(conn);
  if (conn->pg == NULL)
    return err_set(info, ERR_MEMORY, "could not open a database connection: out of memory");
  if (PQstatus(conn->pg) != CONNECTION_OK)
  {
    copy_line(conn->error, sizeof conn->error, PQerrorMessage(conn->pg));
    snprintf(conn->sqlstate, sizeof conn->sqlstate, "08001");
    return err_set(info, ERR_UNAVAILABLE, "could not reach the database: %s", conn->error);
  }
  PQsetNoticeProcessor(conn->pg, on_notice, conn->name);
  PQsetnonblocking(conn->pg, 1);
  if (db_exec_sql(conn, session_settings) < DB_NONE
      || (conn->listening && db_exec_sql(conn, "LISTEN attune") < DB_NONE))
    return err_set(info, ERR_UNAVAILABLE, "could not set up a database session: %s", conn->error);
  return ERR_OK;
}

enum err
db_connect(const char *conninfo, const char *name, struct db_conn **conn, struct err_info *info)
{
  *conn = NULL;
  char *fault = NULL;
  PQconninfoOption *parsed = PQconninfoParse(conninfo, &fault);
  if (parsed == NULL)
  {
    char line[256];
    copy_line(line, sizeof line, fault != NULL ? fault : "out of memory");
    PQfreemem(fault);
    return err_set(info, ERR_INVALID, "the database's connection string is not valid: %s", line);
  }
  PQconninfoFree(parsed);

  struct db_conn *made = calloc(1, sizeof *made);
  enum err err = ERR_OK;
  if (made != NULL)
  {
    made->tx_failure = DB_ROWS;
    made->patience_s = DB_PATIENCE_S;
    made->conninfo = strdup(conninfo);
    made->name = strdup(name);
  }
  if (made == NULL || made->conninfo == NULL || made->name == NULL)
    err = err_set(info, ERR_MEMORY, "could not open a database connection: out of memory");
  else
    err = open_conn(made, info);
  if (err != ERR_OK)
  {
    db_close(made);
    return err;
  }
  *conn = made;
  return ERR_OK;
}

void
db_close(struct db_conn *conn)
{
  if (conn == NULL)
    return;
  if (conn->pg != NULL)
    PQfinish(conn->pg);
  free(conn->prepared);
  free(conn->conninfo);
  free(conn->name);
  free(conn);
}

bool
db_is_open(const struct db_conn *conn)
{
  return conn->pg != NULL && PQstatus(conn->pg) == CONNECTION_OK;
}

enum err
db_reopen(struct db_conn *conn, struct err_info *info)
{
  if (db_is_open(conn))
    return ERR_OK;
  return open_conn(conn, info);
}

const char *
db_last_error(const struct db_conn *conn)
{
  return conn->error;
}

const char *
db_last_sqlstate(const struct db_conn *conn)
{
  return conn->sqlstate;
}

bool
db_is_full(const struct db_conn *conn)
{
  return strcmp(conn->sqlstate, "53100") == 0;
}

void
db_set_patience(struct db_conn *conn, double seconds)
{
  conn->patience_s = seconds;
}

void
db_conn_look(struct db_conn *conn)
{
  struct pollfd look = {.fd = PQsocket(conn->pg), .events = POLLIN};
  /* The server's last words come before the end of the stream, which closes our side. */
  for (int i = 0; i < 4 && db_is_open(conn) && poll(&look, 1, 0) > 0; i++)
    PQconsumeInput(conn->pg);
}

bool
db_conn_answers(struct db_conn *conn, double seconds)
{
  double patience_s = conn->patience_s;
  conn->patience_s = seconds;
  bool answers = db_exec_sql(conn, "") == DB_ROWS;
  conn->patience_s = patience_s;
  return answers;
}

enum db_status
db_conn_ready(struct db_conn *conn)
{
  if (db_is_open(conn))
    return DB_ROWS;
  if (conn->tx_depth > 0 || conn->listening)
  {
    snprintf(conn->sqlstate, sizeof conn->sqlstate, "08003");
    snprintf(conn->error, sizeof conn->error, "the connection to the database is closed");
    note_failure(conn, DB_SOFT);
    return DB_SOFT;
  }
  return open_conn(conn, NULL) == ERR_OK ? DB_ROWS : DB_SOFT;
}

enum db_status
db_conn_forget(struct db_conn *conn)
{
  conn->prepared_count = 0;
  conn->stale = false;
  return db_exec_sql(conn, "DEALLOCATE ALL");
}

enum db_status
db_conn_prepare(struct db_conn *conn, const struct db_statement *statement, const Oid *types,
                size_t count)
{
  for (size_t i = 0; i < conn->prepared_count; i++)
  {
    if (conn->prepared[i] == statement)
      return DB_ROWS;
    if (strcmp(conn->prepared[i]->name, statement->name) == 0)
      return db_conn_fault(conn, statement->name, "two statements have this name");
  }
  if (conn->prepared_count == conn->prepared_capacity)
  {
    size_t capacity = conn->prepared_capacity == 0 ? 64 : conn->prepared_capacity * 2;
    const struct db_statement **grown =
      reallocarray(conn->prepared, capacity, sizeof conn->prepared[0]);
    if (grown == NULL)
      return db_conn_fault(conn, statement->name, "out of memory");
    conn->prepared = grown;
    conn->prepared_capacity = capacity;
  }
  PGresult *result = db_io_prepare(conn, statement, types, count);
  enum db_status status = DB_ROWS;
  if (PQresultStatus(result) == PGRES_COMMAND_OK)
    conn->prepared[conn->prepared_count++] = statement;
  else
    status = db_conn_fail(conn, result, statement->name);
  PQclear(result);
  return status;
}
