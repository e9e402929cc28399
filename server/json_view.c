#include <config.h>

#include "server/json_view.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"

json_t *
view_time(int64_t unix_us)
{
  char text[32];

  if (unix_us == 0)
    return json_null();
  clock_format_rfc3339(unix_us, text, sizeof text);
  return json_string(text);
}

json_t *
view_text(const char *text)
{
  return text ? json_string(text) : json_null();
}

json_t *
view_json(const char *text)
{
  json_t *value = text ? json_load_wide(text, strlen(text), JSON_DECODE_ANY, NULL) : NULL;
  return value ? value : json_null();
}

static json_t *
view_count(int64_t count)
{
  return json_integer((json_int_t) count);
}

/* ---- datasets ------------------------------------------------------------------------------------- */

json_t *
view_dataset(const struct db_dataset *row)
{
  json_t *view = json_object(), *schema = view_json(row->schema), *value;
  const char *name;

  json_object_set_new(view, "id", json_string(row->id));
  json_object_set_new(view, "name", json_string(row->name));
  json_object_set_new(view, "state", json_string(row->state));
  json_object_set_new(view, "version", json_integer(row->version));
  json_object_set_new(view, "kind", view_text(row->kind));
  json_object_set_new(view, "created_at", view_time(row->created_us));
  if (row->kind)
  {
    char digest[65];
    text_hex_encode(row->sha256, sizeof row->sha256, digest);
    json_object_set_new(view, "rows", view_count(row->rows));
    json_object_set_new(view, "bytes", view_count(row->bytes));
    json_object_set_new(view, "sha256", json_string(digest));
  }
  if (row->problem)
    json_object_set_new(view, "error", view_json(row->problem));
  /* columns, or height, width, channels, classes; warnings */
  json_object_foreach(schema, name, value)
  {
    if (!json_object_get(view, name))
      json_object_set(view, name, value);
  }
  json_decref(schema);
  return view;
}

/* ---- jobs ----------------------------------------------------------------------------------------- */

static bool
job_has_ended(const struct db_job *row)
{
  return strcmp(row->state, "succeeded") == 0 || strcmp(row->state, "failed") == 0
         || strcmp(row->state, "cancelled") == 0;
}

struct view_progress
view_job_progress(const struct db_job *row, const json_t *spec)
{
  struct view_progress result = {.progress = 0.0, .elapsed_s = 0.0, .eta_s = NAN};
  const json_t *budget = json_object_get(spec, "budget");
  double seconds = json_get_number(budget, "seconds", 0.0);
  double trials = json_get_number(budget, "trials", 0.0);
  int ended = row->trials_done + row->trials_pruned + row->trials_failed + row->trials_cancelled
              + row->trials_paused; /* most of them have had their turn */

  result.elapsed_s = row->elapsed_s;
  if (job_has_ended(row))
  {
    result.progress = 1.0;
    result.eta_s = 0.0;
    return result;
  }
  if (seconds > 0.0)
  {
    result.progress = result.elapsed_s / seconds;
    result.eta_s = fmax(seconds - result.elapsed_s, 0.0);
  }
  if (trials > 0.0)
  {
    result.progress = fmax(result.progress, (double) ended / trials);
    if (ended > 0)
      result.eta_s = fmin(isnan(result.eta_s) ? INFINITY : result.eta_s,
                          result.elapsed_s / ended * fmax(trials - ended, 0.0));
  }
  /* the end is reached only when the model is stored */
  if (strcmp(row->phase, "search") != 0)
    result.progress = 1.0;
  result.progress = fmin(result.progress, 0.99);
  return result;
}

static json_t *
view_best(const struct db_job *row, const json_t *spec)
{
  if (!row->best_trial_id)
    return json_null();
  return json_pack("{s:s, s:i, s:s?, s:O?, s:o, s:o}", "trial", row->best_trial_id, "number",
                   row->best_trial_number, "family", row->best_family, "metric",
                   json_object_get(spec, "metric"), "value", json_real_or_null(row->best_value),
                   "params", view_json(row->best_params));
}

static json_t *
view_job_model(const struct db_job *row)
{
  if (!row->model_name)
    return json_null();
  return json_pack("{s:s, s:i}", "name", row->model_name, "version", row->model_version);
}

static void
copy_or_null(json_t *to, const json_t *from, const char *name)
{
  json_t *value = json_object_get(from, name);
  if (value)
    json_object_set(to, name, value);
  else
    json_object_set_new(to, name, json_null());
}

/* It is stored with the layers that are taken over. */
json_t *
view_base_model(const json_t *spec)
{
  const json_t *base = json_object_get(spec, "base_model");

  if (!json_is_object(base))
    return json_null();
  return json_pack("{s:O, s:O, s:O}", "id", json_object_get(base, "id"), "name",
                   json_object_get(base, "name"), "version", json_object_get(base, "version"));
}

void
view_spec(json_t *spec)
{
  const json_t *base = json_object_get(spec, "base_model");

  json_object_del(json_object_get(spec, "search"), "warm_start");
  if (json_is_object(base))
    json_object_set_new(spec, "base_model",
                        json_sprintf("%s@%d", json_get_string(base, "id", ""),
                                     (int) json_get_integer(base, "version", 0)));
}

