#include <config.h>

#include "server/handler/job_create.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "search/search.h"
#include "server/dataset_cache.h"
#include "server/handler/common.h"
#include "server/handler/job_base.h"
#include "server/handler/job_estimate.h"
#include "server/handler/job_warm.h"
#include "server/handler/job_rows.h"
#include "server/json_view.h"
#include "server/names.h"
#include "sql/db_job.h"
#include "sql/db_tenant.h"

/* A dataset that is not on this machine is fetched for the full check only when it is small: the engine
 * checks again anyway. */
#define CHECK_BYTES (INT64_C(64) << 20)
/* More rows than this would be sorted by group, time and content for too long, and take too much memory. */
#define SPLIT_ROWS 5000000u

/* A seed that JSON readers with doubles keep exactly. */
static json_int_t
draw_seed(void)
{
  uint64_t bits;
  randombytes_buf(&bits, sizeof bits);
  return (json_int_t) (bits >> 12);
}

bool
job_dataset_find(struct http_request *req, struct db_conn *conn, const json_t *request,
                 struct db_dataset *row)
{
  const json_t *id = json_object_get(request, "dataset");
  enum db_status status;

  if (!json_is_string(id))
  {
    reply_fault(req, E_INVALID, "/dataset", "send the id that POST /api/v1/datasets gave",
                id ? "must be a string" : "is missing");
    return false;
  }
  status = db_dataset_get(conn, req->tenant_id, json_string_value(id), 0, req->arena, row);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
  else if (strcmp(row->state, "ready") != 0)
    http_reply_error(req, E_DATASET_NOT_READY,
                     arena_printf(req->arena, "dataset %s is %s", row->id, row->state));
  else
    return true;
  return false;
}

/* The name asked for, else the dataset's; and the model's name: asked for, like the job's name where the
 * caller gave one, else the job's id, so that no model in use is ever replaced by accident. */
static void
complete_names(struct http_request *req, json_t *request, struct job_plan *plan)
{
  const char *asked = json_get_string(request, "name", NULL), *model = NULL;

  plan->name = arena_strdup(req->arena, asked ? asked : plan->dataset.name);
  if (json_is_string(json_object_get(request, "deploy_as")))
    return;
  if (json_object_get(request, "deploy_as") && !json_is_null(json_object_get(request, "deploy_as")))
    return; /* of a wrong kind: the check says so */
  if (asked)
    model = name_model_from(req->arena, asked);
  json_object_set_new(request, "deploy_as", json_string(model ? model : plan->id));
}

static void
complete_seed(json_t *request)
{
  json_t *search = json_object_get(request, "search"), *seed;

  if (!search || json_is_null(search))
  {
    json_object_set_new(request, "search", json_object());
    search = json_object_get(request, "search");
  }
  seed = json_object_get(search, "seed");
  if (json_is_object(search) && (!seed || json_is_null(seed)))
    json_object_set_new(search, "seed", json_integer(draw_seed()));
}

/* ---- the check against the rows -------------------------------------------------------------------- */

/* Number of rows per class; NULL for regression. */
static size_t *
count_classes(struct arena *arena, const struct task *task, const struct dataset *dataset)
{
  size_t *counts = task->class_count ? arena_array(arena, task->class_count, sizeof *counts) : NULL;

  for (size_t row = 0; counts && row < dataset_row_count(dataset); row++)
  {
    int32_t class = task_class_of(task, dataset, row);
    if (class >= 0 && (size_t) class < task->class_count)
      counts[class]++;
  }
  return counts;
}

static void
check_task(struct job_plan *plan, const struct dataset *dataset, struct arena *arena,
           struct json_faults *faults)
{
  const struct job_spec *spec = plan->spec;
  struct err_info info = {.code = ERR_OK};
  enum metric metric;

  if (task_make(dataset, spec->target, spec->task_name, arena, &plan->task, &info) != ERR_OK)
  {
    json_fault_add(faults, "/target", NULL, "%s", info.text);
    return;
  }
  plan->task_known = true;
  metric = spec->has_metric
             ? spec->metric
             : metric_default(&plan->task, count_classes(arena, &plan->task, dataset));
  job_rows_check(spec, dataset, &plan->task, metric, arena, faults);
  if (plan->dataset.bytes <= CHECK_BYTES
      || ((spec->group_column || spec->time_column) && dataset_row_count(dataset) <= SPLIT_ROWS))
    plan->split_known = job_rows_split(spec, dataset, &plan->task, arena, &plan->split, faults);
  json_object_set_new(plan->form, "metric", json_string(metric_name(metric)));
  json_object_set_new(plan->form, "task", json_string(task_kind_name(plan->task.kind)));
}

