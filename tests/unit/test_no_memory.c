#include <config.h>

#include "tests/harness/scenario.h"

#include "base/buf.h"
#include "base/json.h"
#include "base/space_json.h"
#include "data/csv.h"
#include "data/encode.h"
#include "data/idx.h"
#include "data/image.h"
#include "data/png.h"
#include "data/row_batch.h"
#include "data/split.h"
#include "model/job_spec.h"
#include "search/search.h"
#include "tests/harness/data_fixture.h"
#include "tests/harness/toy_fit.h"

static struct dataset *table, *images, *texts;
static struct task task;
static struct arena *task_arena;
static struct buf linear_file, mlp_file;

/* ---- base ------------------------------------------------------------------------------------------ */

static bool
run_json(void)
{
  static const char text[] = "{\"a\": [1, 2.5, \"x\", null], \"b\": {\"c\": true}, \"d\": 3}";
  static const struct json_field fields[] = {
    {.name = "a", .kind = JSON_KIND_OBJECT, .required = true},
    {.name = "e", .kind = JSON_KIND_STRING, .required = true},
    JSON_FIELD_END};
  json_t *value = NULL, *list = NULL;
  struct buf out = {0};
  struct json_faults faults;
  struct arena *arena = arena_new(0);
  bool done = arena != NULL && json_parse(text, strlen(text), 8, &value, NULL) == ERR_OK;
  if (done)
  {
    json_write(value, &out);
    json_faults_init(&faults, arena);
    done = !json_check(value, fields, "", &faults) && !out.failed;
    list = json_faults_to_json(&faults);
    done = done && list != NULL && json_pointer(arena, "/a~b", "c/d") != NULL;
  }
  json_decref(list);
  json_decref(value);
  buf_free(&out);
  arena_free(arena);
  return done;
}

static bool
run_space(void)
{
  static const char text[] =
    "{\"a\": {\"lr\": {\"type\": \"float\", \"low\": 0.001, \"high\": 1, \"scale\": \"log\"},"
    " \"kind\": {\"type\": \"categorical\", \"choices\": [\"p\", \"q\"]},"
    " \"n\": {\"type\": \"int\", \"low\": 1, \"high\": 9, \"when\": {\"kind\": [\"p\"]}},"
    " \"$relations\": [\"n <= 10*lr\"], \"$forbidden\": [{\"kind\": \"q\", \"lr\": {\"max\": "
    "0.01}}]},"
    " \"b\": {\"size\": {\"type\": \"ordinal\", \"values\": [8, 16], \"prior\": {\"weights\": [1, "
    "2]}}}}";
  struct json_faults faults;
  struct space *space = NULL;
  json_t *value = NULL, *back = NULL;
  struct arena *arena = arena_new(0);
  bool done = arena != NULL && json_parse(text, strlen(text), 8, &value, NULL) == ERR_OK;
  if (done)
  {
    json_faults_init(&faults, arena);
    done = space_join_families(value, "/space", arena, &space, &faults) == ERR_OK;
    back = done ? space_to_json(space) : NULL;
    done = done && back != NULL;
  }
  json_decref(back);
  json_decref(value);
  arena_free(arena);
  return done;
}

static bool
run_job_spec(void)
{
  static const char *const methods[] = {"bayes", "random", NULL};
  static const char text[] = "{\"dataset\": \"d\", \"target\": \"y\", \"budget\": {\"trials\": 9}, "
                             "\"families\": [\"linear\", "
                             "\"mlp\"], \"search\": {\"seed\": 1, \"method\": \"bayes\"}}";
  struct json_faults faults;
  struct job_spec *spec = NULL;
  json_t *value = NULL, *back = NULL;
  struct arena *arena = arena_new(0);
  bool done = arena != NULL && json_parse(text, strlen(text), 8, &value, NULL) == ERR_OK;
  if (done)
  {
    struct job_spec_context context = {.dataset_schema = dataset_schema(table),
                                       .methods = methods,
                                       .max_seconds = 100,
                                       .max_trials = 100};
    json_faults_init(&faults, arena);
    done = job_spec_from_json(value, &context, arena, &spec, &faults) == ERR_OK;
    back = done ? job_spec_to_json(spec) : NULL;
    done = done && back != NULL;
  }
  json_decref(back);
  json_decref(value);
  arena_free(arena);
  return done;
}

