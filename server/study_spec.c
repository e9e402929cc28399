#include <config.h>

#include "server/study_spec.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/space_json.h"
#include "server/names.h"

#define WHOLE_MAX 9007199254740992.0 /* JSON readers with doubles keep it exactly */
#define NAME_MAX_BYTES 100
#define STOP_AFTER 20        /* done trials, where the rule says nothing else */
#define STOP_AFTER_LEAST 4.0 /* fewer give no model (search/gain.h) */

static const char *const direction_choices[] = {"minimize", "maximize", NULL};
static const char *const stopping_choices[] = {
  [SEARCH_STOPPING_NONE] = "none",
  [SEARCH_STOPPING_MEDIAN] = "median",
  [SEARCH_STOPPING_ASHA] = "asha",
  [SEARCH_STOPPING_HYPERBAND] = "hyperband",
  NULL,
};

/* ---- what a caller sends ------------------------------------------------------------------------------- */

static const struct json_field steps_fields[] = {
  {.name = "min", .kind = JSON_KIND_NUMBER, .min = 1e-9, .max = 1e15},
  {.name = "max", .kind = JSON_KIND_NUMBER, .required = true, .min = 1e-9, .max = 1e15},
  {.name = "eta", .kind = JSON_KIND_NUMBER, .min = 2, .max = 100},
  JSON_FIELD_END};

static const struct json_field stop_fields[] = {
  {.name = "expected_gain", .kind = JSON_KIND_NUMBER, .nullable = true, .min = 0, .max = DBL_MAX},
  {.name = "regret_bound", .kind = JSON_KIND_NUMBER, .nullable = true, .min = 0, .max = DBL_MAX},
  {.name = "after_trials",
   .kind = JSON_KIND_INTEGER,
   .nullable = true,
   .min = STOP_AFTER_LEAST,
   .max = 1e6},
  JSON_FIELD_END};

/* Whether a fault was found in this member. */
static bool
is_faulty(const struct json_faults *faults, const char *name)
{
  size_t length = strlen(name);
  for (size_t i = 0; i < faults->kept; i++)
  {
    const char *place = faults->items[i].pointer;
    if (place[0] == '/' && strncmp(place + 1, name, length) == 0
        && (place[length + 1] == '\0' || place[length + 1] == '/'))
      return true;
  }
  return false;
}

static void
check_members(const json_t *request, const struct server_limits *limits, struct json_faults *faults)
{
  const struct json_field fields[] = {
    {.name = "name", .kind = JSON_KIND_STRING, .nullable = true, .min = 1, .max = 200},
    {.name = "space",
     .kind = JSON_KIND_OBJECT,
     .required = true,
     .hint = "{\"learning_rate\": {\"type\": \"float\", \"low\": 1e-4, \"high\": 1, \"scale\": "
             "\"log\"}}"},
    {.name = "direction", .kind = JSON_KIND_STRING, .nullable = true, .choices = direction_choices},
    {.name = "directions",
     .kind = JSON_KIND_STRING_ARRAY,
     .nullable = true,
     .min = 1,
     .max = SEARCH_OBJECTIVES_MAX},
    {.name = "method", .kind = JSON_KIND_STRING, .nullable = true},
    {.name = "seed", .kind = JSON_KIND_INTEGER, .nullable = true, .min = 0, .max = WHOLE_MAX},
    {.name = "max_trials",
     .kind = JSON_KIND_INTEGER,
     .nullable = true,
     .min = 1,
     .max = (double) limits->study_trials},
    {.name = "early_stopping",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .choices = stopping_choices},
    {.name = "steps", .kind = JSON_KIND_OBJECT, .nullable = true, .members = steps_fields},
    {.name = "constraints",
     .kind = JSON_KIND_STRING_ARRAY,
     .nullable = true,
     .min = 1,
     .max = SEARCH_CONSTRAINTS_MAX},
    {.name = "trial_timeout_s",
     .kind = JSON_KIND_NUMBER,
     .nullable = true,
     .min = 0.1,
     .max = 31536000},
    {.name = "stop_when", .kind = JSON_KIND_OBJECT, .nullable = true, .members = stop_fields},
    {.name = "warm_start_from",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = 1,
     .max = NAME_MAX_BYTES,
     .hint = "the id of an earlier study or job"},
    JSON_FIELD_END};
  json_check(request, fields, "", faults);
  const char *name = json_string_value(json_object_get(request, "name"));
  if (name && !is_faulty(faults, "name") && !name_is_title(name))
    json_fault_add(faults, "/name", NULL, "a name has 1 to 200 bytes, without control characters");
}

static void
copy_member(json_t *form, const json_t *request, const char *name)
{
  json_t *value = json_object_get(request, name);
  if (value && !json_is_null(value))
    json_object_set(form, name, value);
}

static void
set_default(json_t *form, const char *name, json_t *value)
{
  if (!json_object_get(form, name))
    json_object_set(form, name, value);
  json_decref(value);
}

