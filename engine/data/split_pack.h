/* A split's fold membership as bytes to be stored: one a row, deflated. Pure; any thread.
 */
#ifndef ATTUNE_DATA_SPLIT_PACK_H
#define ATTUNE_DATA_SPLIT_PACK_H

#include "base/buf.h"
#include "base/err.h"
#include "data/split.h"

/* Appends fold_of, deflated. ERR_MEMORY only. */
enum err split_pack(const struct split *split, struct buf *out);

/* fold_of (rows) ← the bytes. ERR_INVALID when they are damaged or of another number of rows. */
enum err split_unpack(const void *bytes, size_t length, uint8_t *fold_of, size_t rows,
                      struct err_info *info);

#endif
