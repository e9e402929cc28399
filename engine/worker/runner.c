#include <config.h>

#include "worker/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"
#include "worker/progress.h"
#include "worker/tail.h"
#include "worker/trial_main.h"

#define HEARTBEAT_S 3.0
#define HEARTBEAT_AGAIN_S 1.0 /* after one that was not acknowledged */
#define LOOK_S 0.25           /* at memory, clock and stop requests */
#define TERM_GRACE_S 1.0
#define TRIAL_NICE 10
#define OPEN_FILES 256

/* A trial process at work. */
struct running
{
  const struct runner *runner;
  struct progress *progress;
  pid_t pid;
  int pipe; /* its epochs; -1 after its end */
  int said; /* its standard error; -1 after its end */
  struct tail tail;
  double stop_at_s; /* of the monotonic clock */
  int pidfd;        /* readable when it has ended; -1 where the kernel has none */
  double started_s, next_heartbeat_s;
  double asked_s; /* when it was told to stop, 0 = not yet */
  bool killed;    /* by us */
  bool beat_now;  /* something happened to the job */
  bool away;      /* the database did not answer the last heartbeat */
  struct runner_result *result;
};

/* ---- the start --------------------------------------------------------------------------------------- */

/* The few variables that libraries look at; nothing of ours, which may hold secrets. */
static void
plain_environment(char **envp, size_t most)
{
  static const char *const kept[] = {"PATH",
                                     "HOME",
                                     "LANG",
                                     "LC_ALL",
                                     "TMPDIR",
                                     "OMP_NUM_THREADS",
                                     "OPENBLAS_NUM_THREADS",
                                     "OMP_WAIT_POLICY",
                                     "LD_LIBRARY_PATH",
                                     "ASAN_OPTIONS",
                                     "UBSAN_OPTIONS",
                                     "LSAN_OPTIONS"};
  extern char **environ;
  size_t count = 0;
  for (char **entry = environ; *entry != NULL; entry++)
    for (size_t i = 0; i < sizeof kept / sizeof kept[0] && count + 1 < most; i++)
    {
      size_t length = strlen(kept[i]);
      if (strncmp(*entry, kept[i], length) == 0 && (*entry)[length] == '=')
        envp[count++] = *entry;
    }
  envp[count] = NULL;
}

