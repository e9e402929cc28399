#include <config.h>

#include "server/usage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/lane.h"
#include "base/log.h"
#include "sql/db_usage.h"

#define BUCKETS 256
#define FLUSH_SECONDS 10
#define DAY_US INT64_C(86400000000)

static const char *const kind_names[USAGE_KINDS] = {"requests", "predictions", "predicted_rows",
                                                    "uploaded_bytes"};

/* One tenant's day. */
struct counter
{
  struct counter *next;
  char tenant_id[40];
  int day;
  double amounts[USAGE_KINDS];
};

/* What the threads of a lane counted. */
struct usage_lane
{
  pthread_mutex_t lock; /* of what follows */
  struct counter *buckets[BUCKETS];
  char apart[LANE_BYTES];
};

struct usage
{
  struct db_pool *db;
  pthread_t thread;
  pthread_mutex_t writing; /* one writes at a time; taken before a lane's */
  pthread_mutex_t lock;    /* of what follows */
  pthread_cond_t wake;
  bool stopping;
  char apart[LANE_BYTES];
  struct usage_lane lanes[LANES];
};

void
usage_count(struct usage *usage, const char *tenant_id, const double amounts[USAGE_KINDS])
{
  int day = (int) (clock_unix_us() / DAY_US);
  uint64_t number = 14695981039346656037u;
  for (const char *c = tenant_id; *c; c++)
    number = (number ^ (unsigned char) *c) * 1099511628211u;
  struct usage_lane *lane = &usage->lanes[lane_of_thread()];
  pthread_mutex_lock(&lane->lock);
  struct counter **at = &lane->buckets[number % BUCKETS];
  while (*at && ((*at)->day != day || strcmp((*at)->tenant_id, tenant_id) != 0))
    at = &(*at)->next;
  if (!*at && (*at = calloc(1, sizeof **at)))
  {
    snprintf((*at)->tenant_id, sizeof(*at)->tenant_id, "%s", tenant_id);
    (*at)->day = day;
  }
  for (size_t i = 0; *at && i < USAGE_KINDS; i++)
    (*at)->amounts[i] += amounts[i];
  pthread_mutex_unlock(&lane->lock);
}

/* Takes all counters out, as one list; a tenant's day may be in it once for each lane. */
static struct counter *
take_all(struct usage *usage, size_t *count)
{
  struct counter *all = NULL;
  *count = 0;
  for (size_t n = 0; n < LANES; n++)
  {
    struct usage_lane *lane = &usage->lanes[n];
    pthread_mutex_lock(&lane->lock);
    for (size_t i = 0; i < BUCKETS; i++)
      while (lane->buckets[i])
      {
        struct counter *counter = lane->buckets[i];
        lane->buckets[i] = counter->next;
        counter->next = all;
        all = counter;
        ++*count;
      }
    pthread_mutex_unlock(&lane->lock);
  }
  return all;
}

static bool
write_counters(struct db_conn *conn, const struct counter *all, size_t count)
{
  struct db_usage *rows = calloc(count * USAGE_KINDS, sizeof *rows);
  size_t row_count = 0;
  if (!rows)
    return false;
  for (const struct counter *counter = all; counter; counter = counter->next)
    for (size_t i = 0; i < USAGE_KINDS; i++)
      if (counter->amounts[i] > 0)
        rows[row_count++] = (struct db_usage){.tenant_id = counter->tenant_id,
                                              .day = counter->day,
                                              .kind = kind_names[i],
                                              .amount = counter->amounts[i]};
  enum db_status status = row_count ? db_usage_add(conn, rows, row_count) : DB_ROWS;
  free(rows);
  return status >= DB_NONE;
}

/* What could not be written is counted on. */
static void
put_back(struct usage *usage, struct counter *counter)
{
  struct usage_lane *lane = &usage->lanes[0];
  pthread_mutex_lock(&lane->lock);
  struct counter **at = &lane->buckets[0];
  while (*at)
    at = &(*at)->next;
  *at = counter;
  pthread_mutex_unlock(&lane->lock);
}

void
usage_flush(struct usage *usage, struct db_conn *conn)
{
  size_t count;
  pthread_mutex_lock(&usage->writing);
  struct counter *all = take_all(usage, &count);
  if (all && !write_counters(conn, all, count))
  {
    log_warning("usage could not be written; it will be tried again");
    put_back(usage, all);
    all = NULL;
  }
  while (all)
  {
    struct counter *next = all->next;
    free(all);
    all = next;
  }
  pthread_mutex_unlock(&usage->writing);
}

static void
flush_from_pool(struct usage *usage)
{
  struct db_conn *conn = NULL;
  struct err_info info;
  if (db_acquire(usage->db, 1.0, &conn, &info) != ERR_OK)
    return;
  usage_flush(usage, conn);
  db_release(usage->db, conn);
}

static void *
run(void *context)
{
  struct usage *usage = context;
  for (bool stopping = false; !stopping;)
  {
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += FLUSH_SECONDS;
    pthread_mutex_lock(&usage->lock);
    int waited = 0;
    while (!usage->stopping && waited == 0)
      waited = pthread_cond_timedwait(&usage->wake, &usage->lock, &until);
    stopping = usage->stopping;
    pthread_mutex_unlock(&usage->lock);
    flush_from_pool(usage);
  }
  return NULL;
}

static void
free_usage(struct usage *usage)
{
  for (size_t i = 0; i < LANES; i++)
    pthread_mutex_destroy(&usage->lanes[i].lock);
  pthread_mutex_destroy(&usage->lock);
  pthread_mutex_destroy(&usage->writing);
  pthread_cond_destroy(&usage->wake);
  free(usage);
}

enum err
usage_start(struct db_pool *db, struct usage **out, struct err_info *info)
{
  struct usage *usage = calloc(1, sizeof *usage);
  if (!usage)
    return err_set(info, ERR_MEMORY, "out of memory");
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&usage->wake, &attributes);
  pthread_condattr_destroy(&attributes);
  pthread_mutex_init(&usage->lock, NULL);
  pthread_mutex_init(&usage->writing, NULL);
  for (size_t i = 0; i < LANES; i++)
    pthread_mutex_init(&usage->lanes[i].lock, NULL);
  usage->db = db;
  int failed = pthread_create(&usage->thread, NULL, run, usage);
  if (failed)
  {
    free_usage(usage);
    return err_set_errno(info, ERR_MEMORY, failed, "could not start a thread");
  }
  *out = usage;
  return ERR_OK;
}

void
usage_stop(struct usage *usage)
{
  size_t count;
  if (!usage)
    return;
  pthread_mutex_lock(&usage->lock);
  usage->stopping = true;
  pthread_cond_signal(&usage->wake);
  pthread_mutex_unlock(&usage->lock);
  pthread_join(usage->thread, NULL);
  struct counter *all = take_all(usage, &count);
  while (all)
  {
    struct counter *next = all->next;
    free(all);
    all = next;
  }
  free_usage(usage);
}
