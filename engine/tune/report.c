#include <config.h>

#include "tune/report.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "tune/baseline.h"
#include "tune/tune_winner.h"
#include "tune/warnings.h"

static void
set(json_t *object, const char *name, json_t *value)
{
  if (value != NULL)
    json_object_set_new(object, name, value);
}

static json_t *
rows_json(const struct report_facts *facts)
{
  const struct split *split = facts->data->split;
  size_t used = 0, valid = 0;
  for (size_t row = 0; row < split->row_count; row++)
  {
    used += split->fold_of[row] != SPLIT_UNUSED;
    valid += split->fold_of[row] < split->fold_count;
  }
  return json_pack("{s:I, s:I, s:I, s:I}", "total", (json_int_t) split->row_count, "used",
                   (json_int_t) used, "validation", (json_int_t) valid, "report",
                   (json_int_t) split->report_count);
}

static json_t *
members_json(const struct report_facts *facts)
{
  json_t *members = json_array();
  for (size_t k = 0; k < facts->member_count; k++)
  {
    const struct tune_trial *trial = facts->members[k];
    if (!(facts->weights[k] > 0))
      continue;
    json_t *member = json_pack("{s:i, s:s, s:f, s:O}", "trial", trial->number, "family",
                               trial->family, "weight", facts->weights[k], "params", trial->params);
    if (member == NULL)
      continue;
    set(member, "metric", json_real_or_null(trial->metric));
    json_array_append_new(members, member);
  }
  return members;
}

static json_t *
search_json(const struct report_facts *facts)
{
  const struct tune_finish *finish = facts->finish;
  json_t *search =
    json_pack("{s:s, s:I, s:{s:I, s:I, s:I}}", "method", facts->data->spec->method, "seed",
              (json_int_t) facts->data->spec->seed, "trials", "done",
              (json_int_t) finish->trials_done, "failed", (json_int_t) finish->trials_failed,
              "cancelled", (json_int_t) finish->trials_cancelled);
  if (search != NULL && finish->stop_reason != NULL)
    set(search, "stop_reason", json_string(finish->stop_reason));
  return search;
}

static json_t *
interval_json(const struct report_facts *facts)
{
  if (facts->bootstraps == 0 || !isfinite(facts->score.low) || !isfinite(facts->score.high))
    return json_null();
  json_t *interval =
    json_pack("{s:f, s:f, s:f, s:I}", "low", facts->score.low, "high", facts->score.high, "level",
              0.95, "bootstraps", (json_int_t) facts->bootstraps);
  return interval;
}

/* How labels come of probabilities: null for numbers. */
static json_t *
decision_json(const struct report_facts *facts)
{
  const struct tune_data *data = facts->data;
  const struct decision *decision = &facts->decision;
  bool tuned = metric_tunes_threshold(data->metric, data->task.kind);
  if (data->task.kind == TASK_REGRESSION)
    return json_null();
  json_t *json = json_pack("{s:s}", "by",
                           tuned ? "tuned_threshold"
                           : decision->has_threshold || decision->factors != NULL ? "class_weights"
                                                                                  : "likeliest");
  if (json != NULL && data->task.kind == TASK_BINARY)
    set(json, "threshold", json_real(decision_threshold(decision)));
  return json;
}

/* What rows and classes weighed; probabilities are those of the rows as they are all the same. */
static json_t *
weights_json(const struct tune_data *data)
{
  json_t *classes = data->class_weights != NULL ? json_object() : json_null();
  for (size_t k = 0; data->class_weights != NULL && k < data->task.class_count; k++)
    set(classes, data->task.class_names[k], json_real(data->class_weights[k]));
  json_t *json =
    json_pack("{s:o, s:b}", "classes", classes, "recalibrated", data->class_weights != NULL);
  if (json != NULL)
    set(json, "rows",
        data->spec->sample_weight != NULL ? json_string(data->spec->sample_weight) : json_null());
  return json;
}

static json_t *
baseline_json(const struct report_facts *facts)
{
  struct baseline baseline;
  char text[700];
  if (baseline_measure(facts->data, facts->baseline_rows, facts->baseline_count, facts->labels,
                       &baseline)
      != ERR_OK)
    return json_null();
  snprintf(text, sizeof text, "%s is %.4g; %s would give %.4g", metric_name(facts->data->metric),
           facts->score.mean, baseline.description, baseline.score);
  json_t *json = json_pack("{s:s, s:s}", "predictor", baseline.description, "comparison", text);
  if (json != NULL)
    set(json, "score", json_real_or_null(baseline.score));
  return json;
}

static json_t *
base_json(const struct job_spec *spec)
{
  if (spec->base.stages == 0)
    return json_null();
  return json_pack("{s:s, s:s, s:i}", "id", spec->base_model_id, "name", spec->base_model_name,
                   "version", spec->base_model_version);
}

