#include <config.h>

#include <pthread.h>
#include <sodium.h>

#include "base/proc.h"
#include "model/model.h"
#include "tests/harness/toy_fit.h"

#define SHA_BYTES crypto_hash_sha256_BYTES

static const char *const families[] = {"linear", "trees", "mlp"};

/* A model of a family on a toy table, or on toy images when images is true. */
static struct model *
make_model(struct toy_fit *fit, const char *family, bool images, enum toy_target target)
{
  struct train_result result;
  bool trees = strcmp(family, "trees") == 0, mlp = strcmp(family, "mlp") == 0;

  toy_fit_init(fit, images ? toy_images(200, 3) : toy_table(300, target, TOY_NAN_AND_HUGE, 3),
               family,
               trees ? "{\"rounds\": 20}"
               : mlp ? "{\"epochs\": 4, \"units\": 9}"
                     : "{}");
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

static void
check_round_trip(const struct model *model, const struct toy_fit *fit)
{
  size_t bytes = dataset_row_count(fit->dataset) * fit->task.output_count * sizeof(float);
  struct buf first = {0}, second = {0};
  struct model_about about, back_about;
  struct model *back;
  struct err_info info = {.text = ""};

  assert_int_equal(model_save(model, &first, NULL), ERR_OK);
  if (model_load(first.data, first.length, &back, &info) != ERR_OK)
    fail_msg("%s", info.text);
  float *ours = predict_all(model, fit), *theirs = predict_all(back, fit);
  assert_memory_equal(ours, theirs, bytes);
  assert_int_equal(model_save(back, &second, NULL), ERR_OK);
  assert_int_equal(first.length, second.length);
  assert_memory_equal(first.data, second.data, first.length);

  model_about(model, &about);
  model_about(back, &back_about);
  assert_string_equal(about.family, back_about.family);
  assert_true(json_equal(about.params, back_about.params));
  assert_int_equal(about.task->kind, back_about.task->kind);
  assert_int_equal(about.task->class_count, back_about.task->class_count);
  for (size_t i = 0; i < about.task->class_count; i++)
    assert_string_equal(about.task->class_names[i], back_about.task->class_names[i]);
  assert_int_equal(about.input, back_about.input);
  assert_int_equal(about.height, back_about.height);
  assert_int_equal(about.member_count, back_about.member_count);
  assert_int_equal(back_about.file_bytes, first.length);
  assert_true((about.schema == NULL) == (back_about.schema == NULL));

  json_t *importance = model_importance(model), *back_importance = model_importance(back);
  assert_true(importance == NULL || json_equal(importance, back_importance));
  json_decref(importance);
  json_decref(back_importance);
  free(ours);
  free(theirs);
  model_free(back);
  buf_free(&first);
  buf_free(&second);
}

static void
test_round_trip(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
    for (int target = TOY_BINARY; target <= TOY_NUMBER; target++)
    {
      struct toy_fit fit;
      struct model *model = make_model(&fit, families[f], false, (enum toy_target) target);
      check_round_trip(model, &fit);
      model_free(model);
      toy_fit_clear(&fit);
    }
  for (size_t f = 0; f < 3; f += 2)
  {
    struct toy_fit fit;
    struct model *model = make_model(&fit, families[f], true, TOY_BINARY);
    check_round_trip(model, &fit);
    model_free(model);
    toy_fit_clear(&fit);
  }
}

/* A bag of all three families; *fit is the last member's. */
static struct model *
make_bag(struct toy_fit *fit, enum toy_target target, float *mean)
{
  static const double weights[] = {0.5, 0.25, 0.25};
  struct model *members[3], *bag;
  struct err_info info = {.text = ""};

  for (size_t f = 0; f < 3; f++)
  {
    members[f] = make_model(fit, families[f], false, target);
    float *out = predict_all(members[f], fit);
    for (size_t i = 0; mean && i < 300 * fit->task.output_count; i++)
      mean[i] = (f ? mean[i] : 0.0f) + (float) weights[f] * out[i];
    free(out);
    if (f < 2)
      toy_fit_clear(fit);
  }
  if (model_bag_take(members, weights, 3, &bag, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return bag;
}

static void
test_bag(void **state)
{
  (void) state;
  for (int target = TOY_BINARY; target <= TOY_NUMBER; target++)
  {
    struct toy_fit fit;
    struct model_about about;
    float mean[300 * 3];
    struct model *bag = make_bag(&fit, (enum toy_target) target, mean);
    model_about(bag, &about);
    assert_string_equal(about.family, "bag");
    assert_int_equal(about.member_count, 3);
    assert_non_null(about.schema);
    float *out = predict_all(bag, &fit);
    for (size_t i = 0; i < 300 * fit.task.output_count; i++)
      assert_near((double) out[i], (double) mean[i], 1e-6 * (1.0 + fabs((double) mean[i])));
    free(out);
    check_round_trip(bag, &fit);
    model_free(bag);
    toy_fit_clear(&fit);
  }
}

static void
test_bag_refuses(void **state)
{
  (void) state;
  struct toy_fit fit, other;
  struct err_info info;
  struct model *bag, *members[2];
  const double halves[] = {0.5, 0.5}, wrong[] = {1.5, -0.5};

  members[0] = make_model(&fit, "linear", false, TOY_BINARY);
  assert_int_equal(model_bag_take(members, halves, 1, &bag, &info), ERR_OK);
  assert_ptr_equal(bag, members[0]);
  members[1] = make_model(&other, "linear", false, TOY_NUMBER);
  assert_int_equal(model_bag_take(members, halves, 2, &bag, &info), ERR_INVALID);
  assert_has_text(info.text, "another question");
  assert_null(bag);
  toy_fit_clear(&other);
  toy_fit_clear(&fit);

  members[0] = make_model(&fit, "linear", false, TOY_BINARY);
  members[1] = make_model(&other, "linear", false, TOY_BINARY);
  assert_int_equal(model_bag_take(members, wrong, 2, &bag, &info), ERR_INVALID);
  toy_fit_clear(&other);
  toy_fit_clear(&fit);
}

static void
expect_refused(const void *bytes, size_t length)
{
  struct model *model;
  struct err_info info = {.text = ""};
  unsigned char *exact = malloc(length + 1); /* no byte more, for the address sanitizer */

  memcpy(exact, bytes, length);
  assert_int_equal(model_load(exact, length, &model, &info), ERR_INVALID);
  assert_null(model);
  assert_true(info.text[0] != '\0');
  free(exact);
}

/* Cut or changed anywhere, the checksum tells. */
static void
test_damage_is_seen(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    struct buf file = {0};
    struct model *model = make_model(&fit, families[f], false, TOY_BINARY);
    assert_int_equal(model_save(model, &file, NULL), ERR_OK);
    for (size_t i = 0; i < file.length; i += file.length / 150 + 1)
    {
      expect_refused(file.data, i);
      file.data[i] ^= 0x10;
      expect_refused(file.data, file.length);
      file.data[i] ^= 0x10;
    }
    buf_free(&file);
    model_free(model);
    toy_fit_clear(&fit);
  }
}

/* With the checksum made right again, no change may do harm: refused, or a model that answers. */
static void
attack(const struct buf *file, const struct toy_fit *fit, int tries, uint64_t seed)
{
  unsigned char *bytes = malloc(file->length);
  size_t count = dataset_row_count(fit->dataset) < 20 ? dataset_row_count(fit->dataset) : 20;
  struct model_workspace *workspace = model_workspace_new();
  float out[20 * 8];
  struct rng rng;

  rng_init(&rng, seed, 9);
  for (int i = 0; i < tries; i++)
  {
    struct model *model;
    struct err_info info;
    memcpy(bytes, file->data, file->length);
    for (uint64_t flips = 1 + rng_below(&rng, 3); flips; flips--)
    {
      /* half of the changes go to the first bytes, where lengths and counts are */
      size_t range = rng_below(&rng, 2) && file->length > 600 ? 600 : file->length - SHA_BYTES;
      bytes[8 + rng_below(&rng, range - 8)] = (unsigned char) rng_u32(&rng);
    }
    crypto_hash_sha256(bytes + file->length - SHA_BYTES, bytes, file->length - SHA_BYTES);
    if (model_load(bytes, file->length, &model, &info) != ERR_OK)
      continue;
    struct model_about about;
    model_about(model, &about);
    if (about.task->output_count <= 8)
      model_predict_dataset(model, workspace, fit->dataset, NULL, count, out, &info);
    json_decref(model_importance(model));
    model_free(model);
  }
  model_workspace_free(workspace);
  free(bytes);
}

static void
test_forged_files(void **state)
{
  (void) state;
  for (size_t f = 0; f < 3; f++)
  {
    struct toy_fit fit;
    struct buf file = {0};
    struct model *model = make_model(&fit, families[f], false, TOY_THREE);
    assert_int_equal(model_save(model, &file, NULL), ERR_OK);
    attack(&file, &fit, 1500, f);
    buf_free(&file);
    model_free(model);
    toy_fit_clear(&fit);
  }
  struct toy_fit fit;
  struct buf file = {0};
  struct model *model = make_model(&fit, "mlp", true, TOY_THREE);
  assert_int_equal(model_save(model, &file, NULL), ERR_OK);
  attack(&file, &fit, 1000, 7);
  buf_free(&file);
  model_free(model);
  toy_fit_clear(&fit);
}

static void
test_other_files(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct buf file = {0};
  struct model *model = make_model(&fit, "linear", false, TOY_BINARY), *loaded;
  struct err_info info;

  assert_int_equal(model_save(model, &file, NULL), ERR_OK);
  expect_refused("", 0);
  expect_refused("ATTUNEM1", 8);
  file.data[8] = 9; /* a later version, checksum right */
  crypto_hash_sha256((unsigned char *) file.data + file.length - SHA_BYTES,
                     (const unsigned char *) file.data, file.length - SHA_BYTES);
  assert_int_equal(model_load(file.data, file.length, &loaded, &info), ERR_INVALID);
  assert_has_text(info.text, "version 9");
  buf_free(&file);
  model_free(model);
  toy_fit_clear(&fit);
}

/* Tables and images are not mixed up, and rows may be asked for in any order and number. */
static void
test_predict_entries(void **state)
{
  (void) state;
  struct toy_fit fit, images;
  struct err_info info;
  struct model *model = make_model(&fit, "mlp", false, TOY_THREE);
  struct model *picture = make_model(&images, "linear", true, TOY_BINARY);
  struct model_workspace *workspace = model_workspace_new();
  float *all = predict_all(model, &fit), out[3 * 3];
  const size_t rows[] = {299, 0, 17};

  assert_int_equal(
    model_predict_table(model, workspace, dataset_table(fit.dataset), rows, 3, out, &info), ERR_OK);
  for (size_t i = 0; i < 3; i++)
    for (size_t j = 0; j < 3; j++)
      assert_near((double) out[3 * i + j], (double) all[3 * rows[i] + j], 1e-6);
  assert_int_equal(model_predict_images(model, workspace, (const uint8_t *) "", 1, out, &info),
                   ERR_INVALID);
  assert_int_equal(
    model_predict_table(picture, workspace, dataset_table(fit.dataset), rows, 1, out, &info),
    ERR_INVALID);
  assert_int_equal(model_predict_dataset(picture, workspace, fit.dataset, rows, 1, out, &info),
                   ERR_INVALID);

  float *pictures = predict_all(picture, &images);
  assert_int_equal(model_predict_images(picture, workspace,
                                        dataset_images(images.dataset)->pixels + 64 * 5, 2, out,
                                        &info),
                   ERR_OK);
  for (size_t j = 0; j < 6; j++)
    assert_near((double) out[j], (double) pictures[3 * 5 + j], 1e-6);
  free(pictures);
  free(all);
  model_workspace_free(workspace);
  model_free(model);
  model_free(picture);
  toy_fit_clear(&fit);
  toy_fit_clear(&images);
}

struct asker
{
  const struct model *model;
  const struct toy_fit *fit;
  float *answers;
};

static void *
ask_often(void *context)
{
  struct asker *asker = context;

  for (int i = 0; i < 20; i++)
  {
    free(asker->answers);
    asker->answers = predict_all(asker->model, asker->fit);
  }
  return NULL;
}

/* One model, four threads at once, each with its own workspace: the same answers. */
static void
test_threads(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct model *bag = make_bag(&fit, TOY_THREE, NULL);
  float *expected = predict_all(bag, &fit);
  struct asker askers[4];
  pthread_t threads[4];

  for (size_t i = 0; i < 4; i++)
  {
    askers[i] = (struct asker){.model = bag, .fit = &fit};
    assert_int_equal(pthread_create(&threads[i], NULL, ask_often, &askers[i]), 0);
  }
  for (size_t i = 0; i < 4; i++)
  {
    pthread_join(threads[i], NULL);
    assert_memory_equal(askers[i].answers, expected, 300 * 3 * sizeof(float));
    free(askers[i].answers);
  }
  free(expected);
  model_free(bag);
  toy_fit_clear(&fit);
}

int
main(int argc, char **argv)
{
  (void) argc;
  proc_pin_blas_threads(argv, NULL);
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_round_trip),      cmocka_unit_test(test_bag),
    cmocka_unit_test(test_bag_refuses),     cmocka_unit_test(test_damage_is_seen),
    cmocka_unit_test(test_forged_files),    cmocka_unit_test(test_other_files),
    cmocka_unit_test(test_predict_entries), cmocka_unit_test(test_threads),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
