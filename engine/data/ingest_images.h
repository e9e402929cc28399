/* Private to ingest_archive.c and ingest_images.c: the files of an archive by what they are, and the images
 * among them.
 */
#ifndef ATTUNE_DATA_INGEST_IMAGES_H
#define ATTUNE_DATA_INGEST_IMAGES_H

#include "base/arena.h"
#include "base/buf.h"
#include "data/archive.h"
#include "data/image_census.h"
#include "data/image_labels.h"
#include "data/ingest_work.h"

/* A longer file is no image anyone trains on; as much is held in memory at a time. */
#define INGEST_IMAGE_BYTES_MAX ((size_t) 64 << 20)

enum archive_file
{
  ARCHIVE_FILE_OTHER,
  ARCHIVE_FILE_IMAGE, /* PNG or JPEG by its first bytes */
  ARCHIVE_FILE_BAD,   /* by its name an image, but not one that can be read */
  ARCHIVE_FILE_TABLE,
  ARCHIVE_FILE_LABELS /* labels.csv at the top */
};

/* What the first pass over an archive found. */
struct ingest_archive
{
  struct ingest_work *work;
  struct arena *arena;
  struct archive_limits limits;
  size_t limits_pixels;
  struct image_census census;  /* of the images whose head could be read */
  struct image_labels *labels; /* NULL = class folders */
  const char *labels_path;     /* of a labels.csv, else NULL */
  uint64_t images, tables, others;
  const char *table, *other; /* the first one's name */
  char *top;                 /* folder all images are in, or NULL once they differ */
  size_t top_length;         /* bytes of every path before the class folders */
  json_t *warnings;
};

/* Calls `visit` for each file with its first bytes (at least 512, unless the file ends), which it may read
 * further. Stops at the first error. */
enum err ingest_archive_walk(struct ingest_archive *archive, struct err_info *info,
                             enum err (*visit)(struct ingest_archive *archive,
                                               struct archive_walk *walk, const char *path,
                                               enum archive_file kind, struct buf *head,
                                               struct err_info *info, void *context),
                             void *context);

/* The rest of the current file into `bytes`. ERR_DIVERGED: the file alone is at fault, *info says how. */
enum err ingest_archive_read_image(struct archive_walk *walk, struct buf *bytes,
                                   struct err_info *info);

/* The second pass, when the first found images. */
enum err ingest_images(struct ingest_archive *archive, struct err_info *info);

#endif
