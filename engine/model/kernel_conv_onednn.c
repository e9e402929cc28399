#include <config.h>

#include "model/kernel_conv_internal.h"

#ifdef HAVE_ONEDNN

#include <dnnl.h>
#include <stdlib.h>
#include <string.h>

#include "model/kernel_bf16.h"

/* Version 3 hides memory descriptors behind pointers and has no operation descriptors. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t layout_ref;
#else
typedef const dnnl_memory_desc_t *layout_ref;
#endif

/* One primitive. Scratch memory is handed in with each execution, so a primitive has no state of its own. */
struct step
{
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive;
  size_t scratch;
};

struct operand
{
  int arg;
  const void *data; /* written if the argument is an output */
};

enum step_name
{
  FORWARD,
  WEIGHTS,
  INPUTS,
  PACK,        /* (kernel, kernel, in, out) → the weights of FORWARD */
  PACK_INPUTS, /* … of INPUTS */
  UNPACK,      /* the result of WEIGHTS → (kernel, kernel, in, out) */
  STEP_COUNT
};

struct kernel_conv_dnn
{
  struct kernel_conv_shape shape;
  dnnl_engine_t engine;
  struct step steps[STEP_COUNT];
  float *zeros; /* (out), the bias of those that have none */
  size_t packed_bytes;
  /* the scratch: x as bf16, the weights' gradient as WEIGHTS lays it out, a primitive's own */
  size_t narrow_bytes, slope_bytes, own_bytes;
};

/* What a shape's primitives are described with. */
struct plan
{
  const struct kernel_conv_shape *shape;
  dnnl_dims_t strides, dilates, pads;
  dnnl_memory_desc_t x, y, bias;
  dnnl_memory_desc_t weights;      /* of x's type, in any layout */
  dnnl_memory_desc_t slope;        /* fp32, in any layout */
  dnnl_memory_desc_t weights_rows; /* fp32 (kernel, kernel, in, out) */
  dnnl_primitive_attr_t attributes;
};

/* ---- memory descriptors in both versions --------------------------------------------------------- */

#if DNNL_VERSION_MAJOR >= 3

static bool
layout_make(dnnl_memory_desc_t *layout, int count, const dnnl_dims_t dims, dnnl_data_type_t type,
            dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_create_with_tag(layout, count, dims, type, tag) == dnnl_success;
}

static layout_ref
layout_of(const dnnl_memory_desc_t *layout)
{
  return *layout;
}

static void
layout_free(dnnl_memory_desc_t *layout)
{
  if (*layout)
    (void) dnnl_memory_desc_destroy(*layout);
}

#else

static bool
layout_make(dnnl_memory_desc_t *layout, int count, const dnnl_dims_t dims, dnnl_data_type_t type,
            dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_init_by_tag(layout, count, dims, type, tag) == dnnl_success;
}

static layout_ref
layout_of(const dnnl_memory_desc_t *layout)
{
  return layout;
}

static void
layout_free(dnnl_memory_desc_t *layout)
{
  (void) layout;
}

#endif

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
  *plan = (struct plan){.shape = shape};
  for (size_t i = 0; i < 2; i++)
  {
    plan->strides[i] = (dnnl_dim_t) shape->stride;
    plan->pads[i] = kernel / 2;
  }
  return layout_make(&plan->x, 4, x, type, dnnl_nhwc)
         && layout_make(&plan->y, 4, y, type, dnnl_nhwc)
         && layout_make(&plan->weights, 4, weights, type, dnnl_format_tag_any)
         && layout_make(&plan->slope, 4, weights, dnnl_f32, dnnl_format_tag_any)
         && layout_make(&plan->weights_rows, 4, weights, dnnl_f32, dnnl_hwio)
         && layout_make(&plan->bias, 1, bias, dnnl_f32, dnnl_a)
         && dnnl_primitive_attr_create(&plan->attributes) == dnnl_success
         && dnnl_primitive_attr_set_scratchpad_mode(plan->attributes, dnnl_scratchpad_mode_user)
              == dnnl_success;
}

