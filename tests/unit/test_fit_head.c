/* The discriminant that a new last layer starts from, against one that is computed another way. */
#include <config.h>

#include "base/rng.h"
#include "tests/harness/test_support.h"
#include "train/fit_head.h"

#define ROWS 60
#define WIDTH 7
#define CLASSES 3

struct set
{
  struct fit_head_rows rows;
  float x[ROWS * WIDTH], weight[ROWS];
  int32_t labels[ROWS];
};

/* Classes that lie `apart` deviations from each other; features of very different size. */
static void
set_fill(struct set *set, double apart)
{
  struct rng rng;

  rng_init(&rng, 5, 5);
  set->rows = (struct fit_head_rows){.count = ROWS,
                                     .copies = 1,
                                     .width = WIDTH,
                                     .classes = CLASSES,
                                     .x = set->x,
                                     .labels = set->labels,
                                     .weight = set->weight};
  for (size_t i = 0; i < ROWS; i++)
  {
    set->labels[i] = (int32_t) (i % CLASSES);
    set->weight[i] = 1.0f;
    for (size_t j = 0; j < WIDTH; j++)
    {
      double mean = j % CLASSES == i % CLASSES ? apart : 0.0;
      set->x[i * WIDTH + j] = (float) ((rng_normal(&rng) + mean) * pow(3.0, (double) j) + 1.0);
    }
  }
}

static void
scores_of(const float *w, const float *bias, const float *x, double *scores)
{
  for (size_t c = 0; c < CLASSES; c++)
  {
    scores[c] = (double) bias[c];
    for (size_t j = 0; j < WIDTH; j++)
      scores[c] += (double) w[j * CLASSES + c] * (double) x[j];
  }
}

/* a (n,n) · v = b by elimination, in place of b. */
static void
eliminate(size_t n, double *a, double *b)
{
  for (size_t p = 0; p < n; p++)
    for (size_t i = 0; i < n; i++)
    {
      double factor = a[i * n + p] / a[p * n + p];
      for (size_t j = p; i != p && j < n; j++)
        a[i * n + j] -= factor * a[p * n + j];
      b[i] -= i != p ? factor * b[p] : 0.0;
    }
  for (size_t i = 0; i < n; i++)
    b[i] /= a[i * n + i];
}

/* V of the standardised x, from the covariance itself: (C + 2 · trace / width · I) · v = mean, for each class. */
static void
direct(const struct set *set, double *v)
{
  double mean[CLASSES][WIDTH] = {{0}}, covariance[WIDTH * WIDTH] = {0}, trace = 0.0;
  const float *x = set->x;

  for (size_t i = 0; i < ROWS; i++)
    for (size_t j = 0; j < WIDTH; j++)
      mean[set->labels[i]][j] += (double) x[i * WIDTH + j] * CLASSES / ROWS;
  for (size_t i = 0; i < ROWS; i++)
    for (size_t a = 0; a < WIDTH; a++)
      for (size_t b = 0; b < WIDTH; b++)
        covariance[a * WIDTH + b] += ((double) x[i * WIDTH + a] - mean[set->labels[i]][a])
                                     * ((double) x[i * WIDTH + b] - mean[set->labels[i]][b])
                                     / (ROWS - CLASSES);
  for (size_t j = 0; j < WIDTH; j++)
    trace += covariance[j * WIDTH + j];
  for (size_t j = 0; j < WIDTH; j++)
    covariance[j * WIDTH + j] += 2.0 * trace / WIDTH;
  for (size_t c = 0; c < CLASSES; c++)
  {
    double copy[WIDTH * WIDTH];
    memcpy(copy, covariance, sizeof copy);
    memcpy(v + c * WIDTH, mean[c], sizeof mean[c]);
    eliminate(WIDTH, copy, v + c * WIDTH);
  }
}

/* The solution by the rows' products is that by the covariance, but for its scale. */
static void
test_against_direct(void **state)
{
  (void) state;
  struct set set, raw;
  float w[WIDTH * CLASSES], bias[CLASSES];
  double v[CLASSES * WIDTH], scale = 0.0;
  set_fill(&set, 1.0);
  raw = set;
  assert_int_equal(fit_head_solve(&set.rows, w, bias, NULL), ERR_OK);
  direct(&set, v);
  for (size_t i = 0; i < ROWS; i++)
  {
    double theirs[CLASSES], mine[CLASSES];
    scores_of(w, bias, raw.x + i * WIDTH, mine);
    for (size_t c = 0; c < CLASSES; c++)
    {
      theirs[c] = 0.0;
      for (size_t j = 0; j < WIDTH; j++)
        theirs[c] += v[c * WIDTH + j] * (double) set.x[i * WIDTH + j];
    }
    /* offsets cancel between rows, and classes have equal parts */
    static double first[CLASSES], first_mine[CLASSES];
    for (size_t c = 0; c < CLASSES; c++)
    {
      first[c] = i ? first[c] : theirs[c];
      first_mine[c] = i ? first_mine[c] : mine[c];
      if (i == 1 && c == 0)
        scale = (mine[c] - first_mine[c]) / (theirs[c] - first[c]);
      if (i)
        assert_near(mine[c] - first_mine[c], scale * (theirs[c] - first[c]), 1e-3);
    }
  }
  assert_true(scale > 1e-3 && scale < 10.0);
}

