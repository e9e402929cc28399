#include <config.h>

#include "server/handler/nanonets.h"

#include <string.h>

#include "base/buf.h"
#include "server/handler/common.h"
#include "server/handler/handlers.h"
#include "server/handler/predict_call.h"
#include "server/json_view.h"
#include "sql/db_job.h"

/* The states of Nanonets' models that occur here. */
enum state
{
  STATE_FAILED = -1,
  STATE_CREATED = 0,
  STATE_INCOMPLETE = 1, /* there are images, but not of every category */
  STATE_FILLED = 2,
  STATE_QUEUED = 3,
  STATE_TRAINING = 4,
  STATE_READY = 5
};

const char *
nanonets_text(const struct http_request *req, const struct http_part *parts, size_t count,
              const char *name)
{
  const char *text = http_query(req, name);

  for (size_t i = 0; i < count; i++)
    if (strcmp(parts[i].name, name) == 0 && parts[i].value && *parts[i].value)
      text = parts[i].value;
  return text && *text ? text : NULL;
}

const char *
nanonets_model_id(struct http_request *req, const struct http_part *parts, size_t count)
{
  const char *id = http_arg(req, "draft");

  if (!*id)
    id = nanonets_text(req, parts, count, "modelId");
  if (!id)
    reply_fault(req, E_INVALID, "/modelId", "send the model_id that creating the model gave",
                "modelId is missing");
  return id;
}

bool
nanonets_draft_find(struct http_request *req, struct db_conn *conn, const char *id,
                    struct db_draft *draft)
{
  enum db_status status = db_draft_get(conn, req->tenant_id, id, req->arena, draft);

  if (status == DB_ROWS)
    return true;
  if (status == DB_NONE)
    http_reply_error(req, E_MODEL_NOT_FOUND,
                     "There is no such model that was created on these paths.");
  else
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  return false;
}

/* ---- its state ------------------------------------------------------------------------------------- */

static enum state
state_without_job(struct http_request *req, const struct db_draft *draft, const char **status)
{
  const char *empty = NULL;

  for (size_t i = 0; i < draft->category_count && !empty; i++)
    if (draft->counts[i] < 1.0)
      empty = draft->categories[i];
  if (draft->busy)
  {
    *status = "The images are being prepared for training";
    return STATE_QUEUED;
  }
  if (draft->files == 0)
  {
    *status = "Model created; upload images of each category";
    return STATE_CREATED;
  }
  if (empty)
  {
    *status = arena_printf(req->arena, "Images are missing: of \"%s\" there is none", empty);
    return STATE_INCOMPLETE;
  }
  *status = "Images uploaded; start the training";
  return STATE_FILLED;
}

static enum state
state_of_job(struct http_request *req, const struct db_job *job, const char **status)
{
  json_t *problem;

  if (strcmp(job->state, "queued") == 0 || strcmp(job->state, "paused") == 0)
  {
    *status = "The training waits in the queue";
    return STATE_QUEUED;
  }
  if (strcmp(job->state, "running") == 0)
  {
    *status = "Model is being trained";
    return STATE_TRAINING;
  }
  if (job->model_name)
  {
    *status = "Model is ready to predict";
    return STATE_READY;
  }
  problem = job->problem ? view_json(job->problem) : NULL;
  *status =
    arena_printf(req->arena, "The training has ended without a model: %s",
                 json_get_string(problem, "detail",
                                 strcmp(job->state, "failed") == 0 ? "it failed" : job->state));
  json_decref(problem);
  return STATE_FAILED;
}

static json_t *
categories_view(const struct db_draft *draft)
{
  json_t *list = json_array();

  for (size_t i = 0; i < draft->category_count; i++)
    json_array_append_new(list, json_pack("{s:s, s:I}", "name", draft->categories[i], "count",
                                          (json_int_t) draft->counts[i]));
  return list;
}

static void
reply_draft(struct http_request *req, struct db_conn *conn, const struct db_draft *draft)
{
  struct db_job job;
  enum db_status found =
    draft->job_id ? db_job_get(conn, req->tenant_id, draft->job_id, req->arena, &job) : DB_NONE;
  const char *status = "";
  enum state state;

  if (found < DB_NONE)
  {
    http_reply_db(req, found, E_JOB_NOT_FOUND);
    return;
  }
  /* a model that was removed after its training is as if it had not been trained */
  if (found == DB_ROWS && !draft->busy
      && (strcmp(job.state, "succeeded") != 0 || job.model_name != NULL))
    state = state_of_job(req, &job, &status);
  else
    state = state_without_job(req, draft, &status);
  http_reply_json(req, 200,
                  json_pack("{s:s, s:s, s:i, s:s, s:o, s:s?}", "model_id", draft->id, "model_type",
                            "classification", "state", (int) state, "status", status, "categories",
                            categories_view(draft), "job",
                            found == DB_ROWS ? draft->job_id : NULL));
}

void
nanonets_draft_reply(struct http_request *req, struct db_conn *conn, const char *id)
{
  struct db_draft draft;

  if (nanonets_draft_find(req, conn, id, &draft))
    reply_draft(req, conn, &draft);
}

/* ---- looking --------------------------------------------------------------------------------------- */

/* A model that was made otherwise, which can be asked. */
static void
reply_model(struct http_request *req, const char *id)
{
  struct model_ref ref = {.entry = NULL};
  struct model_about about;
  struct model_path path;
  json_t *classes;

  if (!name_model_path(req->arena, id, &path))
  {
    http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
    return;
  }
  if (!predict_call_load(req, &path, &ref))
    return;
  model_about(ref.model, &about);
  classes = json_array();
  for (size_t i = 0; i < about.task->class_count; i++)
    json_array_append_new(classes, json_pack("{s:s}", "name", about.task->class_names[i]));
  http_reply_json(req, 200,
                  json_pack("{s:s, s:s, s:i, s:s, s:o}", "model_id", ref.model_name, "model_type",
                            "classification", "state", (int) STATE_READY, "status",
                            "Model is ready to predict", "categories", classes));
  model_cache_release(req->server->models, &ref);
}

enum http_outcome
handle_nanonets_model(struct http_request *req)
{
  const char *id = nanonets_model_id(req, NULL, 0);
  enum db_status status = DB_NONE;
  struct db_conn *conn = NULL;
  struct db_draft draft;

  if (!id || !http_key_allows(req, id))
    return HTTP_REPLIED;
  /* any other needs no database while it is in memory */
  if (strncmp(id, NANONETS_ID, strlen(NANONETS_ID)) == 0)
  {
    if (!(conn = http_db(req)))
      return HTTP_REPLIED;
    status = db_draft_get(conn, req->tenant_id, id, req->arena, &draft);
  }
  if (status == DB_ROWS)
    reply_draft(req, conn, &draft);
  else if (status == DB_NONE)
    reply_model(req, id);
  else
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  return HTTP_REPLIED;
}

enum http_outcome
handle_nanonets_delete(struct http_request *req)
{
  const char *id = nanonets_model_id(req, NULL, 0);
  struct db_conn *conn = id ? http_db(req) : NULL;
  struct db_draft draft;
  enum db_status status;

  if (!conn || !nanonets_draft_find(req, conn, id, &draft))
    return HTTP_REPLIED;
  status = db_draft_delete(conn, req->tenant_id, id);
  if (status == DB_ROWS)
    http_reply_empty(req);
  else if (status == DB_NONE)
    http_reply_error(req, E_CONFLICT, "its training is just being started; ask again in a moment");
  else
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  return HTTP_REPLIED;
}
