#include <config.h>

#include "sql/db_io.h"

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/clock.h"

/* libpq's own state stays whole: it meets the end of the stream at its next look. */
void
db_io_break(struct db_conn *conn)
{
  int fd = PQsocket(conn->pg);
  if (fd >= 0)
    shutdown(fd, SHUT_RDWR);
  for (int i = 0; i < 1000 && PQstatus(conn->pg) == CONNECTION_OK; i++)
    if (!PQconsumeInput(conn->pg))
      break;
}

/* Waits until the socket may be read (or written, if wanted). False when the patience is at its end, which
 * breaks the connection. */
static bool
wait_until(struct db_conn *conn, short events, double deadline_s)
{
  for (;;)
  {
    double left_s = deadline_s - clock_monotonic_s();
    struct pollfd look = {.fd = PQsocket(conn->pg), .events = events};
    if (look.fd < 0)
      return false;
    int ready = left_s > 0 ? poll(&look, 1, (int) fmin(ceil(left_s * 1e3), 3600e3)) : 0;
    if (ready > 0)
      return true;
    if (ready < 0 && errno == EINTR)
      continue;
    conn->gave_up = true;
    db_io_break(conn);
    return false;
  }
}

bool
db_io_flush(struct db_conn *conn)
{
  double deadline_s = clock_monotonic_s() + conn->patience_s;
  for (;;)
  {
    int left = PQflush(conn->pg);
    if (left <= 0)
      return left == 0;
    /* The server may wait for us to read before it reads on. */
    if (!wait_until(conn, POLLIN | POLLOUT, deadline_s) || !PQconsumeInput(conn->pg))
      return false;
  }
}

PGresult *
db_io_next(struct db_conn *conn)
{
  double deadline_s = clock_monotonic_s() + conn->patience_s;
  if (PQisBusy(conn->pg))
    db_io_flush(conn); /* what is wrong shows at the next read */
  while (PQisBusy(conn->pg))
    if (!wait_until(conn, POLLIN, deadline_s) || !PQconsumeInput(conn->pg))
      break;
  return PQgetResult(conn->pg); /* of a broken connection: a failure, at once */
}

static bool
is_failure(const PGresult *result)
{
  ExecStatusType kind = PQresultStatus(result);
  return kind == PGRES_FATAL_ERROR || kind == PGRES_BAD_RESPONSE;
}

/* The last result, or the first that is an error; stops at a COPY, as its data come before the rest. */
static PGresult *
last_result(struct db_conn *conn)
{
  PGresult *last = NULL;
  for (PGresult *result; (result = db_io_next(conn)) != NULL;)
  {
    ExecStatusType kind = PQresultStatus(result);
    if (last != NULL && is_failure(last))
      PQclear(result);
    else
    {
      PQclear(last);
      last = result;
    }
    if (kind == PGRES_COPY_IN || kind == PGRES_COPY_OUT || kind == PGRES_COPY_BOTH)
      break;
  }
  return last != NULL ? last : PQmakeEmptyPGresult(conn->pg, PGRES_FATAL_ERROR);
}

/* What an earlier failure left behind would be taken for this statement's result. */
static void
drop_leftovers(struct db_conn *conn)
{
  for (PGresult *result; (result = db_io_next(conn)) != NULL;)
  {
    ExecStatusType kind = PQresultStatus(result);
    PQclear(result);
    if (kind == PGRES_COPY_IN || kind == PGRES_COPY_OUT || kind == PGRES_COPY_BOTH)
      db_io_break(conn);
  }
}

static PGresult *
result_of(struct db_conn *conn, int sent)
{
  if (!sent)
    return PQmakeEmptyPGresult(conn->pg, PGRES_FATAL_ERROR);
  return last_result(conn);
}

PGresult *
db_io_exec(struct db_conn *conn, const char *sql)
{
  drop_leftovers(conn);
  return result_of(conn, PQsendQuery(conn->pg, sql));
}

PGresult *
db_io_prepare(struct db_conn *conn, const struct db_statement *statement, const Oid *types,
              size_t count)
{
  drop_leftovers(conn);
  return result_of(conn,
                   PQsendPrepare(conn->pg, statement->name, statement->sql, (int) count, types));
}

PGresult *
db_io_run(struct db_conn *conn, const struct db_statement *statement, const struct db_wire *wire)
{
  drop_leftovers(conn);
  return result_of(conn, PQsendQueryPrepared(conn->pg, statement->name, wire->count, wire->values,
                                             wire->lengths, wire->formats, 1));
}
