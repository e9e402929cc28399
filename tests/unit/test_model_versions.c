/* Model files of earlier versions, and what later ones added. tests/data/model-v1.bin was written by the
 * first release's program: a bag of all families fitted on toy_table (120, TOY_THREE, TOY_GOOD, 3). model-v1.json is
 * the same, exported. */
#include <config.h>

#include "base/proc.h"
#include "tests/harness/toy_fit.h"

static const float expected[] = {
  0x1.3b8dcap-2f, 0x1.d4631ep-3f, 0x1.da40a6p-2f, 0x1.3cf3bep-3f, 0x1.401168p-3f,
  0x1.60beb8p-1f, 0x1.0e7016p-2f, 0x1.b5694cp-2f, 0x1.3c269ep-2f,
};

static struct buf
read_fixture(const char *name)
{
  char path[600];
  struct buf bytes = {0};
  int byte;
  snprintf(path, sizeof path, "%s/%s", TEST_DATA, name);
  FILE *file = fopen(path, "rb");
  if (!file)
    fail_msg("%s can't be read", path);
  while ((byte = fgetc(file)) != EOF)
  {
    char one = (char) byte;
    buf_append(&bytes, &one, 1);
  }
  fclose(file);
  return bytes;
}

static void
test_version_1(void **state)
{
  (void) state;
  struct buf bytes = read_fixture("model-v1.bin"), again = {0};
  struct dataset *dataset = toy_table(120, TOY_THREE, TOY_GOOD, 3);
  struct model_workspace *workspace = model_workspace_new();
  struct model *model = NULL;
  struct model_about about;
  struct err_info info = {.text = ""};
  static const size_t rows[] = {0, 1, 2};
  float out[9];

  assert_int_equal(bytes.data[8], 1);
  if (model_load(bytes.data, bytes.length, &model, &info) != ERR_OK)
    fail_msg("%s", info.text);
  model_about(model, &about);
  assert_int_equal(about.member_count, 3);
  assert_false(about.decision.has_threshold);
  assert_null(about.decision.factors);
  assert_null(about.novelty);
  assert_int_equal(model_predict_dataset(model, workspace, dataset, rows, 3, out, &info), ERR_OK);
  for (size_t i = 0; i < 9; i++)
    assert_near((double) out[i], (double) expected[i], 1e-5);
  /* Nothing newer is in it, so programs of that time can read what we write, too. */
  assert_int_equal(model_save(model, &again, &info), ERR_OK);
  assert_int_equal(again.data[8], 1);
  buf_free(&again);
  buf_free(&bytes);
  model_free(model);
  model_workspace_free(workspace);
  dataset_close(dataset);
}

