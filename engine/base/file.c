#include <config.h>

#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define READ_PIECE ((size_t) 65536)

enum err
file_read_fd(int fd, size_t limit, struct buf *out, struct err_info *info)
{
  size_t total = 0;
  for (;;)
  {
    /* one byte more than is allowed shows that there is more */
    size_t room = limit - total;
    size_t piece = room < READ_PIECE ? room + 1 : READ_PIECE;
    if (!buf_reserve(out, piece))
      return err_set(info, ERR_MEMORY, "out of memory");
    ssize_t got = read(fd, out->data + out->length, piece);
    if (got < 0 && errno == EINTR)
      continue;
    if (got < 0)
      return err_set_errno(info, ERR_IO, errno, "could not read");
    if (got == 0)
      break;
    total += (size_t) got;
    if (total > limit)
      return err_set(info, ERR_LIMIT, "has more than %zu bytes", limit);
    out->length += (size_t) got;
  }
  out->data[out->length] = '\0';
  return ERR_OK;
}

enum err
file_read_all(const char *path, size_t limit, struct buf *out, struct err_info *info)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    return err_set_errno(info, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, errno, "could not open %s",
                         path);
  enum err err = file_read_fd(fd, limit, out, info);
  if (err)
    err_prefix(info, "%s", path);
  close(fd);
  return err;
}

enum err
file_write_fd(int fd, const void *bytes, size_t length, struct err_info *info)
{
  const char *next = bytes;
  while (length > 0)
  {
    ssize_t written = write(fd, next, length);
    if (written < 0 && errno == EINTR)
      continue;
    if (written < 0)
      return err_set_errno(info, errno == ENOSPC || errno == EDQUOT ? ERR_LIMIT : ERR_IO, errno,
                           "could not write");
    next += written;
    length -= (size_t) written;
  }
  return ERR_OK;
}

/* The rename itself lasts only once its folder is on the disk. */
static enum err
sync_parent(const char *path, struct err_info *info)
{
  const char *slash = strrchr(path, '/');
  char *folder = !slash ? strdup(".") : strndup(path, slash == path ? 1 : (size_t) (slash - path));
  if (!folder)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = ERR_OK;
  int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  /* some file systems can't sync a folder and say EINVAL */
  if (fd < 0 || (fsync(fd) != 0 && errno != EINVAL))
    err = err_set_errno(info, ERR_IO, errno, "could not sync %s", folder);
  if (fd >= 0)
    close(fd);
  free(folder);
  return err;
}

enum err
file_write_atomic(const char *path, const void *bytes, size_t length, mode_t mode,
                  struct err_info *info)
{
  enum err err = ERR_OK;
  int fd = -1;
  struct buf temporary = {0};
  buf_printf(&temporary, "%s.XXXXXX", path);
  if (temporary.failed)
  {
    err = err_set(info, ERR_MEMORY, "out of memory");
    goto out;
  }
  fd = mkostemp(temporary.data, O_CLOEXEC);
  if (fd < 0)
  {
    err = err_set_errno(info, ERR_IO, errno, "could not make %s", temporary.data);
    goto out;
  }
  err = file_write_fd(fd, bytes, length, info);
  if (err)
    err_prefix(info, "%s", temporary.data);
  else if (fchmod(fd, mode) != 0 || fsync(fd) != 0)
    err = err_set_errno(info, ERR_IO, errno, "could not finish %s", temporary.data);
  if (close(fd) != 0 && !err)
    err = err_set_errno(info, ERR_IO, errno, "could not close %s", temporary.data);
  if (!err && rename(temporary.data, path) != 0)
    err = err_set_errno(info, ERR_IO, errno, "could not rename to %s", path);
  if (err)
    unlink(temporary.data);
  else
    err = sync_parent(path, info);
out:
  buf_free(&temporary);
  return err;
}

static enum err
make_one_dir(const char *path, mode_t mode, struct err_info *info)
{
  struct stat st;
  if (mkdir(path, mode) == 0)
    return ERR_OK;
  int number = errno;
  if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
    return ERR_OK;
  return err_set_errno(info, ERR_IO, number, "could not make the folder %s", path);
}

enum err
file_make_dir(const char *path, mode_t mode, struct err_info *info)
{
  char *copy = strdup(path);
  if (!copy)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = ERR_OK;
  for (char *slash = strchr(copy + (copy[0] == '/'), '/'); slash && !err;
       slash = strchr(slash + 1, '/'))
  {
    *slash = '\0';
    err = make_one_dir(copy, mode, info);
    *slash = '/';
  }
  if (!err)
    err = make_one_dir(copy, mode, info);
  free(copy);
  return err;
}

static int
remove_entry(const char *path, const struct stat *st, int kind, struct FTW *place)
{
  (void) st;
  (void) kind;
  (void) place;
  /* a failure shows when the folder above can't be removed either */
  remove(path);
  return 0;
}

enum err
file_remove_tree(const char *path)
{
  struct stat st;
  nftw(path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
  return lstat(path, &st) == 0 || errno != ENOENT ? ERR_IO : ERR_OK;
}

enum err
file_free_bytes(const char *path, uint64_t *bytes, struct err_info *info)
{
  struct statvfs space;
  if (statvfs(path, &space) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not ask for free space at %s", path);
  if (__builtin_mul_overflow((uint64_t) space.f_bavail, (uint64_t) space.f_frsize, bytes))
    *bytes = UINT64_MAX;
  return ERR_OK;
}