/* One direction is a list of one. */
static void
form_directions(const json_t *request, json_t *form, struct json_faults *faults)
{
  const char *one = json_get_string(request, "direction", NULL);
  json_t *many = json_object_get(request, "directions");

  if (one && json_is_array(many))
    json_fault_add(faults, "/direction", "leave one of the two out",
                   "there is direction and directions");
  else if (json_is_array(many))
    json_object_set(form, "directions", many);
  else
    json_object_set_new(form, "directions", json_pack("[s]", one ? one : direction_choices[0]));
}

/* Parameters and choices within the limits: before the space is built, so that the answer names the limit. */
static void
check_size(const json_t *space, const struct server_limits *limits, struct json_faults *faults)
{
  static const char *const lists[] = {"choices", "values"};
  const char *name;
  json_t *param;
  size_t count = json_object_size(space);

  count -= json_object_get(space, "$forbidden") != NULL; /* rules are no parameters */
  count -= json_object_get(space, "$relations") != NULL;
  if (count > limits->study_parameters)
    json_fault_add(faults, "/space", "an operator can raise --max-study-parameters",
                   "has %zu parameters, more than %zu", count, limits->study_parameters);
  json_object_foreach((json_t *) (uintptr_t) space, name, param)
  {
    for (size_t i = 0; i < 2; i++)
      if (json_array_size(json_object_get(param, lists[i])) > limits->study_choices)
        json_fault_add(
          faults,
          json_pointer(faults->arena, json_pointer(faults->arena, "/space", name), lists[i]),
          "an operator can raise --max-study-choices; a number is better as an int or a float",
          "has %zu elements, more than %zu", json_array_size(json_object_get(param, lists[i])),
          limits->study_choices);
  }
}

json_t *
study_spec_form(const json_t *request, const struct server_limits *limits,
                struct json_faults *faults)
{
  static const char *const members[] = {"space",       "method",          "seed",
                                        "max_trials",  "early_stopping",  "steps",
                                        "constraints", "trial_timeout_s", "warm_start_from",
                                        "stop_when"};
  json_t *form;

  if (!json_is_object(request))
  {
    json_fault_add(faults, "", "send {\"space\": {…}}", "the body must be a JSON object");
    return NULL;
  }
  check_members(request, limits, faults);
  if (json_is_object(json_object_get(request, "space")))
    check_size(json_object_get(request, "space"), limits, faults);
  form = json_object();
  for (size_t i = 0; i < sizeof members / sizeof members[0]; i++)
    if (!is_faulty(faults, members[i]))
      copy_member(form, request, members[i]);
  if (!is_faulty(faults, "direction") && !is_faulty(faults, "directions"))
    form_directions(request, form, faults);
  set_default(form, "method", json_string("bayes"));
  set_default(form, "early_stopping", json_string(stopping_choices[0]));
  return form;
}

/* ---- reading ------------------------------------------------------------------------------------------- */

static void
read_directions(const json_t *form, struct study_spec *spec, struct json_faults *faults)
{
  json_t *list = json_object_get(form, "directions"), *item;
  size_t index;

  json_array_foreach(list, index, item)
  {
    const char *name = json_string_value(item);
    if (index >= SEARCH_OBJECTIVES_MAX || !name
        || (strcmp(name, direction_choices[0]) != 0 && strcmp(name, direction_choices[1]) != 0))
      json_fault_add(faults, json_pointer_index(faults->arena, "/directions", index), NULL,
                     "must be minimize or maximize");
    else
      spec->maximize[spec->direction_count++] = strcmp(name, direction_choices[1]) == 0;
  }
}

static void
read_constraints(const json_t *form, struct arena *arena, struct study_spec *spec,
                 struct json_faults *faults)
{
  json_t *item;
  size_t index;

  json_array_foreach(json_object_get(form, "constraints"), index, item)
  {
    const char *name = json_string_value(item);
    const char *place = json_pointer_index(faults->arena, "/constraints", index);
    bool twice = false;
    for (size_t i = 0; i < spec->constraint_count; i++)
      twice = twice || strcmp(spec->constraints[i], name) == 0;
    if (!name_is_title(name) || strlen(name) > NAME_MAX_BYTES)
      json_fault_add(faults, place, NULL, "a name has 1 to %d bytes, without control characters",
                     NAME_MAX_BYTES);
    else if (twice)
      json_fault_add(faults, place, NULL, "is there twice");
    else if (spec->constraint_count < SEARCH_CONSTRAINTS_MAX)
      spec->constraints[spec->constraint_count++] = arena_strdup(arena, name);
  }
}

static void
read_steps(const json_t *form, struct study_spec *spec, struct json_faults *faults)
{
  const json_t *steps = json_object_get(form, "steps");
  const char *stopping = json_get_string(form, "early_stopping", "none");

  while (stopping_choices[spec->stopping]
         && strcmp(stopping_choices[spec->stopping], stopping) != 0)
    spec->stopping++;
  spec->most_steps = json_get_number(steps, "max", 0.0);
  spec->least_steps = json_get_number(steps, "min", fmin(1.0, spec->most_steps));
  spec->eta = json_get_number(steps, "eta", 0.0);
  if (steps && spec->least_steps >= spec->most_steps && spec->stopping != SEARCH_STOPPING_NONE)
    json_fault_add(faults, "/steps/max", NULL, "must be above min, %g", spec->least_steps);
  if (!steps && spec->stopping != SEARCH_STOPPING_NONE && !is_faulty(faults, "steps"))
    json_fault_add(faults, "/steps", "{\"min\": 1, \"max\": 27}",
                   "early_stopping needs to know how many steps a trial has");
}

