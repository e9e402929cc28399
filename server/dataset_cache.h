/* Canonical dataset files on local disk, by digest, bounded in bytes.
 *
 * DATA_DIR/cache/datasets/<sha256>.atds. A file that is missing is fetched from the database, checked
 * against its digest, and put there under its final name only when whole; when the folder exceeds its
 * bound the files unused for longest go first (an open one stays readable). A file found damaged is
 * fetched again. Owns the folder. Thread-safe; fetches of one digest by several threads are done once.
 */
#ifndef ATTUNE_SERVER_DATASET_CACHE_H
#define ATTUNE_SERVER_DATASET_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "data/dataset.h"
#include "sql/db_dataset.h"

struct dataset_cache;

#define DATASET_CACHE_BYTES (UINT64_C(8) << 30)

/* Makes the folder if needed and removes what an earlier process left unfinished. max_bytes 0 =
 * DATASET_CACHE_BYTES. */
enum err dataset_cache_new(const char *data_dir, uint64_t max_bytes, struct dataset_cache **cache,
                           struct err_info *info);
void dataset_cache_free(struct dataset_cache *cache);

/* Whether the file is here. */
bool dataset_cache_has(struct dataset_cache *cache, const uint8_t sha256[32]);

/* Opens a ready dataset, fetching it first when it isn't here. The caller closes it with dataset_close.
 * ERR_UNAVAILABLE when the database is away, ERR_NOT_FOUND when its blob is gone, ERR_IO on a full disk. */
enum err dataset_cache_open(struct dataset_cache *cache, struct db_conn *conn,
                            const struct db_dataset *row, struct dataset **dataset,
                            struct err_info *info);

/* The file itself, as a descriptor open for reading that the caller closes. Errors as above. */
enum err dataset_cache_file(struct dataset_cache *cache, struct db_conn *conn,
                            const struct db_dataset *row, int *fd, struct err_info *info);

/* A new empty file in the cache's folder, open for reading and writing: *path (to be freed) goes to
 * dataset_cache_put or is removed by the caller; one left behind is swept at the next start. */
enum err dataset_cache_temporary(struct dataset_cache *cache, char **path, int *fd,
                                 struct err_info *info);

/* Moves a finished file with that digest into the cache (same file system); it is removed on failure. */
enum err dataset_cache_put(struct dataset_cache *cache, const char *path, const uint8_t sha256[32],
                           struct err_info *info);

#endif
