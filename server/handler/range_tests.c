#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "model/family.h"
#include "server/handler/common.h"
#include "server/handler/job_create.h"
#include "server/handler/job_estimate.h"
#include "server/json_view.h"
#include "sql/db_range.h"
#include "sql/db_tenant.h"

#define RATE_LEAST 1e-12
#define RATE_MOST 1e6

/* ---- the answer --------------------------------------------------------------------------------------------- */

/* Everything of the stored result stands beside the rest, null until it is there. */
static json_t *
view_test(const struct db_range_test *row, bool full)
{
  static const char *const told[] = {"end",  "steepest",  "lowest",   "divergence", "suggestion",
                                     "note", "optimizer", "schedule", "momentum",   "batch_size"};
  json_t *spec = view_json(row->spec), *result = view_json(row->result);
  const json_t *seed = json_object_get(json_object_get(spec, "search"), "seed");
  const char *target = json_get_string(spec, "target", NULL);
  json_t *view = json_pack(
    "{s:s, s:s, s:o, s:s, s:i, s:o, s:o, s:s, s:o, s:O}", "id", row->id, "state", row->state, "job",
    view_text(row->job_id), "dataset", row->dataset_id, "dataset_version", row->dataset_version,
    "target", view_text(target), "task", view_text(json_get_string(spec, "task", NULL)), "family",
    row->family, "params", view_json(row->params), "seed", seed);

  if (view)
  {
    json_object_set_new(view, "low", json_real_or_null(json_get_number(result, "low", row->low)));
    json_object_set_new(view, "high",
                        json_real_or_null(json_get_number(result, "high", row->high)));
    json_int_t steps = json_get_integer(result, "steps", row->steps);
    json_object_set_new(view, "steps", steps > 0 ? json_integer(steps) : json_null());
    for (size_t i = 0; i < sizeof told / sizeof told[0]; i++)
    {
      json_t *value = json_object_get(result, told[i]);
      json_object_set_new(view, told[i], value ? json_incref(value) : json_null());
    }
    json_t *curve = json_object_get(result, "curve");
    if (full)
      json_object_set_new(view, "curve", curve ? json_incref(curve) : json_null());
    json_object_set_new(view, "seconds", json_real_or_null(row->seconds));
    json_object_set_new(view, "error", view_json(row->problem));
    json_object_set_new(view, "created_at", view_time(row->created_us));
    json_object_set_new(view, "started_at", view_time(row->started_us));
    json_object_set_new(view, "ended_at", view_time(row->ended_us));
  }
  json_decref(result);
  json_decref(spec);
  return view;
}

static json_t *
item_view(const void *row)
{
  return view_test(row, false);
}

static const char *
item_cursor(struct arena *arena, const void *row)
{
  const struct db_range_test *item = row;
  return db_cursor(arena, item->created_us, item->id);
}

/* ---- the checks --------------------------------------------------------------------------------------------- */

/* Shape and bounds of what is sent; the members that a job has, too, are checked as a job's. */
static void
check_members(const json_t *request, struct json_faults *faults)
{
  static const char *const tasks[] = {"classification", "binary", "multiclass", "regression", NULL};
  static const struct json_field fields[] = {
    {.name = "dataset",
     .kind = JSON_KIND_STRING,
     .required = true,
     .min = 1,
     .max = 200,
     .hint = "the id that POST /api/v1/datasets gave"},
    {.name = "target", .kind = JSON_KIND_STRING, .nullable = true, .min = 1, .max = 1024},
    {.name = "task", .kind = JSON_KIND_STRING, .nullable = true, .choices = tasks},
    {.name = "family",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = 1,
     .max = 200,
     .hint = "a family that trains with a learning rate, such as mlp"},
    {.name = "params", .kind = JSON_KIND_OBJECT, .nullable = true},
    {.name = "seed",
     .kind = JSON_KIND_INTEGER,
     .nullable = true,
     .min = 0,
     .max = 9007199254740992.0,
     .hint = "a whole number from 0 to 2^53"},
    {.name = "low",
     .kind = JSON_KIND_NUMBER,
     .nullable = true,
     .min = RATE_LEAST,
     .max = RATE_MOST,
     .hint = "the learning rate of the first step, such as 1e-6"},
    {.name = "high",
     .kind = JSON_KIND_NUMBER,
     .nullable = true,
     .min = RATE_LEAST,
     .max = RATE_MOST,
     .hint = "the learning rate of the last step, such as 10"},
    {.name = "steps",
     .kind = JSON_KIND_INTEGER,
     .nullable = true,
     .min = MODEL_RANGE_STEPS_LEAST,
     .max = MODEL_RANGE_STEPS_MOST,
     .hint = "leave it out for a hundredth of a whole run"},
    JSON_FIELD_END};
  /* What a rate is by default at either end, whatever the optimizer. */
  double low = json_get_number(request, "low", 1e-6), high = json_get_number(request, "high", 3.0);

  if (json_check(request, fields, "", faults) && !(low < high))
    json_fault_add(faults, json_object_get(request, "high") ? "/high" : "/low",
                   "low is where the rates begin, high where they end",
                   "low must be less than high, which is 3 or more where it is left out");
}

