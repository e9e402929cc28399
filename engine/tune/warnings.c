#include <config.h>

#include "tune/warnings.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/issues.h"

/* As near to the end of its range, in [0,1], as counts for lying on it. */
#define ON_BOUND 0.01
#define NAMED_COLUMNS 10
#define ISSUE_ROWS 20000
#define ISSUE_SECONDS 2.0

static void
warn(json_t *warnings, const char *text)
{
  if (text != NULL)
    json_array_append_new(warnings, json_string(text));
}

static void
warn_of_columns(json_t *warnings, const struct tune_data *data)
{
  const struct table *table = dataset_table(data->dataset);
  const char *names = "";
  size_t dropped = 0;
  for (size_t c = 0; table != NULL && c < table->column_count; c++)
  {
    const struct column *column = &table->columns[c];
    if (c == data->task.target_column || column->type != COLUMN_IDENTIFIER)
      continue;
    if (data->task.left_out != NULL && data->task.left_out[c])
      continue;
    if (dropped++ < NAMED_COLUMNS)
      names = arena_printf(data->arena, "%s%s%s (%s)", names, *names ? ", " : "", column->name,
                           column_type_name(column->type));
    if (names == NULL)
      return;
  }
  if (dropped > 0)
    warn(warnings, arena_printf(data->arena,
                                "%zu column%s not used for training: %s%s; correct the types of "
                                "the dataset's schema if they should be",
                                dropped, dropped == 1 ? " is" : "s are", names,
                                dropped > NAMED_COLUMNS ? ", …" : ""));
}

/* Columns that say how rows are kept apart or how much they count are no features. */
static void
warn_of_special_columns(json_t *warnings, const struct tune_data *data)
{
  const struct job_spec *spec = data->spec;
  if (spec->group_column != NULL)
    warn(warnings, arena_printf(data->arena,
                                "column \"%.100s\" is not used for training: its %zu groups say "
                                "which rows belong together, and a new group would be unknown",
                                spec->group_column, data->split->group_count));
  if (spec->time_column != NULL)
    warn(warnings, arena_printf(data->arena,
                                "column \"%.100s\" is not used for training: it orders the rows, "
                                "and what comes later lies beyond every value seen",
                                spec->time_column));
  if (spec->sample_weight != NULL)
    warn(warnings,
         arena_printf(data->arena,
                      "column \"%.100s\" is not used for training: it says how much rows count",
                      spec->sample_weight));
  if (data->split->untimed > 0)
    warn(warnings, arena_printf(data->arena,
                                "%zu rows have no value in \"%.100s\" and are left out: they have "
                                "no place in time",
                                data->split->untimed, spec->time_column));
}

static void
warn_of_bound(json_t *warnings, const struct tune_data *data, const struct tune_trial *best,
              const struct space_param *param, const char *name)
{
  const json_t *value = json_object_get(best->params, name);
  if (!json_is_number(value) || (param->kind != SPACE_FLOAT && param->kind != SPACE_INT)
      || !(param->low < param->high))
    return;
  double number = json_number_value(value);
  double unit = space_to_unit(param, number);
  bool low = unit <= ON_BOUND || number <= param->low;
  bool high = unit >= 1 - ON_BOUND || number >= param->high;
  /* A natural end, such as no dropout or all columns, is no reason to go further. */
  if ((!low && !high) || (low && param->low == 0) || (high && param->high == 1))
    return;
  if (param->has_default && param->fallback == number)
    return;
  warn(warnings,
       arena_printf(data->arena,
                    "the best trial's %s.%s = %.4g lies at the %s end of its range "
                    "(%.4g to %.4g): a job with a wider range may find a better one",
                    best->family, name, number, low ? "low" : "high", param->low, param->high));
}

static void
warn_of_bounds(json_t *warnings, const struct tune_data *data, const struct tune_trial *best)
{
  const struct space *space = data->spec->space;
  size_t prefix = strlen(best->family);
  for (size_t p = 0; p < space->count; p++)
  {
    const char *name = space->params[p].name;
    if (strncmp(name, best->family, prefix) == 0 && name[prefix] == '.')
      warn_of_bound(warnings, data, best, &space->params[p], name + prefix + 1);
  }
}

/* What the dataset's issues say that bears on how far the score can be believed. */
static void
warn_of_issues(json_t *warnings, const struct tune_data *data)
{
  static const char *const codes[] = {"leak", "duplicate_conflict", "placeholder", "identifier"};
  struct issues_request request = {.dataset = data->dataset,
                                   .target = data->spec->target,
                                   .task_name = data->spec->task_name,
                                   .row_limit = ISSUE_ROWS,
                                   .seconds = ISSUE_SECONDS};
  json_t *found = NULL, *issue;
  size_t index;
  if (issues_find(&request, &found, NULL) != ERR_OK)
    return;
  json_array_foreach(json_object_get(found, "issues"), index, issue)
  {
    const char *code = json_string_value(json_object_get(issue, "code"));
    const char *severity = json_string_value(json_object_get(issue, "severity"));
    const char *column = json_string_value(json_object_get(issue, "column"));
    if (strcmp(severity, "info") == 0
        || (column != NULL && job_spec_is_special_column(data->spec, column)))
      continue;
    for (size_t k = 0; k < sizeof codes / sizeof codes[0]; k++)
      if (strcmp(code, codes[k]) == 0)
        warn(warnings, arena_printf(data->arena, "%s; %s",
                                    json_string_value(json_object_get(issue, "message")),
                                    json_string_value(json_object_get(issue, "hint"))));
  }
  json_decref(found);
}

static void
warn_of_limits(json_t *warnings, const struct tune_data *data, const struct tune_cost *cost)
{
  const struct job_spec *spec = data->spec;
  const char *advice = "no model within the limit was found: raise it, or leave the search more "
                       "time and smaller models to choose from";
  if (spec->max_predict_us > 0 && cost->us_per_row > spec->max_predict_us)
    warn(warnings,
         arena_printf(data->arena, "a prediction takes %.3g microseconds, not %g as asked; %s",
                      cost->us_per_row, spec->max_predict_us, advice));
  if (spec->max_model_bytes > 0 && cost->bytes > spec->max_model_bytes)
    warn(warnings, arena_printf(data->arena, "the model has %.0f bytes, not %.0f as asked; %s",
                                cost->bytes, spec->max_model_bytes, advice));
}

json_t *
warnings_make(const struct tune_data *data, const struct tune_trial *best,
              const struct tune_cost *cost, bool final)
{
  json_t *warnings = json_array();
  if (data->task_note[0] != '\0')
    warn(warnings, data->task_note);
  warn_of_columns(warnings, data);
  warn_of_special_columns(warnings, data);
  warn_of_bounds(warnings, data, best);
  warn_of_limits(warnings, data, cost);
  if (final)
    warn_of_issues(warnings, data);
  return warnings;
}
