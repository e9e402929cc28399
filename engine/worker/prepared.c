#include <config.h>

#include "worker/prepared.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"

#define MOST_DEPTH 64

static void
prepared_free(struct prepared *prepared)
{
  if (prepared == NULL)
    return;
  tune_study_free(prepared->study);
  tune_data_close(prepared->data);
  json_decref(prepared->spec);
  json_decref(prepared->schema);
  free(prepared->spec_text);
  free(prepared);
}

struct prepared *
prepared_find(struct prepared_jobs *jobs, const char *job_id, const char *spec)
{
  for (size_t i = 0; i < PREPARED_MOST; i++)
    if (jobs->items[i] != NULL && strcmp(jobs->items[i]->job_id, job_id) == 0)
    {
      if (strcmp(jobs->items[i]->spec_text, spec) != 0)
      {
        prepared_free(jobs->items[i]);
        jobs->items[i] = NULL;
        return NULL;
      }
      jobs->items[i]->used_s = clock_monotonic_s();
      return jobs->items[i];
    }
  return NULL;
}

/* An empty place, or that of the job longest unused. */
static size_t
find_place(struct prepared_jobs *jobs)
{
  size_t oldest = 0;
  for (size_t i = 0; i < PREPARED_MOST; i++)
  {
    if (jobs->items[i] == NULL)
      return i;
    if (jobs->items[i]->used_s < jobs->items[oldest]->used_s)
      oldest = i;
  }
  prepared_free(jobs->items[oldest]);
  jobs->items[oldest] = NULL;
  return oldest;
}

/* By time the first folds train on few rows and the last on most: one in the middle stands for all. */
static size_t
typical_fold(const struct split *split)
{
  return split->time_ordered ? split->fold_count / 2 : 0;
}

static enum err
fill(struct prepared *prepared, const char *spec, const char *schema, const char *path,
     struct err_info *info)
{
  size_t *rows = NULL, count = 0;
  enum err err = json_parse(spec, strlen(spec), MOST_DEPTH, &prepared->spec, info);
  if (err == ERR_OK)
    err = json_parse(schema, strlen(schema), MOST_DEPTH, &prepared->schema, info);
  if (err == ERR_OK)
    err = tune_data_open(path, prepared->spec, prepared->schema, &prepared->data, info);
  if (err == ERR_OK)
    err =
      split_train_rows(prepared->data->split, typical_fold(prepared->data->split), &rows, &count);
  free(rows);
  if (err == ERR_OK)
    err = tune_study_new(prepared->data->spec, &prepared->data->shape,
                         prepared->data->split->fold_count, count, &prepared->study, info);
  return err;
}

enum err
prepared_add(struct prepared_jobs *jobs, const char *job_id, const char *spec, const char *schema,
             const char *path, struct err_info *info)
{
  struct prepared *made = calloc(1, sizeof *made);
  if (made == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for a job");
  made->spec_text = strdup(spec);
  if (made->spec_text == NULL)
  {
    free(made);
    return err_set(info, ERR_MEMORY, "out of memory for a job");
  }
  snprintf(made->job_id, sizeof made->job_id, "%s", job_id);
  made->used_s = clock_monotonic_s();
  enum err err = fill(made, spec, schema, path, info);
  if (err != ERR_OK)
  {
    prepared_free(made);
    return err;
  }
  jobs->items[find_place(jobs)] = made;
  return ERR_OK;
}

static struct tune_entry
entry_of(const struct db_work_log_entry *logged)
{
  static const enum tune_entry_kind kinds[] = {
    [DB_LOG_ASK] = TUNE_ASK,         [DB_LOG_TELL] = TUNE_TELL,
    [DB_LOG_FAILED] = TUNE_FAILED,   [DB_LOG_FORGET] = TUNE_FORGET,
    [DB_LOG_MEASURE] = TUNE_MEASURE, [DB_LOG_CONTINUE] = TUNE_CONTINUE,
    [DB_LOG_PRUNE] = TUNE_PRUNE,     [DB_LOG_BELIEVE] = TUNE_BELIEVE};
  return (struct tune_entry){.kind = kinds[logged->kind],
                             .trial = (uint64_t) logged->trial_number,
                             .point = logged->point,
                             .rung = (size_t) logged->rung,
                             .rate = logged->rate,
                             .objective = logged->objective,
                             .seconds = logged->seconds,
                             .cost = {.us_per_row = logged->predict_us,
                                      .bytes = logged->model_bytes,
                                      .train_us = logged->train_us}};
}

enum db_status
prepared_catch_up(struct prepared *prepared, struct db_conn *conn, struct arena *arena)
{
  struct db_work_log_entry *entries = NULL;
  struct err_info info = {0};
  size_t count = 0;
  enum db_status status =
    db_work_log(conn, prepared->job_id, prepared->seen, arena, &entries, &count);
  for (size_t i = 0; i < count && status >= DB_NONE; i++)
  {
    struct tune_entry entry = entry_of(&entries[i]);
    if ((entry.kind == TUNE_ASK || entry.kind == TUNE_BELIEVE)
        && entries[i].point_count != prepared->data->spec->space->count)
    {
      log_error("a point of the search log has %zu numbers, not %zu", entries[i].point_count,
                prepared->data->spec->space->count);
      return DB_HARD;
    }
    if (tune_study_fold(prepared->study, &entry, &info) != ERR_OK)
    {
      log_error("the search log can't be followed: %s", info.text);
      return DB_HARD;
    }
    prepared->seen = entries[i].seq;
  }
  return status;
}

void
prepared_drop(struct prepared_jobs *jobs, const char *job_id)
{
  for (size_t i = 0; i < PREPARED_MOST; i++)
    if (jobs->items[i] != NULL && strcmp(jobs->items[i]->job_id, job_id) == 0)
    {
      prepared_free(jobs->items[i]);
      jobs->items[i] = NULL;
    }
}

void
prepared_clear(struct prepared_jobs *jobs)
{
  for (size_t i = 0; i < PREPARED_MOST; i++)
  {
    prepared_free(jobs->items[i]);
    jobs->items[i] = NULL;
  }
}
