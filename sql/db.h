/* The only door to PostgreSQL: connections, transactions, notifications, patches.
 *
 * What may be asked of each table is in db_tenant.h, db_dataset.h, db_job.h, db_model.h (for the server)
 * and db_work.h (for the engine). No PGresult leaves this room; strings of row structs live in the
 * arena the caller gives. A connection belongs to one thread at a time; a pool may be shared.
 *
 * Each connection sets tcp_user_timeout, keepalives 5/2/2, idle_in_transaction_session_timeout 10 s, a
 * statement timeout, TimeZone=UTC, client_encoding=UTF8 and application_name, and remembers which
 * statements it has prepared. A broken connection is reopened at the next db_acquire or db_tx_run.
 */
#ifndef ATTUNE_SQL_DB_H
#define ATTUNE_SQL_DB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"

/* How a query ended. Callers switch over all four without a default. */
enum db_status
{
  DB_HARD = -2, /* failed for good, or our own fault: logged; the caller answers 500 or stops */
  DB_SOFT =
    -1, /* may work if tried again: serialization, deadlock, connection lost, database starting */
  DB_NONE = 0, /* fine, no row (not found, lease lost, nothing to do) */
  DB_ROWS = 1  /* fine, row or rows */
};

/* Lists give DB_ROWS also when *count is 0: the page is empty. DB_NONE from a list says that what it is a
 * list of is not there (the job, the model; another tenant's is not there), or that the cursor is not one
 * of db_cursor's. A cursor whose row was deleted stays good: pages go on from its place. */

struct db_conn;
struct db_pool;

/* Opens one connection (for the engine, LISTEN, dbinit). `name` becomes application_name.
 * ERR_UNAVAILABLE when the server can't be reached. */
enum err db_connect(const char *conninfo, const char *name, struct db_conn **conn,
                    struct err_info *info);
void db_close(struct db_conn *conn);

/* Whether the connection is usable; db_reopen tries once to make it so. */
bool db_is_open(const struct db_conn *conn);
enum err db_reopen(struct db_conn *conn, struct err_info *info);

/* A pool of at most `size` connections, opened when first needed. */
enum err db_pool_new(const char *conninfo, const char *name, size_t size, struct db_pool **pool,
                     struct err_info *info);
void db_pool_free(struct db_pool *pool);
/* The patience of the connections it lends from now on (see db_set_patience). */
void db_pool_set_patience(struct db_pool *pool, double seconds);
/* A connection, waiting up to timeout_s for a free one; ERR_UNAVAILABLE if none or no server. */
enum err db_acquire(struct db_pool *pool, double timeout_s, struct db_conn **conn,
                    struct err_info *info);
void db_release(struct db_pool *pool, struct db_conn *conn);

/* Runs fn inside one transaction; on DB_SOFT rolls back and runs it again, up to 5 times with a growing
 * pause. DB_HARD rolls back; DB_NONE and DB_ROWS commit. fn may run several times: it must have no
 * effect but on the database and on its own outputs, and never replies to anyone. It is also run again
 * when the answer to COMMIT was lost, so it must bear its own earlier success (ids are made outside it).
 * Within another db_tx_run fn simply runs as a part of that transaction: pass its status on. */
enum db_status db_tx_run(struct db_conn *conn, const char *name,
                         enum db_status (*fn)(struct db_conn *conn, void *context), void *context);

/* The longest wait for one answer of the server on this connection (35 s unless set): after it the
 * connection is closed and the call is DB_SOFT. A pool's connection comes with the pool's. */
void db_set_patience(struct db_conn *conn, double seconds);

/* Whether the last failure on this connection was that the server's disk is full. */
bool db_is_full(const struct db_conn *conn);

/* Text of the last failure on this connection, for logs only. */
const char *db_last_error(const struct db_conn *conn);

/* ---- notifications: channel "attune", payload "<kind> <id>": "job job_…", "key key_…", "dataset ds_…",
 * "model mdl_…", "tenant ten_…", "work" (something may be claimable) -------------------------------- */
enum db_status db_listen(struct db_conn *conn);
/* Sends inside the current transaction. */
enum db_status db_notify(struct db_conn *conn, const char *kind, const char *id);
/* Waits up to timeout_s; calls on_note for each notification. ERR_UNAVAILABLE when the connection broke. */
enum err db_wait_notify(struct db_conn *conn, double timeout_s,
                        void (*on_note)(void *context, const char *kind, const char *id),
                        void *context, struct err_info *info);
/* The connection's socket, to be polled with others; -1 when closed. */
int db_socket(const struct db_conn *conn);

/* ---- patches -------------------------------------------------------------------------------------- */

/* Applies the missing patches (compiled into the program from sql/schema/), under an advisory lock,
 * each in its own transaction, with a lock_timeout. *from and *to are the patch numbers before and after
 * (-1 = empty database). */
enum err db_patch_apply(struct db_conn *conn, int *from, int *to, struct err_info *info);
/* ERR_OK if this program can serve the schema found, else ERR_CONFLICT with the remedy in the text. */
enum err db_patch_check(struct db_conn *conn, struct err_info *info);

/* ---- small things ---------------------------------------------------------------------------------- */

/* prefix + 20 random characters of [0-9a-hjkmnp-tv-z]; size ≥ 32. */
void db_id_new(const char *prefix, char *id, size_t size);
/* The same from a store of random bytes that each thread keeps, for ids made at every request. Not in a process
 * that forked: both would give the same ones. */
void db_id_new_often(const char *prefix, char *id, size_t size);

/* Bytes in chunks. Write: read_fn fills up to `size` bytes and returns the count, 0 at the end, -1 on
 * failure; call inside a transaction; the bytes must be the announced number with the announced digest.
 * Read: write_fn gets the bytes in order, in pieces; only at the end is the digest checked, so use them
 * only after DB_ROWS. DB_NONE: no such blob (any more). Neither holds more than a few MB. */
enum db_status db_blob_write(struct db_conn *conn,
                             long (*read_fn)(void *context, char *bytes, size_t size),
                             void *context, const uint8_t sha256[32], uint64_t bytes,
                             int64_t *blob_id);
enum db_status db_blob_write_bytes(struct db_conn *conn, const void *bytes, size_t length,
                                   int64_t *blob_id);
enum db_status db_blob_read(struct db_conn *conn, int64_t blob_id,
                            bool (*write_fn)(void *context, const char *bytes, size_t size),
                            void *context);
enum db_status db_blob_delete(struct db_conn *conn, int64_t blob_id);

#endif
