#include <config.h>

#include "server/handler/predict_call.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "server/handler/common.h"
#include "server/handler/predict_explain.h"
#include "server/handler/predict_log.h"
#include "server/handler/predict_reply.h"
#include "server/handler/predict_unusual.h"
#include "server/shadow.h"

/* What may be done on the event thread. */
#define FAST_US 1000.0
/* One answer's numbers: above it the call must be split. */
#define OUTPUTS_MAX ((size_t) 4 << 20)
/* A model pushed out of the cache between passes is loaded again; not for ever. */
#define PASSES_MAX 6
#define POOL_WAIT_S 2.0
/* Rows of so large a model share a pass with the other calls that are there already. Weights that do not stay
 * in the core's own cache cost their way from memory's side again for every pass: 2.3 MB, five networks of
 * 784-128-128-2, take 22 us for one row and 6.3 us for each of eight, and to put a call off until the others
 * are read costs about 2 us. Weights within it gain less than that, trees and convolutions nothing. */
#define GATHER_BYTES ((size_t) 1 << 20)

enum where
{
  ON_EVENT_THREAD,
  ON_WAITING_POOL,
  ON_CPU_POOL
};

struct predict_call
{
  enum where where;
  const struct predict_dialect *dialect;
  struct model_path path;
  /* of one that is gathered: all but the prediction is done */
  struct model_ref ref;
  struct model_about about;
  struct predict_input input;
};

static enum http_outcome
go_to(struct predict_call *call, enum where where)
{
  call->where = where;
  return where == ON_CPU_POOL ? HTTP_COMPUTE : HTTP_WAIT;
}

bool
predict_call_load(struct http_request *req, const struct model_path *path, struct model_ref *ref)
{
  struct server *server = req->server;
  struct db_conn *conn = NULL;
  struct err_info info = {.code = ERR_OK};
  enum err rc;

  /* without a database what is cached still answers */
  if (db_acquire(server->db, POOL_WAIT_S, &conn, &info) != ERR_OK)
    conn = NULL;
  rc = model_cache_get(server->models, conn, req->tenant_id, path->name, path->version, path->alias,
                       ref, &info);
  if (conn)
    db_release(server->db, conn);
  if (rc == ERR_OK)
    return true;
  if (rc == ERR_NOT_FOUND)
    http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
  else
    reply_failure(req, &info);
  return false;
}

/* ---- predicting ------------------------------------------------------------------------------------ */

static enum err
run_model(struct http_request *req, struct model_ref *ref, const struct model_about *about,
          const struct predict_input *input, float *outputs, struct err_info *info)
{
  struct model_workspace *workspace = model_cache_workspace_take(req->server->models);
  double started = clock_monotonic_s();
  enum err rc;

  if (!workspace)
    return err_set(info, ERR_UNAVAILABLE, "out of memory");
  if (about->input == DATASET_IMAGES)
    rc =
      model_predict_images(ref->model, workspace, input->pixels, input->good_count, outputs, info);
  else
    rc = model_predict_table(ref->model, workspace, row_batch_table(input->batch), input->good,
                             input->good_count, outputs, info);
  model_cache_workspace_give(req->server->models, workspace);
  if (rc == ERR_OK)
    model_cache_measured(ref, 1e6 * (clock_monotonic_s() - started) / (double) input->good_count);
  return rc;
}

/* Has the alias' shadow answer, too; the caller has its answer already. */
static void
compare_shadow(struct http_request *req, const struct model_ref *ref,
               const struct model_about *about, const struct predict_input *input,
               const float *outputs)
{
  const struct predict_call *call = req->state;
  struct shadow_call shadow = {
    .tenant_id = req->tenant_id,
    .model_id = ref->model_id,
    .alias = call->path.alias ? call->path.alias : "best",
    .version = ref->shadow,
    .about = about,
    .table = input->batch ? row_batch_table(input->batch) : NULL,
    .rows = input->batch ? input->good : NULL,
    .pixels = input->pixels,
    .count = input->good_count,
    .outputs = outputs,
  };
  shadows_submit(req->server->shadows, &shadow);
}

/* Whether there are rows to predict, and not too many; else it replied. */
static bool
check_rows(struct http_request *req, const struct predict_dialect *dialect,
           const struct model_about *about, const struct predict_input *input)
{
  struct json_faults faults;

  if (input->good_count == 0 || (dialect->whole && input->good_count < input->count))
  {
    json_faults_init(&faults, req->arena);
    predict_faults_gather(input, &faults);
    http_reply_faults(req, E_INVALID, &faults);
    return false;
  }
  if (input->good_count > OUTPUTS_MAX / about->task->output_count)
  {
    http_reply_error(req, E_TOO_LARGE,
                     arena_printf(req->arena, "send at most %zu rows at once",
                                  OUTPUTS_MAX / about->task->output_count));
    return false;
  }
  return true;
}

/* What follows the prediction. */
static void
finish(struct http_request *req, const struct predict_dialect *dialect, struct model_ref *ref,
       const struct model_about *about, struct predict_input *input, float *outputs)
{
  char id[32];

  if (!predict_unusual(req, about, input) || !predict_explain(req, ref, about, outputs, input))
    return;
  db_id_new_often("prd_", id, sizeof id);
  req->predicted_rows = input->good_count;
  dialect->reply(req, ref, about, id, input, outputs);
  predict_log(req, ref, about, id, input, outputs);
  if (ref->shadow)
    compare_shadow(req, ref, about, input, outputs);
}

