#include <config.h>

#include "model/job_spec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/space_json.h"
#include "model/job_spec_internal.h"

#define TARGET_LENGTH_MAX 1024
#define NAME_LENGTH_MAX 200
#define DEPLOY_AS_LENGTH_MAX 63

/* The spec as others see it, and its normal form as text, both in the arena. */
struct whole_spec
{
  struct job_spec spec;
  const char *normal;
};

/* ---- the table of members ------------------------------------------------------------------------- */

static const char *const task_names[] = {"classification", "binary", "multiclass", "regression",
                                         NULL};

static const struct json_field validation_fields[] = {
  {.name = "holdout",
   .kind = JSON_KIND_NUMBER,
   .nullable = true,
   .min = 0.02,
   .max = 0.5,
   .hint = "the share of rows kept for the report, such as 0.2"},
  {.name = "folds",
   .kind = JSON_KIND_INTEGER,
   .nullable = true,
   .min = 2,
   .max = 20,
   .hint = "how many parts take turns as validation rows, such as 5"},
  {.name = "group",
   .kind = JSON_KIND_STRING,
   .nullable = true,
   .min = 1,
   .max = TARGET_LENGTH_MAX,
   .hint = "the column whose equal values stay together"},
  {.name = "time",
   .kind = JSON_KIND_STRING,
   .nullable = true,
   .min = 1,
   .max = TARGET_LENGTH_MAX,
   .hint = "the column that orders the rows"},
  {.name = "stratify", .kind = JSON_KIND_BOOLEAN, .nullable = true},
  JSON_FIELD_END};

/* Bounds that depend on the server are filled in at run time: a table is small enough to copy. */
struct spec_fields
{
  struct json_field budget[JOB_BUDGET_FIELDS];
  struct json_field search[11];
  struct json_field top[16];
};

static void
fill_search(struct spec_fields *fields, const struct job_spec_context *context)
{
  const struct json_field search[11] = {
    {.name = "method",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .choices = context->methods,
     .hint = "leave it out for the Bayesian search"},
    {.name = "seed",
     .kind = JSON_KIND_INTEGER,
     .nullable = true,
     .min = 0,
     .max = 9007199254740992.0,
     .hint = "a whole number from 0 to 2^53"},
    {.name = "space", .kind = JSON_KIND_OBJECT, .nullable = true},
    {.name = "early_stopping",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .choices = job_early_stopping_names,
     .hint = "what becomes of trials that do not promise much"},
    {.name = "parallel", .kind = JSON_KIND_INTEGER, .nullable = true, .min = 0, .max = 1024},
    {.name = "grid_resolution",
     .kind = JSON_KIND_INTEGER,
     .nullable = true,
     .min = 2,
     .max = 1000,
     .hint = "how many values of a continuous parameter a grid takes"},
    {.name = "warm_start_from",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = 1,
     .max = NAME_LENGTH_MAX,
     .hint = "the id of an earlier job, such as job_…"},
    {.name = "warm_start", .kind = JSON_KIND_ARRAY, .nullable = true},
    {.name = "stop_when", .kind = JSON_KIND_OBJECT, .nullable = true, .members = job_stop_fields},
    {.name = "range_test", .kind = JSON_KIND_BOOLEAN, .nullable = true},
    JSON_FIELD_END};
  memcpy(fields->search, search, sizeof search);
}

/* The tables point into each other, so that `fields` stays where it is. */
static void
fill_fields(struct spec_fields *fields, const struct job_spec_context *context)
{
  const struct json_field top[16] = {
    {.name = "dataset", .kind = JSON_KIND_STRING, .min = 1, .max = NAME_LENGTH_MAX},
    {.name = "name", .kind = JSON_KIND_STRING, .nullable = true, .min = 1, .max = NAME_LENGTH_MAX},
    {.name = "target",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = 1,
     .max = TARGET_LENGTH_MAX,
     .hint = "the name of the column to predict"},
    {.name = "task", .kind = JSON_KIND_STRING, .nullable = true, .choices = task_names},
    {.name = "metric", .kind = JSON_KIND_STRING, .nullable = true},
    {.name = "deploy_as",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = 1,
     .max = DEPLOY_AS_LENGTH_MAX},
    {.name = "budget", .kind = JSON_KIND_OBJECT, .nullable = true, .members = fields->budget},
    {.name = "search", .kind = JSON_KIND_OBJECT, .nullable = true, .members = fields->search},
    {.name = "families", .kind = JSON_KIND_STRING_ARRAY, .nullable = true, .min = 1, .max = 16},
    {.name = "validation",
     .kind = JSON_KIND_OBJECT,
     .nullable = true,
     .members = validation_fields},
    {.name = "class_weight", .kind = JSON_KIND_ANY, .nullable = true},
    {.name = "sample_weight",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .min = 1,
     .max = TARGET_LENGTH_MAX,
     .hint = "the numeric column that says how much each row counts"},
    {.name = "base_model", .kind = JSON_KIND_ANY, .nullable = true},
    {.name = "refit",
     .kind = JSON_KIND_STRING,
     .nullable = true,
     .choices = job_refit_names,
     .hint = "which rows the winner is fitted on again in the end"},
    JSON_FIELD_END};

  job_budget_fields(context, fields->budget);
  fill_search(fields, context);
  memcpy(fields->top, top, sizeof top);
}

