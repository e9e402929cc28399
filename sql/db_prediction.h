/* Predictions that were given, and the truth that was told of them.
 */
#ifndef ATTUNE_SQL_DB_PREDICTION_H
#define ATTUNE_SQL_DB_PREDICTION_H

#include "sql/db.h"

/* One row of a call. */
struct db_prediction
{
  const char *id; /* the call's */
  int row, rows;  /* from 1, of so many */
  const char *model_id;
  int version;
  int class_index; /* -1: a number */
  double value;    /* the number, or the class's probability */
  int64_t at_us;
};

/* Adds rows; those of versions that are gone, and those that are there, are left out. */
enum db_status db_prediction_insert(struct db_conn *conn, const struct db_prediction *rows,
                                    size_t count);

/* A row that truth was told of, as it is stored. */
struct db_prediction_found
{
  size_t place; /* in the list that was asked for, from 0 */
  int rows;
  const char *model_id, *model_name;
  int version;
  int64_t truth_us; /* 0: none yet */
  int truth_class;  /* -1: a number, or none */
  double truth_value;
};

/* The rows (count) of the tenant's predictions that are there, by place. DB_ROWS also for none. */
enum db_status db_prediction_find(struct db_conn *conn, const char *tenant_id,
                                  const char *const *ids, const double *rows, size_t count,
                                  struct arena *arena, struct db_prediction_found **found,
                                  size_t *found_count);

/* Stores the truth of rows (count): a class, or -1 and a number. */
enum db_status db_prediction_set_truth(struct db_conn *conn, const char *const *ids,
                                       const double *rows, const double *classes,
                                       const double *values, size_t count);

/* Keeps truth (JSON texts) of rows that are not there yet, at most `most` of a tenant (*full: there is no room). */
enum db_status db_truth_keep(struct db_conn *conn, const char *tenant_id, const char *const *ids,
                             const double *rows, const char *const *truths, size_t count,
                             size_t most, bool *full);
/* Joins what was kept with rows that have come since, and forgets what is older than an hour. */
enum db_status db_truth_join(struct db_conn *conn);
/* Whether another attuned than the caller's serves this database. */
enum db_status db_prediction_has_peers(struct db_conn *conn, bool *peers);

/* What came of a version's predictions since a moment, in parts of equal length, by part. Empty ones are left out. */
struct db_prediction_part
{
  int part; /* from 0 */
  int64_t rows, truths, right;
  double absolute, squares; /* sums over the differences to true numbers */
};
enum db_status db_prediction_parts(struct db_conn *conn, const char *model_id, int version,
                                   int64_t from_us, double part_seconds, struct arena *arena,
                                   struct db_prediction_part **parts, size_t *count);

/* Deletes the oldest rows of a version beyond `most`; and what is older than so many days, of all. */
enum db_status db_prediction_trim(struct db_conn *conn, const char *model_id, int version,
                                  size_t most);
enum db_status db_prediction_forget(struct db_conn *conn, double days);

#endif
