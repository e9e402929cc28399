#include <config.h>

#include "server/drift_source.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "sql/db_dataset.h"
#include "sql/db_drift.h"

/* Values that are looked at: enough for shares to a percent, and done within a second or two. */
#define VALUES_MOST 10000000u
#define ROWS_LEAST 2000u

static enum err
status_error(enum db_status status, struct err_info *info)
{
  if (status == DB_NONE)
    return err_set(info, ERR_NOT_FOUND, "the version is gone");
  return err_set(info, status == DB_SOFT ? ERR_UNAVAILABLE : ERR_INTERNAL,
                 "the counts of the training data could not be read");
}

/* *json ← the counts; ERR_INVALID or ERR_NOT_FOUND, with a sentence, when there never will be any. */
static enum err
count_dataset(struct db_conn *conn, struct dataset_cache *datasets,
              const struct db_drift_source *source, const json_t *schema, struct arena *arena,
              json_t **json, struct err_info *info)
{
  struct db_dataset row;
  struct dataset *dataset = NULL;

  if (!source->dataset_id)
    return err_set(info, ERR_NOT_FOUND,
                   "the model was imported, or its job is gone: it came without its data");
  enum db_status status = db_dataset_get(conn, source->tenant_id, source->dataset_id,
                                         source->dataset_version, arena, &row);
  if (status == DB_NONE)
    return err_set(info, ERR_NOT_FOUND,
                   "its dataset was deleted before anything was asked of this version");
  if (status != DB_ROWS)
    return status_error(status, info);
  enum err rc = dataset_cache_open(datasets, conn, &row, &dataset, info);
  if (rc != ERR_OK)
    return rc;
  size_t columns = json_array_size(json_object_get(schema, "columns"));
  size_t most = VALUES_MOST / (columns + 1);
  rc = drift_reference_make(dataset, schema, most < ROWS_LEAST ? ROWS_LEAST : most, json, info);
  dataset_close(dataset);
  return rc;
}

static enum err
make(struct db_conn *conn, struct dataset_cache *datasets, const char *model_id, int version,
     struct arena *arena, json_t **json, const char **problem, struct err_info *info)
{
  struct db_drift_source source;
  enum db_status status = db_drift_source(conn, model_id, version, arena, &source);

  if (status != DB_ROWS)
    return status_error(status, info);
  json_t *schema = json_load_wide(source.schema, strlen(source.schema), 0, NULL);
  if (!schema)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err rc = count_dataset(conn, datasets, &source, schema, arena, json, info);
  if (rc == ERR_INVALID || rc == ERR_NOT_FOUND)
  {
    *problem = arena_strdup(arena, info->text);
    *json = drift_reference_empty(schema);
    rc = ERR_OK;
  }
  json_decref(schema);
  char *text = rc == ERR_OK && *json ? json_dumps(*json, JSON_COMPACT) : NULL;
  if (rc == ERR_OK && !text)
    rc = err_set(info, ERR_MEMORY, "out of memory");
  if (rc == ERR_OK)
  {
    const struct db_drift_reference row = {.reference = text, .problem = *problem};
    status = db_drift_reference_put(conn, model_id, version, &row);
    if (status != DB_ROWS)
      rc = status_error(status, info);
  }
  free(text);
  return rc;
}

enum err
drift_source_read(struct db_conn *conn, struct dataset_cache *datasets, const char *model_id,
                  int version, struct arena *arena, struct drift_reference **reference,
                  json_t **json, const char **problem, struct err_info *info)
{
  struct db_drift_reference row;
  json_t *value = NULL;
  enum err rc = ERR_OK;

  *reference = NULL;
  *problem = NULL;
  enum db_status status = db_drift_reference_get(conn, model_id, version, arena, &row);
  if (status == DB_ROWS)
  {
    *problem = row.problem;
    value = json_load_wide(row.reference, strlen(row.reference), 0, NULL);
  }
  else if (status == DB_NONE)
    rc = make(conn, datasets, model_id, version, arena, &value, problem, info);
  else
    rc = status_error(status, info);
  if (rc == ERR_OK)
    rc = drift_reference_read(value, reference, info);
  if (rc == ERR_OK && json)
    *json = json_incref(value);
  json_decref(value);
  return rc;
}
