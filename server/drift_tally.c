#include <config.h>

#include "server/drift_tally.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/drift_source.h"
#include "sql/db_drift.h"
#include "sql/db_prediction.h"

#define VERSIONS_MOST 512
#define RETRY_S 30.0
#define HOUR_US INT64_C(3600000000)

/* One version of a model. */
struct tallied
{
  struct tallied *next;
  char model[PREDICTION_ID_SIZE];
  int version;
  struct drift_reference *reference; /* NULL: not known (yet) */
  double retry_at_s;
  int64_t hour;   /* since 1970 */
  double *counts; /* (reference->size) of that hour, not written yet */
  int64_t logged, skipped;
  bool changed;
  size_t untrimmed; /* rows written since the log was last trimmed */
};

struct drift_tally
{
  struct dataset_cache *datasets;
  size_t keep_rows;
  struct tallied *first; /* the last used is first */
  size_t count;
};

struct drift_tally *
drift_tally_new(struct dataset_cache *datasets, size_t keep_rows)
{
  struct drift_tally *tally = calloc(1, sizeof *tally);
  if (!tally)
    return NULL;
  tally->datasets = datasets;
  tally->keep_rows = keep_rows;
  return tally;
}

static void
tallied_free(struct tallied *one)
{
  if (!one)
    return;
  drift_reference_free(one->reference);
  free(one->counts);
  free(one);
}

void
drift_tally_free(struct drift_tally *tally)
{
  if (!tally)
    return;
  for (struct tallied *one = tally->first, *next; one; one = next)
  {
    next = one->next;
    tallied_free(one);
  }
  free(tally);
}

static size_t
trim_step(const struct drift_tally *tally)
{
  return tally->keep_rows / 10 < 10000 ? tally->keep_rows / 10 + 1 : 10000;
}

/* The counts of an hour, and how many rows were written: to the database. */
static bool
write_counts(struct tallied *one, struct db_conn *conn)
{
  if (!one->changed)
    return true;
  enum db_status status =
    db_drift_add(conn, one->model, one->version, one->hour * HOUR_US, one->counts,
                 one->reference->size, one->logged, one->skipped);
  if (status < DB_NONE)
    return false;
  memset(one->counts, 0, one->reference->size * sizeof *one->counts);
  one->logged = one->skipped = 0;
  one->changed = false;
  return true;
}

static void
drop_last(struct drift_tally *tally, struct db_conn *conn)
{
  struct tallied **at = &tally->first;
  while ((*at)->next)
    at = &(*at)->next;
  struct tallied *last = *at;
  write_counts(last, conn);
  *at = NULL;
  tally->count--;
  tallied_free(last);
}

static struct tallied *
tallied_find(struct drift_tally *tally, struct db_conn *conn, const char *model, int version)
{
  struct tallied **at = &tally->first, *one;

  while (*at && ((*at)->version != version || strcmp((*at)->model, model) != 0))
    at = &(*at)->next;
  one = *at;
  if (one)
    *at = one->next;
  else
  {
    if (tally->count >= VERSIONS_MOST)
      drop_last(tally, conn);
    one = calloc(1, sizeof *one);
    if (!one)
      return NULL;
    memcpy(one->model, model, strnlen(model, sizeof one->model - 1));
    one->version = version;
    one->untrimmed = trim_step(tally);
    tally->count++;
  }
  one->next = tally->first;
  tally->first = one;
  return one;
}

/* Whether answers and samples of it can be counted. */
static bool
ready(struct drift_tally *tally, struct db_conn *conn, struct tallied *one)
{
  struct err_info info = {.code = ERR_OK};
  const char *problem;
  int64_t hour = clock_unix_us() / HOUR_US;

  if (!one->reference)
  {
    struct arena *arena = clock_monotonic_s() >= one->retry_at_s ? arena_new(0) : NULL;
    if (!arena)
      return false;
    enum err rc = drift_source_read(conn, tally->datasets, one->model, one->version, arena,
                                    &one->reference, NULL, &problem, &info);
    arena_free(arena);
    if (rc == ERR_OK && !(one->counts = calloc(one->reference->size, sizeof *one->counts)))
    {
      drift_reference_free(one->reference);
      one->reference = NULL;
    }
    else if (rc != ERR_OK && rc != ERR_NOT_FOUND)
      log_warning("what %s version %d is asked can't be compared with its training data: %s",
                  one->model, one->version, info.text);
    if (!one->reference)
      one->retry_at_s = clock_monotonic_s() + RETRY_S;
  }
  if (one->reference && hour != one->hour && write_counts(one, conn))
    one->hour = hour;
  return one->reference != NULL;
}

void
drift_tally_answer(struct drift_tally *tally, struct db_conn *conn,
                   const struct prediction_record *record, bool logged)
{
  struct tallied *one = tallied_find(tally, conn, record->model, record->version);

  if (!one)
    return;
  one->untrimmed += logged ? 1 : 0;
  if (!ready(tally, conn, one))
    return;
  one->logged += logged ? 1 : 0;
  one->skipped += logged ? 0 : 1;
  one->changed = true;
  drift_reference_count_answer(
    one->reference, record->class_index >= 0,
    record->class_index >= 0 ? (double) record->class_index : (double) record->value, one->counts);
}

void
drift_tally_sample(struct drift_tally *tally, struct db_conn *conn,
                   const struct prediction_sample *sample)
{
  struct tallied *one = tallied_find(tally, conn, sample->model, sample->version);

  if (!one || !ready(tally, conn, one) || one->reference->column_count == 0)
    return;
  one->counts[0] += 1;
  one->changed = true;
  for (uint32_t i = 0; i < sample->count; i++)
    drift_reference_count(one->reference, sample->first + i, (double) sample->values[i],
                          one->counts);
}

bool
drift_tally_write(struct drift_tally *tally, struct db_conn *conn)
{
  bool good = true;

  for (struct tallied *one = tally->first; one; one = one->next)
  {
    good = write_counts(one, conn) && good;
    if (one->untrimmed < trim_step(tally))
      continue;
    if (db_prediction_trim(conn, one->model, one->version, tally->keep_rows) < DB_NONE)
      good = false;
    else
      one->untrimmed = 0;
  }
  return good;
}
