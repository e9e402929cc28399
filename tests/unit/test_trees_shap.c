/* Contributions to trees' margins: against XGBoost's, kept and live, and against the definition over all sets. */
#include <config.h>

#include "base/rng.h"
#include "model/model_internal.h"
#include "model/trees_shap.h"
#include "model/trees_walk.h"
#include "tests/harness/toy_fit.h"
#include "tests/num/shap_numbers.h"

#define MOST 16

/* Trees over the given arrays; free with trees_free. */
static struct trees *
trees_of(const struct shap_node *nodes, size_t node_count, const uint32_t *starts,
         const uint32_t *group, size_t tree_count, size_t groups, float base)
{
  struct trees *trees = calloc(1, sizeof *trees);
  trees->inputs = SHAP_INPUTS;
  trees->groups = groups;
  trees->base = base;
  trees->objective = groups > 1 ? TREES_SOFTMAX : TREES_VALUE;
  trees->tree_count = tree_count;
  trees->node_count = node_count;
  trees->starts = calloc(tree_count, sizeof *trees->starts);
  trees->group = calloc(tree_count, sizeof *trees->group);
  trees->nodes = calloc(node_count, sizeof *trees->nodes);
  trees->cover = calloc(node_count, sizeof *trees->cover);
  memcpy(trees->starts, starts, tree_count * sizeof *starts);
  memcpy(trees->group, group, tree_count * sizeof *group);
  for (size_t i = 0; i < node_count; i++)
  {
    trees->nodes[i] = (struct trees_node){
      .value = nodes[i].value,
      .left = nodes[i].left,
      .feature = nodes[i].feature | (nodes[i].missing_left ? TREES_MISSING_LEFT : 0)};
    trees->cover[i] = nodes[i].cover;
  }
  assert_int_equal(trees_lay_out(trees, NULL), ERR_OK);
  return trees;
}

static void
check_kept(struct trees *trees, const float *rows, const float *margins, const float *wanted)
{
  assert_true(trees_shap_possible(trees));
  for (size_t i = 0; i < SHAP_ROWS; i++)
    for (size_t g = 0; g < trees->groups; g++)
    {
      double shares[SHAP_INPUTS] = {0}, expected = 0.0, sum = 0.0;
      const float *row = wanted + (i * trees->groups + g) * (SHAP_INPUTS + 1);
      assert_int_equal(
        trees_shap_add(trees, rows + i * SHAP_INPUTS, g, 1.0, shares, &expected, NULL), ERR_OK);
      for (size_t j = 0; j < SHAP_INPUTS; j++)
      {
        assert_near(shares[j], (double) row[j], 1e-5);
        sum += shares[j];
      }
      assert_near(expected, (double) row[SHAP_INPUTS], 1e-5);
      assert_near(sum + expected, (double) margins[i * trees->groups + g], 1e-5);
    }
  trees_free(trees);
}

