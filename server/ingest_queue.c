#include <config.h>

#include "server/ingest_internal.h"

#include <dirent.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "sql/db_dataset.h"

#define RECOVER_S 60

/* ---- the folder ------------------------------------------------------------------------------------ */

char *
ingest_item_path(const struct ingest_queue *queue, const char *id, const char *file)
{
  char *path = NULL;

  if (asprintf(&path, "%s/%s%s%s", queue->folder, id, file ? "/" : "", file ? file : "") < 0)
    return NULL;
  return path;
}

static void
remove_item(struct ingest_queue *queue, const char *id)
{
  char *path = ingest_item_path(queue, id, NULL);

  if (path && file_remove_tree(path) != ERR_OK)
    log_warning("ingest: could not remove %s", path);
  free(path);
}

void
ingest_queue_discard(struct ingest_queue *queue, const char *dataset_id)
{
  remove_item(queue, dataset_id);
}

static enum err
move_file(struct ingest_queue *queue, const char *id, const char *from, const char *name,
          struct err_info *info)
{
  char *path = ingest_item_path(queue, id, name);
  enum err rc = ERR_OK;

  if (!path)
    return err_set(info, ERR_MEMORY, "out of memory");
  if (rename(from, path) != 0)
    rc = err_set_errno(info, ERR_IO, errno, "could not move an upload");
  free(path);
  return rc;
}

static enum err
write_labels(struct ingest_queue *queue, const char *id, const char *text, struct err_info *info)
{
  char *path = ingest_item_path(queue, id, "labels");
  enum err rc = path ? file_write_atomic(path, text, strlen(text), 0600, info)
                     : err_set(info, ERR_MEMORY, "out of memory");

  free(path);
  return rc;
}

/* The note is written last: a folder that has one is whole. */
static enum err
write_note(struct ingest_queue *queue, const char *id, const struct ingest_upload *upload,
           struct err_info *info)
{
  json_t *note =
    json_pack("{s:b, s:b, s:b, s:I, s:I}", "pair", upload->images != NULL, "labels",
              upload->labels || upload->labels_text, "tabs", upload->tabs, "image_height",
              (json_int_t) upload->image_height, "image_width", (json_int_t) upload->image_width);
  char *text = note ? json_dumps(note, JSON_COMPACT) : NULL;
  char *path = ingest_item_path(queue, id, "note.json");
  enum err rc = text && path ? file_write_atomic(path, text, strlen(text), 0600, info)
                             : err_set(info, ERR_MEMORY, "out of memory");

  free(path);
  free(text);
  json_decref(note);
  return rc;
}

enum err
ingest_queue_stage(struct ingest_queue *queue, const char *dataset_id,
                   const struct ingest_upload *upload, struct err_info *info)
{
  char *path = ingest_item_path(queue, dataset_id, NULL);
  enum err rc = path ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");

  if (rc == ERR_OK && mkdir(path, 0700) != 0)
    rc = err_set_errno(info, ERR_IO, errno, "could not make the folder %s", path);
  if (rc == ERR_OK && upload->file)
    rc = move_file(queue, dataset_id, upload->file, "file", info);
  if (rc == ERR_OK && upload->images)
    rc = move_file(queue, dataset_id, upload->images, "images", info);
  if (rc == ERR_OK && upload->labels)
    rc = move_file(queue, dataset_id, upload->labels, "labels", info);
  else if (rc == ERR_OK && upload->labels_text)
    rc = write_labels(queue, dataset_id, upload->labels_text, info);
  if (rc == ERR_OK)
    rc = write_note(queue, dataset_id, upload, info);
  if (rc != ERR_OK && path)
    file_remove_tree(path);
  free(path);
  return rc;
}

/* ---- the list of items (mutex held) ---------------------------------------------------------------- */

static struct item *
find_item(struct ingest_queue *queue, const char *id)
{
  struct item *item = queue->items;
  while (item && strcmp(item->id, id) != 0)
    item = item->next;
  return item;
}

static struct item *
next_waiting(struct ingest_queue *queue)
{
  struct item *item = queue->items;
  while (item && item->running)
    item = item->next;
  return item;
}

static void
unlink_item(struct ingest_queue *queue, struct item *item)
{
  struct item **place = &queue->items;

  while (*place != item)
    place = &(*place)->next;
  *place = item->next;
  free(item);
}

