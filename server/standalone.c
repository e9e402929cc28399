#include <config.h>

#include "server/standalone.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "server/guardian.h"

#ifdef ATTUNE_COVERAGE
void __gcov_dump(void);
#endif

struct standalone
{
  char data_dir[CLUSTER_PATH_MAX];
  char conninfo[CLUSTER_PATH_MAX];
  int lock_fd;
  int command_fd; /* closing it ends the guardian */
  int report_fd;
  pid_t guardian;
};

/* Whether a process is there and has not ended: one that nobody has waited for yet counts as ended. */
static bool
process_lives(long pid)
{
  char path[64];
  char state = '\0';
  snprintf(path, sizeof path, "/proc/%ld/stat", pid);
  FILE *file = fopen(path, "re");
  if (!file)
    return false;
  if (fscanf(file, "%*d (%*[^)]) %c", &state) != 1)
    state = '\0';
  fclose(file);
  return state != 'Z' && state != 'X';
}

/* Only one attuned may work in a data directory; the lock file says which. */
static enum err
take_lock(struct standalone *standalone, struct err_info *info)
{
  char path[CLUSTER_PATH_MAX + 16];
  snprintf(path, sizeof path, "%s/lock", standalone->data_dir);
  standalone->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (standalone->lock_fd < 0)
    return err_set_errno(info, ERR_IO, errno, "could not open %s", path);
  /* A predecessor's guardian holds the lock, too, until PostgreSQL has stopped: give it time. */
  double deadline = clock_monotonic_s() + 40;
  while (flock(standalone->lock_fd, LOCK_EX | LOCK_NB) != 0)
  {
    char holder[32] = "";
    ssize_t n = pread(standalone->lock_fd, holder, sizeof holder - 1, 0);
    holder[n > 0 ? n : 0] = '\0';
    long pid = strtol(holder, NULL, 10);
    if (pid <= 1 || process_lives(pid) || clock_monotonic_s() > deadline)
      return err_set(info, ERR_CONFLICT,
                     "the data directory %s is in use by process %ld: stop it, or give another "
                     "--data-dir",
                     standalone->data_dir, pid);
    struct timespec delay = {.tv_nsec = 50000000L};
    nanosleep(&delay, NULL);
  }
  char text[32];
  int length = snprintf(text, sizeof text, "%ld\n", (long) getpid());
  if (ftruncate(standalone->lock_fd, 0) != 0
      || pwrite(standalone->lock_fd, text, (size_t) length, 0) != length)
    return err_set_errno(info, ERR_IO, errno, "could not write %s", path);
  return ERR_OK;
}

/* Whether an account that is not root could enter every directory down to our own program. */
static bool
programs_reachable(void)
{
  char path[PATH_MAX];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
  if (n < 0)
    return false;
  path[n] = '\0';
  while (strcmp(path, "/") != 0)
  {
    struct stat st;
    char *parent = dirname(path);
    if (stat(parent, &st) != 0 || !(st.st_mode & S_IXOTH))
      return false;
  }
  return true;
}

/* Who runs PostgreSQL, and who serves: as root two system accounts, else the caller for both. */
static enum err
settle_accounts(struct cluster *cluster, const char *db_user, struct err_info *info)
{
  cluster->switch_user = geteuid() == 0;
  if (!cluster->switch_user)
  {
    const struct passwd *self = getpwuid(geteuid());
    if (!self || cluster_account_find(self->pw_name, &cluster->owner))
      return err_set(info, ERR_UNAVAILABLE, "the account with number %u has no name",
                     (unsigned) geteuid());
    cluster->client = cluster->owner;
    return ERR_OK;
  }
  if (cluster_account_find(db_user, &cluster->owner) || cluster->owner.uid == 0)
    return err_set(info, ERR_UNAVAILABLE,
                   "PostgreSQL can't run as root and there is no account %s: install the package "
                   "postgresql, or name an account with --db-user",
                   db_user);
  if (cluster_account_find("attune", &cluster->client) == ERR_OK && programs_reachable())
    return ERR_OK;
  log_warning("serving and training as root: %s",
              programs_reachable()
                ? "there is no account attune (make it with: useradd --system attune)"
                : "other accounts can't enter the directory of the programs (use make install)");
  return cluster_account_find("root", &cluster->client);
}

