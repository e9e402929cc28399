#include <config.h>

#include "server/handler/job_estimate.h"

#include <math.h>
#include <string.h>
#include <unistd.h>

#include "base/options.h"
#include "model/family_cost.h"
#include "search/search.h"
#include "server/json_view.h"
#include "sql/db_work.h"

/* As the split does by rule (data/split.h). */
#define HOLDOUT_FROM_ROWS 20000
#define DEFAULT_FOLDS 5
#define REPORT_SHARE 0.1
#define REPORT_MOST 5000.0
/* Of so many images a tenth says enough, be it of a model or for a choice. */
#define BRIEF_HOLDOUT_ROWS 2000
#define BRIEF_HOLDOUT 0.1
/* The cost model is good to a factor of 3: only what misses by more is refused. */
#define CLEARLY 3.0
/* A later trial takes at most this part of the search: fits shorten themselves (tune_study.c). */
#define TRIAL_SHARE 0.33
/* Around the fits, on the machine whose factor is 1, measured as CPU time of workers and database over whole jobs
 * (tests/api/test_estimate.py): a fit is claimed, its files are written and read, its result is stored; a
 * trial is asked of the search, added and closed. */
#define FIT_AROUND_S 0.01
#define TRIAL_AROUND_S 0.02
#define FINISH_S 2.0 /* the ensemble, the report, the model stored; more with many rows */
#define FINISH_ROW_S 4e-5
/* What is kept (worker_internal.h, decisions "Growth"). */
#define KEPT_PREDICTIONS 50.0
#define KEPT_MODELS 16.0
#define TEXT_BYTES 2e5 /* of a text column's weights in a model, per output */

struct estimate
{
  struct model_data_shape shape;
  bool folded;
  size_t folds; /* fits of a trial */
  size_t train_rows, valid_rows;
  double factor; /* of this machine */
  size_t workers;
  bool workers_known;
};

struct model_data_shape
job_estimate_shape(const struct job_plan *plan)
{
  const json_t *columns = json_object_get(plan->schema, "columns");
  bool images = strcmp(plan->dataset.kind, "images") == 0;
  size_t special = job_spec_special_columns(plan->spec) + 1, count = json_array_size(columns);
  size_t pixels = (size_t) (json_get_number(plan->schema, "height", 0.0)
                            * json_get_number(plan->schema, "width", 0.0)
                            * json_get_number(plan->schema, "channels", 0.0));
  struct model_data_shape shape = {
    .kind = images ? DATASET_IMAGES : DATASET_TABLE,
    .task = plan->task_known ? plan->task.kind : TASK_MULTICLASS,
    .rows = (size_t) plan->dataset.rows,
    .columns = images            ? pixels
               : count > special ? count - special
                                 : 1,
    .encoded = images ? 0 : family_encoded_columns(plan->schema, plan->spec->target),
    .characters = images ? 0 : family_text_characters(plan->schema, plan->spec->target),
    .classes = plan->task_known ? plan->task.class_count : 2,
    .height = images ? (size_t) json_get_number(plan->schema, "height", 0.0) : 0,
    .width = images ? (size_t) json_get_number(plan->schema, "width", 0.0) : 0,
    .channels = images ? (size_t) json_get_number(plan->schema, "channels", 0.0) : 0,
    .base = plan->spec->base,
  };
  return shape;
}

