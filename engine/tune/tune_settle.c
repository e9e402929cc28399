#include <config.h>

#include "tune/tune_settle.h"

#include <math.h>
#include <stdlib.h>

#include "base/json.h"
#include "tune/greedy.h"
#include "tune/tune_decide.h"

#define PARTS 5 /* of validation rows that are not in folds */

static const double shown_levels[] = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99};
#define LEVELS (sizeof shown_levels / sizeof shown_levels[0])

/* The library's rows with their folds; *part is to be freed. */
static enum err
rows_of(const struct tune_data *data, const struct tune_library *library, const float *predictions,
        struct conformal_rows *rows, uint8_t **part)
{
  bool folds = data->split->kind == SPLIT_FOLDS;
  *part = malloc(library->row_count + 1);
  if (*part == NULL)
    return ERR_MEMORY;
  for (size_t i = 0; i < library->row_count; i++)
    (*part)[i] = folds ? data->split->fold_of[library->rows[i]] : (uint8_t) (i % PARTS);
  *rows = (struct conformal_rows){.count = library->row_count,
                                  .parts = folds ? data->split->fold_count : PARTS,
                                  .truth = library->labels.values,
                                  .prediction = predictions,
                                  .part = *part};
  return ERR_OK;
}

static enum err
settle_classes(const struct tune_data *data, const struct tune_library *library,
               struct model *model, struct tune_settled *settled, struct err_info *info)
{
  const struct labels *labels = &library->labels.labels;
  struct decision decision;
  enum err err =
    calibrate_fit(labels, settled->predictions, data->task.class_count, &settled->calibration);
  if (err != ERR_OK)
    return err_set(info, err, "out of memory for the calibration");
  err = model_set_temperature(model, settled->calibration.temperature, info);
  if (settled->calibration.temperature != 1)
    model_temper(settled->calibration.temperature, data->task.class_count, labels->count,
                 settled->predictions);
  if (err == ERR_OK)
    err = tune_decide(data, labels, settled->predictions, &decision, info);
  return err == ERR_OK ? model_set_decision(model, &decision, info) : err;
}

static enum err
settle_numbers(const struct tune_data *data, const struct tune_library *library,
               struct model *model, struct tune_settled *settled, struct err_info *info)
{
  struct conformal_rows rows;
  uint8_t *part = NULL;
  enum err err = rows_of(data, library, settled->predictions, &rows, &part);
  if (err == ERR_OK)
    err = conformal_fit(&rows, &settled->interval);
  free(part);
  if (err != ERR_OK)
    return err_set(info, err, "out of memory for the intervals");
  return settled->interval.rows > 0 ? model_set_interval(model, &settled->interval, info) : ERR_OK;
}

enum err
tune_settle(const struct tune_data *data, const struct tune_library *library, const double *weights,
            size_t count, struct model *model, struct tune_settled *settled, struct err_info *info)
{
  size_t values = library->row_count * data->task.output_count;
  tune_settled_clear(settled);
  settled->predictions = malloc((values + 1) * sizeof *settled->predictions);
  if (settled->predictions == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the predictions");
  greedy_mix(library->predictions, weights, count, values, settled->predictions);
  if (data->task.kind == TASK_REGRESSION)
    return settle_numbers(data, library, model, settled, info);
  return settle_classes(data, library, model, settled, info);
}

void
tune_settled_clear(struct tune_settled *settled)
{
  free(settled->predictions);
  *settled = (struct tune_settled){0};
}

/* ---- what the report tells --------------------------------------------------------------------------- */

static json_t *
before_after(double before, double after)
{
  return json_pack("{s:o, s:o}", "before", json_real_or_null(before), "after",
                   json_real_or_null(after));
}

static json_t *
calibration_json(const struct calibration *calibration, const struct tune_unseen *unseen)
{
  /* What does not help is not served, so only the check can tell of it. */
  bool on_report = unseen->labels != NULL && calibration->helps;
  struct calibration_state before = on_report ? unseen->before : calibration->before;
  struct calibration_state after = on_report ? unseen->after : calibration->after;
  return json_pack("{s:s, s:b, s:f, s:f, s:s, s:o, s:o}", "method", "temperature", "used",
                   calibration->helps, "temperature", calibration->temperature, "fitted",
                   calibration->fitted, "measured_on", on_report ? "report" : "validation",
                   "log_loss", before_after(before.log_loss, after.log_loss), "ece",
                   before_after(before.ece, after.ece));
}

static json_t *
intervals_json(const struct model_interval *interval, const char *measured_on,
               const struct conformal_measure *measures)
{
  json_t *levels = json_array();
  for (size_t l = 0; l < LEVELS; l++)
    if (measures[l].rows > 0)
      json_array_append_new(levels, json_pack("{s:f, s:o, s:o, s:I}", "level", measures[l].level,
                                              "coverage", json_real_or_null(measures[l].coverage),
                                              "mean_width", json_real_or_null(measures[l].width),
                                              "rows", (json_int_t) measures[l].rows));
  return json_pack("{s:I, s:b, s:b, s:s, s:o}", "rows", (json_int_t) interval->rows, "each_tail",
                   interval->each_tail, "by_prediction", interval->knot_count > 0, "measured_on",
                   measured_on, "levels", levels);
}

static enum err
measure_numbers(const struct tune_data *data, const struct tune_library *library,
                const struct tune_settled *settled, const struct tune_unseen *unseen,
                struct conformal_measure *measures)
{
  struct conformal_rows rows;
  uint8_t *part = NULL;
  if (unseen->labels != NULL)
  {
    rows = (struct conformal_rows){.count = unseen->labels->count,
                                   .truth = unseen->labels->values,
                                   .prediction = unseen->predictions};
    conformal_measure(&rows, &settled->interval, measures, LEVELS);
    return ERR_OK;
  }
  enum err err = rows_of(data, library, settled->predictions, &rows, &part);
  if (err == ERR_OK)
    err = conformal_measure_crossed(&rows, &settled->interval, measures, LEVELS);
  free(part);
  return err;
}

enum err
tune_settled_json(const struct tune_data *data, const struct tune_library *library,
                  const struct tune_settled *settled, const struct tune_unseen *unseen,
                  json_t **calibration, json_t **intervals)
{
  struct conformal_measure measures[LEVELS];
  enum err err = ERR_OK;
  *calibration = json_null();
  *intervals = json_null();
  if (data->task.kind != TASK_REGRESSION)
    *calibration = calibration_json(&settled->calibration, unseen);
  else if (settled->interval.rows > 0)
  {
    for (size_t l = 0; l < LEVELS; l++)
      measures[l] = (struct conformal_measure){.level = shown_levels[l]};
    err = measure_numbers(data, library, settled, unseen, measures);
    if (err == ERR_OK)
      *intervals = intervals_json(&settled->interval,
                                  unseen->labels != NULL ? "report" : "validation", measures);
  }
  return *calibration != NULL && *intervals != NULL ? err : ERR_MEMORY;
}
