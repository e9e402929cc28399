/* Fits that start from another model's body: what is taken over, what stays, what learns, what is refused. */
#include <config.h>

#include "model/family.h"
#include "model/family_cost.h"
#include "model/model_base.h"
#include "model/model_cnn.h"
#include "tests/harness/toy_fit.h"

#define SMALL "\"epochs\": 4, \"filters\": 4, \"stages\": 2, \"batch_size\": 16, \"shift\": 0"
#define BASED "\"epochs\": 6, \"batch_size\": 16, \"shift\": 0"

/* A model of toy images of 8 × 8 pixels. */
static struct model *
base_model(const char *params)
{
  struct toy_fit fit;
  struct train_result result;
  toy_fit_init(&fit, toy_images(200, 2), "cnn", params);
  toy_fit_run(&fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  toy_fit_clear(&fit);
  return model;
}

static const struct convnet *
net_of(const struct model *model)
{
  const struct model_pixels *pixels;
  return model_base_net(model, &pixels);
}

static bool
same_body(const struct convnet *a, const struct convnet *b)
{
  return convnet_body_count(a) == convnet_body_count(b)
         && memcmp(a->w, b->w, convnet_body_count(a) * sizeof *a->w) == 0;
}

static bool
same_statistics(const struct convnet *a, const struct convnet *b)
{
  return a->statistic_count == b->statistic_count
         && memcmp(a->statistics, b->statistics, a->statistic_count * sizeof *a->statistics) == 0;
}

/* A frozen body keeps its bytes, statistics and pixel scale through every optimizer; a rate of 0 keeps the weights;
 * otherwise they move. */
static void
test_frozen(void **state)
{
  (void) state;
  static const struct
  {
    const char *params;
    bool weights, statistics;
  } cases[] = {
    {"{" BASED ", \"frozen_share\": 1}", true, true},
    {"{" BASED ", \"frozen_share\": 1, \"optimizer\": \"adam\", \"learning_rate\": 0.01}", true,
     true},
    {"{" BASED ", \"frozen_share\": 1, \"average\": 0, \"gradient_clip\": 1}", true, true},
    {"{" BASED ", \"frozen_share\": 0, \"body_rate\": 0}", true, false},
    {"{" BASED ", \"frozen_share\": 0.1, \"body_rate\": 0, \"optimizer\": \"rmsprop\"}", true,
     false},
    {"{" BASED ", \"frozen_share\": 0.1, \"body_rate\": 0.1}", false, false},
    {"{" BASED ", \"frozen_share\": 0}", false, false}};
  struct model *base = base_model("{" SMALL "}");
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
  {
    struct toy_fit fit;
    struct train_result result;
    const struct model_pixels *from, *to;
    toy_fit_init(&fit, toy_bands(120, 8, 8, 1), "cnn", cases[i].params);
    fit.request.base = base;
    toy_fit_run(&fit, &result);
    const struct convnet *mine = model_base_net(result.model, &to),
                         *theirs = model_base_net(base, &from);
    if (same_body(mine, theirs) != cases[i].weights
        || same_statistics(mine, theirs) != cases[i].statistics)
      fail_msg("%s", cases[i].params);
    assert_true(to->mean == from->mean && to->scale == from->scale);
    assert_int_equal(mine->config.outputs, 2);
    assert_true(result.metric > 0.7);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
  model_free(base);
}

/* The outputs of both, for 5 rows, in turn. */
static void
check_outputs(const float *trained, const float *predicted, float tolerance)
{
  assert_non_null(trained);
  for (size_t i = 0; i < 15; i++)
    assert_true(fabsf(trained[i] - predicted[i]) < tolerance * (1.0f + fabsf(predicted[i])));
}

/* With the kept statistics and nothing dropped a network says in training what it says when it predicts, in bf16
 * about that. */
static void
test_frozen_forward_predicts(void **state)
{
  (void) state;
  struct model *base = base_model("{" SMALL ", \"dropout\": 0}");
  const struct convnet *from = net_of(base);
  struct convnet_config config = from->config;
  struct convnet *net;
  struct convnet_work *work, *narrow;
  struct convnet_infer *infer;
  size_t inputs = config.height * config.width * config.channels;
  float *x = aligned_alloc(64, (5 * inputs * sizeof *x + 63) / 64 * 64), out[15];
  struct rng rng;
  config.dropout = 0.5f;
  assert_int_equal(convnet_new(&config, true, &net, NULL), ERR_OK);
  convnet_init_weights(net, 3);
  assert_true(convnet_take_body(net, from));
  assert_int_equal(convnet_work_new(net, 5, KERNEL_FP32, &work, NULL), ERR_OK);
  assert_int_equal(convnet_work_new(net, 5, KERNEL_BF16, &narrow, NULL), ERR_OK);
  assert_int_equal(convnet_infer_new(net, &infer, NULL), ERR_OK);
  float *scratch = aligned_alloc(64, (convnet_infer_floats(infer) * sizeof *x + 63) / 64 * 64);
  rng_init(&rng, 1, 1);
  for (size_t i = 0; i < 5 * inputs; i++)
    x[i] = (float) rng_normal(&rng);
  assert_true(convnet_infer_run(infer, scratch, x, 5, out));
  check_outputs(convnet_forward_kept(net, work, x), out, 1e-4f);
  check_outputs(convnet_forward_kept(net, narrow, x), out, 3e-2f);
  net->config.dropout = 0.0f;
  check_outputs(convnet_forward_frozen(net, work, x, 1, 1), out, 1e-4f);
  free(scratch);
  free(x);
  convnet_infer_free(infer);
  convnet_work_free(narrow);
  convnet_work_free(work);
  convnet_free(net);
  model_free(base);
}

/* Equal requests, equal bytes; a pause in either part changes nothing; a checkpoint is of one base. */
static void
test_pause(void **state)
{
  (void) state;
  struct model *base = base_model("{" SMALL "}"), *other = base_model("{" SMALL ", \"mixup\": 1}");
  struct buf whole = {0};
  for (size_t pause = 0; pause < 5; pause += pause ? 3 : 1)
  {
    struct toy_fit fit;
    struct train_result part, rest;
    struct err_info info;
    struct buf bytes = {0};
    toy_fit_init(&fit, toy_bands(120, 8, 8, 1), "cnn",
                 "{" BASED ", \"frozen_share\": 0.5, \"body_rate\": 0.3, \"dropout\": 0.2}");
    fit.request.base = base;
    if (pause > 0)
    {
      fit.request.pause_epoch = pause;
      toy_fit_run(&fit, &part);
      assert_int_equal(part.stop, TRAIN_STOP_PAUSE);
      fit.request.pause_epoch = 0;
      fit.request.checkpoint = part.checkpoint.data;
      fit.request.checkpoint_length = part.checkpoint.length;
      fit.request.base = other;
      assert_int_equal(train_run(&fit.request, &rest, &info), ERR_INVALID);
      fit.request.base = NULL;
      assert_int_equal(train_run(&fit.request, &rest, &info), ERR_INVALID);
      fit.request.base = base;
    }
    toy_fit_run(&fit, &rest);
    assert_int_equal(model_save(rest.model, pause ? &bytes : &whole, NULL), ERR_OK);
    if (pause)
    {
      assert_int_equal(bytes.length, whole.length);
      assert_memory_equal(bytes.data, whole.data, whole.length);
      train_result_clear(&part);
    }
    buf_free(&bytes);
    train_result_clear(&rest);
    toy_fit_clear(&fit);
  }
  buf_free(&whole);
  model_free(base);
  model_free(other);
}

/* The new last layer is good before it is trained, whatever it sees of the maps; a random one is not. */
static void
test_head_start(void **state)
{
  (void) state;
#define AS_IT_STARTS "\"epochs\": 1, \"frozen_share\": 1, \"learning_rate\": 1e-7"
  static const char *const good[] = {"{" AS_IT_STARTS "}", "{" AS_IT_STARTS ", \"head_grid\": 1}",
                                     "{" AS_IT_STARTS ", \"head_grid\": 0}",
                                     "{" AS_IT_STARTS ", \"average\": 0, \"mixup\": 0.5}"};
  struct model *base = base_model("{" SMALL "}");
  for (size_t i = 0; i < sizeof good / sizeof *good; i++)
  {
    struct toy_fit fit;
    struct train_result result;
    toy_fit_init(&fit, toy_bands(120, 8, 8, 1), "cnn", good[i]);
    fit.request.base = base;
    toy_fit_run(&fit, &result);
    if (result.metric < 0.9)
      fail_msg("%s: %g", good[i], result.metric);
    train_result_clear(&result);
    toy_fit_clear(&fit);
  }
  struct toy_fit fit;
  struct train_result result;
  toy_fit_init(&fit, toy_bands(120, 8, 8, 1), "cnn",
               "{" AS_IT_STARTS ", \"head_start\": \"random\"}");
  fit.request.base = base;
  toy_fit_run(&fit, &result);
  assert_true(result.log_loss > 0.5);
  train_result_clear(&result);
  toy_fit_clear(&fit);
  model_free(base);
}

/* A base may have been made from a base: of the grid's weights nothing is taken. The file of a network without a
 * grid is what it was before there were any. */
static void
test_base_of_base(void **state)
{
  (void) state;
  struct model *base = base_model("{" SMALL "}");
  for (int grid = 0; grid < 2; grid++)
  {
    struct toy_fit fit;
    struct train_result first, second;
    struct buf bytes = {0};
    struct model *back;
    toy_fit_init(&fit, toy_bands(120, 8, 8, 1), "cnn",
                 grid ? "{" BASED ", \"head_grid\": 3}" : "{" BASED ", \"head_grid\": 0}");
    fit.request.base = base;
    toy_fit_run(&fit, &first);
    assert_int_equal(net_of(first.model)->config.head_grid, grid ? 3 : 0);
    assert_int_equal(model_save(first.model, &bytes, NULL), ERR_OK);
    assert_int_equal(model_load(bytes.data, bytes.length, &back, NULL), ERR_OK);
    assert_int_equal(net_of(back)->config.head_grid, grid ? 3 : 0);
    assert_memory_equal(net_of(back)->w, net_of(first.model)->w,
                        net_of(back)->param_count * sizeof(float));
    fit.request.base = back;
    toy_fit_run(&fit, &second);
    assert_true(second.metric > 0.7);
    model_free(back);
    buf_free(&bytes);
    train_result_clear(&second);
    train_result_clear(&first);
    toy_fit_clear(&fit);
  }
  model_free(base);
}

/* Other sizes, other heads, nets without normalisation: saved and loaded, too. */
static void
test_sizes(void **state)
{
  (void) state;
  static const char *const bases[] = {
    "{" SMALL "}", "{" SMALL ", \"head_units\": 12, \"early_pooling\": \"yes\"}",
    "{" SMALL ", \"batch_norm\": \"no\", \"activation\": \"silu\", \"kernel\": 5}"};
  static const size_t sizes[][2] = {{8, 8}, {20, 13}, {24, 32}};
  for (size_t b = 0; b < 3; b++)
  {
    struct model *base = base_model(bases[b]);
    for (size_t s = 0; s < 3; s++)
    {
      struct toy_fit fit;
      struct train_result result;
      struct buf bytes = {0};
      struct model *back;
      toy_fit_init(&fit, toy_bands(120, sizes[s][0], sizes[s][1], 1), "cnn",
                   "{" BASED ", \"learning_rate\": 0.01}");
      fit.request.base = base;
      toy_fit_run(&fit, &result);
      assert_int_equal(net_of(result.model)->config.height, sizes[s][0]);
      assert_int_equal(net_of(result.model)->config.head_units, 0);
      assert_int_equal(model_save(result.model, &bytes, NULL), ERR_OK);
      assert_int_equal(model_load(bytes.data, bytes.length, &back, NULL), ERR_OK);
      assert_true(same_body(net_of(back), net_of(result.model)));
      model_free(back);
      buf_free(&bytes);
      train_result_clear(&result);
      toy_fit_clear(&fit);
    }
    model_free(base);
  }
}

/* A body of colour images sees a grey one as it sees that repeated in each channel; one of grey images sees the mean
 * of the channels. */
static void
test_channels(void **state)
{
  (void) state;
  for (size_t channels = 1; channels <= 3; channels += 2)
  {
    struct convnet_config config = {.height = 6,
                                    .width = 6,
                                    .channels = channels,
                                    .outputs = 2,
                                    .stages = 1,
                                    .filters = 4,
                                    .kernel = 3,
                                    .stride = 1,
                                    .normalised = true};
    struct convnet *from, *net;
    struct convnet_infer *theirs, *mine;
    float grey[36], colour[108], a[2], b[2];
    struct rng rng;
    rng_init(&rng, 1, channels);
    assert_int_equal(convnet_new(&config, false, &from, NULL), ERR_OK);
    config.channels = 4 - channels;
    assert_int_equal(convnet_new(&config, false, &net, NULL), ERR_OK);
    convnet_init_weights(from, 3);
    convnet_init_weights(net, 3);
    assert_true(convnet_take_body(net, from));
    memcpy(net->w + convnet_body_count(net), from->w + convnet_body_count(from),
           (net->param_count - convnet_body_count(net)) * sizeof *net->w);
    for (size_t i = 0; i < 36; i++)
    {
      float mean = 0.0f;
      for (size_t c = 0; c < 3; c++)
      {
        colour[3 * i + c] = (float) rng_normal(&rng);
        mean += colour[3 * i + c] / 3.0f;
      }
      grey[i] = mean;
      for (size_t c = 0; channels == 3 && c < 3; c++)
        colour[3 * i + c] = mean;
    }
    assert_int_equal(convnet_infer_new(from, &theirs, NULL), ERR_OK);
    assert_int_equal(convnet_infer_new(net, &mine, NULL), ERR_OK);
    size_t floats = convnet_infer_floats(theirs) + convnet_infer_floats(mine);
    float *scratch = aligned_alloc(64, (floats * sizeof *scratch + 63) / 64 * 64);
    assert_true(convnet_infer_run(theirs, scratch, channels == 1 ? grey : colour, 1, a));
    assert_true(convnet_infer_run(mine, scratch, channels == 1 ? colour : grey, 1, b));
    for (size_t k = 0; k < 2; k++)
      assert_true(fabsf(a[k] - b[k]) < 1e-5f);
    free(scratch);
    convnet_infer_free(theirs);
    convnet_infer_free(mine);
    convnet_free(from);
    convnet_free(net);
  }
  struct model *base = base_model("{" SMALL "}");
  struct toy_fit fit;
  struct train_result result;
  toy_fit_init(&fit, toy_bands(120, 8, 8, 3), "cnn", "{" BASED "}");
  fit.request.base = base;
  toy_fit_run(&fit, &result);
  assert_true(result.metric > 0.7);
  train_result_clear(&result);
  toy_fit_clear(&fit);
  model_free(base);
}

/* Of a bag, the convolutional member with the most weight. */
static void
test_bag(void **state)
{
  (void) state;
  struct model *members[3] = {base_model("{" SMALL "}"), base_model("{" SMALL ", \"blocks\": 0}"),
                              NULL},
               *bag;
  const struct convnet *second = net_of(members[1]);
  struct toy_fit fit;
  struct train_result result;
  struct model_base base;
  struct err_info info;
  toy_fit_init(&fit, toy_images(100, 2), "linear", "{}");
  toy_fit_run(&fit, &result);
  members[2] = result.model;
  result.model = NULL;
  assert_int_equal(model_base_find(members[2], &base, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "convolutional"));
  assert_int_equal(model_bag_take(members, (const double[]){0.2, 0.3, 0.5}, 3, &bag, &info),
                   ERR_OK);
  assert_int_equal(model_base_find(bag, &base, &info), ERR_OK);
  assert_int_equal(base.blocks, 0);
  assert_ptr_equal(net_of(bag), second);
  model_free(bag);
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

static void
test_refuses(void **state)
{
  (void) state;
  struct toy_fit fit;
  struct train_result result, table;
  struct err_info info = {.text = ""};
  struct model *base = base_model("{" SMALL "}");
  /* layers are the base's */
  toy_fit_init(&fit, toy_bands(60, 8, 8, 1), "cnn", "{\"filters\": 8}");
  fit.request.base = base;
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "filters"));
  toy_fit_clear(&fit);
  /* and without one there is nothing to freeze */
  toy_fit_init(&fit, toy_bands(60, 8, 8, 1), "cnn", "{\"frozen_share\": 1}");
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_INVALID);
  toy_fit_clear(&fit);
  toy_fit_init(&fit, toy_table(60, TOY_BINARY, TOY_GOOD, 1), "linear", "{}");
  toy_fit_run(&fit, &table);
  fit.request.base = base;
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "images"));
  toy_fit_clear(&fit);
  toy_fit_init(&fit, toy_bands(60, 8, 8, 1), "cnn", "{}");
  fit.request.base = table.model;
  assert_int_equal(train_run(&fit.request, &result, &info), ERR_INVALID);
  assert_non_null(strstr(info.text, "table"));
  toy_fit_clear(&fit);
  train_result_clear(&table);
  model_free(base);
}

