/* Convolutional networks as a family: augmentation, learning, files, pauses, sizes. */
#include <config.h>

#include "model/model_build.h"
#include "tests/harness/toy_fit.h"
#include "train/augment.h"

#define SMALL "\"epochs\": 6, \"filters\": 6, \"stages\": 2, \"batch_size\": 16, \"shift\": 0"

/* ---- augmentation ----------------------------------------------------------------------------------- */

static const struct model_pixels pixels = {
  .height = 6, .width = 4, .channels = 2, .mean = 100.0f, .scale = 0.02f};

static void
fill(uint8_t *raw)
{
  for (size_t i = 0; i < 48; i++)
    raw[i] = (uint8_t) (5 * i);
}

static void
test_no_strength_changes_nothing(void **state)
{
  (void) state;
  struct augment none = {.shift = 0.0};
  uint8_t raw[48];
  float x[48], plain[48];
  fill(raw);
  model_scale_pixels(&pixels, raw, plain);
  for (uint64_t epoch = 0; epoch < 5; epoch++)
  {
    augment_image(&none, &pixels, raw, 1, epoch, 3, x);
    for (size_t i = 0; i < 48; i++)
      assert_true(fabsf(x[i] - plain[i]) < 1e-6f);
  }
}

/* Every other epoch is the mirror image, exactly. */
static void
test_flip(void **state)
{
  (void) state;
  struct augment flip = {.flip = true};
  uint8_t raw[48];
  float x[48], plain[48];
  int mirrored = 0;
  fill(raw);
  model_scale_pixels(&pixels, raw, plain);
  for (uint64_t epoch = 0; epoch < 10; epoch++)
  {
    bool same = true, turned = true;
    augment_image(&flip, &pixels, raw, 1, epoch, 3, x);
    for (size_t i = 0; i < 6; i++)
      for (size_t j = 0; j < 4; j++)
        for (size_t c = 0; c < 2; c++)
        {
          float here = x[(i * 4 + j) * 2 + c];
          same = same && fabsf(here - plain[(i * 4 + j) * 2 + c]) < 1e-6f;
          turned = turned && fabsf(here - plain[(i * 4 + 3 - j) * 2 + c]) < 1e-6f;
        }
    assert_true(same != turned);
    mirrored += turned;
  }
  assert_int_equal(mirrored, 5);
}

/* A shift moves by whole pixels within its bounds, and repeats the edge. */
static void
test_shift(void **state)
{
  (void) state;
  struct augment shift = {.shift = 0.34};
  uint8_t raw[48];
  float x[48], plain[48];
  bool seen[5] = {false};
  fill(raw);
  model_scale_pixels(&pixels, raw, plain);
  for (uint64_t row = 0; row < 100; row++)
  {
    int found = 9;
    augment_image(&shift, &pixels, raw, 1, 0, row, x);
    for (int down = -2; down <= 2; down++)
      for (int right = -1; right <= 1; right++)
      {
        bool same = true;
        for (int i = 0; i < 6; i++)
          for (int j = 0; j < 4; j++)
          {
            int from_i = i + down < 0 ? 0 : i + down > 5 ? 5 : i + down;
            int from_j = j + right < 0 ? 0 : j + right > 3 ? 3 : j + right;
            same = same && fabsf(x[(i * 4 + j) * 2] - plain[(from_i * 4 + from_j) * 2]) < 1e-6f;
          }
        found = same ? down : found;
      }
    assert_true(found <= 2);
    seen[found + 2] = true;
  }
  for (size_t i = 0; i < 5; i++)
    assert_true(seen[i]);
}

/* A turn by a known angle: two turns by equal draws are equal, and a full picture of one value stays it. */
static void
test_turn_and_crop(void **state)
{
  (void) state;
  struct augment turn = {.rotation = 40.0, .crop = 0.3};
  uint8_t raw[48];
  float x[48], again[48], other[48];
  memset(raw, 150, sizeof raw);
  augment_image(&turn, &pixels, raw, 1, 2, 3, x);
  for (size_t i = 0; i < 48; i++)
    assert_true(fabsf(x[i] - 1.0f) < 1e-5f);
  fill(raw);
  augment_image(&turn, &pixels, raw, 1, 2, 3, x);
  augment_image(&turn, &pixels, raw, 1, 2, 3, again);
  augment_image(&turn, &pixels, raw, 1, 3, 3, other);
  assert_memory_equal(x, again, sizeof x);
  assert_memory_not_equal(x, other, sizeof x);
  for (size_t i = 0; i < 48; i++)
    assert_true(x[i] >= -2.0001f && x[i] <= (235.0f - 100.0f) * 0.02f + 1e-4f);
}