static enum err
start(struct running *running, struct err_info *info)
{
  char *envp[17], program[PATH_MAX];
  int ends[2], said[2];
  if (pipe2(ends, O_CLOEXEC) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not make a pipe");
  if (pipe2(said, O_CLOEXEC) != 0)
  {
    close(ends[0]);
    close(ends[1]);
    return err_set_errno(info, ERR_IO, errno, "could not make a pipe");
  }
  fcntl(said[0], F_SETFL, O_NONBLOCK);
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  fcntl(ends[1], F_SETFL, O_NONBLOCK);
  plain_environment(envp, sizeof envp / sizeof envp[0]);
  char *argv[] = {"attune-engine", "--trial", (char *) running->runner->dir->path, NULL};
  struct proc_fd fds[] = {{.from = ends[1], .to = TRIAL_PROGRESS_FD},
                          {.from = said[1], .to = STDERR_FILENO},
                          {.from = running->runner->hold_fd, .to = TRIAL_HOLD_FD}};
  struct proc_spawn spawn = {.path = proc_own_program(program, sizeof program),
                             .argv = argv,
                             .envp = envp,
                             .fds = fds,
                             .fd_count = 3,
                             .limits.open_files = OPEN_FILES,
                             .nice_add = TRIAL_NICE,
                             .no_new_privs = true};
  if (running->runner->seconds > 0)
    spawn.limits.cpu_s = (uint64_t) ceil(running->runner->seconds) + 60;
  enum err err = proc_start(&spawn, &running->pid, info);
  close(ends[1]);
  close(said[1]);
  if (err != ERR_OK)
  {
    close(ends[0]);
    close(said[0]);
    return err;
  }
  running->pipe = ends[0];
  running->said = said[0];
  running->pidfd = (int) syscall(SYS_pidfd_open, running->pid, 0);
  return ERR_OK;
}

/* ---- while it runs ----------------------------------------------------------------------------------- */

static void
end_with(struct running *running, enum runner_end end, const char *reason)
{
  running->result->end = end;
  snprintf(running->result->reason, sizeof running->result->reason, "%s", reason);
}

/* Kills at once, for the stated end. */
static void
kill_now(struct running *running, enum runner_end end, const char *reason)
{
  if (running->killed)
    return;
  running->killed = true;
  end_with(running, end, reason);
  kill(running->pid, SIGKILL);
}

/* Asks to stop; after a second without an answer it is killed. */
static void
ask_stop(struct running *running, enum runner_end end, const char *reason)
{
  if (running->asked_s > 0 || running->killed)
    return;
  running->asked_s = clock_monotonic_s();
  end_with(running, end, reason);
  kill(running->pid, SIGTERM);
}

static void
obey(struct running *running, enum db_work_stop stop)
{
  switch (stop)
  {
  case DB_WORK_GO_ON:
    break;
  case DB_WORK_STOP_PAUSE:
    ask_stop(running, RUNNER_PAUSED, "the job was paused");
    break;
  case DB_WORK_STOP_ENDED:
    ask_stop(running, RUNNER_CANCELLED, "the job has ended");
    break;
  case DB_WORK_STOP_CANCEL:
    ask_stop(running, RUNNER_CANCELLED, "the job was cancelled");
    break;
  case DB_WORK_STOP_TIME:
    ask_stop(running, RUNNER_CANCELLED, "the job's time was used up");
    break;
  case DB_WORK_STOP_HURRY:
    if (!running->runner->short_already)
      ask_stop(running, RUNNER_HURRIED, "the job was cancelled, so it is done again, shorter");
    break;
  }
}

static void
beat(struct running *running)
{
  const struct runner *runner = running->runner;
  double now_s = clock_monotonic_s();
  struct db_work_pulse pulse;
  if (now_s < running->next_heartbeat_s && !running->beat_now)
    return;
  running->beat_now = false;
  if (runner->lease == NULL)
  {
    running->next_heartbeat_s = now_s + HEARTBEAT_S;
    db_work_presence(runner->conn);
    return;
  }
  enum db_status status = runner->heartbeat != NULL
                            ? runner->heartbeat(runner->conn, runner->lease, &pulse)
                            : db_work_heartbeat(runner->conn, runner->lease, &pulse);
  running->away = status < DB_NONE;
  switch (status)
  {
  case DB_ROWS:
    watchdog_heard(runner->watchdog);
    running->next_heartbeat_s = now_s + HEARTBEAT_S;
    if (isfinite(runner->stop_after_s))
      running->stop_at_s = now_s + pulse.search_left_s;
    obey(running, pulse.stop);
    break;
  case DB_NONE:
    kill_now(running, RUNNER_LOST, "the lease was lost");
    break;
  case DB_SOFT:
  case DB_HARD:
    running->next_heartbeat_s = clock_monotonic_s() + HEARTBEAT_AGAIN_S;
    break;
  }
}

static void
check_limits(struct running *running)
{
  const struct runner *runner = running->runner;
  double now_s = clock_monotonic_s(), ran_s = now_s - running->started_s;
  uint64_t bytes = 0;
  char text[200];
  if (running->asked_s > 0 && !running->killed && now_s - running->asked_s > TERM_GRACE_S)
  {
    running->killed = true;
    kill(running->pid, SIGKILL);
  }
  if (watchdog_stopping(runner->watchdog))
    ask_stop(running, RUNNER_STOPPING, "the worker stops");
  if (now_s > running->stop_at_s)
    ask_stop(running, RUNNER_CANCELLED, "the job's time was used up");
  if (runner->seconds > 0 && ran_s > runner->seconds)
  {
    snprintf(text, sizeof text, "it ran longer than the limit of %.0f seconds", runner->seconds);
    kill_now(running, RUNNER_FAILED, text);
  }
  if (runner->memory_bytes > 0 && proc_rss_bytes(running->pid, &bytes) == ERR_OK
      && bytes > runner->memory_bytes)
  {
    snprintf(text, sizeof text, "it needed more than the limit of %.0f MiB of memory",
             (double) runner->memory_bytes / 1048576);
    kill_now(running, RUNNER_FAILED, text);
  }
}

static void
on_note(void *context, const char *kind, const char *id)
{
  struct running *running = context;
  if (strcmp(kind, "job") == 0 && strcmp(id, running->runner->job_id) == 0)
    running->beat_now = true;
}

static void
wait_a_moment(struct running *running)
{
  const struct runner *runner = running->runner;
  struct pollfd fds[4] = {{.fd = running->pipe, .events = POLLIN},
                          {.fd = -1, .events = POLLIN},
                          {.fd = running->pidfd, .events = POLLIN},
                          {.fd = running->said, .events = POLLIN}};
  if (runner->listener != NULL)
    fds[1].fd = db_socket(runner->listener);
  int wait_ms = running->pidfd < 0 && running->pipe < 0 ? 5 : (int) (LOOK_S * 1000);
  if (poll(fds, 4, wait_ms) <= 0)
    return;
  if (fds[0].revents != 0 && !progress_read(running->progress, running->pipe))
  {
    close(running->pipe);
    running->pipe = -1;
  }
  if (fds[3].revents != 0 && !tail_read(&running->tail, running->said))
  {
    close(running->said);
    running->said = -1;
  }
  if (fds[1].revents != 0)
    db_wait_notify(runner->listener, 0, on_note, running, NULL);
}

/* Waits with the status kept, so that the pid can't be another process's while the watchdog may use it. */
static bool
has_ended(const struct running *running)
{
  siginfo_t info = {0};
  return waitid(P_PID, (id_t) running->pid, &info, WEXITED | WNOHANG | WNOWAIT) == 0
         && info.si_pid == running->pid;
}

static void
flush_epochs(struct running *running, bool last)
{
  if (running->runner->lease == NULL || running->killed || running->away)
    return;
  if (progress_flush(running->progress, running->runner->conn, running->runner->lease, last)
      == DB_NONE)
    kill_now(running, RUNNER_LOST, "the lease was lost");
}

/* ---- the end ----------------------------------------------------------------------------------------- */

static void
read_result(struct running *running)
{
  json_t *json = NULL;
  if (work_dir_read_json(running->runner->dir, "result.json", &json, NULL) != ERR_OK)
    end_with(running, RUNNER_FAILED, "it ended without a result");
  else if (json_get_bool(json, "ok", false))
    end_with(running, RUNNER_DONE, "");
  else if (strcmp(json_get_string(json, "error", ""), "cancelled") != 0)
    end_with(running, RUNNER_FAILED, json_get_string(json, "text", "it failed"));
  else if (running->asked_s <= 0)
    end_with(running, RUNNER_KILLED, "it was told to stop by another process");
  json_decref(json);
}

static void
judge(struct running *running, int status)
{
  char text[200], reason[300];
  if (watchdog_fired(running->runner->watchdog))
  {
    end_with(running, RUNNER_LOST, "no heartbeat was acknowledged");
    return;
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0 && !running->killed)
  {
    read_result(running);
    return;
  }
  if (running->killed || running->asked_s > 0)
    return; /* why is known */
  proc_describe_status(status, text, sizeof text);
  snprintf(reason, sizeof reason, "its process %s", text);
  bool outside =
    WIFSIGNALED(status)
    && (WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGTERM || WTERMSIG(status) == SIGINT);
  end_with(running, outside ? RUNNER_KILLED : RUNNER_FAILED, reason);
}

void
runner_run(const struct runner *runner, struct runner_result *result)
{
  struct err_info info = {0};
  struct running running = {
    .runner = runner, .pipe = -1, .said = -1, .pidfd = -1, .result = result};
  int status = 0;
  *result = (struct runner_result){.end = RUNNER_FAILED};
  running.started_s = clock_monotonic_s();
  running.stop_at_s = running.started_s + runner->stop_after_s;
  running.progress = progress_new();
  if (running.progress == NULL || start(&running, &info) != ERR_OK)
  {
    /* Not the trial's fault: another worker may have more luck. */
    end_with(&running, RUNNER_KILLED,
             running.progress == NULL ? "out of memory for its process" : info.text);
    progress_free(running.progress);
    return;
  }
  watchdog_guard(runner->watchdog, runner->lease != NULL ? running.pid : 0);
  running.next_heartbeat_s = running.started_s + HEARTBEAT_S;
  while (!has_ended(&running))
  {
    wait_a_moment(&running);
    beat(&running);
    check_limits(&running);
    flush_epochs(&running, false);
  }
  watchdog_release(runner->watchdog);
  proc_wait_timeout(running.pid, -1, &status);
  if (running.pipe >= 0)
  {
    progress_read(running.progress, running.pipe);
    close(running.pipe);
  }
  if (running.said >= 0)
  {
    tail_read(&running.tail, running.said);
    close(running.said);
  }
  tail_text(&running.tail, result->said, sizeof result->said);
  if (running.pidfd >= 0)
    close(running.pidfd);
  flush_epochs(&running, true);
  judge(&running, status);
  progress_free(running.progress);
}
