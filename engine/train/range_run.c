#include <config.h>

#include "train/range_run.h"

#include <math.h>

#include "model/family.h"
#include "train/fit.h"

#define LOW 1e-6
#define HIGH 10.0
#define HIGH_ADAM 3.0
#define STEPS_SHARE 0.01
#define STEPS_LEAST 100.0
#define STEPS_USUAL_MOST 300.0

bool
range_run_supports(const char *family)
{
  const struct model_family *known = model_family_find(family);
  return known && known->has_rungs;
}

bool
range_run_is_adaptive(const char *family, const struct model_data_shape *shape,
                      const json_t *params)
{
  switch ((enum family_optimizer) family_choice(family, shape, params, "optimizer"))
  {
  case FAMILY_SGD:
  case FAMILY_HEAVY_BALL:
    return false;
  case FAMILY_ADAMW:
  case FAMILY_ADAM:
  case FAMILY_RMSPROP:
    break;
  }
  return true;
}

enum range_test_rule
range_run_rule(const char *family, const struct model_data_shape *shape, const json_t *params)
{
  if (range_run_is_adaptive(family, shape, params))
    return RANGE_TEST_ADAM;
  switch ((enum family_schedule) family_choice(family, shape, params, "schedule"))
  {
  case FAMILY_CONSTANT:
  case FAMILY_STEP:
  case FAMILY_FLAT_COSINE:
    return RANGE_TEST_LONG;
  case FAMILY_COSINE:
  case FAMILY_ONE_CYCLE:
  case FAMILY_CYCLIC:
  case FAMILY_SGDR:
  case FAMILY_COSLOG4:
    break;
  }
  return RANGE_TEST_BRIEF;
}

/* Steps of one epoch. */
static size_t
epoch_steps(const char *family, const struct model_data_shape *shape, const json_t *params,
            size_t rows)
{
  size_t batch = (size_t) family_number(family, shape, params, "batch_size");
  return batch < rows ? rows / batch : 1;
}

void
range_run_complete(const char *family, const struct model_data_shape *shape, const json_t *params,
                   size_t rows, struct range_run_wish *wish)
{
  double epochs = family_number(family, shape, params, "epochs");
  double whole = epochs * (double) epoch_steps(family, shape, params, rows);

  if (!(wish->low > 0.0))
    wish->low = LOW;
  if (!(wish->high > 0.0))
    wish->high = range_run_is_adaptive(family, shape, params) ? HIGH_ADAM : HIGH;
  if (wish->steps == 0)
    wish->steps = (size_t) fmin(fmax(whole * STEPS_SHARE, STEPS_LEAST), STEPS_USUAL_MOST);
}

static enum err
check_wish(const struct range_run_wish *wish, struct err_info *info)
{
  if (!(wish->low > 0.0) || !(wish->high > wish->low) || isinf(wish->high))
    return err_set(info, ERR_INVALID, "a range test goes from a rate above 0 up to a higher one");
  if (wish->steps < MODEL_RANGE_STEPS_LEAST || wish->steps > MODEL_RANGE_STEPS_MOST)
    return err_set(info, ERR_INVALID, "a range test takes from %d to %d steps",
                   MODEL_RANGE_STEPS_LEAST, MODEL_RANGE_STEPS_MOST);
  return ERR_OK;
}

/* The request's parameters with epochs enough for the steps (new reference). */
static json_t *
params_for(const struct train_request *request, const struct model_data_shape *shape, size_t steps)
{
  json_t *params = request->params ? json_copy((json_t *) request->params) : json_object();
  size_t each = epoch_steps(request->family, shape, params, request->train_count);

  if (!params)
    return NULL;
  json_object_del(params, "learning_rate");
  if (json_object_set_new(params, "epochs", json_integer((json_int_t) (steps / each + 1))) == 0)
    return params;
  json_decref(params);
  return NULL;
}

enum err
range_run(const struct train_request *request, const struct range_run_wish *wish,
          struct range_test *test, struct range_test_advice *advice, struct err_info *info)
{
  struct train_request probe = *request;
  struct range_run_wish whole = *wish;
  struct model_data_shape shape;
  struct train_result result;
  enum err rc;

  *test = (struct range_test){.loss = NULL};
  if (!range_run_supports(request->family))
    return err_set(info, ERR_INVALID, "family %s has no learning rate to test", request->family);
  rc = fit_state_shape(request, &shape, info);
  if (rc == ERR_OK)
    rc = family_check_params(request->family, &shape, request->params, info);
  if (rc != ERR_OK)
    return rc;
  range_run_complete(request->family, &shape, request->params, request->train_count, &whole);
  rc = check_wish(&whole, info);
  if (rc != ERR_OK)
    return rc;
  json_t *params = params_for(request, &shape, whole.steps);
  if (!params || range_test_init(test, whole.low, whole.high, whole.steps) != ERR_OK)
  {
    json_decref(params);
    return err_set(info, ERR_MEMORY, "no memory for a range test of %zu steps", whole.steps);
  }
  probe.params = params;
  probe.valid_count = 0;
  probe.max_seconds = 0.0;
  probe.pause_epoch = 0;
  probe.checkpoint = NULL;
  probe.range_test = test;
  probe.range_test_seconds = whole.max_seconds;
  rc = train_run(&probe, &result, info);
  if (rc == ERR_CANCELLED && test->end != RANGE_TEST_RUNNING)
    rc = ERR_OK;
  else if (rc == ERR_OK)
  {
    train_result_clear(&result);
    rc = err_set(info, ERR_INTERNAL, "the range test did not end");
  }
  if (rc == ERR_OK)
    range_test_advise(test, range_run_rule(request->family, &shape, params), advice);
  else
    range_test_clear(test);
  json_decref(params);
  return rc;
}