static void
plan_free(struct plan *plan)
{
  layout_free(&plan->x);
  layout_free(&plan->y);
  layout_free(&plan->weights);
  layout_free(&plan->slope);
  layout_free(&plan->weights_rows);
  layout_free(&plan->bias);
  if (plan->attributes)
    (void) dnnl_primitive_attr_destroy(plan->attributes);
}

/* ---- descriptions of the three products in both versions ------------------------------------------- */

#if DNNL_VERSION_MAJOR >= 3

static dnnl_status_t
describe(const struct plan *plan, enum step_name name, struct step *step, dnnl_engine_t engine,
         const_dnnl_primitive_desc_t forward)
{
  dnnl_primitive_desc_t *made = &step->description;
  dnnl_alg_kind_t how = dnnl_convolution_direct;

  if (name == FORWARD)
    return dnnl_convolution_forward_primitive_desc_create(
      made, engine, plan->shape->training ? dnnl_forward_training : dnnl_forward_inference, how,
      plan->x, plan->weights, plan->bias, plan->y, plan->strides, plan->dilates, plan->pads,
      plan->pads, plan->attributes);
  if (name == WEIGHTS)
    return dnnl_convolution_backward_weights_primitive_desc_create(
      made, engine, how, plan->x, plan->slope, NULL, plan->y, plan->strides, plan->dilates,
      plan->pads, plan->pads, forward, plan->attributes);
  return dnnl_convolution_backward_data_primitive_desc_create(
    made, engine, how, plan->x, plan->weights, plan->y, plan->strides, plan->dilates, plan->pads,
    plan->pads, forward, plan->attributes);
}

#else

static dnnl_status_t
describe(const struct plan *plan, enum step_name name, struct step *step, dnnl_engine_t engine,
         const_dnnl_primitive_desc_t forward)
{
  dnnl_convolution_desc_t product;
  dnnl_alg_kind_t how = dnnl_convolution_direct;
  dnnl_status_t status;

  if (name == FORWARD)
    status = dnnl_convolution_forward_desc_init(
      &product, plan->shape->training ? dnnl_forward_training : dnnl_forward_inference, how,
      &plan->x, &plan->weights, &plan->bias, &plan->y, plan->strides, plan->pads, plan->pads);
  else if (name == WEIGHTS)
    status = dnnl_convolution_backward_weights_desc_init(
      &product, how, &plan->x, &plan->slope, NULL, &plan->y, plan->strides, plan->pads, plan->pads);
  else
    status = dnnl_convolution_backward_data_desc_init(
      &product, how, &plan->x, &plan->weights, &plan->y, plan->strides, plan->pads, plan->pads);
  if (status != dnnl_success)
    return status;
  return dnnl_primitive_desc_create(&step->description, &product, plan->attributes, engine,
                                    forward);
}

#endif

/* ---- steps ----------------------------------------------------------------------------------------- */

static layout_ref
step_layout(const struct step *step, int arg)
{
  return dnnl_primitive_desc_query_md(step->description, dnnl_query_exec_arg_md, arg);
}

static const char *
step_name(const struct step *step)
{
  const char *name = NULL;

  if (dnnl_primitive_desc_query(step->description, dnnl_query_impl_info_str, 0, &name)
      != dnnl_success)
    return "";
  return name;
}

/* The primitive of step->description. */
static bool
step_finish(struct step *step)
{
  if (dnnl_primitive_create(&step->primitive, step->description) != dnnl_success)
    return false;
  step->scratch = dnnl_memory_desc_get_size(step_layout(step, DNNL_ARG_SCRATCHPAD));
  return true;
}

static bool
step_reorder(const struct plan *plan, struct step *step, dnnl_engine_t engine, layout_ref from,
             layout_ref to)
{
  return dnnl_reorder_primitive_desc_create(&step->description, from, engine, to, engine,
                                            plan->attributes)
           == dnnl_success
         && step_finish(step);
}

