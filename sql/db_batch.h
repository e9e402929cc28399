/* Batch predictions: inserted and read by the server, worked on by the engine.
 *
 * The engine's part goes by the rules of db_work.h: a claim raises the lease token, every write says which token it
 * holds and is refused (DB_NONE) when that is old. The unit of a lease is the batch's number; what is done under it is
 * a slice, stored whole with the place it ends at. Whoever claims the batch next goes on from there.
 */
#ifndef ATTUNE_SQL_DB_BATCH_H
#define ATTUNE_SQL_DB_BATCH_H

#include "sql/db_work.h"

struct db_batch
{
  const char *id;
  const char *tenant_id;
  const char *model_id, *model_name;
  int model_version;
  const char *options; /* JSON text */
  const char *file_name;
  uint64_t input_bytes, row_count; /* rows: 0 = not known before the end */
  double keep_days;                /* after its end */
  const char *state;               /* queued, running, succeeded, failed, cancelled */
  const char *problem;             /* JSON text or NULL */
  uint64_t rows_done, rows_faulty, output_bytes;
  int parts;
  int64_t created_us, started_us, ended_us; /* 0 = not yet */
};

/* Inserts a queued batch (its members before the state) with the `input_bytes` bytes of the file in `fd`, which have
 * this digest, and notifies "work". One that is there already is this call's own, run again. Within db_tx_run. */
enum db_status db_batch_insert(struct db_conn *conn, const struct db_batch *batch, int fd,
                               const uint8_t sha256[32]);
enum db_status db_batch_get(struct db_conn *conn, const char *tenant_id, const char *id,
                            struct arena *arena, struct db_batch *batch);
/* Newest first; of one model (by its name) unless NULL. */
enum db_status db_batch_list(struct db_conn *conn, const char *tenant_id, const char *model_name,
                             const char *cursor, size_t limit, struct arena *arena,
                             struct db_batch **batches, size_t *count);
/* Those that are queued or running. */
enum db_status db_batch_count_live(struct db_conn *conn, const char *tenant_id, size_t *count);
/* Part `seq`, from 0, of the answer; DB_NONE when there is none (any more). */
enum db_status db_batch_part(struct db_conn *conn, const char *id, int seq, struct arena *arena,
                             const void **bytes, size_t *length);
/* Ends a batch that is queued or running; what was answered goes. DB_NONE when it has ended, or is not there. */
enum db_status db_batch_cancel(struct db_conn *conn, const char *tenant_id, const char *id);
/* Removes it, whatever its state. */
enum db_status db_batch_delete(struct db_conn *conn, const char *tenant_id, const char *id);
/* Removes some of those that are kept no longer; DB_NONE when there were none. */
enum db_status db_batch_sweep(struct db_conn *conn);

/* ---- the engine's side ------------------------------------------------------------------------------- */

struct db_batch_place
{
  uint64_t bytes, rows, faulty;
  bool ended;
};

struct db_batch_unit
{
  const char *batch_id;
  struct db_work_lease lease;
  int attempts;
  const char *options; /* JSON text */
  struct db_batch_place place;
  int parts; /* stored so far */
  uint8_t input_sha256[32], model_sha256[32];
  int64_t input_blob, model_blob; /* 0 = it is not there any more */
  uint64_t input_bytes, model_bytes;
};

/* Claims a batch that nobody is at, of the tenant with the fewest at work, then the one served longest ago. One whose
 * next slice has failed DB_WORK_MAX_ATTEMPTS times is ended instead. */
enum db_status db_batch_claim(struct db_conn *conn, const char *worker, struct arena *arena,
                              struct db_batch_unit *unit);
/* As db_work_heartbeat; a batch that was cancelled or removed is a lease that was lost. */
enum db_status db_batch_heartbeat(struct db_conn *conn, const struct db_work_lease *lease,
                                  struct db_work_pulse *pulse);
/* Stores the claimed slice's answers, the batch's part number `parts`, and gives the lease back; with a place that is
 * the end the batch has succeeded. */
enum db_status db_batch_store(struct db_conn *conn, const struct db_batch_unit *unit,
                              const void *bytes, size_t length, const struct db_batch_place *place);
/* As db_work_end_unit for the slice: DB_WORK_FAILED ends the batch, the others leave it to the next. */
enum db_status db_batch_end(struct db_conn *conn, const struct db_work_lease *lease,
                            enum db_work_end how, const char *reason);
/* Gives back what is leased to a worker known to be dead. DB_NONE when nothing was. */
enum db_status db_batch_end_worker(struct db_conn *conn, const char *worker);

#endif
