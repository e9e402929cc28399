/* A folder through which a worker and one trial process speak: files written whole, read within limits.
 * The worker owns it, makes it anew for each unit and removes it. One user at a time.
 */
#ifndef ATTUNE_WORKER_WORK_DIR_H
#define ATTUNE_WORKER_WORK_DIR_H

#include <jansson.h>
#include <limits.h>
#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"

struct work_dir
{
  char path[PATH_MAX];
};

/* Names an existing folder. ERR_LIMIT when the path is too long. */
enum err work_dir_at(struct work_dir *dir, const char *path);

/* Makes `parent`/`name` empty, removing what was there. */
enum err work_dir_make(struct work_dir *dir, const char *parent, const char *name,
                       struct err_info *info);
void work_dir_remove(const struct work_dir *dir);

/* A file of the folder: written (not synced: it dies with the machine), read whole. Names hold no slash. */
enum err work_dir_write(const struct work_dir *dir, const char *name, const void *bytes,
                        size_t length, struct err_info *info);
enum err work_dir_write_json(const struct work_dir *dir, const char *name, const json_t *json,
                             struct err_info *info);
enum err work_dir_read(const struct work_dir *dir, const char *name, struct buf *bytes,
                       struct err_info *info);
enum err work_dir_read_json(const struct work_dir *dir, const char *name, json_t **json,
                            struct err_info *info);

#endif
