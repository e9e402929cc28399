/* Products of bf16 matrices against plain loops in double: AMX's tiles where the processor has them, oneDNN's (or what
 * this build has) and those on BLAS. */
#include <config.h>

#include <limits.h>
#include <pthread.h>

#include "base/rng.h"
#include "model/kernel_amx.h"
#include "model/kernel_bf16.h"
#include "model/kernel_dense_bf16_internal.h"
#include "model/kernel_memory.h"
#include "tests/harness/test_support.h"

#define THREADS 4

static const size_t shapes[][3] = {{1, 1, 1},      {7, 5, 3},     {64, 784, 256}, {33, 17, 1},
                                   {1, 40, 10},    {256, 20, 64}, {64, 256, 10},  {5, 3, 130},
                                   {129, 100, 33}, {2, 1, 7},     {96, 48, 80},   {32, 32, 32},
                                   {32, 80, 48},   {64, 64, 96}};

#define SHAPES (sizeof shapes / sizeof shapes[0])

struct problem
{
  size_t n, k, m;
  enum kernel_precision precision; /* of y */
  uint16_t *x, *w, *dy;
};

struct results
{
  void *y;
  float *dw;
  uint16_t *dx;
};

static void *
room(size_t bytes)
{
  void *memory = aligned_alloc(64, kernel_align(bytes ? bytes : 1));
  assert_non_null(memory);
  memset(memory, 0xA5,
         kernel_align(bytes ? bytes : 1)); /* results may not rest on cleared memory */
  return memory;
}

static uint16_t *
draw(struct rng *rng, size_t count)
{
  uint16_t *drawn = room(count * 2);
  for (size_t i = 0; i < count; i++)
    drawn[i] = bf16_narrow((float) rng_normal(rng));
  return drawn;
}

static void
problem_make(struct problem *p, const size_t sizes[3], enum kernel_precision precision)
{
  struct rng rng;
  rng_init(&rng, 3, sizes[0] * sizes[1] + sizes[2]);
  *p = (struct problem){.n = sizes[0], .k = sizes[1], .m = sizes[2], .precision = precision};
  p->x = draw(&rng, p->n * p->k);
  p->w = draw(&rng, p->k * p->m);
  p->dy = draw(&rng, p->n * p->m);
}

static void
problem_free(struct problem *p)
{
  free(p->x), free(p->w), free(p->dy);
}

static size_t
y_bytes(const struct problem *p)
{
  return p->n * p->m * (p->precision == KERNEL_BF16 ? 2 : 4);
}

static void
results_make(struct results *r, const struct problem *p)
{
  *r = (struct results){
    .y = room(y_bytes(p)), .dw = room(p->k * p->m * 4), .dx = room(p->n * p->k * 2)};
}

static void
results_free(struct results *r)
{
  free(r->y), free(r->dw), free(r->dx);
}

static void
run(const struct kernel_dense_bf16 *dense, const struct problem *p, struct results *r)
{
  void *scratch = room(kernel_dense_bf16_scratch_bytes(dense));

  assert_true(kernel_dense_bf16_forward(dense, p->x, p->w, r->y, scratch));
  assert_true(kernel_dense_bf16_weights(dense, p->x, p->dy, r->dw, scratch));
  assert_true(kernel_dense_bf16_inputs(dense, p->dy, p->w, r->dx, scratch));
  free(scratch);
}

/* got = the sum over j < count of a[j · a_step] · b[j · b_step], within the rounding of fp32 sums and, for a bf16
 * result, half a unit in its last place. */
static void
check(const void *got, size_t at, bool half, size_t count, const uint16_t *a, size_t a_step,
      const uint16_t *b, size_t b_step)
{
  double sum = 0.0, size = 0.0;

  for (size_t j = 0; j < count; j++)
  {
    double term = (double) bf16_widen(a[j * a_step]) * (double) bf16_widen(b[j * b_step]);
    sum += term;
    size += fabs(term);
  }
  double value =
    half ? (double) bf16_widen(((const uint16_t *) got)[at]) : (double) ((const float *) got)[at];
  assert_near(value, sum, 2e-6 * (size + 1e-3) + (half ? fabs(sum) / 256.0 : 0.0));
}

static void
check_results(const struct problem *p, const struct results *r)
{
  for (size_t i = 0; i < p->n * p->m; i++)
    check(r->y, i, p->precision == KERNEL_BF16, p->k, p->x + i / p->m * p->k, 1, p->w + i % p->m,
          p->m);
  for (size_t i = 0; i < p->k * p->m; i++)
    check(r->dw, i, false, p->n, p->x + i / p->m, p->k, p->dy + i % p->m, p->m);
  for (size_t i = 0; i < p->n * p->k; i++)
    check(r->dx, i, true, p->m, p->dy + i / p->k * p->m, 1, p->w + i % p->k * p->m, 1);
}

