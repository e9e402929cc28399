#include <config.h>

#include "server/events_internal.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/http_auth.h"
#include "server/http_daemon.h"
#include "server/http_wait.h"
#include "server/model_cache.h"

#define EPOCH_SECONDS 0.25
#define REREAD_SECONDS 1.0
#define LOOK_SECONDS 5.0
#define BUSY_TURN_MS 100
#define IDLE_TURN_MS 1000

static void
poke(struct event_hub *hub)
{
  uint64_t one = 1;
  if (write(hub->wake_fd, &one, sizeof one) != sizeof one)
    log_debug("the event hub is being woken already");
}

/* ---- what the database says ------------------------------------------------------------------------ */

static void
on_note(void *context, const char *kind, const char *id)
{
  struct event_hub *hub = context;
  struct server *server = hub->server;
  if (strcmp(kind, "job") == 0)
  {
    pthread_mutex_lock(&hub->lock);
    for (struct hub_job *job = hub->jobs; job; job = job->next)
      if (strcmp(job->id, id) == 0)
        job->dirty = true;
    pthread_mutex_unlock(&hub->lock);
    http_daemon_job_news(server->http, id);
  }
  else if (strcmp(kind, "key") == 0)
  {
    http_auth_forget(server->auth, id);
    pthread_mutex_lock(&hub->lock);
    for (struct event_stream *stream = hub->streams; stream; stream = stream->next)
      if (strcmp(stream->key_id, id) == 0)
        stream->recheck = true;
    pthread_mutex_unlock(&hub->lock);
  }
  else if (strcmp(kind, "tenant") == 0)
  {
    http_auth_forget_tenant(server->auth, id);
    pthread_mutex_lock(&hub->lock);
    for (struct event_stream *stream = hub->streams; stream; stream = stream->next)
      if (strcmp(stream->tenant_id, id) == 0)
        stream->recheck = true;
    pthread_mutex_unlock(&hub->lock);
  }
  else if (strcmp(kind, "model") == 0)
    model_cache_forget(server->models, id);
}

/* Notes may have been missed: everything is looked at again. */
static void
look_again(struct event_hub *hub)
{
  pthread_mutex_lock(&hub->lock);
  for (struct hub_job *job = hub->jobs; job; job = job->next)
    job->dirty = true;
  pthread_mutex_unlock(&hub->lock);
}

static void
set_listening(struct event_hub *hub, bool listening)
{
  pthread_mutex_lock(&hub->lock);
  bool before = hub->listening;
  hub->listening = listening;
  pthread_mutex_unlock(&hub->lock);
  if (listening == before)
    return;
  http_auth_listening(hub->server->auth, listening);
  if (!listening)
  {
    log_warning("the database's notes can't be heard; looking by turns");
    return;
  }
  log_info("listening to the database");
  http_auth_forget(hub->server->auth, NULL);
  model_cache_forget(hub->server->models, NULL);
  look_again(hub);
  pthread_mutex_lock(&hub->lock);
  for (struct event_stream *stream = hub->streams; stream; stream = stream->next)
    stream->recheck = true;
  pthread_mutex_unlock(&hub->lock);
}

static void
open_listen(struct event_hub *hub, double now_s)
{
  struct err_info info;
  if (now_s < hub->next_reread_s)
    return;
  enum err err = hub->listen ? db_reopen(hub->listen, &info)
                             : db_connect(hub->conninfo, "attuned listen", &hub->listen, &info);
  if (!err && db_listen(hub->listen) >= 0)
    set_listening(hub, true);
  else
  {
    hub->next_reread_s = now_s + REREAD_SECONDS;
    look_again(hub);
  }
}

static void
hear(struct event_hub *hub, double now_s)
{
  struct err_info info;
  bool open = hub->listening && hub->listen && db_is_open(hub->listen);
  if (open && db_wait_notify(hub->listen, 0.0, on_note, hub, &info) == ERR_OK)
    return;
  set_listening(hub, false);
  open_listen(hub, now_s);
}

/* ---- the thread ------------------------------------------------------------------------------------ */

static void
feed_streams(struct event_hub *hub, double now_s)
{
  bool look = now_s >= hub->next_look_s;
  if (look)
    hub->next_look_s = now_s + LOOK_SECONDS;
  pthread_mutex_lock(&hub->lock);
  for (struct event_stream *stream = hub->streams; stream; stream = stream->next)
  {
    if (hub->draining || (look && stream->asleep && http_socket_gone(stream->fd)))
      stream_end(stream);
    else if (stream_feed(stream, now_s))
      stream_wake(stream);
  }
  pthread_mutex_unlock(&hub->lock);
}