static double
mean_log_loss(const struct set *set, const float *w, const float *bias)
{
  double loss = 0.0;

  for (size_t i = 0; i < ROWS; i++)
  {
    double scores[CLASSES], sum = 0.0;
    scores_of(w, bias, set->x + i * WIDTH, scores);
    for (size_t c = 0; c < CLASSES; c++)
      sum += exp(scores[c] - scores[set->labels[i]]);
    loss += log(sum) / ROWS;
  }
  return loss;
}

/* Far classes are told apart with certainty; where there is nothing to learn the scores say so. */
static void
test_scale(void **state)
{
  (void) state;
  static const double apart[] = {0.0, 1.0, 6.0}, least[] = {0.9, 0.2, 0.0},
                      most[] = {1.11, 0.8, 0.1};
  for (size_t k = 0; k < 3; k++)
  {
    struct set set, raw;
    float w[WIDTH * CLASSES], bias[CLASSES];
    set_fill(&set, apart[k]);
    raw = set;
    assert_int_equal(fit_head_solve(&set.rows, w, bias, NULL), ERR_OK);
    double loss = mean_log_loss(&raw, w, bias);
    if (loss < least[k] || loss > most[k])
      fail_msg("%g apart: %g", apart[k], loss);
  }
}

/* A class of twice the weight is the likelier one where nothing else speaks. */
static void
test_weights(void **state)
{
  (void) state;
  struct set set;
  float w[WIDTH * CLASSES], bias[CLASSES];
  double scores[CLASSES];
  set_fill(&set, 0.0);
  struct set raw = set;
  for (size_t i = 0; i < ROWS; i++)
    set.weight[i] = set.labels[i] == 1 ? 4.0f : 1.0f;
  assert_int_equal(fit_head_solve(&set.rows, w, bias, NULL), ERR_OK);
  size_t hits = 0;
  for (size_t i = 0; i < ROWS; i++)
  {
    scores_of(w, bias, raw.x + i * WIDTH, scores);
    hits += scores[1] > scores[0] && scores[1] > scores[2];
  }
  assert_true(hits > ROWS * 9 / 10);
}

/* Two copies of half the weight are the row itself; apart, each would be foretold by the other. */
static void
test_copies(void **state)
{
  (void) state;
  struct set set;
  float w[WIDTH * CLASSES], bias[CLASSES], twice[WIDTH * CLASSES], x[2 * ROWS * WIDTH],
    weight[2 * ROWS];
  double apart = 0.0;
  int32_t labels[2 * ROWS];
  set_fill(&set, 1.0);
  for (size_t i = 0; i < 2 * ROWS; i++)
  {
    memcpy(x + i * WIDTH, set.x + i / 2 * WIDTH, WIDTH * sizeof *x);
    labels[i] = set.labels[i / 2];
    weight[i] = 0.5f;
  }
  struct fit_head_rows rows = {.count = 2 * ROWS,
                               .copies = 2,
                               .width = WIDTH,
                               .classes = CLASSES,
                               .x = x,
                               .labels = labels,
                               .weight = weight};
  assert_int_equal(fit_head_solve(&set.rows, w, bias, NULL), ERR_OK);
  assert_int_equal(fit_head_solve(&rows, twice, bias, NULL), ERR_OK);
  for (size_t j = 0; j < WIDTH * CLASSES; j++)
    assert_near(twice[j], w[j], 1e-3 * fabs((double) w[j]) + 1e-6);
  for (size_t i = 0; i < 2 * ROWS; i++)
    memcpy(x + i * WIDTH, set.x + i / 2 * WIDTH, WIDTH * sizeof *x);
  rows.copies = 1;
  assert_int_equal(fit_head_solve(&rows, twice, bias, NULL), ERR_OK);
  for (size_t j = 0; j < WIDTH * CLASSES; j++)
    apart = fmax(apart, fabs((double) (twice[j] - w[j])) / (fabs((double) w[j]) + 1e-6));
  assert_true(apart > 0.01);
}

/* No solution: the layer stays as it is. A class without a row, or with one, is no reason for that. */
static void
test_odd_rows(void **state)
{
  (void) state;
  struct set set;
  float w[WIDTH * CLASSES], bias[CLASSES];
  set_fill(&set, 1.0);
  memset(w, 0, sizeof w);
  memset(bias, 0, sizeof bias);
  for (size_t i = 0; i < ROWS * WIDTH; i++)
    set.x[i] = 2.0f;
  assert_int_equal(fit_head_solve(&set.rows, w, bias, NULL), ERR_OK);
  set_fill(&set, 1.0);
  set.rows.count = 1;
  assert_int_equal(fit_head_solve(&set.rows, w, bias, NULL), ERR_OK);
  for (size_t i = 0; i < WIDTH * CLASSES; i++)
    assert_true(w[i] == 0.0f);
  set_fill(&set, 3.0);
  for (size_t i = 0; i < ROWS; i++)
    set.labels[i] = i == 7 ? 2 : 0;
  assert_int_equal(fit_head_solve(&set.rows, w, bias, NULL), ERR_OK);
  for (size_t i = 0; i < WIDTH * CLASSES; i++)
    assert_true(isfinite(w[i]));
  for (size_t c = 0; c < CLASSES; c++)
    assert_true(isfinite(bias[c]));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_against_direct), cmocka_unit_test(test_scale),
    cmocka_unit_test(test_weights), cmocka_unit_test(test_copies), cmocka_unit_test(test_odd_rows)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