static struct model *
fitted(enum toy_target target, const double *weights, struct toy_fit *fit)
{
  struct train_result result;
  toy_fit_init(fit, toy_table(200, target, TOY_GOOD, 3), "linear", "{}");
  fit->request.class_weights = weights;
  toy_fit_run(fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  return model;
}

static struct model *
reload(const struct model *model, struct buf *bytes)
{
  struct model *back = NULL;
  struct err_info info = {.text = ""};
  assert_int_equal(model_save(model, bytes, &info), ERR_OK);
  if (model_load(bytes->data, bytes->length, &back, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return back;
}

static void
test_decisions_are_kept(void **state)
{
  (void) state;
  static const double factors[] = {0.5, 2, 1.25}, bad[] = {1, 0, 1};
  struct toy_fit fit;
  struct buf bytes = {0};
  struct model_about about;
  struct decision threshold = {.has_threshold = true, .threshold = 0.3},
                  outside = {.has_threshold = true, .threshold = 1.5},
                  by_factor = {.factors = factors}, broken = {.factors = bad};
  struct model *model = fitted(TOY_BINARY, NULL, &fit), *back;

  assert_int_equal(model_set_decision(model, &outside, NULL), ERR_INVALID);
  assert_int_equal(model_set_decision(model, &threshold, NULL), ERR_OK);
  back = reload(model, &bytes);
  assert_int_equal(bytes.data[8], 2);
  model_about(back, &about);
  assert_true(about.decision.has_threshold);
  assert_near(about.decision.threshold, 0.3, 0);
  model_free(back);
  model_free(model);
  buf_free(&bytes);
  toy_fit_clear(&fit);

  bytes = (struct buf){0};
  model = fitted(TOY_THREE, factors, &fit);
  assert_int_equal(model_set_decision(model, &threshold, NULL), ERR_INVALID);
  assert_int_equal(model_set_decision(model, &broken, NULL), ERR_INVALID);
  assert_int_equal(model_set_decision(model, &by_factor, NULL), ERR_OK);
  back = reload(model, &bytes);
  model_about(back, &about);
  assert_false(about.decision.has_threshold);
  for (size_t k = 0; k < 3; k++)
    assert_near(about.decision.factors[k], factors[k], 0);
  const float even[] = {0.4f, 0.25f, 0.35f};
  assert_int_equal(decision_class(&about.decision, even, 3), 1);
  assert_int_equal(decision_class(NULL, even, 3), 0);
  model_free(back);
  model_free(model);
  buf_free(&bytes);
  toy_fit_clear(&fit);
}

/* A bag decides by its own rule, whatever its members say. */
static void
test_decision_of_a_bag(void **state)
{
  (void) state;
  static const double shares[] = {0.5, 0.5};
  struct toy_fit fits[2];
  struct buf bytes = {0};
  struct model_about about;
  struct decision inner = {.has_threshold = true, .threshold = 0.9},
                  outer = {.has_threshold = true, .threshold = 0.125};
  struct model *members[2], *bag, *back;

  for (size_t i = 0; i < 2; i++)
  {
    members[i] = fitted(TOY_BINARY, NULL, &fits[i]);
    assert_int_equal(model_set_decision(members[i], &inner, NULL), ERR_OK);
  }
  assert_int_equal(model_bag_take(members, shares, 2, &bag, NULL), ERR_OK);
  model_about(bag, &about);
  assert_false(about.decision.has_threshold);
  assert_int_equal(model_set_decision(bag, &outer, NULL), ERR_OK);
  back = reload(bag, &bytes);
  model_about(back, &about);
  assert_true(about.decision.has_threshold);
  assert_near(about.decision.threshold, 0.125, 0);
  model_free(back);
  model_free(bag);
  buf_free(&bytes);
  toy_fit_clear(&fits[0]);
  toy_fit_clear(&fits[1]);
}

/* A network for tables is of version 3, a plain one as it was; both answer as before they were saved. */
static void
test_networks(void **state)
{
  (void) state;
  static const char *const params[] = {"{\"epochs\": 3, \"units\": 8, \"network\": \"plain\"}",
                                       "{\"epochs\": 3, \"units\": 8}",
                                       "{\"epochs\": 3, \"units\": 8, \"embedding\": \"none\"}",
                                       /* as it was stored before there was a choice */
                                       "{\"epochs\": 3, \"units\": 8, \"learning_rate\": 0.01, "
                                       "\"optimizer\": \"adamw\", \"batch_size\": 32,"
                                       " \"schedule\": \"cosine\"}"};
  static const int versions[] = {1, 3, 3, 1};
  float before[9], after[9];
  static const size_t rows[] = {0, 7, 9};

  for (size_t i = 0; i < 4; i++)
  {
    struct toy_fit fit;
    struct train_result result;
    struct buf bytes = {0}, again = {0};
    struct model_workspace *workspace = model_workspace_new();
    toy_fit_init(&fit, toy_table(200, TOY_THREE, TOY_GOOD, 3), "mlp", params[i]);
    toy_fit_run(&fit, &result);
    struct model *back = reload(result.model, &bytes);
    assert_int_equal(bytes.data[8], versions[i]);
    assert_int_equal(
      model_predict_dataset(result.model, workspace, fit.dataset, rows, 3, before, NULL), ERR_OK);
    assert_int_equal(model_predict_dataset(back, workspace, fit.dataset, rows, 3, after, NULL),
                     ERR_OK);
    assert_memory_equal(before, after, sizeof before);
    assert_int_equal(model_save(back, &again, NULL), ERR_OK);
    assert_int_equal(again.length, bytes.length);
    assert_memory_equal(again.data, bytes.data, bytes.length);
    buf_free(&again);
    buf_free(&bytes);
    model_free(back);
    train_result_clear(&result);
    model_workspace_free(workspace);
    toy_fit_clear(&fit);
  }
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_version_1),
    cmocka_unit_test(test_decisions_are_kept),
    cmocka_unit_test(test_decision_of_a_bag),
    cmocka_unit_test(test_networks),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
