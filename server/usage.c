#include <config.h>

#include "server/usage.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/lane.h"
#include "base/log.h"
#include "server/writer.h"
#include "sql/db_usage.h"

#define BUCKETS 256
#define FLUSH_SECONDS 10.0
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
  struct writer *writer;
  pthread_mutex_t writing; /* one writes at a time; taken before a lane's */
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

static void
free_all(struct counter *all)
{
  while (all)
  {
    struct counter *next = all->next;
    free(all);
    all = next;
  }
}

static bool
flush(struct usage *usage, struct db_conn *conn)
{
  size_t count;
  pthread_mutex_lock(&usage->writing);
  struct counter *all = take_all(usage, &count);
  bool good = !all || write_counters(conn, all, count);
  if (good)
    free_all(all);
  else
  {
    log_warning("usage could not be written; it will be tried again");
    put_back(usage, all);
  }
  pthread_mutex_unlock(&usage->writing);
  return good;
}

void
usage_flush(struct usage *usage, struct db_conn *conn)
{
  flush(usage, conn);
}

static bool
write_all(void *context, bool all)
{
  struct usage *usage = context;
  struct db_conn *conn = NULL;
  struct err_info info;
  (void) all;
  if (db_acquire(usage->db, 1.0, &conn, &info) != ERR_OK)
    return false;
  bool good = flush(usage, conn);
  db_release(usage->db, conn);
  return good;
}

static void
free_usage(struct usage *usage)
{
  for (size_t i = 0; i < LANES; i++)
    pthread_mutex_destroy(&usage->lanes[i].lock);
  pthread_mutex_destroy(&usage->writing);
  free(usage);
}

enum err
usage_start(struct db_pool *db, struct usage **out, struct err_info *info)
{
  struct usage *usage = calloc(1, sizeof *usage);
  if (!usage)
    return err_set(info, ERR_MEMORY, "out of memory");
  pthread_mutex_init(&usage->writing, NULL);
  for (size_t i = 0; i < LANES; i++)
    pthread_mutex_init(&usage->lanes[i].lock, NULL);
  usage->db = db;
  enum err err = writer_start(write_all, usage, FLUSH_SECONDS, &usage->writer, info);
  if (err)
    free_usage(usage);
  else
    *out = usage;
  return err;
}

void
usage_stop(struct usage *usage)
{
  size_t count;
  if (!usage)
    return;
  writer_stop(usage->writer);
  free_all(take_all(usage, &count));
  free_usage(usage);
}
