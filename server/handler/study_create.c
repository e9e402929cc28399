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