static void
step_free(struct step *step)
{
  if (step->primitive)
    (void) dnnl_primitive_destroy(step->primitive);
  if (step->description)
    (void) dnnl_primitive_desc_destroy(step->description);
}

#define OPERANDS_MAX 5

/* Runs the primitive on these operands. The stream and the memory objects, which take about half a
 * microsecond, are this call's own: two threads share only what neither changes. */
static bool
step_run(const struct kernel_conv_dnn *dnn, enum step_name name, size_t count,
         const struct operand *operands, void *scratch)
{
  const struct step *step = &dnn->steps[name];
  dnnl_exec_arg_t args[OPERANDS_MAX];
  dnnl_stream_t stream = NULL;
  size_t made = 0;
  bool done = dnnl_stream_create(&stream, dnn->engine, dnnl_stream_default_flags) == dnnl_success;

  for (; done && made < count; made++)
  {
    args[made].arg = operands[made].arg;
    done = dnnl_memory_create(&args[made].memory, step_layout(step, operands[made].arg),
                              dnn->engine, (void *) (uintptr_t) operands[made].data)
           == dnnl_success;
    if (!done)
      break;
  }
  if (done && step->scratch > 0)
  {
    args[made].arg = DNNL_ARG_SCRATCHPAD;
    done = dnnl_memory_create(&args[made].memory, step_layout(step, DNNL_ARG_SCRATCHPAD),
                              dnn->engine, (char *) scratch + dnn->narrow_bytes + dnn->slope_bytes)
           == dnnl_success;
    made += done;
  }
  done = done && dnnl_primitive_execute(step->primitive, stream, (int) made, args) == dnnl_success
         && dnnl_stream_wait(stream) == dnnl_success;
  while (made > 0)
    (void) dnnl_memory_destroy(args[--made].memory);
  if (stream)
    (void) dnnl_stream_destroy(stream);
  return done;
}

/* ---- making ---------------------------------------------------------------------------------------- */

/* Reference code of the library is far slower than BLAS on unfolded images. */
static bool
describe_fast(const struct plan *plan, enum step_name name, struct kernel_conv_dnn *dnn)
{
  struct step *step = &dnn->steps[name];
  const_dnnl_primitive_desc_t forward = name == FORWARD ? NULL : dnn->steps[FORWARD].description;

  return describe(plan, name, step, dnn->engine, forward) == dnnl_success
         && strncmp(step_name(step), "ref", 3) != 0 && step_finish(step);
}

static bool
make_steps(struct kernel_conv_dnn *dnn, const struct plan *plan)
{
  bool weights = dnn->shape.training, inputs = weights && !dnn->shape.first;
  struct step *steps = dnn->steps;
  layout_ref rows = layout_of(&plan->weights_rows);

  return describe_fast(plan, FORWARD, dnn)
         && step_reorder(plan, &steps[PACK], dnn->engine, rows,
                         step_layout(&steps[FORWARD], DNNL_ARG_WEIGHTS))
         && (!weights
             || (describe_fast(plan, WEIGHTS, dnn)
                 && step_reorder(plan, &steps[UNPACK], dnn->engine,
                                 step_layout(&steps[WEIGHTS], DNNL_ARG_DIFF_WEIGHTS), rows)))
         && (!inputs
             || (describe_fast(plan, INPUTS, dnn)
                 && step_reorder(plan, &steps[PACK_INPUTS], dnn->engine, rows,
                                 step_layout(&steps[INPUTS], DNNL_ARG_WEIGHTS))));
}

static size_t
larger(size_t a, size_t b)
{
  return a > b ? a : b;
}

