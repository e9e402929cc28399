#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <sodium.h>
#include <string.h>

#include "base/buf.h"
#include "base/space_json.h"
#include "server/handler/common.h"
#include "server/handler/study.h"
#include "server/json_view.h"
#include "sql/db_tenant.h"

#define WARM_POINTER "/warm_start_from"
#define WARM_MOST 100 /* the best so many trials of an earlier study are taken */

/* ---- what an earlier study found ------------------------------------------------------------------------- */

/* Adds a trial whose parameters are a point of the new space; others are left out. */
static void
add_prior(struct http_request *req, const struct study_spec *spec,
          const struct db_study_trial *trial, double sign, json_t *points, json_t *values)
{
  struct json_faults ignored;
  json_t *params = view_json(trial->params), *point = json_array();
  double *numbers = arena_array(req->arena, spec->space->count, sizeof *numbers);

  json_faults_init(&ignored, req->arena);
  if (numbers && trial->value_count > 0
      && space_point_from_json(spec->space, params, "", numbers, &ignored) == ERR_OK
      && ignored.count == 0)
  {
    for (size_t i = 0; i < spec->space->count; i++)
      json_array_append_new(point, json_real_or_null(numbers[i]));
    json_array_append(points, point);
    json_array_append_new(values, json_real(sign * trial->values[0]));
  }
  json_decref(point);
  json_decref(params);
}

static void
fill_prior(struct http_request *req, json_t *form, const struct study_spec *spec,
           const struct db_study *from, const struct db_study_trial *rows, size_t count,
           bool maximize, struct json_faults *faults)
{
  json_t *points = json_array(), *values = json_array();

  for (size_t i = 0; i < count; i++)
    add_prior(req, spec, &rows[i], maximize ? -1.0 : 1.0, points, values);
  if (count == 0)
    json_fault_add(faults, WARM_POINTER, "wait for its first result, or name another study",
                   "study %s has no finished trial to learn from", from->id);
  else if (json_array_size(points) == 0)
    json_fault_add(faults, WARM_POINTER, "name a study on the same space",
                   "no finished trial of study %s is a point of this space", from->id);
  json_object_set_new(form, "warm_start",
                      json_pack("{s:o, s:o}", "points", points, "values", values));
}

bool
study_warm_fill(struct http_request *req, struct db_conn *conn, json_t *form,
                const struct study_spec *spec, struct json_faults *faults)
{
  const char *id = json_get_string(form, "warm_start_from", NULL);
  struct db_study_trial *rows = NULL;
  struct db_study from;
  enum db_status status;
  json_t *earlier;
  size_t count = 0, directions;
  bool maximize;

  if (!id)
    return true;
  status = db_study_get(conn, req->tenant_id, id, req->arena, &from);
  if (status == DB_NONE)
    json_fault_add(faults, WARM_POINTER, "list yours with GET /api/v1/studies",
                   "there is no study \"%.60s\"", id);
  if (status == DB_NONE)
    return true;
  earlier = status == DB_ROWS ? view_json(from.spec) : NULL;
  directions = json_array_size(json_object_get(earlier, "directions"));
  maximize = directions > 0
             && strcmp(json_string_value(json_array_get(json_object_get(earlier, "directions"), 0)),
                       "maximize")
                  == 0;
  json_decref(earlier);
  if (status == DB_ROWS)
    status = db_study_trial_best(conn, from.id, maximize, WARM_MOST, req->arena, &rows, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
    return false;
  }
  if (directions != 1 || spec->direction_count != 1)
    json_fault_add(faults, WARM_POINTER, "leave it out",
                   "only studies with one direction can learn from each other");
  else
    fill_prior(req, form, spec, &from, rows, count, maximize, faults);
  return true;
}

/* ---- making ------------------------------------------------------------------------------------------------ */

/* A seed that JSON readers with doubles keep exactly. */
static json_int_t
draw_seed(void)
{
  uint64_t bits;
  randombytes_buf(&bits, sizeof bits);
  return (json_int_t) (bits >> 12);
}

static bool
knows_method(const char *method)
{
  const struct search_method_info *lists[] = {search_methods(), search_step_methods()};
  for (size_t i = 0; i < 2; i++)
    for (const struct search_method_info *one = lists[i]; one->name; one++)
      if (strcmp(one->name, method) == 0)
        return true;
  return false;
}

