#include <config.h>

#include "tests/harness/call_fails.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static size_t countdown; /* 0 = none fails any more */
static enum call_fault fault;
static bool sticky, failed, held;

enum call_class
{
  CLASS_READ,
  CLASS_WRITE,
  CLASS_OTHER
};

/* Whether this call shall have the fault. */
static bool struck(enum call_class class)
{
  if (held || countdown == 0 || (fault == CALL_FULL && class != CLASS_WRITE)
      || (fault != CALL_FAILS && class == CLASS_OTHER))
    return false;
  if (countdown > 1)
  {
    countdown--;
    return false;
  }
  failed = true;
  if (!sticky)
    countdown = 0;
  return true;
}

static int
error_number(void)
{
  return fault == CALL_FULL ? ENOSPC : fault == CALL_INTERRUPTED ? EINTR : EIO;
}

/* 0 when the call is to be made with *size bytes, −1 when it fails. */
static int
strike_transfer(enum call_class class, size_t *size)
{
  if (!struck(class))
    return 0;
  if (fault == CALL_SHORT)
  {
    *size -= *size / 2;
    return 0;
  }
  errno = error_number();
  return -1;
}

static int
strike(void)
{
  if (!struck(CLASS_OTHER))
    return 0;
  errno = error_number();
  return -1;
}

ssize_t __real_read(int fd, void *bytes, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
ssize_t
__wrap_read(int fd, void *bytes, size_t size)
{
  return strike_transfer(CLASS_READ, &size) == 0 ? __real_read(fd, bytes, size) : -1;
}

ssize_t __real_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t __wrap_pread(int fd, void *bytes, size_t size, off_t at);
ssize_t
__wrap_pread(int fd, void *bytes, size_t size, off_t at)
{
  return strike_transfer(CLASS_READ, &size) == 0 ? __real_pread(fd, bytes, size, at) : -1;
}

ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);
ssize_t
__wrap_write(int fd, const void *bytes, size_t size)
{
  return strike_transfer(CLASS_WRITE, &size) == 0 ? __real_write(fd, bytes, size) : -1;
}

ssize_t __real_pwrite(int fd, const void *bytes, size_t size, off_t at);
ssize_t __wrap_pwrite(int fd, const void *bytes, size_t size, off_t at);
ssize_t
__wrap_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
  return strike_transfer(CLASS_WRITE, &size) == 0 ? __real_pwrite(fd, bytes, size, at) : -1;
}

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int
__wrap_open(const char *path, int flags, ...)
{
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = (flags & O_CREAT) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return strike() == 0 ? __real_open(path, flags, mode) : -1;
}

void *__real_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset);
void *
__wrap_mmap(void *at, size_t size, int protection, int flags, int fd, off_t offset)
{
  return strike() == 0 ? __real_mmap(at, size, protection, flags, fd, offset) : MAP_FAILED;
}

int __real_fstat(int fd, struct stat *st);
int __wrap_fstat(int fd, struct stat *st);
int
__wrap_fstat(int fd, struct stat *st)
{
  return strike() == 0 ? __real_fstat(fd, st) : -1;
}

off_t __real_lseek(int fd, off_t at, int from);
off_t __wrap_lseek(int fd, off_t at, int from);
off_t
__wrap_lseek(int fd, off_t at, int from)
{
  return strike() == 0 ? __real_lseek(fd, at, from) : -1;
}

int __real_ftruncate(int fd, off_t size);
int __wrap_ftruncate(int fd, off_t size);
int
__wrap_ftruncate(int fd, off_t size)
{
  return strike() == 0 ? __real_ftruncate(fd, size) : -1;
}

int __real_fsync(int fd);
int __wrap_fsync(int fd);
int
__wrap_fsync(int fd)
{
  return strike() == 0 ? __real_fsync(fd) : -1;
}

int __real_fchmod(int fd, mode_t mode);
int __wrap_fchmod(int fd, mode_t mode);
int
__wrap_fchmod(int fd, mode_t mode)
{
  return strike() == 0 ? __real_fchmod(fd, mode) : -1;
}

int __real_rename(const char *from, const char *to);
int __wrap_rename(const char *from, const char *to);
int
__wrap_rename(const char *from, const char *to)
{
  return strike() == 0 ? __real_rename(from, to) : -1;
}

int __real_memfd_create(const char *name, unsigned flags);
int __wrap_memfd_create(const char *name, unsigned flags);
int
__wrap_memfd_create(const char *name, unsigned flags)
{
  return strike() == 0 ? __real_memfd_create(name, flags) : -1;
}

int __real_mkostemp(char *path, int flags);
int __wrap_mkostemp(char *path, int flags);
int
__wrap_mkostemp(char *path, int flags)
{
  return strike() == 0 ? __real_mkostemp(path, flags) : -1;
}

int __real_mkdir(const char *path, mode_t mode);
int __wrap_mkdir(const char *path, mode_t mode);
int
__wrap_mkdir(const char *path, mode_t mode)
{
  return strike() == 0 ? __real_mkdir(path, mode) : -1;
}

int __real_pipe2(int ends[2], int flags);
int __wrap_pipe2(int ends[2], int flags);
int
__wrap_pipe2(int ends[2], int flags)
{
  return strike() == 0 ? __real_pipe2(ends, flags) : -1;
}

pid_t __real_fork(void);
pid_t __wrap_fork(void);
pid_t
__wrap_fork(void)
{
  return strike() == 0 ? __real_fork() : -1;
}

/* As on a network file system: the descriptor is gone, the bytes perhaps not written. That of a descriptor which
 * was only read does not matter. */
int __real_close(int fd);
int __wrap_close(int fd);
int
__wrap_close(int fd)
{
  int answer = (fcntl(fd, F_GETFL) & O_ACCMODE) == O_RDONLY ? 0 : strike(), number = errno;
  int closed = __real_close(fd);
  if (answer != 0)
    errno = number;
  return answer != 0 ? answer : closed;
}

void
call_fails_from(enum call_fault kind, size_t nth, bool and_after)
{
  fault = kind;
  countdown = nth;
  sticky = and_after;
  failed = false;
}

bool
call_fails_end(void)
{
  countdown = 0;
  return failed;
}

void
call_fails_hold(bool hold)
{
  held = hold;
}

size_t
call_fails_open(void)
{
  size_t count = 0;
  DIR *dir = opendir("/proc/self/fd");
  while (dir != NULL && readdir(dir) != NULL)
    count++;
  if (dir != NULL)
    closedir(dir);
  return count;
}
