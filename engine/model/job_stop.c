#include <config.h>

#include "model/job_spec_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define POINTER "/search/stop_when"
#define LEAST_TRIALS 4 /* fewer give no model (search/insight.h) */
#define USUAL_TRIALS 20

const struct json_field job_stop_fields[] = {
  {.name = "expected_gain",
   .kind = JSON_KIND_NUMBER,
   .nullable = true,
   .min = 0,
   .max = DBL_MAX,
   .hint = "in the units of the metric: stop when the next trial is expected to gain less"},
  {.name = "regret_bound",
   .kind = JSON_KIND_NUMBER,
   .nullable = true,
   .min = 0,
   .max = DBL_MAX,
   .hint = "in the units of the metric: stop when no trial can be better by more"},
  {.name = "after_trials",
   .kind = JSON_KIND_INTEGER,
   .nullable = true,
   .min = LEAST_TRIALS,
   .max = 1e6,
   .hint = "how many trials must be done before"},
  JSON_FIELD_END};

void
job_stop_read(const json_t *search, struct job_spec *spec, struct json_faults *faults)
{
  const json_t *rule = json_object_get(search, "stop_when");
  const json_t *gain = json_object_get(rule, "expected_gain");
  const json_t *bound = json_object_get(rule, "regret_bound");

  spec->stop_expected_gain = json_get_number(rule, "expected_gain", NAN);
  spec->stop_regret_bound = json_get_number(rule, "regret_bound", NAN);
  spec->stop_after_trials = (size_t) json_get_integer(rule, "after_trials", USUAL_TRIALS);
  spec->has_stop_when = !isnan(spec->stop_expected_gain) || !isnan(spec->stop_regret_bound);
  if (json_is_object(rule) && (!gain || json_is_null(gain)) && (!bound || json_is_null(bound)))
    json_fault_add(faults, POINTER, "such as {\"expected_gain\": 0.001}",
                   "must have expected_gain or regret_bound");
}

void
job_stop_write(const struct job_spec *spec, json_t *form)
{
  json_t *rule;

  if (!spec->has_stop_when)
    return;
  rule = json_object();
  if (!isnan(spec->stop_expected_gain))
    json_object_set_new(rule, "expected_gain", json_real(spec->stop_expected_gain));
  if (!isnan(spec->stop_regret_bound))
    json_object_set_new(rule, "regret_bound", json_real(spec->stop_regret_bound));
  json_object_set_new(rule, "after_trials", json_integer((json_int_t) spec->stop_after_trials));
  json_object_set_new(json_object_get(form, "search"), "stop_when", rule);
}

/* ---- trials that end early ------------------------------------------------------------------------------ */

/* As enum search_stopping of search/, which model/ does not see. */
const char *const job_early_stopping_names[] = {"none", "median", "asha", "hyperband", NULL};

/* Methods that are a rule bring it with them. */
void
job_early_stopping_read(const json_t *search, struct job_spec *spec, struct json_faults *faults)
{
  const char *asked = json_get_string(search, "early_stopping", NULL);
  bool is_rule = spec->method != NULL
                 && (strcmp(spec->method, "asha") == 0 || strcmp(spec->method, "hyperband") == 0);

  spec->early_stopping = job_early_stopping_names[0];
  for (size_t i = 0; job_early_stopping_names[i]; i++)
    if (strcmp(job_early_stopping_names[i], asked ? asked : is_rule ? spec->method : "none") == 0)
      spec->early_stopping = job_early_stopping_names[i];
  if (asked && is_rule && strcmp(asked, spec->method) != 0)
    json_fault_add(faults, "/search/early_stopping", "leave it out",
                   "method %s stops trials by its own rule", spec->method);
}
