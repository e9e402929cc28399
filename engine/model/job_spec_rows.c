#include <config.h>

#include "model/job_spec_internal.h"

#include <math.h>
#include <string.h>

#include "base/buf.h"
#include "data/table.h"

#define LEAST_WEIGHT 1e-6
#define MOST_WEIGHT 1e6
#define COLUMNS_NAMED 8

/* ---- columns ---------------------------------------------------------------------------------------- */

static const json_t *
find_column(const json_t *schema, const char *name)
{
  size_t index;
  json_t *column;

  json_array_foreach(json_object_get(schema, "columns"), index, column)
  {
    const char *here = json_string_value(json_object_get(column, "name"));
    if (here && strcmp(here, name) == 0)
      return column;
  }
  return NULL;
}

/* "choose one of: a, b, …": at most COLUMNS_NAMED columns of these types. */
static const char *
suggest_columns(struct job_spec_rows *rows, unsigned types)
{
  const char *list = "";
  size_t index, named = 0;
  json_t *column;

  json_array_foreach(json_object_get(rows->schema, "columns"), index, column)
  {
    const char *name = json_string_value(json_object_get(column, "name"));
    const char *type = json_string_value(json_object_get(column, "type"));
    enum column_type parsed;
    if (!name || !type || !column_type_parse(type, &parsed) || !(types & 1u << parsed))
      continue;
    if (rows->spec->target && strcmp(name, rows->spec->target) == 0)
      continue;
    if (named == COLUMNS_NAMED)
      return arena_printf(rows->arena, "%s, …", list);
    list = arena_printf(rows->arena, "%s%s%.60s", list, named ? ", " : "choose one of: ", name);
    named++;
    if (!list)
      return NULL;
  }
  return named ? list : "leave it out: no column of this dataset can be used so";
}

/* What a column is wanted for: where it is named, which types will do. */
struct column_use
{
  const char *pointer;
  const char *what;  /* "the group column" */
  const char *wants; /* "must be numeric" */
  unsigned types;    /* 1 << enum column_type */
  bool complete;     /* no value may be missing */
};

/* The name, in the arena, of a column that will do; NULL otherwise, with a fault unless it was left out. */
static const char *
read_column(struct job_spec_rows *rows, const json_t *value, const struct column_use *use)
{
  const char *name = json_is_string(value) ? json_string_value(value) : NULL;
  const char *kind = json_string_value(json_object_get(rows->schema, "kind"));
  enum column_type type;

  if (!name || !*name)
    return NULL;
  if (kind && strcmp(kind, "images") == 0)
  {
    json_fault_add(rows->faults, use->pointer, "leave it out", "a set of images has no columns");
    return NULL;
  }
  const json_t *column = find_column(rows->schema, name);
  if (!column)
  {
    json_fault_add(rows->faults, use->pointer, suggest_columns(rows, use->types),
                   "there is no column \"%.60s\"", name);
    return NULL;
  }
  if (rows->spec->target && strcmp(name, rows->spec->target) == 0)
  {
    json_fault_add(rows->faults, use->pointer, suggest_columns(rows, use->types),
                   "%s can't be the target", use->what);
    return NULL;
  }
  const char *type_name = json_string_value(json_object_get(column, "type"));
  if (type_name && column_type_parse(type_name, &type) && !(use->types & 1u << type))
  {
    json_fault_add(rows->faults, use->pointer, suggest_columns(rows, use->types),
                   "column \"%.60s\" is %s; %s %s", name, type_name, use->what, use->wants);
    return NULL;
  }
  double missing = json_number_value(json_object_get(column, "missing"));
  if (use->complete && missing > 0)
  {
    json_fault_add(rows->faults, use->pointer, "fill the gaps and upload the file again",
                   "column \"%.60s\" has no value in %.0f rows; %s needs one in every row", name,
                   missing, use->what);
    return NULL;
  }
  return arena_strdup(rows->arena, name);
}

/* ---- validation ------------------------------------------------------------------------------------- */

#define TYPE(name) (1u << COLUMN_##name)