enum err
ingest_queue_add(struct ingest_queue *queue, const char *dataset_id)
{
  struct item *item = calloc(1, sizeof *item), **place;

  if (!item)
    return ERR_MEMORY;
  snprintf(item->id, sizeof item->id, "%s", dataset_id);
  pthread_mutex_lock(&queue->mutex);
  if (find_item(queue, dataset_id))
    free(item);
  else
  {
    for (place = &queue->items; *place; place = &(*place)->next)
      ;
    *place = item;
    pthread_cond_signal(&queue->work);
  }
  pthread_mutex_unlock(&queue->mutex);
  return ERR_OK;
}

static struct timespec
after(double seconds)
{
  struct timespec until;

  clock_gettime(CLOCK_MONOTONIC, &until);
  until.tv_sec += (time_t) seconds;
  until.tv_nsec += (long) (1e9 * (seconds - floor(seconds)));
  if (until.tv_nsec >= 1000000000)
  {
    until.tv_sec++;
    until.tv_nsec -= 1000000000;
  }
  return until;
}

bool
ingest_queue_wait(struct ingest_queue *queue, const char *dataset_id, double seconds)
{
  struct timespec until = after(seconds);
  bool ended;

  pthread_mutex_lock(&queue->mutex);
  while (!(ended = find_item(queue, dataset_id) == NULL) && !queue->stopping)
    if (seconds <= 0.0 || pthread_cond_timedwait(&queue->done, &queue->mutex, &until) != 0)
    {
      ended = find_item(queue, dataset_id) == NULL;
      break;
    }
  pthread_mutex_unlock(&queue->mutex);
  return ended;
}

void
ingest_queue_stats(struct ingest_queue *queue, unsigned *waiting, unsigned *running)
{
  *waiting = *running = 0;
  pthread_mutex_lock(&queue->mutex);
  for (struct item *item = queue->items; item; item = item->next)
    ++*(item->running ? running : waiting);
  pthread_mutex_unlock(&queue->mutex);
}

bool
ingest_queue_is_stopping(struct ingest_queue *queue)
{
  bool stopping;

  pthread_mutex_lock(&queue->mutex);
  stopping = queue->stopping;
  pthread_mutex_unlock(&queue->mutex);
  return stopping;
}

/* Sleeps, less when the queue stops. */
void
ingest_queue_pause(struct ingest_queue *queue, double seconds)
{
  struct timespec until = after(seconds);

  pthread_mutex_lock(&queue->mutex);
  while (!queue->stopping && pthread_cond_timedwait(&queue->done, &queue->mutex, &until) == 0)
    ;
  pthread_mutex_unlock(&queue->mutex);
}

/* ---- what was left --------------------------------------------------------------------------------- */

/* Folders in the ingest folder, by name. */
static enum err
list_left(struct ingest_queue *queue)
{
  DIR *folder = opendir(queue->folder);
  size_t capacity = 0;

  if (!folder)
    return ERR_IO;
  for (struct dirent *item; (item = readdir(folder));)
  {
    if (item->d_name[0] == '.')
      continue;
    if (queue->left_count == capacity)
    {
      size_t more = capacity ? 2 * capacity : 16;
      char **grown = realloc(queue->left, more * sizeof *grown);
      if (!grown)
        break;
      queue->left = grown;
      capacity = more;
    }
    queue->left[queue->left_count] = strdup(item->d_name);
    if (queue->left[queue->left_count])
      queue->left_count++;
  }
  closedir(folder);
  return ERR_OK;
}

static bool
was_left(const struct ingest_queue *queue, const char *id)
{
  for (size_t i = 0; i < queue->left_count; i++)
    if (strcmp(queue->left[i], id) == 0)
      return true;
  return false;
}

static bool
has_note(struct ingest_queue *queue, const char *id)
{
  char *path = ingest_item_path(queue, id, "note.json");
  bool there = path && access(path, R_OK) == 0;

  free(path);
  return there;
}

static void
fail_interrupted(struct db_conn *conn, const char *id)
{
  db_dataset_fail(conn, id,
                  "{\"code\": \"ingest_interrupted\", \"detail\": \"the server stopped before the "
                  "upload was stored; upload the file again\", \"faults\": []}");
}

/* Resumes what this data directory had begun and sweeps what belongs to no dataset. Folders that came
 * after the start are requests being answered right now: hands off. */