/* ---- data ------------------------------------------------------------------------------------------ */

static bool
run_ingest_csv(void)
{
  static const char text[] = "id,x,day,word,flag,note\n"
                             "1,1.5,2024-01-01,red,yes,\"a, b\"\n2,,2024-01-02,blue,no,c\n"
                             "3,2.5,2024-01-03,red,yes,d\n4,9,2024-01-04,green,no,e\n";
  struct json_faults faults;
  struct arena *arena = arena_new(0);
  struct dataset *dataset = NULL;
  json_t *preview = NULL, *profile = NULL;
  if (arena == NULL)
    return false;
  json_faults_init(&faults, arena);
  struct ingest_work work = {.input = fixture_file(text, strlen(text)),
                             .labels = -1,
                             .output = memfd_create("attune-test", MFD_CLOEXEC),
                             .limits = INGEST_LIMITS_DEFAULT,
                             .faults = &faults};
  bool done = ingest_csv(&work, NULL) == ERR_OK
              && dataset_open_fd(work.output, &dataset, NULL) == ERR_OK
              && dataset_preview(dataset, 0, 3, &preview, NULL) == ERR_OK
              && dataset_profile(dataset, 0, &profile, NULL) == ERR_OK;
  json_decref(preview);
  json_decref(profile);
  json_decref(work.schema);
  dataset_close(dataset);
  close(work.input);
  close(work.output);
  arena_free(arena);
  return done;
}

static bool
run_split(void)
{
  static const struct split_spec spec = {.seed = 3};
  struct split *split = NULL;
  size_t *rows = NULL, count = 0;
  bool done = split_make(table, &task, &spec, &split, NULL) == ERR_OK
              && split_train_rows(split, 0, &rows, &count) == ERR_OK && count > 0;
  free(rows);
  if (split != NULL)
    split_free(split);
  return done;
}

static bool
run_encode(void)
{
  static const size_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7};
  struct encoder *encoder = NULL, *back = NULL;
  struct buf bytes = {0};
  size_t used = 0;
  bool done = encoder_fit(table, &task, ENCODE_DENSE, rows, 8, &encoder, NULL) == ERR_OK
              && encoder_save(encoder, &bytes) == ERR_OK
              && encoder_load(bytes.data, bytes.length, &used, &back, NULL) == ERR_OK;
  encoder_free(back);
  encoder_free(encoder);
  buf_free(&bytes);
  return done;
}

static bool
run_encode_text(void)
{
  static const size_t rows[] = {0, 1, 2, 3, 4, 5, 6, 7};
  static const char text[] = "[{\"note\": \"some words\"}, {\"note\": 7}]";
  struct encoder *encoder = NULL, *back = NULL;
  struct row_schema *schema = NULL;
  struct row_batch *batch = NULL;
  struct buf bytes = {0};
  struct task words;
  json_t *json = NULL;
  float x[8 * 7];
  size_t used = 0;
  struct arena *arena = arena_new(0);
  bool done = arena != NULL && task_make(texts, "y", NULL, arena, &words, NULL) == ERR_OK
              && encoder_fit(texts, &words, ENCODE_DENSE, rows, 8, &encoder, NULL) == ERR_OK
              && encoder_apply(encoder, dataset_table(texts), rows, 8, true, x, NULL) == ERR_OK
              && encoder_save(encoder, &bytes) == ERR_OK
              && encoder_load(bytes.data, bytes.length, &used, &back, NULL) == ERR_OK
              && row_schema_from_dataset(texts, "y", &schema, NULL) == ERR_OK
              && json_parse(text, strlen(text), 8, &json, NULL) == ERR_OK
              && row_batch_from_json(schema, json, false, 10, &batch, NULL) == ERR_OK
              && encoder_apply(back, row_batch_table(batch), NULL, 2, false, x, NULL) == ERR_OK;
  row_batch_free(batch);
  row_schema_free(schema);
  json_decref(json);
  encoder_free(back);
  encoder_free(encoder);
  buf_free(&bytes);
  arena_free(arena);
  return done;
}

