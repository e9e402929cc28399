/* Private to sql/: talking to the server with a deadline.
 *
 * libpq by itself waits for an answer for as long as the socket lives, and a server that is frozen, or a
 * machine that is gone behind a proxy, keeps it alive. Every connection here is non-blocking; each wait, for
 * one result or for room to send, ends after the connection's patience (db_set_patience). Then the socket
 * is shut, so that the result is one of a lost connection: DB_SOFT, and the next use opens another.
 * One thread per connection, as ever.
 */
#ifndef ATTUNE_SQL_DB_IO_H
#define ATTUNE_SQL_DB_IO_H

#include "sql/db_conn.h"
#include "sql/db_value.h"

/* PQexec, PQprepare and PQexecPrepared (all binary) with a deadline: the last result, or the first that is
 * an error. Never NULL but when memory is out. */
PGresult *db_io_exec(struct db_conn *conn, const char *sql);
PGresult *db_io_prepare(struct db_conn *conn, const struct db_statement *statement,
                        const Oid *types, size_t count);
PGresult *db_io_run(struct db_conn *conn, const struct db_statement *statement,
                    const struct db_wire *wire);

/* After a PQsend…: sends what is queued; false when the connection broke or took too long. */
bool db_io_flush(struct db_conn *conn);
/* The next result of what was sent, NULL after the last. */
PGresult *db_io_next(struct db_conn *conn);

/* Ends the connection for what is under way and all after it. */
void db_io_break(struct db_conn *conn);

#endif
