#include <config.h>

#include "tests/harness/test_support.h"

#include <math.h>

#include "base/buf.h"
#include "base/json.h"
#include "server/handler/predict_reply.h"
#include "server/json_view.h"
#include "server/names.h"
#include "sql/db.h"

/* predict_reply.c is tested without the readers of bodies. */
const json_t *
predict_input_faults(const struct predict_input *input, size_t row)
{
  return input->faults ? input->faults[row] : NULL;
}

const json_t *
predict_input_warnings(const struct predict_input *input, size_t row)
{
  (void) input;
  (void) row;
  return NULL;
}

static void
model_names(void **state)
{
  static const char *const good[] = {"iris", "a", "0x", "a.b_c-d", "v2"};
  static const char *const bad[] = {"",    "Iris", "-a",    ".a", "_a", "12",
                                    "a b", "a/b",  "mdl_x", "é",  "a@b"};
  char longest[65];

  (void) state;
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    assert_true(name_is_model(good[i]));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(name_is_model(bad[i]));
  memset(longest, 'a', 64);
  longest[64] = '\0';
  assert_false(name_is_model(longest));
  longest[63] = '\0';
  assert_true(name_is_model(longest));
}

static void
model_names_from_others(void **state)
{
  static const char *const pairs[][2] = {
    {"iris", "iris"},       {"My Data (2)", "my-data-2"}, {"__x__", "x"},       {"a   b", "a-b"},
    {"2024", "model-2024"}, {"mdl_7", "model-mdl_7"},     {"Zürich", "z-rich"}, {"..a..", "a"},
  };
  struct arena *arena = arena_new(0);
  char text[300];

  (void) state;
  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
    assert_string_equal(name_model_from(arena, pairs[i][0]), pairs[i][1]);
  assert_null(name_model_from(arena, "---"));
  assert_null(name_model_from(arena, "数据"));
  memset(text, '7', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  assert_true(name_is_model(name_model_from(arena, text)));
  memset(text, 'q', sizeof text - 1);
  assert_true(name_is_model(name_model_from(arena, text)));
  arena_free(arena);
}

static void
names_from_files(void **state)
{
  struct arena *arena = arena_new(0);
  char text[400];

  (void) state;
  assert_string_equal(name_from_file(arena, "C:\\data\\iris.csv", "table"), "iris");
  assert_string_equal(name_from_file(arena, "/tmp/t10k-images-idx3-ubyte.gz", "x"),
                      "t10k-images-idx3-ubyte");
  assert_string_equal(name_from_file(arena, "a.csv.gz", "x"), "a");
  assert_string_equal(name_from_file(arena, NULL, "table"), "table");
  assert_string_equal(name_from_file(arena, "", "table"), "table");
  assert_string_equal(name_from_file(arena, "dir/", "table"), "table");
  assert_string_equal(name_from_file(arena, "a\nb.csv", "table"), "a b");
  assert_string_equal(name_from_file(arena, "\xff\xfe.csv", "table"), "table");
  memset(text, 'x', sizeof text - 1);
  text[sizeof text - 1] = '\0';
  assert_int_equal(strlen(name_from_file(arena, text, "table")), 200);
  arena_free(arena);
}

static void
titles(void **state)
{
  (void) state;
  assert_true(name_is_title("Iris, second try"));
  assert_true(name_is_title("données"));
  assert_false(name_is_title(""));
  assert_false(name_is_title("   "));
  assert_false(name_is_title("a\tb"));
  assert_false(name_is_title("\xc3"));
}

static void
float_texts(void **state)
{
  static const struct
  {
    float value;
    const char *text;
  } cases[] = {{0.0f, "0"},
               {1.0f, "1"},
               {0.1f, "0.1"},
               {0.5f, "0.5"},
               {-2.25f, "-2.25"},
               {16777216.0f, "16777216"},
               {1e-10f, "1e-10"},
               {0.33333334f, "0.33333334"},
               {3.4028235e38f, "3.4028235e+38"}};
  struct buf out = {0};
  uint32_t bits = 1;

  (void) state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    out.length = 0;
    predict_write_float(cases[i].value, &out);
    assert_string_equal(out.data, cases[i].text);
  }
  /* whatever the bits, the text reads back as the same float */
  for (int i = 0; i < 20000; i++)
  {
    float value, back;
    bits = bits * 1664525u + 1013904223u;
    memcpy(&value, &bits, sizeof value);
    out.length = 0;
    predict_write_float(value, &out);
    if (!isfinite(value))
    {
      assert_string_equal(out.data, "null");
      continue;
    }
    back = strtof(out.data, NULL);
    assert_memory_equal(&back, &value, sizeof value);
  }
  buf_free(&out);
}