static bool
run_row_batch(void)
{
  static const char csv[] = "x1,color,other\n1,red,2\nword,blue,3\n";
  struct row_schema *schema = NULL;
  struct row_batch *batch = NULL, *other = NULL;
  json_t *rows = NULL, *back = NULL;
  static const char text[] = "[{\"x1\": 1, \"color\": \"pink\"}, {\"x1\": \"word\"}, {\"zz\": 1}]";
  bool done = row_schema_from_dataset(table, "y", &schema, NULL) == ERR_OK
              && json_parse(text, strlen(text), 8, &rows, NULL) == ERR_OK
              && row_batch_from_json(schema, rows, false, 10, &batch, NULL) == ERR_OK
              && row_batch_from_csv(schema, csv, strlen(csv), true, 10, &other, NULL) == ERR_OK;
  if (done)
    done = (back = row_schema_to_json(schema)) != NULL;
  json_decref(back);
  row_batch_free(batch);
  row_batch_free(other);
  row_schema_free(schema);
  json_decref(rows);
  return done;
}

static bool
run_png(void)
{
  static const uint8_t pixels[5 * 4 * 3] = {1, 2, 3};
  struct buf out = {0};
  struct image image = {0};
  uint8_t small[4];
  bool done = png_write(pixels, 4, 5, 3, &out) == ERR_OK
              && image_decode(out.data, out.length, 100, &image, NULL) == ERR_OK
              && image_fit(&image, 2, 2, 1, small, NULL) == ERR_OK;
  image_free(&image);
  buf_free(&out);
  return done;
}

/* ---- search, training, models ---------------------------------------------------------------------- */

static bool
run_search(void)
{
  static const char text[] = "{\"a\": {\"type\": \"float\", \"low\": 0, \"high\": 1},"
                             " \"n\": {\"type\": \"int\", \"low\": 1, \"high\": 9}}";
  struct json_faults faults;
  struct space *space = NULL;
  struct search *search = NULL;
  json_t *value = NULL;
  double point[2];
  struct arena *arena = arena_new(0);
  bool done = arena != NULL && json_parse(text, strlen(text), 8, &value, NULL) == ERR_OK;
  if (done)
  {
    json_faults_init(&faults, arena);
    done = space_from_json(value, "", arena, &space, &faults) == ERR_OK;
  }
  struct search_spec spec = {.method = "bayes", .space = space, .seed = 2, .expected_trials = 12};
  done = done && search_new(&spec, &search, NULL) == ERR_OK;
  for (uint64_t trial = 1; done && trial <= 8; trial++)
    done = search_ask(search, trial, point, NULL) == ERR_OK
           && search_tell(search, trial, point[0] * point[1], NULL) == ERR_OK;
  search_free(search);
  json_decref(value);
  arena_free(arena);
  return done;
}

/* Every method over a space with all kinds of parameters, after an earlier search, with trials that fail, are
 * forgotten or come from another process. */
static bool
search_by(const char *method, const struct space *space)
{
  static const double values[] = {0.3, 0.2, 0.9};
  struct search *search = NULL;
  double point[6], first[6], prior[18], mean, sd;
  for (size_t p = 0; p < space->count; p++)
  {
    first[p] = space_from_unit(&space->params[p], 0.4);
    for (size_t k = 0; k < 3; k++)
      prior[k * space->count + p] = space_from_unit(&space->params[p], 0.3 * (double) k);
  }
  struct search_spec spec = {.method = method,
                             .space = space,
                             .seed = 2,
                             .expected_trials = 16,
                             .grid_resolution = 2,
                             .first_points = first,
                             .first_count = 1,
                             .prior_points = prior,
                             .prior_values = values,
                             .prior_count = 3};
  bool done = search_new(&spec, &search, NULL) == ERR_OK;
  for (uint64_t trial = 1; done && trial <= 9; trial++)
  {
    done = search_ask(search, trial, point, NULL) == ERR_OK;
    if (done && trial == 1)
      memcpy(first, point, space->count * sizeof *point); /* made legal */
    if (done && trial == 4)
      done = search_tell_failed(search, trial, true, NULL) == ERR_OK;
    else if (done && trial == 5)
      done = search_tell_failed(search, trial, false, NULL) == ERR_OK;
    else if (done && trial != 6) /* which stays pending */
      done = search_tell(search, trial, point[0] + 0.1 * (double) (trial % 3), NULL) == ERR_OK;
  }
  if (done)
    done = search_note_ask(search, 20, first, NULL) == ERR_OK;
  if (done && search_predict(search, first, &mean, &sd) == ERR_OK)
    done = isfinite(mean) && sd >= 0;
  done = done && search_best(search, NULL, NULL, NULL);
  search_free(search);
  return done;
}