static void
rest(struct event_hub *hub, bool busy)
{
  struct pollfd fds[2] = {{.fd = hub->wake_fd, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
  if (hub->listen && hub->listening)
    fds[1].fd = db_socket(hub->listen);
  if (poll(fds, 2, busy ? BUSY_TURN_MS : IDLE_TURN_MS) > 0 && (fds[0].revents & POLLIN))
  {
    uint64_t count;
    if (read(hub->wake_fd, &count, sizeof count) != sizeof count)
      log_debug("the event hub was woken for nothing");
  }
}

static void *
hub_thread(void *context)
{
  struct event_hub *hub = context;
  for (;;)
  {
    pthread_mutex_lock(&hub->lock);
    bool stopping = hub->stopping;
    bool busy = hub->streams != NULL;
    pthread_mutex_unlock(&hub->lock);
    if (stopping)
      return NULL;
    double now_s = clock_monotonic_s();
    hear(hub, now_s);
    if (busy)
    {
      hub_check_rights(hub, now_s);
      hub_read_events(hub);
      if (now_s >= hub->next_epochs_s)
      {
        hub->next_epochs_s = now_s + EPOCH_SECONDS;
        hub_read_epochs(hub);
      }
      hub_catch_up(hub, now_s);
    }
    feed_streams(hub, clock_monotonic_s());
    rest(hub, busy);
  }
}

struct event_hub *
event_hub_new(struct server *server, const char *conninfo)
{
  struct event_hub *hub = calloc(1, sizeof *hub);
  if (!hub)
    return NULL;
  hub->server = server;
  hub->conninfo = conninfo;
  hub->arena = arena_new(0);
  hub->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  pthread_mutex_init(&hub->lock, NULL);
  if (hub->arena && hub->wake_fd >= 0)
    return hub;
  event_hub_free(hub);
  return NULL;
}

enum err
event_hub_start(struct event_hub *hub, struct err_info *info)
{
  int error = pthread_create(&hub->thread, NULL, hub_thread, hub);
  if (error)
    return err_set_errno(info, ERR_UNAVAILABLE, error, "could not start a thread");
  pthread_setname_np(hub->thread, "events");
  hub->started = true;
  return ERR_OK;
}

void
event_hub_stop(struct event_hub *hub)
{
  if (!hub || !hub->started)
    return;
  pthread_mutex_lock(&hub->lock);
  hub->stopping = true;
  pthread_mutex_unlock(&hub->lock);
  poke(hub);
  pthread_join(hub->thread, NULL);
  hub->started = false;
}

void
event_hub_free(struct event_hub *hub)
{
  if (!hub)
    return;
  event_hub_stop(hub);
  if (hub->listen)
    db_close(hub->listen);
  if (hub->query)
    db_close(hub->query);
  if (hub->wake_fd >= 0)
    close(hub->wake_fd);
  arena_free(hub->arena);
  pthread_mutex_destroy(&hub->lock);
  free(hub);
}

void
event_hub_end_streams(struct event_hub *hub)
{
  pthread_mutex_lock(&hub->lock);
  hub->draining = true;
  for (struct event_stream *stream = hub->streams; stream; stream = stream->next)
    stream_end(stream);
  pthread_mutex_unlock(&hub->lock);
}

void
event_hub_end_session(struct event_hub *hub, const uint8_t hash[32])
{
  pthread_mutex_lock(&hub->lock);
  for (struct event_stream *stream = hub->streams; stream; stream = stream->next)
    if (stream->by_session && memcmp(stream->session_hash, hash, 32) == 0)
      stream_end(stream);
  pthread_mutex_unlock(&hub->lock);
}

bool
event_hub_listening(struct event_hub *hub)
{
  pthread_mutex_lock(&hub->lock);
  bool listening = hub->listening;
  pthread_mutex_unlock(&hub->lock);
  return listening;
}

/* ---- streams come and go --------------------------------------------------------------------------- */

static void
close_locked(struct event_hub *hub, struct event_stream *stream)
{
  for (size_t i = 0; i < stream->cursor_count; i++)
    hub_job_unwatch(hub, stream->cursors[i].job);
  if (stream->previous)
    stream->previous->next = stream->next;
  else if (hub->streams == stream)
    hub->streams = stream->next;
  if (stream->next)
    stream->next->previous = stream->previous;
  buf_free(&stream->out);
  free(stream);
}

struct event_stream *
event_stream_open(struct event_hub *hub, const struct event_stream_config *config)
{
  struct event_stream *stream =
    calloc(1, sizeof *stream + config->job_count * sizeof stream->cursors[0]);
  if (!stream)
    return NULL;
  double now_s = clock_monotonic_s();
  stream->hub = hub;
  snprintf(stream->tenant_id, sizeof stream->tenant_id, "%s", config->tenant_id);
  snprintf(stream->key_id, sizeof stream->key_id, "%s", config->key_id);
  stream->by_session = config->session_hash != NULL;
  if (config->session_hash)
    memcpy(stream->session_hash, config->session_hash, 32);
  stream->fd = config->fd;
  stream->wake = config->wake;
  stream->context = config->context;
  stream->verified_s = stream->last_write_s = stream->epoch_at_s = now_s;
  /* Something at once, so that the answer's head is sent. */
  buf_append_text(&stream->out, "retry: 2000\n\n");
  pthread_mutex_lock(&hub->lock);
  stream->serial = ++hub->next_serial;
  bool failed = stream->out.failed;
  for (size_t i = 0; i < config->job_count && !failed; i++)
  {
    struct hub_job *job =
      hub_job_watch(hub, stream->tenant_id, config->jobs[i].job_id, config->jobs[i].after);
    failed = !job;
    if (failed)
      break;
    stream->cursors[stream->cursor_count].job = job;
    stream->cursors[stream->cursor_count++].seq = config->jobs[i].after;
  }
  if (failed)
  {
    close_locked(hub, stream);
    stream = NULL;
  }
  else
  {
    stream->next = hub->streams;
    if (hub->streams)
      hub->streams->previous = stream;
    hub->streams = stream;
    stream->ended = hub->draining;
  }
  pthread_mutex_unlock(&hub->lock);
  poke(hub);
  return stream;
}

void
event_stream_close(struct event_stream *stream)
{
  struct event_hub *hub = stream->hub;
  pthread_mutex_lock(&hub->lock);
  close_locked(hub, stream);
  pthread_mutex_unlock(&hub->lock);
}
