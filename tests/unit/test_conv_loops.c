/* The loops between convolutions: those for AVX-512 give what those for any machine give, the latter what plain
 * formulas give, and neither writes past its end.
 */
#include <config.h>

#include "base/rng.h"
#include "model/conv_loops.h"
#include "model/kernel_bf16.h"
#include "tests/harness/test_support.h"

#define ROWS 7
#define CHANNELS_MAX 70
#define COUNT_MAX (4 * ROWS * CHANNELS_MAX)
#define GUARD 64

static const size_t channel_counts[] = {1, 3, 8, 15, 16, 17, 24, 32, 33, 70};

#define CHANNEL_COUNTS (sizeof channel_counts / sizeof channel_counts[0])

/* Numbers of one precision with room for a guard behind them. */
struct numbers
{
  bool half;
  union
  {
    float f[COUNT_MAX + GUARD];
    uint16_t h[COUNT_MAX + GUARD];
  } at;
};

static float
get(const struct numbers *n, size_t i)
{
  return n->half ? bf16_widen(n->at.h[i]) : n->at.f[i];
}

static void
draw(struct rng *rng, struct numbers *n, bool half)
{
  memset(n, 0x7B, sizeof *n);
  n->half = half;
  for (size_t i = 0; i < COUNT_MAX; i++)
  {
    float value = (float) rng_normal(rng);
    if (half)
      n->at.h[i] = bf16_narrow(value);
    else
      n->at.f[i] = value;
  }
}

/* Equal before `count` within `tolerance`, or a unit in the last place of bf16, and behind it byte by byte. */
static void
check_numbers(const struct numbers *a, const struct numbers *b, size_t count, double tolerance)
{
  size_t width = a->half ? 2 : 4;

  for (size_t i = 0; i < count; i++)
  {
    double x = (double) get(a, i), y = (double) get(b, i);
    assert_near(x, y, tolerance * (1.0 + fabs(y)) + (a->half ? fabs(y) / 128.0 : 0.0));
  }
  assert_memory_equal((const char *) &a->at + count * width, (const char *) &b->at + count * width,
                      sizeof a->at - count * width);
}

static void
check_floats(const float *a, const float *b, size_t count, double tolerance)
{
  for (size_t i = 0; i < count; i++)
    assert_near((double) a[i], (double) b[i], tolerance * (1.0 + fabs((double) b[i])));
}

struct setting
{
  size_t channels;
  bool half;
  struct numbers x, dy;
  float scale[CHANNELS_MAX], offset[CHANNELS_MAX], mean[CHANNELS_MAX], sum[CHANNELS_MAX];
};

static struct setting *
setting_make(size_t channels, bool half)
{
  struct setting *c = calloc(1, sizeof *c);
  struct rng rng;

  assert_non_null(c);
  rng_init(&rng, 5, channels);
  c->channels = channels;
  c->half = half;
  draw(&rng, &c->x, half);
  draw(&rng, &c->dy, half);
  for (size_t i = 0; i < CHANNELS_MAX; i++)
  {
    c->scale[i] = (float) (1.0 + 0.5 * rng_normal(&rng));
    c->offset[i] = (float) rng_normal(&rng);
    c->mean[i] = (float) (0.3 * rng_normal(&rng));
    c->sum[i] = (float) (0.1 * rng_normal(&rng));
  }
  return c;
}

static void
check_sums(const struct conv_loops *a, const struct conv_loops *b, const struct setting *c)
{
  float sums[2][2][CHANNELS_MAX + GUARD] = {{{0}}};

  a->block_sums[c->half](ROWS, c->channels, &c->x.at, sums[0][0], sums[0][1]);
  b->block_sums[c->half](ROWS, c->channels, &c->x.at, sums[1][0], sums[1][1]);
  check_floats(sums[0][0], sums[1][0], CHANNELS_MAX + GUARD, 1e-5);
  check_floats(sums[0][1], sums[1][1], CHANNELS_MAX + GUARD, 1e-5);
  double sum = 0.0;
  for (size_t row = 0; row < ROWS; row++)
    sum += (double) get(&c->x, row * c->channels + c->channels - 1);
  assert_near((double) sums[0][0][c->channels - 1], sum, 1e-5 * (1.0 + fabs(sum)));
}

