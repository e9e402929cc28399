#include <config.h>

#include "server/events_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/sse.h"
#include "sql/db_tenant.h"

#define PAGE 100
#define JOBS_PER_TURN 64
#define STREAMS_PER_TURN 32
#define VERIFY_SECONDS 30.0
#define VERIFY_UNHEARD_SECONDS 1.0
#define UNVERIFIED_SECONDS 60.0

/* What is asked about one job while the lock is not held. */
struct job_question
{
  char job_id[40];
  char tenant_id[40];
  int64_t after;
  const struct event_stream *stream; /* whose, when it is for one stream */
  uint64_t serial;
  size_t cursor;
};

struct db_conn *
hub_query(struct event_hub *hub)
{
  struct err_info info;
  if (hub->query && db_is_open(hub->query))
    return hub->query;
  double now_s = clock_monotonic_s();
  if (now_s < hub->retry_s)
    return NULL;
  enum err err = hub->query ? db_reopen(hub->query, &info)
                            : db_connect(hub->conninfo, "attuned events", &hub->query, &info);
  if (!err)
    return hub->query;
  hub->retry_s = now_s + 0.5;
  return NULL;
}

static struct hub_job *
find_job(struct event_hub *hub, const struct job_question *question)
{
  for (struct hub_job *job = hub->jobs; job; job = job->next)
    if (strcmp(job->id, question->job_id) == 0 && strcmp(job->tenant_id, question->tenant_id) == 0)
      return job;
  return NULL;
}

static void
ask_about(struct job_question *question, const struct hub_job *job, int64_t after)
{
  memcpy(question->job_id, job->id, sizeof question->job_id);
  memcpy(question->tenant_id, job->tenant_id, sizeof question->tenant_id);
  question->after = after;
}

static char *
event_text(const char *job_id, const struct db_event *event)
{
  struct buf text = {0};
  sse_append_data(&text, job_id, event);
  return buf_take(&text, NULL);
}

static void
read_job(struct event_hub *hub, struct db_conn *conn, const struct job_question *question)
{
  struct db_event *events = NULL;
  size_t count = 0;
  int64_t oldest = 0;
  arena_reset(hub->arena);
  enum db_status status =
    db_event_list(conn, question->tenant_id, question->job_id, question->after, PAGE, hub->arena,
                  &events, &count, &oldest);
  pthread_mutex_lock(&hub->lock);
  struct hub_job *job = find_job(hub, question);
  if (job && status < 0)
    job->dirty = true;
  /* Somebody may have begun to watch it anew meanwhile, from another place. */
  if (job && status == DB_ROWS && job->last_seq == question->after)
  {
    for (size_t i = 0; i < count; i++)
    {
      char *text = event_text(question->job_id, &events[i]);
      if (!text)
      {
        job->dirty = true; /* nobody is to miss one: it is read again */
        break;
      }
      hub_job_add_event(job, events[i].seq, events[i].kind, text);
    }
    job->dirty = job->dirty || count == PAGE;
  }
  pthread_mutex_unlock(&hub->lock);
}

void
hub_read_events(struct event_hub *hub)
{
  struct job_question questions[JOBS_PER_TURN];
  size_t count = 0;
  struct db_conn *conn = hub_query(hub);
  if (!conn)
    return;
  pthread_mutex_lock(&hub->lock);
  for (struct hub_job *job = hub->jobs; job && count < JOBS_PER_TURN; job = job->next)
    if (job->dirty)
    {
      ask_about(&questions[count++], job, job->last_seq);
      job->dirty = false;
    }
  pthread_mutex_unlock(&hub->lock);
  for (size_t i = 0; i < count; i++)
    read_job(hub, conn, &questions[i]);
}

static struct hub_epoch *
epoch_slot(struct hub_job *job, int64_t unit_id)
{
  for (size_t i = 0; i < job->epoch_count; i++)
    if (job->epochs[i].unit_id == unit_id)
      return &job->epochs[i];
  if (job->epoch_count == HUB_EPOCHS)
    return NULL;
  struct hub_epoch *epoch = &job->epochs[job->epoch_count++];
  memset(epoch, 0, sizeof *epoch);
  epoch->unit_id = unit_id;
  epoch->epoch = -1;
  return epoch;
}

/* With the lock held: what the job's units have come to; units that are over go. */
static void
note_epochs(struct event_hub *hub, struct hub_job *job, const struct db_epoch *epochs, size_t count)
{
  for (size_t i = 0; i < job->epoch_count; i++)
    job->epochs[i].seen = false;
  for (size_t i = 0; i < count; i++)
  {
    struct hub_epoch *epoch = epoch_slot(job, epochs[i].unit_id);
    if (!epoch)
      break;
    epoch->seen = true;
    if (epoch->epoch == epochs[i].epoch)
      continue;
    struct buf text = {0};
    sse_append_epoch(&text, job->id, &epochs[i]);
    char *data = buf_take(&text, NULL);
    if (!data)
      continue;
    free(epoch->data);
    epoch->data = data;
    epoch->epoch = epochs[i].epoch;
    epoch->version = ++hub->epoch_version;
  }
  size_t kept = 0;
  for (size_t i = 0; i < job->epoch_count; i++)
    if (job->epochs[i].seen && job->epochs[i].data)
      job->epochs[kept++] = job->epochs[i];
    else
      free(job->epochs[i].data);
  job->epoch_count = kept;
}

