/* POST …/verify: the score a report states, computed again from what is stored. */
#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "data/metric.h"
#include "data/split_pack.h"
#include "model/model_folds.h"
#include "server/dataset_cache.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "server/model_cache.h"
#include "server/names.h"
#include "sql/db_dataset.h"
#include "sql/db_folds.h"
#include "sql/db_job.h"
#include "sql/db_model.h"

#define CHUNK_ROWS 4096
#define POOL_WAIT_S 2.0
/* Rows are predicted in other batches than at first, which moves the last digits. */
#define RELATIVE 1e-5
#define ABSOLUTE 1e-7

struct check
{
  struct http_request *req;
  struct db_model_version version;
  struct db_job job;
  struct db_dataset row;
  struct buf packed;
  struct dataset *dataset;
  struct model_ref ref;
  struct model_about about;
  json_t *report, *spec;
  struct task task;
  enum metric metric;
  bool by_folds;
  uint8_t *fold_of;
  size_t rows_total;
  /* the rows to be scored, fold after fold */
  size_t *rows, count;
  float *predictions;
  double deadline_s, value;
};

/* 409 with a sentence; false. */
static bool
refuse(struct check *check, const char *detail)
{
  http_reply_error(check->req, E_CONFLICT, detail);
  return false;
}

static bool
out_of_memory(struct check *check)
{
  reply_failure(check->req, &(struct err_info){.code = ERR_UNAVAILABLE, .text = "out of memory"});
  return false;
}

/* ---- what is stored -------------------------------------------------------------------------------- */

static bool
find_version(struct check *check, struct db_conn *conn)
{
  struct http_request *req = check->req;
  int version = version_parse(http_arg(req, "version"));
  enum db_status status = DB_NONE;

  if (version > 0)
    status = db_model_get(conn, req->tenant_id, http_arg(req, "model"), version, NULL, req->arena,
                          &check->version);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
    return false;
  }
  if (!check->version.final)
    return refuse(check, "this version was published while its search went on; verify the version "
                         "the job ended with");
  check->report = view_json(check->version.report);
  const char *trained_on =
    json_get_string(json_object_get(check->report, "refit"), "trained_on", "");
  if (strcmp(trained_on, "folds") == 0 || strcmp(trained_on, "fold") == 0)
    return refuse(check,
                  "this version is one model in the place of its folds' to answer fast, and its "
                  "score is that of those; verify the version that `best` names");
  if (strcmp(trained_on, "all") == 0)
    return refuse(check,
                  "this version was fitted on all rows, those of the report too, so nothing is "
                  "left to score it on; verify the version before it, whose score it states");
  return true;
}

static bool
find_job(struct check *check, struct db_conn *conn)
{
  struct http_request *req = check->req;
  enum db_status status = DB_NONE;

  if (check->version.job_id)
    status = db_job_get(conn, req->tenant_id, check->version.job_id, req->arena, &check->job);
  if (status == DB_ROWS)
    status = db_folds_read(conn, req->tenant_id, check->job.id, req->arena, &check->packed);
  if (status == DB_NONE)
    return refuse(check, "the job of this version has not stored which rows were in which fold; "
                         "run the job again to get a version that can be verified");
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return false;
  }
  check->spec = view_json(check->job.spec);
  return true;
}

static bool
find_data(struct check *check, struct db_conn *conn)
{
  struct http_request *req = check->req;
  struct err_info info = {.code = ERR_OK};
  enum db_status status = db_dataset_get(conn, req->tenant_id, check->job.dataset_id,
                                         check->job.dataset_version, req->arena, &check->row);
  enum err rc;

  if (status < DB_NONE)
  {
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
    return false;
  }
  if (status == DB_NONE)
    return refuse(check, "the dataset of this version was deleted; upload it again and run the job "
                         "again to get a version that can be verified");
  rc = dataset_cache_open(req->server->datasets, conn, &check->row, &check->dataset, &info);
  if (rc == ERR_OK)
    rc = model_cache_get(req->server->models, conn, req->tenant_id, check->version.model_id,
                         check->version.version, NULL, &check->ref, &info);
  if (rc != ERR_OK)
    reply_failure(req, &info);
  return rc == ERR_OK;
}