static struct model_data_shape
shape_of(const struct db_dataset *dataset)
{
  json_t *schema = view_json(dataset->schema);
  struct model_data_shape shape = {.kind = strcmp(dataset->kind, "images") == 0 ? DATASET_IMAGES
                                                                                : DATASET_TABLE,
                                   .rows = (size_t) dataset->rows,
                                   .height = (size_t) json_get_count(schema, "height", 0),
                                   .width = (size_t) json_get_count(schema, "width", 0),
                                   .channels = (size_t) json_get_count(schema, "channels", 0)};

  json_decref(schema);
  return shape;
}

/* The family asked for, or the network that fits the data best: the table of families ends with the most special
 * one. NULL after a fault. */
static const char *
choose_family(const json_t *request, const struct db_dataset *dataset, struct arena *arena,
              struct json_faults *faults)
{
  const json_t *asked = json_object_get(request, "family");
  struct model_data_shape shape = shape_of(dataset);
  const char *list = "", *best = NULL;

  for (const struct model_family *one = model_families(); one->name; one++)
    if (one->has_rungs && !one->refuse(&shape))
    {
      best = one->name;
      list = arena_printf(arena, "%s%s%s", list, *list ? ", " : "", one->name);
      if (!list)
        list = "";
    }
  if (!json_is_string(asked))
    return best;
  const struct model_family *family = model_family_find(json_string_value(asked));
  if (!family)
    json_fault_add(faults, "/family", list, "there is no family \"%.60s\"",
                   json_string_value(asked));
  else if (family->refuse(&shape))
    json_fault_add(faults, "/family", list, "%s", family->refuse(&shape));
  else if (!family->has_rungs)
    json_fault_add(faults, "/family", list, "family %s has no learning rate to test", family->name);
  else
    return family->name;
  return NULL;
}

/* The parameters against the table of the family, once the task is known; the engine checks them again. */
static void
check_params(const json_t *request, const char *family, const struct job_plan *plan,
             struct arena *arena, struct json_faults *faults)
{
  struct model_data_shape shape = job_estimate_shape(plan);
  const char *name;
  json_t *value;

  json_object_foreach(json_object_get(request, "params"), name, value)
  {
    const struct family_param *param = family_param_find(family, name, &shape);
    const char *pointer = json_pointer(arena, "/params", name);
    char text[200];
    if (!param && plan->task_known)
      json_fault_add(faults, pointer, "GET /api/v1/families lists what it has",
                     "family %s has no hyperparameter \"%.60s\"", family, name);
    else if (param && family_param_fault(param, value, text, sizeof text))
      json_fault_add(faults, pointer, NULL, "%s %s", name, text);
  }
}

/* ---- making one --------------------------------------------------------------------------------------------- */

/* The request of a job on the same data with this family alone (new reference). */
static json_t *
job_request(const json_t *request, const char *family)
{
  static const char *const shared[] = {"dataset", "target", "task"};
  json_t *job = json_pack("{s:{s:i}, s:{}}", "budget", "trials", 1, "search");
  const json_t *seed = json_object_get(request, "seed");

  for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
    if (json_is_string(json_object_get(request, shared[i])))
      json_object_set(job, shared[i], json_object_get(request, shared[i]));
  if (json_is_integer(seed))
    json_object_set(json_object_get(job, "search"), "seed", (json_t *) seed);
  if (family)
    json_object_set_new(job, "families", json_pack("[s]", family));
  return job;
}

struct insertion
{
  const struct http_request *req;
  const struct db_range_test *test;
  size_t live;
  bool too_many;
};

/* The test, if there is room for one more: two requests at once don't both get the last place. One that is there
 * already is this insert's own, run again after a lost answer. */
static enum db_status
insert_test(struct db_conn *conn, void *context)
{
  struct insertion *insertion = context;
  const struct http_request *req = insertion->req;
  struct db_range_test row;
  enum db_status status = db_tenant_lock(conn, req->tenant_id);

  if (status == DB_ROWS)
    status = db_range_count_live(conn, req->tenant_id, &insertion->live);
  insertion->too_many = status == DB_ROWS && insertion->live >= req->limits->live_jobs;
  if (insertion->too_many)
  {
    status = db_range_get(conn, req->tenant_id, insertion->test->id, req->arena, &row);
    insertion->too_many = status == DB_NONE;
    return status;
  }
  return status == DB_ROWS ? db_range_insert(conn, insertion->test) : status;
}

