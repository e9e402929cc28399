#include <config.h>

#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/text.h"

static const struct
{
  const char *name;
  const char *value;
} pinned[] = {
  {"OMP_NUM_THREADS", "1"},
  {"OPENBLAS_NUM_THREADS", "1"},
  {"OMP_WAIT_POLICY", "PASSIVE"},
};

#define RUNNING_PROGRAM "/proc/self/exe"

/* The path this program was started from, where something else or nothing may be by now. */
static bool
own_path(char *path, size_t size)
{
  static const char gone[] = " (deleted)";
  ssize_t length = readlink(RUNNING_PROGRAM, path, size - 1);
  if (length <= 0 || (size_t) length >= size - 1)
    return false;
  path[length] = '\0';
  size_t kept = (size_t) length, tail = sizeof gone - 1;
  if (kept > tail && strcmp(path + kept - tail, gone) == 0)
    path[kept - tail] = '\0';
  return true;
}

static bool
is_running(const char *path)
{
  struct stat there, running;
  return access(path, X_OK) == 0 && stat(path, &there) == 0 && stat(RUNNING_PROGRAM, &running) == 0
         && there.st_dev == running.st_dev && there.st_ino == running.st_ino;
}

/* By its own path where possible, so that ps shows its name and not "exe". */
const char *
proc_own_program(char *path, size_t size)
{
  return own_path(path, size) && is_running(path) ? path : RUNNING_PROGRAM;
}

enum err
proc_pin_blas_threads(char **argv, struct err_info *info)
{
  bool set = true;
  for (size_t i = 0; i < sizeof pinned / sizeof pinned[0]; i++)
  {
    const char *value = getenv(pinned[i].name);
    if (value && strcmp(value, pinned[i].value) == 0)
      continue;
    set = false;
    if (setenv(pinned[i].name, pinned[i].value, 1) != 0)
      return err_set_errno(info, ERR_MEMORY, errno, "could not set %s", pinned[i].name);
  }
  if (set)
    return ERR_OK;
  char path[PATH_MAX];
  execv(proc_own_program(path, sizeof path), argv);
  return err_set_errno(info, ERR_IO, errno, "could not execute this program again");
}

static bool
try_program(const char *folder, const char *below, const char *name, char *path, size_t size)
{
  struct stat st;
  int length = snprintf(path, size, "%s%s/%s", folder, below, name);
  return length > 0 && (size_t) length < size && stat(path, &st) == 0 && S_ISREG(st.st_mode)
         && access(path, X_OK) == 0;
}

enum err
proc_find_program(const char *name, char *path, size_t size, struct err_info *info)
{
  /* from the folder of a program in the build tree, or of an installed one in libexec or bin */
  static const char *const beside[] = {
    "",
    "/..",
    "/../..",
    "/../server",
    "/../../server",
    "/../data",
    "/../worker",
    "/../sql",
    "/../../sql",
    "/../engine/worker",
    "/../engine/data",
    "/../../bin",
    "/../../engine/worker",
    "/../../engine/data",
    "/../libexec/attune",
  };
  const char *override = getenv("ATTUNE_LIBEXECDIR");
  if (override && override[0] && try_program(override, "", name, path, size))
    return ERR_OK;
  char own[PATH_MAX];
  if (own_path(own, sizeof own))
  {
    *strrchr(own, '/') = '\0';
    for (size_t i = 0; i < sizeof beside / sizeof beside[0]; i++)
      if (try_program(own, beside[i], name, path, size))
        return ERR_OK;
  }
  if (try_program(ATTUNE_LIBEXECDIR, "", name, path, size))
    return ERR_OK;
  return err_set(info, ERR_NOT_FOUND,
                 "could not find the program %s: install Attune, or name its folder with "
                 "ATTUNE_LIBEXECDIR",
                 name);
}

static enum err
wait_once(pid_t pid, int flags, int *status)
{
  pid_t got;
  do
    got = waitpid(pid, status, flags);
  while (got < 0 && errno == EINTR);
  if (got == pid)
    return ERR_OK;
  return got == 0 ? ERR_TIMEOUT : ERR_NOT_FOUND;
}

/* Until the child ends or the time is over; a kernel without pidfd is asked every few ms. */
static void
pause_for(int pidfd, double seconds)
{
  if (pidfd >= 0)
  {
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    poll(&poll_fd, 1, (int) fmin(ceil(seconds * 1000.0), 3600e3));
    return;
  }
  long ns = (long) (fmin(seconds, 0.005) * 1e9);
  nanosleep(&(struct timespec){.tv_nsec = ns}, NULL);
}

enum err
proc_wait_timeout(pid_t pid, double seconds, int *status)
{
  if (seconds < 0.0)
    return wait_once(pid, 0, status);
  enum err err = wait_once(pid, WNOHANG, status);
  if (err != ERR_TIMEOUT || !(seconds > 0.0))
    return err;
  double deadline = clock_monotonic_s() + seconds, left = seconds;
  int pidfd = (int) syscall(SYS_pidfd_open, pid, 0);
  while (err == ERR_TIMEOUT && left > 0.0)
  {
    pause_for(pidfd, left);
    err = wait_once(pid, WNOHANG, status);
    left = deadline - clock_monotonic_s();
  }
  if (pidfd >= 0)
    close(pidfd);
  return err;
}

void
proc_describe_status(int status, char *text, size_t size)
{
  if (WIFEXITED(status))
    snprintf(text, size, "ended with code %d", WEXITSTATUS(status));
  else if (WIFSIGNALED(status))
  {
    const char *words = sigdescr_np(WTERMSIG(status));
    snprintf(text, size, "was killed by signal %d (%s)", WTERMSIG(status),
             words ? words : "unknown");
  }
  else
    snprintf(text, size, "is in the unknown state %#x", (unsigned) status);
}

enum err
proc_rss_bytes(pid_t pid, uint64_t *bytes)
{
  char path[64];
  struct buf text = {0};
  snprintf(path, sizeof path, "/proc/%ld/statm", (long) pid);
  enum err err = file_read_all(path, 4096, &text, NULL);
  if (!err)
  {
    const char *second = strchr(text.data, ' ');
    int64_t pages = -1;
    if (second)
      text_parse_int64(second + 1, strcspn(second + 1, " \n"), &pages);
    /* a process that has ended but was not waited for has no pages */
    if (pages < 0)
      err = ERR_NOT_FOUND;
    else
      *bytes = (uint64_t) pages * (uint64_t) sysconf(_SC_PAGESIZE);
  }
  else
    err = ERR_NOT_FOUND;
  buf_free(&text);
  return err;
}
