/* Private to attune-ingest: one piece of work, from a spooled upload to a canonical file.
 *
 * Each kind of upload is one function on a struct ingest_work. Faults of the input go to `faults`,
 * all of them up to its limit, with ERR_INVALID and a summary in *info. Nothing here trusts the
 * input.
 */
#ifndef ATTUNE_DATA_INGEST_WORK_H
#define ATTUNE_DATA_INGEST_WORK_H

#include <jansson.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"
#include "data/ingest.h"

struct ingest_work
{
  int input, labels, output; /* descriptors; labels is -1 but for IDX and labelled images */
  int scratch;               /* an empty file, for an archive */
  const json_t *edit;        /* the wanted types, for an edit */
  enum ingest_header header;
  char delimiter;                   /* 0 = found out */
  size_t image_height, image_width; /* wanted size of images; 0 = by rule */
  struct ingest_limits limits;
  struct json_faults *faults;
  json_t *schema; /* result; the caller's reference */
  uint64_t bytes; /* result: length of the canonical file */
};

enum err ingest_csv(struct ingest_work *work, struct err_info *info);
enum err ingest_idx(struct ingest_work *work, struct err_info *info);
enum err ingest_edit(struct ingest_work *work, struct err_info *info);

/* An archive: of images in class folders (or with a list of labels), or of one table. */
enum err ingest_archive(struct ingest_work *work, struct err_info *info);

#endif