static void
estimate_init(struct estimate *estimate, const struct http_request *req,
              const struct job_plan *plan)
{
  const struct job_spec *spec = plan->spec;
  const struct server *server = req->server;
  size_t rows;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);

  *estimate = (struct estimate){.shape = job_estimate_shape(plan), .folds = 1};
  rows = estimate->shape.rows;
  estimate->folded = spec->folds || (spec->holdout <= 0.0 && rows < HOLDOUT_FROM_ROWS);
  if (estimate->folded)
  {
    estimate->folds = spec->folds ? spec->folds : DEFAULT_FOLDS;
    estimate->valid_rows = rows / estimate->folds;
    estimate->train_rows = rows - estimate->valid_rows;
  }
  else
  {
    double share = spec->holdout > 0.0 ? spec->holdout : REPORT_SHARE;
    double part = fmin(share * (double) rows, spec->holdout > 0.0 ? INFINITY : REPORT_MOST);
    estimate->valid_rows = (size_t) part;
    estimate->train_rows = rows - (size_t) fmin(2.0 * part, 0.9 * (double) rows);
  }
  if (plan->split_known)
  {
    estimate->folded = plan->split.folded;
    estimate->folds = plan->split.fits;
    estimate->train_rows = plan->split.train_rows;
    estimate->valid_rows = plan->split.valid_rows;
  }
  estimate->factor = server->machine_factor > 0.0 ? server->machine_factor : 1.0;
  estimate->workers_known = !options_text(server->options, "database");
  estimate->workers = 1;
  if (estimate->workers_known)
    estimate->workers = options_text(server->options, "engines")
                          ? (size_t) options_integer(server->options, "engines")
                        : cores > 0 ? (size_t) cores
                                    : 1;
  if (spec->parallel && spec->parallel < estimate->workers)
    estimate->workers = spec->parallel;
}

/* CPU seconds of all fits of a trial. */
static struct family_cost_range
trial_cost(const struct estimate *estimate, const struct job_spec *spec, size_t family)
{
  struct family_cost_range cost =
    family_cost_of_job(spec, family, &estimate->shape, estimate->train_rows);
  double start_s = family_start_s(spec->families[family], &estimate->shape);
  cost.usual_s += start_s;
  cost.least_s += start_s;
  cost.usual_s *= estimate->factor * (double) estimate->folds;
  cost.least_s *= estimate->factor * (double) estimate->folds;
  return cost;
}

/* How many of a trial's fits run at once. */
static double
side_by_side(const struct estimate *estimate)
{
  double most =
    (double) (estimate->folds < estimate->workers ? estimate->folds : estimate->workers);
  double rounds = ceil((double) estimate->folds / fmax(most, 1.0));
  return (double) estimate->folds / rounds;
}

/* Images of clothes, 28 x 28, on two cores: of 10,000 of them jobs of 30 and 90 s had 0.871 and 0.900 right by folds, 0.888
 * and 0.906 with a tenth held out, which leaves the time of five fits to one; of 3,000 in 30 s 0.846 and 0.875; of 400 in
 * 20 s 0.800 and 0.766. */
double
job_estimate_holdout(const struct http_request *req, const struct job_plan *plan)
{
  const struct job_spec *spec = plan->spec;
  bool open = spec->holdout <= 0.0 && spec->folds == 0 && !spec->group_column && !spec->time_column;
  struct estimate estimate;
  double most = 0.0;

  if (strcmp(plan->dataset.kind, "images") != 0 || !open || spec->budget_seconds <= 0.0)
    return 0.0;
  estimate_init(&estimate, req, plan);
  for (size_t i = 0; i < spec->family_count; i++)
    most = fmax(most, trial_cost(&estimate, spec, i).usual_s / side_by_side(&estimate));
  return estimate.folded && estimate.shape.rows >= BRIEF_HOLDOUT_ROWS && most > spec->budget_seconds
           ? BRIEF_HOLDOUT
           : 0.0;
}

static enum err
grid_size(const struct job_spec *spec, size_t *count, struct err_info *info)
{
  struct search_spec search = {.method = "grid",
                               .space = spec->space,
                               .expected_trials = spec->budget_trials,
                               .grid_resolution = spec->grid_resolution};
  return search_grid_size(&search, count, info);
}

void
job_estimate_check(const struct http_request *req, const struct job_plan *plan,
                   struct json_faults *faults)
{
  const struct job_spec *spec = plan->spec;
  struct err_info info = {.code = ERR_OK};
  struct estimate estimate;
  double least = INFINITY;
  size_t count;

