#include <config.h>

#include "base/proc.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#define MAPPED_MAX 32

#ifndef CLOSE_RANGE_CLOEXEC
#define CLOSE_RANGE_CLOEXEC (1U << 2)
#endif

/* Everything from here to child_main runs between fork and exec of a process that may have threads:
 * only async-signal-safe calls, no allocation. */

static bool
limit_to(__rlimit_resource_t resource, uint64_t value)
{
  if (value == 0)
    return true;
  struct rlimit limit;
  if (getrlimit(resource, &limit) != 0)
    return false;
  rlim_t wanted = (rlim_t) value;
  if (limit.rlim_max != RLIM_INFINITY && wanted > limit.rlim_max)
    wanted = limit.rlim_max;
  limit.rlim_cur = limit.rlim_max = wanted;
  return setrlimit(resource, &limit) == 0;
}

static bool
set_limits(const struct proc_limits *limits)
{
  const struct rlimit no_core = {0, 0};
  bool done = setrlimit(RLIMIT_CORE, &no_core) == 0 && limit_to(RLIMIT_CPU, limits->cpu_s)
              && limit_to(RLIMIT_FSIZE, limits->file_bytes)
              && limit_to(RLIMIT_NOFILE, limits->open_files);
#ifndef ATTUNE_SANITIZED
  done = done && limit_to(RLIMIT_AS, limits->address_bytes);
#endif
  return done;
}

/* Everything from descriptor 3 on closes at exec; what is mapped afterwards does not. */
static void
close_others_at_exec(void)
{
  if (close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) == 0)
    return;
  struct rlimit limit;
  int last =
    getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 65536 ? (int) limit.rlim_cur : 65536;
  for (int fd = 3; fd < last; fd++)
    fcntl(fd, F_SETFD, FD_CLOEXEC);
}

static bool
map_descriptors(const struct proc_spawn *spawn, int *report)
{
  int moved[MAPPED_MAX], above = 2;
  bool stdin_mapped = false;
  for (size_t i = 0; i < spawn->fd_count; i++)
  {
    if (spawn->fds[i].to > above)
      above = spawn->fds[i].to;
    stdin_mapped = stdin_mapped || spawn->fds[i].to == 0;
  }
  /* first out of the way of every target, or one mapping would overwrite another's source */
  *report = fcntl(*report, F_DUPFD_CLOEXEC, above + 1);
  if (*report < 0)
    return false;
  for (size_t i = 0; i < spawn->fd_count; i++)
  {
    moved[i] = fcntl(spawn->fds[i].from, F_DUPFD_CLOEXEC, above + 1);
    if (moved[i] < 0)
      return false;
  }
  close_others_at_exec();
  if (!stdin_mapped)
  {
    int null = open("/dev/null", O_RDONLY);
    if (null < 0 || (null != 0 && dup2(null, 0) != 0))
      return false;
    if (null > 2)
      close(null);
  }
  for (size_t i = 0; i < spawn->fd_count; i++)
    if (dup2(moved[i], spawn->fds[i].to) < 0)
      return false;
  return true;
}

static void
reset_signals(void)
{
  struct sigaction plain;
  memset(&plain, 0, sizeof plain);
  plain.sa_handler = SIG_DFL;
  for (int number = 1; number < NSIG; number++)
    sigaction(number, &plain, NULL); /* fails for SIGKILL and SIGSTOP, which have no handler */
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
}

static bool
set_nice(int add)
{
  if (add == 0)
    return true;
  errno = 0;
  return nice(add) != -1 || errno == 0;
}

static bool
prepare_child(const struct proc_spawn *spawn, int *report)
{
  if (spawn->own_group && setpgid(0, 0) != 0)
    return false;
  if (!map_descriptors(spawn, report))
    return false;
  if (spawn->directory && chdir(spawn->directory) != 0)
    return false;
  if (!set_nice(spawn->nice_add))
    return false;
  if (spawn->no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
    return false;
  return set_limits(&spawn->limits);
}

static _Noreturn void
child_main(const struct proc_spawn *spawn, int report)
{
  extern char **environ;
  reset_signals();
  if (prepare_child(spawn, &report))
    execve(spawn->path, spawn->argv, spawn->envp ? spawn->envp : environ);
  int number = errno;
  ssize_t ignored = write(report, &number, sizeof number);
  (void) ignored;
  _exit(127);
}

/* What the child says before exec closes the pipe: nothing, or its errno. */
static int
read_report(int fd)
{
  int number = 0;
  ssize_t got;
  do
    got = read(fd, &number, sizeof number);
  while (got < 0 && errno == EINTR);
  return got == (ssize_t) sizeof number ? number : 0;
}

enum err
proc_start(const struct proc_spawn *spawn, pid_t *pid, struct err_info *info)
{
  int report[2];
  *pid = -1;
  if (spawn->fd_count > MAPPED_MAX)
    return err_set(info, ERR_INTERNAL, "more than %d descriptors for a child", MAPPED_MAX);
  if (pipe2(report, O_CLOEXEC) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not make a pipe");

  /* no handler of ours may run in the child before its signals are reset */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  pid_t child = fork();
  if (child == 0)
    child_main(spawn, report[1]);
  int number = errno;
  pthread_sigmask(SIG_SETMASK, &before, NULL);

  close(report[1]);
  if (child > 0)
    number = read_report(report[0]);
  close(report[0]);
  if (child < 0)
    return err_set_errno(info, ERR_IO, number, "could not make a process");
  if (number != 0)
  {
    int status;
    proc_wait_timeout(child, -1.0, &status);
    return err_set_errno(info, ERR_IO, number, "could not start %s", spawn->path);
  }
  *pid = child;
  return ERR_OK;
}
