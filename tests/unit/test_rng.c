#include <config.h>

#include "base/rng.h"

#include "tests/harness/test_support.h"

struct known
{
  uint64_t seed, stream, block;
  uint32_t out[4];
};

/* philox4x32-10 of the kat_vectors of the Random123 publication; counter words 0 and 1 are our block,
 * 2 and 3 our stream, the key our seed, low word first. */
static void
test_known_answers(void **state)
{
  (void) state;
  static const struct known cases[] = {
    {0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
    {UINT64_MAX, UINT64_MAX, UINT64_MAX, {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
    {UINT64_C(0x299f31d0a4093822),
     UINT64_C(0x0370734413198a2e),
     UINT64_C(0x85a308d3243f6a88),
     {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
  };
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    uint32_t out[4];
    rng_block(cases[i].seed, cases[i].stream, cases[i].block, out);
    assert_memory_equal(out, cases[i].out, sizeof out);
  }
}

static void
test_positions(void **state)
{
  (void) state;
  struct rng rng, other;
  uint32_t words[12];
  rng_init(&rng, 7, 9);
  for (int i = 0; i < 12; i++)
    words[i] = rng_u32(&rng);
  rng_init(&other, 7, 9);
  rng_seek(&other, 2);
  for (int i = 8; i < 12; i++)
    assert_int_equal(rng_u32(&other), words[i]);
  rng_seek(&other, 0);
  struct rng fork = other;
  assert_int_equal(rng_u32(&other), words[0]);
  assert_int_equal(rng_u64(&fork), (uint64_t) words[1] << 32 | words[0]);
  rng_init(&other, 7, 10);
  assert_int_not_equal(rng_u32(&other), words[0]);
  assert_int_not_equal(rng_mix(1, 2), rng_mix(2, 1));
  assert_int_equal(rng_mix(1, 2), rng_mix(1, 2));
}

static void
test_moments(void **state)
{
  (void) state;
  enum
  {
    COUNT = 200000
  };
  struct rng rng;
  rng_init(&rng, 1, 0);
  double sum = 0, square = 0, normal = 0, normal2 = 0, normal4 = 0;
  for (int i = 0; i < COUNT; i++)
  {
    double u = rng_double(&rng);
    assert_true(u >= 0.0 && u < 1.0);
    float f = rng_float(&rng);
    assert_true(f >= 0.0f && f < 1.0f);
    sum += u;
    square += u * u;
    double z = rng_normal(&rng);
    assert_true(isfinite(z));
    normal += z;
    normal2 += z * z;
    normal4 += z * z * z * z;
  }
  /* five standard errors of each mean */
  double root = sqrt((double) COUNT);
  assert_near(sum / COUNT, 0.5, 5 * 0.2887 / root);
  assert_near(square / COUNT, 1.0 / 3.0, 5 * 0.2981 / root);
  assert_near(normal / COUNT, 0.0, 5 / root);
  assert_near(normal2 / COUNT, 1.0, 5 * 1.4142 / root);
  assert_near(normal4 / COUNT, 3.0, 5 * 9.798 / root);
}

static void
test_below(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 3, 0);
  size_t counts[7] = {0};
  for (int i = 0; i < 70000; i++)
  {
    uint64_t value = rng_below(&rng, 7);
    assert_true(value < 7);
    counts[value]++;
  }
  for (int i = 0; i < 7; i++)
    assert_near((double) counts[i], 10000.0, 5 * 92.6); /* sd = sqrt(70000·(1/7)·(6/7)) */
  assert_int_equal(rng_below(&rng, 1), 0);
  /* a bound of 3/4 of the range refuses often: the top quarter must stay empty */
  uint64_t bound = UINT64_C(3) << 62;
  for (int i = 0; i < 1000; i++)
    assert_true(rng_below(&rng, bound) < bound);
}

static void
test_shuffle(void **state)
{
  (void) state;
  struct rng rng;
  rng_init(&rng, 5, 0);
  size_t counts[4][4] = {{0}};
  for (int round = 0; round < 24000; round++)
  {
    size_t items[4] = {0, 1, 2, 3};
    rng_shuffle(&rng, items, 4);
    unsigned seen = 0;
    for (size_t i = 0; i < 4; i++)
    {
      seen |= 1U << items[i];
      counts[i][items[i]]++;
    }
    assert_int_equal(seen, 15);
  }
  for (size_t i = 0; i < 4; i++)
    for (size_t j = 0; j < 4; j++)
      assert_near((double) counts[i][j], 6000.0, 5 * 67.1);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_known_answers), cmocka_unit_test(test_positions),
    cmocka_unit_test(test_moments),       cmocka_unit_test(test_below),
    cmocka_unit_test(test_shuffle),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
