#include <config.h>

#include "server/upload_pack.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BLOCK 512u
#define COPY_BYTES ((size_t) 64 << 10)

/* Places of the fields of a POSIX tar header. */
enum
{
  AT_NAME = 0,
  AT_MODE = 100,
  AT_OWNER = 108,
  AT_GROUP = 116,
  AT_SIZE = 124,
  AT_TIME = 136,
  AT_SUM = 148,
  AT_TYPE = 156,
  AT_MAGIC = 257
};

static enum err
write_header(struct spool_file *tar, const char *name, char type, uint64_t size,
             struct err_info *info)
{
  char header[BLOCK] = {0};
  unsigned sum = 0;

  snprintf(header + AT_NAME, 100, "%s", name);
  memcpy(header + AT_MODE, "0000600", 8);
  memcpy(header + AT_OWNER, "0000000", 8);
  memcpy(header + AT_GROUP, "0000000", 8);
  snprintf(header + AT_SIZE, 12, "%011llo", (unsigned long long) size);
  memcpy(header + AT_TIME, "00000000000", 12);
  memset(header + AT_SUM, ' ', 8);
  header[AT_TYPE] = type;
  memcpy(header + AT_MAGIC, "ustar\00000", 8);
  for (size_t i = 0; i < BLOCK; i++)
    sum += (unsigned char) header[i];
  snprintf(header + AT_SUM, 8, "%06o", sum & 0777777);
  return spool_write(tar, header, sizeof header, info);
}

static enum err
write_padding(struct spool_file *tar, uint64_t size, struct err_info *info)
{
  static const char zeros[BLOCK];
  size_t over = (size_t) (size % BLOCK);

  return over ? spool_write(tar, zeros, BLOCK - over, info) : ERR_OK;
}

/* The name in a record of its own: any length, always UTF-8. */
static enum err
write_long_name(struct spool_file *tar, const char *name, struct err_info *info)
{
  size_t rest = strlen(" path=\n") + strlen(name), length = rest;
  char *record;
  enum err rc;

  /* the record's length counts its own digits */
  while (length != rest + (size_t) snprintf(NULL, 0, "%zu", length))
    length = rest + (size_t) snprintf(NULL, 0, "%zu", length);
  if (asprintf(&record, "%zu path=%s\n", length, name) < 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  rc = write_header(tar, "name", 'x', length, info);
  if (rc == ERR_OK)
    rc = spool_write(tar, record, length, info);
  if (rc == ERR_OK)
    rc = write_padding(tar, length, info);
  free(record);
  return rc;
}

static enum err
copy_file(struct spool_file *tar, int fd, uint64_t size, struct err_info *info)
{
  char *bytes = malloc(COPY_BYTES);
  uint64_t left = size;
  enum err rc = bytes ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");

  while (rc == ERR_OK && left > 0)
  {
    ssize_t got = read(fd, bytes, left < COPY_BYTES ? (size_t) left : COPY_BYTES);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      rc = err_set_errno(info, ERR_IO, got < 0 ? errno : EIO, "could not read an uploaded file");
    else
    {
      rc = spool_write(tar, bytes, (size_t) got, info);
      left -= (uint64_t) got;
    }
  }
  free(bytes);
  return rc;
}

enum err
upload_pack_add(struct spool_file *tar, const char *name, const char *path, uint64_t size,
                struct err_info *info)
{
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  enum err rc = fd >= 0 ? ERR_OK : err_set_errno(info, ERR_IO, errno, "could not open an upload");

  if (rc == ERR_OK)
    rc = write_long_name(tar, name, info);
  if (rc == ERR_OK)
    rc = write_header(tar, "file", '0', size, info);
  if (rc == ERR_OK)
    rc = copy_file(tar, fd, size, info);
  if (rc == ERR_OK)
    rc = write_padding(tar, size, info);
  if (fd >= 0)
    close(fd);
  return rc;
}

enum err
upload_pack_add_bytes(struct spool_file *tar, const char *name, const void *bytes, size_t size,
                      struct err_info *info)
{
  enum err rc = write_long_name(tar, name, info);

  if (rc == ERR_OK)
    rc = write_header(tar, "file", '0', size, info);
  if (rc == ERR_OK)
    rc = spool_write(tar, bytes, size, info);
  if (rc == ERR_OK)
    rc = write_padding(tar, size, info);
  return rc;
}

enum err
upload_pack_end(struct spool_file *tar, struct err_info *info)
{
  static const char zeros[2 * BLOCK];

  return spool_write(tar, zeros, sizeof zeros, info);
}