/* ---- what is left to check by hand ---------------------------------------------------------------- */

/* Everything the steps below pass to each other. */
struct reading
{
  const json_t *request;
  const struct job_spec_context *context;
  struct arena *arena;
  struct json_faults *faults;
  struct model_data_shape shape;
  struct whole_spec *whole;
};

/* A member that is there and of the right kind; json_check has complained about others. */
static const json_t *
section(const json_t *request, const char *name)
{
  const json_t *value = json_object_get(request, name);
  return json_is_object(value) ? value : NULL;
}

static const char *
text_member(struct reading *reading, const char *name)
{
  const json_t *value = json_object_get(reading->request, name);
  return json_is_string(value) ? arena_strdup(reading->arena, json_string_value(value)) : NULL;
}

static void
read_task(struct reading *reading)
{
  struct job_spec *spec = &reading->whole->spec;
  const json_t *schema = reading->context->dataset_schema;
  const char *kind = json_string_value(json_object_get(schema, "kind"));
  struct err_info info = {.code = ERR_OK};

  spec->target = text_member(reading, "target");
  spec->task_name = text_member(reading, "task");
  job_shape_from_schema(schema, spec->target, spec->task_name, &reading->shape);
  if (!spec->target && kind && strcmp(kind, "images") != 0)
    json_fault_add(reading->faults, "/target", "name the column to predict",
                   "a job on a table needs a target");
  else if (task_check_schema(schema, spec->target, spec->task_name, &info) != ERR_OK)
    json_fault_add(reading->faults, "/target", NULL, "%s", info.text);
}

static void
read_metric(struct reading *reading)
{
  struct job_spec *spec = &reading->whole->spec;
  const char *name = text_member(reading, "metric"), *list = "";

  if (!name)
    return;
  for (int i = 0; i < METRIC_COUNT; i++)
    if (metric_fits_task((enum metric) i, reading->shape.task))
      list = arena_printf(reading->arena, "%s%s%s", list ? list : "", list && *list ? ", " : "",
                          metric_name((enum metric) i));
  if (!metric_parse(name, &spec->metric))
    json_fault_add(reading->faults, "/metric", list, "there is no metric \"%s\"", name);
  else if (!metric_fits_task(spec->metric, reading->shape.task))
    json_fault_add(reading->faults, "/metric", list, "metric %s does not fit a %s task", name,
                   reading->shape.task == TASK_REGRESSION ? "regression" : "classification");
  else
    spec->has_metric = true;
  reading->shape.probabilities = spec->has_metric && metric_takes_probabilities(spec->metric);
}

static void
read_deploy_as(struct reading *reading)
{
  const char *name = text_member(reading, "deploy_as");
  static const char legal[] = "abcdefghijklmnopqrstuvwxyz0123456789._-";

  reading->whole->spec.deploy_as = name;
  if (!name)
    return;
  size_t length = strlen(name);
  if (length == 0 || length > DEPLOY_AS_LENGTH_MAX)
    return;
  if (strspn(name, legal) != length || strchr("._-", name[0]))
    json_fault_add(reading->faults, "/deploy_as",
                   "use small letters, digits, dot, minus and underscore, and start with a letter "
                   "or digit",
                   "\"%s\" is no name for a model", name);
  else if (strspn(name, "0123456789") == length)
    json_fault_add(reading->faults, "/deploy_as", "add a letter",
                   "a model's name cannot be only digits");
  else if (strncmp(name, "mdl_", 4) == 0)
    json_fault_add(reading->faults, "/deploy_as", "choose another start",
                   "names that start with mdl_ are kept for ids");
}