/* Reads everything and gives the connection back: what follows may take a while. */
static bool
gather(struct check *check)
{
  struct server *server = check->req->server;
  struct db_conn *conn = NULL;
  struct err_info info = {.code = ERR_OK};
  bool fine;

  if (db_acquire(server->db, POOL_WAIT_S, &conn, &info) != ERR_OK)
  {
    reply_failure(check->req, &info);
    return false;
  }
  fine = find_version(check, conn) && find_job(check, conn) && find_data(check, conn);
  db_release(server->db, conn);
  if (fine)
    model_about(check->ref.model, &check->about);
  return fine;
}

/* ---- what it means --------------------------------------------------------------------------------- */

/* A job whose task can't be made any more has a dataset that is not the one it was made for. */
static bool
read_task(struct check *check)
{
  struct err_info info = {.code = ERR_OK};
  const char *metric = json_get_string(check->report, "metric", "");

  if (task_make(check->dataset, json_get_string(check->spec, "target", NULL),
                json_get_string(check->spec, "task", NULL), check->req->arena, &check->task, &info)
        != ERR_OK
      || !metric_parse(metric, &check->metric)
      || check->task.output_count != check->about.task->output_count)
  {
    info.code = ERR_INTERNAL;
    reply_failure(check->req, &info);
    return false;
  }
  return true;
}

static bool
read_folds(struct check *check)
{
  size_t folds = (size_t) json_get_integer(check->report, "folds", 0);
  const char *estimate = json_get_string(check->report, "estimate", "");
  struct err_info info = {.code = ERR_OK};

  check->rows_total = dataset_row_count(check->dataset);
  check->by_folds = strcmp(estimate, "bbc_cv") == 0 || strcmp(estimate, "cv") == 0;
  check->fold_of = malloc(check->rows_total + 1);
  check->rows = malloc((check->rows_total + 1) * sizeof *check->rows);
  if (!check->fold_of || !check->rows)
    return out_of_memory(check);
  if (split_unpack(check->packed.data, check->packed.length, check->fold_of, check->rows_total,
                   &info)
      != ERR_OK)
    return refuse(check, arena_strdup(check->req->arena, info.text));
  if (check->by_folds && !model_has_folds(check->ref.model, folds))
    return refuse(check, "this model does not tell which of its members is of which fold; run the "
                         "job again to get a version that can be verified");
  for (size_t fold = 0; fold < (check->by_folds ? folds : 1); fold++)
    for (size_t row = 0; row < check->rows_total; row++)
      if (check->fold_of[row] == (check->by_folds ? fold : SPLIT_REPORT))
        check->rows[check->count++] = row;
  if (check->count == 0)
    return refuse(check, "the stored folds have no row that the report could be made of");
  return true;
}

/* ---- the score ------------------------------------------------------------------------------------- */

/* Rows of one part, from `first`, at most CHUNK_ROWS. */
static size_t
chunk_length(const struct check *check, size_t first)
{
  size_t n = 1;

  while (n < CHUNK_ROWS && first + n < check->count
         && check->fold_of[check->rows[first + n]] == check->fold_of[check->rows[first]])
    n++;
  return n;
}

static bool
too_slow(struct check *check)
{
  return refuse(check, arena_printf(check->req->arena,
                                    "predicting its %zu rows again takes more than %.0f seconds, "
                                    "the limit of this server; an operator can raise "
                                    "max-verify-seconds",
                                    check->count, check->req->limits->verify_seconds));
}

static bool
predict_rows(struct check *check)
{
  struct model_cache *models = check->req->server->models;
  size_t outputs = check->about.task->output_count;
  struct err_info info = {.code = ERR_OK};
  enum err rc = ERR_OK;

  if ((double) check->count * check->ref.us_per_row > 4e6 * check->req->limits->verify_seconds)
    return too_slow(check);
  check->predictions = malloc((check->count * outputs + 1) * sizeof *check->predictions);
  struct model_workspace *workspace = model_cache_workspace_take(models);
  if (!check->predictions || !workspace)
    rc = err_set(&info, ERR_UNAVAILABLE, "out of memory");
  for (size_t first = 0; rc == ERR_OK && first < check->count;)
  {
    size_t n = chunk_length(check, first);
    const size_t *rows = check->rows + first;
    float *out = check->predictions + first * outputs;
    if (clock_monotonic_s() > check->deadline_s)
      rc = ERR_TIMEOUT;
    else if (check->by_folds)
      rc = model_predict_fold(check->ref.model, check->fold_of[rows[0]], workspace, check->dataset,
                              rows, n, out, &info);
    else
      rc = model_predict_dataset(check->ref.model, workspace, check->dataset, rows, n, out, &info);
    first += n;
  }
  if (workspace)
    model_cache_workspace_give(models, workspace);
  if (rc == ERR_TIMEOUT)
    return too_slow(check);
  if (rc != ERR_OK)
    reply_failure(check->req, &info);
  return rc == ERR_OK;
}

