/* The class of each image as a list tells it: CSV of file,label (a header line or none), or a JSON array of
 * {"file","label"} objects, or of labels alone in the order of the images.
 *
 * Owns copies of the texts. Immutable once made; any thread. Not for class folders.
 */
#ifndef ATTUNE_DATA_IMAGE_LABELS_H
#define ATTUNE_DATA_IMAGE_LABELS_H

#include <stddef.h>

#include "base/err.h"

struct image_labels;

/* Reads a list; `what` names it in messages ("labels.csv"). ERR_INVALID when it is none, or gives one file
 * two labels. */
enum err image_labels_new(const char *text, size_t length, const char *what,
                          struct image_labels **labels, struct err_info *info);
void image_labels_free(struct image_labels *labels);

/* The label of the image at `path`, the index-th of all (from 0); NULL when the list has none. The list may
 * name it by its path, by the path after `top` bytes, or by its last component. */
const char *image_labels_find(const struct image_labels *labels, const char *path, size_t top,
                              size_t index);

#endif
