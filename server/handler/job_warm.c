#include <config.h>

#include "server/handler/job_warm.h"

#include <math.h>
#include <string.h>

#include "server/json_view.h"
#include "sql/db_job.h"

#define POINTER "/search/warm_start_from"
#define BEST_MOST 50
#define OTHERS_MOST 50
#define READ_MOST 2000 /* trials of the earlier job that are looked at */

static void
add_trial(json_t *trials, const struct db_trial *trial)
{
  if (isfinite(trial->objective))
    json_array_append_new(
      trials, json_pack("[s, o, f]", trial->family, view_json(trial->params), trial->objective));
}

/* The best, and an even choice of the others. */
static json_t *
choose_trials(const struct db_trial *rows, size_t count)
{
  json_t *trials = json_array();
  size_t best = count < BEST_MOST ? count : BEST_MOST, rest = count - best;
  size_t others = rest < OTHERS_MOST ? rest : OTHERS_MOST;

  for (size_t i = 0; i < best; i++)
    add_trial(trials, &rows[i]);
  for (size_t i = 0; i < others; i++)
    add_trial(trials, &rows[best + i * rest / others]);
  return trials;
}

bool
job_warm_fill(struct http_request *req, struct db_conn *conn, json_t *request,
              struct json_faults *faults)
{
  json_t *search = json_object_get(request, "search"), *from;
  struct db_trial *rows = NULL;
  enum db_status status;
  struct db_job job;
  size_t count = 0;

  from = json_object_get(search, "warm_start_from");
  if (json_object_get(search, "warm_start") && !json_is_string(from))
    json_fault_add(faults, "/search/warm_start", "name the earlier job as warm_start_from",
                   "unknown member");
  json_object_del(search, "warm_start");
  if (!json_is_string(from) || json_string_length(from) == 0)
    return true;
  status = db_job_get(conn, req->tenant_id, json_string_value(from), req->arena, &job);
  if (status == DB_ROWS)
    status = db_trial_list(conn, req->tenant_id, job.id, DB_TRIAL_BY_SCORE, 0, READ_MOST,
                           req->arena, &rows, &count);
  if (status == DB_NONE)
    json_fault_add(faults, POINTER, "list yours with GET /api/v1/jobs", "there is no job \"%.60s\"",
                   json_string_value(from));
  else if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_JOB_NOT_FOUND);
    return false;
  }
  else if (count == 0)
    json_fault_add(faults, POINTER, "wait for its first trial, or name another job",
                   "job %s has no finished trial to learn from", job.id);
  else
    json_object_set_new(search, "warm_start", choose_trials(rows, count));
  return true;
}