#define CHECK_KEPT(name, groups, base)                                                             \
  check_kept(trees_of(name##_nodes, sizeof name##_nodes / sizeof name##_nodes[0], name##_starts,   \
                      name##_group, sizeof name##_starts / sizeof name##_starts[0], groups, base), \
             name##_rows, name##_margins, name##_contributions)

static void
test_kept_numbers(void **state)
{
  (void) state;
  CHECK_KEPT(shap_value, SHAP_VALUE_GROUPS, SHAP_VALUE_BASE);
  CHECK_KEPT(shap_two, SHAP_TWO_GROUPS, SHAP_TWO_BASE);
  CHECK_KEPT(shap_three, SHAP_THREE_GROUPS, SHAP_THREE_BASE);
}

/* ---- the definition --------------------------------------------------------------------------------- */

/* A tree's mean when just the features of `set` speak. */
static double
speak(const struct trees *trees, const float *x, size_t set, size_t at)
{
  const struct trees_node *node = &trees->nodes[at];
  size_t feature = node->feature & ~TREES_MISSING_LEFT;
  if (!node->left)
    return (double) node->value;
  if (set >> feature & 1)
  {
    bool left =
      isnan(x[feature]) ? (node->feature & TREES_MISSING_LEFT) != 0 : x[feature] < node->value;
    return speak(trees, x, set, node->left + (left ? 0 : 1));
  }
  double all = (double) trees->cover[at];
  double share = all > 0.0 ? (double) trees->cover[node->left] / all : 0.5;
  return share * speak(trees, x, set, node->left)
         + (1.0 - share) * speak(trees, x, set, node->left + 1);
}

static void
check_definition(const struct trees *trees, const float *x)
{
  size_t inputs = trees->inputs, sets = (size_t) 1 << inputs;
  double *answers = calloc(sets, sizeof *answers), shares[MOST] = {0}, expected = 0.0;
  for (size_t set = 0; set < sets; set++)
    for (size_t t = 0; t < trees->tree_count; t++)
      answers[set] += speak(trees, x, set, trees->starts[t]);
  assert_int_equal(trees_shap_add(trees, x, 0, 1.0, shares, &expected, NULL), ERR_OK);
  assert_near(expected, answers[0] + (double) trees->base, 1e-9);
  for (size_t j = 0; j < inputs; j++)
  {
    double wanted = 0.0;
    for (size_t set = 0; set < sets; set++)
      if (!(set >> j & 1))
      {
        int size = __builtin_popcountll(set), n = (int) inputs;
        wanted += tgamma(size + 1) * tgamma(n - size) / tgamma(n + 1)
                  * (answers[set | (size_t) 1 << j] - answers[set]);
      }
    assert_near(shares[j], wanted, 1e-9);
  }
  free(answers);
}

/* A tree grown at random, features coming again on a path, some nodes that no row reached. */
static void
grow_tree(struct trees *trees, struct rng *rng, size_t splits)
{
  size_t root = trees->node_count;
  trees->starts[trees->tree_count++] = (uint32_t) root;
  trees->nodes[root] = (struct trees_node){.value = (float) rng_normal(rng)};
  trees->cover[root] = 100.0f;
  trees->node_count++;
  for (size_t i = root; i < trees->node_count && splits > 0; i++)
  {
    /* mostly: every node of the front */
    if (rng_below(rng, 5) == 0 && i + 1 < trees->node_count)
      continue;
    size_t left = trees->node_count;
    float share = (float) rng_below(rng, 5) / 4.0f;
    trees->nodes[i] =
      (struct trees_node){.value = (float) rng_normal(rng),
                          .left = (uint32_t) left,
                          .feature = (uint32_t) rng_below(rng, (uint32_t) trees->inputs)
                                     | (rng_below(rng, 2) ? TREES_MISSING_LEFT : 0)};
    for (size_t side = 0; side < 2; side++)
    {
      trees->nodes[left + side] = (struct trees_node){.value = (float) rng_normal(rng)};
      trees->cover[left + side] = trees->cover[i] * (side ? 1 - share : share);
    }
    trees->node_count += 2;
    splits--;
  }
}

#define SPLITS 300

static void
test_definition(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 11, 3);
  for (size_t inputs = 1; inputs <= 9; inputs += 2)
  {
    struct trees trees = {.inputs = inputs, .groups = 1, .base = 0.25f};
    trees.nodes = calloc(3 * (2 * SPLITS + 1), sizeof *trees.nodes);
    trees.cover = calloc(3 * (2 * SPLITS + 1), sizeof *trees.cover);
    trees.starts = calloc(3, sizeof *trees.starts);
    trees.group = calloc(3, sizeof *trees.group);
    grow_tree(&trees, &rng, 1);
    grow_tree(&trees, &rng, 30);
    grow_tree(&trees, &rng, SPLITS);
    assert_int_equal(trees_lay_out(&trees, NULL), ERR_OK);
    for (size_t row = 0; row < 4; row++)
    {
      float x[MOST];
      for (size_t j = 0; j < inputs; j++)
        x[j] = rng_below(&rng, 4) ? (float) rng_normal(&rng) : NAN;
      check_definition(&trees, x);
    }
    trees_flat_free(trees.flat);
    free(trees.group);
    free(trees.starts);
    free(trees.cover);
    free(trees.nodes);
  }
}

/* A chain as deep as is taken, and one deeper. */
static void
test_depth(void **state)
{
  (void) state;
  for (size_t depth = TREES_SHAP_DEPTH; depth <= TREES_SHAP_DEPTH + 1; depth++)
  {
    struct trees trees = {
      .inputs = depth, .groups = 1, .tree_count = 1, .node_count = 2 * depth + 1};
    float *x = calloc(depth, sizeof *x);
    double *shares = calloc(depth, sizeof *shares), expected = 0.0, sum = 0.0;
    uint32_t zero = 0;
    float margin;
    trees.starts = trees.group = &zero;
    trees.nodes = calloc(trees.node_count, sizeof *trees.nodes);
    trees.cover = calloc(trees.node_count, sizeof *trees.cover);
    for (size_t i = 0; i < trees.node_count; i++)
    {
      trees.cover[i] = (float) (2 * depth + 2 - i) / 2;
      trees.nodes[i].value = i % 2 ? (float) (i % 7) : 0.5f;
      if (i % 2 == 0 && i + 2 < trees.node_count)
        trees.nodes[i] =
          (struct trees_node){.value = 0.5f, .left = (uint32_t) i + 1, .feature = (uint32_t) i / 2};
    }
    for (size_t j = 0; j < depth; j++)
      x[j] = j % 9 == 8 ? 0.0f : 1.0f;
    assert_int_equal(trees_lay_out(&trees, NULL), ERR_OK);
    assert_int_equal(trees_shap_possible(&trees), depth == TREES_SHAP_DEPTH);
    assert_int_equal(trees_shap_add(&trees, x, 0, 1.0, shares, &expected, NULL),
                     depth == TREES_SHAP_DEPTH ? ERR_OK : ERR_INVALID);
    trees_margins(&trees, x, 1, &margin);
    for (size_t j = 0; j < depth; j++)
      sum += shares[j];
    if (depth == TREES_SHAP_DEPTH)
      assert_near(sum + expected, (double) margin, 1e-9);
    trees_flat_free(trees.flat);
    free(trees.cover);
    free(trees.nodes);
    free(shares);
    free(x);
  }
}

/* ---- grown trees ------------------------------------------------------------------------------------ */

/* A model's trees as they are, and as they are in a file: against XGBoost's own. */
static void
check_grown(enum toy_target target)
{
  struct toy_fit fit;
  struct train_result result;
  struct model_workspace *workspace = model_workspace_new();
  struct buf file = {0};
  struct model *loaded;
  float *x;

  toy_fit_init(&fit, toy_table(200, target, TOY_GOOD, 3), "trees", "{}");
  toy_fit_run(&fit, &result);
  assert_int_equal(model_save(result.model, &file, NULL), ERR_OK);
  assert_int_equal(model_load(file.data, file.length, &loaded, NULL), ERR_OK);
  const struct trees *trees = loaded->body;
  assert_null(trees->cover);
  size_t width = trees->inputs, groups = trees->groups;
  float *wanted = calloc(groups * (width + 1), sizeof *wanted);
  double *shares = calloc(width, sizeof *shares);
  for (size_t row = 0; row < 8; row++)
  {
    assert_int_equal(model_encode_row(loaded, workspace, dataset_table(fit.dataset), row, &x, NULL),
                     ERR_OK);
    assert_int_equal(trees_shap_xgboost(trees, x, 1, wanted, NULL), ERR_OK);
    for (size_t g = 0; g < groups; g++)
    {
      double expected = 0.0;
      memset(shares, 0, width * sizeof *shares);
      assert_int_equal(trees_shap_add(trees, x, g, 1.0, shares, &expected, NULL), ERR_OK);
      for (size_t j = 0; j < width; j++)
        assert_near(shares[j], (double) wanted[g * (width + 1) + j], 2e-4);
      assert_near(expected, (double) wanted[g * (width + 1) + width], 2e-4);
    }
  }
  free(shares);
  free(wanted);
  buf_free(&file);
  model_free(loaded);
  model_workspace_free(workspace);
  train_result_clear(&result);
  toy_fit_clear(&fit);
}

static void
test_grown(void **state)
{
  (void) state;
  check_grown(TOY_BINARY);
  check_grown(TOY_THREE);
  check_grown(TOY_NUMBER);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_kept_numbers),
                                     cmocka_unit_test(test_definition),
                                     cmocka_unit_test(test_depth), cmocka_unit_test(test_grown)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
