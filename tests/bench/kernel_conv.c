/* What the kernels reach on this machine, one thread, GFLOP/s: `make tests/bench/kernel_conv` and run it alone.
 *
 *   kernel_conv [SECONDS]    the best of the runs in SECONDS (0.1) for each figure
 *
 * Convolutions: kernel_conv.h as it is, its fallback on BLAS, and what oneDNN reaches in the memory layout of its
 * own choice, directly and by Winograd's form, without the turning of images into that layout and back (version 2
 * only). Then products of matrices in fp32 and in bf16. Columns: forward, by weights, by inputs; the forward one and
 * that by inputs without the packing of weights.
 */
#include <config.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/proc.h"
#include "model/kernel.h"
#include "model/kernel_conv_internal.h"
#include "model/kernel_dense_bf16_internal.h"
#include "model/kernel_dnn.h"
#include "model/kernel_memory.h"

/* images, side, in, out, kernel, stride, first layer */
static const size_t convs[][7] = {
  {128, 28, 1, 16, 3, 1, 1},   {128, 32, 3, 32, 3, 1, 1},   {128, 28, 1, 32, 5, 1, 1},
  {128, 28, 16, 16, 3, 1, 0},  {128, 14, 16, 32, 3, 1, 0},  {128, 28, 32, 32, 3, 1, 0},
  {64, 14, 32, 64, 3, 1, 0},   {256, 14, 32, 64, 3, 1, 0},  {128, 14, 64, 64, 3, 1, 0},
  {128, 14, 64, 128, 3, 1, 0}, {128, 7, 128, 128, 3, 1, 0}, {128, 28, 16, 32, 3, 2, 0},
  {128, 14, 64, 128, 3, 2, 0}, {128, 14, 64, 128, 1, 2, 0}, {128, 14, 64, 64, 1, 1, 0},
  {128, 28, 16, 16, 5, 1, 0},  {128, 14, 24, 40, 3, 1, 0},  {1, 28, 16, 16, 3, 1, 0},
};

static const size_t denses[][3] = {{64, 784, 256},   {64, 256, 128},  {64, 128, 10},
                                   {256, 20, 64},    {256, 64, 64},   {256, 256, 256},
                                   {256, 1024, 512}, {256, 3136, 128}};

#define COUNT_OF(x) (sizeof(x) / sizeof(x)[0])

static double seconds = 0.1;

/* Memory that is not all zero, so that no denormal or short cut flatters. */
static void *
room(size_t bytes)
{
  unsigned char *memory = aligned_alloc(KERNEL_ALIGNMENT, kernel_align(bytes ? bytes : 1));

  if (!memory)
    exit(1);
  memset(memory, 0x3D, kernel_align(bytes ? bytes : 1));
  return memory;
}

typedef bool run_fn(void *context);

/* GFLOP/s of the fastest run; 0 where there is none. */
static double
rate(run_fn *run, void *context, double flops)
{
  double best = INFINITY, start = clock_monotonic_s();

  if (!run(context))
    return 0.0;
  for (size_t i = 0; i < 5 || clock_monotonic_s() - start < seconds; i++)
  {
    double at = clock_monotonic_s();
    (void) run(context);
    best = fmin(best, clock_monotonic_s() - at);
  }
  return flops / best * 1e-9;
}

/* ---- kernel_conv.h ----------------------------------------------------------------------------------- */

struct conv_case
{
  const struct kernel_conv *conv;
  void *x, *y, *w, *packed, *scratch;
};

static bool
conv_forward(void *context)
{
  struct conv_case *c = context;
  return kernel_conv_forward(c->conv, c->x, c->packed, NULL, c->y, c->scratch);
}

static bool
conv_weights(void *context)
{
  struct conv_case *c = context;
  return kernel_conv_weights(c->conv, c->x, c->y, c->w, c->scratch);
}

static bool
conv_inputs(void *context)
{
  struct conv_case *c = context;
  return kernel_conv_inputs(c->conv, c->y, c->packed, c->x, c->scratch);
}

static void
measure_conv(const struct kernel_conv *conv, double flops)
{
  const struct kernel_conv_shape *s = &conv->shape;
  size_t height, width, bytes = s->precision == KERNEL_BF16 ? 2 : 4;
  struct conv_case c = {.conv = conv};

  kernel_conv_out_size(s, &height, &width);
  c.x = room(s->images * s->height * s->width * s->in * 4);
  c.y = room(s->images * height * width * s->out * bytes);
  c.w = room(s->kernel * s->kernel * s->in * s->out * 4);
  c.packed = room(conv->packed_bytes);
  c.scratch = room(conv->scratch_bytes);
  (void) kernel_conv_pack(conv, c.w, c.packed, c.scratch);
  double forward = rate(conv_forward, &c, flops), weights = rate(conv_weights, &c, flops);
  (void) kernel_conv_pack_inputs(conv, c.w, c.packed, c.scratch);
  printf(" %4.0f %4.0f %4.0f |", forward, weights, rate(conv_inputs, &c, flops));
  fflush(stdout);
  free(c.x), free(c.y), free(c.w), free(c.packed), free(c.scratch);
}

