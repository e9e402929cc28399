/* A tuning job as asked for: the JSON of POST /jobs, checked and completed with defaults.
 *
 * attuned checks a request with it before it accepts; the engine reads the stored (normalised) JSON
 * with it again, so both agree. Lives in the arena it was made in; immutable.
 */
#ifndef ATTUNE_MODEL_JOB_SPEC_H
#define ATTUNE_MODEL_JOB_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/space.h"
#include "data/metric.h"
#include "data/split.h"
#include "model/model.h"

struct job_spec
{
  const char *target; /* NULL for images */
  const char
    *task_name; /* "classification", "binary", "multiclass", "regression", or NULL = derive */
  bool has_metric;
  enum metric metric;
  /* budget: 0 = unlimited, but seconds or trials is always set (default: 300 s) */
  double budget_seconds;
  size_t budget_trials;
  bool has_target_score;
  double target_score;
  /* What the served model may cost; 0 = no limit, but for a mix of models a default. */
  double max_predict_us;  /* microseconds for one row */
  double max_model_bytes; /* of its file */
  const char *method;
  uint64_t seed;
  const char *early_stopping; /* of trials that can pause: "none", "median", "asha", "hyperband" */
  size_t parallel;            /* most workers at once; 0 = all that are free */
  size_t grid_resolution;
  double holdout; /* 0 = by rule */
  size_t folds;   /* 0 = by rule */
  /* Columns with a special part are no features (job_spec_is_special_column); NULL = none. Rows of
   * one group stay together; with a time, later rows are judged by models of earlier ones, and a
   * group counts as late as its latest row. */
  const char *group_column, *time_column;
  bool stratify; /* each part has its share of every class; never with a time */
  bool class_weight_balanced;
  /* Classes as the data writes them; one left out weighs 1. Not both this and "balanced". */
  const char **class_weight_names;
  const double *class_weight_values;
  size_t class_weight_count;
  const char *sample_weight; /* numeric column without gaps; NULL = every row weighs 1 */
  /* What becomes of the winner where rows are kept for the report: "auto" (fitted again on training and validation
   * rows, and kept unless that is worse), "none", or "all" (and a version fitted on the report rows, too). */
  const char *refit;
  const char *deploy_as; /* model name */
  const char **families;
  size_t family_count;
  /* The model whose body the family cnn starts from, a fixed version; base.stages = 0: none. */
  const char *base_model_id, *base_model_name;
  int base_model_version;
  struct model_base base;
  /* The joined space: "family" first (categorical, or fixed when there is one), then "family.param". */
  const struct space *space;
  /* An earlier job's trials as points of the space (warm_count × space->count), best first, with their
   * objectives: what the search knows from the start. */
  const char *warm_start_from; /* NULL = none */
  const double *warm_points, *warm_values;
  size_t warm_count;
  bool range_test; /* begin with learning-rate range tests (tune/tune_prior.h) */
  /* When the search ends for want of gain (search/gain.h), in the units of the metric; NaN = whatever. */
  bool has_stop_when;
  double stop_expected_gain, stop_regret_bound;
  size_t stop_after_trials; /* done ones, at least */
};

/* What may be asked for; from the callers' tables and limits. */
struct job_spec_context
{
  const json_t *dataset_schema;
  const char *const *methods; /* legal search methods, NULL-terminated */
  double max_seconds;
  size_t max_trials;
};

/* Checks `request` (the body of POST /jobs, or its stored normal form). Members: target, task, metric, name,
 * deploy_as, dataset, budget{seconds,trials,target_score,max_predict_us,max_model_bytes},
 * search{method,seed,space,parallel,early_stopping,grid_resolution,warm_start_from,warm_start,stop_when,range_test},
 * families[], validation{holdout,folds,group,time,stratify}, class_weight ("balanced", "none" or an object of
 * weights by class), sample_weight, refit, base_model ({"id", "name", "version", "body"}: what the caller wrote
 * there was resolved before; job_base.c). `search.space` overrides parts of the families' default spaces:
 * {"mlp": {"dropout": 0.1}} by family, or flat when one family is asked for. A seed left out is drawn at random
 * by the caller and put in the request before. All faults at once; ERR_INVALID when there were any. */
enum err job_spec_from_json(const json_t *request, const struct job_spec_context *context,
                            struct arena *arena, struct job_spec **spec,
                            struct json_faults *faults);

/* True for the columns of group, time and sample weight; and how many of them there are. */
bool job_spec_is_special_column(const struct job_spec *spec, const char *name);
size_t job_spec_special_columns(const struct job_spec *spec);

/* How its rows are to be split; borrows from the spec. */
struct split_spec job_spec_split(const struct job_spec *spec);

/* The normal form: every default filled in (new reference). */
json_t *job_spec_to_json(const struct job_spec *spec);

#endif
