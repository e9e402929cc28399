#include <config.h>

#include "model/kernel_conv_internal.h"

#ifdef HAVE_ONEDNN

#include <stdlib.h>
#include <string.h>

#include "model/kernel_dnn.h"

enum step
{
  FORWARD,
  WEIGHTS,
  INPUTS,
  PACK,        /* (kernel, kernel, in, out) → the weights of FORWARD */
  PACK_INPUTS, /* … of INPUTS */
  UNPACK,      /* the result of WEIGHTS → (kernel, kernel, in, out) */
  STEP_COUNT
};

struct state
{
  dnnl_engine_t engine;
  struct dnn_step steps[STEP_COUNT];
  float *zeros; /* (out), the bias of those that have none */
  /* Scratch: x as bf16, the weights' gradient as WEIGHTS lays it out, then a primitive's own. */
  size_t slope_at, own_at;
};

/* What a shape's primitives are described with. */
struct plan
{
  bool few_channels;  /* too few to fill a vector */
  bool plain_product; /* a product of matrices: a kernel of 1 x 1 without a stride */
  dnnl_prop_kind_t direction;
  dnnl_dims_t strides, dilates, pads;
  dnnl_memory_desc_t x, y, bias;
  dnnl_memory_desc_t weights;      /* of x's type, in any layout */
  dnnl_memory_desc_t slope;        /* fp32, in any layout */
  dnnl_memory_desc_t weights_rows; /* fp32 (kernel, kernel, in, out) */
  dnnl_primitive_attr_t attributes;
};

static bool
plan_make(struct plan *plan, const struct kernel_conv_shape *shape)
{
  size_t height, width;
  dnnl_dim_t n = (dnnl_dim_t) shape->images, in = (dnnl_dim_t) shape->in,
             out = (dnnl_dim_t) shape->out, kernel = (dnnl_dim_t) shape->kernel;
  dnnl_data_type_t type = shape->precision == KERNEL_BF16 ? dnnl_bf16 : dnnl_f32;

  kernel_conv_out_size(shape, &height, &width);
  dnnl_dims_t x = {n, in, (dnnl_dim_t) shape->height, (dnnl_dim_t) shape->width};
  dnnl_dims_t y = {n, out, (dnnl_dim_t) height, (dnnl_dim_t) width};
  dnnl_dims_t weights = {out, in, kernel, kernel}, bias = {out};
  *plan =
    (struct plan){.few_channels = shape->in <= 4,
                  .plain_product = shape->kernel == 1 && shape->stride == 1,
                  .direction = shape->training ? dnnl_forward_training : dnnl_forward_inference};
  for (size_t i = 0; i < 2; i++)
  {
    plan->strides[i] = (dnnl_dim_t) shape->stride;
    plan->pads[i] = kernel / 2;
  }
  return dnn_layout_make(&plan->x, 4, x, type, dnnl_nhwc)
         && dnn_layout_make(&plan->y, 4, y, type, dnnl_nhwc)
         && dnn_layout_make(&plan->weights, 4, weights, type, dnnl_format_tag_any)
         && dnn_layout_make(&plan->slope, 4, weights, dnnl_f32, dnnl_format_tag_any)
         && dnn_layout_make(&plan->weights_rows, 4, weights, dnnl_f32, dnnl_hwio)
         && dnn_layout_make(&plan->bias, 1, bias, dnnl_f32, dnnl_a)
         && dnn_attributes_make(&plan->attributes);
}

static void
plan_free(struct plan *plan)
{
  dnn_layout_free(&plan->x);
  dnn_layout_free(&plan->y);
  dnn_layout_free(&plan->weights);
  dnn_layout_free(&plan->slope);
  dnn_layout_free(&plan->weights_rows);
  dnn_layout_free(&plan->bias);
  if (plan->attributes)
    (void) dnnl_primitive_attr_destroy(plan->attributes);
}

/* The library puts its products of blocks ("brgconv") before its directly generated loops ("jit"), which read and
 * write the same memory. Without AMX the loops are measured faster, by up to a half with 16 channels and twice
 * with 1, but for kernels of 1 x 1 without a stride. With AMX the blocks stay, but for a first layer of few channels,
 * whose tiles would be nearly empty. */
