#include <config.h>

#include <dlfcn.h>
#include <math.h>
#include <sodium.h>
#include <unistd.h>

#include "base/file.h"
#include "base/rng.h"
#include "model/export_c.h"
#include "model/model_build.h"
#include "model/model_cnn.h"
#include "tests/harness/toy_fit.h"

#define WITHIN 1e-6
#define ROWS_MOST 300

/* A row as the exported file has it: its columns are those of the model's schema, in their order. */
struct row
{
  size_t columns;
  double *number;
  const char **text;
  char *bytes;
};

static struct row
row_new(size_t columns)
{
  struct row row = {.columns = columns};

  row.bytes = calloc(2 * (columns + 1) + 1, 8);
  row.number = (double *) (void *) row.bytes;
  row.text = (const char **) (void *) (row.bytes + 8 * (columns + 1));
  return row;
}

static void
row_fill(struct row *row, const struct model *model, const struct toy_fit *fit, size_t index)
{
  const struct table *table = dataset_table(fit->dataset);
  struct model_about about;

  model_about(model, &about);
  if (!table)
  {
    const struct image_set *images = dataset_images(fit->dataset);
    row->text[row->columns + 1] =
      (const char *) images->pixels + index * images->height * images->width * images->channels;
    return;
  }
  json_t *schema = row_schema_to_json(about.schema), *known;
  size_t c;
  json_array_foreach(schema, c, known)
  {
    const struct column *column =
      &table->columns[table_find(table, json_string_value(json_object_get(known, "name")))];
    row->number[c] = column->number ? column->number[index] : (double) NAN;
    row->text[c] =
      column->code && column->code[index] >= 0 ? column->categories[column->code[index]] : NULL;
  }
  json_decref(schema);
}

/* The file compiled as a library, without a warning; its predict. */
static int (*compiled(const struct model *model, void **library))(const void *row, float *out)
{
  char folder[TEST_PATH_SIZE], source[TEST_PATH_SIZE + 16], object[TEST_PATH_SIZE + 16],
    command[4 * TEST_PATH_SIZE];
  struct buf file = {0};
  struct err_info info = {.text = ""};

  test_make_dir(folder);
  snprintf(source, sizeof source, "%s/model.c", folder);
  snprintf(object, sizeof object, "%s/model.so", folder);
  if (export_c(model, "toy", &file, &info) != ERR_OK)
    fail_msg("%s", info.text);
  assert_int_equal(file_write_atomic(source, file.data, file.length, 0644, &info), ERR_OK);
  buf_free(&file);
  snprintf(command, sizeof command,
           "cc -std=c99 -O2 -Wall -Wextra -Werror -shared -fPIC -o %s %s -lm && "
           "cc -std=c99 -Wall -Wextra -Werror -fsyntax-only -DATTUNE_MAIN %s",
           object, source, source);
  assert_int_equal(system(command), 0);
  *library = dlopen(object, RTLD_NOW | RTLD_LOCAL);
  if (!*library)
    fail_msg("%s", dlerror());
  file_remove_tree(folder);
  int (*predict)(const void *row, float *out);
  void *found = dlsym(*library, "attune_predict");
  memcpy(&predict, &found, sizeof predict);
  return predict;
}

static void
check_answers(const struct model *model, const struct toy_fit *fit)
{
  size_t count = dataset_row_count(fit->dataset), outputs = fit->task.output_count;
  float *ours = calloc(count * outputs, sizeof *ours), theirs[8];
  struct model_workspace *workspace = model_workspace_new();
  struct model_about about;
  void *library;
  int (*predict)(const void *row, float *out) = compiled(model, &library);

  model_about(model, &about);
  json_t *schema = about.schema ? row_schema_to_json(about.schema) : json_array();
  struct row row = row_new(json_array_size(schema));
  assert_int_equal(model_predict_dataset(model, workspace, fit->dataset, NULL, count, ours, NULL),
                   ERR_OK);
  /* a number's errors go with the spread of the target, not with itself */
  double most = 1.0;
  for (size_t i = 0; i < count * outputs; i++)
    most = fmax(most, fabs((double) ours[i]));
  for (size_t i = 0; i < count; i++)
  {
    row_fill(&row, model, fit, i);
    assert_int_equal(predict(row.bytes, theirs), 0);
    for (size_t k = 0; k < outputs; k++)
    {
      double told = (double) ours[i * outputs + k], found = (double) theirs[k];
      if (!(fabs(told - found) <= WITHIN * most))
        fail_msg("%s, row %zu, output %zu: %.9g, but %.9g in C", about.family, i, k, told, found);
    }
  }
  dlclose(library);
  json_decref(schema);
  free(row.bytes);
  free(ours);
  model_workspace_free(workspace);
}