/* False when it replied. */
static bool
check_rows(struct http_request *req, struct db_conn *conn, struct job_plan *plan,
           struct json_faults *faults)
{
  struct dataset_cache *cache = req->server->datasets;
  struct err_info info = {.code = ERR_OK};
  struct dataset *dataset;

  if (plan->dataset.bytes > CHECK_BYTES && !dataset_cache_has(cache, plan->dataset.sha256))
    return true;
  if (dataset_cache_open(cache, conn, &plan->dataset, &dataset, &info) != ERR_OK)
  {
    reply_failure(req, &info);
    return false;
  }
  check_task(plan, dataset, req->arena, faults);
  dataset_close(dataset);
  return true;
}

/* ---- making ---------------------------------------------------------------------------------------- */

/* A table needs a column to learn from; images have no column to name. */
static void
check_kind(const struct job_plan *plan, const json_t *request, struct json_faults *faults)
{
  const char *target = json_get_string(request, "target", "");
  bool usable = false;
  size_t index;
  json_t *column;

  if (strcmp(plan->dataset.kind, "images") == 0)
  {
    if (*target)
      json_fault_add(faults, "/target", "leave it out: the labels are the target",
                     "a set of images has no columns");
    return;
  }
  json_array_foreach(json_object_get(plan->schema, "columns"), index, column)
  {
    const char *type = json_get_string(column, "type", "");
    const char *name = json_get_string(column, "name", "");
    bool varies = json_get_number(column, "distinct", 2.0) > 1.0
                  || (json_get_number(column, "distinct", 2.0) > 0.0
                      && json_get_number(column, "missing", 0.0) > 0.0);
    usable = usable || (varies && strcmp(name, target) != 0 && strcmp(type, "identifier") != 0);
  }
  if (!usable)
    json_fault_add(
      faults, "/dataset",
      "add columns, or correct their types with PATCH /api/v1/datasets/{dataset}/schema",
      "no column is left to learn from: all but the target are identifiers or the same in every "
      "row");
}

/* Decides for a part held out in place of folds, where that is to be. The job keeps it: it is not split anew when its time
 * is extended. */
static bool
hold_out(const struct http_request *req, struct job_plan *plan)
{
  double share = job_estimate_holdout(req, plan);

  if (share <= 0.0)
    return true;
  plan->spec->holdout = share;
  return json_object_set_new(json_object_get(plan->form, "validation"), "holdout", json_real(share))
         == 0;
}

static bool
make_spec(struct http_request *req, const json_t *request, struct job_plan *plan,
          struct json_faults *faults)
{
  struct job_spec_context context = {
    .dataset_schema = plan->schema,
    .methods = search_method_names(req->arena),
    .max_seconds = req->limits->job_seconds,
    .max_trials = req->limits->job_trials,
  };
  enum err rc = job_spec_from_json(request, &context, req->arena, &plan->spec, faults);

  check_kind(plan, request, faults);
  if (plan->name && !name_is_title(plan->name))
    json_fault_add(faults, "/name", NULL, "a name has 1 to 200 bytes, without control characters");
  if (rc == ERR_OK && faults->count == 0)
  {
    plan->form = job_spec_to_json(plan->spec);
    if (plan->form && hold_out(req, plan))
      return true;
    rc = ERR_MEMORY;
  }
  if (faults->count > 0)
    http_reply_faults(req, E_INVALID, faults);
  else
    reply_failure(req, &(struct err_info){.code = rc, .text = "the job could not be checked"});
  return false;
}

bool
job_plan_make(struct http_request *req, struct db_conn *conn, const json_t *request,
              struct job_plan *plan)
{
  struct json_faults faults;

  json_faults_init(&faults, req->arena);
  return job_plan_check(req, conn, request, plan, &faults);
}

bool
job_plan_check(struct http_request *req, struct db_conn *conn, const json_t *request,
               struct job_plan *plan, struct json_faults *faults)
{
  char id[32];
  bool fine;