static void
add_origin(json_t *report, const struct report_facts *facts)
{
  const struct tune_finish *finish = facts->finish;
  const struct tune_trial *best = facts->best;
  json_t *trial = json_pack("{s:i, s:s, s:O}", "number", best->number, "family", best->family,
                            "params", best->params);
  if (trial != NULL)
    set(trial, "metric", json_real_or_null(best->metric));
  set(report, "best_trial", trial);
  set(report, "family", json_string(best->family));
  set(report, "params", json_deep_copy(best->params));
  set(report, "members", members_json(facts));
  json_t *ensemble = json_pack("{s:b}", "used", facts->ensemble);
  if (ensemble != NULL)
    set(ensemble, "better_in", json_real_or_null(facts->ensemble_wins));
  set(report, "ensemble", ensemble);
  set(report, "repeated", tune_winner_json(facts->data, finish->trials, finish->trial_count));
  set(report, "dataset",
      json_pack("{s:s, s:s}", "id", finish->dataset_id, "sha256", finish->dataset_sha256));
  set(report, "base_model", base_json(facts->data->spec));
  set(report, "seed", json_integer((json_int_t) facts->data->spec->seed));
  set(report, "search", search_json(facts));
}

/* null where the job sets no limit. */
static json_t *
limits_json(const struct report_facts *facts)
{
  const struct job_spec *spec = facts->data->spec;
  if (tune_limits_count(spec) == 0)
    return json_null();
  json_t *limits = json_pack("{s:b}", "met", tune_limits_met(spec, &facts->cost));
  if (limits != NULL && spec->max_predict_us > 0)
    set(limits, "max_predict_us", json_real(spec->max_predict_us));
  if (limits != NULL && spec->max_model_bytes > 0)
    set(limits, "max_model_bytes", json_real(spec->max_model_bytes));
  return limits;
}

json_t *
report_make(const struct report_facts *facts)
{
  const struct tune_data *data = facts->data;
  json_t *report = json_object();
  if (report == NULL)
    return NULL;
  set(report, "estimate", json_string(facts->estimate));
  set(report, "final", json_boolean(!facts->finish->provisional));
  set(report, "task", json_string(task_kind_name(data->task.kind)));
  if (data->task.target != NULL)
    set(report, "target", json_string(data->task.target));
  set(report, "metric", json_string(metric_name(data->metric)));
  set(report, "higher_is_better", json_boolean(metric_higher_is_better(data->metric)));
  set(report, "score", json_real_or_null(facts->score.mean));
  set(report, "interval", interval_json(facts));
  set(report, "decision", decision_json(facts));
  set(report, "weights", weights_json(data));
  set(report, "rows", rows_json(facts));
  set(report, "folds", json_integer((json_int_t) data->split->fold_count));
  set(
    report, "metrics",
    metric_report(data->metric, &data->task, facts->labels, facts->predictions, &facts->decision));
  set(report, "baseline", baseline_json(facts));
  add_origin(report, facts);
  json_t *importance = model_importance(facts->model);
  set(report, "importance", importance != NULL ? importance : json_null());
  set(report, "us_per_row", json_real_or_null(facts->cost.us_per_row));
  set(report, "limits", limits_json(facts));
  set(report, "warnings",
      warnings_make(data, facts->best, &facts->cost, !facts->finish->provisional));
  return report;
}

static json_t *
class_names(const struct task *task)
{
  json_t *names = json_array();
  for (size_t c = 0; c < task->class_count; c++)
    json_array_append_new(names, json_string(task->class_names[c]));
  return names;
}

char *
report_schema(const struct tune_data *data, const struct model *model)
{
  struct model_about about;
  model_about(model, &about);
  json_t *schema = json_object();
  if (about.input == DATASET_IMAGES)
  {
    set(schema, "kind", json_string("images"));
    set(schema, "height", json_integer((json_int_t) about.height));
    set(schema, "width", json_integer((json_int_t) about.width));
    set(schema, "channels", json_integer((json_int_t) about.channels));
  }
  else
  {
    set(schema, "kind", json_string("table"));
    set(schema, "columns", row_schema_to_json(about.schema));
  }
  set(schema, "task", json_string(task_kind_name(data->task.kind)));
  if (data->task.target != NULL)
    set(schema, "target", json_string(data->task.target));
  if (data->task.class_count > 0)
    set(schema, "classes", class_names(&data->task));
  if (data->task.kind == TASK_BINARY)
    set(schema, "threshold", json_real(decision_threshold(&about.decision)));
  char *text = json_dumps(schema, JSON_COMPACT);
  json_decref(schema);
  return text;
}
