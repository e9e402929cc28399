/* Rows of the database as the JSON of the API: the one place that names its members.
 * Pure; each function returns a new reference, or NULL when out of memory. Any thread.
 */
#ifndef ATTUNE_SERVER_JSON_VIEW_H
#define ATTUNE_SERVER_JSON_VIEW_H

#include <jansson.h>

#include "sql/db_dataset.h"
#include "sql/db_job.h"
#include "sql/db_model.h"

/* RFC 3339, or null for 0. */
json_t *view_time(int64_t unix_us);
/* A string, or null for NULL. */
json_t *view_text(const char *text);
/* JSON text as a value; null for NULL or what can't be parsed. */
json_t *view_json(const char *text);

/* A dataset: with the members of its schema (columns, or image size and classes) when row->schema is
 * there. */
json_t *view_dataset(const struct db_dataset *row);

/* How far a job is. eta_s is NaN when nothing is known yet. */
struct view_progress
{
  double progress; /* 0 to 1 */
  double elapsed_s;
  double eta_s;
};
struct view_progress view_job_progress(const struct db_job *row, const json_t *spec);

/* A job's stored normal form as callers know it: without what is the search's, base_model as it can be posted. */
void view_spec(json_t *spec);
/* {"id", "name", "version"} of the stored spec's base model, or null. */
json_t *view_base_model(const json_t *spec);

/* A job; with its normal form as "spec" when `full`. */
json_t *view_job(const struct db_job *row, bool full);
json_t *view_trial(const struct db_trial *row, const char *metric);
json_t *view_epoch(const struct db_epoch *row);
/* A model version's summary (no schema, no report). */
json_t *view_model(const struct db_model_version *row);

#endif
