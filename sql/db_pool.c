#include <config.h>

#include "sql/db.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "sql/db_conn.h"

/* A connection that nobody used for IDLE_S is asked for a sign of life before it is lent: a frozen server
 * then costs the caller PING_S instead of a statement's whole patience. After a failure to connect, nobody
 * else tries for DOWN_S: threads are not to queue up before a door that is shut. */
#define IDLE_S 1.0
#define PING_S 2.0
#define DOWN_S 0.5

struct db_pool
{
  char *conninfo;
  char *name;
  size_t size;
  pthread_mutex_t mutex;
  pthread_cond_t released;
  size_t open; /* connections there are, idle or lent */
  size_t idle_count;
  double patience_s;
  double down_until_s;   /* no new connection before (monotonic) */
  struct db_conn **idle; /* the most recently used last */
};

enum err
db_pool_new(const char *conninfo, const char *name, size_t size, struct db_pool **pool,
            struct err_info *info)
{
  *pool = NULL;
  if (size == 0)
    return err_set(info, ERR_INVALID, "a connection pool needs room for at least one connection");
  struct db_pool *made = calloc(1, sizeof *made);
  pthread_condattr_t attributes;
  if (made == NULL || pthread_condattr_init(&attributes) != 0)
  {
    free(made);
    return err_set(info, ERR_MEMORY, "could not make a connection pool: out of memory");
  }
  made->size = size;
  made->patience_s = DB_PATIENCE_S;
  pthread_mutex_init(&made->mutex, NULL);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&made->released, &attributes);
  pthread_condattr_destroy(&attributes);
  made->conninfo = strdup(conninfo);
  made->name = strdup(name);
  made->idle = calloc(size, sizeof(struct db_conn *));
  if (made->conninfo == NULL || made->name == NULL || made->idle == NULL)
  {
    db_pool_free(made);
    return err_set(info, ERR_MEMORY, "could not make a connection pool: out of memory");
  }
  *pool = made;
  return ERR_OK;
}

void
db_pool_free(struct db_pool *pool)
{
  if (pool == NULL)
    return;
  for (size_t i = 0; i < pool->idle_count; i++)
    db_close(pool->idle[i]);
  pthread_cond_destroy(&pool->released);
  pthread_mutex_destroy(&pool->mutex);
  free(pool->idle);
  free(pool->conninfo);
  free(pool->name);
  free(pool);
}

void
db_pool_set_patience(struct db_pool *pool, double seconds)
{
  pool->patience_s = seconds;
}

/* `timeout_s` from now on the monotonic clock; waits longer than a day are a day. */
static struct timespec
deadline_after(double timeout_s)
{
  struct timespec deadline;
  clock_gettime(CLOCK_MONOTONIC, &deadline);
  double wait_s = fmin(fmax(timeout_s, 0), 86400);
  double whole_s = floor(wait_s);
  deadline.tv_sec += (time_t) whole_s;
  deadline.tv_nsec += (long) ((wait_s - whole_s) * 1e9);
  if (deadline.tv_nsec >= 1000000000L)
  {
    deadline.tv_sec++;
    deadline.tv_nsec -= 1000000000L;
  }
  return deadline;
}

/* Waits for an idle connection (*conn set) or for room for a new one (*conn NULL, counted as open). */
static bool
take_place(struct db_pool *pool, double timeout_s, struct db_conn **conn)
{
  struct timespec deadline = deadline_after(timeout_s);
  bool taken = false;
  *conn = NULL;
  pthread_mutex_lock(&pool->mutex);
  for (;;)
  {
    if (pool->idle_count > 0)
    {
      *conn = pool->idle[--pool->idle_count];
      taken = true;
      break;
    }
    if (pool->open < pool->size)
    {
      pool->open++;
      taken = true;
      break;
    }
    if (pthread_cond_timedwait(&pool->released, &pool->mutex, &deadline) == ETIMEDOUT
        && pool->idle_count == 0 && pool->open >= pool->size)
      break;
  }
  pthread_mutex_unlock(&pool->mutex);
  return taken;
}

static void
give_up_place(struct db_pool *pool)
{
  pthread_mutex_lock(&pool->mutex);
  pool->open--;
  pthread_cond_signal(&pool->released);
  pthread_mutex_unlock(&pool->mutex);
}

static bool
is_down(struct db_pool *pool)
{
  pthread_mutex_lock(&pool->mutex);
  bool down = clock_monotonic_s() < pool->down_until_s;
  pthread_mutex_unlock(&pool->mutex);
  return down;
}

static void
note_down(struct db_pool *pool)
{
  pthread_mutex_lock(&pool->mutex);
  pool->down_until_s = clock_monotonic_s() + DOWN_S;
  pthread_mutex_unlock(&pool->mutex);
}

/* Makes sure that what was taken can be used: *conn is NULL when there was none, and after a failure. */
static enum err
freshen(struct db_pool *pool, struct db_conn **conn, struct err_info *info)
{
  if (*conn != NULL)
  {
    db_conn_look(*conn);
    if (db_is_open(*conn)
        && (clock_monotonic_s() - (*conn)->used_s < IDLE_S || db_conn_answers(*conn, PING_S)))
      return ERR_OK;
  }
  enum err err;
  if (is_down(pool))
    err = err_set(info, ERR_UNAVAILABLE, "the database can't be reached");
  else
  {
    err =
      *conn != NULL ? db_reopen(*conn, info) : db_connect(pool->conninfo, pool->name, conn, info);
    if (err == ERR_UNAVAILABLE)
      note_down(pool);
  }
  if (err != ERR_OK)
  {
    db_close(*conn);
    *conn = NULL;
  }
  return err;
}

enum err
db_acquire(struct db_pool *pool, double timeout_s, struct db_conn **conn, struct err_info *info)
{
  *conn = NULL;
  struct db_conn *taken;
  if (!take_place(pool, timeout_s, &taken))
    return err_set(info, ERR_UNAVAILABLE,
                   "all %zu database connections were busy for %.1f s; try again", pool->size,
                   timeout_s);
  enum err err = freshen(pool, &taken, info);
  if (err != ERR_OK)
  {
    give_up_place(pool);
    return err;
  }
  taken->patience_s = pool->patience_s;
  *conn = taken;
  return ERR_OK;
}

void
db_release(struct db_pool *pool, struct db_conn *conn)
{
  if (conn == NULL)
    return;
  /* A transaction left open would hold its locks: such a session is ended instead. */
  if (!db_is_open(conn) || db_in_tx(conn))
  {
    db_close(conn);
    give_up_place(pool);
    return;
  }
  conn->used_s = clock_monotonic_s();
  pthread_mutex_lock(&pool->mutex);
  pool->idle[pool->idle_count++] = conn;
  pthread_cond_signal(&pool->released);
  pthread_mutex_unlock(&pool->mutex);
}