static bool
is_slower(const struct plan *plan, const char *name)
{
  bool blocks = strncmp(name, "brgconv", 7) == 0;
  const char *set = strchr(name, ':');

  if (plan->few_channels)
    return blocks || strstr(name, "amx");
  return blocks && !plan->plain_product && set
         && (strcmp(set, ":avx512_core") == 0 || strcmp(set, ":avx512_core_bf16") == 0);
}

static bool
is_loop(const char *name)
{
  return strncmp(name, "jit", 3) == 0 && strstr(name, ":avx512_core") && !strstr(name, "amx");
}

/* describe gives a step the library's first choice, describe_loop the first of its loops. */

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t
describe(const struct plan *plan, enum step name, const struct state *state, struct dnn_step *step)
{
  dnnl_primitive_desc_t *made = &step->description;
  const_dnnl_primitive_desc_t forward = state->steps[FORWARD].description;
  dnnl_alg_kind_t how = dnnl_convolution_direct;

  if (name == FORWARD)
    return dnnl_convolution_forward_primitive_desc_create(
      made, state->engine, plan->direction, how, plan->x, plan->weights, plan->bias, plan->y,
      plan->strides, plan->dilates, plan->pads, plan->pads, plan->attributes);
  if (name == WEIGHTS)
    return dnnl_convolution_backward_weights_primitive_desc_create(
      made, state->engine, how, plan->x, plan->slope, NULL, plan->y, plan->strides, plan->dilates,
      plan->pads, plan->pads, forward, plan->attributes);
  return dnnl_convolution_backward_data_primitive_desc_create(
    made, state->engine, how, plan->x, plan->weights, plan->y, plan->strides, plan->dilates,
    plan->pads, plan->pads, forward, plan->attributes);
}

static dnnl_status_t
describe_loop(const struct plan *plan, enum step name, const struct state *state,
              struct dnn_step *step)
{
  dnnl_status_t status = describe(plan, name, state, step);

  while (status == dnnl_success && !is_loop(dnn_step_name(step)))
    status = dnnl_primitive_desc_next_impl(step->description);
  return status;
}

#else

static dnnl_status_t
operation_of(const struct plan *plan, enum step name, dnnl_convolution_desc_t *operation)
{
  dnnl_alg_kind_t how = dnnl_convolution_direct;

  if (name == FORWARD)
    return dnnl_convolution_forward_desc_init(operation, plan->direction, how, &plan->x,
                                              &plan->weights, &plan->bias, &plan->y, plan->strides,
                                              plan->pads, plan->pads);
  if (name == WEIGHTS)
    return dnnl_convolution_backward_weights_desc_init(operation, how, &plan->x, &plan->slope, NULL,
                                                       &plan->y, plan->strides, plan->pads,
                                                       plan->pads);
  return dnnl_convolution_backward_data_desc_init(operation, how, &plan->x, &plan->weights,
                                                  &plan->y, plan->strides, plan->pads, plan->pads);
}

static dnnl_status_t
describe(const struct plan *plan, enum step name, const struct state *state, struct dnn_step *step)
{
  dnnl_convolution_desc_t operation;
  dnnl_status_t status = operation_of(plan, name, &operation);

  return status == dnnl_success
           ? dnnl_primitive_desc_create(&step->description, &operation, plan->attributes,
                                        state->engine, state->steps[FORWARD].description)
           : status;
}

static dnnl_status_t
describe_loop(const struct plan *plan, enum step name, const struct state *state,
              struct dnn_step *step)
{
  dnnl_convolution_desc_t operation;
  dnnl_primitive_desc_iterator_t at = NULL;
  dnnl_status_t status = operation_of(plan, name, &operation);

  if (status == dnnl_success)
    status = dnnl_primitive_desc_iterator_create(&at, &operation, plan->attributes, state->engine,
                                                 state->steps[FORWARD].description);
  while (status == dnnl_success)
  {
    step->description = dnnl_primitive_desc_iterator_fetch(at);
    if (!step->description || is_loop(dnn_step_name(step)))
      break;
    dnn_step_free(step);
    step->description = NULL;
    status = dnnl_primitive_desc_iterator_next(at);
  }
  if (at)
    (void) dnnl_primitive_desc_iterator_destroy(at);
  return status == dnnl_success && !step->description ? dnnl_out_of_memory : status;
}

