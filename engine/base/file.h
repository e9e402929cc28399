/* Whole files: read within a limit, written so that a crash leaves the old or the new one, folders
 * made and removed. Blocking; safe from any thread. Not for streaming large data.
 */
#ifndef ATTUNE_BASE_FILE_H
#define ATTUNE_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/buf.h"
#include "base/err.h"

/* Appends the whole file, or what is left to read from `fd`, to *out. ERR_LIMIT when it has more than
 * `limit` bytes, ERR_NOT_FOUND when there is no such file. */
enum err file_read_all(const char *path, size_t limit, struct buf *out, struct err_info *info);
enum err file_read_fd(int fd, size_t limit, struct buf *out, struct err_info *info);

/* Writes all `length` bytes to `fd`, over interruptions and short writes. */
enum err file_write_fd(int fd, const void *bytes, size_t length, struct err_info *info);

/* Replaces `path` by these bytes: a neighbouring temporary file, fsync, rename, fsync of the folder. */
enum err file_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode,
                           struct err_info *info);

/* Makes a folder and those above it; one that exists is kept as it is. */
enum err file_make_dir(const char *path, mode_t mode, struct err_info *info);

/* Removes a file or a folder with all in it, never following links. A path that is not there is no
 * error; ERR_IO when something could not be removed (the rest is). */
enum err file_remove_tree(const char *path);

/* Bytes an ordinary account may still write on the file system of `path`. */
enum err file_free_bytes(const char *path, uint64_t *bytes, struct err_info *info);

#endif