static bool
recover(struct ingest_queue *queue)
{
  struct arena *arena = arena_new(0);
  struct db_conn *conn = NULL;
  const char **ids = NULL;
  enum db_status status = DB_SOFT;
  size_t count = 0;

  if (arena && db_acquire(queue->server->db, INGEST_DB_WAIT_S, &conn, NULL) == ERR_OK)
    status = db_dataset_recover(conn, queue->server->instance, arena, &ids, &count);
  if (status >= DB_NONE && !queue->recovered)
  {
    for (size_t i = 0; i < count; i++)
      if (!has_note(queue, ids[i]))
        fail_interrupted(conn, ids[i]);
      else if (was_left(queue, ids[i]))
      {
        log_info("ingest: resuming %s", ids[i]);
        ingest_queue_add(queue, ids[i]);
      }
    for (size_t i = 0; i < queue->left_count; i++)
    {
      bool wanted = false;
      for (size_t k = 0; k < count && !wanted; k++)
        wanted = strcmp(ids[k], queue->left[i]) == 0;
      if (!wanted)
        remove_item(queue, queue->left[i]);
    }
    queue->recovered = true;
  }
  if (conn)
    db_release(queue->server->db, conn);
  arena_free(arena);
  return status >= DB_NONE;
}

/* ---- threads --------------------------------------------------------------------------------------- */

static void
run_item(struct ingest_queue *queue, struct item *item)
{
  bool done;

  item->running = true;
  pthread_mutex_unlock(&queue->mutex);
  done = ingest_item_process(queue, item->id);
  if (done)
    remove_item(queue, item->id);
  pthread_mutex_lock(&queue->mutex);
  unlink_item(queue, item);
  pthread_cond_broadcast(&queue->done);
}

static void *
work(void *context)
{
  struct ingest_queue *queue = context;

  pthread_mutex_lock(&queue->mutex);
  while (!queue->stopping)
  {
    struct item *item = next_waiting(queue);
    if (item)
      run_item(queue, item);
    else
      pthread_cond_wait(&queue->work, &queue->mutex);
  }
  pthread_mutex_unlock(&queue->mutex);
  return NULL;
}

/* Looks after what was left: at once, and for other instances' lost uploads every minute. */
static void *
watch(void *context)
{
  struct ingest_queue *queue = context;

  while (!ingest_queue_is_stopping(queue))
    ingest_queue_pause(queue, recover(queue) ? RECOVER_S : INGEST_RETRY_S);
  return NULL;
}

static enum err
start(struct ingest_queue *queue, unsigned threads, struct err_info *info)
{
  for (unsigned i = 0; i <= threads; i++)
  {
    int number =
      pthread_create(&queue->threads[queue->thread_count], NULL, i == 0 ? watch : work, queue);
    if (number != 0)
      return err_set_errno(info, ERR_INTERNAL, number, "could not start a thread");
    queue->thread_count++;
  }
  return ERR_OK;
}

enum err
ingest_queue_new(struct server *server, unsigned threads, struct ingest_queue **out,
                 struct err_info *info)
{
  struct ingest_queue *queue = calloc(1, sizeof *queue);
  pthread_condattr_t attributes;
  enum err rc;

  *out = NULL;
  if (!queue)
    return err_set(info, ERR_MEMORY, "out of memory");
  queue->server = server;
  pthread_mutex_init(&queue->mutex, NULL);
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&queue->work, &attributes);
  pthread_cond_init(&queue->done, &attributes);
  pthread_condattr_destroy(&attributes);
  if (asprintf(&queue->folder, "%s/ingest", server->data_dir) < 0)
  {
    queue->folder = NULL;
    rc = err_set(info, ERR_MEMORY, "out of memory");
  }
  else
    rc = file_make_dir(queue->folder, 0700, info);
  if (rc == ERR_OK && list_left(queue) != ERR_OK)
    rc = err_set(info, ERR_IO, "could not read the folder %s", queue->folder);
  if (rc == ERR_OK)
    rc = start(queue,
               threads == 0                    ? 1
               : threads >= INGEST_THREADS_MAX ? INGEST_THREADS_MAX - 1
                                               : threads,
               info);
  if (rc == ERR_OK)
    *out = queue;
  else
    ingest_queue_free(queue);
  return rc;
}

void
ingest_queue_free(struct ingest_queue *queue)
{
  if (!queue)
    return;
  pthread_mutex_lock(&queue->mutex);
  queue->stopping = true;
  pthread_cond_broadcast(&queue->work);
  pthread_cond_broadcast(&queue->done);
  pthread_mutex_unlock(&queue->mutex);
  for (unsigned i = 0; i < queue->thread_count; i++)
    pthread_join(queue->threads[i], NULL);
  for (struct item *item = queue->items, *next; item; item = next)
  {
    next = item->next;
    free(item);
  }
  for (size_t i = 0; i < queue->left_count; i++)
    free(queue->left[i]);
  free(queue->left);
  free(queue->folder);
  pthread_cond_destroy(&queue->work);
  pthread_cond_destroy(&queue->done);
  pthread_mutex_destroy(&queue->mutex);
  free(queue);
}