#endif

static dnnl_status_t
make_product(const struct plan *plan, enum step name, struct state *state)
{
  struct dnn_step *step = &state->steps[name], first = {0}, loop = {0};
  dnnl_status_t status = describe(plan, name, state, &first);

  if (status == dnnl_success && is_slower(plan, dnn_step_name(&first))
      && describe_loop(plan, name, state, &loop) == dnnl_success)
  {
    *step = loop;
    dnn_step_free(&first);
  }
  else
  {
    *step = first;
    dnn_step_free(&loop);
  }
  if (status != dnnl_success)
    return status;
  return dnn_step_is_fast(step) ? dnn_step_finish(step) : dnnl_unimplemented;
}

/* What turns the plain weights into the argument of a product, or back. */
static dnnl_status_t
make_turn(const struct plan *plan, enum step name, enum step product, int arg, struct state *state)
{
  dnn_layout_ref rows = dnn_layout_of(&plan->weights_rows),
                 packed = dnn_step_layout(&state->steps[product], arg);
  bool back = name == UNPACK;

  return dnn_step_reorder(&state->steps[name], state->engine, back ? packed : rows,
                          back ? rows : packed, plan->attributes);
}

static dnnl_status_t
make_steps(const struct plan *plan, const struct kernel_conv_shape *shape, struct state *state)
{
  dnnl_status_t status = make_product(plan, FORWARD, state);

  if (status == dnnl_success)
    status = make_turn(plan, PACK, FORWARD, DNNL_ARG_WEIGHTS, state);
  if (status == dnnl_success && shape->training)
    status = make_product(plan, WEIGHTS, state);
  if (status == dnnl_success && shape->training)
    status = make_turn(plan, UNPACK, WEIGHTS, DNNL_ARG_DIFF_WEIGHTS, state);
  if (status == dnnl_success && shape->training && !shape->first)
    status = make_product(plan, INPUTS, state);
  if (status == dnnl_success && shape->training && !shape->first)
    status = make_turn(plan, PACK_INPUTS, INPUTS, DNNL_ARG_WEIGHTS, state);
  return status;
}

static size_t
larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

static size_t
x_count(const struct kernel_conv_shape *shape)
{
  return shape->images * shape->height * shape->width * shape->in;
}

static void
measure(struct kernel_conv *conv, struct state *state)
{
  const struct kernel_conv_shape *shape = &conv->shape;
  const struct dnn_step *steps = state->steps;
  size_t own = 0;

  for (size_t i = 0; i < STEP_COUNT; i++)
    own = larger(own, kernel_align(steps[i].scratch));
  if (shape->first && shape->precision == KERNEL_BF16)
    state->slope_at = kernel_align(x_count(shape) * sizeof(uint16_t));
  state->own_at = state->slope_at;
  if (shape->training)
    state->own_at += kernel_align(dnn_step_bytes(&steps[WEIGHTS], DNNL_ARG_DIFF_WEIGHTS));
  conv->scratch_bytes = state->own_at + own;
  conv->packed_bytes = kernel_align(dnn_step_bytes(&steps[FORWARD], DNNL_ARG_WEIGHTS));
  if (steps[INPUTS].primitive)
    conv->packed_bytes =
      larger(conv->packed_bytes, kernel_align(dnn_step_bytes(&steps[INPUTS], DNNL_ARG_WEIGHTS)));
}

static void
state_free(void *context)
{
  struct state *state = context;

  for (size_t i = 0; i < STEP_COUNT; i++)
    dnn_step_free(&state->steps[i]);
  if (state->engine)
    (void) dnnl_engine_destroy(state->engine);
  free(state->zeros);
  free(state);
}

/* ---- execution ------------------------------------------------------------------------------------- */