static void
read_validation(struct job_spec_rows *rows)
{
  static const struct column_use group = {.pointer = "/validation/group",
                                          .what = "the group column",
                                          .wants = "may be of any type but text",
                                          .types = TYPE(NUMERIC) | TYPE(CATEGORICAL) | TYPE(BOOLEAN)
                                                   | TYPE(DATETIME) | TYPE(IDENTIFIER)};
  static const struct column_use time = {.pointer = "/validation/time",
                                         .what = "the time column",
                                         .wants = "must be datetime or numeric",
                                         .types = TYPE(NUMERIC) | TYPE(DATETIME)};
  const json_t *validation = json_object_get(rows->request, "validation");
  struct job_spec *spec = rows->spec;

  if (!json_is_object(validation))
    validation = NULL;
  const json_t *stratify = json_object_get(validation, "stratify");
  spec->holdout = json_get_number(validation, "holdout", 0.0);
  spec->folds = (size_t) json_get_count(validation, "folds", 0);
  spec->group_column = read_column(rows, json_object_get(validation, "group"), &group);
  spec->time_column = read_column(rows, json_object_get(validation, "time"), &time);
  spec->stratify = json_is_boolean(stratify) ? json_is_true(stratify) : !spec->time_column;
  if (spec->holdout > 0.0 && spec->folds > 0)
    json_fault_add(rows->faults, "/validation", "give one of the two",
                   "holdout and folds exclude each other");
  if (json_is_true(stratify) && spec->time_column)
    json_fault_add(rows->faults, "/validation/stratify", "leave it out, or set it to false",
                   "a split by time takes the rows in their order and can't be stratified");
  if (spec->group_column && spec->time_column && strcmp(spec->group_column, spec->time_column) == 0)
    json_fault_add(rows->faults, "/validation/time", "leave the group out",
                   "group and time can't be the same column");
}

/* ---- weights ---------------------------------------------------------------------------------------- */

/* False when the schema lists every class and `name` is none of them. */
static bool
may_be_class(const struct job_spec_rows *rows, const char *name)
{
  const json_t *classes = json_object_get(rows->schema, "classes");
  const json_t *column = rows->spec->target ? find_column(rows->schema, rows->spec->target) : NULL;
  const json_t *examples = json_object_get(column, "examples");
  size_t index;
  json_t *item;

  json_array_foreach((json_t *) classes, index, item)
  {
    const char *here = json_string_value(json_object_get(item, "name"));
    if (here && strcmp(here, name) == 0)
      return true;
  }
  if (json_array_size(classes) > 0)
    return false;
  if (json_array_size(examples) == 0
      || (double) json_array_size(examples)
           < json_number_value(json_object_get(column, "distinct")))
    return true;
  json_array_foreach((json_t *) examples, index, item)
  {
    if (!json_is_string(item) || strcmp(json_string_value(item), name) == 0)
      return true;
  }
  return false;
}

static void
read_class_table(struct job_spec_rows *rows, const json_t *table)
{
  struct job_spec *spec = rows->spec;
  size_t count = json_object_size(table);
  const char **names = arena_array(rows->arena, count + 1, sizeof *names);
  double *values = arena_array(rows->arena, count + 1, sizeof *values);
  const char *name;
  json_t *value;

  if (!names || !values)
    return;
  if (count == 0)
    json_fault_add(rows->faults, "/class_weight", "write {\"class\": 2.0}, or \"balanced\"",
                   "no class is named");
  json_object_foreach((json_t *) table, name, value)
  {
    const char *pointer = json_pointer(rows->arena, "/class_weight", name);
    double number = json_is_number(value) ? json_number_value(value) : NAN;
    if (!(number >= LEAST_WEIGHT && number <= MOST_WEIGHT))
      json_fault_add(rows->faults, pointer, "give a positive number, such as 2",
                     "a class weight must be a number from %g to %g", LEAST_WEIGHT, MOST_WEIGHT);
    else if (!may_be_class(rows, name))
      json_fault_add(rows->faults, pointer, "write the classes as the data does",
                     "there is no class \"%.60s\"", name);
    else
    {
      names[spec->class_weight_count] = arena_strdup(rows->arena, name);
      values[spec->class_weight_count++] = number;
    }
  }
  spec->class_weight_names = names;
  spec->class_weight_values = values;
}

static void
read_class_weight(struct job_spec_rows *rows)
{
  const json_t *weight = json_object_get(rows->request, "class_weight");
  const char *word = json_string_value(weight);

  if (json_is_object(weight))
    read_class_table(rows, weight);
  else if (word && strcmp(word, "balanced") == 0)
    rows->spec->class_weight_balanced = true;
  else if (weight && !json_is_null(weight) && !(word && strcmp(word, "none") == 0))
    json_fault_add(rows->faults, "/class_weight", "leave it out, or give {\"class\": 2.0}",
                   "must be \"balanced\", \"none\", null or an object of weights by class");
  if (rows->shape->task == TASK_REGRESSION
      && (rows->spec->class_weight_balanced || json_is_object(weight)))
    json_fault_add(rows->faults, "/class_weight", "leave it out",
                   "class weights mean nothing to a regression");
}

