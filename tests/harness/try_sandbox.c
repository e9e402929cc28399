/* Enters the parser's sandbox, then tries one thing: for test_sandbox.
 *
 * usage: try_sandbox WHAT. Exit status 0: it was possible; 3: this build has no sandbox; ended by SIGSYS: it was
 * stopped. */
#include <config.h>

#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "data/sandbox.h"

static int
try_memory(void)
{
  size_t size = (size_t) 64 << 20;
  char *block = malloc(size);
  if (block == NULL)
    return 1;
  memset(block, 1, size);
  char *grown = realloc(block, 2 * size);
  free(grown != NULL ? grown : block);
  return grown == NULL;
}

static int
try_files(void)
{
  struct stat status;
  time_t now = time(NULL);
  struct tm parts;
  return fstat(1, &status) != 0 || localtime_r(&now, &parts) == NULL || mktime(&parts) == -1;
}

static int
try_execve(void)
{
  char *const argv[] = {(char[]){"true"}, NULL};
  return execve("/bin/true", argv, (char *const[]){NULL});
}

static int
try_code(void)
{
  return mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
}

static int
try_protect(void)
{
  void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return page == MAP_FAILED || mprotect(page, 4096, PROT_READ | PROT_EXEC) != 0;
}

static int
try_stat(void)
{
  struct stat status;
  return stat("/etc/passwd", &status);
}

static int
try_limit(void)
{
  struct rlimit limit = {.rlim_cur = 1 << 20, .rlim_max = 1 << 20};
  return setrlimit(RLIMIT_NPROC, &limit);
}

static int
try_fork(void)
{
  pid_t child = fork();
  if (child == 0)
    _exit(0);
  return child < 0;
}

static int
attempt(const char *what)
{
  if (strcmp(what, "memory") == 0)
    return try_memory();
  if (strcmp(what, "files") == 0)
    return try_files();
  if (strcmp(what, "open") == 0)
    return open("/etc/passwd", O_RDONLY) < 0;
  if (strcmp(what, "create") == 0)
    return open("/tmp/attune-sandbox-should-not-exist", O_WRONLY | O_CREAT, 0600) < 0;
  if (strcmp(what, "socket") == 0)
    return socket(AF_INET, SOCK_STREAM, 0) < 0;
  if (strcmp(what, "local-socket") == 0)
    return socket(AF_UNIX, SOCK_STREAM, 0) < 0;
  if (strcmp(what, "execve") == 0)
    return try_execve();
  if (strcmp(what, "fork") == 0)
    return try_fork();
  if (strcmp(what, "kill") == 0)
    return kill(getppid(), 0) != 0;
  if (strcmp(what, "ptrace") == 0)
    return ptrace(PTRACE_TRACEME, 0, NULL, NULL) != 0;
  if (strcmp(what, "unlink") == 0)
    return unlink("/tmp/attune-sandbox-should-not-exist") != 0;
  if (strcmp(what, "stat") == 0)
    return try_stat();
  if (strcmp(what, "code") == 0)
    return try_code();
  if (strcmp(what, "protect") == 0)
    return try_protect();
  if (strcmp(what, "limit") == 0)
    return try_limit();
  return 2;
}

int
main(int argc, char **argv)
{
  struct err_info info;
  if (argc != 2)
    return 2;
  if (!sandbox_is_built())
    return 3;
  if (sandbox_enter(&info) != ERR_OK)
  {
    fprintf(stderr, "%s\n", info.text);
    return 4;
  }
  return attempt(argv[1]);
}
