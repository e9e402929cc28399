/* Uploads on their way to datasets: a bounded number of threads, each running one attune-ingest child.
 *
 * An upload's files are staged in DATA_DIR/ingest/<dataset id>/ beside a note of what they are, so a later
 * attuned with the same data directory resumes it. While it is parsed its lease in the database is kept;
 * at the end the canonical file goes to the database and the dataset is ready, or failed with a problem.
 * Owns its threads and that folder. Thread-safe. Stopping leaves what is not done for the next start.
 */
#ifndef ATTUNE_SERVER_INGEST_QUEUE_H
#define ATTUNE_SERVER_INGEST_QUEUE_H

#include <stdbool.h>

#include "base/err.h"
#include "server/server.h"

struct ingest_queue;

/* Starts `threads` threads, which first resume what an earlier process of this data directory left.
 * Call once the schema is applied and before requests are taken; needs server->db, ->limits, ->data_dir,
 * ->instance and ->datasets. */
enum err ingest_queue_new(struct server *server, unsigned threads, struct ingest_queue **queue,
                          struct err_info *info);
/* Ends running children, joins the threads. NULL is ignored. */
void ingest_queue_free(struct ingest_queue *queue);

/* What was uploaded, as paths on the data directory's file system: `file` alone; a `file` that is an archive of
 * images, with `labels` or labels_text (image_labels.h); or `images` with `labels`, both IDX. */
struct ingest_upload
{
  const char *file, *images, *labels;
  const char *labels_text;          /* the list itself instead of a file */
  bool tabs;                        /* the file is said to be TSV */
  size_t image_height, image_width; /* wanted; 0 = by rule */
};

/* First stage (the files are moved), then insert the row, then add; discard when the row could not be
 * inserted. In this order a crash leaves nothing that is not resumed or swept. */
enum err ingest_queue_stage(struct ingest_queue *queue, const char *dataset_id,
                            const struct ingest_upload *upload, struct err_info *info);
enum err ingest_queue_add(struct ingest_queue *queue, const char *dataset_id);
void ingest_queue_discard(struct ingest_queue *queue, const char *dataset_id);

/* Waits up to `seconds` (0 = just look) for a dataset to be neither queued nor being parsed; true when it
 * is so. Its state is then in the database. */
bool ingest_queue_wait(struct ingest_queue *queue, const char *dataset_id, double seconds);

/* For /metrics. */
void ingest_queue_stats(struct ingest_queue *queue, unsigned *waiting, unsigned *running);

#endif
