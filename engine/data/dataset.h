/* A dataset in canonical form: one immutable file, mapped into memory.
 *
 * The file (extension .atds) is a fixed head, a JSON schema, then column or pixel arrays aligned to
 * 64 bytes, little-endian; its SHA-256 names it in the database, in caches and in reports. A reader
 * checks magic, version, every offset and length before it trusts the file. Tables: typed columns.
 * Images: uint8 pixels (n,h,w,c) with one class label each. A dataset owns its mapping; everything
 * it hands out lives until dataset_close. Immutable, so any thread may read.
 */
#ifndef ATTUNE_DATA_DATASET_H
#define ATTUNE_DATA_DATASET_H

#include <jansson.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/table.h"

enum dataset_kind
{
  DATASET_TABLE,
  DATASET_IMAGES
};

struct image_set
{
  size_t count, height, width, channels;
  const uint8_t *pixels; /* (count, height, width, channels) */
  const int32_t *labels; /* index into class_names */
  const char *const *class_names;
  size_t class_count;
};

struct dataset;

/* Maps and verifies the file. ERR_INVALID when it is damaged or of a newer version. */
enum err dataset_open(const char *path, struct dataset **dataset, struct err_info *info);
/* The same from a descriptor, which stays the caller's and may be closed afterwards. */
enum err dataset_open_fd(int fd, struct dataset **dataset, struct err_info *info);
void dataset_close(struct dataset *dataset);

enum dataset_kind dataset_kind(const struct dataset *dataset);
size_t dataset_row_count(const struct dataset *dataset);

/* The table of a DATASET_TABLE, the images of a DATASET_IMAGES; NULL for the other kind. Borrowed. */
const struct table *dataset_table(const struct dataset *dataset);
const struct image_set *dataset_images(const struct dataset *dataset);

/* The stored schema: {"kind","rows","columns":[{"name","type","missing","distinct","examples",
 * "format"?,"note"?}],"warnings":[…]} or, for images, {"kind","rows","height","width","channels",
 * "classes":[{"name","count"}],"warnings":[…]}. Borrowed. */
const json_t *dataset_schema(const struct dataset *dataset);

/* The first `limit` rows after `offset` as {"columns":[…],"rows":[[…]]}; for images
 * {"images":[{"row","label","png_base64"}]} with PNG thumbnails. New reference. */
enum err dataset_preview(const struct dataset *dataset, size_t offset, size_t limit,
                         json_t **preview, struct err_info *info);

/* Statistics per column: numeric min/max/mean/sd/quantiles and a 20-bin histogram, categorical
 * counts of the 20 commonest values, datetime range, text lengths; for images class counts and
 * pixel mean/sd. Over at most `row_limit` rows (0 = all), stated in the answer. New reference. */
enum err dataset_profile(const struct dataset *dataset, size_t row_limit, json_t **profile,
                         struct err_info *info);

#endif
