/* Convolutions against plain loops in double: Winograd's form and AMX's tiles where the processor has what they need,
 * oneDNN's (or what this build has) and the fallback on BLAS. */
#include <config.h>

#include <limits.h>
#include <pthread.h>

#include "base/rng.h"
#include "model/kernel_amx.h"
#include "model/kernel_bf16.h"
#include "model/kernel_conv.h"
#include "model/kernel_conv_internal.h"
#include "model/kernel_winograd.h"
#include "tests/harness/test_support.h"

#define THREADS 4

/* images, height, width, in, out, kernel, stride */
static const size_t shapes[][7] = {
  {2, 28, 28, 1, 16, 3, 1}, {3, 9, 7, 1, 5, 3, 1},     {2, 8, 8, 3, 16, 3, 1},
  {2, 11, 6, 3, 7, 5, 2},   {4, 14, 14, 16, 32, 3, 1}, {2, 7, 7, 64, 48, 3, 1},
  {3, 13, 9, 20, 24, 3, 2}, {1, 5, 5, 17, 33, 5, 1},   {2, 10, 10, 8, 8, 1, 1},
  {2, 9, 9, 32, 64, 1, 2},  {2, 6, 6, 7, 3, 1, 2},     {1, 1, 1, 4, 4, 3, 1},
  {5, 2, 3, 2, 130, 3, 1},  {2, 4, 4, 128, 128, 3, 1}, {1, 16, 16, 4, 1, 5, 2},
  {64, 3, 3, 1, 1, 3, 1},   {1, 3, 3, 512, 16, 3, 2},  {9, 14, 14, 32, 48, 3, 1},
  {33, 4, 3, 16, 64, 3, 1}, {12, 7, 8, 24, 40, 3, 1},  {5, 10, 11, 48, 16, 3, 1},
  {9, 7, 7, 96, 32, 3, 1},
};

#define SHAPES (sizeof shapes / sizeof shapes[0])

/* One convolution's tensors: as given to it, in double as it sees them, and the expected results. */
struct problem
{
  struct kernel_conv_shape shape;
  size_t x_count, w_count, y_count;
  float *w, *bias;
  void *x, *dy;          /* of the shape's precision */
  double *xd, *dyd, *wd; /* the same numbers; wd as rounded to the precision */
  double *y, *dw, *dx;   /* expected */
  double *y_size, *dw_size,
    *dx_size; /* sums of the terms' magnitudes: rounding errors scale with them */
};