static void
read_sample_weight(struct job_spec_rows *rows)
{
  static const struct column_use use = {.pointer = "/sample_weight",
                                        .what = "the weight column",
                                        .wants = "must be numeric",
                                        .types = TYPE(NUMERIC),
                                        .complete = true};
  struct job_spec *spec = rows->spec;

  spec->sample_weight = read_column(rows, json_object_get(rows->request, "sample_weight"), &use);
  if (!spec->sample_weight)
    return;
  if ((spec->group_column && strcmp(spec->group_column, spec->sample_weight) == 0)
      || (spec->time_column && strcmp(spec->time_column, spec->sample_weight) == 0))
    json_fault_add(rows->faults, "/sample_weight", "choose another column",
                   "column \"%.60s\" already says how rows are kept apart", spec->sample_weight);
}

/* The columns with a special part are no features: something else must be left. */
static void
check_features(struct job_spec_rows *rows)
{
  const json_t *columns = json_object_get(rows->schema, "columns");
  struct job_spec *spec = rows->spec;
  size_t index, features = 0;
  json_t *column;

  if (!spec->group_column && !spec->time_column && !spec->sample_weight)
    return;
  json_array_foreach((json_t *) columns, index, column)
  {
    const char *name = json_string_value(json_object_get(column, "name"));
    const char *type = json_string_value(json_object_get(column, "type"));
    if (!name || !type || strcmp(type, "text") == 0 || strcmp(type, "identifier") == 0)
      continue;
    if (!(spec->target && strcmp(name, spec->target) == 0)
        && !job_spec_is_special_column(spec, name))
      features++;
  }
  if (features == 0)
    json_fault_add(rows->faults, "/dataset", "add columns to the data",
                   "no column is left to learn from: those for group, time and weight are no "
                   "features");
}

bool
job_spec_is_special_column(const struct job_spec *spec, const char *name)
{
  return (spec->group_column && strcmp(spec->group_column, name) == 0)
         || (spec->time_column && strcmp(spec->time_column, name) == 0)
         || (spec->sample_weight && strcmp(spec->sample_weight, name) == 0);
}

size_t
job_spec_special_columns(const struct job_spec *spec)
{
  return (size_t) ((spec->group_column != NULL) + (spec->time_column != NULL)
                   + (spec->sample_weight != NULL));
}

struct split_spec
job_spec_split(const struct job_spec *spec)
{
  return (struct split_spec){.seed = spec->seed,
                             .holdout = spec->holdout,
                             .fold_count = spec->folds,
                             .group = spec->group_column,
                             .time = spec->time_column,
                             .unstratified = !spec->stratify && !spec->time_column};
}

const char *const job_refit_names[] = {"auto", "none", "all", NULL};

void
job_spec_read_rows(struct job_spec_rows *rows)
{
  rows->spec->refit = arena_strdup(rows->arena, json_get_string(rows->request, "refit", "auto"));
  read_validation(rows);
  read_class_weight(rows);
  read_sample_weight(rows);
  check_features(rows);
}

/* ---- the normal form -------------------------------------------------------------------------------- */

static json_t *
normal_class_weight(const struct job_spec *spec)
{
  if (spec->class_weight_balanced)
    return json_string("balanced");
  if (spec->class_weight_count == 0)
    return json_string("none");
  json_t *table = json_object();
  for (size_t i = 0; i < spec->class_weight_count; i++)
    json_object_set_new(table, spec->class_weight_names[i],
                        json_real(spec->class_weight_values[i]));
  return table;
}

void
job_spec_write_rows(const struct job_spec *spec, json_t *form)
{
  json_t *validation = json_object();

  if (spec->holdout > 0.0)
    json_object_set_new(validation, "holdout", json_real(spec->holdout));
  if (spec->folds)
    json_object_set_new(validation, "folds", json_integer((json_int_t) spec->folds));
  if (spec->group_column)
    json_object_set_new(validation, "group", json_string(spec->group_column));
  if (spec->time_column)
    json_object_set_new(validation, "time", json_string(spec->time_column));
  /* Only where it is not the rule: a program that does not know the member refuses it. */
  if (!spec->stratify && !spec->time_column)
    json_object_set_new(validation, "stratify", json_false());
  json_object_set_new(form, "validation", validation);
  json_object_set_new(form, "class_weight", normal_class_weight(spec));
  if (spec->sample_weight)
    json_object_set_new(form, "sample_weight", json_string(spec->sample_weight));
  if (spec->refit && strcmp(spec->refit, "auto") != 0)
    json_object_set_new(form, "refit", json_string(spec->refit));
}