static bool
run_search_methods(void)
{
  static const char text[] =
    "{\"lr\":{\"type\":\"float\",\"low\":0.001,\"high\":1,\"scale\":\"log\"},"
    "\"kind\":{\"type\":\"categorical\",\"choices\":[\"p\",\"q\",\"r\"]},"
    "\"n\":{\"type\":\"int\",\"low\":1,\"high\":9,\"when\":{\"kind\":[\"p\"]}},"
    "\"flag\":{\"type\":\"bool\"},\"size\":{\"type\":\"ordinal\",\"values\":[8,16,32]},"
    "\"$relations\":[\"n <= size\",\"100*lr <= size + 0.1*n\"],"
    "\"$forbidden\":[{\"kind\":\"q\",\"size\":8,\"flag\":true}]}";
  struct json_faults faults;
  struct space *space = NULL;
  json_t *value = NULL;
  struct arena *arena = arena_new(0);
  bool done = arena != NULL && json_parse(text, strlen(text), 8, &value, NULL) == ERR_OK;
  if (done)
  {
    json_faults_init(&faults, arena);
    done = space_from_json(value, "", arena, &space, &faults) == ERR_OK;
  }
  for (const struct search_method_info *method = search_methods(); done && method->name; method++)
    done = search_by(method->name, space);
  json_decref(value);
  arena_free(arena);
  return done;
}

/* Trials with steps, continued or ended, with two objectives and a constraint or with one. */
static bool
run_search_steps(void)
{
  struct space_param params[2] = {{.name = "a", .kind = SPACE_FLOAT, .low = 0, .high = 1},
                                  {.name = "n", .kind = SPACE_INT, .low = 1, .high = 9, .step = 1}};
  struct space space = {.params = params, .count = 2};
  bool done = true;
  for (size_t variant = 0; done && variant < 3; variant++)
  {
    struct search_spec spec = {.method = variant == 1 ? "tpe" : "bayes",
                               .space = &space,
                               .expected_trials = 4,
                               .objective_count = 1 + variant % 2,
                               .constraint_count = variant % 2,
                               .stopping = SEARCH_STOPPING_ASHA,
                               .most_steps = 9};
    if (variant == 2)
      spec = (struct search_spec){
        .method = "bayes", .space = &space, .objective_count = 2, .constraint_count = 1};
    struct search *search = NULL;
    done = search_new(&spec, &search, NULL) == ERR_OK;
    for (uint64_t turn = 0; done && turn < 14; turn++)
    {
      struct search_suggestion s;
      double point[2];
      done = search_suggest(search, search_count(search), &s, point, NULL) == ERR_OK;
      double values[2] = {point[0], -point[1]}, limit = 0.5 - point[0];
      struct search_result result = {.values = values, .constraints = &limit};
      if (done && s.until_step > 0)
        done = search_measure(search, s.trial, s.until_step, point[0], NULL) == ERR_OK;
      if (done && (s.until_step == 9 || s.until_step == 0))
        done = search_tell_result(search, s.trial, &result, NULL) == ERR_OK;
    }
    search_free(search);
  }
  return done;
}

static bool
train(const char *family, const char *params_text, const struct dataset *dataset,
      const struct task *its_task)
{
  static size_t rows[120];
  struct train_result result = {0};
  json_t *params = NULL;
  for (size_t i = 0; i < 120; i++)
    rows[i] = i;
  bool done = json_parse(params_text, strlen(params_text), 8, &params, NULL) == ERR_OK;
  if (done)
  {
    struct train_request request = {.dataset = dataset,
                                    .task = its_task,
                                    .family = family,
                                    .params = params,
                                    .train_rows = rows,
                                    .train_count = 90,
                                    .valid_rows = rows + 90,
                                    .valid_count = 30,
                                    .metric = METRIC_ACCURACY,
                                    .seed = 5};
    done = train_run(&request, &result, NULL) == ERR_OK;
    train_result_clear(&result);
  }
  json_decref(params);
  return done;
}

static bool
run_train_linear(void)
{
  return train("linear", "{}", table, &task);
}

