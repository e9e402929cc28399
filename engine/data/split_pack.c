#include <config.h>

#include "data/split_pack.h"

#include <limits.h>
#include <stdlib.h>
#include <zlib.h>

enum err
split_pack(const struct split *split, struct buf *out)
{
  if (split->row_count > ULONG_MAX / 2)
    return ERR_MEMORY;
  uLongf length = compressBound((uLong) split->row_count);
  Bytef *bytes = malloc(length);
  if (bytes == NULL)
    return ERR_MEMORY;
  int rc = compress2(bytes, &length, split->fold_of, (uLong) split->row_count, 6);
  if (rc == Z_OK)
    buf_append(out, (const char *) bytes, length);
  free(bytes);
  return rc == Z_OK && !out->failed ? ERR_OK : ERR_MEMORY;
}

enum err
split_unpack(const void *bytes, size_t length, uint8_t *fold_of, size_t rows, struct err_info *info)
{
  uLongf found = (uLongf) rows;
  if (rows > ULONG_MAX / 2 || length > ULONG_MAX / 2
      || uncompress(fold_of, &found, bytes, (uLong) length) != Z_OK || found != rows)
    return err_set(info, ERR_INVALID, "the stored folds are damaged, or not of these %zu rows",
                   rows);
  return ERR_OK;
}