/* What a job says of its base survives its stored form; what could not be built is refused. */
static void
test_stored_form(void **state)
{
  (void) state;
  struct model *model = base_model("{" SMALL ", \"activation\": \"gelu\"}");
  struct model_base base, back;
  assert_int_equal(model_base_find(model, &base, NULL), ERR_OK);
  json_t *json = model_base_to_json(&base);
  assert_true(model_base_from_json(json, &back));
  assert_memory_equal(&base, &back, sizeof base);
  static const char *const damages[] = {"{\"stages\": 0}", "{\"filters\": 100000}",
                                        "{\"activation\": \"bend\"}", "{\"kernel\": 4}",
                                        "{\"seen_width\": 0}"};
  for (size_t i = 0; i < sizeof damages / sizeof *damages; i++)
  {
    json_t *damaged = json_deep_copy(json), *change = json_loads(damages[i], 0, NULL);
    json_object_update(damaged, change);
    if (model_base_from_json(damaged, &back))
      fail_msg("%s", damages[i]);
    json_decref(change);
    json_decref(damaged);
  }
  assert_false(model_base_from_json(NULL, &back));
  json_decref(json);
  model_free(model);
}

/* The space has what can be chosen, and a frozen body costs a forward pass. */
/* With few images the changes of images are settled, and only with a base. */
static void
assert_few_are_settled(const struct model_data_shape *based)
{
  static const char *const settled[] = {"shift",  "rotation",   "crop",
                                        "cutout", "brightness", "mixup"};
  struct model_data_shape fresh = *based, many = *based;
  fresh.base = (struct model_base){0};
  many.rows = 500;
  json_t *few_space = family_space("cnn", based), *fresh_space = family_space("cnn", &fresh),
         *many_space = family_space("cnn", &many), *described = family_describe("cnn", based), *one;
  size_t index, count = 0;

  for (size_t i = 0; i < sizeof settled / sizeof settled[0]; i++)
  {
    const json_t *value = json_object_get(few_space, settled[i]);
    assert_true(json_is_number(value));
    assert_near(json_number_value(value), family_number("cnn", based, NULL, settled[i]), 0.0);
    assert_true(json_is_object(json_object_get(fresh_space, settled[i])));
    assert_true(json_is_object(json_object_get(many_space, settled[i])));
    json_array_foreach(described, index, one)
    {
      if (strcmp(json_string_value(json_object_get(one, "name")), settled[i]) == 0)
        count += json_is_false(json_object_get(one, "searched"));
    }
  }
  assert_int_equal(count, sizeof settled / sizeof settled[0]);
  assert_true(json_is_object(json_object_get(few_space, "flip")));
  assert_true(json_is_object(json_object_get(few_space, "learning_rate")));
  json_decref(described);
  json_decref(many_space);
  json_decref(fresh_space);
  json_decref(few_space);
}

