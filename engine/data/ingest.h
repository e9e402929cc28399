/* Turns an uploaded file into a canonical dataset, in a child process with limits (attune-ingest).
 *
 * The caller opens the files; the child gets only their descriptors, has no database and no
 * network, and its memory, CPU time, output size and descriptors are bounded. Its answer is a JSON
 * report: {"ok":true,"schema":{…},"sha256":…,"bytes":…} or
 * {"ok":false,"status":"invalid","message":…, "faults":[{row,column,value,message,hint}]}.
 * Blocking: for a thread that may wait. Thread-safe.
 */
#ifndef ATTUNE_DATA_INGEST_H
#define ATTUNE_DATA_INGEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"

enum ingest_kind
{
  INGEST_CSV,
  INGEST_IDX,    /* images in `input_fd`, labels in `labels_fd`; gzip or not */
  INGEST_EDIT,   /* another version of the canonical file in `input_fd` */
  INGEST_ARCHIVE /* a zip or tar in `input_fd`: class folders of images, or one table */
};

enum ingest_header
{
  INGEST_HEADER_AUTO,
  INGEST_HEADER_YES,
  INGEST_HEADER_NO
};

struct ingest_limits
{
  uint64_t max_bytes;  /* of the upload, and of images when unpacked */
  uint64_t max_output; /* of the canonical file */
  uint64_t max_rows;
  uint64_t max_columns;
  uint64_t max_cell_bytes;
  uint64_t max_seconds;  /* of CPU; twice that on the clock */
  uint64_t max_memory;   /* of address space, in bytes */
  uint64_t max_entries;  /* of an archive */
  uint64_t max_unpacked; /* of an archive, in bytes */
  uint64_t max_pixels;   /* of one image, width × height */
};

/* 4 GiB, 16 GiB, 100 million rows, 10,000 columns, 1 MiB a cell, 600 s, 768 MiB of addresses (about
 * a third of it is ever touched), 1 million entries, 16 GiB unpacked, 16 million pixels. */
#define INGEST_LIMITS_DEFAULT                                                                      \
  {                                                                                                \
    (uint64_t) 4 << 30, (uint64_t) 16 << 30, 100000000, 10000, (uint64_t) 1 << 20, 600,            \
      (uint64_t) 768 << 20, 1000000, (uint64_t) 16 << 30, 16000000                                 \
  }

struct ingest_request
{
  enum ingest_kind kind;
  int input_fd;  /* seekable, open for reading */
  int labels_fd; /* INGEST_IDX; INGEST_ARCHIVE: a list of labels (image_labels.h), or -1; else -1 */
  int scratch_fd; /* INGEST_ARCHIVE only: empty, for reading and writing */
  int output_fd;  /* empty, open for reading and writing */
  const json_t
    *edit; /* INGEST_EDIT: {"columns": [{"name","type","format"?}]} or {"columns": {name: type}} */
  enum ingest_header header;
  char delimiter;                   /* of CSV; 0 = found out */
  size_t image_height, image_width; /* INGEST_ARCHIVE: wanted size of images; 0 = by rule */
  struct ingest_limits limits;
  /* Asked now and then; true ends the child with ERR_CANCELLED. May be NULL. */
  bool (*cancelled)(void *context);
  void *cancel_context;
};

struct ingest_result
{
  json_t *schema;  /* on success; the caller's reference */
  char sha256[65]; /* of the canonical file, hexadecimal */
  uint64_t bytes;  /* length of the canonical file */
  json_t *faults;  /* on ERR_INVALID: array, may be empty; the caller's reference */
};

/* Runs one child to its end. ERR_INVALID: the input is at fault, *info says how in a sentence and
 * result->faults where. ERR_LIMIT: it was ended for using too much. ERR_TIMEOUT, ERR_CANCELLED,
 * ERR_IO, ERR_UNAVAILABLE (disk full) otherwise. */
enum err ingest_run(const struct ingest_request *request, struct ingest_result *result,
                    struct err_info *info);

/* Frees what the result holds. */
void ingest_result_clear(struct ingest_result *result);

#endif
