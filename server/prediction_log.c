#include <config.h>

#include "server/prediction_log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/drift_tally.h"
#include "server/prediction_ring.h"
#include "server/writer.h"
#include "sql/db_prediction.h"

#define FLUSH_SECONDS 0.5
#define COUNTS_S 10.0
/* Of each thread; and what the writer takes at once. */
#define RECORDS 2048
#define SAMPLES 256
#define TAKEN_MOST 4096
#define ROUNDS_MOST 64
/* Samples of a model that a thread takes between two flushes, and the models that are told apart. */
#define GRANTS 64
#define GRANTED_MODELS 64

/* What one thread owns. */
struct lane
{
  struct lane *next;
  struct prediction_ring *records, *samples;
  uint64_t round; /* of the grants below */
  uint8_t granted[GRANTED_MODELS];
  uint64_t turn;
};

struct prediction_log
{
  uint64_t number; /* another one for every log of a process */
  struct db_pool *db;
  size_t rate; /* rows written a second */
  struct writer *writer;
  pthread_mutex_t lock; /* of the next one */
  struct lane *lanes;   /* only ever added to while the log is there */
  /* read by any thread */
  atomic_uint_fast64_t round, logged, samples, lost, skipped;
  /* the writer's */
  struct drift_tally *tally;
  struct prediction_record *taken;
  struct db_prediction *rows;
  struct prediction_sample *sample;
  size_t taken_count; /* that are not written yet */
  double allowance, allowed_at_s, counts_at_s;
};

/* ---- the threads that answer ----------------------------------------------------------------------- */

static void
lane_free(struct lane *lane)
{
  if (!lane)
    return;
  prediction_ring_free(lane->records);
  prediction_ring_free(lane->samples);
  free(lane);
}

static struct lane *
lane_new(struct prediction_log *log)
{
  struct lane *lane = calloc(1, sizeof *lane);
  if (!lane)
    return NULL;
  lane->records = prediction_ring_new(RECORDS, sizeof(struct prediction_record));
  lane->samples = prediction_ring_new(SAMPLES, sizeof(struct prediction_sample));
  if (!lane->records || !lane->samples)
  {
    lane_free(lane);
    return NULL;
  }
  pthread_mutex_lock(&log->lock);
  lane->next = log->lanes;
  log->lanes = lane;
  pthread_mutex_unlock(&log->lock);
  return lane;
}

/* This thread's lane; NULL without memory. */
static struct lane *
my_lane(struct prediction_log *log)
{
  static _Thread_local struct lane *lane;
  static _Thread_local uint64_t of;
  if (of != log->number || !lane)
  {
    lane = lane_new(log);
    of = log->number;
  }
  return lane;
}

void
prediction_log_put(struct prediction_log *log, const struct prediction_record *record)
{
  struct lane *lane = my_lane(log);
  if (!lane)
    atomic_fetch_add_explicit(&log->lost, 1, memory_order_relaxed);
  else
    prediction_ring_put(lane->records, record);
}

size_t
prediction_log_grant(struct prediction_log *log, const void *model, size_t rows, uint64_t *turn)
{
  struct lane *lane = my_lane(log);
  uint64_t round = atomic_load_explicit(&log->round, memory_order_relaxed);
  size_t place = (size_t) (((uintptr_t) model >> 4) * 0x9E3779B97F4A7C15u >> 32) % GRANTED_MODELS;
  if (!lane)
    return 0;
  if (lane->round != round)
  {
    memset(lane->granted, 0, sizeof lane->granted);
    lane->round = round;
  }
  size_t left = (size_t) (GRANTS - lane->granted[place]);
  if (rows > left)
    rows = left;
  lane->granted[place] = (uint8_t) (lane->granted[place] + rows);
  *turn = lane->turn++;
  return rows;
}

void
prediction_log_sample(struct prediction_log *log, const struct prediction_sample *sample)
{
  struct lane *lane = my_lane(log);
  if (lane)
    prediction_ring_put(lane->samples, sample);
}

/* ---- the writer ------------------------------------------------------------------------------------ */

/* The lanes as they are now; those that come later are put before. */
static struct lane *
first_lane(struct prediction_log *log)
{
  pthread_mutex_lock(&log->lock);
  struct lane *first = log->lanes;
  pthread_mutex_unlock(&log->lock);
  return first;
}

static bool
has_any(struct prediction_log *log)
{
  for (const struct lane *lane = first_lane(log); lane; lane = lane->next)
    if (!prediction_ring_is_empty(lane->records) || !prediction_ring_is_empty(lane->samples))
      return true;
  return log->taken_count > 0;
}

/* Moves records from the rings to `taken`, those the limit allows to the front and to be written; the others are only
 * counted. */
static void
take_records(struct prediction_log *log, struct db_conn *conn)
{
  double now = clock_monotonic_s();
  log->allowance += (now - log->allowed_at_s) * (double) log->rate;
  log->allowed_at_s = now;
  if (log->allowance > 2.0 * (double) log->rate)
    log->allowance = 2.0 * (double) log->rate;
  for (const struct lane *lane = first_lane(log); lane; lane = lane->next)
  {
    struct prediction_record *from = log->taken + log->taken_count;
    size_t count = prediction_ring_take(lane->records, from, TAKEN_MOST - log->taken_count);
    size_t kept = 0;
    for (size_t i = 0; i < count; i++)
    {
      bool fits = log->allowance >= 1.0;
      drift_tally_answer(log->tally, conn, &from[i], fits);
      if (fits)
        from[kept++] = from[i];
      log->allowance -= fits ? 1.0 : 0.0;
    }
    log->taken_count += kept;
    atomic_fetch_add_explicit(&log->skipped, count - kept, memory_order_relaxed);
  }
}

