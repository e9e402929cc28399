/* A fit on a toy dataset: the first three quarters of its rows train, the rest validate. Header only.
 */
#ifndef ATTUNE_TESTS_TOY_FIT_H
#define ATTUNE_TESTS_TOY_FIT_H

#include "tests/harness/toy_data.h"
#include "train/train.h"

struct toy_fit
{
  struct dataset *dataset;
  struct arena *arena;
  struct task task;
  json_t *params;
  size_t rows[TOY_ROWS_MAX];
  struct train_request request;
};

/* Takes the dataset. `params` is JSON text. Change fit->request before running it if need be. */
static inline void
toy_fit_init(struct toy_fit *fit, struct dataset *dataset, const char *family, const char *params)
{
  size_t count = dataset_row_count(dataset);

  fit->dataset = dataset;
  fit->arena = arena_new(0);
  fit->params = json_loads(params, 0, NULL);
  assert_non_null(fit->params);
  toy_task(dataset, fit->arena, &fit->task);
  for (size_t i = 0; i < count; i++)
    fit->rows[i] = i;
  fit->request = (struct train_request){
    .dataset = dataset,
    .task = &fit->task,
    .family = family,
    .params = fit->params,
    .train_rows = fit->rows,
    .train_count = count * 3 / 4,
    .valid_rows = fit->rows + count * 3 / 4,
    .valid_count = count - count * 3 / 4,
    .metric = fit->task.kind == TASK_REGRESSION ? METRIC_R2 : METRIC_ACCURACY,
    .seed = 5};
}

static inline void
toy_fit_clear(struct toy_fit *fit)
{
  json_decref(fit->params);
  arena_free(fit->arena);
  dataset_close(fit->dataset);
}

/* Runs it; the text of a failure is printed. */
static inline void
toy_fit_run(struct toy_fit *fit, struct train_result *result)
{
  struct err_info info = {.text = ""};
  if (train_run(&fit->request, result, &info) != ERR_OK)
    fail_msg("%s %s: %s", fit->request.family, json_dumps(fit->params, 0), info.text);
}

#endif