/* Points (null = inactive) and values of what an earlier study found. */
static void
read_stop_when(const json_t *form, struct study_spec *spec, struct json_faults *faults)
{
  const json_t *rule = json_object_get(form, "stop_when");

  spec->stop_when = (struct search_stop_rule){
    .set = json_is_object(rule),
    .expected_gain = json_get_number(rule, "expected_gain", NAN),
    .regret_bound = json_get_number(rule, "regret_bound", NAN),
    .after_trials = (size_t) json_get_integer(rule, "after_trials", STOP_AFTER)};
  if (!spec->stop_when.set)
    return;
  if (isnan(spec->stop_when.expected_gain) && isnan(spec->stop_when.regret_bound))
    json_fault_add(faults, "/stop_when", "such as {\"expected_gain\": 0.001}",
                   "must have expected_gain or regret_bound");
  else if (spec->direction_count > 1)
    json_fault_add(faults, "/stop_when", "leave it out",
                   "what is still to be gained is known for one direction only");
}

static enum err
read_prior(const json_t *form, struct arena *arena, struct study_spec *spec)
{
  const json_t *prior = json_object_get(form, "warm_start");
  const json_t *points = json_object_get(prior, "points"),
               *values = json_object_get(prior, "values");
  size_t count = json_array_size(points), width = spec->space->count;
  double *to, *told;

  if (count == 0)
    return ERR_OK;
  to = arena_array(arena, count * width + 1, sizeof *to);
  told = arena_array(arena, count, sizeof *told);
  if (!to || !told)
    return ERR_MEMORY;
  for (size_t k = 0; k < count; k++)
  {
    const json_t *point = json_array_get(points, k);
    for (size_t i = 0; i < width; i++)
    {
      const json_t *number = json_array_get(point, i);
      to[k * width + i] = json_is_number(number) ? json_number_value(number) : NAN;
    }
    told[k] = json_number_value(json_array_get(values, k));
  }
  spec->prior_points = to;
  spec->prior_values = told;
  spec->prior_count = count;
  return ERR_OK;
}

static void
add_no_parameter(struct json_faults *faults)
{
  json_fault_add(faults, "/space", "name a parameter and what it may be",
                 "a study needs at least one parameter");
}

enum err
study_spec_read(const json_t *form, struct arena *arena, struct study_spec *spec,
                struct json_faults *faults)
{
  const json_t *space = json_object_get(form, "space");
  enum err err;

  memset(spec, 0, sizeof *spec);
  spec->method = arena_strdup(arena, json_get_string(form, "method", "bayes"));
  spec->seed = (uint64_t) json_get_integer(form, "seed", 0);
  spec->max_trials = (size_t) json_get_integer(form, "max_trials", 0);
  spec->trial_timeout_s = json_get_number(form, "trial_timeout_s", 0.0);
  if (!spec->method)
    return ERR_MEMORY;
  read_directions(form, spec, faults);
  read_constraints(form, arena, spec, faults);
  read_steps(form, spec, faults);
  read_stop_when(form, spec, faults);
  if (space && json_object_size(space) == 0)
    add_no_parameter(faults);
  else if (space)
  {
    err = space_from_json(space, "/space", arena, &spec->space, faults);
    if (err == ERR_MEMORY)
      return err;
    if (!err && spec->space->count == 0)
      add_no_parameter(faults);
  }
  if (faults->count > 0)
    return ERR_INVALID;
  return read_prior(form, arena, spec);
}

bool
study_spec_pauses(const struct study_spec *spec)
{
  return spec->stopping == SEARCH_STOPPING_ASHA || spec->stopping == SEARCH_STOPPING_HYPERBAND
         || strcmp(spec->method, "asha") == 0 || strcmp(spec->method, "hyperband") == 0;
}

enum err
study_spec_search(const struct study_spec *spec, struct search **search, struct err_info *info)
{
  struct search_spec wanted = {
    .method = spec->method,
    .space = spec->space,
    .seed = spec->seed,
    .expected_trials =
      study_spec_pauses(spec) ? 0 : spec->max_trials, /* full runs, not known there */
    .prior_points = spec->prior_points,
    .prior_values = spec->prior_values,
    .prior_count = spec->prior_count,
    .objective_count = spec->direction_count,
    .constraint_count = spec->constraint_count,
    .stopping = spec->stopping,
    .least_steps = spec->most_steps > 0 ? spec->least_steps : 0,
    .most_steps = spec->most_steps,
    .eta = spec->eta,
  };
  return search_new(&wanted, search, info);
}
