#include <config.h>

#include "model/job_spec_internal.h"

#include <math.h>
#include <string.h>

#include "base/space_json.h"

#define POINTER "/search/warm_start_from"

/* Writes the point of a family's parameters; returns how many parameters of the new search they name. */
static size_t
map_point(const struct job_spec *spec, size_t family, const json_t *params, double *point)
{
  const struct space *space = spec->space;
  size_t prefix = strlen(spec->families[family]), common = 0;

  for (size_t i = 0; i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    point[i] = NAN;
    if (strcmp(param->name, "family") == 0)
      point[i] = (double) family;
    else if (strncmp(param->name, spec->families[family], prefix) == 0
             && param->name[prefix] == '.')
      point[i] = space_value_near_json(param, json_object_get(params, param->name + prefix + 1));
    common += !isnan(point[i]) && space_param_levels(param) > 1.0 && strchr(param->name, '.');
  }
  space_repair(space, point);
  return common;
}

static size_t
family_of(const struct job_spec *spec, const json_t *trial)
{
  const char *name = json_string_value(json_array_get(trial, 0));
  size_t family = 0;

  while (family < spec->family_count && !(name && strcmp(name, spec->families[family]) == 0))
    family++;
  return family;
}

enum err
job_warm_read(const json_t *search, struct job_spec *spec, struct arena *arena,
              struct json_faults *faults)
{
  const json_t *trials = json_object_get(search, "warm_start"), *trial;
  const char *from = json_string_value(json_object_get(search, "warm_start_from"));
  size_t count = json_array_size(trials), index;
  double *points, *values;

  if (!from || !spec->space)
    return ERR_OK;
  spec->warm_start_from = arena_strdup(arena, from);
  points = arena_array(arena, count * spec->space->count + 1, sizeof *points);
  values = arena_array(arena, count + 1, sizeof *values);
  if (!spec->warm_start_from || !points || !values)
    return ERR_MEMORY;
  json_array_foreach((json_t *) trials, index, trial)
  {
    const json_t *params = json_array_get(trial, 1), *value = json_array_get(trial, 2);
    size_t family = family_of(spec, trial);
    if (family == spec->family_count || !json_is_object(params) || !json_is_number(value)
        || !map_point(spec, family, params, points + spec->warm_count * spec->space->count))
      continue;
    values[spec->warm_count++] = json_number_value(value);
  }
  spec->warm_points = points;
  spec->warm_values = values;
  if (spec->warm_count == 0)
    json_fault_add(faults, POINTER,
                   "name a job that searched the same families and hyperparameters",
                   "no finished trial of that job has a hyperparameter in common with this search");
  return ERR_OK;
}

void
job_warm_write(const json_t *search, json_t *form)
{
  static const char *const names[] = {"warm_start_from", "warm_start"};
  json_t *out = json_object_get(form, "search");

  if (!json_is_string(json_object_get(search, names[0])))
    return;
  for (size_t i = 0; i < 2; i++)
    if (json_object_get(search, names[i]))
      json_object_set(out, names[i], json_object_get(search, names[i]));
}
