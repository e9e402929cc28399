#include <config.h>

#include <sodium.h>

#include "base/json.h"
#include "model/export_json.h"
#include "tests/harness/toy_fit.h"

/* A model of a family on a toy table, or on toy images for cnn. */
static struct model *
make_model(struct toy_fit *fit, const char *family, enum toy_target target)
{
  struct train_result result;
  bool images = strcmp(family, "cnn") == 0, trees = strcmp(family, "trees") == 0;
  bool linear = strcmp(family, "linear") == 0;

  toy_fit_init(fit, images ? toy_images(60, 3) : toy_table(300, target, TOY_NAN_AND_HUGE, 3),
               family,
               trees    ? "{\"rounds\": 20}"
               : linear ? "{}"
               : images ? "{\"epochs\": 1, \"filters\": 4}"
                        : "{\"epochs\": 4, \"units\": 9}");
  toy_fit_run(fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  return model;
}

static float *
predict_all(const struct model *model, const struct toy_fit *fit)
{
  size_t count = dataset_row_count(fit->dataset);
  float *out = calloc(count * fit->task.output_count, sizeof *out);
  struct model_workspace *workspace = model_workspace_new();

  assert_int_equal(model_predict_dataset(model, workspace, fit->dataset, NULL, count, out, NULL),
                   ERR_OK);
  model_workspace_free(workspace);
  return out;
}

/* Through text, as it travels. */
static json_t *
exported(const struct model *model)
{
  struct buf text = {0};
  struct err_info info = {.text = ""};
  json_t *json, *back = NULL;

  if (export_json(model, &json, &info) != ERR_OK)
    fail_msg("%s", info.text);
  json_write(json, &text);
  json_decref(json);
  if (json_parse(text.data, text.length, 32, &back, &info) != ERR_OK)
    fail_msg("%s", info.text);
  buf_free(&text);
  return back;
}

static void
check_round_trip(const struct model *model, const struct toy_fit *fit)
{
  size_t bytes = dataset_row_count(fit->dataset) * fit->task.output_count * sizeof(float);
  struct buf first = {0}, second = {0};
  struct err_info info = {.text = ""};
  struct model *back;
  json_t *json = exported(model);

  if (import_json(json, &second, &back, &info) != ERR_OK)
    fail_msg("%s", info.text);
  assert_int_equal(model_save(model, &first, NULL), ERR_OK);
  assert_int_equal(first.length, second.length);
  assert_memory_equal(first.data, second.data, first.length);
  float *ours = predict_all(model, fit), *theirs = predict_all(back, fit);
  assert_memory_equal(ours, theirs, bytes);
  free(ours);
  free(theirs);
  model_free(back);
  buf_free(&first);
  buf_free(&second);
  json_decref(json);
}

static void
test_round_trip(void **state)
{
  static const char *const families[] = {"linear", "trees", "mlp"};
  (void) state;

  for (size_t f = 0; f < 3; f++)
    for (int target = TOY_BINARY; target <= TOY_NUMBER; target++)
    {
      struct toy_fit fit;
      struct model *model = make_model(&fit, families[f], (enum toy_target) target);
      check_round_trip(model, &fit);
      model_free(model);
      toy_fit_clear(&fit);
    }
  struct toy_fit fit;
  struct model *model = make_model(&fit, "cnn", TOY_BINARY);
  check_round_trip(model, &fit);
  model_free(model);
  toy_fit_clear(&fit);
}

static void
test_bag(void **state)
{
  static const double weights[] = {0.75, 0.25};
  struct toy_fit fit, other;
  struct err_info info = {.text = ""};
  struct model *bag,
    *members[] = {make_model(&other, "trees", TOY_BINARY), make_model(&fit, "mlp", TOY_BINARY)};
  (void) state;

  toy_fit_clear(&other);
  if (model_bag_take(members, weights, 2, &bag, &info) != ERR_OK)
    fail_msg("%s", info.text);
  assert_int_equal(model_set_temperature(bag, 1.7, NULL), ERR_OK);
  assert_int_equal(
    model_set_decision(bag, &(struct decision){.has_threshold = true, .threshold = 0.3}, NULL),
    ERR_OK);
  check_round_trip(bag, &fit);
  model_free(bag);
  toy_fit_clear(&fit);
}

static void
refused(const json_t *json, const char *says)
{
  struct buf file = {0};
  struct err_info info = {.text = ""};
  struct model *model;

  assert_int_equal(import_json(json, &file, &model, &info), ERR_INVALID);
  assert_null(model);
  if (!strstr(info.text, says))
    fail_msg("\"%s\" does not say \"%s\"", info.text, says);
  buf_free(&file);
}

/* Each member in turn is taken away, made another kind, made huge: all is refused, nothing is followed. */
static size_t
damage(const json_t *whole, json_t *here)
{
  const char *name;
  void *next;
  json_t *member;
  size_t count = 0;

  json_object_foreach_safe(here, next, name, member)
  {
    /* not of the model: what the parameters and the schema hold is free, but has the digest */
    json_t *kept = json_deep_copy(member);
    json_t *others[] = {json_null(),       json_integer(4294967295),
                        json_real(-1e300), json_string("AAAA"),
                        json_array(),      json_object()};
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
    {
      json_object_set(here, name, others[i]);
      if (!json_equal(others[i], kept))
        refused(whole, "");
      json_decref(others[i]);
    }
    json_object_set(here, name, kept);
    json_decref(kept);
    count++;
    if (json_is_object(json_object_get(here, name)))
      count += damage(whole, json_object_get(here, name));
    const json_t *first = json_array_get(json_object_get(here, name), 0);
    if (json_is_object(first))
      count += damage(whole, (json_t *) first);
  }
  return count;
}

static void
test_damaged(void **state)
{
  static const char *const families[] = {"linear", "trees", "mlp", "cnn"};
  (void) state;

  for (size_t f = 0; f < 4; f++)
  {
    struct toy_fit fit;
    struct model *model = make_model(&fit, families[f], TOY_BINARY);
    json_t *json = exported(model);
    assert_true(damage(json, json) > 20);
    model_free(model);
    toy_fit_clear(&fit);
    json_decref(json);
  }
}

static void
test_tampered(void **state)
{
  struct toy_fit fit;
  struct model *model = make_model(&fit, "linear", TOY_BINARY);
  json_t *json = exported(model);
  json_t *body = json_object_get(json_object_get(json, "model"), "body");
  (void) state;

  json_t *bias = json_object_get(body, "bias");
  double before = json_real_value(json_array_get(bias, 0));
  json_array_set_new(bias, 0, json_real(before + 1.0));
  refused(json, "digest");
  json_array_set_new(bias, 0, json_real(before));
  json_object_set_new(json, "format_version", json_integer(2));
  refused(json, "format_version");
  json_object_set_new(json, "format_version", json_integer(1));
  json_object_set_new(body, "inputs", json_integer(4294967295));
  refused(json, "weights");
  json_decref(json);
  refused(json_null(), "format");
  model_free(model);
  toy_fit_clear(&fit);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_round_trip), cmocka_unit_test(test_bag),
                                     cmocka_unit_test(test_damaged),
                                     cmocka_unit_test(test_tampered)};
  if (sodium_init() < 0)
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
