#include <config.h>

#include "server/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/cluster_internal.h"

#define CLUSTER_START_SECONDS 60.0
#define CLUSTER_STOP_SECONDS 30.0

static void
pause_ms(unsigned ms)
{
  struct timespec delay = {.tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000L};
  nanosleep(&delay, NULL);
}

enum err
cluster_account_find(const char *name, struct cluster_account *account)
{
  const struct passwd *entry = getpwnam(name);
  if (!entry || strlen(name) >= sizeof account->name)
    return ERR_NOT_FOUND;
  strcpy(account->name, name);
  account->uid = entry->pw_uid;
  account->gid = entry->pw_gid;
  return ERR_OK;
}

/* In a fresh child: becomes the account, with the client's group too so that both reach the socket. */
static bool
become(const struct cluster_account *account, gid_t extra_group)
{
  gid_t groups[2] = {account->gid, extra_group};
  return setgroups(2, groups) == 0 && setgid(account->gid) == 0 && setuid(account->uid) == 0;
}

/* Starts a PostgreSQL program as the cluster's owner, its output going to the cluster's log. */
static pid_t
spawn(const struct cluster *cluster, const char *program, char *argv[])
{
  char path[CLUSTER_PATH_MAX + 64];
  snprintf(path, sizeof path, "%s/%s", cluster->bindir, program);
  pid_t pid = fork();
  if (pid != 0)
    return pid;
  setsid();
  int log = open(cluster->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (log >= 0)
  {
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
  }
  if (null >= 0)
    dup2(null, STDIN_FILENO);
  close_range(3, ~0U, 0);
  if (cluster->switch_user && !become(&cluster->owner, cluster->client.gid))
    _exit(126);
  if (chdir("/") != 0)
    _exit(126);
  unsetenv("PGDATA");
  unsetenv("PGHOST");
  unsetenv("PGPORT");
  unsetenv("PGUSER");
  unsetenv("PGDATABASE");
  setenv("LC_ALL", "C", 1);
  signal(SIGPIPE, SIG_DFL);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, NULL);
  /* PostgreSQL's programs find each other by the path they were called with. */
  argv[0] = path;
  execv(path, argv);
  _exit(127);
}

enum err
cluster_run(const struct cluster *cluster, const char *program, char *argv[], struct err_info *info)
{
  pid_t pid = spawn(cluster, program, argv);
  if (pid < 0)
    return err_set_errno(info, ERR_UNAVAILABLE, errno, "could not start %s", program);
  int status = 0;
  while (waitpid(pid, &status, 0) < 0)
    if (errno != EINTR)
      return err_set_errno(info, ERR_INTERNAL, errno, "could not wait for %s", program);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return err_set(info, ERR_UNAVAILABLE, "PostgreSQL's %s failed; see %s", program, cluster->log);
  return ERR_OK;
}

/* The live postmaster recorded in the data directory, 0 if none. */
static pid_t
find_postmaster(const struct cluster *cluster)
{
  char path[CLUSTER_PATH_MAX + 32];
  char line[CLUSTER_PATH_MAX];
  snprintf(path, sizeof path, "%s/postmaster.pid", cluster->pgdata);
  FILE *file = fopen(path, "re");
  if (!file)
    return 0;
  long pid = fgets(line, sizeof line, file) ? strtol(line, NULL, 10) : 0;
  fclose(file);
  if (pid <= 1 || kill((pid_t) pid, 0) != 0)
    return 0;
  /* A recycled number is no postmaster: ours has the data directory as its working directory. */
  char link[64];
  char target[PATH_MAX];
  char real[PATH_MAX];
  snprintf(link, sizeof link, "/proc/%ld/cwd", pid);
  ssize_t n = readlink(link, target, sizeof target - 1);
  if (n < 0 || !realpath(cluster->pgdata, real))
    return 0;
  target[n] = '\0';
  return strcmp(target, real) == 0 ? (pid_t) pid : 0;
}

/* Ends what a dead postmaster left behind: processes that work in this data directory. A busy backend
 * notices its postmaster's death late and keeps the shared memory meanwhile. Returns how many. */