static void
create(struct http_request *req, struct db_conn *conn, const char *family,
       const struct job_plan *plan)
{
  const json_t *params = json_object_get(req->json, "params");
  struct buf spec = {0}, given = {0};
  struct db_range_test row;
  enum db_status status = DB_HARD;
  json_t *none = json_object();
  char id[32];

  http_new_id(req, "lrt_", id, sizeof id);
  json_write(plan->form, &spec);
  json_write(json_is_object(params) ? params : none, &given);
  struct db_range_test test = {.id = id,
                               .tenant_id = req->tenant_id,
                               .dataset_id = plan->dataset.id,
                               .dataset_version = plan->dataset.version,
                               .spec = spec.data,
                               .family = family,
                               .params = given.data,
                               .low = json_get_number(req->json, "low", NAN),
                               .high = json_get_number(req->json, "high", NAN),
                               .steps = (int) json_get_integer(req->json, "steps", 0)};
  struct insertion insertion = {.req = req, .test = &test};
  if (!spec.failed && !given.failed && none)
    status = db_tx_run(conn, "range_create", insert_test, &insertion);
  buf_free(&spec);
  buf_free(&given);
  json_decref(none);
  if (insertion.too_many)
  {
    http_reply_quota(req, "live_jobs", insertion.live, req->limits->live_jobs,
                     "It holds for range tests by themselves, too: wait until one has ended.");
    return;
  }
  if (status == DB_ROWS)
    status = db_range_get(conn, req->tenant_id, id, req->arena, &row);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_DATASET_NOT_FOUND);
  else
    http_reply_created(req, 202, arena_printf(req->arena, "/api/v1/lr-range-tests/%s", id),
                       view_test(&row, true));
}

/* Checks everything and fills the plan. False when it replied. */
static bool
make_plan(struct http_request *req, struct db_conn *conn, const char **family,
          struct job_plan *plan)
{
  struct json_faults faults;
  struct db_dataset dataset;
  bool fine;

  json_faults_init(&faults, req->arena);
  check_members(req->json, &faults);
  if (!json_is_string(json_object_get(req->json, "dataset")))
  {
    http_reply_faults(req, E_INVALID, &faults);
    return false;
  }
  if (!job_dataset_find(req, conn, req->json, &dataset))
    return false;
  *family = choose_family(req->json, &dataset, req->arena, &faults);
  json_t *job = job_request(req->json, *family);
  fine = job_plan_check(req, conn, job, plan, &faults);
  json_decref(job);
  if (!fine)
    return false;
  check_params(req->json, *family, plan, req->arena, &faults);
  if (faults.count == 0)
    return true;
  http_reply_faults(req, E_INVALID, &faults);
  job_plan_free(plan);
  return false;
}

enum http_outcome
handle_range_tests_post(struct http_request *req)
{
  static const char *const known[] = {NULL};
  struct db_conn *conn;
  struct job_plan plan;
  const char *family;

  if (!http_query_known(req, known) || !(conn = http_db(req))
      || !make_plan(req, conn, &family, &plan))
    return HTTP_REPLIED;
  create(req, conn, family, &plan);
  job_plan_free(&plan);
  return HTTP_REPLIED;
}

enum http_outcome
handle_range_tests_list(struct http_request *req)
{
  static const struct list_kind kind = {sizeof(struct db_range_test), item_view, item_cursor};
  struct db_conn *conn;
  struct list_page page;
  struct db_range_test *rows = NULL;
  enum db_status status;
  size_t count = 0;

  if (!list_page_read(req, &page) || !(conn = http_db(req)))
    return HTTP_REPLIED;
  status =
    db_range_list(conn, req->tenant_id, page.cursor, page.limit + 1, req->arena, &rows, &count);
  reply_page(req, &page, status, rows, count, &kind);
  return HTTP_REPLIED;
}

enum http_outcome
handle_range_tests_get(struct http_request *req)
{
  struct db_conn *conn = http_db(req);
  struct db_range_test row;
  enum db_status status;

  if (!conn)
    return HTTP_REPLIED;
  status = db_range_get(conn, req->tenant_id, http_arg(req, "range_test"), req->arena, &row);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_RANGE_TEST_NOT_FOUND);
  else
    http_reply_json(req, 200, view_test(&row, true));
  return HTTP_REPLIED;
}