/* What one maker gave. */
struct results
{
  void *y, *y_plain, *dx; /* plain: without bias */
  float *dw;
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

static size_t
width_of(enum kernel_precision precision)
{
  return precision == KERNEL_BF16 ? 2 : 4;
}

static double
number(const void *numbers, bool half, size_t i)
{
  return half ? (double) bf16_widen(((const uint16_t *) numbers)[i])
              : (double) ((const float *) numbers)[i];
}

/* Normal numbers in fp32 or bf16, and in double. */
static void *
draw(struct rng *rng, size_t count, bool half, double scale, double **same)
{
  float *drawn = room(count * 4);
  void *kept = drawn;

  for (size_t i = 0; i < count; i++)
    drawn[i] = (float) (rng_normal(rng) * scale);
  if (half)
  {
    kept = room(count * 2);
    kernel_bf16_narrow(count, drawn, kept);
    free(drawn);
  }
  *same = room(count * sizeof(double));
  for (size_t i = 0; i < count; i++)
    (*same)[i] = number(kept, half, i);
  return kept;
}

static void
expect(struct problem *p)
{
  const struct kernel_conv_shape *s = &p->shape;
  size_t oh, ow, pad = s->kernel / 2;

  kernel_conv_out_size(s, &oh, &ow);
  for (size_t i = 0; i < p->y_count; i++)
  {
    size_t o = i % s->out, ox = i / s->out % ow, oy = i / s->out / ow % oh,
           n = i / s->out / ow / oh;
    p->y[i] = p->y_size[i] = 0.0;
    for (size_t ky = 0; ky < s->kernel; ky++)
      for (size_t kx = 0; kx < s->kernel; kx++)
      {
        long y = (long) (oy * s->stride + ky) - (long) pad,
             x = (long) (ox * s->stride + kx) - (long) pad;
        if (y < 0 || x < 0 || y >= (long) s->height || x >= (long) s->width)
          continue;
        for (size_t c = 0; c < s->in; c++)
        {
          size_t xi = ((n * s->height + (size_t) y) * s->width + (size_t) x) * s->in + c;
          size_t wi = ((ky * s->kernel + kx) * s->in + c) * s->out + o;
          p->y[i] += p->xd[xi] * p->wd[wi];
          p->y_size[i] += fabs(p->xd[xi] * p->wd[wi]);
          p->dw[wi] += p->xd[xi] * p->dyd[i];
          p->dw_size[wi] += fabs(p->xd[xi] * p->dyd[i]);
          p->dx[xi] += p->dyd[i] * p->wd[wi];
          p->dx_size[xi] += fabs(p->dyd[i] * p->wd[wi]);
        }
      }
  }
}

static void
problem_make(struct problem *p, const size_t sizes[7], enum kernel_precision precision, bool first)
{
  struct rng rng;
  bool half = precision == KERNEL_BF16;
  size_t oh, ow;

  *p = (struct problem){.shape = {.images = sizes[0],
                                  .height = sizes[1],
                                  .width = sizes[2],
                                  .in = sizes[3],
                                  .out = sizes[4],
                                  .kernel = sizes[5],
                                  .stride = sizes[6],
                                  .first = first,
                                  .training = true,
                                  .precision = precision}};
  rng_init(&rng, 7, sizes[3] * 1000 + sizes[4]);
  kernel_conv_out_size(&p->shape, &oh, &ow);
  p->x_count = sizes[0] * sizes[1] * sizes[2] * sizes[3];
  p->y_count = sizes[0] * oh * ow * sizes[4];
  p->w_count = sizes[5] * sizes[5] * sizes[3] * sizes[4];
  p->x = draw(&rng, p->x_count, half && !first, 1.0, &p->xd);
  p->dy = draw(&rng, p->y_count, half, 1.0, &p->dyd);
  p->w = draw(&rng, p->w_count, false, 0.2, &p->wd);
  double *unused;
  p->bias = draw(&rng, sizes[4], false, 1.0, &unused);
  free(unused);
  for (size_t i = 0; half && i < p->w_count; i++)
    p->wd[i] = (double) bf16_widen(bf16_narrow(p->w[i]));
  p->y = room(p->y_count * 8), p->y_size = room(p->y_count * 8);
  p->dw = calloc(p->w_count, 8), p->dw_size = calloc(p->w_count, 8);
  p->dx = calloc(p->x_count, 8), p->dx_size = calloc(p->x_count, 8);
  assert_true(p->dw && p->dw_size && p->dx && p->dx_size);
  expect(p);
}

static void
problem_free(struct problem *p)
{
  free(p->w), free(p->bias), free(p->x), free(p->dy), free(p->xd), free(p->dyd), free(p->wd);
  free(p->y), free(p->dw), free(p->dx), free(p->y_size), free(p->dw_size), free(p->dx_size);
}

static void
results_make(struct results *r, const struct problem *p)
{
  size_t width = width_of(p->shape.precision);

  r->y = room(p->y_count * width);
  r->y_plain = room(p->y_count * width);
  r->dx = room(p->x_count * width);
  r->dw = room(p->w_count * 4);
}

static void
results_free(struct results *r)
{
  free(r->y), free(r->y_plain), free(r->dx), free(r->dw);
}

/* All three products by kernel_conv.h. */
static void
run(const struct kernel_conv *conv, const struct problem *p, struct results *r)
{
  void *packed = room(kernel_conv_packed_bytes(conv));
  void *scratch = room(kernel_conv_scratch_bytes(conv));

  assert_true(kernel_conv_pack(conv, p->w, packed, scratch));
  assert_true(kernel_conv_forward(conv, p->x, packed, p->bias, r->y, scratch));
  assert_true(kernel_conv_forward(conv, p->x, packed, NULL, r->y_plain, scratch));
  assert_true(kernel_conv_weights(conv, p->x, p->dy, r->dw, scratch));
  if (p->shape.first)
  {
    assert_false(kernel_conv_pack_inputs(conv, p->w, packed, scratch));
    assert_false(kernel_conv_inputs(conv, p->dy, packed, r->dx, scratch));
  }
  else
  {
    assert_true(kernel_conv_pack_inputs(conv, p->w, packed, scratch));
    assert_true(kernel_conv_inputs(conv, p->dy, packed, r->dx, scratch));
  }
  free(packed);
  free(scratch);
}

/* |got − expected| ≤ relative · size of the terms, + half a unit in the last place of a bf16 result. */
static void
check(const char *what, const void *got, bool half, size_t i, double expected, double size,
      double relative)
{
  double value = number(got, half, i), tolerance = relative * (size + 1e-3);

  if (half)
    tolerance += fabs(expected) / 256.0;
  if (!(fabs(value - expected) <= tolerance))
    print_error("%s[%zu]: ", what, i);
  assert_near(value, expected, tolerance);
}

/* sums: rounding errors of the products, relative to their terms. */
static void
check_results(const struct problem *p, const struct results *r, double sums)
{
  const struct kernel_conv_shape *s = &p->shape;
  bool half = s->precision == KERNEL_BF16;
  /* a first layer's fp32 images may be rounded to bf16 */
  double images = half && s->first ? 1.0 / 256.0 : sums;

  for (size_t i = 0; i < p->y_count; i++)
  {
    check("y", r->y_plain, half, i, p->y[i], p->y_size[i], images);
    check("y with bias", r->y, half, i, p->y[i] + (double) p->bias[i % s->out],
          p->y_size[i] + fabs((double) p->bias[i % s->out]), images);
  }
  for (size_t i = 0; i < p->w_count; i++)
    check("dw", r->dw, false, i, p->dw[i], p->dw_size[i], images);
  for (size_t i = 0; !s->first && i < p->x_count; i++)
    check("dx", r->dx, half, i, p->dx[i], p->dx_size[i], sums);
}

#define DIRECT_SUMS 2e-6
#define WINOGRAD_SUMS 6e-6

static bool
is_winograd(const struct kernel_conv *conv)
{
  return strncmp(kernel_conv_name(conv), "winograd", 8) == 0;
}

/* By one maker, which the conv has got; frees it. */
static void
check_maker(struct kernel_conv *conv, const struct problem *p)
{
  struct results r;

  results_make(&r, p);
  run(conv, p, &r);
  check_results(p, &r, is_winograd(conv) ? WINOGRAD_SUMS : DIRECT_SUMS);
  conv->maker->free(conv->state);
  results_free(&r);
}

/* Those that this machine can run. */
static size_t
winograd_forms(const struct winograd *form[2])
{
  size_t count = 0;

  form[0] = winograd_here();
  if (form[0])
    count++;
#ifdef __x86_64__
  if (form[0] == &winograd_avx512)
    form[count++] = &winograd_avx2;
#endif
  return count;
}

static void
check_precision(enum kernel_precision precision, bool first)
{
  const struct winograd *form[2];
  size_t forms = winograd_forms(form), by_winograd[2] = {0}, by_tiles = 0;

  for (size_t i = 0; i < SHAPES; i++)
  {
    struct problem p;

    problem_make(&p, shapes[i], precision, first);
    struct kernel_conv tiles = {.shape = p.shape}, direct = tiles, blas = tiles;
    for (size_t f = 0; f < forms; f++)
    {
      struct kernel_conv winograd = {.shape = p.shape};
      kernel_conv_use_winograd(&winograd, form[f]);
      if (winograd.maker)
      {
        check_maker(&winograd, &p);
        by_winograd[f]++;
      }
    }
    kernel_conv_use_amx(&tiles);
    if (tiles.maker)
    {
      check_maker(&tiles, &p);
      by_tiles++;
    }
    assert_int_equal(kernel_conv_use_onednn(&direct, NULL), ERR_OK);
    if (direct.maker)
      check_maker(&direct, &p);
    kernel_conv_use_blas(&blas);
    check_maker(&blas, &p);
    problem_free(&p);
  }
  for (size_t f = 0; f < forms; f++)
    assert_int_equal(by_winograd[f], precision != KERNEL_FP32 || first ? 0
                                     : form[f]->lanes == 16            ? 5
                                                                       : 6);
  assert_int_equal(by_tiles, kernel_amx_ready() && precision == KERNEL_BF16 ? first ? 2 : 7 : 0);
}

static void
test_fp32(void **state)
{
  (void) state;
  check_precision(KERNEL_FP32, false);
  check_precision(KERNEL_FP32, true);
}

static void
test_bf16(void **state)
{
  (void) state;
  check_precision(KERNEL_BF16, false);
  check_precision(KERNEL_BF16, true);
}

struct job
{
  const struct kernel_conv *conv;
  const struct problem *problem;
  struct results results;
};

static void *
run_job(void *context)
{
  struct job *job = context;
  for (size_t i = 0; i < 8; i++)
    run(job->conv, job->problem, &job->results);
  return NULL;
}

static void
check_threads(const size_t sizes[7], enum kernel_precision precision, bool first)
{
  struct problem p;
  struct job jobs[THREADS], alone = {0};
  pthread_t threads[THREADS];
  struct kernel_conv *conv;

  problem_make(&p, sizes, precision, first);
  assert_int_equal(kernel_conv_new(&p.shape, &conv, NULL), ERR_OK);
  results_make(&alone.results, &p);
  run(conv, &p, &alone.results);
  for (size_t i = 0; i < THREADS; i++)
  {
    jobs[i] = (struct job){.conv = conv, .problem = &p};
    results_make(&jobs[i].results, &p);
    assert_int_equal(pthread_create(&threads[i], NULL, run_job, &jobs[i]), 0);
  }
  size_t width = width_of(precision);
  for (size_t i = 0; i < THREADS; i++)
  {
    struct results *r = &jobs[i].results;
    assert_int_equal(pthread_join(threads[i], NULL), 0);
    assert_memory_equal(r->y, alone.results.y, p.y_count * width);
    assert_memory_equal(r->y_plain, alone.results.y_plain, p.y_count * width);
    assert_memory_equal(r->dw, alone.results.dw, p.w_count * 4);
    if (!first)
      assert_memory_equal(r->dx, alone.results.dx, p.x_count * width);
    results_free(r);
  }
  results_free(&alone.results);
  kernel_conv_free(conv);
  problem_free(&p);
}

static void
test_threads(void **state)
{
  (void) state;
  for (size_t i = 0; i < SHAPES; i += 2)
    for (int precision = KERNEL_FP32; precision <= KERNEL_BF16; precision++)
    {
      check_threads(shapes[i], (enum kernel_precision) precision, false);
      check_threads(shapes[i], (enum kernel_precision) precision, true);
    }
}

/* A convolution for inference only gives the bytes of one for training or close to them, and refuses the rest. */
static void
test_inference(void **state)
{
  (void) state;
  struct problem p;
  struct kernel_conv *conv;

  problem_make(&p, shapes[4], KERNEL_FP32, false);
  assert_int_equal(kernel_conv_new(&p.shape, &conv, NULL), ERR_OK);
  assert_int_equal(is_winograd(conv), winograd_here() != NULL);
  kernel_conv_free(conv);
  p.shape.training = false;
  assert_int_equal(kernel_conv_new(&p.shape, &conv, NULL), ERR_OK);
  assert_false(is_winograd(conv)); /* predictions have the direct form's rounding errors */
  void *packed = room(kernel_conv_packed_bytes(conv)), *y = room(p.y_count * 4);
  void *scratch = room(kernel_conv_scratch_bytes(conv));
  assert_true(kernel_conv_pack(conv, p.w, packed, scratch));
  assert_true(kernel_conv_forward(conv, p.x, packed, NULL, y, scratch));
  for (size_t i = 0; i < p.y_count; i++)
    check("y", y, false, i, p.y[i], p.y_size[i], 2e-6);
  assert_false(kernel_conv_weights(conv, p.x, p.dy, p.w, scratch));
  assert_false(kernel_conv_pack_inputs(conv, p.w, packed, scratch));
  assert_false(kernel_conv_inputs(conv, p.dy, packed, p.x, scratch));
  kernel_conv_free(conv);
  free(packed), free(y), free(scratch);
  problem_free(&p);
}

static void
test_refused(void **state)
{
  (void) state;
  const struct kernel_conv_shape good = {.images = 2,
                                         .height = 8,
                                         .width = 8,
                                         .in = 4,
                                         .out = 4,
                                         .kernel = 3,
                                         .stride = 1,
                                         .training = true};
  struct kernel_conv_shape shape = good;
  size_t *const sizes[] = {&shape.images, &shape.height, &shape.width, &shape.in,
                           &shape.out,    &shape.kernel, &shape.stride};
  struct kernel_conv *conv;
  struct err_info info;

  for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++)
  {
    shape = good;
    *sizes[i] = 0;
    assert_int_equal(kernel_conv_new(&shape, &conv, &info), ERR_INVALID);
    assert_null(conv);
    assert_has_text(info.text, "cannot be built");
    if (sizes[i] == &shape.stride)
      continue; /* any larger stride gives one output */
    const size_t large[] = {INT_MAX, (size_t) 1 << 32 | 1, SIZE_MAX};
    for (size_t j = 0; j < sizeof large / sizeof large[0]; j++)
    {
      shape = good;
      *sizes[i] = large[j];
      assert_int_equal(kernel_conv_new(&shape, &conv, &info), ERR_LIMIT);
      assert_null(conv);
    }
  }
  shape = good;
  shape.kernel = 2;
  assert_int_equal(kernel_conv_new(&shape, &conv, &info), ERR_INVALID);
  shape = good;
  shape.precision = (enum kernel_precision) 2;
  assert_int_equal(kernel_conv_new(&shape, &conv, &info), ERR_INVALID);
  shape = good;
  shape.height = shape.width = 1 << 15; /* an unfolded image is what is too large */
  assert_int_equal(kernel_conv_new(&shape, &conv, &info), ERR_LIMIT);
  shape = good;
  shape.stride = SIZE_MAX;
  assert_int_equal(kernel_conv_new(&shape, &conv, &info), ERR_OK);
  kernel_conv_free(conv);
  kernel_conv_free(NULL);
}