static void
measure(struct kernel_conv_dnn *dnn)
{
  const struct kernel_conv_shape *shape = &dnn->shape;
  struct step *steps = dnn->steps;

  for (size_t i = 0; i < STEP_COUNT; i++)
    dnn->own_bytes = larger(dnn->own_bytes, kernel_conv_align(steps[i].scratch));
  dnn->packed_bytes = dnnl_memory_desc_get_size(step_layout(&steps[FORWARD], DNNL_ARG_WEIGHTS));
  if (steps[INPUTS].primitive)
    dnn->packed_bytes = larger(
      dnn->packed_bytes, dnnl_memory_desc_get_size(step_layout(&steps[INPUTS], DNNL_ARG_WEIGHTS)));
  dnn->packed_bytes = kernel_conv_align(dnn->packed_bytes);
  if (steps[WEIGHTS].primitive)
    dnn->slope_bytes = kernel_conv_align(
      dnnl_memory_desc_get_size(step_layout(&steps[WEIGHTS], DNNL_ARG_DIFF_WEIGHTS)));
  if (shape->first && shape->precision == KERNEL_BF16)
    dnn->narrow_bytes = kernel_conv_align(shape->images * shape->height * shape->width * shape->in
                                          * sizeof(uint16_t));
}

enum err
kernel_conv_dnn_new(const struct kernel_conv_shape *shape, struct kernel_conv_dnn **dnn,
                    struct err_info *info)
{
  struct plan plan = {0};
  struct kernel_conv_dnn *made = calloc(1, sizeof *made);

  *dnn = NULL;
  if (!made)
    return err_set(info, ERR_MEMORY, "out of memory for a convolution");
  made->shape = *shape;
  made->zeros = calloc(shape->out, sizeof *made->zeros);
  if (!made->zeros)
  {
    kernel_conv_dnn_free(made);
    return err_set(info, ERR_MEMORY, "out of memory for a convolution");
  }
  if (dnnl_engine_create(&made->engine, dnnl_cpu, 0) == dnnl_success && plan_make(&plan, shape)
      && make_steps(made, &plan))
  {
    measure(made);
    *dnn = made;
  }
  else
    kernel_conv_dnn_free(made);
  plan_free(&plan);
  return ERR_OK;
}

void
kernel_conv_dnn_free(struct kernel_conv_dnn *dnn)
{
  if (!dnn)
    return;
  for (size_t i = 0; i < STEP_COUNT; i++)
    step_free(&dnn->steps[i]);
  if (dnn->engine)
    (void) dnnl_engine_destroy(dnn->engine);
  free(dnn->zeros);
  free(dnn);
}

size_t
kernel_conv_dnn_packed_bytes(const struct kernel_conv_dnn *dnn)
{
  return dnn->packed_bytes;
}

size_t
kernel_conv_dnn_scratch_bytes(const struct kernel_conv_dnn *dnn)
{
  return dnn->narrow_bytes + dnn->slope_bytes + dnn->own_bytes;
}

const char *
kernel_conv_dnn_name(const struct kernel_conv_dnn *dnn)
{
  return step_name(&dnn->steps[FORWARD]);
}

/* ---- execution ------------------------------------------------------------------------------------- */

/* x as the primitives read it: there is no code that reads fp32 and writes bf16. */
static const void *
input_of(const struct kernel_conv_dnn *dnn, const void *x, void *scratch)
{
  const struct kernel_conv_shape *shape = &dnn->shape;

  if (dnn->narrow_bytes == 0)
    return x;
  kernel_bf16_narrow(shape->images * shape->height * shape->width * shape->in, x, scratch);
  return scratch;
}

bool
kernel_conv_dnn_pack(const struct kernel_conv_dnn *dnn, const float *w, void *packed, void *scratch)
{
  struct operand operands[] = {{DNNL_ARG_FROM, w}, {DNNL_ARG_TO, packed}};

  return step_run(dnn, PACK, 2, operands, scratch);
}

bool
kernel_conv_dnn_pack_inputs(const struct kernel_conv_dnn *dnn, const float *w, void *packed,
                            void *scratch)
{
  struct operand operands[] = {{DNNL_ARG_FROM, w}, {DNNL_ARG_TO, packed}};

  return step_run(dnn, PACK_INPUTS, 2, operands, scratch);
}