static void
check_product(const struct kernel_dense_bf16 *dense, const struct problem *p)
{
  struct results r;
  results_make(&r, p);
  run(dense, p, &r);
  check_results(p, &r);
  results_free(&r);
}

static void
test_products(void **state)
{
  (void) state;
  size_t by_tiles = 0;
  for (size_t i = 0; i < SHAPES; i++)
    for (int precision = KERNEL_FP32; precision <= KERNEL_BF16; precision++)
    {
      struct problem p;
      struct kernel_dense_bf16 *dense;
      problem_make(&p, shapes[i], (enum kernel_precision) precision);
      assert_int_equal(kernel_dense_bf16_new(p.n, p.k, p.m, p.precision, &dense, NULL), ERR_OK);
      check_product(dense, &p);
      by_tiles += dense->tiles;
      if (dense->tiles)
      {
        dense->tiles = false;
        assert_int_equal(kernel_dense_bf16_use_onednn(dense, NULL), ERR_OK);
        if (dense->onednn)
          check_product(dense, &p);
      }
      kernel_dense_bf16_use_blas(dense);
      check_product(dense, &p);
      kernel_dense_bf16_free(dense);
      problem_free(&p);
    }
  assert_int_equal(by_tiles, kernel_amx_ready() ? 10 : 0);
}

struct job
{
  const struct kernel_dense_bf16 *dense;
  const struct problem *problem;
  struct results results;
};

static void *
run_job(void *context)
{
  struct job *job = context;
  for (size_t i = 0; i < 20; i++)
    run(job->dense, job->problem, &job->results);
  return NULL;
}

static void
test_threads(void **state)
{
  (void) state;
  for (size_t i = 2; i < SHAPES; i += 2)
  {
    struct problem p;
    struct results alone;
    struct job jobs[THREADS];
    pthread_t threads[THREADS];
    struct kernel_dense_bf16 *dense;
    problem_make(&p, shapes[i], KERNEL_BF16);
    assert_int_equal(kernel_dense_bf16_new(p.n, p.k, p.m, KERNEL_BF16, &dense, NULL), ERR_OK);
    results_make(&alone, &p);
    run(dense, &p, &alone);
    for (size_t t = 0; t < THREADS; t++)
    {
      jobs[t] = (struct job){.dense = dense, .problem = &p};
      results_make(&jobs[t].results, &p);
      assert_int_equal(pthread_create(&threads[t], NULL, run_job, &jobs[t]), 0);
    }
    for (size_t t = 0; t < THREADS; t++)
    {
      assert_int_equal(pthread_join(threads[t], NULL), 0);
      assert_memory_equal(jobs[t].results.y, alone.y, y_bytes(&p));
      assert_memory_equal(jobs[t].results.dw, alone.dw, p.k * p.m * 4);
      assert_memory_equal(jobs[t].results.dx, alone.dx, p.n * p.k * 2);
      results_free(&jobs[t].results);
    }
    results_free(&alone);
    kernel_dense_bf16_free(dense);
    problem_free(&p);
  }
}

static void
test_refused(void **state)
{
  (void) state;
  const struct
  {
    size_t n, k, m;
    enum err rc;
  } cases[] = {{0, 4, 4, ERR_INVALID},
               {4, 0, 4, ERR_INVALID},
               {4, 4, 0, ERR_INVALID},
               {INT_MAX, 2, 1, ERR_LIMIT},
               {1, (size_t) 1 << 32, 1, ERR_LIMIT},
               {2, 1, SIZE_MAX, ERR_LIMIT},
               {SIZE_MAX, SIZE_MAX, SIZE_MAX, ERR_LIMIT}};
  struct kernel_dense_bf16 *dense;
  struct err_info info;

  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    assert_int_equal(
      kernel_dense_bf16_new(cases[i].n, cases[i].k, cases[i].m, KERNEL_BF16, &dense, &info),
      cases[i].rc);
    assert_null(dense);
  }
  assert_int_equal(kernel_dense_bf16_new(1, 1, 1, (enum kernel_precision) 2, &dense, &info),
                   ERR_INVALID);
  kernel_dense_bf16_free(NULL);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_products),
    cmocka_unit_test(test_threads),
    cmocka_unit_test(test_refused),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