static void
check_method(const struct study_spec *spec, struct json_faults *faults)
{
  if (!knows_method(spec->method))
    json_fault_add(faults, "/method", "GET /api/v1/search-methods lists them",
                   "there is no method \"%.60s\"", spec->method);
}

/* The search itself says what it can't do: a grid too large, steps that make no sense. */
static void
try_search(const struct study_spec *spec, struct json_faults *faults)
{
  struct err_info info = {.code = ERR_OK};
  struct search *search;

  if (study_spec_search(spec, &search, &info))
    json_fault_add(faults, "/method", NULL, "%s", info.text);
  else
    search_free(search);
}

/* Every fault of the request, as far as one does not hide another. False when it replied. */
static bool
check_form(struct http_request *req, struct db_conn *conn, json_t *form, struct json_faults *faults)
{
  struct study_spec spec;
  enum err err = study_spec_read(form, req->arena, &spec, faults);

  if (err == ERR_MEMORY)
  {
    http_reply_error(req, E_INTERNAL, NULL);
    return false;
  }
  check_method(&spec, faults);
  if (faults->count == 0 && !study_warm_fill(req, conn, form, &spec, faults))
    return false;
  if (faults->count == 0)
    try_search(&spec, faults);
  return true;
}

/* The form to be stored (new reference), or NULL when it replied. */
static json_t *
make_form(struct http_request *req, struct db_conn *conn)
{
  struct json_faults faults;
  json_t *form;
  bool replied = false;

  json_faults_init(&faults, req->arena);
  form = study_spec_form(req->json, req->limits, &faults);
  if (form && !json_object_get(form, "seed"))
    json_object_set_new(form, "seed", json_integer(draw_seed()));
  if (form)
    replied = !check_form(req, conn, form, &faults);
  if (!replied && faults.count > 0)
    http_reply_faults(req, E_INVALID, &faults);
  if (!replied && faults.count == 0)
    return form;
  json_decref(form);
  return NULL;
}

struct insertion
{
  const struct http_request *req;
  const char *id, *name, *text;
  size_t count;
  bool too_many;
};

/* The study, if there is room for one more: two requests at once don't both get the last place. One that is there
 * already is this insert's own, run again after a lost answer. */
static enum db_status
insert_study(struct db_conn *conn, void *context)
{
  struct insertion *insertion = context;
  const struct http_request *req = insertion->req;
  struct db_study row;
  enum db_status status = db_tenant_lock(conn, req->tenant_id);

  if (status == DB_ROWS)
    status = db_study_count(conn, req->tenant_id, &insertion->count);
  insertion->too_many = status == DB_ROWS && insertion->count >= req->limits->studies;
  if (insertion->too_many)
  {
    status = db_study_get(conn, req->tenant_id, insertion->id, req->arena, &row);
    insertion->too_many = status == DB_NONE;
    return status;
  }
  if (status == DB_ROWS)
    status = db_study_insert(conn, insertion->id, req->tenant_id, insertion->name, insertion->text);
  return status;
}

static void
create(struct http_request *req, struct db_conn *conn, const json_t *form)
{
  struct buf text = {0};
  struct db_study row;
  char id[32];
  enum db_status status = DB_HARD;

  http_new_id(req, "st_", id, sizeof id);
  json_write(form, &text);
  struct insertion insertion = {
    .req = req, .id = id, .name = json_get_string(req->json, "name", id), .text = text.data};
  if (!text.failed)
    status = db_tx_run(conn, "study_create", insert_study, &insertion);
  buf_free(&text);
  if (insertion.too_many)
  {
    http_reply_quota(req, "studies", insertion.count, req->limits->studies,
                     "Delete a study that is not needed any more.");
    return;
  }
  if (status == DB_ROWS)
    status = db_study_get(conn, req->tenant_id, id, req->arena, &row);
  if (status != DB_ROWS)
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
  else
    http_reply_created(req, 201, arena_printf(req->arena, "/api/v1/studies/%s", id),
                       study_view(&row, form, true));
}

enum http_outcome
handle_studies_post(struct http_request *req)
{
  static const char *const known[] = {NULL};
  struct db_conn *conn;
  json_t *form;

  if (!http_query_known(req, known) || !(conn = http_db(req)) || !(form = make_form(req, conn)))
    return HTTP_REPLIED;
  create(req, conn, form);
  json_decref(form);
  return HTTP_REPLIED;
}
