/* A network's fit that pauses with a checkpoint and goes on: the same bytes as one without a pause. */
#include <config.h>

#include "train/train.h"

#include <unistd.h>

#include "tests/harness/toy_fit.h"
#include "train/schedule.h"

/* What a whole fit comes to, in bytes. */
struct outcome
{
  struct buf model;
  struct train_result result;
};

static void
outcome_of(struct train_result *result, struct outcome *outcome)
{
  memset(outcome, 0, sizeof *outcome);
  outcome->result = *result;
  assert_int_equal(model_save(result->model, &outcome->model, NULL), ERR_OK);
}

static void
outcome_clear(struct outcome *outcome)
{
  buf_free(&outcome->model);
  train_result_clear(&outcome->result);
}

static void
assert_same(const struct outcome *a, const struct outcome *b, size_t predictions)
{
  assert_int_equal(a->model.length, b->model.length);
  assert_memory_equal(a->model.data, b->model.data, a->model.length);
  assert_memory_equal(a->result.valid_predictions, b->result.valid_predictions,
                      predictions * sizeof(float));
  assert_int_equal(a->result.epochs, b->result.epochs);
  assert_int_equal(a->result.best_epoch, b->result.best_epoch);
  assert_int_equal(a->result.stop, b->result.stop);
  assert_memory_equal(&a->result.objective, &b->result.objective, sizeof(double));
}

/* Runs through the pauses (ended by 0), each from a copy of the last one's checkpoint. */
static void
run_in_parts(struct toy_fit *fit, const size_t *pauses, struct outcome *outcome)
{
  struct train_result result;
  char *kept = NULL;

  for (size_t i = 0;; i++)
  {
    fit->request.pause_epoch = pauses[i];
    toy_fit_run(fit, &result);
    free(kept);
    if (result.stop != TRAIN_STOP_PAUSE)
      break;
    assert_int_equal(result.epochs, pauses[i]);
    assert_true(isfinite(result.metric) && isfinite(result.objective));
    kept = malloc(result.checkpoint.length);
    memcpy(kept, result.checkpoint.data, result.checkpoint.length);
    fit->request.checkpoint = kept;
    fit->request.checkpoint_length = result.checkpoint.length;
    train_result_clear(&result);
  }
  assert_int_equal(result.checkpoint.length, 0);
  fit->request.pause_epoch = 0;
  fit->request.checkpoint = NULL;
  outcome_of(&result, outcome);
}

static void
check_pauses(struct dataset *dataset, const char *params, const double *row_weights)
{
  static const size_t pauses[][5] = {{1, 0}, {7, 0}, {1, 2, 3, 11, 0}, {4, 12, 0}};
  struct toy_fit fit;
  struct outcome whole, parts;
  struct train_result result;

  toy_fit_init(&fit, dataset, "mlp", params);
  fit.request.row_weights = row_weights;
  size_t predictions = fit.request.valid_count * fit.task.output_count;
  toy_fit_run(&fit, &result);
  outcome_of(&result, &whole);
  for (size_t i = 0; i < sizeof pauses / sizeof *pauses; i++)
  {
    run_in_parts(&fit, pauses[i], &parts);
    assert_same(&whole, &parts, predictions);
    outcome_clear(&parts);
  }
  outcome_clear(&whole);
  toy_fit_clear(&fit);
}

static void
test_same_bytes_on_tables(void **state)
{
  (void) state;
  static const char *const params[] = {
    "{\"epochs\": 14, \"dropout\": 0.4, \"units\": 24}",
    "{\"epochs\": 14, \"optimizer\": \"sgd\", \"momentum\": 0.9, \"schedule\": \"one_cycle\","
    " \"learning_rate\": 0.01, \"dropout\": 0.1, \"batch_size\": 64}",
    "{\"epochs\": 14, \"optimizer\": \"adam\", \"schedule\": \"constant\", \"layers\": 1}",
    "{\"epochs\": 14, \"optimizer\": \"rmsprop\", \"schedule\": \"sgdr\", \"gradient_clip\": 0.5,"
    " \"ema\": 0.98, \"activation\": \"selu\"}",
    "{\"epochs\": 14, \"optimizer\": \"heavy_ball\", \"schedule\": \"coslog4\", \"ema\": 0.9,"
    " \"learning_rate\": 0.01, \"activation\": \"silu\", \"beta2\": 0.95}"};
  double weights[400];

  for (size_t i = 0; i < 400; i++)
    weights[i] = 0.5 + (double) (i % 3);
  for (size_t p = 0; p < sizeof params / sizeof *params; p++)
    for (int target = TOY_BINARY; target <= TOY_NUMBER; target++)
      check_pauses(toy_table(400, (enum toy_target) target, TOY_GOOD, 4), params[p],
                   p == 1 ? weights : NULL);
}

static void
test_same_bytes_on_images(void **state)
{
  (void) state;
  check_pauses(toy_images(200, 2), "{\"epochs\": 14, \"dropout\": 0.3, \"units\": 24}", NULL);
}