static enum err
read_base(struct reading *reading)
{
  struct job_base_data data = {
    .shape = &reading->shape, .arena = reading->arena, .faults = reading->faults};
  struct job_spec *spec = &reading->whole->spec;

  if (!job_base_read(reading->request, &data, spec))
    return ERR_MEMORY;
  reading->shape.base = spec->base;
  return ERR_OK;
}

static const char *
family_list(struct arena *arena)
{
  const char *list = "";
  for (const struct model_family *family = model_families(); family->name && list; family++)
    list = arena_printf(arena, "%s%s%s", list, *list ? ", " : "", family->name);
  return list;
}

static bool
has_family(const struct job_spec *spec, const char *name)
{
  for (size_t i = 0; i < spec->family_count; i++)
    if (strcmp(spec->families[i], name) == 0)
      return true;
  return false;
}

static void
read_families(struct reading *reading)
{
  struct job_spec *spec = &reading->whole->spec;
  const json_t *asked = json_object_get(reading->request, "families"), *item;
  size_t known = 0, index;

  while (model_families()[known].name)
    known++;
  spec->families = arena_array(reading->arena, known, sizeof *spec->families);
  if (!spec->families)
    return;
  if (!json_is_array(asked))
    for (const struct model_family *family = model_families(); family->name; family++)
      if (!family->refuse(&reading->shape)
          && (!spec->base.stages || strcmp(family->name, "cnn") == 0))
        spec->families[spec->family_count++] = family->name;
  json_array_foreach((json_t *) asked, index, item)
  {
    const char *name = json_string_value(item);
    const struct model_family *family = name ? model_family_find(name) : NULL;
    const char *pointer = json_pointer_index(reading->arena, "/families", index);
    if (!name)
      continue;
    if (!family)
      json_fault_add(reading->faults, pointer, family_list(reading->arena),
                     "there is no family \"%s\"", name);
    else if (family->refuse(&reading->shape))
      json_fault_add(reading->faults, pointer, "leave this family out", "%s",
                     family->refuse(&reading->shape));
    else if (has_family(spec, family->name))
      json_fault_add(reading->faults, pointer, "name each family once", "%s is listed twice", name);
    else
      spec->families[spec->family_count++] = family->name;
  }
  if (spec->base.stages)
    job_base_check_families(&(struct job_base_data){.shape = &reading->shape,
                                                    .arena = reading->arena,
                                                    .faults = reading->faults},
                            spec);
}

static void
read_search(struct reading *reading)
{
  struct job_spec *spec = &reading->whole->spec;
  const json_t *search = section(reading->request, "search");

  spec->method = arena_strdup(reading->arena, json_get_string(search, "method", "bayes"));
  spec->seed = json_get_count(search, "seed", 0);
  spec->parallel = (size_t) json_get_count(search, "parallel", 0);
  spec->grid_resolution = (size_t) json_get_count(search, "grid_resolution", 5);
  spec->range_test = json_get_bool(search, "range_test", false);
  if (spec->range_test && strcmp(spec->method, "bayes") != 0)
    json_fault_add(reading->faults, "/search/range_test",
                   "leave method out for the Bayesian search",
                   "only the method bayes begins with range tests");
  job_stop_read(search, spec, reading->faults);
  job_early_stopping_read(search, spec, reading->faults);
}

static void
read_rows(struct reading *reading)
{
  struct job_spec_rows rows = {.request = reading->request,
                               .schema = reading->context->dataset_schema,
                               .shape = &reading->shape,
                               .arena = reading->arena,
                               .faults = reading->faults,
                               .spec = &reading->whole->spec};

  job_spec_read_rows(&rows);
  size_t special = job_spec_special_columns(rows.spec);
  if (special < reading->shape.columns)
    reading->shape.columns -= special;
}

/* Builds the space. *normal is the families' spaces for the normal form (new reference). */
static enum err
read_space(struct reading *reading, json_t **normal)
{
  struct job_spec *spec = &reading->whole->spec;
  const json_t *overrides = json_object_get(section(reading->request, "search"), "space");
  const char *pointer = "/search/space";
  size_t before = reading->faults->count;
  struct space *space = NULL;
  enum err rc;

  *normal = NULL;
  if (spec->family_count == 0)
    return ERR_OK;
  *normal =
    job_space_merge(spec->families, spec->family_count, &reading->shape,
                    json_is_object(overrides) ? overrides : NULL, reading->arena, reading->faults);
  if (!*normal)
    return ERR_MEMORY;
  if (reading->faults->count > before)
    return ERR_OK;
  if (spec->family_count == 1 && !json_object_get(overrides, spec->families[0]))
  {
    /* written flat: faults must point to where the caller wrote them */
    rc = space_from_json(json_object_get(*normal, spec->families[0]), pointer, reading->arena,
                         &space, reading->faults);
    if (rc != ERR_OK)
      return rc == ERR_INVALID ? ERR_OK : rc;
  }
  rc = space_join_families(*normal, pointer, reading->arena, &space, reading->faults);
  spec->space = space;
  return rc == ERR_INVALID ? ERR_OK : rc;
}