/* x as the primitives read it: the library has no code that reads fp32 and writes bf16. */
static const void *
input_of(const struct kernel_conv *conv, const void *x, void *scratch)
{
  if (!conv->shape.first || conv->shape.precision == KERNEL_FP32)
    return x;
  kernel_bf16_narrow(x_count(&conv->shape), x, scratch);
  return scratch;
}

static bool
run(const struct kernel_conv *conv, enum step name, size_t count,
    const struct dnn_operand *operands, void *scratch)
{
  const struct state *state = conv->state;

  return dnn_step_run(&state->steps[name], state->engine, count, operands,
                      (char *) scratch + state->own_at);
}

static bool
pack(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  struct dnn_operand operands[] = {{DNNL_ARG_FROM, w}, {DNNL_ARG_TO, packed}};

  return run(conv, PACK, 2, operands, scratch);
}

static bool
pack_inputs(const struct kernel_conv *conv, const float *w, void *packed, void *scratch)
{
  struct dnn_operand operands[] = {{DNNL_ARG_FROM, w}, {DNNL_ARG_TO, packed}};

  return run(conv, PACK_INPUTS, 2, operands, scratch);
}

static bool
forward(const struct kernel_conv *conv, const void *x, const void *packed, const float *bias,
        void *y, void *scratch)
{
  const struct state *state = conv->state;
  struct dnn_operand operands[] = {{DNNL_ARG_SRC, input_of(conv, x, scratch)},
                                   {DNNL_ARG_WEIGHTS, packed},
                                   {DNNL_ARG_BIAS, bias ? bias : state->zeros},
                                   {DNNL_ARG_DST, y}};

  return run(conv, FORWARD, 4, operands, scratch);
}

static bool
weights(const struct kernel_conv *conv, const void *x, const void *dy, float *dw, void *scratch)
{
  const struct state *state = conv->state;
  char *slope = (char *) scratch + state->slope_at;
  struct dnn_operand product[] = {{DNNL_ARG_SRC, input_of(conv, x, scratch)},
                                  {DNNL_ARG_DIFF_DST, dy},
                                  {DNNL_ARG_DIFF_WEIGHTS, slope}};
  struct dnn_operand turn[] = {{DNNL_ARG_FROM, slope}, {DNNL_ARG_TO, dw}};

  return run(conv, WEIGHTS, 3, product, scratch) && run(conv, UNPACK, 2, turn, scratch);
}

static bool
inputs(const struct kernel_conv *conv, const void *dy, const void *packed, void *dx, void *scratch)
{
  struct dnn_operand operands[] = {
    {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DIFF_SRC, dx}};

  return run(conv, INPUTS, 3, operands, scratch);
}

static const char *
name_of(const struct kernel_conv *conv)
{
  const struct state *state = conv->state;

  return dnn_step_name(&state->steps[FORWARD]);
}

static const struct kernel_conv_maker maker = {.free = state_free,
                                               .name = name_of,
                                               .pack = pack,
                                               .pack_inputs = pack_inputs,
                                               .forward = forward,
                                               .weights = weights,
                                               .inputs = inputs};

enum err
kernel_conv_use_onednn(struct kernel_conv *conv, struct err_info *info)
{
  struct plan plan = {0};
  struct state *state = calloc(1, sizeof *state);
  dnnl_status_t status = dnnl_out_of_memory;

  if (state && (state->zeros = calloc(conv->shape.out, sizeof *state->zeros)))
    status = dnnl_engine_create(&state->engine, dnnl_cpu, 0);
  if (status == dnnl_success)
    status =
      plan_make(&plan, &conv->shape) ? make_steps(&plan, &conv->shape, state) : dnnl_unimplemented;
  plan_free(&plan);
  if (status == dnnl_success)
  {
    measure(conv, state);
    conv->maker = &maker;
    conv->state = state;
    return ERR_OK;
  }
  if (state)
    state_free(state);
  return status == dnnl_out_of_memory ? err_set(info, ERR_MEMORY, "out of memory for a convolution")
                                      : ERR_OK;
}

#else

enum err
kernel_conv_use_onednn(struct kernel_conv *conv, struct err_info *info)
{
  (void) conv;
  (void) info;
  return ERR_OK;
}

#endif