static void
test_cutout_and_brightness(void **state)
{
  (void) state;
  struct augment cut = {.cutout = 0.5}, bright = {.brightness = 0.5};
  uint8_t raw[48];
  float x[48], low = 10.0f, high = -10.0f;
  size_t most = 0;
  memset(raw, 150, sizeof raw);
  for (uint64_t row = 0; row < 60; row++)
  {
    size_t blank = 0;
    augment_image(&cut, &pixels, raw, 1, 0, row, x);
    for (size_t i = 0; i < 48; i++)
      blank += x[i] == 0.0f;
    most = blank > most ? blank : most;
    assert_true(blank <= 8);
    augment_image(&bright, &pixels, raw, 1, 0, row, x);
    low = fminf(low, x[0]);
    high = fmaxf(high, x[0]);
  }
  assert_int_equal(most, 8);
  assert_true(low < 0.5f && high > 1.5f && low >= 0.0f && high <= 2.0f);
}

/* Mean ½ and variance 1/(4 (2a + 1)) of Beta (a, a). */
static void
test_mix_share(void **state)
{
  (void) state;
  for (double alpha = 0.2; alpha < 2.1; alpha += 0.9)
  {
    double sum = 0.0, square = 0.0;
    for (uint64_t step = 0; step < 4000; step++)
    {
      double share = augment_mix_share(alpha, 7, step);
      assert_true(share >= 0.0 && share <= 1.0);
      sum += share;
      square += share * share;
    }
    double mean = sum / 4000, variance = square / 4000 - mean * mean;
    assert_true(fabs(mean - 0.5) < 0.03);
    assert_true(fabs(variance - 0.25 / (2.0 * alpha + 1.0)) < 0.012);
  }
}

/* ---- fits ------------------------------------------------------------------------------------------- */

