/* Drafts of image models: categories and labelled images that trainings make datasets of. A draft's id is also the
 * name of the model it becomes. */
#ifndef ATTUNE_SQL_DB_DRAFT_H
#define ATTUNE_SQL_DB_DRAFT_H

#include "sql/db.h"

struct db_draft
{
  const char *id;
  const char *const *categories;
  size_t category_count;
  const double *counts; /* images of each category */
  size_t count_count;
  int64_t files, bytes;
  const char *dataset_id; /* of the newest training, or NULL */
  int64_t dataset_files;  /* so many of its images are in there */
  const char
    *job_id; /* of the newest training, or NULL; there is no such job when its insert failed */
  bool busy; /* a request is making the dataset or the job */
};

enum db_status db_draft_insert(struct db_conn *conn, const char *id, const char *tenant_id,
                               const char *const *categories, size_t count);
/* DB_NONE: not there, or another tenant's. */
enum db_status db_draft_get(struct db_conn *conn, const char *tenant_id, const char *id,
                            struct arena *arena, struct db_draft *draft);
/* With its images. DB_NONE: not there, another tenant's, or busy. */
enum db_status db_draft_delete(struct db_conn *conn, const char *tenant_id, const char *id);

/* Images of one request, `upload` being its own id: inside a transaction first begin (DB_ROWS: they are stored
 * already), then each image, then end, which counts them. */
enum db_status db_draft_upload_begin(struct db_conn *conn, const char *id, const char *upload);
enum db_status db_draft_upload_add(struct db_conn *conn, const char *id, const char *upload,
                                   int seq, size_t category, const void *bytes, size_t length);
enum db_status db_draft_upload_end(struct db_conn *conn, const char *id, size_t category,
                                   size_t files, uint64_t bytes);

/* The image after (upload, seq), in an order that stays; DB_NONE after the last. Begin with "" and 0. */
struct db_draft_file
{
  const char *upload;
  int seq;
  int category;
  const void *bytes;
  size_t length;
};
enum db_status db_draft_next_file(struct db_conn *conn, const char *id, const char *upload, int seq,
                                  struct arena *arena, struct db_draft_file *file);

/* Makes it busy for `seconds`. DB_NONE: it is so already, or gone. */
enum db_status db_draft_claim(struct db_conn *conn, const char *id, double seconds);
/* Busy for `seconds` from now on; 0 = no longer. */
enum db_status db_draft_hold(struct db_conn *conn, const char *id, double seconds);
enum db_status db_draft_set_dataset(struct db_conn *conn, const char *id, const char *dataset_id,
                                    int64_t files);
enum db_status db_draft_set_job(struct db_conn *conn, const char *id, const char *job_id);

/* Removes some drafts that nobody has touched for `days`; DB_NONE when there are no more. */
enum db_status db_draft_sweep(struct db_conn *conn, double days);

#endif
