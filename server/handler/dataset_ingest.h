/* The parts of an upload to a dataset in state ingesting, and what became of it. Shared by POST /datasets
 * and POST /train. Strings live in the request's arena. */
#ifndef ATTUNE_SERVER_HANDLER_DATASET_INGEST_H
#define ATTUNE_SERVER_HANDLER_DATASET_INGEST_H

#include "server/http.h"
#include "sql/db_dataset.h"

/* Finds the files among the parts (see upload_files.h); checks media types, quota and free space; stages,
 * inserts and queues. `fields` (NULL-ended) are the other parts the caller knows. `name` NULL = like
 * the file's. False when it replied. */
bool dataset_ingest_begin(struct http_request *req, const char *const *fields, const char *name,
                          const char **dataset_id);

/* Once the dataset is parsed: its row. When the data turned out to be at fault, replies 422 with the faults,
 * removes the dataset, and returns DATASET_INGEST_REPLIED. */
enum dataset_ingest_state
{
  DATASET_INGEST_RUNNING,
  DATASET_INGEST_READY,
  DATASET_INGEST_REPLIED
};
enum dataset_ingest_state dataset_ingest_look(struct http_request *req, struct db_conn *conn,
                                              const char *dataset_id, struct db_dataset *row);

/* Whether `size` more bytes are within the tenant's limits and the disk's. False when it replied. */
bool dataset_ingest_room(struct http_request *req, struct db_conn *conn, uint64_t size);

/* Whether what came looks like images, so that no target column is needed. */
bool dataset_ingest_is_images(struct http_request *req);

/* A field of a form as text, or NULL when absent or empty. */
const char *upload_field(struct http_request *req, const char *name);

#endif