static bool
score_rows(struct check *check)
{
  const char *weight = json_get_string(check->spec, "sample_weight", NULL);
  const struct table *table = dataset_table(check->dataset);
  size_t column = weight && table ? table_find(table, weight) : SIZE_MAX;
  int32_t *classes = calloc(check->count + 1, sizeof *classes);
  double *values = calloc(check->count + 1, sizeof *values);
  double *weights = calloc(check->count + 1, sizeof *weights);
  bool numbers = check->task.kind == TASK_REGRESSION, fine = classes && values && weights;

  for (size_t i = 0; fine && i < check->count; i++)
  {
    if (numbers)
      values[i] = task_value_of(&check->task, check->dataset, check->rows[i]);
    else
      classes[i] = task_class_of(&check->task, check->dataset, check->rows[i]);
    weights[i] = column != SIZE_MAX ? table->columns[column].number[check->rows[i]] : 1.0;
  }
  if (fine)
  {
    struct labels labels = {.count = check->count,
                            .classes = numbers ? NULL : classes,
                            .values = numbers ? values : NULL,
                            .weights = column != SIZE_MAX ? weights : NULL};
    check->value = metric_compute_at(check->metric, &check->task, &labels, check->predictions,
                                     &check->about.decision);
  }
  free(weights);
  free(values);
  free(classes);
  return fine ? true : out_of_memory(check);
}

/* ---- the answer ------------------------------------------------------------------------------------ */

/* Whether the membership is, byte for byte, the one the report was made with. */
static bool
same_folds(const struct check *check)
{
  const char *told =
    json_get_string(json_object_get(check->report, "validation"), "folds_sha256", "");
  unsigned char digest[crypto_hash_sha256_BYTES];
  char text[2 * crypto_hash_sha256_BYTES + 1];

  crypto_hash_sha256(digest, check->fold_of, check->rows_total);
  text_hex_encode(digest, sizeof digest, text);
  return strcmp(text, told) == 0;
}

static void
reply(struct check *check)
{
  /* By folds the report's score is corrected for the choice; the plain one is among its metrics. */
  const json_t *plain = json_object_get(json_object_get(check->report, "metrics"), "metrics");
  double told = check->by_folds ? json_get_number(plain, metric_name(check->metric), NAN)
                                : json_get_number(check->report, "score", NAN);
  double within = RELATIVE * fabs(told) + ABSOLUTE;
  bool folds = same_folds(check);
  bool equal = fabs(told - check->value) <= within;
  const char *reason = NULL;

  if (!folds)
    reason = "the stored folds are not those the report was made with";
  else if (!equal)
    reason = "the score computed again is not the one in the report";
  http_reply_json(check->req, 200,
                  json_pack("{s:b, s:s, s:s, s:o, s:o, s:f, s:I, s:b, s:s?}", "ok", folds && equal,
                            "estimate", json_get_string(check->report, "estimate", ""), "metric",
                            metric_name(check->metric), "report_value", json_real_or_null(told),
                            "recomputed", json_real_or_null(check->value), "equal_within",
                            isfinite(within) ? within : ABSOLUTE, "rows", (json_int_t) check->count,
                            "folds_unchanged", folds, "reason", reason));
}

static void
check_clear(struct check *check)
{
  json_decref(check->report);
  json_decref(check->spec);
  buf_free(&check->packed);
  free(check->fold_of);
  free(check->rows);
  free(check->predictions);
  if (check->dataset)
    dataset_close(check->dataset);
  if (check->ref.model)
    model_cache_release(check->req->server->models, &check->ref);
}

enum http_outcome
handle_model_verify(struct http_request *req)
{
  static const char *const known[] = {NULL};
  struct check check = {.req = req};

  if (!http_query_known(req, known))
    return HTTP_REPLIED;
  check.deadline_s = clock_monotonic_s() + req->limits->verify_seconds;
  if (gather(&check) && read_task(&check) && read_folds(&check) && predict_rows(&check)
      && score_rows(&check))
    reply(&check);
  check_clear(&check);
  return HTTP_REPLIED;
}
