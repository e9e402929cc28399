/* What a new study learns from an earlier study or job. */
#include <config.h>

#include <math.h>
#include <string.h>

#include "base/space_json.h"
#include "server/handler/common.h"
#include "server/handler/study.h"
#include "server/json_view.h"
#include "sql/db_job.h"

#define WARM_POINTER "/warm_start_from"
#define WARM_MOST 100 /* the best so many trials of the earlier one are taken */

struct warm
{
  struct http_request *req;
  const struct study_spec *spec;
  json_t *points, *values;
  size_t trials; /* that were offered */
};

/* A trial's value of a parameter, also of one that a job's space names "family.param". */
static const json_t *
find_param(const json_t *params, const char *family, const char *name)
{
  size_t prefix = family ? strlen(family) : 0;
  const json_t *value = json_object_get(params, name);

  if (!value && prefix > 0 && strncmp(name, family, prefix) == 0 && name[prefix] == '.')
    value = json_object_get(params, name + prefix + 1);
  return value;
}

/* Adds a trial as the point of the new space that is nearest to it; left out where they have no parameter in common.
 * `family` is NULL for a study's. Lower values are better. */
static void
add_trial(struct warm *warm, const char *text, const char *family, double value)
{
  const struct space *space = warm->spec->space;
  double *point = arena_array(warm->req->arena, space->count, sizeof *point);
  json_t *params = view_json(text), *row;
  size_t common = 0;

  warm->trials++;
  for (size_t i = 0; point && i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    const json_t *found = find_param(params, family, param->name);
    point[i] = found ? space_value_near_json(param, found) : NAN;
    common += !isnan(point[i]) && space_param_levels(param) > 1.0;
  }
  json_decref(params);
  if (!point || common == 0 || !isfinite(value))
    return;
  space_repair(space, point);
  row = json_array();
  for (size_t i = 0; i < space->count; i++)
    json_array_append_new(row, json_real_or_null(point[i]));
  json_array_append_new(warm->points, row);
  json_array_append_new(warm->values, json_real(value));
}

/* Whether a study maximises, by its first direction; *many: it has not just one. */
static bool
is_maximised(const char *spec, bool *many)
{
  json_t *form = view_json(spec);
  const json_t *directions = json_object_get(form, "directions");
  const char *first = json_string_value(json_array_get(directions, 0));
  bool maximised = first && strcmp(first, "maximize") == 0;

  *many = json_array_size(directions) != 1;
  json_decref(form);
  return maximised;
}

static enum db_status
read_study(struct warm *warm, struct db_conn *conn, const char *id, struct json_faults *faults)
{
  struct db_study_trial *rows = NULL;
  struct db_study from;
  size_t count = 0;
  bool many;
  enum db_status status = db_study_get(conn, warm->req->tenant_id, id, warm->req->arena, &from);

  if (status == DB_NONE)
    json_fault_add(faults, WARM_POINTER, "list yours with GET /api/v1/studies",
                   "there is no study \"%.60s\"", id);
  if (status != DB_ROWS)
    return status;
  bool maximised = is_maximised(from.spec, &many);
  if (many)
  {
    json_fault_add(faults, WARM_POINTER, "leave it out",
                   "only studies with one direction can learn from each other");
    return DB_NONE;
  }
  status =
    db_study_trial_best(conn, from.id, maximised, WARM_MOST, warm->req->arena, &rows, &count);
  for (size_t i = 0; i < count; i++)
    if (rows[i].value_count > 0)
      add_trial(warm, rows[i].params, NULL, maximised ? -rows[i].values[0] : rows[i].values[0]);
  return status;
}

static enum db_status
read_job(struct warm *warm, struct db_conn *conn, const char *id, struct json_faults *faults)
{
  struct db_trial *rows = NULL;
  size_t count = 0;
  enum db_status status = db_trial_list(conn, warm->req->tenant_id, id, DB_TRIAL_BY_SCORE, 0,
                                        WARM_MOST, warm->req->arena, &rows, &count);

  if (status == DB_NONE)
    json_fault_add(faults, WARM_POINTER, "list yours with GET /api/v1/jobs",
                   "there is no job \"%.60s\"", id);
  for (size_t i = 0; i < count; i++)
    add_trial(warm, rows[i].params, rows[i].family, rows[i].objective);
  return status;
}

bool
study_warm_fill(struct http_request *req, struct db_conn *conn, json_t *form,
                const struct study_spec *spec, struct json_faults *faults)
{
  const char *id = json_get_string(form, "warm_start_from", NULL);
  struct warm warm = {.req = req, .spec = spec};
  size_t before = faults->count;

  if (!id)
    return true;
  if (spec->direction_count != 1)
  {
    json_fault_add(faults, WARM_POINTER, "leave it out",
                   "only a study with one direction can learn from another");
    return true;
  }
  warm.points = json_array();
  warm.values = json_array();
  bool is_job = strncmp(id, "job_", 4) == 0;
  enum db_status status =
    is_job ? read_job(&warm, conn, id, faults) : read_study(&warm, conn, id, faults);
  if (status >= DB_NONE && faults->count == before && warm.trials == 0)
    json_fault_add(faults, WARM_POINTER, "wait for its first result, or name another one",
                   "%.60s has no finished trial to learn from", id);
  else if (status >= DB_NONE && faults->count == before && json_array_size(warm.points) == 0)
    json_fault_add(faults, WARM_POINTER, "name one that searched some of the same parameters",
                   "no finished trial of %.60s has a parameter in common with this space", id);
  json_object_set_new(form, "warm_start",
                      json_pack("{s:o, s:o}", "points", warm.points, "values", warm.values));
  if (status >= DB_NONE)
    return true;
  http_reply_db(req, status, E_STUDY_NOT_FOUND);
  return false;
}
