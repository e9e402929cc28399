#include <config.h>

#include "worker/work_dir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"

#define MOST_BYTES ((size_t) 4 << 30)
#define MOST_DEPTH 64

static enum err
join(const char *parent, const char *name, char path[PATH_MAX], struct err_info *info)
{
  int length = snprintf(path, PATH_MAX, "%s/%s", parent, name);
  if (length <= 0 || length >= PATH_MAX)
    return err_set(info, ERR_LIMIT, "the path of %s is too long", name);
  return ERR_OK;
}

enum err
work_dir_at(struct work_dir *dir, const char *path)
{
  size_t length = strlen(path);
  if (length == 0 || length >= sizeof dir->path)
    return ERR_LIMIT;
  memcpy(dir->path, path, length + 1);
  return ERR_OK;
}

enum err
work_dir_make(struct work_dir *dir, const char *parent, const char *name, struct err_info *info)
{
  enum err err = join(parent, name, dir->path, info);
  if (err == ERR_OK)
    err = file_remove_tree(dir->path);
  if (err == ERR_OK)
    err = file_make_dir(dir->path, 0700, info);
  return err;
}

void
work_dir_remove(const struct work_dir *dir)
{
  file_remove_tree(dir->path);
}

enum err
work_dir_write(const struct work_dir *dir, const char *name, const void *bytes, size_t length,
               struct err_info *info)
{
  char path[PATH_MAX];
  enum err err = join(dir->path, name, path, info);
  if (err != ERR_OK)
    return err;
  int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fd < 0)
    return err_set_errno(info, ERR_IO, errno, "could not write %s", path);
  err = file_write_fd(fd, bytes, length, info);
  if (close(fd) != 0 && err == ERR_OK)
    err = err_set_errno(info, ERR_IO, errno, "could not write %s", path);
  return err;
}

enum err
work_dir_write_json(const struct work_dir *dir, const char *name, const json_t *json,
                    struct err_info *info)
{
  char *text = json != NULL ? json_dumps(json, JSON_COMPACT) : NULL;
  if (text == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for %s", name);
  enum err err = work_dir_write(dir, name, text, strlen(text), info);
  free(text);
  return err;
}

enum err
work_dir_read(const struct work_dir *dir, const char *name, struct buf *bytes,
              struct err_info *info)
{
  char path[PATH_MAX];
  if (strchr(name, '/') != NULL)
    return err_set(info, ERR_INVALID, "%s is no name of a file", name);
  enum err err = join(dir->path, name, path, info);
  return err == ERR_OK ? file_read_all(path, MOST_BYTES, bytes, info) : err;
}

enum err
work_dir_read_json(const struct work_dir *dir, const char *name, json_t **json,
                   struct err_info *info)
{
  struct buf text = {0};
  *json = NULL;
  enum err err = work_dir_read(dir, name, &text, info);
  if (err == ERR_OK)
    err = json_parse(text.data != NULL ? text.data : "", text.length, MOST_DEPTH, json, info);
  buf_free(&text);
  return err;
}
