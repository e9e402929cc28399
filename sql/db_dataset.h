/* Datasets and their immutable versions. */
#ifndef ATTUNE_SQL_DB_DATASET_H
#define ATTUNE_SQL_DB_DATASET_H

#include <jansson.h>

#include "sql/db.h"

struct db_dataset
{
  const char *id;
  const char *name;
  const char *state;   /* ingesting, ready, failed */
  const char *problem; /* JSON text, or NULL */
  int version;
  const char *kind; /* NULL until ready */
  int64_t rows;
  int64_t bytes;
  uint8_t sha256[32];
  const char *schema; /* JSON text, NULL until ready (and in lists) */
  int64_t blob_id;
  int64_t created_us;
};

/* Inserts in state ingesting, leased for 60 s by `instance`. */
enum db_status db_dataset_insert(struct db_conn *conn, const char *id, const char *tenant_id,
                                 const char *name, const char *instance);
/* Keeps the ingest lease; DB_NONE when it was lost. */
enum db_status db_dataset_heartbeat(struct db_conn *conn, const char *id, const char *instance);
/* In one transaction: blob, version, state ready, notify. The file is read through read_fn. DB_NONE: the
 * dataset is not ingesting any more (failed, deleted). */
struct db_dataset_content
{
  const char *kind;
  uint8_t sha256[32];
  uint64_t bytes;
  int64_t rows;
  const char *schema; /* JSON text */
  long (*read_fn)(void *context, char *bytes, size_t size);
  bool (*rewind_fn)(void *context); /* back to the start, when the transaction is run again */
  void *context;
};
enum db_status db_dataset_finish(struct db_conn *conn, const char *id,
                                 const struct db_dataset_content *content);
/* State failed with a problem {code, detail, faults}; notify. */
enum db_status db_dataset_fail(struct db_conn *conn, const char *id, const char *problem);
/* Datasets of this instance still ingesting (to be resumed at start), and those of instances whose
 * lease ended 60 s ago, which become failed: ingest_interrupted. Ids of the former go to *ids. */
enum db_status db_dataset_recover(struct db_conn *conn, const char *instance, struct arena *arena,
                                  const char ***ids, size_t *count);
/* A further version of a ready dataset; *version is its number. DB_NONE when the newest version is no
 * longer `from_version` (409). */
enum db_status db_dataset_add_version(struct db_conn *conn, const char *tenant_id, const char *id,
                                      int from_version, const struct db_dataset_content *content,
                                      int *version);

/* One dataset; version 0 = the newest. DB_NONE: not there, another tenant's, deleted. */
enum db_status db_dataset_get(struct db_conn *conn, const char *tenant_id, const char *id,
                              int version, struct arena *arena, struct db_dataset *dataset);
enum db_status db_dataset_list(struct db_conn *conn, const char *tenant_id, const char *cursor,
                               size_t limit, struct arena *arena, struct db_dataset **datasets,
                               size_t *count);
/* Marks deleted and drops its blobs unless a job that is not ended needs it (*busy = true, DB_NONE). */
enum db_status db_dataset_delete(struct db_conn *conn, const char *tenant_id, const char *id,
                                 bool *busy);
/* Bytes stored for a tenant. */
enum db_status db_dataset_bytes(struct db_conn *conn, const char *tenant_id, uint64_t *bytes);

/* Cursor text (for the lists of datasets, jobs, keys and models, by created_us and id of their rows) for the
 * row after which the next page starts. */
const char *db_cursor(struct arena *arena, int64_t created_us, const char *id);

#endif