static void
test_learns(void **state)
{
  (void) state;
  static const char *const params[] = {
    "{" SMALL "}", "{" SMALL ", \"blocks\": 0, \"early_pooling\": \"yes\", \"mixup\": 0.2}",
    "{" SMALL ", \"head_units\": 12, \"batch_norm\": \"no\", \"optimizer\": \"adamw\","
    " \"learning_rate\": 0.005, \"average\": 0}"};
  for (size_t p = 0; p < 3; p++)
  {
    struct toy_fit fit;
    struct train_result result;
    toy_fit_init(&fit, toy_images(400, 2), "cnn", params[p]);
    toy_fit_run(&fit, &result);
    if (!(result.metric > 0.9))
      fail_msg("%s: accuracy %g", params[p], result.metric);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
}

static void
test_mirrors(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result result;
  uint8_t image[64], mirrored[64];
  float out[3], turned[3];
  toy_fit_init(&fit, toy_images(200, 2), "cnn", "{" SMALL ", \"flip\": \"yes\"}");
  toy_fit_run(&fit, &result);
  struct model_workspace *workspace = model_workspace_new();
  memcpy(image, dataset_images(fit.dataset)->pixels, 64);
  for (size_t i = 0; i < 64; i++)
    mirrored[i] = image[i / 8 * 8 + 7 - i % 8];
  assert_int_equal(model_predict_images(result.model, workspace, image, 1, out, NULL), ERR_OK);
  assert_int_equal(model_predict_images(result.model, workspace, mirrored, 1, turned, NULL),
                   ERR_OK);
  for (size_t k = 0; k < 3; k++)
    assert_true(fabsf(out[k] - turned[k]) < 1e-6f);
  model_workspace_free(workspace);
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

/* Equal requests, equal bytes; what is saved answers as before; the file's every damage is refused or harmless. */
static void
test_bytes(void **state)
{
  (void) state;
  struct buf first = {0}, second = {0};
  for (int run = 0; run < 2; run++)
  {
    struct toy_fit fit;
    struct train_result result;
    toy_fit_init(&fit, toy_images(200, 2), "cnn",
                 "{" SMALL ", \"flip\": \"yes\", \"shift\": 0.1, \"rotation\": 5,"
                 " \"mixup\": 0.3, \"dropout\": 0.2, \"precision\": \"fp32\"}");
    toy_fit_run(&fit, &result);
    assert_int_equal(model_save(result.model, run ? &second : &first, NULL), ERR_OK);
    struct model *back;
    assert_int_equal(model_load(first.data, first.length, &back, NULL), ERR_OK);
    float *again = calloc(fit.request.valid_count * 3, sizeof *again);
    struct model_workspace *workspace = model_workspace_new();
    assert_int_equal(model_predict_dataset(back, workspace, fit.dataset, fit.request.valid_rows,
                                           fit.request.valid_count, again, NULL),
                     ERR_OK);
    assert_memory_equal(again, result.valid_predictions,
                        fit.request.valid_count * 3 * sizeof *again);
    free(again);
    model_workspace_free(workspace);
    model_free(back);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
  assert_int_equal(first.length, second.length);
  assert_memory_equal(first.data, second.data, first.length);
  buf_free(&first);
  buf_free(&second);
}

/* A pause and what follows come to the bytes of a run without it. */
static void
test_pause(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result whole, part, rest;
  struct buf first = {0}, second = {0};
  toy_fit_init(&fit, toy_images(200, 2), "cnn",
               "{" SMALL ", \"shift\": 0.1, \"mixup\": 0.3, \"dropout\": 0.2}");
  toy_fit_run(&fit, &whole);
  fit.request.pause_epoch = 2;
  toy_fit_run(&fit, &part);
  assert_int_equal(part.stop, TRAIN_STOP_PAUSE);
  fit.request.pause_epoch = 0;
  fit.request.checkpoint = part.checkpoint.data;
  fit.request.checkpoint_length = part.checkpoint.length;
  toy_fit_run(&fit, &rest);
  assert_int_equal(model_save(whole.model, &first, NULL), ERR_OK);
  assert_int_equal(model_save(rest.model, &second, NULL), ERR_OK);
  assert_int_equal(first.length, second.length);
  assert_memory_equal(first.data, second.data, first.length);
  for (size_t i = 0; i < part.checkpoint.length; i += 97)
  {
    struct train_result none;
    struct err_info info;
    char *damaged = malloc(part.checkpoint.length);
    memcpy(damaged, part.checkpoint.data, part.checkpoint.length);
    damaged[i] ^= 1;
    fit.request.checkpoint = damaged;
    assert_int_equal(train_run(&fit.request, &none, &info), ERR_INVALID);
    free(damaged);
  }
  buf_free(&first);
  buf_free(&second);
  train_result_clear(&whole);
  train_result_clear(&part);
  train_result_clear(&rest);
  toy_fit_clear(&fit);
}

/* ---- sizes ------------------------------------------------------------------------------------------ */

static void
test_sizes(void **state)
{
  (void) state;
  static const struct
  {
    size_t height, width, channels;
    const char *more;
  } sizes[] = {{8, 8, 1, ""},
               {9, 31, 3, ""},
               {40, 33, 3, ", \"side\": 20"},
               {128, 128, 3, ", \"early_pooling\": \"yes\""},
               {150, 70, 1, ", \"side\": 128"},
               {70, 70, 3, ""}};
  for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
  {
    char params[200];
    struct toy_fit fit;
    struct train_result result;
    struct err_info info = {.text = ""};
    snprintf(params, sizeof params, "{\"epochs\": 3, \"filters\": 4, \"batch_size\": 8%s}",
             sizes[s].more);
    toy_fit_init(&fit, toy_bands(120, sizes[s].height, sizes[s].width, sizes[s].channels), "cnn",
                 params);
    if (train_run(&fit.request, &result, &info) != ERR_OK)
      fail_msg("%zu x %zu: %s", sizes[s].width, sizes[s].height, info.text);
    if (!(result.metric > 0.8))
      fail_msg("%zu x %zu: accuracy %g", sizes[s].width, sizes[s].height, result.metric);
    struct buf bytes = {0};
    struct model *back;
    assert_int_equal(model_save(result.model, &bytes, NULL), ERR_OK);
    if (model_load(bytes.data, bytes.length, &back, &info) != ERR_OK)
      fail_msg("%s", info.text);
    model_free(back);
    buf_free(&bytes);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
}

static void
test_refuses(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result result;
  struct err_info info = {.text = ""};
  toy_fit_init(&fit, toy_bands(20, 7, 30, 1), "cnn", "{}");
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "too small"));
  toy_fit_clear(&fit);
  toy_fit_init(&fit, toy_table(50, TOY_BINARY, TOY_GOOD, 1), "cnn", "{}");
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "images"));
  toy_fit_clear(&fit);
  toy_fit_init(&fit, toy_images(100, 2), "cnn", "{" SMALL ", \"learning_rate\": 100}");
  fit.request.metric = METRIC_LOG_LOSS;
  enum err rc = train_run(&fit.request, &result, &info);
  assert_true(rc == ERR_OK || rc == ERR_DIVERGED);
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_no_strength_changes_nothing),
                                     cmocka_unit_test(test_flip),
                                     cmocka_unit_test(test_shift),
                                     cmocka_unit_test(test_turn_and_crop),
                                     cmocka_unit_test(test_cutout_and_brightness),
                                     cmocka_unit_test(test_mix_share),
                                     cmocka_unit_test(test_learns),
                                     cmocka_unit_test(test_mirrors),
                                     cmocka_unit_test(test_bytes),
                                     cmocka_unit_test(test_pause),
                                     cmocka_unit_test(test_sizes),
                                     cmocka_unit_test(test_refuses)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