/* ---- the normal form ------------------------------------------------------------------------------ */

static json_t *
normal_json(const struct job_spec *spec, const json_t *search, json_t *space)
{
  json_t *families = json_array(), *form;

  for (size_t i = 0; i < spec->family_count; i++)
    json_array_append_new(families, json_string(spec->families[i]));
  form =
    json_pack("{s:o, s:{s:s, s:s, s:I, s:I, s:I, s:O}, s:o}", "budget", job_budget_write(spec),
              "search", "method", spec->method, "early_stopping", spec->early_stopping, "seed",
              (json_int_t) spec->seed, "parallel", (json_int_t) spec->parallel, "grid_resolution",
              (json_int_t) spec->grid_resolution, "space", space, "families", families);
  if (!form)
    return NULL;
  job_spec_write_rows(spec, form);
  if (spec->range_test)
    json_object_set_new(json_object_get(form, "search"), "range_test", json_true());
  job_warm_write(search, form);
  job_stop_write(spec, form);
  job_base_write(spec, form);
  if (spec->target)
    json_object_set_new(form, "target", json_string(spec->target));
  if (spec->task_name)
    json_object_set_new(form, "task", json_string(spec->task_name));
  if (spec->has_metric)
    json_object_set_new(form, "metric", json_string(metric_name(spec->metric)));
  if (spec->deploy_as)
    json_object_set_new(form, "deploy_as", json_string(spec->deploy_as));
  return form;
}

static enum err
keep_normal(struct reading *reading, json_t *space)
{
  json_t *form = normal_json(&reading->whole->spec, section(reading->request, "search"), space);
  char *text = form ? json_dumps(form, JSON_COMPACT) : NULL;

  reading->whole->normal = text ? arena_strdup(reading->arena, text) : NULL;
  free(text);
  json_decref(form);
  return reading->whole->normal ? ERR_OK : ERR_MEMORY;
}

/* ---- the two exported functions ------------------------------------------------------------------- */

enum err
job_spec_from_json(const json_t *request, const struct job_spec_context *context,
                   struct arena *arena, struct job_spec **spec, struct json_faults *faults)
{
  struct reading reading = {
    .request = request, .context = context, .arena = arena, .faults = faults};
  struct spec_fields *fields = arena_alloc(arena, sizeof *fields);
  size_t before = faults->count;
  json_t *space = NULL;
  enum err rc;

  *spec = NULL;
  reading.whole = arena_alloc(arena, sizeof *reading.whole);
  if (!fields || !reading.whole)
    return ERR_MEMORY;
  if (!json_is_object(request))
  {
    json_fault_add(faults, "", "send {\"dataset\": …, \"target\": …}", "must be a JSON object");
    return ERR_INVALID;
  }
  fill_fields(fields, context);
  json_check(request, fields->top, "", faults);
  read_task(&reading);
  read_rows(&reading);
  read_metric(&reading);
  read_deploy_as(&reading);
  rc = read_base(&reading);
  if (rc != ERR_OK)
    return rc;
  read_families(&reading);
  job_budget_read(section(request, "budget"), context, &reading.whole->spec);
  read_search(&reading);
  rc = read_space(&reading, &space);
  if (rc == ERR_OK)
    rc = job_warm_read(section(request, "search"), &reading.whole->spec, arena, faults);
  if (rc == ERR_OK && faults->count > before)
    rc = ERR_INVALID;
  if (rc == ERR_OK)
    rc = keep_normal(&reading, space);
  json_decref(space);
  if (rc == ERR_OK)
    *spec = &reading.whole->spec;
  return rc;
}

json_t *
job_spec_to_json(const struct job_spec *spec)
{
  const struct whole_spec *whole = (const struct whole_spec *) (const void *) spec;
  return json_loads(whole->normal, 0, NULL);
}