static void
predict(struct http_request *req, const struct predict_dialect *dialect, struct model_ref *ref,
        const struct model_about *about, struct predict_input *input)
{
  struct err_info info = {.code = ERR_OK};
  float *outputs;

  if (!check_rows(req, dialect, about, input))
    return;
  outputs = malloc(input->good_count * about->task->output_count * sizeof *outputs);
  if (!outputs)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else if (run_model(req, ref, about, input, outputs, &info) != ERR_OK)
    reply_failure(req, &info);
  else
    finish(req, dialect, ref, about, input, outputs);
  free(outputs);
}

/* ---- several calls in one pass ----------------------------------------------------------------------- */

static bool
may_gather(const struct predict_call *call, const struct model_ref *ref,
           const struct predict_input *input)
{
  return call->where == ON_EVENT_THREAD && input->batch && input->count == 1
         && input->good_count == 1 && model_pass_bytes(ref->model) >= GATHER_BYTES
         && http_gather_worth();
}

/* Calls of one turn that want the same version, each with a row. */
static void
predict_together(struct http_request *const *requests, size_t count)
{
  struct predict_call *first = requests[0]->state;
  struct server *server = requests[0]->server;
  size_t width = first->about.task->output_count;
  const struct table **tables = malloc(count * sizeof *tables);
  float *outputs = malloc(count * width * sizeof *outputs);
  struct model_workspace *workspace = model_cache_workspace_take(server->models);
  struct err_info info = {.code = ERR_OK};
  double started = clock_monotonic_s();
  enum err rc = tables && outputs && workspace ? ERR_OK : ERR_UNAVAILABLE;

  for (size_t i = 0; rc == ERR_OK && i < count; i++)
    tables[i] = row_batch_table(((const struct predict_call *) requests[i]->state)->input.batch);
  if (rc == ERR_OK)
    rc = model_predict_singles(first->ref.model, workspace, tables, count, outputs, &info);
  else
    err_set(&info, ERR_UNAVAILABLE, "out of memory");
  if (workspace)
    model_cache_workspace_give(server->models, workspace);
  if (rc == ERR_OK)
    model_cache_measured(&first->ref, 1e6 * (clock_monotonic_s() - started) / (double) count);
  for (size_t i = 0; i < count; i++)
  {
    struct predict_call *call = requests[i]->state;
    if (rc == ERR_OK)
      finish(requests[i], call->dialect, &call->ref, &call->about, &call->input,
             outputs + i * width);
    else
      reply_failure(requests[i], &info);
  }
  free(outputs);
  free(tables);
}

static void
let_go(struct http_request *req)
{
  struct predict_call *call = req->state;

  predict_input_free(&call->input);
  model_cache_release(req->server->models, &call->ref);
}

void
handle_gathered(struct http_request *const *requests, size_t count)
{
  struct http_request *left[GATHERED_MAX], *same[GATHERED_MAX];
  size_t left_count = count;

  memcpy(left, requests, count * sizeof *left);
  while (left_count > 0)
  {
    const struct model *model = ((const struct predict_call *) left[0]->state)->ref.model;
    size_t same_count = 0, kept = 0;
    for (size_t i = 0; i < left_count; i++)
      if (((const struct predict_call *) left[i]->state)->ref.model == model)
        same[same_count++] = left[i];
      else
        left[kept++] = left[i];
    predict_together(same, same_count);
    for (size_t i = 0; i < same_count; i++)
      let_go(same[i]);
    left_count = kept;
  }
}

/* With the model at hand: the answer, or off to where there is time for it. HTTP_GATHER has taken the reference. */
static enum http_outcome
answer(struct http_request *req, struct predict_call *call, struct model_ref *ref)
{
  double budget_us = call->where == ON_CPU_POOL || req->pass >= PASSES_MAX ? INFINITY : FAST_US;
  enum http_outcome outcome = HTTP_REPLIED;
  struct predict_input input;
  struct model_about about;

  model_about(ref->model, &about);
  memset(&input, 0, sizeof input);
  input.threshold = input.interval = NAN;
  switch (call->dialect->read(req, &about, ref->us_per_row, budget_us, &input))
  {
  case PREDICT_READ:
    if (input.explain.wanted && isfinite(budget_us))
    {
      outcome = go_to(call, ON_CPU_POOL);
      break;
    }
    if (!isnan(input.threshold))
      about.decision = (struct decision){.has_threshold = true, .threshold = input.threshold};
    if (may_gather(call, ref, &input))
    {
      call->ref = *ref;
      call->about = about;
      call->input = input;
      return HTTP_GATHER;
    }
    predict(req, call->dialect, ref, &about, &input);
    break;
  case PREDICT_DEAR:
    outcome = go_to(call, ON_CPU_POOL);
    break;
  case PREDICT_REPLIED:
  default:
    break;
  }
  predict_input_free(&input);
  return outcome;
}

enum http_outcome
predict_call_serve(struct http_request *req, const struct predict_dialect *dialect,
                   const struct model_path *path)
{
  struct predict_call *call = req->state;
  struct model_ref ref = {.entry = NULL};
  enum http_outcome outcome;

  if (!call)
  {
    call = arena_alloc(req->arena, sizeof *call);
    if (!call)
    {
      http_reply_busy(req, E_UNAVAILABLE, 2);
      return HTTP_REPLIED;
    }
    *call = (struct predict_call){.where = ON_EVENT_THREAD, .dialect = dialect, .path = *path};
    req->state = call;
  }
  if (!model_cache_peek(req->server->models, req->tenant_id, call->path.name, call->path.version,
                        call->path.alias, &ref))
  {
    if (call->where != ON_WAITING_POOL)
      return go_to(call, ON_WAITING_POOL);
    if (!predict_call_load(req, &call->path, &ref))
      return HTTP_REPLIED;
  }
  outcome = answer(req, call, &ref);
  if (outcome != HTTP_GATHER)
    model_cache_release(req->server->models, &ref);
  return outcome;
}