json_t *
view_job(const struct db_job *row, bool full)
{
  json_t *view = json_object(), *spec = view_json(row->spec);
  struct view_progress progress = view_job_progress(row, spec);

  json_object_set_new(view, "id", json_string(row->id));
  json_object_set_new(view, "name", json_string(row->name));
  json_object_set_new(view, "state", json_string(row->state));
  json_object_set_new(view, "cancel_requested", json_boolean(row->cancel_requested));
  json_object_set_new(view, "stop_reason", view_text(row->stop_reason));
  json_object_set_new(
    view, "dataset",
    json_pack("{s:s, s:i}", "id", row->dataset_id, "version", row->dataset_version));
  copy_or_null(view, spec, "target");
  copy_or_null(view, spec, "task");
  copy_or_null(view, spec, "metric");
  copy_or_null(view, spec, "budget");
  json_object_set_new(view, "base_model", view_base_model(spec));
  json_object_set_new(view, "progress", json_real(progress.progress));
  json_object_set_new(view, "elapsed_s", json_real(progress.elapsed_s));
  json_object_set_new(view, "eta_s", json_real_or_null(progress.eta_s));
  json_object_set_new(view, "trials",
                      json_pack("{s:i, s:i, s:i, s:i, s:i, s:i}", "running", row->trials_running,
                                "paused", row->trials_paused, "done", row->trials_done, "pruned",
                                row->trials_pruned, "failed", row->trials_failed, "cancelled",
                                row->trials_cancelled));
  json_object_set_new(view, "best", view_best(row, spec));
  json_object_set_new(view, "model", view_job_model(row));
  json_object_set_new(view, "error", view_json(row->problem));
  json_object_set_new(view, "created_at", view_time(row->created_us));
  json_object_set_new(view, "started_at", view_time(row->started_us));
  json_object_set_new(view, "ended_at", view_time(row->ended_us));
  json_object_set_new(view, "paused_at", view_time(row->paused_us));
  json_object_set_new(view, "extended", json_integer(row->extended));
  json_object_set_new(view, "cloned_from", view_text(row->cloned_from));
  if (full)
  {
    view_spec(spec);
    json_object_set(view, "spec", spec);
  }
  json_decref(spec);
  return view;
}

/* ---- trials --------------------------------------------------------------------------------------- */

json_t *
view_trial(const struct db_trial *row, const char *metric)
{
  json_t *view = json_object();

  json_object_set_new(view, "id", json_string(row->id));
  json_object_set_new(view, "number", json_integer(row->number));
  json_object_set_new(view, "family", json_string(row->family));
  json_object_set_new(view, "state", json_string(row->state));
  json_object_set_new(view, "params", view_json(row->params));
  json_object_set_new(view, "metric", json_real_or_null(row->metric));
  json_object_set_new(view, "metric_name", view_text(metric));
  json_object_set_new(view, "seconds", json_real_or_null(row->seconds));
  json_object_set_new(view, "us_per_row", json_real_or_null(row->predict_us));
  json_object_set_new(view, "model_bytes",
                      isnan(row->model_bytes) ? json_null()
                                              : json_integer((json_int_t) row->model_bytes));
  json_object_set_new(view, "within_limits",
                      strcmp(row->state, "done") == 0 ? json_boolean(!row->beyond_limits)
                                                      : json_null());
  json_object_set_new(view, "units_total", json_integer(row->units_total));
  json_object_set_new(view, "units_done", json_integer(row->units_done));
  json_object_set_new(view, "rung", row->rungs > 0 ? json_integer(row->rung + 1) : json_null());
  json_object_set_new(view, "rungs", json_integer(row->rungs > 0 ? row->rungs + 1 : 0));
  json_object_set_new(view, "reasons", row->reasons ? view_json(row->reasons) : json_array());
  json_object_set_new(view, "created_at", view_time(row->created_us));
  json_object_set_new(view, "ended_at", view_time(row->ended_us));
  return view;
}

json_t *
view_epoch(const struct db_epoch *row)
{
  return json_pack(
    "{s:i, s:i, s:i, s:o, s:o, s:o, s:o}", "fold", row->fold, "epoch", row->epoch, "epoch_count",
    row->epoch_count, "train_loss", json_real_or_null(row->train_loss), "valid_loss",
    json_real_or_null(row->valid_loss), "valid_metric", json_real_or_null(row->valid_metric),
    "seconds", json_real_or_null(row->seconds));
}

/* ---- models --------------------------------------------------------------------------------------- */

json_t *
view_model(const struct db_model_version *row)
{
  json_t *view = json_object();

  json_object_set_new(view, "id", json_string(row->model_id));
  json_object_set_new(view, "name", json_string(row->model_name));
  json_object_set_new(view, "version", json_integer(row->version));
  json_object_set_new(view, "final", json_boolean(row->final));
  json_object_set_new(view, "family", json_string(row->family));
  json_object_set_new(view, "task", json_string(row->task));
  json_object_set_new(view, "metric", json_string(row->metric));
  json_object_set_new(view, "score", json_real_or_null(row->score));
  json_object_set_new(view, "us_per_row", json_real_or_null(row->us_per_row));
  json_object_set_new(view, "bytes", json_integer((json_int_t) row->bytes));
  json_object_set_new(view, "job", view_text(row->job_id));
  json_object_set_new(view, "created_at", view_time(row->created_us));
  return view;
}
