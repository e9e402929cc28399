/* Canonical dataset files by their digest, fetched from the database once and mapped by every trial; and
 * files of models that fits start from, which are no different.
 *
 * The files lie in DATA_DIR/cache/datasets, shared by all engines of that folder: a file is fetched under
 * a lock, to a temporary name, and renamed when it is whole. The least recently used go first when there is
 * no room. Owns no descriptors between calls. One thread at a time.
 */
#ifndef ATTUNE_WORKER_DATASET_CACHE_H
#define ATTUNE_WORKER_DATASET_CACHE_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "sql/db.h"

struct dataset_cache
{
  char dir[PATH_MAX];
  uint64_t limit_bytes;
};

/* Makes the folder and drops temporary files that nobody writes any more. */
enum err dataset_cache_open(struct dataset_cache *cache, const char *data_dir, uint64_t limit_bytes,
                            struct err_info *info);

struct dataset_wanted
{
  const uint8_t *sha256; /* 32 bytes */
  int64_t blob_id;
  uint64_t bytes;
  /* Called now and then while a long fetch goes on; false ends it with ERR_CANCELLED. May be NULL. */
  bool (*tick)(void *context);
  void *context;
};

/* The path of the file, fetched if need be. ERR_UNAVAILABLE when the database is away, ERR_NOT_FOUND when it
 * has no such blob, ERR_LIMIT when there is no room on the disk. */
enum err dataset_cache_get(const struct dataset_cache *cache, struct db_conn *conn,
                           const struct dataset_wanted *wanted, char path[PATH_MAX],
                           struct err_info *info);

/* Lower-case hexadecimal of a digest. */
void dataset_hex(const uint8_t sha256[32], char hex[65]);

#endif
