/* A draft is trained: its images become a dataset, and that a job whose model has the draft's id as its name. */
#include <config.h>

#include "server/handler/nanonets.h"

#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/handler/common.h"
#include "server/handler/dataset_ingest.h"
#include "server/handler/handlers.h"
#include "server/handler/job_create.h"
#include "server/ingest_queue.h"
#include "server/upload_pack.h"

/* A request that is at it says so again before this time is over; after its server's death another may begin. */
#define HOLD_S 120.0
#define HOLD_AGAIN_S 30.0
#define PARK_S 0.1
/* So long images may take to be parsed while the caller waits. */
#define PARSE_S 900.0

struct training
{
  struct db_draft draft;
  const char *dataset_id;
  double held_s;     /* when it was last made busy, monotonic */
  double deadline_s; /* of the dataset, monotonic */
};

/* ---- images to a dataset --------------------------------------------------------------------------- */

/* A line of the list of labels, which is CSV: any category may stand there. */
static enum err
write_label(struct spool_file *labels, const char *name, const char *category,
            struct err_info *info)
{
  struct buf line = {.data = NULL};
  enum err rc = ERR_OK;

  buf_append_text(&line, name);
  buf_append_text(&line, ",\"");
  for (const char *c = category; *c; c++)
  {
    if (*c == '"')
      buf_append(&line, "\"", 1);
    buf_append(&line, c, 1);
  }
  buf_append_text(&line, "\"\n");
  if (line.failed)
    rc = err_set(info, ERR_MEMORY, "out of memory");
  else
    rc = spool_write(labels, line.data, line.length, info);
  buf_free(&line);
  return rc;
}

/* Every image of the draft into the tar, with its category in the list. DB_NONE when all are there; else *info may say
 * what is wrong with a file. */
static enum db_status
pack_files(struct db_conn *conn, const struct db_draft *draft, struct spool_file *tar,
           struct spool_file *labels, struct err_info *info)
{
  struct arena *arenas[2] = {arena_new(0), arena_new(0)};
  struct db_draft_file file = {.upload = ""};
  enum db_status status = arenas[0] && arenas[1] ? DB_ROWS : DB_HARD;
  char name[40];

  for (size_t i = 0; status == DB_ROWS; i++)
  {
    /* the place gone on from lies in the other one */
    struct arena *arena = arenas[i % 2];
    arena_reset(arena);
    status = db_draft_next_file(conn, draft->id, file.upload, file.seq, arena, &file);
    if (status != DB_ROWS)
      break;
    snprintf(name, sizeof name, "%zu", i + 1);
    if (upload_pack_add_bytes(tar, name, file.bytes, file.length, info) != ERR_OK
        || write_label(labels, name, draft->categories[file.category], info) != ERR_OK)
      status = DB_HARD;
  }
  arena_free(arenas[0]);
  arena_free(arenas[1]);
  return status;
}

/* False when it replied. */
static bool
stage(struct http_request *req, struct db_conn *conn, const struct db_draft *draft, const char *id)
{
  struct spool_file tar = {.fd = -1}, labels = {.fd = -1};
  struct err_info info = {.code = ERR_OK};
  enum db_status status = DB_NONE;
  struct ingest_upload upload = {.file = tar.path, .labels = labels.path};
  enum err rc = spool_open(req->server->data_dir, &tar, &info);

  if (rc == ERR_OK)
    rc = spool_open(req->server->data_dir, &labels, &info);
  if (rc == ERR_OK)
  {
    status = pack_files(conn, draft, &tar, &labels, &info);
    rc = info.code;
  }
  if (rc == ERR_OK && status == DB_NONE)
    rc = upload_pack_end(&tar, &info);
  if (rc == ERR_OK && status == DB_NONE)
    rc = spool_close(&tar, &info);
  if (rc == ERR_OK && status == DB_NONE)
    rc = spool_close(&labels, &info);
  if (rc == ERR_OK && status == DB_NONE)
    rc = ingest_queue_stage(req->server->ingest, id, &upload, &info);
  if (rc == ERR_OK && status == DB_NONE)
    return true;
  spool_remove(&tar);
  spool_remove(&labels);
  if (rc == ERR_LIMIT)
    http_reply_error(req, E_STORAGE_FULL, NULL);
  else if (rc != ERR_OK)
    reply_failure(req, &info);
  else
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  return false;
}

/* False when it replied. */
static bool
begin_dataset(struct http_request *req, struct db_conn *conn, struct training *training)
{
  const struct db_draft *draft = &training->draft;
  enum db_status status;
  char id[32];

  db_id_new("ds_", id, sizeof id);
  training->dataset_id = arena_strdup(req->arena, id);
  if (!dataset_ingest_room(req, conn, (uint64_t) draft->bytes) || !stage(req, conn, draft, id))
    return false;
  status = db_dataset_insert(conn, id, req->tenant_id, draft->id, req->server->instance);
  if (status == DB_ROWS)
    status = db_draft_set_dataset(conn, draft->id, id, draft->files);
  if (status != DB_ROWS)
  {
    ingest_queue_discard(req->server->ingest, id);
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
    return false;
  }
  if (ingest_queue_add(req->server->ingest, id) == ERR_OK)
    return true;
  http_reply_busy(req, E_UNAVAILABLE, 5);
  return false;
}

/* Whether an earlier training's dataset has all of its images. */
static bool
is_current(struct http_request *req, struct db_conn *conn, const struct db_draft *draft)
{
  struct db_dataset row;

  return draft->dataset_id && draft->dataset_files == draft->files
         && db_dataset_get(conn, req->tenant_id, draft->dataset_id, 0, req->arena, &row) == DB_ROWS
         && strcmp(row.state, "failed") != 0;
}