static void
check_normalise(const struct conv_loops *a, const struct conv_loops *b, const struct setting *c,
                size_t activation)
{
  size_t channels = c->channels, count = ROWS * channels;
  float sums[2][2][CHANNELS_MAX + GUARD] = {{{0}}};

  for (int skip = 0; skip < 2; skip++)
  {
    struct numbers y = c->dy, z = c->dy;
    a->normalise[activation][c->half](ROWS, channels, c->scale, c->offset, &c->x.at,
                                      skip ? &c->dy.at : NULL, &y.at);
    b->normalise[activation][c->half](ROWS, channels, c->scale, c->offset, &c->x.at,
                                      skip ? &c->dy.at : NULL, &z.at);
    check_numbers(&y, &z, count, 1e-5);
    float last = get(&c->x, count - 1) * c->scale[channels - 1] + c->offset[channels - 1];
    float more = skip ? get(&c->dy, count - 1) : 0.0f;
    if (activation == CONV_RELU)
      assert_near((double) get(&y, count - 1), (double) (fmaxf(last, 0.0f) + more), 0.02);
  }
  a->slope_sums[activation][c->half](ROWS, channels, c->mean, c->scale, c->offset, &c->dy.at,
                                     &c->x.at, sums[0][0], sums[0][1]);
  b->slope_sums[activation][c->half](ROWS, channels, c->mean, c->scale, c->offset, &c->dy.at,
                                     &c->x.at, sums[1][0], sums[1][1]);
  check_floats(sums[0][0], sums[1][0], CHANNELS_MAX + GUARD, 1e-5);
  check_floats(sums[0][1], sums[1][1], CHANNELS_MAX + GUARD, 1e-5);
  struct numbers dx = c->x, dz = c->x;
  a->input_slope[activation][c->half](ROWS, channels, c->mean, c->scale, c->offset, c->sum, c->sum,
                                      &c->dy.at, &dx.at);
  b->input_slope[activation][c->half](ROWS, channels, c->mean, c->scale, c->offset, c->sum, c->sum,
                                      &c->dy.at, &dz.at);
  check_numbers(&dx, &dz, count, 1e-5);
}

static void
check_plain(const struct conv_loops *a, const struct conv_loops *b, const struct setting *c)
{
  size_t count = ROWS * c->channels;
  struct numbers y = c->dy, z = c->dy;

  a->add[c->half](count, &c->x.at, &y.at);
  b->add[c->half](count, &c->x.at, &z.at);
  check_numbers(&y, &z, count, 0.0);
  assert_near((double) get(&y, count - 1),
              (double) (get(&c->x, count - 1) + get(&c->dy, count - 1)), 0.02);
  struct numbers wide = c->x, wide2 = c->x, narrow = c->x, narrow2 = c->x;
  wide.half = wide2.half = false;
  a->widen[c->half](count, &c->x.at, wide.at.f);
  b->widen[c->half](count, &c->x.at, wide2.at.f);
  check_numbers(&wide, &wide2, count, 0.0);
  a->narrow[c->half](count, wide.at.f, &narrow.at);
  b->narrow[c->half](count, wide.at.f, &narrow2.at);
  assert_memory_equal(&narrow, &narrow2, sizeof narrow);
  assert_memory_equal(&narrow, &c->x, sizeof narrow); /* there and back */
}

