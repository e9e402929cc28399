#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "server/handler/common.h"
#include "server/handler/dataset_ingest.h"
#include "server/handler/job_create.h"
#include "server/ingest_queue.h"
#include "server/json_view.h"
#include "server/names.h"
#include "sql/db_job.h"
#include "sql/db_model.h"

#define WAIT_MAX_S 600.0
#define HOLD_S 0.25
#define PARK_S 0.1
#define POLL_S 1.0
/* What has been begun is followed through a database that is slow or away for a moment. */
#define PATIENCE_S 10.0
#define RETRY_S 0.5
#define FAMILIES_MAX 16

struct train_state
{
  const char *dataset_id;
  const char *job_id; /* NULL until the dataset is ready */
  double deadline_s;  /* of ?wait, monotonic */
  double patient_s;   /* so long a database that does not answer is asked again */
};

/* ---- the form as the JSON of POST /jobs ------------------------------------------------------------- */

static void
set_text(struct http_request *req, json_t *request, const char *name)
{
  const char *text = upload_field(req, name);
  if (text)
    json_object_set_new(request, name, json_string(text));
}

static void
set_number(struct http_request *req, json_t *budget, const char *name, struct json_faults *faults)
{
  const char *text = upload_field(req, name);
  double value;

  if (!text)
    return;
  if (!text_parse_double(text, strlen(text), false, &value))
    json_fault_add(faults, json_pointer(req->arena, "", name), "send a number, such as 60",
                   "\"%.60s\" is not a number", text);
  else if (value <= 0.0)
    json_fault_add(faults, json_pointer(req->arena, "", name), "send a number above 0",
                   "must be above 0");
  else
    json_object_set_new(budget, name, json_real(value));
}

/* "trees,linear" → ["trees", "linear"] */
static void
set_families(struct http_request *req, json_t *request)
{
  const char *text = upload_field(req, "families");
  json_t *list;

  if (!text)
    return;
  list = json_array();
  for (const char *at = text; *at && json_array_size(list) < FAMILIES_MAX;)
  {
    size_t length = strcspn(at, ",");
    const char *from = at + strspn(at, " ");
    size_t size = (size_t) (at + length - from);
    while (size > 0 && from[size - 1] == ' ')
      size--;
    json_array_append_new(list, json_stringn(from, size));
    at += length + (at[length] == ',');
  }
  json_object_set_new(request, "families", list);
}

static json_t *
make_request(struct http_request *req, struct json_faults *faults)
{
  json_t *request = json_object(), *budget = json_object();

  set_text(req, request, "target");
  set_text(req, request, "name");
  set_text(req, request, "metric");
  set_text(req, request, "task");
  set_text(req, request, "base_model");
  set_families(req, request);
  set_number(req, budget, "seconds", faults);
  set_number(req, budget, "trials", faults);
  json_object_set_new(request, "budget", budget);
  return request;
}

/* ---- steps ----------------------------------------------------------------------------------------- */

/* Reads what can be judged before the file is looked at, and begins the dataset. False when it replied. */
static bool
begin(struct http_request *req, struct train_state *state)
{
  static const char *const known[] = {"wait", NULL};
  static const char *const fields[] = {"target", "name",     "seconds",    "trials", "metric",
                                       "task",   "families", "base_model", NULL};
  struct json_faults faults;
  const char *name;
  double wait_s;

  if (!http_query_known(req, known)
      || !http_query_number(req, "wait", 0.0, WAIT_MAX_S, 0.0, &wait_s))
    return false;
  state->deadline_s = clock_monotonic_s() + wait_s;
  state->patient_s = clock_monotonic_s() + fmax(wait_s, PATIENCE_S);
  if (req->replay)
  {
    state->job_id = arena_strdup(req->arena, json_get_string(req->replay, "id", ""));
    return true;
  }
  if (strcmp(req->content_type, "multipart/form-data") != 0)
  {
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                     "send multipart/form-data (curl: -F file=@data.csv -F target=COLUMN)");
    return false;
  }
  json_faults_init(&faults, req->arena);
  json_decref(make_request(req, &faults));
  name = upload_field(req, "name");
  if (name && !name_model_from(req->arena, name))
    json_fault_add(&faults, "/name", "use small letters, digits, dot, minus and underscore",
                   "no model can be called so");
  if (!dataset_ingest_is_images(req) && !upload_field(req, "target"))
    json_fault_add(&faults, "/target", "curl: -F target=COLUMN", "name the column to predict");
  if (faults.count > 0)
  {
    http_reply_faults(req, E_INVALID, &faults);
    return false;
  }
  return dataset_ingest_begin(req, fields, name, &state->dataset_id);
}