  if (strcmp(spec->method, "grid") == 0 && grid_size(spec, &count, &info) == ERR_INVALID)
    json_fault_add(faults, "/search/method", "fix some parameters, or lower grid_resolution", "%s",
                   info.text);
  if (spec->budget_seconds <= 0.0)
    return;
  estimate_init(&estimate, req, plan);
  for (size_t i = 0; i < spec->family_count; i++)
    least = fmin(least, trial_cost(&estimate, spec, i).least_s / side_by_side(&estimate));
  if (isfinite(least) && least / CLEARLY > spec->budget_seconds)
    json_fault_add(faults, "/budget/seconds",
                   arena_printf(req->arena,
                                "give at least %.0f seconds, fewer folds, or cheaper families",
                                ceil(least)),
                   "the budget of %g s is too short for a single trial: the cheapest one takes "
                   "about %.0f s on %zu rows and %zu columns",
                   spec->budget_seconds, ceil(least), estimate.shape.rows, estimate.shape.columns);
}

/* ---- the view --------------------------------------------------------------------------------------- */

static json_t *
view_families(const struct estimate *estimate, const struct job_spec *spec)
{
  json_t *families = json_array();

  for (size_t i = 0; i < spec->family_count; i++)
  {
    const struct model_family *family = model_family_find(spec->families[i]);
    struct family_cost_range cost = trial_cost(estimate, spec, i);
    json_array_append_new(families,
                          json_pack("{s:s, s:s, s:f, s:f, s:f}", "name", family->name, "help",
                                    family->help, "seconds_per_fit",
                                    cost.usual_s / (double) estimate->folds, "seconds_per_trial",
                                    cost.usual_s, "least_seconds_per_trial", cost.least_s));
  }
  return families;
}

static json_t *
view_split(const struct estimate *estimate, const struct job_spec *spec)
{
  return json_pack("{s:s, s:I, s:I, s:I, s:b, s:s?, s:s?}", "kind",
                   estimate->folded ? "folds" : "holdout", "fits_per_trial",
                   (json_int_t) estimate->folds, "train_rows", (json_int_t) estimate->train_rows,
                   "valid_rows", (json_int_t) estimate->valid_rows, "stratified",
                   spec->stratify && estimate->shape.task != TASK_REGRESSION, "group",
                   spec->group_column, "time", spec->time_column);
}

static json_t *
view_task(const struct job_plan *plan)
{
  json_t *classes = json_array();

  for (size_t i = 0; plan->task_known && i < plan->task.class_count; i++)
    json_array_append_new(classes, json_string(plan->task.class_names[i]));
  return json_pack("{s:o, s:o}", "kind",
                   plan->task_known ? json_string(task_kind_name(plan->task.kind)) : json_null(),
                   "classes", classes);
}

/* What a trial costs beside its fits. */
static double
trial_overhead(const struct estimate *estimate)
{
  return estimate->factor * ((double) estimate->folds * FIT_AROUND_S + TRIAL_AROUND_S);
}

/* Trials that end within the budget on average, each family as often as another. */
static double
expected_trials(const struct estimate *estimate, const struct job_spec *spec, double points,
                double *trial_s)
{
  double search_s = spec->budget_seconds - db_work_reserve_s(spec->budget_seconds);
  double trials = spec->budget_trials ? (double) spec->budget_trials : INFINITY, sum = 0.0;

  for (size_t i = 0; i < spec->family_count; i++)
  {
    struct family_cost_range cost = trial_cost(estimate, spec, i);
    double most =
      spec->budget_seconds > 0.0 ? TRIAL_SHARE * search_s * (double) estimate->workers : INFINITY;
    sum += fmax(fmin(cost.usual_s, most), cost.least_s);
  }
  *trial_s = sum / (double) (spec->family_count ? spec->family_count : 1);
  if (spec->budget_seconds > 0.0)
    trials = fmin(trials, fmax(1.0, floor(search_s * (double) estimate->workers
                                          / (*trial_s + trial_overhead(estimate)))));
  return fmin(trials, points);
}