static void
check_pool(const struct conv_loops *a, const struct conv_loops *b, const struct setting *c)
{
  size_t channels = c->channels, line = 2 * ROWS * channels, count = ROWS * channels;
  size_t width = c->half ? 2 : 4;
  uint8_t which[2][COUNT_MAX];
  struct numbers y = c->dy, z = c->dy, dx = c->x, dz = c->x;

  memset(which, 9, sizeof which);
  a->pool_line[c->half](ROWS, channels, &c->x.at, (const char *) &c->x.at + line * width, &y.at,
                        which[0]);
  b->pool_line[c->half](ROWS, channels, &c->x.at, (const char *) &c->x.at + line * width, &z.at,
                        which[1]);
  check_numbers(&y, &z, count, 0.0);
  assert_memory_equal(which[0], which[1], sizeof which[0]);
  for (size_t i = 0; i < count; i++)
  {
    size_t at = i / channels * 2 * channels + i % channels;
    size_t taken = at + (which[0][i] % 2 ? channels : 0) + (which[0][i] >= 2 ? line : 0);
    assert_true(which[0][i] < 4);
    assert_true(get(&y, i) == get(&c->x, taken));
    assert_true(get(&y, i) >= get(&c->x, at) && get(&y, i) >= get(&c->x, at + line + channels));
  }
  a->unpool_line[c->half](ROWS, channels, &c->dy.at, which[0], &dx.at,
                          (char *) &dx.at + line * width);
  b->unpool_line[c->half](ROWS, channels, &c->dy.at, which[0], &dz.at,
                          (char *) &dz.at + line * width);
  check_numbers(&dx, &dz, 2 * line, 0.0);
  for (size_t i = 0; i < 4 * count; i++)
  {
    size_t below = i >= line, column = i % line / channels;
    size_t from = column / 2 * channels + i % channels;
    bool taken = which[0][from] == column % 2 + 2 * below;
    assert_true(get(&dx, i) == (taken ? get(&c->dy, from) : 0.0f));
  }
}

static void
check_gather(const struct conv_loops *a, const struct conv_loops *b, const struct setting *c)
{
  size_t channels = c->channels, count = ROWS * channels;
  float mean[2][CHANNELS_MAX + GUARD] = {{0}}, most[2][CHANNELS_MAX + GUARD] = {{0}};
  uint32_t where[2][CHANNELS_MAX + GUARD] = {{0}};
  struct numbers dx = c->x, dz = c->x;

  a->gather_map[c->half](ROWS, channels, &c->x.at, mean[0], most[0], where[0]);
  b->gather_map[c->half](ROWS, channels, &c->x.at, mean[1], most[1], where[1]);
  check_floats(mean[0], mean[1], CHANNELS_MAX + GUARD, 1e-6);
  assert_memory_equal(most[0], most[1], sizeof most[0]);
  assert_memory_equal(where[0], where[1], sizeof where[0]);
  for (size_t i = 0; i < channels; i++)
    for (size_t row = 0; row < ROWS; row++)
      assert_true(get(&c->x, where[0][i] * channels + i) >= get(&c->x, row * channels + i));
  a->spread_map[c->half](ROWS, channels, c->mean, c->scale, where[0], &dx.at);
  b->spread_map[c->half](ROWS, channels, c->mean, c->scale, where[0], &dz.at);
  check_numbers(&dx, &dz, count, 1e-6);
}

static void
check_tables(const struct conv_loops *a, const struct conv_loops *b)
{
  for (size_t i = 0; i < CHANNEL_COUNTS; i++)
    for (int half = 0; half < 2; half++)
    {
      struct setting *c = setting_make(channel_counts[i], half);
      check_sums(a, b, c);
      for (size_t activation = 0; activation < CONV_ACTIVATION_COUNT; activation++)
        check_normalise(a, b, c, activation);
      check_plain(a, b, c);
      check_pool(a, b, c);
      check_gather(a, b, c);
      free(c);
    }
}

static void
test_any(void **state)
{
  (void) state;
  check_tables(&conv_loops_any, &conv_loops_any);
}

static void
test_wide(void **state)
{
  (void) state;
  check_tables(conv_loops(), &conv_loops_any); /* where there is no AVX-512: the same again */
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_any),
    cmocka_unit_test(test_wide),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
