#include <config.h>

#include "server/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"

#define SPOOL_PREFIX "upload-"

static enum err
spool_path(const char *data_dir, const char *name, char path[SPOOL_PATH_MAX], struct err_info *info)
{
  int length = snprintf(path, SPOOL_PATH_MAX, "%s/spool%s", data_dir, name);
  if (length < 0 || length >= SPOOL_PATH_MAX)
    return err_set(info, ERR_INVALID, "the data directory's path is too long");
  return ERR_OK;
}

enum err
spool_prepare(const char *data_dir, struct err_info *info)
{
  char folder[SPOOL_PATH_MAX];
  enum err err = spool_path(data_dir, "", folder, info);
  if (!err)
    err = file_make_dir(folder, 0700, info);
  if (err)
    return err;
  DIR *dir = opendir(folder);
  if (!dir)
    return err_set_errno(info, ERR_IO, errno, "could not read %s", folder);
  size_t removed = 0;
  for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir))
    if (strncmp(entry->d_name, SPOOL_PREFIX, strlen(SPOOL_PREFIX)) == 0
        && unlinkat(dirfd(dir), entry->d_name, 0) == 0)
      removed++;
  closedir(dir);
  if (removed)
    log_info("removed %zu uploads that had broken off", removed);
  return ERR_OK;
}

enum err
spool_check_room(const char *data_dir, uint64_t size, uint64_t reserve, struct err_info *info)
{
  uint64_t available = 0;
  enum err err = file_free_bytes(data_dir, &available, info);
  if (err)
    return err;
  if (available < reserve || (available - reserve) / 2 < size)
    return err_set(info, ERR_LIMIT, "the server has %llu MB free, too little to take %llu MB in",
                   (unsigned long long) (available >> 20), (unsigned long long) (size >> 20));
  return ERR_OK;
}

static enum err
spool_failed(int number, const char *what, struct err_info *info)
{
  enum err err = number == ENOSPC || number == EDQUOT || number == EFBIG ? ERR_LIMIT : ERR_IO;
  return err_set_errno(info, err, number, "could not %s the upload's file", what);
}

enum err
spool_open(const char *data_dir, struct spool_file *file, struct err_info *info)
{
  file->fd = -1;
  file->size = 0;
  enum err err = spool_path(data_dir, "/" SPOOL_PREFIX "XXXXXX", file->path, info);
  if (err)
  {
    file->path[0] = '\0';
    return err;
  }
  file->fd = mkostemp(file->path, O_CLOEXEC);
  if (file->fd >= 0)
    return ERR_OK;
  int number = errno;
  file->path[0] = '\0';
  return spool_failed(number, "create", info);
}

enum err
spool_write(struct spool_file *file, const void *bytes, size_t length, struct err_info *info)
{
  const char *at = bytes;
  while (length > 0)
  {
    ssize_t wrote = write(file->fd, at, length);
    if (wrote < 0 && errno == EINTR)
      continue;
    if (wrote < 0)
      return spool_failed(errno, "write", info);
    at += wrote;
    length -= (size_t) wrote;
    file->size += (uint64_t) wrote;
  }
  return ERR_OK;
}

enum err
spool_close(struct spool_file *file, struct err_info *info)
{
  int fd = file->fd;
  file->fd = -1;
  if (fd >= 0 && close(fd) != 0)
    return spool_failed(errno, "close", info);
  return ERR_OK;
}

void
spool_remove(struct spool_file *file)
{
  if (file->fd >= 0)
    close(file->fd);
  file->fd = -1;
  if (file->path[0])
    unlink(file->path);
  file->path[0] = '\0';
}
