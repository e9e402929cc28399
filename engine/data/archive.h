/* Walks the files of a zip or tar archive (tar also in gzip, xz or zstd) in their order, trusting none of
 * it.
 *
 * Names come out as clean relative paths in UTF-8. Folders, and what systems leave lying about (__MACOSX,
 * .DS_Store, Thumbs.db, hidden files), are passed over. What no honest archive of data has is refused with
 * the name of the entry: links, devices, absolute names, "..", encrypted files, more entries or unpacked
 * bytes than allowed, and far more bytes than the archive's own size explains (a bomb). Nothing is ever
 * written to a named file. Owns a decompressor, not the descriptor. One thread. Not for archives inside
 * archives.
 */
#ifndef ATTUNE_DATA_ARCHIVE_H
#define ATTUNE_DATA_ARCHIVE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

struct archive_limits
{
  uint64_t max_entries; /* folders and passed over ones count, too */
  uint64_t max_bytes;   /* unpacked, all files together */
};

struct archive_walk;

/* Begins at the first entry of the archive in `fd`, which is seekable and stays the caller's. ERR_INVALID when
 * it is none. */
enum err archive_walk_open(int fd, const struct archive_limits *limits, struct archive_walk **walk,
                           struct err_info *info);
void archive_walk_close(struct archive_walk *walk);

/* The next file's path, until the next call; NULL at the end. A file that is compressed without an archive
 * around it has the path "". ERR_INVALID when the archive is damaged or refused. */
enum err archive_walk_next(struct archive_walk *walk, const char **path, struct err_info *info);

/* Appends the current file's bytes to `bytes` until it holds `most` of them or the file ends (*ended). ERR_INVALID:
 * the archive can't be gone on with. ERR_DIVERGED: only this file is damaged. */
enum err archive_walk_read(struct archive_walk *walk, size_t most, struct buf *bytes, bool *ended,
                           struct err_info *info);

#endif
