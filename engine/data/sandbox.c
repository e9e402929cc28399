#include <config.h>

#include "data/sandbox.h"

#include <errno.h>
#include <iconv.h>
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>

#if !defined(ATTUNE_SANITIZED) && !defined(ATTUNE_COVERAGE)
#define SANDBOX_BUILT 1
#include <fcntl.h>
#include <seccomp.h>
#include <sys/resource.h>
#else
#define SANDBOX_BUILT 0
#endif

bool
sandbox_is_built(void)
{
  return SANDBOX_BUILT;
}

#if SANDBOX_BUILT

/* Calls by name, so that those an architecture lacks (arm64 has no time or fstat64) are left out there. */
static const char *const allowed[] = {
  /* descriptors that are open */
  "read", "write", "readv", "writev", "pread64", "pwrite64", "lseek", "_llseek", "close", "fstat",
  "fstat64", "ftruncate", "ftruncate64", "fsync", "fdatasync",
  /* memory; mmap and mprotect have rules of their own */
  "brk", "munmap", "mremap", "madvise",
  /* the end, signals, locks, clocks, what the C library asks of itself */
  "exit", "exit_group", "rt_sigreturn", "rt_sigprocmask", "rt_sigaction", "futex", "clock_gettime",
  "clock_gettime64", "gettimeofday", "time", "getrandom", "sysinfo", "getpid", "gettid",
  "sched_yield", "restart_syscall"};

static int
allow_plain(scmp_filter_ctx filter)
{
  for (size_t i = 0; i < sizeof allowed / sizeof allowed[0]; i++)
  {
    int number = seccomp_syscall_resolve_name(allowed[i]);
    if (number < 0)
      continue;
    int failed = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    if (failed != 0)
      return failed;
  }
  return 0;
}

/* Memory may never be executable, and only memory without a file is mapped anew or, for files that are
 * open already, read. */
static int
allow_memory(scmp_filter_ctx filter)
{
  const struct scmp_arg_cmp no_exec = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
  static const char *const names[] = {"mmap", "mmap2", "mprotect"};
  for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
  {
    int number = seccomp_syscall_resolve_name(names[i]);
    int failed = number < 0 ? 0 : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1, no_exec);
    if (failed != 0)
      return failed;
  }
  return 0;
}

/* fstat is this call in newer C libraries: only with an empty path, so of an open descriptor. */
static int
allow_fstat(scmp_filter_ctx filter)
{
  int number = seccomp_syscall_resolve_name("newfstatat");
  if (number < 0)
    number = seccomp_syscall_resolve_name("fstatat64");
  return number < 0 ? 0
                    : seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 1,
                                       SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
}

/* The memory limit is set afterwards: building the filter may need more. */
static int
allow_limit(scmp_filter_ctx filter)
{
  const struct scmp_arg_cmp own_memory[] = {
    {.arg = 0, .op = SCMP_CMP_EQ, .datum_a = 0},
    {.arg = 1, .op = SCMP_CMP_EQ, .datum_a = RLIMIT_AS},
  };
  int number = seccomp_syscall_resolve_name("prlimit64");
  return number < 0 ? 0 : seccomp_rule_add_array(filter, SCMP_ACT_ALLOW, number, 2, own_memory);
}

static enum err
install(struct err_info *info)
{
  scmp_filter_ctx filter = seccomp_init(SCMP_ACT_KILL_PROCESS);
  if (filter == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  int failed = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 1);
  if (failed == 0)
    failed = allow_plain(filter);
  if (failed == 0)
    failed = allow_memory(filter);
  if (failed == 0)
    failed = allow_fstat(filter);
  if (failed == 0)
    failed = allow_limit(filter);
  if (failed == 0)
    failed = seccomp_load(filter);
  seccomp_release(filter);
  if (failed == 0)
    return ERR_OK;
  if (failed == -ENOMEM)
    return err_set(info, ERR_MEMORY, "out of memory");
  return err_set_errno(info, ERR_INTERNAL, -failed,
                       "could not enter the parser's sandbox; the kernel or the container must "
                       "allow seccomp filters");
}

/* What libraries open when it is first used. */
static void
warm_up(void)
{
  time_t now = 0;
  struct tm parts;
  setenv("TZ", "UTC0", 1);
  tzset();
  mktime(localtime_r(&now, &parts));
  /* The table of converters, in case libarchive wants one. */
  iconv_t converter = iconv_open("UTF-8", "ISO-8859-1");
  if (converter != (iconv_t) -1)
    iconv_close(converter);
  json_object_seed(0);
}

#endif

enum err
sandbox_enter(struct err_info *info)
{
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
#if SANDBOX_BUILT
  warm_up();
  return install(info);
#else
  (void) info;
  return ERR_OK;
#endif
}
