/* Files that hold an upload until it is taken over: DATA_DIR/spool/upload-*.
 *
 * A spool file belongs to one request. What a crash leaves behind is removed at the next start, so nobody
 * else may keep files of that name: who takes one over renames it. Blocking; any thread.
 */
#ifndef ATTUNE_SERVER_SPOOL_H
#define ATTUNE_SERVER_SPOOL_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define SPOOL_PATH_MAX 512

struct spool_file
{
  int fd; /* -1 = closed */
  uint64_t size;
  char path[SPOOL_PATH_MAX]; /* "" = none */
};

/* Makes DATA_DIR/spool and removes uploads that broke off. */
enum err spool_prepare(const char *data_dir, struct err_info *info);

/* ERR_LIMIT when the free space is less than 2 × size + reserve. */
enum err spool_check_room(const char *data_dir, uint64_t size, uint64_t reserve,
                          struct err_info *info);

/* ERR_LIMIT = the disk is full, ERR_IO = it failed. */
enum err spool_open(const char *data_dir, struct spool_file *file, struct err_info *info);
enum err spool_write(struct spool_file *file, const void *bytes, size_t length,
                     struct err_info *info);
enum err spool_close(struct spool_file *file, struct err_info *info);
/* Closes and removes. */
void spool_remove(struct spool_file *file);

#endif