static void
test_rounding(void **state)
{
  (void) state;
  const struct
  {
    float from;
    uint16_t to;
  } pairs[] = {{0.0f, 0x0000},          {-0.0f, 0x8000},      {1.0f, 0x3F80},
               {0x1.01p0f, 0x3F80},     {0x1.03p0f, 0x3F82},  {0x1.010002p0f, 0x3F81},
               {0x1.00FFFEp0f, 0x3F80}, {-0x1.03p0f, 0xBF82}, {0x1.FFFFFEp127f, 0x7F80},
               {INFINITY, 0x7F80},      {-INFINITY, 0xFF80},  {0x1p-149f, 0x0000}};

  for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
  {
    uint16_t half[19];
    float from[19], back[19];
    for (size_t j = 0; j < 19; j++)
      from[j] = pairs[i].from;
    kernel_bf16_narrow(19, from, half);
    kernel_bf16_widen(19, half, back);
    for (size_t j = 0; j < 19; j++)
    {
      assert_int_equal(half[j], pairs[i].to);
      assert_int_equal(bf16_narrow(back[j]), pairs[i].to);
    }
  }
  const uint32_t nans[] = {0x7FFFFFFF, 0xFFFFFFFF, 0x7F800001, 0x7FC00000};
  for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++)
  {
    float nan, back;
    uint16_t half;
    memcpy(&nan, &nans[i], 4);
    kernel_bf16_narrow(1, &nan, &half);
    kernel_bf16_widen(1, &half, &back);
    assert_true(isnan(back));
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_fp32),    cmocka_unit_test(test_bf16),
    cmocka_unit_test(test_threads), cmocka_unit_test(test_inference),
    cmocka_unit_test(test_refused), cmocka_unit_test(test_rounding),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
