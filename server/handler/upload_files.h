/* Private to dataset_ingest.c: what the parts of an upload are together.
 *
 * One `file`: a table, an archive, or an IDX file that lacks its labels. `images` and `labels`, both IDX. Many
 * image files, each a part called `file` or `images` whose name tells its class ("cat/1.png") unless `labels`
 * (text, or a file) does. An archive of images may come with `labels`, too. `image_size` is WxH or N.
 */
#ifndef ATTUNE_SERVER_HANDLER_UPLOAD_FILES_H
#define ATTUNE_SERVER_HANDLER_UPLOAD_FILES_H

#include "server/http.h"
#include "server/ingest_queue.h"

struct upload_files
{
  struct http_part **files; /* at least one */
  size_t count;
  struct http_part *labels; /* a file or a field, or NULL */
  bool pair;                /* IDX images and labels */
  bool images;              /* image files to be packed */
  bool archive;
  size_t image_height, image_width;
};

/* Finds and checks them. `fields` (NULL-ended) are the parts that are the caller's. False when it replied. */
bool upload_files_find(struct http_request *req, const char *const *fields,
                       struct upload_files *files);

/* What the files are by their first bytes, without any check. */
bool upload_files_are_images(struct http_request *req);

/* Puts image files together to one and fills in `upload`. False when it replied. The paths stay the parts'. */
bool upload_files_settle(struct http_request *req, struct upload_files *files,
                         struct ingest_upload *upload);

#endif
