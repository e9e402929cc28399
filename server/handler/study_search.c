/* What a study's search has learned, about its first direction: importance, slices, pairs, and what is still to be
 * gained. */
#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "server/handler/common.h"
#include "server/handler/search_ask.h"
#include "server/handler/study.h"
#include "server/json_view.h"

/* The stored spec. False when it replied. */
static bool
read_spec(struct http_request *req, const struct db_study *study, struct study_spec *spec)
{
  json_t *form = view_json(study->spec);
  struct json_faults faults;
  struct err_info info;

  json_faults_init(&faults, req->arena);
  enum err err = study_spec_read(form, req->arena, spec, &faults);
  json_decref(form);
  if (!err)
    return true;
  err_set(&info, ERR_INTERNAL, "the stored spec of study %s can't be read: %s", study->id,
          err == ERR_INVALID && faults.kept ? faults.items[0].message : err_name(err));
  reply_failure(req, &info);
  return false;
}

static bool
open_search(struct http_request *req, struct search_json *view)
{
  struct db_conn *conn = http_db(req);
  struct db_insight_trial *trials = NULL;
  struct study_spec spec;
  struct db_study study;
  size_t count = 0;

  if (!conn || !study_find(req, conn, &study) || !read_spec(req, &study, &spec))
    return false;
  enum db_status status = db_study_points(conn, study.id, spec.maximize[0], SEARCH_ASK_TRIALS,
                                          req->arena, &trials, &count);
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_STUDY_NOT_FOUND);
    return false;
  }
  struct search_spec wanted = {.space = spec.space,
                               .seed = spec.seed,
                               .expected_trials = spec.max_trials,
                               .prior_points = spec.prior_points,
                               .prior_values = spec.prior_values,
                               .prior_count = spec.prior_count};
  if (!search_ask_replay(req, &wanted, trials, count, &view->search))
    return false;
  view->space = spec.space;
  view->higher = spec.maximize[0];
  view->next = strcmp(spec.method, "bayes") == 0;
  return true;
}

enum http_outcome
handle_study_importance(struct http_request *req)
{
  return search_ask_importance(req, open_search);
}

enum http_outcome
handle_study_slices(struct http_request *req)
{
  return search_ask_slice(req, open_search);
}

enum http_outcome
handle_study_pairs(struct http_request *req)
{
  return search_ask_pair(req, open_search);
}

enum http_outcome
handle_study_gain(struct http_request *req)
{
  return search_ask_gain(req, open_search);
}
