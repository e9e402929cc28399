/* Several uploaded files as one tar, so that all of them are parsed as an archive is.
 *
 * Each goes in under the name its part gave, good or bad: judging names is the parser's. Blocking; any
 * thread. Not for reading archives.
 */
#ifndef ATTUNE_SERVER_UPLOAD_PACK_H
#define ATTUNE_SERVER_UPLOAD_PACK_H

#include <stdint.h>

#include "base/err.h"
#include "server/spool.h"

/* Appends the file at `path`, of `size` bytes, as `name`. ERR_LIMIT = the disk is full. */
enum err upload_pack_add(struct spool_file *tar, const char *name, const char *path, uint64_t size,
                         struct err_info *info);

/* The same with `size` bytes in memory. */
enum err upload_pack_add_bytes(struct spool_file *tar, const char *name, const void *bytes,
                               size_t size, struct err_info *info);

/* Writes the end of the tar. */
enum err upload_pack_end(struct spool_file *tar, struct err_info *info);

#endif
