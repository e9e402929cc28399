#include <config.h>

#include "tune/tune_range.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "model/family.h"

static json_t *
numbers(const double *values, size_t count)
{
  json_t *list = json_array();

  for (size_t i = 0; list && i < count; i++)
    json_array_append_new(list, json_real_or_null(values[i]));
  return list;
}

static json_t *
write_curve(const struct range_test *test)
{
  json_t *rates = json_array();

  for (size_t i = 0; rates && i < test->count; i++)
    json_array_append_new(rates, json_real(range_test_rate(test, i)));
  return json_pack("{s:o, s:o, s:o}", "rates", rates, "losses", numbers(test->loss, test->count),
                   "smoothed", numbers(test->smooth, test->count));
}

static json_t *
write_suggestion(const struct range_test_advice *advice)
{
  if (isnan(advice->rate))
    return json_null();
  return json_pack("{s:f, s:f, s:o}", "learning_rate", advice->rate, "low", advice->start, "high",
                   json_real_or_null(advice->most));
}

/* A choice of the family's table by its name, or null. */
static json_t *
write_choice(const struct tune_data *data, const struct tune_range *range, const char *name)
{
  const struct family_param *param = family_param_find(range->family, name, &data->shape);

  return param && param->choices ? json_string(
           param->choices[family_choice(range->family, &data->shape, range->params, name)])
                                 : json_null();
}

/* A parameter in force, or null where the optimizer has none. */
static json_t *
write_momentum(const struct tune_data *data, const struct tune_range *range)
{
  const struct family_param *param = family_param_find(range->family, "momentum", &data->shape);
  json_t *optimizer = write_choice(data, range, "optimizer");
  bool used = false;

  for (const char *const *one = param ? param->when_choices : NULL; one && *one; one++)
    used = used || (json_is_string(optimizer) && strcmp(json_string_value(optimizer), *one) == 0);
  json_decref(optimizer);
  return used ? json_real(family_number(range->family, &data->shape, range->params, "momentum"))
              : json_null();
}

static json_t *
write_result(const struct tune_data *data, const struct tune_range *range,
             const struct range_test *test, const struct range_test_advice *advice)
{
  return json_pack(
    "{s:f, s:f, s:I, s:o, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I}", "low", test->low,
    "high", test->high, "steps", (json_int_t) test->steps, "curve", write_curve(test), "end",
    range_test_end_name(test->end), "steepest", json_real_or_null(advice->steepest), "lowest",
    json_real_or_null(advice->lowest), "divergence", json_real_or_null(advice->divergence),
    "suggestion", write_suggestion(advice), "note",
    advice->note ? json_string(advice->note) : json_null(), "optimizer",
    write_choice(data, range, "optimizer"), "schedule", write_choice(data, range, "schedule"),
    "momentum", write_momentum(data, range), "batch_size",
    (json_int_t) family_number(range->family, &data->shape, range->params, "batch_size"));
}

enum err
tune_range_run(const struct tune_data *data, const struct tune_range *range, json_t **result,
               double *seconds, struct err_info *info)
{
  struct range_test test = {.loss = NULL};
  struct range_test_advice advice;
  double start_s = clock_cpu_s();
  size_t *rows = NULL, count = 0;
  enum err err = split_train_rows(data->split, 0, &rows, &count);

  *result = NULL;
  if (err != ERR_OK)
    return err_set(info, err, "out of memory for the rows of a range test");
  struct train_request request = {.dataset = data->dataset,
                                  .task = &data->task,
                                  .family = range->family,
                                  .params = range->params,
                                  .train_rows = rows,
                                  .train_count = count,
                                  .metric = data->metric,
                                  .class_weights = data->class_weights,
                                  .row_weights = data->row_weights,
                                  .decision = &data->decision,
                                  .seed = tune_fit_seed(data, 0, 0),
                                  .on_epoch = range->on_epoch,
                                  .context = range->context};
  err = range_run(&request, &range->wish, &test, &advice, info);
  if (err == ERR_OK)
    *result = write_result(data, range, &test, &advice);
  if (err == ERR_OK && *result == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory for the curve of a range test");
  *seconds = clock_cpu_s() - start_s;
  range_test_clear(&test);
  free(rows);
  return err;
}
