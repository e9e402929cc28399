#include <config.h>

#include "sql/db.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "sql/db_conn.h"

enum db_status
db_listen(struct db_conn *conn)
{
  enum db_status status = db_conn_ready(conn);
  if (status == DB_ROWS)
    status = db_exec_sql(conn, "LISTEN attune");
  if (status == DB_ROWS)
    conn->listening = true;
  return status;
}

enum db_status
db_notify(struct db_conn *conn, const char *kind, const char *id)
{
  static const struct db_statement notify = {"notify",
                                             "SELECT pg_notify('attune', concat_ws(' ', $1, $2))"};
  return db_exec_none(conn, &notify, DB_PARAMS(db_text(kind), db_text(id)));
}

int
db_socket(const struct db_conn *conn)
{
  return db_is_open(conn) ? PQsocket(conn->pg) : -1;
}

/* Gives what has arrived to on_note; how many there were. */
static int
deliver(struct db_conn *conn, void (*on_note)(void *context, const char *kind, const char *id),
        void *context)
{
  int count = 0;
  for (PGnotify *note; (note = PQnotifies(conn->pg)) != NULL; PQfreemem(note))
  {
    char *blank = strchr(note->extra, ' ');
    if (blank != NULL)
      *blank = '\0';
    on_note(context, note->extra, blank != NULL ? blank + 1 : "");
    count++;
  }
  return count;
}

static enum err
connection_broke(struct db_conn *conn, struct err_info *info)
{
  snprintf(conn->sqlstate, sizeof conn->sqlstate, "08006");
  snprintf(conn->error, sizeof conn->error, "the connection to the database broke");
  return err_set(info, ERR_UNAVAILABLE, "%s", conn->error);
}

enum err
db_wait_notify(struct db_conn *conn, double timeout_s,
               void (*on_note)(void *context, const char *kind, const char *id), void *context,
               struct err_info *info)
{
  double end_s = clock_monotonic_s() + timeout_s;
  for (;;)
  {
    if (!db_is_open(conn) || !PQconsumeInput(conn->pg) || !db_is_open(conn))
      return connection_broke(conn, info);
    if (deliver(conn, on_note, context) > 0)
      return ERR_OK;
    double left_s = end_s - clock_monotonic_s();
    if (left_s <= 0)
      return ERR_OK;
    struct pollfd wait = {.fd = PQsocket(conn->pg), .events = POLLIN};
    int wait_ms = (int) fmin(ceil(left_s * 1000), 3600e3);
    if (poll(&wait, 1, wait_ms) < 0 && errno != EINTR)
      return err_set_errno(info, ERR_IO, errno, "could not wait for the database");
  }
}
