#include <config.h>

#include "worker/supervisor.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/proc.h"

#define LOOK_MS 200
#define PAUSE_FIRST_S 0.1
#define PAUSE_MOST_S 10.0
#define LIVED_WELL_S 10.0
#define STOP_SECONDS 8.0

struct slot
{
  pid_t pid; /* 0 = none */
  double started_s, again_s, pause_s;
};

struct supervisor
{
  const struct supervisor_options *options;
  struct slot *slots;
  int pipe[2]; /* the workers watch its read end */
};

static volatile sig_atomic_t stop_asked;

static void
on_stop(int number)
{
  (void) number;
  stop_asked = 1;
}

static void
catch_signals(void)
{
  struct sigaction stop = {.sa_handler = on_stop};
  sigaction(SIGTERM, &stop, NULL);
  sigaction(SIGINT, &stop, NULL);
  struct sigaction ignore = {.sa_handler = SIG_IGN};
  sigaction(SIGPIPE, &ignore, NULL);
}

static void
start_worker(struct supervisor *supervisor, struct slot *slot)
{
  struct err_info info = {0};
  struct proc_fd fds[] = {{.from = supervisor->pipe[0], .to = SUPERVISOR_PARENT_FD}};
  char program[PATH_MAX];
  struct proc_spawn spawn = {.path = proc_own_program(program, sizeof program),
                             .argv = supervisor->options->worker_argv,
                             .fds = fds,
                             .fd_count = 1};
  slot->started_s = clock_monotonic_s();
  if (proc_start(&spawn, &slot->pid, &info) != ERR_OK)
  {
    log_error("could not start a worker: %s", info.text);
    slot->pid = 0;
    slot->pause_s = slot->pause_s * 2 < PAUSE_MOST_S ? slot->pause_s * 2 : PAUSE_MOST_S;
    slot->again_s = slot->started_s + slot->pause_s;
  }
}

/* A worker that died young is started again ever more slowly. */
static void
note_death(struct slot *slot, int status)
{
  char text[200];
  double now_s = clock_monotonic_s();
  proc_describe_status(status, text, sizeof text);
  log_warning("worker %ld %s", (long) slot->pid, text);
  if (now_s - slot->started_s > LIVED_WELL_S)
    slot->pause_s = PAUSE_FIRST_S;
  slot->again_s = now_s + slot->pause_s;
  slot->pause_s = slot->pause_s * 2 < PAUSE_MOST_S ? slot->pause_s * 2 : PAUSE_MOST_S;
  slot->pid = 0;
}

static size_t
count_alive(const struct supervisor *supervisor)
{
  size_t alive = 0;
  for (unsigned i = 0; i < supervisor->options->workers; i++)
    alive += supervisor->slots[i].pid > 0;
  return alive;
}

static void
reap(struct supervisor *supervisor, bool stopping)
{
  for (unsigned i = 0; i < supervisor->options->workers; i++)
  {
    struct slot *slot = &supervisor->slots[i];
    int status = 0;
    if (slot->pid <= 0 || proc_wait_timeout(slot->pid, 0, &status) != ERR_OK)
      continue;
    if (stopping)
      slot->pid = 0;
    else
      note_death(slot, status);
  }
}

static void
signal_workers(struct supervisor *supervisor, int number)
{
  for (unsigned i = 0; i < supervisor->options->workers; i++)
    if (supervisor->slots[i].pid > 0)
      kill(supervisor->slots[i].pid, number);
}

/* Waits a moment; true when whoever started the engine has gone. */
static bool
look_at_parent(const struct supervisor *supervisor)
{
  struct pollfd parent = {.fd = supervisor->options->parent_fd, .events = POLLIN};
  if (poll(&parent, 1, LOOK_MS) <= 0 || parent.revents == 0)
    return false;
  char byte;
  ssize_t got = read(supervisor->options->parent_fd, &byte, 1);
  return got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
}

static void
watch(struct supervisor *supervisor)
{
  while (!stop_asked)
  {
    double now_s = clock_monotonic_s();
    for (unsigned i = 0; i < supervisor->options->workers; i++)
      if (supervisor->slots[i].pid <= 0 && now_s >= supervisor->slots[i].again_s)
        start_worker(supervisor, &supervisor->slots[i]);
    if (look_at_parent(supervisor))
      break;
    reap(supervisor, false);
  }
}

static void
stop_workers(struct supervisor *supervisor)
{
  double start_s = clock_monotonic_s();
  signal_workers(supervisor, SIGTERM);
  while (count_alive(supervisor) > 0)
  {
    if (clock_monotonic_s() - start_s > STOP_SECONDS)
      signal_workers(supervisor, SIGKILL);
    poll(NULL, 0, 50);
    reap(supervisor, true);
  }
}

int
supervisor_main(const struct supervisor_options *options)
{
  struct supervisor supervisor = {.options = options};
  supervisor.slots = calloc(options->workers, sizeof *supervisor.slots);
  if (supervisor.slots == NULL || pipe2(supervisor.pipe, O_CLOEXEC) != 0)
  {
    log_error("could not start the engine: %s", "no memory or descriptors");
    free(supervisor.slots);
    return 1;
  }
  for (unsigned i = 0; i < options->workers; i++)
    supervisor.slots[i].pause_s = PAUSE_FIRST_S;
  catch_signals();
  log_info("the engine runs with %u worker%s", options->workers, options->workers == 1 ? "" : "s");
  watch(&supervisor);
  stop_workers(&supervisor);
  close(supervisor.pipe[0]);
  close(supervisor.pipe[1]);
  free(supervisor.slots);
  log_info("the engine has stopped");
  return 0;
}