static unsigned
end_leftover_backends(const struct cluster *cluster)
{
  char real[PATH_MAX];
  unsigned ended = 0;
  DIR *proc = realpath(cluster->pgdata, real) ? opendir("/proc") : NULL;
  for (const struct dirent *entry; proc && (entry = readdir(proc));)
  {
    long pid = strtol(entry->d_name, NULL, 10);
    char link[64];
    char target[PATH_MAX];
    snprintf(link, sizeof link, "/proc/%ld/cwd", pid);
    ssize_t n = pid > 1 ? readlink(link, target, sizeof target - 1) : -1;
    if (n < 0)
      continue;
    target[n] = '\0';
    if (strcmp(target, real) == 0 && kill((pid_t) pid, SIGKILL) == 0)
      ended++;
  }
  if (proc)
    closedir(proc);
  return ended;
}

/* Whether the postmaster takes connections: PostgreSQL's own probe says so. */
static bool
answers(const struct cluster *cluster)
{
  char *argv[] = {"pg_isready", "-q",   "-h", (char *) cluster->socket_dir,
                  "-p",         "5432", "-d", "postgres",
                  "-t",         "2",    NULL};
  struct err_info ignored;
  return cluster_run(cluster, "pg_isready", argv, &ignored) == ERR_OK;
}

bool
cluster_is_alive(struct cluster *cluster)
{
  if (cluster->postmaster <= 0)
    return false;
  if (cluster->adopted)
    return find_postmaster(cluster) == cluster->postmaster;
  int status;
  if (waitpid(cluster->postmaster, &status, WNOHANG) == 0)
    return true;
  cluster->postmaster = 0;
  return false;
}

/* PostgreSQL refuses to start over a lock file without a number, which is what one leaves that was killed between
 * making and filling it. Nobody else can be starting: DATA_DIR/lock is ours, and our postmaster is dead. */
static void
remove_empty_lock(const char *directory, const char *name)
{
  char path[CLUSTER_PATH_MAX + 64];
  struct stat st;
  snprintf(path, sizeof path, "%s/%s", directory, name);
  if (lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == 0 && unlink(path) == 0)
    log_warning("removed %s, which a PostgreSQL that was killed left empty", path);
}

static enum err
start_postmaster(struct cluster *cluster, struct err_info *info)
{
  char *argv[] = {"postgres", "-D", cluster->pgdata, "-k", cluster->socket_dir, NULL};
  double deadline = clock_monotonic_s() + CLUSTER_START_SECONDS;
  while (clock_monotonic_s() < deadline)
  {
    cluster->postmaster = find_postmaster(cluster);
    cluster->adopted = cluster->postmaster > 0;
    if (cluster->adopted)
      log_info("adopted the running PostgreSQL, process %d", (int) cluster->postmaster);
    else
    {
      unsigned ended = end_leftover_backends(cluster);
      if (ended)
        log_warning("ended %u processes that a dead PostgreSQL left behind", ended);
      remove_empty_lock(cluster->pgdata, "postmaster.pid");
      remove_empty_lock(cluster->socket_dir, ".s.PGSQL.5432.lock");
      cluster->postmaster = spawn(cluster, "postgres", argv);
      if (cluster->postmaster < 0)
        return err_set_errno(info, ERR_UNAVAILABLE, errno, "could not start PostgreSQL");
    }
    while (cluster_is_alive(cluster) && clock_monotonic_s() < deadline)
    {
      if (answers(cluster))
        return ERR_OK;
      pause_ms(50);
    }
    pause_ms(200);
  }
  return err_set(info, ERR_UNAVAILABLE, "PostgreSQL did not start; see %s", cluster->log);
}

enum err
cluster_start(struct cluster *cluster, struct err_info *info)
{
  enum err err = ERR_OK;
  if (cluster_version(cluster->pgdata) == 0)
    err = cluster_create(cluster, info);
  if (!err)
    err = cluster_configure(cluster, info);
  if (!err)
    err = start_postmaster(cluster, info);
  if (!err)
    err = cluster_make_database(cluster, info);
  return err;
}

enum err
cluster_restart(struct cluster *cluster, struct err_info *info)
{
  return start_postmaster(cluster, info);
}

void
cluster_stop(struct cluster *cluster)
{
  double deadline = clock_monotonic_s() + CLUSTER_STOP_SECONDS;
  if (cluster_is_alive(cluster))
    kill(cluster->postmaster, SIGINT);
  while (cluster_is_alive(cluster) && clock_monotonic_s() < deadline)
    pause_ms(20);
  if (cluster_is_alive(cluster))
  {
    log_warning("PostgreSQL did not stop within %.0f s: ending it now", CLUSTER_STOP_SECONDS);
    kill(cluster->postmaster, SIGQUIT);
    while (cluster_is_alive(cluster) && clock_monotonic_s() < deadline + 10)
      pause_ms(20);
  }
  rmdir(cluster->socket_dir);
}