/* A run that gives up before its time: the best epoch and the patience live across pauses. */
static void
test_patience_lives_on(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct outcome whole, parts;
  struct train_result result;

  toy_fit_init(
    &fit, toy_table(120, TOY_BINARY, TOY_GOOD, 9), "mlp",
    "{\"epochs\": 60, \"learning_rate\": 0.05, \"schedule\": \"constant\", \"units\": 64,"
    " \"patience\": 5}");
  toy_fit_run(&fit, &result);
  assert_int_equal(result.stop, TRAIN_STOP_PATIENCE);
  assert_true(result.best_epoch + 2 < result.epochs);
  size_t pauses[] = {result.best_epoch, result.best_epoch + 1, result.epochs - 1, result.epochs, 0};
  size_t predictions = fit.request.valid_count * fit.task.output_count;
  outcome_of(&result, &whole);
  run_in_parts(&fit, pauses, &parts);
  assert_same(&whole, &parts, predictions);
  outcome_clear(&parts);
  outcome_clear(&whole);
  toy_fit_clear(&fit);
}

/* A pause at or after the end is none; families without rungs know no pause. */
static void
test_no_pause(void **state)
{
  (void) state;
  static const char *const families[] = {"mlp", "linear", "trees"};
  static const char *const params[] = {"{\"epochs\": 5}", "{}", "{\"rounds\": 20}"};

  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    struct train_result result;
    toy_fit_init(&fit, toy_table(200, TOY_THREE, TOY_GOOD, 4), families[f], params[f]);
    fit.request.pause_epoch = f == 0 ? 5 : 1;
    toy_fit_run(&fit, &result);
    assert_int_not_equal(result.stop, TRAIN_STOP_PAUSE);
    assert_int_equal(result.checkpoint.length, 0);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
}

static bool
dawdle(void *context, const struct train_progress *progress)
{
  (void) context;
  (void) progress;
  usleep(30000);
  return true;
}

/* Limits in seconds are the whole fit's, so what it has taken travels with it. */
static void
test_seconds_go_on(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result first, second;

  toy_fit_init(&fit, toy_table(200, TOY_BINARY, TOY_GOOD, 4), "mlp", "{\"epochs\": 6}");
  fit.request.pause_epoch = 5;
  fit.request.on_epoch = dawdle;
  toy_fit_run(&fit, &first);
  fit.request.pause_epoch = 0;
  fit.request.on_epoch = NULL;
  fit.request.checkpoint = first.checkpoint.data;
  fit.request.checkpoint_length = first.checkpoint.length;
  toy_fit_run(&fit, &second);
  assert_true(second.seconds > 0.15);
  assert_int_equal(second.epochs, 6);
  train_result_clear(&second);
  train_result_clear(&first);
  toy_fit_clear(&fit);
}

static void
refuse(struct toy_fit *fit, const void *bytes, size_t length, const char *text)
{
  struct train_result result;
  struct err_info info = {.text = ""};

  fit->request.checkpoint = bytes;
  fit->request.checkpoint_length = length;
  assert_int_equal(train_run(&fit->request, &result, &info), ERR_INVALID);
  assert_has_text(info.text, text);
}

static void
test_checkpoints_that_cannot_be_used(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result result;

  toy_fit_init(&fit, toy_table(200, TOY_BINARY, TOY_GOOD, 4), "mlp",
               "{\"epochs\": 6, \"units\": 4, \"layers\": 1}");
  fit.request.pause_epoch = 2;
  toy_fit_run(&fit, &result);
  char *bytes = result.checkpoint.data;
  size_t length = result.checkpoint.length;
  for (size_t cut = 0; cut < length; cut += cut < 160 ? 1 : 97)
    refuse(&fit, bytes, cut, "damaged");
  for (size_t at = 0; at < length; at += at < 160 ? 1 : 97)
  {
    bytes[at] ^= 0x10;
    refuse(&fit, bytes, length, "damaged");
    bytes[at] ^= 0x10;
  }
  refuse(&fit, bytes, length, "the pause to be after 2");
  fit.request.pause_epoch = 0;
  fit.request.seed++;
  refuse(&fit, bytes, length, "another fit");
  fit.request.seed--;
  json_object_set_new(fit.params, "learning_rate", json_real(0.01));
  refuse(&fit, bytes, length, "another fit");
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

/* With a schedule of waves the best epoch ends at the low of one; when the third was in vain there is no
 * fourth. */
static void
test_waves(void **state)
{
  (void) state;
  size_t given_up = 0;

  for (uint64_t seed = 1; seed <= 6; seed++)
  {
    struct toy_fit fit;
    struct train_result result;
    toy_fit_init(&fit, toy_table(80, TOY_BINARY, TOY_GOOD, seed), "mlp",
                 "{\"epochs\": 60, \"dropout\": 0, \"weight_decay\": 0, \"label_smoothing\": 0}");
    fit.request.seed = seed;
    toy_fit_run(&fit, &result);
    assert_true(schedule_rate(SCHEDULE_COSLOG4, (double) result.best_epoch / 60.0) < 0.13);
    if (result.stop == TRAIN_STOP_PATIENCE)
    {
      given_up++;
      assert_int_equal(result.epochs, 28);
      assert_true(result.best_epoch < 18);
    }
    else
      assert_int_equal(result.epochs, 60);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
  assert_true(given_up > 0);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_same_bytes_on_tables),
    cmocka_unit_test(test_same_bytes_on_images),
    cmocka_unit_test(test_waves),
    cmocka_unit_test(test_patience_lives_on),
    cmocka_unit_test(test_no_pause),
    cmocka_unit_test(test_seconds_go_on),
    cmocka_unit_test(test_checkpoints_that_cannot_be_used),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