/* ---- the job --------------------------------------------------------------------------------------- */

/* Attune's own settings of a training, in the query: how long, or how many trials. False when it replied. */
static bool
read_budget(struct http_request *req, json_t *request)
{
  json_t *budget = json_object();
  double seconds;
  int64_t trials;
  bool fine =
    http_query_number(req, "seconds", 1.0, req->limits->job_seconds, 0.0, &seconds)
    && http_query_integer(req, "trials", 1, (int64_t) req->limits->job_trials, 0, &trials);

  if (fine && seconds > 0.0)
    json_object_set_new(budget, "seconds", json_real(seconds));
  if (fine && trials > 0)
    json_object_set_new(budget, "trials", json_integer(trials));
  if (fine && json_object_size(budget) > 0)
    json_object_set(request, "budget", budget);
  json_decref(budget);
  return fine;
}

/* False when it replied. */
static bool
begin_job(struct http_request *req, struct db_conn *conn, const struct training *training)
{
  const char *id = training->draft.id;
  json_t *request =
    json_pack("{s:s, s:s, s:s}", "dataset", training->dataset_id, "name", id, "deploy_as", id);
  struct job_plan plan;
  bool fine = read_budget(req, request) && job_plan_make(req, conn, request, &plan);
  enum db_status status;

  json_decref(request);
  if (!fine)
    return false;
  /* first its id: a job that the draft does not know of would train unseen */
  status = db_draft_set_job(conn, id, plan.id);
  fine = status == DB_ROWS;
  if (!fine)
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  else
    fine = job_plan_insert(req, conn, &plan);
  job_plan_free(&plan);
  return fine;
}

/* ---- the request ----------------------------------------------------------------------------------- */

/* Whether it can be trained now. False when it replied. */
static bool
check_draft(struct http_request *req, struct db_conn *conn, const struct db_draft *draft)
{
  struct json_faults faults;
  struct db_job job;

  json_faults_init(&faults, req->arena);
  for (size_t i = 0; i < draft->category_count; i++)
    if (draft->counts[i] < 1.0)
      json_fault_add(&faults, json_pointer_index(req->arena, "/categories", i),
                     "POST /api/v2/ImageCategorization/UploadFile/ adds images to a category",
                     "the category \"%s\" has no image", draft->categories[i]);
  if (faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  else if (draft->job_id
           && db_job_get(conn, req->tenant_id, draft->job_id, req->arena, &job) == DB_ROWS
           && job.ended_us == 0)
    http_reply_error(req, E_CONFLICT,
                     arena_printf(req->arena,
                                  "the model is being trained by job %s; wait for its "
                                  "end, or cancel it",
                                  draft->job_id));
  else
    return true;
  return false;
}

/* False when it replied. */
static bool
begin(struct http_request *req, struct db_conn *conn, struct training *training)
{
  const char *id = nanonets_model_id(req, NULL, 0);
  struct db_draft *draft = &training->draft;
  enum db_status status;

  if (!id || !nanonets_draft_find(req, conn, id, draft) || !check_draft(req, conn, draft))
    return false;
  status = db_draft_claim(conn, draft->id, HOLD_S);
  if (status == DB_NONE)
    http_reply_error(req, E_CONFLICT, "its training is just being started by another request");
  else if (status != DB_ROWS)
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  if (status != DB_ROWS)
    return false;
  training->held_s = clock_monotonic_s();
  training->deadline_s = training->held_s + PARSE_S;
  if (is_current(req, conn, draft))
    training->dataset_id = draft->dataset_id;
  else if (!begin_dataset(req, conn, training))
  {
    db_draft_hold(conn, draft->id, 0.0);
    return false;
  }
  return true;
}

/* The dataset is not parsed yet. False when it is time to answer, which it did. */
static bool
may_wait(struct http_request *req, struct db_conn *conn, struct training *training)
{
  double now_s = clock_monotonic_s();

  if (req->server->draining || http_must_answer(req) || now_s > training->deadline_s)
  {
    http_reply_busy(req, req->server->draining ? E_DRAINING : E_UNAVAILABLE, 5);
    return false;
  }
  if (now_s - training->held_s > HOLD_AGAIN_S)
  {
    db_draft_hold(conn, training->draft.id, HOLD_S);
    training->held_s = now_s;
  }
  http_park(req, NULL, PARK_S);
  return true;
}

enum http_outcome
handle_nanonets_train(struct http_request *req)
{
  struct training *training = req->state;
  struct db_conn *conn = http_db(req);
  struct db_dataset row;

  if (!conn)
    return HTTP_REPLIED;
  if (!training)
  {
    training = arena_alloc(req->arena, sizeof *training);
    if (!training)
      http_reply_busy(req, E_UNAVAILABLE, 2);
    if (!training || !begin(req, conn, training))
      return HTTP_REPLIED;
    req->state = training;
  }
  switch (dataset_ingest_look(req, conn, training->dataset_id, &row))
  {
  case DATASET_INGEST_RUNNING:
    if (may_wait(req, conn, training))
      return HTTP_PARK;
    break;
  case DATASET_INGEST_READY:
    if (begin_job(req, conn, training))
    {
      db_draft_hold(conn, training->draft.id, 0.0);
      nanonets_draft_reply(req, conn, training->draft.id);
      return HTTP_REPLIED;
    }
    break;
  case DATASET_INGEST_REPLIED:
  default:
    break;
  }
  db_draft_hold(conn, training->draft.id, 0.0);
  return HTTP_REPLIED;
}
