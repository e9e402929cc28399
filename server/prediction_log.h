/* The log of predictions: what was answered, so that the truth can be told of it later, and what was asked, so that it
 * can be compared with the training data.
 *
 * Each thread that answers has two rings of its own (prediction_ring.h): one for the answers, a record a row, and one
 * for samples of the rows themselves. To put something in takes nanoseconds, no lock and no system call; what finds its
 * ring full is dropped and counted. One thread of the log's own empties the rings twice a second: it writes answers, as
 * many a second as the limit allows, and counts samples over the bins of the training data (drift_tally.h). While the
 * database is away the rings fill, and predictions go on. Thread-safe but where it says otherwise.
 */
#ifndef ATTUNE_SERVER_PREDICTION_LOG_H
#define ATTUNE_SERVER_PREDICTION_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "server/dataset_cache.h"
#include "server/server.h"
#include "sql/db.h"

#define PREDICTION_ID_SIZE 32
/* Rows of one call that are logged; columns of one sample. */
#define PREDICTION_ROWS 100
#define PREDICTION_VALUES 128

/* One row's answer. Plain bytes, copied whole. */
struct prediction_record
{
  char id[PREDICTION_ID_SIZE]; /* the call's; ends with a NUL, as the model's */
  char model[PREDICTION_ID_SIZE];
  int32_t version;
  int32_t row, rows;   /* from 1, and how many the call had */
  int32_t class_index; /* -1: a number */
  float value;         /* the number, or the class's probability */
  int64_t at_us;
};

/* Some columns of one row, as drift_value gives them. */
struct prediction_sample
{
  char model[PREDICTION_ID_SIZE];
  int32_t version;
  uint32_t first, count; /* columns first ... first + count - 1 */
  float values[PREDICTION_VALUES];
};

struct prediction_log;

/* Pool, cache and limits are borrowed for ever. */
enum err prediction_log_start(struct db_pool *db, struct dataset_cache *datasets,
                              const struct server_limits *limits, struct prediction_log **log,
                              struct err_info *info);
/* Writes what it can, ends the thread and frees. No other thread may be at the log any more. NULL is ignored. */
void prediction_log_stop(struct prediction_log *log);

/* Logs one row's answer. */
void prediction_log_put(struct prediction_log *log, const struct prediction_record *record);

/* How many of `rows` rows may be put in as samples of this model (any address that stands for it): the first of each
 * half second, so that a busy model leaves room for others. *turn rises with each call. */
size_t prediction_log_grant(struct prediction_log *log, const void *model, size_t rows,
                            uint64_t *turn);
void prediction_log_sample(struct prediction_log *log, const struct prediction_sample *sample);

/* Waits until what was put in before is written. False when it is not after so many seconds. */
bool prediction_log_flush(struct prediction_log *log, double seconds);

struct prediction_log_counts
{
  uint64_t logged, samples; /* rows written, rows counted */
  uint64_t dropped;         /* rows that found no room, or could not be written */
  uint64_t skipped;         /* rows beyond the limit of a second */
};
void prediction_log_counts(struct prediction_log *log, struct prediction_log_counts *counts);

#endif