  memset(plan, 0, sizeof *plan);
  http_new_id(req, "job_", id, sizeof id);
  plan->id = arena_strdup(req->arena, id);
  if (!json_is_object(request))
  {
    reply_fault(req, E_INVALID, "", "send {\"dataset\": \"ds_…\", \"target\": \"…\"}",
                "the body must be a JSON object");
    return false;
  }
  if (!job_dataset_find(req, conn, request, &plan->dataset))
    return false;
  plan->owned = json_pack("[o, o]", json_deep_copy(request), view_json(plan->dataset.schema));
  if (!plan->owned || json_array_size(plan->owned) != 2)
  {
    http_reply_error(req, E_INTERNAL, NULL);
    return false;
  }
  plan->schema = json_array_get(plan->owned, 1);
  if (!webhook_wish_take(req, json_array_get(plan->owned, 0), &plan->webhook))
  {
    job_plan_free(plan);
    return false;
  }
  complete_names(req, json_array_get(plan->owned, 0), plan);
  complete_seed(json_array_get(plan->owned, 0));
  fine = job_warm_fill(req, conn, json_array_get(plan->owned, 0), faults)
         && job_base_fill(req, conn, json_array_get(plan->owned, 0), faults)
         && make_spec(req, json_array_get(plan->owned, 0), plan, faults)
         && check_rows(req, conn, plan, faults);
  if (fine)
  {
    plan->origin.warm_start_from = plan->spec->warm_start_from;
    job_estimate_check(req, plan, faults);
  }
  if (fine && faults->count > 0)
  {
    http_reply_faults(req, E_INVALID, faults);
    fine = false;
  }
  if (!fine)
    job_plan_free(plan);
  return fine;
}

void
job_plan_free(struct job_plan *plan)
{
  json_decref(plan->form);
  json_decref(plan->owned);
  plan->form = plan->owned = NULL;
}

struct insertion
{
  const struct http_request *req;
  struct job_plan *plan;
  const char *text;
  size_t live;
  bool too_many;
};

/* Whether there is room for one more job: two requests at once don't both get the last place. A job that is there
 * already is this insert's own, run again after a lost answer. */
static enum db_status
check_live(struct db_conn *conn, struct insertion *insertion)
{
  const struct http_request *req = insertion->req;
  struct db_job job;
  enum db_status status = db_tenant_lock(conn, req->tenant_id);
  if (status == DB_ROWS)
    status = db_job_count_live(conn, req->tenant_id, &insertion->live);
  insertion->too_many = status == DB_ROWS && insertion->live >= req->limits->live_jobs;
  if (!insertion->too_many)
    return status;
  status = db_job_get(conn, req->tenant_id, insertion->plan->id, req->arena, &job);
  insertion->too_many = status == DB_NONE;
  return status;
}

/* The job, and the webhook of its end. */
static enum db_status
insert_plan(struct db_conn *conn, void *context)
{
  struct insertion *insertion = context;
  struct job_plan *plan = insertion->plan;
  const char *tenant_id = insertion->req->tenant_id;
  struct db_job_origin origin = plan->origin;
  origin.by = insertion->req->key_id;
  enum db_status status = check_live(conn, insertion);
  if (status == DB_ROWS)
    status = db_job_insert_from(conn, plan->id, tenant_id, plan->name, plan->dataset.id,
                                plan->dataset.version, insertion->text, &origin);
  if (status == DB_ROWS)
    status = webhook_wish_insert(conn, &plan->webhook, tenant_id, plan->id, insertion->req->arena);
  return status;
}

bool
job_plan_insert(struct http_request *req, struct db_conn *conn, struct job_plan *plan)
{
  struct buf text = {0};

  json_write(plan->form, &text);
  struct insertion insertion = {.req = req, .plan = plan, .text = text.data};
  enum db_status status =
    text.failed ? DB_HARD : db_tx_run(conn, "job_create", insert_plan, &insertion);
  buf_free(&text);
  if (insertion.too_many)
    http_reply_quota(req, "live_jobs", insertion.live, req->limits->live_jobs,
                     "Wait until a job has ended, or cancel one.");
  else if (status != DB_ROWS)
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
  return status == DB_ROWS;
}