bool
kernel_conv_dnn_forward(const struct kernel_conv_dnn *dnn, const void *x, const void *packed,
                        const float *bias, void *y, void *scratch)
{
  struct operand operands[] = {{DNNL_ARG_SRC, input_of(dnn, x, scratch)},
                               {DNNL_ARG_WEIGHTS, packed},
                               {DNNL_ARG_BIAS, bias ? bias : dnn->zeros},
                               {DNNL_ARG_DST, y}};

  return step_run(dnn, FORWARD, 4, operands, scratch);
}

bool
kernel_conv_dnn_weights(const struct kernel_conv_dnn *dnn, const void *x, const void *dy, float *dw,
                        void *scratch)
{
  char *slope = (char *) scratch + dnn->narrow_bytes;
  struct operand product[] = {{DNNL_ARG_SRC, input_of(dnn, x, scratch)},
                              {DNNL_ARG_DIFF_DST, dy},
                              {DNNL_ARG_DIFF_WEIGHTS, slope}};
  struct operand turn[] = {{DNNL_ARG_FROM, slope}, {DNNL_ARG_TO, dw}};

  return step_run(dnn, WEIGHTS, 3, product, scratch) && step_run(dnn, UNPACK, 2, turn, scratch);
}

bool
kernel_conv_dnn_inputs(const struct kernel_conv_dnn *dnn, const void *dy, const void *packed,
                       void *dx, void *scratch)
{
  struct operand operands[] = {
    {DNNL_ARG_DIFF_DST, dy}, {DNNL_ARG_WEIGHTS, packed}, {DNNL_ARG_DIFF_SRC, dx}};

  return step_run(dnn, INPUTS, 3, operands, scratch);
}

#else

enum err
kernel_conv_dnn_new(const struct kernel_conv_shape *shape, struct kernel_conv_dnn **dnn,
                    struct err_info *info)
{
  (void) shape;
  (void) info;
  *dnn = NULL;
  return ERR_OK;
}

void
kernel_conv_dnn_free(struct kernel_conv_dnn *dnn)
{
  (void) dnn;
}

size_t
kernel_conv_dnn_packed_bytes(const struct kernel_conv_dnn *dnn)
{
  (void) dnn;
  return 0;
}

size_t
kernel_conv_dnn_scratch_bytes(const struct kernel_conv_dnn *dnn)
{
  (void) dnn;
  return 0;
}

const char *
kernel_conv_dnn_name(const struct kernel_conv_dnn *dnn)
{
  (void) dnn;
  return "";
}

bool
kernel_conv_dnn_pack(const struct kernel_conv_dnn *dnn, const float *w, void *packed, void *scratch)
{
  (void) dnn, (void) w, (void) packed, (void) scratch;
  return false;
}

bool
kernel_conv_dnn_pack_inputs(const struct kernel_conv_dnn *dnn, const float *w, void *packed,
                            void *scratch)
{
  return kernel_conv_dnn_pack(dnn, w, packed, scratch);
}

bool
kernel_conv_dnn_forward(const struct kernel_conv_dnn *dnn, const void *x, const void *packed,
                        const float *bias, void *y, void *scratch)
{
  (void) dnn, (void) x, (void) packed, (void) bias, (void) y, (void) scratch;
  return false;
}

bool
kernel_conv_dnn_weights(const struct kernel_conv_dnn *dnn, const void *x, const void *dy, float *dw,
                        void *scratch)
{
  (void) dnn, (void) x, (void) dy, (void) dw, (void) scratch;
  return false;
}

bool
kernel_conv_dnn_inputs(const struct kernel_conv_dnn *dnn, const void *dy, const void *packed,
                       void *dx, void *scratch)
{
  (void) dnn, (void) dy, (void) packed, (void) dx, (void) scratch;
  return false;
}

#endif
