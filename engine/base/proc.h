/* Processes: children started with exactly the descriptors, limits and signals they should have,
 * our own programs found, one BLAS thread each.
 *
 * Children are always fork + exec (the libraries' thread pools don't survive a fork). Safe from any
 * thread, but proc_pin_blas_threads, which belongs at the start of main.
 */
#ifndef ATTUNE_BASE_PROC_H
#define ATTUNE_BASE_PROC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"

/* Makes OpenBLAS and OpenMP use one thread: the libraries read this from the environment before main,
 * so the program executes itself once more with it set. Returns when it is set already, or when
 * executing failed (with *info filled). First thing in main. */
enum err proc_pin_blas_threads(char **argv, struct err_info *info);

/* What to execute for another process of this very program: its file or, where that was replaced or removed
 * since (by an upgrade), the kernel's link to what runs. A process and those it starts are of one version so.
 * Either `path`, filled in, or a literal. */
const char *proc_own_program(char *path, size_t size);

/* Finds one of our own programs, such as "attune-engine": in the folder that the environment's
 * ATTUNE_LIBEXECDIR names, beside this program, elsewhere in the build tree, where it was installed. */
enum err proc_find_program(const char *name, char *path, size_t size, struct err_info *info);

/* In the child, descriptor `to` is the parent's `from`. */
struct proc_fd
{
  int from;
  int to;
};

/* Limits of a child; 0 leaves one as it is. No child ever dumps core. */
struct proc_limits
{
  uint64_t cpu_s;
  uint64_t address_bytes; /* left out in sanitizer builds, which could not start under it */
  uint64_t file_bytes;
  uint64_t open_files;
};

struct proc_spawn
{
  const char *path;
  char *const *argv; /* NULL-terminated, argv[0] included */
  char *const *envp; /* NULL = this process's environment */
  const struct proc_fd *fds;
  size_t fd_count;
  struct proc_limits limits;
  int nice_add;          /* added to the nice value */
  const char *directory; /* working directory, NULL = ours */
  bool no_new_privs;
  bool own_group; /* leads a new process group, so that it can be killed with its children */
};

/* Starts a child. Descriptors 1 and 2 are inherited and 0 is /dev/null unless mapped; all others are
 * closed. Signals have their default action and none is blocked. ERR_IO when it could not be started,
 * execution included. The caller waits for *pid. */
enum err proc_start(const struct proc_spawn *spawn, pid_t *pid, struct err_info *info);

/* Waits for a child to end, at most `seconds` (0 = just look, negative = for ever); *status is as of
 * waitpid. ERR_TIMEOUT when it still runs, ERR_NOT_FOUND when it is no child of ours. */
enum err proc_wait_timeout(pid_t pid, double seconds, int *status);

/* "ended with code 3" or "was killed by signal 9 (Killed)". */
void proc_describe_status(int status, char *text, size_t size);

/* Resident memory of a process in bytes; ERR_NOT_FOUND when it is gone. */
enum err proc_rss_bytes(pid_t pid, uint64_t *bytes);

#endif