static void
test_space_and_cost(void **state)
{
  (void) state;
  struct model_data_shape shape = {.kind = DATASET_IMAGES,
                                   .task = TASK_MULTICLASS,
                                   .rows = 500,
                                   .columns = 784,
                                   .classes = 5,
                                   .height = 28,
                                   .width = 28,
                                   .channels = 1};
  json_t *fresh = family_space("cnn", &shape);
  assert_non_null(json_object_get(fresh, "filters"));
  assert_null(json_object_get(fresh, "frozen_share"));
  shape.base = (struct model_base){.stages = 3,
                                   .filters = 16,
                                   .blocks = 1,
                                   .kernel = 3,
                                   .stride = 1,
                                   .normalised = true,
                                   .height = 28,
                                   .width = 28,
                                   .channels = 1,
                                   .seen_height = 20,
                                   .seen_width = 20};
  json_t *based = family_space("cnn", &shape);
  assert_null(json_object_get(based, "filters"));
  assert_non_null(json_object_get(json_object_get(based, "frozen_share"), "help"));
  assert_non_null(json_object_get(json_object_get(based, "body_rate"), "help"));
  assert_true(family_number("cnn", &shape, NULL, "side") == 20.0);
  assert_true(family_number("cnn", &shape, NULL, "head_grid") == 0.0);
  shape.rows = 100;
  assert_true(family_number("cnn", &shape, NULL, "head_grid") > 0.0);
  assert_true(family_number("cnn", &shape, NULL, "frozen_share") == 1.0);
  assert_few_are_settled(&shape);
  shape.rows = 500;
  shape.base.height = 64;
  assert_true(family_number("cnn", &shape, NULL, "side") == 28.0);
  json_t *none = json_pack("{s:f}", "frozen_share", 0.0);
  json_t *all = json_pack("{s:f}", "frozen_share", 1.0);
  double ratio = family_cost("cnn", &shape, all, 500) / family_cost("cnn", &shape, none, 500);
  assert_true(ratio > 0.2 && ratio < 0.6);
  json_decref(none);
  json_decref(all);
  json_decref(based);
  json_decref(fresh);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_frozen),        cmocka_unit_test(test_frozen_forward_predicts),
    cmocka_unit_test(test_pause),         cmocka_unit_test(test_sizes),
    cmocka_unit_test(test_channels),      cmocka_unit_test(test_bag),
    cmocka_unit_test(test_head_start),    cmocka_unit_test(test_base_of_base),
    cmocka_unit_test(test_refuses),       cmocka_unit_test(test_stored_form),
    cmocka_unit_test(test_space_and_cost)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