static void
predict_answer(void **state)
{
  static const char *const classes[] = {"a", "b \"c\""};
  const struct task task = {
    .kind = TASK_BINARY, .class_count = 2, .class_names = classes, .output_count = 2};
  struct model_about about = {.task = &task};
  const struct model_ref ref = {.model_name = "m", .version = 4};
  const float outputs[] = {0.25f, 0.75f, 0.5f, 0.5f};
  json_t *fault = json_pack("[{s:s, s:s}]", "pointer", "/rows/1/x", "message", "no number");
  json_t *faults[] = {NULL, fault, NULL};
  size_t good[] = {0, 2};
  struct predict_input input = {.count = 3, .good = good, .good_count = 2, .faults = faults};
  struct json_faults list;
  struct arena *arena = arena_new(0);
  struct buf out = {0};

  (void) state;
  predict_reply_write(&ref, &about, "prd_x", &input, outputs, &out);
  assert_string_equal(
    out.data,
    "{\"model\":\"m\",\"version\":4,\"prediction_id\":\"prd_x\",\"threshold\":0.5,\"predictions\":["
    "{\"label\":\"b \\\"c\\\"\",\"probability\":0.75,"
    "\"probabilities\":{\"a\":0.25,\"b \\\"c\\\"\":0.75}},"
    "{\"error\":{\"code\":\"invalid\",\"message\":\"no number\",\"faults\":"
    "[{\"pointer\":\"/rows/1/x\",\"message\":\"no number\"}]}},"
    "{\"label\":\"a\",\"probability\":0.5,\"probabilities\":{\"a\":0.5,\"b \\\"c\\\"\":0.5}}]}");
  json_faults_init(&list, arena);
  predict_faults_gather(&input, &list);
  assert_int_equal(list.count, 1);
  assert_string_equal(list.items[0].pointer, "/rows/1/x");
  out.length = 0;
  about.decision = (struct decision){.has_threshold = true, .threshold = 0.8};
  predict_reply_write(&ref, &about, "prd_x", &input, outputs, &out);
  assert_non_null(strstr(out.data, "\"threshold\":0.8,\"predictions\":[{\"label\":\"a\","
                                   "\"probability\":0.25,"));
  buf_free(&out);
  json_decref(fault);
  arena_free(arena);
}

/* ---- progress of a job ----------------------------------------------------------------------------- */

static struct view_progress
progress_of(const char *state, const char *phase, double elapsed_s, int done, const char *budget)
{
  json_t *spec = json_pack("{s:o}", "budget", json_loads(budget, 0, NULL));
  struct db_job row = {.state = state,
                       .phase = phase,
                       .trials_done = done,
                       .started_us = elapsed_s < 0 ? 0 : 1000000,
                       .elapsed_s = elapsed_s < 0 ? 0 : elapsed_s};
  struct view_progress progress = view_job_progress(&row, spec);

  json_decref(spec);
  return progress;
}

static void
job_progress(void **state)
{
  struct view_progress p;

  (void) state;
  p = progress_of("queued", "search", -1.0, 0, "{\"seconds\": 60}");
  assert_true(p.progress == 0.0 && p.elapsed_s == 0.0 && p.eta_s == 60.0);
  p = progress_of("running", "search", 15.0, 3, "{\"seconds\": 60}");
  assert_true(p.progress == 0.25 && p.elapsed_s == 15.0 && p.eta_s == 45.0);
  p = progress_of("running", "search", 30.0, 3, "{\"trials\": 12}");
  assert_true(p.progress == 0.25 && p.eta_s == 90.0);
  p = progress_of("running", "search", 30.0, 0, "{\"trials\": 12}");
  assert_true(p.progress == 0.0 && isnan(p.eta_s));
  /* the nearer of two ends counts */
  p = progress_of("running", "search", 30.0, 9, "{\"seconds\": 600, \"trials\": 12}");
  assert_true(p.progress == 0.75 && p.eta_s == 10.0);
  /* over the budget, but not at the end before the model is stored */
  p = progress_of("running", "finish", 70.0, 9, "{\"seconds\": 60}");
  assert_true(p.progress == 0.99 && p.eta_s == 0.0);
  p = progress_of("succeeded", "ended", 61.0, 9, "{\"seconds\": 60}");
  assert_true(p.progress == 1.0 && p.eta_s == 0.0 && p.elapsed_s == 61.0);
}

static void
job_view(void **state)
{
  struct db_job row = {.id = "job_1",
                       .name = "n",
                       .dataset_id = "ds_1",
                       .dataset_version = 2,
                       .spec = "{\"budget\":{\"trials\":4},\"metric\":\"rmse\"}",
                       .state = "running",
                       .phase = "search",
                       .best_trial_id = "tr_1",
                       .best_trial_number = 1,
                       .best_family = "linear",
                       .best_params = "{\"l2\":0.5}",
                       .best_value = NAN,
                       .created_us = 1};
  json_t *view = view_job(&row, true);

  (void) state;
  assert_string_equal(json_string_value(json_object_get(view, "metric")), "rmse");
  assert_true(json_is_null(json_object_get(view, "model")));
  assert_true(json_is_null(json_object_get(view, "started_at")));
  assert_true(json_is_null(json_object_get(view, "eta_s")));
  assert_true(json_is_null(json_object_get(json_object_get(view, "best"), "value")));
  assert_string_equal(json_string_value(json_object_get(json_object_get(view, "best"), "metric")),
                      "rmse");
  assert_true(json_is_object(json_object_get(view, "spec")));
  json_decref(view);
}

static int
compare_ids(const void *left, const void *right)
{
  return strcmp(left, right);
}

/* Ids from a thread's store of random bytes are all different, also across its refills. */
static void
ids_made_often(void **state)
{
  static char ids[1000][32];
  char small[24] = "kept";
  (void) state;
  for (size_t i = 0; i < 1000; i++)
  {
    db_id_new_often("prd_", ids[i], sizeof ids[i]);
    assert_int_equal(strlen(ids[i]), 24);
    assert_int_equal(strncmp(ids[i], "prd_", 4), 0);
    assert_int_equal(strspn(ids[i] + 4, "0123456789abcdefghjkmnpqrstvwxyz"), 20);
  }
  qsort(ids, 1000, sizeof ids[0], compare_ids);
  for (size_t i = 1; i < 1000; i++)
    assert_string_not_equal(ids[i - 1], ids[i]);
  db_id_new_often("prd_", small, sizeof small);
  assert_string_equal(small, "kept");
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(model_names),      cmocka_unit_test(model_names_from_others),
    cmocka_unit_test(names_from_files), cmocka_unit_test(titles),
    cmocka_unit_test(float_texts),      cmocka_unit_test(job_progress),
    cmocka_unit_test(job_view),         cmocka_unit_test(predict_answer),
    cmocka_unit_test(ids_made_often),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
