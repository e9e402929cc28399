#include <config.h>

#include "server/guardian.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"

#define GUARDIAN_TICK_MS 200
#define GUARDIAN_ENGINE_STOP_SECONDS 15.0
#define GUARDIAN_PAUSE_MAX_S 10.0

struct guardian
{
  struct cluster *cluster;
  const char *data_dir;
  char engine_path[CLUSTER_PATH_MAX];
  unsigned engine_count;
  pid_t engine;          /* 0 = none */
  int engine_pipe;       /* its parent pipe: closing it ends the engine */
  double engine_again_s; /* not started again before */
  double engine_pause_s;
  double cluster_again_s;
};

static void
start_engine(struct guardian *guardian)
{
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
  {
    log_error("could not make a pipe for the engine: %s", strerror(errno));
    return;
  }
  char workers[16];
  char parent[16];
  snprintf(workers, sizeof workers, "%u", guardian->engine_count);
  snprintf(parent, sizeof parent, "%d", 3);
  pid_t pid = fork();
  if (pid == 0)
  {
    const struct cluster_account *account = &guardian->cluster->client;
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    setpgid(0, 0);
    if (dup2(ends[0], 3) != 3)
      _exit(126);
    close_range(4, ~0U, 0);
    if (guardian->cluster->switch_user && account->uid != 0
        && (setgroups(1, &account->gid) != 0 || setgid(account->gid) != 0
            || setuid(account->uid) != 0))
      _exit(126);
    execl(guardian->engine_path, "attune-engine", "--database", guardian->cluster->conninfo,
          "--data-dir", guardian->data_dir, "--workers", workers, "--parent-fd", parent,
          (char *) NULL);
    _exit(127);
  }
  close(ends[0]);
  if (pid < 0)
  {
    log_error("could not start the engine: %s", strerror(errno));
    close(ends[1]);
    return;
  }
  guardian->engine = pid;
  guardian->engine_pipe = ends[1];
  log_info("started the engine, process %d, with %u workers", (int) pid, guardian->engine_count);
}

/* Starts the engine when it should run and does not, ever more slowly while it dies at once. */
static void
keep_engine(struct guardian *guardian)
{
  double now = clock_monotonic_s();
  int status;
  if (guardian->engine > 0 && waitpid(guardian->engine, &status, WNOHANG) == guardian->engine)
  {
    log_warning("the engine ended (%s %d): starting it again",
                WIFSIGNALED(status) ? "signal" : "status",
                WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
    close(guardian->engine_pipe);
    guardian->engine = 0;
    guardian->engine_again_s = now + guardian->engine_pause_s;
    guardian->engine_pause_s = guardian->engine_pause_s * 2 + 0.1;
    if (guardian->engine_pause_s > GUARDIAN_PAUSE_MAX_S)
      guardian->engine_pause_s = GUARDIAN_PAUSE_MAX_S;
  }
  else if (guardian->engine > 0 && now > guardian->engine_again_s + 30)
    guardian->engine_pause_s = 0;
  if (guardian->engine == 0 && guardian->engine_count > 0 && now >= guardian->engine_again_s)
  {
    guardian->engine_again_s = now;
    start_engine(guardian);
  }
}

static void
stop_engine(struct guardian *guardian)
{
  if (guardian->engine <= 0)
    return;
  close(guardian->engine_pipe);
  kill(guardian->engine, SIGTERM);
  double deadline = clock_monotonic_s() + GUARDIAN_ENGINE_STOP_SECONDS;
  int status;
  while (waitpid(guardian->engine, &status, WNOHANG) == 0)
  {
    if (clock_monotonic_s() > deadline)
      kill(-guardian->engine, SIGKILL);
    poll(NULL, 0, 20);
  }
  guardian->engine = 0;
}

static void
keep_cluster(struct guardian *guardian)
{
  struct err_info info;
  if (cluster_is_alive(guardian->cluster) || clock_monotonic_s() < guardian->cluster_again_s)
    return;
  log_warning("PostgreSQL ended: starting it again");
  if (cluster_restart(guardian->cluster, &info))
    log_error("%s", info.text);
  guardian->cluster_again_s = clock_monotonic_s() + 0.2;
}

/* Waits one tick for a command; false when the pipe has closed, so attuned is gone. */
static bool
hear_command(struct guardian *guardian, int command_fd)
{
  struct pollfd ear = {.fd = command_fd, .events = POLLIN};
  if (poll(&ear, 1, GUARDIAN_TICK_MS) <= 0)
    return true;
  struct guardian_command command;
  ssize_t n = read(command_fd, &command, sizeof command);
  if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
    return false;
  if (n == (ssize_t) sizeof command)
    guardian->engine_count = command.engine_count;
  return true;
}

int
guardian_main(struct cluster *cluster, const char *data_dir, int command_fd, int report_fd)
{
  struct guardian guardian = {.cluster = cluster, .data_dir = data_dir};
  struct guardian_report report = {.code = ERR_OK};
  struct err_info info = {.code = ERR_OK};
  /* Ctrl-C reaches the whole terminal group; attuned decides when to stop and we hear it by the pipe. */
  signal(SIGINT, SIG_IGN);
  signal(SIGTERM, SIG_IGN);
  signal(SIGHUP, SIG_IGN);
  signal(SIGPIPE, SIG_IGN);
  prctl(PR_SET_NAME, "attune-guardian");
  report.code =
    proc_find_program("attune-engine", guardian.engine_path, sizeof guardian.engine_path, &info);
  if (!report.code)
    report.code = cluster_start(cluster, &info);
  memcpy(report.text, info.text, sizeof report.text);
  memcpy(report.conninfo, cluster->conninfo, sizeof report.conninfo);
  bool heard = write(report_fd, &report, sizeof report) == (ssize_t) sizeof report;
  while (heard && !report.code && hear_command(&guardian, command_fd))
  {
    keep_cluster(&guardian);
    keep_engine(&guardian);
  }
  stop_engine(&guardian);
  cluster_stop(cluster);
  return report.code ? 1 : 0;
}
