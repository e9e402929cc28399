#include <config.h>

#include "server/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define CLUSTER_START_SECONDS 60.0
#define CLUSTER_STOP_SECONDS 30.0

static void
pause_ms(unsigned ms)
{
  struct timespec delay = {.tv_sec = ms / 1000, .tv_nsec = (long) (ms % 1000) * 1000000L};
  nanosleep(&delay, NULL);
}

static enum err format_path(char *out, size_t size, struct err_info *info, const char *format, ...)
  __attribute__((format(printf, 4, 5)));

static enum err
format_path(char *out, size_t size, struct err_info *info, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int n = vsnprintf(out, size, format, args);
  va_end(args);
  if (n < 0 || (size_t) n >= size)
    return err_set(info, ERR_LIMIT, "the path of the data directory is too long");
  return ERR_OK;
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

/* Runs one of PostgreSQL's programs to its end; false with a sentence when it failed. */
static enum err
run(const struct cluster *cluster, const char *program, char *argv[], struct err_info *info)
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

/* The major version a cluster was made by, 0 when there is no cluster. */
static int
cluster_version(const char *pgdata)
{
  char path[CLUSTER_PATH_MAX + 32];
  snprintf(path, sizeof path, "%s/PG_VERSION", pgdata);
  FILE *file = fopen(path, "re");
  if (!file)
    return 0;
  int version = 0;
  if (fscanf(file, "%d", &version) != 1)
    version = 0;
  fclose(file);
  return version;
}

static bool
has_server(const char *bindir)
{
  char path[CLUSTER_PATH_MAX + 32];
  snprintf(path, sizeof path, "%s/postgres", bindir);
  return access(path, X_OK) == 0;
}

/* The newest PostgreSQL installed, or the one of `wanted` (0 = any). */
static enum err
find_programs(int wanted, char *bindir, size_t size, struct err_info *info)
{
  static const char root[] = "/usr/lib/postgresql";
  int best = 0;
  DIR *dir = opendir(root);
  for (const struct dirent *entry; dir && (entry = readdir(dir));)
  {
    int version = atoi(entry->d_name);
    char candidate[CLUSTER_PATH_MAX];
    snprintf(candidate, sizeof candidate, "%s/%d/bin", root, version);
    if (version >= 13 && version > best && (!wanted || version == wanted) && has_server(candidate))
      best = version;
  }
  if (dir)
    closedir(dir);
  if (best)
    return format_path(bindir, size, info, "%s/%d/bin", root, best);
  if (wanted)
    return err_set(info, ERR_UNAVAILABLE,
                   "the data directory holds a PostgreSQL %d cluster and that version is not "
                   "installed: install postgresql-%d, or dump with it and restore into a new data "
                   "directory",
                   wanted, wanted);
  return err_set(info, ERR_UNAVAILABLE,
                 "no PostgreSQL server is installed: install the package postgresql, or give "
                 "--database to use a server elsewhere");
}

/* The socket directory of an earlier run if it is still there and ours, else a new short one. */
static enum err
settle_socket_dir(struct cluster *cluster, const char *data_dir, struct err_info *info)
{
  char record[CLUSTER_PATH_MAX + 32];
  snprintf(record, sizeof record, "%s/socket-dir", data_dir);
  FILE *file = fopen(record, "re");
  cluster->socket_dir[0] = '\0';
  if (file)
  {
    if (fscanf(file, "%90s", cluster->socket_dir) != 1)
      cluster->socket_dir[0] = '\0';
    fclose(file);
  }
  struct stat st;
  if (cluster->socket_dir[0] && lstat(cluster->socket_dir, &st) == 0 && S_ISDIR(st.st_mode)
      && st.st_uid == cluster->owner.uid)
    return ERR_OK;
  strcpy(cluster->socket_dir,
         access("/run", W_OK) == 0 ? "/run/attune-XXXXXX" : "/tmp/attune-XXXXXX");
  if (!mkdtemp(cluster->socket_dir))
    return err_set_errno(info, ERR_IO, errno, "could not make a directory for PostgreSQL's socket");
  if (cluster->switch_user
      && (chown(cluster->socket_dir, cluster->owner.uid, cluster->client.gid) != 0
          || chmod(cluster->socket_dir, 0710) != 0))
    return err_set_errno(info, ERR_IO, errno, "could not hand over %s", cluster->socket_dir);
  file = fopen(record, "we");
  if (!file || fprintf(file, "%s\n", cluster->socket_dir) < 0 || fclose(file) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not write %s", record);
  return ERR_OK;
}

enum err
cluster_prepare(struct cluster *cluster, const char *data_dir, struct err_info *info)
{
  enum err err = format_path(cluster->pgdata, sizeof cluster->pgdata, info, "%s/pg", data_dir);
  if (!err)
    err = format_path(cluster->log, sizeof cluster->log, info, "%s/pg-start.log", data_dir);
  if (!err)
    err = find_programs(cluster_version(cluster->pgdata), cluster->bindir, sizeof cluster->bindir,
                        info);
  if (err)
    return err;
  int log = open(cluster->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log < 0)
    return err_set_errno(info, ERR_IO, errno, "could not write %s", cluster->log);
  close(log);
  err = settle_socket_dir(cluster, data_dir, info);
  if (err)
    return err;
  return format_path(cluster->conninfo, sizeof cluster->conninfo, info,
                     "host=%s port=5432 user=attune dbname=attune", cluster->socket_dir);
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
  return run(cluster, "pg_isready", argv, &ignored) == ERR_OK;
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

static enum err
write_file(const struct cluster *cluster, const char *name, const char *text, struct err_info *info)
{
  char path[CLUSTER_PATH_MAX + 64];
  snprintf(path, sizeof path, "%s/%s", cluster->pgdata, name);
  FILE *file = fopen(path, "we");
  bool ok = file && fputs(text, file) >= 0;
  if (file)
    ok = fclose(file) == 0 && ok;
  if (ok && cluster->switch_user)
    ok = chown(path, cluster->owner.uid, cluster->owner.gid) == 0;
  if (ok)
    ok = chmod(path, 0600) == 0;
  return ok ? ERR_OK : err_set_errno(info, ERR_IO, errno, "could not write %s", path);
}

/* Socket only (its directory keeps others out), peer authentication through a map, a log that rotates
 * over a week. */
static enum err
write_configuration(const struct cluster *cluster, struct err_info *info)
{
  enum err err = write_file(cluster, "postgresql.auto.conf",
                            "# Written by attuned at each start.\n"
                            "listen_addresses = ''\n"
                            "unix_socket_permissions = 0777\n"
                            "max_connections = 100\n"
                            "shared_buffers = '128MB'\n"
                            "max_wal_size = '1GB'\n"
                            "default_toast_compression = 'lz4'\n"
                            "timezone = 'UTC'\n"
                            "log_timezone = 'UTC'\n"
                            "logging_collector = on\n"
                            "log_directory = 'log'\n"
                            "log_filename = 'postgresql-%u.log'\n"
                            "log_truncate_on_rotation = on\n"
                            "log_rotation_age = '1d'\n"
                            "log_rotation_size = 0\n",
                            info);
  if (err)
    return err;
  err = write_file(cluster, "pg_hba.conf", "local all all peer map=attune\n", info);
  if (err)
    return err;
  char map[512];
  snprintf(map, sizeof map,
           "attune %s postgres\nattune %s attune\nattune %s attune\nattune root postgres\n"
           "attune root attune\n",
           cluster->owner.name, cluster->owner.name, cluster->client.name);
  return write_file(cluster, "pg_ident.conf", map, info);
}

/* Makes role and database; both may be there from an earlier, interrupted start. */
static enum err
make_database(const struct cluster *cluster, struct err_info *info)
{
  char script[CLUSTER_PATH_MAX + 32];
  snprintf(script, sizeof script, "%s/attune-database.sql", cluster->pgdata);
  enum err err = write_file(cluster, "attune-database.sql",
                            "SELECT 'CREATE ROLE attune LOGIN' WHERE NOT EXISTS (SELECT FROM "
                            "pg_roles WHERE rolname = 'attune') \\gexec\n"
                            "SELECT 'CREATE DATABASE attune OWNER attune' WHERE NOT EXISTS (SELECT "
                            "FROM pg_database WHERE datname = 'attune') \\gexec\n",
                            info);
  if (err)
    return err;
  char *argv[] = {"psql",
                  "-X",
                  "-q",
                  "-v",
                  "ON_ERROR_STOP=1",
                  "-h",
                  (char *) cluster->socket_dir,
                  "-p",
                  "5432",
                  "-U",
                  "postgres",
                  "-d",
                  "postgres",
                  "-f",
                  script,
                  NULL};
  err = run(cluster, "psql", argv, info);
  unlink(script);
  return err;
}

/* Made beside its place and moved there, so that a creation that was cut off is simply begun anew. */
static enum err
create(const struct cluster *cluster, struct err_info *info)
{
  char fresh[CLUSTER_PATH_MAX + 8];
  snprintf(fresh, sizeof fresh, "%s.new", cluster->pgdata);
  file_remove_tree(fresh);
  if (mkdir(fresh, 0700) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not make %s", fresh);
  if (cluster->switch_user && chown(fresh, cluster->owner.uid, cluster->owner.gid) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not hand over %s", fresh);
  char *argv[] = {"initdb",
                  "--pgdata",
                  fresh,
                  "--encoding=UTF8",
                  "--locale=C",
                  "--data-checksums",
                  "--username=postgres",
                  "--auth=peer",
                  "--no-instructions",
                  NULL};
  enum err err = run(cluster, "initdb", argv, info);
  if (err)
    return err;
  if (rename(fresh, cluster->pgdata) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not move %s to its place", fresh);
  return ERR_OK;
}

enum err
cluster_start(struct cluster *cluster, struct err_info *info)
{
  enum err err = ERR_OK;
  if (cluster_version(cluster->pgdata) == 0)
    err = create(cluster, info);
  if (!err)
    err = write_configuration(cluster, info);
  if (!err)
    err = start_postmaster(cluster, info);
  if (!err)
    err = make_database(cluster, info);
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