static bool
run_train_mlp(void)
{
  return train("mlp", "{\"epochs\": 2, \"units\": 5, \"layers\": 1}", table, &task);
}

static bool
load_and_predict(const struct buf *file)
{
  static const size_t rows[] = {0, 5};
  struct model *model = NULL;
  float out[8];
  struct buf again = {0};
  json_t *importance = NULL;
  struct model_workspace *workspace = model_workspace_new();
  bool done = workspace != NULL && model_load(file->data, file->length, &model, NULL) == ERR_OK
              && model_predict_dataset(model, workspace, table, rows, 2, out, NULL) == ERR_OK
              && model_save(model, &again, NULL) == ERR_OK;
  if (done)
    done = (importance = model_importance(model)) != NULL;
  json_decref(importance);
  buf_free(&again);
  if (model != NULL)
    model_free(model);
  if (workspace != NULL)
    model_workspace_free(workspace);
  return done;
}

static bool
run_model_linear(void)
{
  return load_and_predict(&linear_file);
}

static bool
run_model_mlp(void)
{
  return load_and_predict(&mlp_file);
}

/* ---- the tests ------------------------------------------------------------------------------------- */

static void
save_model(const char *family, const char *params, struct buf *out)
{
  struct toy_fit fit;
  struct train_result result;
  toy_fit_init(&fit, toy_table(200, TOY_THREE, TOY_NAN_AND_HUGE, 3), family, params);
  toy_fit_run(&fit, &result);
  assert_int_equal(model_save(result.model, out, NULL), ERR_OK);
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

static int
set_up(void **state)
{
  (void) state;
  no_memory_from(0, false);
  table = toy_table(200, TOY_THREE, TOY_NAN_AND_HUGE, 3);
  images = toy_images(60, 3);
  texts = toy_texts(40);
  task_arena = arena_new(0);
  toy_task(table, task_arena, &task);
  save_model("linear", "{}", &linear_file);
  save_model("mlp", "{\"epochs\": 2, \"units\": 5}", &mlp_file);
  return 0;
}

static int
tear_down(void **state)
{
  (void) state;
  buf_free(&linear_file);
  buf_free(&mlp_file);
  arena_free(task_arena);
  dataset_close(table);
  dataset_close(images);
  dataset_close(texts);
  return 0;
}

#define SCENARIO(name, may_be_done)                                                                \
  static void test_##name(void **state)                                                            \
  {                                                                                                \
    (void) state;                                                                                  \
    scenario_without_memory(&(struct scenario){#name, run_##name, may_be_done, 0, false});         \
  }

SCENARIO(json, false)
SCENARIO(space, false)
SCENARIO(job_spec, false)
SCENARIO(ingest_csv, true)
SCENARIO(split, false)
SCENARIO(encode, false)
SCENARIO(encode_text, false)
SCENARIO(row_batch, true)
SCENARIO(png, false)
SCENARIO(search, false)

static void
test_search_steps(void **state)
{
  (void) state;
  scenario_without_memory(&(struct scenario){"search_steps", run_search_steps, true, 60, true});
}

static void
test_search_methods(void **state)
{
  (void) state;
  scenario_without_memory(&(struct scenario){"search_methods", run_search_methods, true, 60, true});
}

SCENARIO(train_linear, true)
SCENARIO(train_mlp, true)
SCENARIO(model_linear, true)
SCENARIO(model_mlp, true)

int
main(int argc, char **argv)
{
  (void) argc;
  scenario_restart_without_cache(argv);
  static const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_json),         cmocka_unit_test(test_space),
    cmocka_unit_test(test_encode_text),  cmocka_unit_test(test_job_spec),
    cmocka_unit_test(test_ingest_csv),   cmocka_unit_test(test_split),
    cmocka_unit_test(test_encode),       cmocka_unit_test(test_row_batch),
    cmocka_unit_test(test_png),          cmocka_unit_test(test_search),
    cmocka_unit_test(test_search_steps), cmocka_unit_test(test_search_methods),
    cmocka_unit_test(test_train_linear), cmocka_unit_test(test_train_mlp),
    cmocka_unit_test(test_model_linear), cmocka_unit_test(test_model_mlp),
  };
  return cmocka_run_group_tests(tests, set_up, tear_down);
}