/* The dataset is ready: the job. When it can't be, the dataset goes, too: all or nothing. */
static bool
begin_job(struct http_request *req, struct db_conn *conn, struct train_state *state)
{
  struct json_faults faults;
  struct job_plan plan;
  json_t *request;
  bool fine, busy;

  json_faults_init(&faults, req->arena);
  request = make_request(req, &faults);
  json_object_set_new(request, "dataset", json_string(state->dataset_id));
  fine = job_plan_make(req, conn, request, &plan);
  json_decref(request);
  if (fine)
  {
    fine = job_plan_insert(req, conn, &plan);
    state->job_id = plan.id;
    job_plan_free(&plan);
  }
  if (!fine)
    db_dataset_delete(conn, req->tenant_id, state->dataset_id, &busy);
  return fine;
}

static enum http_outcome
park(struct http_request *req, const char *job_id, double seconds)
{
  http_park(req, job_id, seconds);
  return HTTP_PARK;
}

static bool
has_ended(const struct db_job *job)
{
  return strcmp(job->state, "succeeded") == 0 || strcmp(job->state, "failed") == 0
         || strcmp(job->state, "cancelled") == 0;
}

static void
reply_job(struct http_request *req, struct db_conn *conn, const struct db_job *job)
{
  const char *location = arena_printf(req->arena, "/api/v1/jobs/%s", job->id);
  json_t *view = view_job(job, false);
  struct db_model_version model;

  if (job->model_name
      && db_model_get(conn, req->tenant_id, job->model_name, job->model_version, NULL, req->arena,
                      &model)
           == DB_ROWS)
    json_object_set_new(view, "model", view_model(&model));
  http_reply_created(req, has_ended(job) ? 200 : 202, location, view);
}

/* The upload or the job is there, only the database is not: once more in a moment, or 503. */
static enum http_outcome
try_again(struct http_request *req, const struct train_state *state)
{
  if (clock_monotonic_s() < state->patient_s && !req->server->draining && !http_must_answer(req))
    return park(req, NULL, RETRY_S);
  http_reply_busy(req, E_UNAVAILABLE, 2);
  return HTTP_REPLIED;
}

/* Answers now, or when the job has ended. */
static enum http_outcome
follow_job(struct http_request *req, struct db_conn *conn, const struct train_state *state)
{
  double left_s = state->deadline_s - clock_monotonic_s();
  struct db_job job;
  enum db_status status = db_job_get(conn, req->tenant_id, state->job_id, req->arena, &job);

  if (status == DB_SOFT)
  {
    http_busy_reason(req, "the database: %s", db_last_error(conn));
    return try_again(req, state);
  }
  if (status != DB_ROWS)
    http_reply_db(req, status, E_JOB_NOT_FOUND);
  else if (has_ended(&job) || left_s <= 0.0 || req->server->draining)
    reply_job(req, conn, &job);
  else
    return park(req, state->job_id, fmin(left_s, POLL_S));
  return HTTP_REPLIED;
}

enum http_outcome
handle_train_post(struct http_request *req)
{
  struct train_state *state = req->state;
  bool first = state == NULL;
  struct db_dataset row;
  struct db_conn *conn;

  if (first)
  {
    req->state = state = arena_alloc(req->arena, sizeof *state);
    if (!begin(req, state))
      return HTTP_REPLIED;
  }
  if (!state->job_id
      && !ingest_queue_wait(req->server->ingest, state->dataset_id, first ? HOLD_S : 0.0))
    return park(req, NULL, PARK_S);
  conn = http_db_try(req);
  if (!conn)
    return try_again(req, state);
  if (!state->job_id)
    switch (dataset_ingest_look(req, conn, state->dataset_id, &row))
    {
    case DATASET_INGEST_READY:
      if (!begin_job(req, conn, state))
        return HTTP_REPLIED;
      break;
    case DATASET_INGEST_RUNNING:
      /* only while the server stops: the dataset will be ready after its next start */
      http_reply_busy(req, E_DRAINING, 5);
      return HTTP_REPLIED;
    case DATASET_INGEST_REPLIED:
    default:
      return HTTP_REPLIED;
    }
  return follow_job(req, conn, state);
}