static struct model *
make_model(struct toy_fit *fit, struct dataset *dataset, const char *family, const char *params)
{
  struct train_result result;

  toy_fit_init(fit, dataset, family, params);
  toy_fit_run(fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  return model;
}

static void
check_model(struct dataset *dataset, const char *family, const char *params)
{
  struct toy_fit fit;
  struct model *model = make_model(&fit, dataset, family, params);

  check_answers(model, &fit);
  model_free(model);
  toy_fit_clear(&fit);
}

static void
test_tables(void **state)
{
  (void) state;
  for (int target = TOY_BINARY; target <= TOY_NUMBER; target++)
  {
    check_model(toy_table(ROWS_MOST, (enum toy_target) target, TOY_NAN_AND_HUGE, 3), "linear",
                "{}");
    check_model(toy_table(ROWS_MOST, (enum toy_target) target, TOY_NAN_AND_HUGE, 3), "trees",
                "{\"rounds\": 20}");
    check_model(toy_table(ROWS_MOST, (enum toy_target) target, TOY_NAN_AND_HUGE, 3), "mlp",
                "{\"epochs\": 4, \"units\": 9}");
  }
}

static void
test_images(void **state)
{
  (void) state;
  check_model(toy_images(60, 3), "linear", "{}");
  check_model(toy_images(60, 3), "cnn", "{\"epochs\": 1, \"filters\": 4}");
  check_model(toy_images(60, 3), "cnn",
              "{\"epochs\": 1, \"filters\": 4, \"blocks\": 1, \"activation\": \"silu\"}");
  check_model(toy_images(60, 3), "cnn",
              "{\"epochs\": 1, \"filters\": 4, \"head_units\": 12, \"batch_norm\": \"no\", "
              "\"flip\": \"yes\"}");
}

/* A network whose head looks at a grid, as those have that start from another model's body; it answers as random
 * weights will. */
static void
test_grid(void **state)
{
  struct toy_fit fit;
  struct convnet *net;
  struct model *model;
  struct rng rng;
  struct convnet_config config = {.height = 8,
                                  .width = 8,
                                  .channels = 1,
                                  .outputs = 3,
                                  .stages = 2,
                                  .blocks = 1,
                                  .filters = 4,
                                  .kernel = 5,
                                  .stride = 1,
                                  .head_grid = 3,
                                  .normalised = true,
                                  .activation = CONV_GELU};
  (void) state;

  toy_fit_init(&fit, toy_images(20, 3), "cnn", "{}");
  assert_int_equal(convnet_new(&config, false, &net, NULL), ERR_OK);
  rng_init(&rng, 1, 2);
  for (size_t i = 0; i < net->param_count; i++)
    net->w[i] = 0.2f * (float) rng_normal(&rng);
  struct model_parts parts = {.family = "cnn",
                              .params = fit.params,
                              .task = &fit.task,
                              .dataset = fit.dataset,
                              .pixels = {.height = 8, .width = 8, .channels = 1, .scale = 0.01f}};
  assert_int_equal(model_cnn_take(net, true, &parts.body, NULL), ERR_OK);
  assert_int_equal(model_build_take(&parts, &model, NULL), ERR_OK);
  check_answers(model, &fit);
  convnet_free(net);
  model_free(model);
  toy_fit_clear(&fit);
}

static void
test_bag(void **state)
{
  static const double weights[] = {0.75, 0.25}, factors[] = {1.0, 2.0, 0.5};
  struct toy_fit fit, other;
  struct err_info info = {.text = ""};
  struct model *bag, *members[2];
  (void) state;

  members[0] = make_model(&other, toy_table(ROWS_MOST, TOY_THREE, TOY_NAN_AND_HUGE, 3), "trees",
                          "{\"rounds\": 20}");
  members[1] =
    make_model(&fit, toy_table(ROWS_MOST, TOY_THREE, TOY_NAN_AND_HUGE, 3), "linear", "{}");
  toy_fit_clear(&other);
  if (model_bag_take(members, weights, 2, &bag, &info) != ERR_OK)
    fail_msg("%s", info.text);
  assert_int_equal(model_set_temperature(bag, 1.7, NULL), ERR_OK);
  assert_int_equal(model_set_decision(bag, &(struct decision){.factors = factors}, NULL), ERR_OK);
  check_answers(bag, &fit);
  model_free(bag);
  toy_fit_clear(&fit);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tables), cmocka_unit_test(test_images),
                                     cmocka_unit_test(test_grid), cmocka_unit_test(test_bag)};
  if (sodium_init() < 0)
    return 1;
  return cmocka_run_group_tests(tests, NULL, NULL);
}
