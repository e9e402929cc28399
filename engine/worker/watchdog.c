#include <config.h>

#include "worker/watchdog.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"

#define LOOK_MS 250
/* A worker whose supervisor is gone has so long to give its unit back. */
#define ORPHAN_GRACE_S 5.0

struct watchdog
{
  pthread_t thread;
  pthread_mutex_t mutex;
  int parent_fd;
  pid_t pid; /* guarded, 0 = none */
  double heard_s;
  bool fired;
  atomic_bool orphaned, ended;
};

/* What a signal handler may touch: process-wide as signals are. */
static volatile sig_atomic_t stop_asked;

void
watchdog_ask_stop(void)
{
  stop_asked = 1;
}

bool
watchdog_stopping(const struct watchdog *watchdog)
{
  return stop_asked != 0 || atomic_load(&watchdog->orphaned);
}

/* Waits a moment; true when the supervisor has closed its end. */
static bool
look_at_parent(const struct watchdog *watchdog)
{
  struct pollfd parent = {.fd = watchdog->parent_fd, .events = POLLIN};
  if (poll(&parent, 1, LOOK_MS) <= 0 || parent.revents == 0)
    return false;
  char byte;
  ssize_t got = read(watchdog->parent_fd, &byte, 1);
  return got == 0 || (got < 0 && errno != EINTR && errno != EAGAIN);
}

static void
look_at_trial(struct watchdog *watchdog)
{
  pthread_mutex_lock(&watchdog->mutex);
  if (watchdog->pid > 0 && clock_monotonic_s() - watchdog->heard_s > WATCHDOG_SILENCE_S)
  {
    watchdog->fired = true;
    kill(watchdog->pid, SIGKILL);
    watchdog->pid = 0;
  }
  pthread_mutex_unlock(&watchdog->mutex);
}

static void *
watch(void *context)
{
  struct watchdog *watchdog = context;
  double orphaned_s = 0;
  while (!atomic_load(&watchdog->ended))
  {
    if (atomic_load(&watchdog->orphaned))
    {
      poll(NULL, 0, LOOK_MS);
      if (clock_monotonic_s() - orphaned_s > ORPHAN_GRACE_S)
        _exit(5); /* its trial goes with it */
    }
    else if (look_at_parent(watchdog))
    {
      orphaned_s = clock_monotonic_s();
      atomic_store(&watchdog->orphaned, true);
    }
    look_at_trial(watchdog);
  }
  return NULL;
}

enum err
watchdog_start(int parent_fd, struct watchdog **watchdog, struct err_info *info)
{
  struct watchdog *made = calloc(1, sizeof *made);
  *watchdog = NULL;
  if (made == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the watchdog");
  made->parent_fd = parent_fd;
  pthread_mutex_init(&made->mutex, NULL);
  /* Signals are for the main thread. */
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int failed = pthread_create(&made->thread, NULL, watch, made);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (failed != 0)
  {
    pthread_mutex_destroy(&made->mutex);
    free(made);
    return err_set_errno(info, ERR_MEMORY, failed, "could not start the watchdog");
  }
  *watchdog = made;
  return ERR_OK;
}

void
watchdog_free(struct watchdog *watchdog)
{
  if (watchdog == NULL)
    return;
  atomic_store(&watchdog->ended, true);
  pthread_join(watchdog->thread, NULL);
  pthread_mutex_destroy(&watchdog->mutex);
  free(watchdog);
}

void
watchdog_guard(struct watchdog *watchdog, pid_t pid)
{
  pthread_mutex_lock(&watchdog->mutex);
  watchdog->pid = pid;
  watchdog->heard_s = clock_monotonic_s();
  watchdog->fired = false;
  pthread_mutex_unlock(&watchdog->mutex);
}

void
watchdog_heard(struct watchdog *watchdog)
{
  pthread_mutex_lock(&watchdog->mutex);
  watchdog->heard_s = clock_monotonic_s();
  pthread_mutex_unlock(&watchdog->mutex);
}

void
watchdog_release(struct watchdog *watchdog)
{
  pthread_mutex_lock(&watchdog->mutex);
  watchdog->pid = 0;
  pthread_mutex_unlock(&watchdog->mutex);
}

bool
watchdog_fired(struct watchdog *watchdog)
{
  pthread_mutex_lock(&watchdog->mutex);
  bool fired = watchdog->fired;
  pthread_mutex_unlock(&watchdog->mutex);
  return fired;
}