static enum err
make_data_dir(const struct standalone *standalone, const struct cluster *cluster,
              struct err_info *info)
{
  enum err err = file_make_dir(standalone->data_dir, 0711, info);
  if (err)
    return err;
  if (cluster->switch_user
      && chown(standalone->data_dir, cluster->client.uid, cluster->client.gid) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not hand over %s", standalone->data_dir);
  return ERR_OK;
}

static enum err
start_guardian(struct standalone *standalone, struct cluster *cluster, struct err_info *info)
{
  int command[2];
  int report[2];
  if (pipe2(command, O_CLOEXEC) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not make a pipe");
  if (pipe2(report, O_CLOEXEC) != 0)
  {
    close(command[0]);
    close(command[1]);
    return err_set_errno(info, ERR_IO, errno, "could not make a pipe");
  }
  standalone->guardian = fork();
  if (standalone->guardian == 0)
  {
    close(command[1]);
    close(report[0]);
    setpgid(0, 0);
    int status = guardian_main(cluster, standalone->data_dir, command[0], report[1]);
#ifdef ATTUNE_COVERAGE
    __gcov_dump(); /* _exit leaves the counts behind */
#endif
    _exit(status);
  }
  close(command[0]);
  close(report[1]);
  standalone->command_fd = command[1];
  standalone->report_fd = report[0];
  if (standalone->guardian < 0)
    return err_set_errno(info, ERR_UNAVAILABLE, errno, "could not start a process");
  struct guardian_report answer;
  ssize_t n;
  while ((n = read(report[0], &answer, sizeof answer)) < 0 && errno == EINTR)
    ;
  if (n != (ssize_t) sizeof answer)
    return err_set(info, ERR_UNAVAILABLE, "the process that keeps PostgreSQL ended at its start");
  if (answer.code)
    return err_set(info, answer.code, "%s", answer.text);
  memcpy(standalone->conninfo, answer.conninfo, sizeof standalone->conninfo);
  return ERR_OK;
}

static enum err
drop_rights(const struct cluster *cluster, struct err_info *info)
{
  const struct cluster_account *to = &cluster->client;
  if (!cluster->switch_user || to->uid == 0)
    return ERR_OK;
  if (setgroups(1, &to->gid) != 0 || setgid(to->gid) != 0 || setuid(to->uid) != 0)
    return err_set_errno(info, ERR_INTERNAL, errno, "could not become the account %s", to->name);
  log_info("serving as the account %s", to->name);
  return ERR_OK;
}

enum err
standalone_start(const struct options *options, const char *data_dir,
                 struct standalone **standalone, struct err_info *info)
{
  struct cluster cluster = {.postmaster = 0};
  struct standalone *self = calloc(1, sizeof *self);
  if (!self)
    return err_set(info, ERR_MEMORY, "out of memory");
  self->lock_fd = self->command_fd = self->report_fd = -1;
  char path[CLUSTER_PATH_MAX + 16];
  enum err err = ERR_OK;
  if (snprintf(self->data_dir, sizeof self->data_dir, "%s", data_dir) >= 400)
    err = err_set(info, ERR_LIMIT, "the path of the data directory is too long");
  if (!err)
    err = settle_accounts(&cluster, options_text(options, "db-user"), info);
  if (!err)
    err = make_data_dir(self, &cluster, info);
  if (!err)
    err = take_lock(self, info);
  if (!err)
    err = cluster_prepare(&cluster, self->data_dir, info);
  if (!err)
    err = start_guardian(self, &cluster, info);
  if (!err)
    err = drop_rights(&cluster, info);
  snprintf(path, sizeof path, "%s/conninfo", self->data_dir);
  if (!err)
  {
    unlink(path);
    err = file_write_atomic(path, self->conninfo, strlen(self->conninfo), 0600, info);
  }
  if (err)
  {
    standalone_stop(self);
    return err;
  }
  *standalone = self;
  return ERR_OK;
}

const char *
standalone_conninfo(const struct standalone *standalone)
{
  return standalone->conninfo;
}

enum err
standalone_start_engines(struct standalone *standalone, unsigned count, struct err_info *info)
{
  struct guardian_command command = {.engine_count = count};
  if (write(standalone->command_fd, &command, sizeof command) != (ssize_t) sizeof command)
    return err_set_errno(info, ERR_UNAVAILABLE, errno, "could not ask for the engine");
  return ERR_OK;
}

int
standalone_watch_fd(const struct standalone *standalone)
{
  return standalone->report_fd;
}

void
standalone_stop(struct standalone *standalone)
{
  if (!standalone)
    return;
  if (standalone->command_fd >= 0)
    close(standalone->command_fd);
  if (standalone->guardian > 0)
  {
    int status;
    while (waitpid(standalone->guardian, &status, 0) < 0 && errno == EINTR)
      ;
  }
  if (standalone->report_fd >= 0)
    close(standalone->report_fd);
  if (standalone->lock_fd >= 0)
    close(standalone->lock_fd);
  free(standalone);
}

enum err
standalone_read_conninfo(const char *data_dir, char *conninfo, size_t size, struct err_info *info)
{
  char path[CLUSTER_PATH_MAX + 16];
  snprintf(path, sizeof path, "%s/conninfo", data_dir);
  FILE *file = fopen(path, "re");
  bool ok = file && fgets(conninfo, (int) size, file);
  if (file)
    fclose(file);
  if (!ok)
    return err_set(info, ERR_NOT_FOUND, "no attuned has run in %s: start one first", data_dir);
  return ERR_OK;
}