/* ---- what was left: oneDNN's own layouts ------------------------------------------------------------- */

#if defined HAVE_ONEDNN && DNNL_VERSION_MAJOR == 2

struct own_case
{
  dnnl_engine_t engine;
  struct dnn_step steps[3];
  void *memory[3][3], *scratch;
};

static const int own_args[3][3] = {{DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST},
                                   {DNNL_ARG_SRC, DNNL_ARG_DIFF_WEIGHTS, DNNL_ARG_DIFF_DST},
                                   {DNNL_ARG_DIFF_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_DST}};

static bool
own_make(struct own_case *own, const struct kernel_conv_shape *s, dnnl_alg_kind_t how)
{
  size_t height, width;
  dnnl_data_type_t type = s->precision == KERNEL_BF16 ? dnnl_bf16 : dnnl_f32;
  dnnl_dim_t n = (dnnl_dim_t) s->images, in = (dnnl_dim_t) s->in, out = (dnnl_dim_t) s->out;
  dnnl_dim_t k = (dnnl_dim_t) s->kernel, stride = (dnnl_dim_t) s->stride;
  dnnl_memory_desc_t x, w, slope, y;
  dnnl_convolution_desc_t product[3];
  dnnl_primitive_attr_t attributes = NULL;

  kernel_conv_out_size(s, &height, &width);
  dnnl_dims_t x_dims = {n, in, (dnnl_dim_t) s->height, (dnnl_dim_t) s->width},
              w_dims = {out, in, k, k}, y_dims = {n, out, (dnnl_dim_t) height, (dnnl_dim_t) width};
  dnnl_dims_t strides = {stride, stride}, pads = {k / 2, k / 2};
  bool made =
    dnnl_engine_create(&own->engine, dnnl_cpu, 0) == dnnl_success
    && dnn_attributes_make(&attributes) && dnn_layout_make(&x, 4, x_dims, type, dnnl_format_tag_any)
    && dnn_layout_make(&w, 4, w_dims, type, dnnl_format_tag_any)
    && dnn_layout_make(&slope, 4, w_dims, dnnl_f32, dnnl_format_tag_any)
    && dnn_layout_make(&y, 4, y_dims, type, dnnl_format_tag_any)
    && dnnl_convolution_forward_desc_init(&product[0], dnnl_forward_training, how, &x, &w, NULL, &y,
                                          strides, pads, pads)
         == dnnl_success
    && dnnl_convolution_backward_weights_desc_init(&product[1], how, &x, &slope, NULL, &y, strides,
                                                   pads, pads)
         == dnnl_success
    && dnnl_convolution_backward_data_desc_init(&product[2], how, &x, &w, &y, strides, pads, pads)
         == dnnl_success;
  size_t scratch = 0;
  for (size_t i = 0; made && i < 3; i++)
  {
    struct dnn_step *step = &own->steps[i];
    made = dnnl_primitive_desc_create(&step->description, &product[i], attributes, own->engine,
                                      i ? own->steps[0].description : NULL)
             == dnnl_success
           && dnn_step_finish(step) == dnnl_success;
    for (size_t j = 0; made && j < 3; j++)
      own->memory[i][j] = room(dnn_step_bytes(step, own_args[i][j]));
    scratch = made && step->scratch > scratch ? step->scratch : scratch;
  }
  own->scratch = room(scratch);
  if (attributes)
    (void) dnnl_primitive_attr_destroy(attributes);
  return made;
}

static void
own_free(struct own_case *own)
{
  for (size_t i = 0; i < 3; i++)
  {
    for (size_t j = 0; j < 3; j++)
      free(own->memory[i][j]);
    dnn_step_free(&own->steps[i]);
  }
  free(own->scratch);
  (void) dnnl_engine_destroy(own->engine);
}

static bool
own_run(struct own_case *own, size_t which)
{
  struct dnn_operand operands[3];

  for (size_t i = 0; i < 3; i++)
    operands[i] = (struct dnn_operand){own_args[which][i], own->memory[which][i]};
  return dnn_step_run(&own->steps[which], own->engine, 3, operands, own->scratch);
}

static bool
own_forward(void *context)
{
  return own_run(context, 0);
}

static bool
own_weights(void *context)
{
  return own_run(context, 1);
}

static bool
own_inputs(void *context)
{
  return own_run(context, 2);
}

static void
measure_own(const struct kernel_conv_shape *shape, dnnl_alg_kind_t how, double flops)
{
  struct own_case own = {0};

  if (own_make(&own, shape, how))
    printf(" %4.0f %4.0f %4.0f |", rate(own_forward, &own, flops), rate(own_weights, &own, flops),
           rate(own_inputs, &own, flops));
  else
    printf("    -    -    - |");
  fflush(stdout);
  own_free(&own);
}

static void
measure_left(const struct kernel_conv_shape *shape, double flops)
{
  measure_own(shape, dnnl_convolution_direct, flops);
  measure_own(shape, dnnl_convolution_winograd, flops);
}

#else

