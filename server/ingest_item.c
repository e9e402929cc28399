#include <config.h>

#include "server/ingest_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/dataset_cache.h"
#include "server/ingest_job.h"
#include "sql/db_dataset.h"

#define HEARTBEAT_S 15.0
#define STORE_DB_S 35.0

struct parsing
{
  struct ingest_queue *queue;
  const char *id;
  double beaten_s; /* the lease was renewed then */
  bool lost;       /* the dataset was deleted, or is another's */
};

static void
heartbeat(struct parsing *parsing)
{
  struct server *server = parsing->queue->server;
  struct db_conn *conn;

  if (db_acquire(server->db, INGEST_DB_WAIT_S, &conn, NULL) != ERR_OK)
    return; /* the lease allows for a minute of this */
  parsing->lost = db_dataset_heartbeat(conn, parsing->id, server->instance) == DB_NONE;
  db_release(server->db, conn);
  parsing->beaten_s = clock_monotonic_s();
}

static bool
on_tick(void *context)
{
  struct parsing *parsing = context;

  if (clock_monotonic_s() - parsing->beaten_s > HEARTBEAT_S)
    heartbeat(parsing);
  return !parsing->lost && !ingest_queue_is_stopping(parsing->queue);
}

static long
read_content(void *context, char *bytes, size_t size)
{
  const int *fd = context;
  ssize_t got;

  do
    got = read(*fd, bytes, size);
  while (got < 0 && errno == EINTR);
  return (long) got;
}

static bool
rewind_content(void *context)
{
  const int *fd = context;
  return lseek(*fd, 0, SEEK_SET) == 0;
}

/* Tells the database how it went, until it hears or the queue stops. False when it could not be told. */
static bool
record(struct ingest_queue *queue, const char *id, const struct ingest_outcome *result, int fd)
{
  struct db_dataset_content content = {.kind = result->kind,
                                       .bytes = result->bytes,
                                       .rows = result->rows,
                                       .schema = result->schema,
                                       .read_fn = read_content,
                                       .rewind_fn = rewind_content,
                                       .context = &fd};
  char *problem = result->problem ? json_dumps(result->problem, JSON_COMPACT) : NULL;
  enum db_status status = DB_SOFT;
  bool full = false, told_full = false;
  struct db_conn *conn;

  memcpy(content.sha256, result->sha256, sizeof content.sha256);
  while (status == DB_SOFT && !ingest_queue_is_stopping(queue))
  {
    if (db_acquire(queue->server->db, INGEST_DB_WAIT_S, &conn, NULL) == ERR_OK)
    {
      db_set_patience(conn, STORE_DB_S); /* nobody waits, and a large blob takes its time */
      if (result->ready)
        status = rewind_content(&fd) ? db_dataset_finish(conn, id, &content) : DB_HARD;
      else
        status = problem ? db_dataset_fail(conn, id, problem) : DB_HARD;
      full = status == DB_SOFT && db_is_full(conn);
      db_release(queue->server->db, conn);
    }
    if (full && !told_full)
      log_warning("ingest: %s: the database's disk is full: it is stored as soon as there is room",
                  id);
    told_full = told_full || full;
    if (status == DB_SOFT)
      ingest_queue_pause(queue, INGEST_RETRY_S);
  }
  free(problem);
  return status != DB_SOFT;
}

static json_t *
internal_problem(void)
{
  return json_pack("{s:s, s:s, s:[]}", "code", "internal", "detail",
                   "the upload could not be processed; upload it again", "faults");
}

/* Stores the outcome; the canonical file goes to the cache, so that the first preview needs no fetch. */
static bool
settle(struct ingest_queue *queue, const char *id, struct ingest_outcome *result)
{
  char *path = ingest_item_path(queue, id, "canonical");
  int fd = result->ready && path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
  struct err_info info;
  bool told;

  if (result->ready && fd < 0)
  {
    result->ready = false;
    result->problem = internal_problem();
  }
  told = record(queue, id, result, fd);
  if (fd >= 0)
    close(fd);
  if (told && result->ready
      && dataset_cache_put(queue->server->datasets, path, result->sha256, &info) != ERR_OK)
    log_warning("ingest: %s: %s", id, info.text);
  free(path);
  return told;
}

/* True when nothing is left to do for it. */
bool
ingest_item_process(struct ingest_queue *queue, const char *id)
{
  struct parsing parsing = {.queue = queue, .id = id, .beaten_s = clock_monotonic_s()};
  struct ingest_outcome result = {.ready = false};
  struct err_info info = {.code = ERR_OK};
  char *folder = ingest_item_path(queue, id, NULL);
  bool done = false;
  enum err rc;

  if (!folder)
    return false;
  rc = ingest_job_run(queue->server, folder, on_tick, &parsing, &result, &info);
  if (rc == ERR_CANCELLED)
    done = parsing.lost;
  else
  {
    if (rc != ERR_OK)
    {
      log_error("ingest: %s: %s", id, info.text);
      result.problem = internal_problem();
    }
    done = settle(queue, id, &result);
  }
  ingest_outcome_free(&result);
  free(folder);
  return done;
}