static void
take_samples(struct prediction_log *log, struct db_conn *conn)
{
  for (const struct lane *lane = first_lane(log); lane; lane = lane->next)
    for (size_t i = 0; i < SAMPLES && prediction_ring_take(lane->samples, log->sample, 1) == 1; i++)
    {
      drift_tally_sample(log->tally, conn, log->sample);
      atomic_fetch_add_explicit(&log->samples, 1, memory_order_relaxed);
    }
}

/* False when it is to be tried again. */
static bool
write_taken(struct prediction_log *log, struct db_conn *conn)
{
  for (size_t i = 0; i < log->taken_count; i++)
    log->rows[i] = (struct db_prediction){.id = log->taken[i].id,
                                          .row = log->taken[i].row,
                                          .rows = log->taken[i].rows,
                                          .model_id = log->taken[i].model,
                                          .version = log->taken[i].version,
                                          .class_index = log->taken[i].class_index,
                                          .value = (double) log->taken[i].value,
                                          .at_us = log->taken[i].at_us};
  enum db_status status =
    log->taken_count > 0 ? db_prediction_insert(conn, log->rows, log->taken_count) : DB_ROWS;
  if (status == DB_SOFT)
    return false;
  if (status == DB_HARD)
    log_error("%zu rows of the log of predictions could not be written", log->taken_count);
  atomic_fetch_add_explicit(status == DB_HARD ? &log->lost : &log->logged, log->taken_count,
                            memory_order_relaxed);
  log->taken_count = 0;
  return true;
}

/* With all counts when `all`. False when not everything was written. */
static bool
write_due(struct prediction_log *log, bool all)
{
  struct db_conn *conn = NULL;
  struct err_info info;
  double now = clock_monotonic_s();
  bool good = true, due = all || now >= log->counts_at_s + COUNTS_S;

  if (!due && !has_any(log))
    return true;
  if (db_acquire(log->db, 1.0, &conn, &info) != ERR_OK)
    return false;
  for (int i = 0; i < ROUNDS_MOST && good && (i == 0 || has_any(log)); i++)
  {
    take_records(log, conn);
    take_samples(log, conn);
    good = write_taken(log, conn);
  }
  if (good && due)
  {
    good = db_truth_join(conn) >= DB_NONE && drift_tally_write(log->tally, conn);
    log->counts_at_s = now;
  }
  db_release(log->db, conn);
  return good;
}

static bool
write_all(void *context, bool all)
{
  struct prediction_log *log = context;
  bool good = write_due(log, all);
  atomic_fetch_add_explicit(&log->round, 1, memory_order_relaxed);
  return good;
}

bool
prediction_log_flush(struct prediction_log *log, double seconds)
{
  return writer_flush(log->writer, seconds);
}

/* ---- the rest -------------------------------------------------------------------------------------- */

void
prediction_log_counts(struct prediction_log *log, struct prediction_log_counts *counts)
{
  *counts = (struct prediction_log_counts){
    .logged = atomic_load_explicit(&log->logged, memory_order_relaxed),
    .samples = atomic_load_explicit(&log->samples, memory_order_relaxed),
    .dropped = atomic_load_explicit(&log->lost, memory_order_relaxed),
    .skipped = atomic_load_explicit(&log->skipped, memory_order_relaxed)};
  for (const struct lane *lane = first_lane(log); lane; lane = lane->next)
    counts->dropped += prediction_ring_dropped(lane->records);
}

static void
release(struct prediction_log *log)
{
  for (struct lane *lane = log->lanes, *next; lane; lane = next)
  {
    next = lane->next;
    lane_free(lane);
  }
  drift_tally_free(log->tally);
  free(log->taken);
  free(log->rows);
  free(log->sample);
  pthread_mutex_destroy(&log->lock);
  free(log);
}

enum err
prediction_log_start(struct db_pool *db, struct dataset_cache *datasets,
                     const struct server_limits *limits, struct prediction_log **out,
                     struct err_info *info)
{
  static atomic_uint_fast64_t numbers;
  struct prediction_log *log = calloc(1, sizeof *log);
  if (!log)
    return err_set(info, ERR_MEMORY, "out of memory");
  pthread_mutex_init(&log->lock, NULL);
  log->number = atomic_fetch_add(&numbers, 1) + 1;
  log->db = db;
  log->rate = limits->prediction_rate;
  log->allowance = 2.0 * (double) log->rate;
  log->allowed_at_s = clock_monotonic_s();
  log->tally = drift_tally_new(datasets, limits->prediction_rows);
  log->taken = calloc(TAKEN_MOST, sizeof *log->taken);
  log->rows = calloc(TAKEN_MOST, sizeof *log->rows);
  log->sample = calloc(1, sizeof *log->sample);
  enum err err = log->tally && log->taken && log->rows && log->sample
                   ? writer_start(write_all, log, FLUSH_SECONDS, &log->writer, info)
                   : err_set(info, ERR_MEMORY, "out of memory");
  if (err)
    release(log);
  else
    *out = log;
  return err;
}

void
prediction_log_stop(struct prediction_log *log)
{
  if (!log)
    return;
  writer_stop(log->writer);
  release(log);
}