void
hub_read_epochs(struct event_hub *hub)
{
  struct job_question questions[JOBS_PER_TURN];
  size_t count = 0;
  struct db_conn *conn = hub_query(hub);
  if (!conn)
    return;
  pthread_mutex_lock(&hub->lock);
  for (struct hub_job *job = hub->jobs; job && count < JOBS_PER_TURN; job = job->next)
    if (!job->ended)
      ask_about(&questions[count++], job, 0);
  pthread_mutex_unlock(&hub->lock);
  for (size_t i = 0; i < count; i++)
  {
    struct db_epoch *epochs = NULL;
    size_t epoch_count = 0;
    arena_reset(hub->arena);
    enum db_status status =
      db_epoch_latest(conn, questions[i].job_id, hub->arena, &epochs, &epoch_count);
    if (status < 0)
      break;
    pthread_mutex_lock(&hub->lock);
    struct hub_job *job = find_job(hub, &questions[i]);
    if (job)
      note_epochs(hub, job, epochs, epoch_count);
    pthread_mutex_unlock(&hub->lock);
  }
}

/* Feeds one stream a page of one job from the database. */
static void
catch_up_one(struct event_hub *hub, struct db_conn *conn, const struct job_question *question)
{
  struct db_event *events = NULL;
  size_t count = 0;
  int64_t oldest = 0;
  arena_reset(hub->arena);
  enum db_status status =
    db_event_list(conn, question->tenant_id, question->job_id, question->after, PAGE, hub->arena,
                  &events, &count, &oldest);
  if (status != DB_ROWS)
    return;
  pthread_mutex_lock(&hub->lock);
  struct event_stream *stream = stream_find(hub, question->stream, question->serial);
  if (stream)
  {
    struct hub_cursor *cursor = &stream->cursors[question->cursor];
    if (oldest > cursor->seq + 1)
      stream_append_reset(stream, cursor, oldest);
    bool room = true;
    for (size_t i = 0; i < count && room; i++)
    {
      char *text = event_text(question->job_id, &events[i]);
      room = text && stream_append_event(stream, cursor, events[i].seq, events[i].kind, text);
      free(text);
    }
    stream_wake(stream);
  }
  pthread_mutex_unlock(&hub->lock);
}

void
hub_catch_up(struct event_hub *hub, double now_s)
{
  struct job_question questions[STREAMS_PER_TURN];
  size_t count = 0;
  struct db_conn *conn = hub_query(hub);
  if (!conn)
    return;
  pthread_mutex_lock(&hub->lock);
  for (struct event_stream *stream = hub->streams; stream; stream = stream->next)
  {
    if (stream->ended || now_s < stream->next_write_s
        || stream->out.length - stream->taken > HUB_STREAM_BYTES / 2)
      continue;
    for (size_t i = 0; i < stream->cursor_count && count < STREAMS_PER_TURN; i++)
      if (hub_cursor_is_behind(&stream->cursors[i]))
      {
        struct job_question *question = &questions[count++];
        ask_about(question, stream->cursors[i].job, stream->cursors[i].seq);
        question->stream = stream;
        question->serial = stream->serial;
        question->cursor = i;
      }
  }
  pthread_mutex_unlock(&hub->lock);
  for (size_t i = 0; i < count; i++)
    catch_up_one(hub, conn, &questions[i]);
}

/* ---- rights ---------------------------------------------------------------------------------------- */

struct right
{
  const struct event_stream *stream;
  uint64_t serial;
  char key_id[40];
  bool by_session;
  uint8_t hash[32];
};

static enum db_status
right_holds(struct event_hub *hub, struct db_conn *conn, const struct right *right)
{
  struct db_session session = {0};
  arena_reset(hub->arena);
  enum db_status status;
  if (right->by_session)
    status = db_session_get(conn, right->hash, hub->arena, &session);
  else
    status = db_key_get(conn, right->key_id, hub->arena, &session.key);
  bool holds = session.key.usable && !session.key.tenant_disabled;
  return status == DB_ROWS && !holds ? DB_NONE : status;
}

/* With the lock held: up to `size` streams whose rights are due. */
static size_t
due_rights(struct event_hub *hub, double now_s, struct right *rights, size_t size)
{
  double interval_s = hub->listening ? VERIFY_SECONDS : VERIFY_UNHEARD_SECONDS;
  size_t count = 0;
  for (struct event_stream *stream = hub->streams; stream && count < size; stream = stream->next)
  {
    if (stream->ended || !(stream->recheck || now_s - stream->verified_s >= interval_s))
      continue;
    struct right *right = &rights[count++];
    right->stream = stream;
    right->serial = stream->serial;
    right->by_session = stream->by_session;
    memcpy(right->key_id, stream->key_id, sizeof right->key_id);
    memcpy(right->hash, stream->session_hash, sizeof right->hash);
  }
  return count;
}

void
hub_check_rights(struct event_hub *hub, double now_s)
{
  struct right rights[STREAMS_PER_TURN];
  struct db_conn *conn = hub_query(hub);
  pthread_mutex_lock(&hub->lock);
  size_t count = due_rights(hub, now_s, rights, STREAMS_PER_TURN);
  pthread_mutex_unlock(&hub->lock);
  for (size_t i = 0; i < count; i++)
  {
    enum db_status status = conn ? right_holds(hub, conn, &rights[i]) : DB_SOFT;
    pthread_mutex_lock(&hub->lock);
    struct event_stream *stream = stream_find(hub, rights[i].stream, rights[i].serial);
    if (stream && status == DB_ROWS)
    {
      stream->verified_s = now_s;
      stream->recheck = false;
    }
    else if (stream && (status == DB_NONE || now_s - stream->verified_s > UNVERIFIED_SECONDS))
      stream_end(stream);
    pthread_mutex_unlock(&hub->lock);
  }
}