/* Kept predictions and models; about as many numbers in a model as a network's weights. */
static double
storage_bytes(const struct estimate *estimate, const struct job_spec *spec, double trials)
{
  double outputs = (double) (estimate->shape.classes ? estimate->shape.classes : 1), model = 0.0;
  double scored = (double) (estimate->folded ? estimate->shape.rows : estimate->valid_rows);
  double inputs =
    (double) (estimate->shape.encoded ? estimate->shape.encoded : estimate->shape.columns);

  for (size_t i = 0; i < spec->family_count; i++)
  {
    const char *name = spec->families[i];
    double size = 8.0 * (inputs + 1.0) * outputs;
    if (strcmp(name, "trees") == 0)
      size = 300.0 * outputs * 64.0 * 24.0;
    else if (strcmp(name, "mlp") == 0)
      size = 4.0 * 192.0 * (inputs + 192.0 + outputs);
    size += estimate->shape.characters ? fmin(TEXT_BYTES * outputs, 5.0 * TEXT_BYTES) : 0.0;
    model = fmax(model, 2000.0 + size);
  }
  return fmin(trials, KEPT_PREDICTIONS) * 4.0 * scored * outputs
         + (fmin(trials, KEPT_MODELS) + 1.0) * (double) estimate->folds * model;
}

static json_t *
view_estimate(const struct http_request *req, const struct estimate *estimate,
              const struct job_spec *spec, double points)
{
  double trial_s, trials = expected_trials(estimate, spec, points, &trial_s);
  double finish_s = FINISH_S + FINISH_ROW_S * (double) estimate->shape.rows * estimate->factor;
  double overhead_s = trial_overhead(estimate);
  double total_s = trials * (trial_s + overhead_s) / (double) estimate->workers + finish_s;
  const char *basis = arena_printf(
    req->arena,
    "the families' cost models times this machine's measured factor "
    "%.2f; %s, with the processors to themselves; good to a factor of "
    "3, and corrected by the first trials",
    estimate->factor,
    estimate->workers_known ? "the engine processes of this server"
                            : "one engine process is assumed, since they run elsewhere");

  if (spec->budget_seconds > 0.0)
    total_s = fmin(total_s, spec->budget_seconds);
  return json_pack("{s:I, s:o, s:f, s:f, s:o, s:o, s:s}", "workers", (json_int_t) estimate->workers,
                   "trials", json_real_or_null(trials), "seconds_per_trial", trial_s,
                   "overhead_per_trial", overhead_s, "total_seconds", json_real_or_null(total_s),
                   "storage_bytes", json_real_or_null(ceil(storage_bytes(estimate, spec, trials))),
                   "basis", basis ? basis : "");
}

/* The normal form as callers know it. */
static json_t *
view_form(const struct job_plan *plan)
{
  json_t *form = json_deep_copy(plan->form);
  view_spec(form);
  return form;
}

json_t *
job_estimate_view(const struct http_request *req, const struct job_plan *plan)
{
  const struct job_spec *spec = plan->spec;
  double points = spec->space ? space_cardinality(spec->space) : NAN;
  bool grid = strcmp(spec->method, "grid") == 0;
  struct estimate estimate;
  json_t *view;
  size_t count;

  estimate_init(&estimate, req, plan);
  if (grid && grid_size(spec, &count, NULL) == ERR_OK)
    points = (double) count;
  view = json_pack("{s:b, s:{s:s, s:i, s:s, s:I}, s:s, s:o, s:o, s:O, s:o, s:o, s:o, s:o}", "valid",
                   1, "dataset", "id", plan->dataset.id, "version", plan->dataset.version, "kind",
                   plan->dataset.kind, "rows", (json_int_t) plan->dataset.rows, "name", plan->name,
                   "job", view_form(plan), "task", view_task(plan), "metric",
                   json_object_get(plan->form, "metric") ? json_object_get(plan->form, "metric")
                                                         : json_null(),
                   "split", view_split(&estimate, spec), "families", view_families(&estimate, spec),
                   "points_in_space", json_real_or_null(points), "estimate",
                   view_estimate(req, &estimate, spec, points));
  if (grid)
    json_object_set(view, "space_count", json_object_get(view, "points_in_space"));
  if (spec->warm_start_from)
    json_object_set_new(view, "warm_start",
                        json_pack("{s:s, s:I}", "job", spec->warm_start_from, "trials",
                                  (json_int_t) spec->warm_count));
  return view;
}