static void
measure_left(const struct kernel_conv_shape *shape, double flops)
{
  (void) shape;
  (void) flops;
}

#endif

static int
measure_convs(void)
{
  printf("convolution                        |      chosen    | unfolded, BLAS| own layout     | "
         "Winograd       |\n");
  for (size_t i = 0; i < COUNT_OF(convs); i++)
    for (int precision = KERNEL_FP32; precision <= KERNEL_BF16; precision++)
    {
      const size_t *s = convs[i];
      struct kernel_conv_shape shape = {.images = s[0],
                                        .height = s[1],
                                        .width = s[1],
                                        .in = s[2],
                                        .out = s[3],
                                        .kernel = s[4],
                                        .stride = s[5],
                                        .first = s[6] != 0,
                                        .training = true,
                                        .precision = (enum kernel_precision) precision};
      struct kernel_conv *conv, blas = {.shape = shape};
      size_t height, width;
      kernel_conv_out_size(&shape, &height, &width);
      double flops = 2.0 * (double) (s[0] * height * width * s[2] * s[3] * s[4] * s[4]);
      if (kernel_conv_new(&shape, &conv, NULL) != ERR_OK)
        return 1;
      printf("%zux%zu %3zu ->%4zu @%2zu x%4zu, by %zu, %s |", s[4], s[4], s[2], s[3], s[1], s[0],
             s[5], precision == KERNEL_BF16 ? "bf16" : "fp32");
      measure_conv(conv, flops);
      kernel_conv_use_blas(&blas);
      measure_conv(&blas, flops);
      measure_left(&shape, flops);
      printf(" %s\n", kernel_conv_name(conv));
      kernel_conv_free(conv);
    }
  return 0;
}

/* ---- products of matrices ---------------------------------------------------------------------------- */

struct dense_case
{
  size_t n, k, m;
  struct kernel_dense_bf16 *dense;
  void *x, *w, *y, *scratch;
};

static bool
dense_forward(void *context)
{
  struct dense_case *c = context;
  return kernel_dense_forward(c->n, c->k, c->m, c->x, c->w, c->y);
}

static bool
dense_weights(void *context)
{
  struct dense_case *c = context;
  return kernel_dense_weights(c->n, c->k, c->m, c->x, c->y, c->w);
}

static bool
dense_inputs(void *context)
{
  struct dense_case *c = context;
  return kernel_dense_inputs(c->n, c->k, c->m, c->y, c->w, c->x);
}

static bool
half_forward(void *context)
{
  struct dense_case *c = context;
  return kernel_dense_bf16_forward(c->dense, c->x, c->w, c->y, c->scratch);
}

static bool
half_weights(void *context)
{
  struct dense_case *c = context;
  return kernel_dense_bf16_weights(c->dense, c->x, c->y, c->w, c->scratch);
}

static bool
half_inputs(void *context)
{
  struct dense_case *c = context;
  return kernel_dense_bf16_inputs(c->dense, c->y, c->w, c->x, c->scratch);
}

static bool
half_pack(void *context)
{
  struct dense_case *c = context;
  kernel_bf16_narrow(c->k * c->m, c->w, c->y);
  return true;
}

static int
measure_denses(void)
{
  printf("\nmatrices       |      fp32      | bf16, y bf16   | bf16, y fp32   | packing, us\n");
  for (size_t i = 0; i < COUNT_OF(denses); i++)
  {
    struct dense_case c = {.n = denses[i][0], .k = denses[i][1], .m = denses[i][2]};
    double flops = 2.0 * (double) (c.n * c.k * c.m);
    size_t y_count = c.n * c.m > c.k * c.m ? c.n * c.m : c.k * c.m;
    c.x = room(c.n * c.k * 4), c.w = room(c.k * c.m * 4), c.y = room(y_count * 4);
    printf("%3zu x%4zu x%4zu | %4.0f %4.0f %4.0f |", c.n, c.k, c.m, rate(dense_forward, &c, flops),
           rate(dense_weights, &c, flops), rate(dense_inputs, &c, flops));
    for (int y = KERNEL_BF16; y >= KERNEL_FP32; y--)
    {
      if (kernel_dense_bf16_new(c.n, c.k, c.m, (enum kernel_precision) y, &c.dense, NULL) != ERR_OK)
        return 1;
      c.scratch = room(kernel_dense_bf16_scratch_bytes(c.dense));
      printf(" %4.0f %4.0f %4.0f |", rate(half_forward, &c, flops), rate(half_weights, &c, flops),
             rate(half_inputs, &c, flops));
      free(c.scratch);
      kernel_dense_bf16_free(c.dense);
    }
    printf(" %5.1f\n", 1e6 / (rate(half_pack, &c, 1e9)));
    fflush(stdout);
    free(c.x), free(c.w), free(c.y);
  }
  return 0;
}

int
main(int argc, char **argv)
{
  proc_pin_blas_threads(argv, NULL);
  if (argc > 1)
    seconds = strtod(argv[1], NULL);
  printf("%s; bf16 %s\n", kernel_name(), kernel_bf16_fast() ? "fast" : "slow");
  return measure_convs() || measure_denses();
}
