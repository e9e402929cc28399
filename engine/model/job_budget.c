#include <config.h>

#include <math.h>
#include <string.h>

#include "model/job_spec_internal.h"

#define DEFAULT_SECONDS 300.0

void
job_budget_fields(const struct job_spec_context *context,
                  struct json_field fields[JOB_BUDGET_FIELDS])
{
  const struct json_field budget[JOB_BUDGET_FIELDS] = {
    {.name = "seconds",
     .kind = JSON_KIND_NUMBER,
     .nullable = true,
     .min = 1,
     .max = context->max_seconds,
     .hint = "the time the search may take, in seconds"},
    {.name = "trials",
     .kind = JSON_KIND_INTEGER,
     .nullable = true,
     .min = 1,
     .max = (double) context->max_trials,
     .hint = "how many configurations may be tried"},
    {.name = "target_score", .kind = JSON_KIND_NUMBER, .nullable = true},
    {.name = "max_predict_us",
     .kind = JSON_KIND_NUMBER,
     .nullable = true,
     .min = 1,
     .max = 1e9,
     .hint = "the most microseconds one prediction may take"},
    {.name = "max_model_bytes",
     .kind = JSON_KIND_NUMBER,
     .nullable = true,
     .min = 1,
     .max = 1e12,
     .hint = "the most bytes the model's file may have"},
    JSON_FIELD_END};
  memcpy(fields, budget, sizeof budget);
}

void
job_budget_read(const json_t *budget, const struct job_spec_context *context, struct job_spec *spec)
{
  const json_t *target = json_object_get(budget, "target_score");

  spec->budget_seconds = json_get_number(budget, "seconds", 0.0);
  spec->budget_trials = (size_t) json_get_count(budget, "trials", 0);
  spec->max_predict_us = json_get_number(budget, "max_predict_us", 0.0);
  spec->max_model_bytes = json_get_number(budget, "max_model_bytes", 0.0);
  spec->has_target_score = json_is_number(target);
  spec->target_score = spec->has_target_score ? json_number_value(target) : 0.0;
  if (spec->budget_seconds <= 0.0 && spec->budget_trials == 0)
    spec->budget_seconds = fmin(DEFAULT_SECONDS, context->max_seconds);
}

json_t *
job_budget_write(const struct job_spec *spec)
{
  json_t *budget = json_object();

  if (spec->budget_seconds > 0.0)
    json_object_set_new(budget, "seconds", json_real(spec->budget_seconds));
  if (spec->budget_trials)
    json_object_set_new(budget, "trials", json_integer((json_int_t) spec->budget_trials));
  if (spec->has_target_score)
    json_object_set_new(budget, "target_score", json_real(spec->target_score));
  if (spec->max_predict_us > 0.0)
    json_object_set_new(budget, "max_predict_us", json_real(spec->max_predict_us));
  if (spec->max_model_bytes > 0.0)
    json_object_set_new(budget, "max_model_bytes", json_real(spec->max_model_bytes));
  return budget;
}
