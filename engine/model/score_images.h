/* An archive of images answered by a model as a CSV: a row for each file of the archive, in its order.
 *
 * Images are decoded as a predict call does, a part of the archive at a time in bounded memory, from any file on: the
 * parts one after another are the answer to the whole. Columns: file, the path in the archive, then those of
 * score_write.h; a file that is no image, or a damaged one, has an error. One thread; borrows the model.
 */
#ifndef ATTUNE_MODEL_SCORE_IMAGES_H
#define ATTUNE_MODEL_SCORE_IMAGES_H

#include "data/archive.h"
#include "model/score_csv.h"

struct score_images_options
{
  double threshold;             /* of two classes; NaN = the model's */
  size_t most_pixels;           /* of one image */
  struct archive_limits limits; /* of the archive */
};

struct score_images;

/* ERR_INVALID when the file is no archive; the model must be one of images. The descriptor stays the caller's. */
enum err score_images_open(const struct model *model, int fd,
                           const struct score_images_options *options, struct score_images **score,
                           struct err_info *info);
void score_images_close(struct score_images *score);

/* Goes on after place->rows files; call it once, before the first part. A place's bytes count files, too. */
enum err score_images_seek(struct score_images *score, const struct score_place *place,
                           struct err_info *info);
struct score_place score_images_place(const struct score_images *score);

/* Appends the answers to the next files. ERR_INVALID when the archive can't be read on or breaks a limit. */
enum err score_images_next(struct score_images *score, struct buf *out, struct err_info *info);

#endif
