#include <config.h>

#include "model/kernel_dnn.h"

#ifdef HAVE_ONEDNN

#include <stdint.h>
#include <string.h>

#if DNNL_VERSION_MAJOR >= 3

bool
dnn_layout_make(dnnl_memory_desc_t *layout, int count, const dnnl_dims_t dims,
                dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_create_with_tag(layout, count, dims, type, tag) == dnnl_success;
}

dnn_layout_ref
dnn_layout_of(const dnnl_memory_desc_t *layout)
{
  return *layout;
}

void
dnn_layout_free(dnnl_memory_desc_t *layout)
{
  if (*layout)
    (void) dnnl_memory_desc_destroy(*layout);
}

#else

bool
dnn_layout_make(dnnl_memory_desc_t *layout, int count, const dnnl_dims_t dims,
                dnnl_data_type_t type, dnnl_format_tag_t tag)
{
  return dnnl_memory_desc_init_by_tag(layout, count, dims, type, tag) == dnnl_success;
}

dnn_layout_ref
dnn_layout_of(const dnnl_memory_desc_t *layout)
{
  return layout;
}

void
dnn_layout_free(dnnl_memory_desc_t *layout)
{
  (void) layout;
}

#endif

bool
dnn_attributes_make(dnnl_primitive_attr_t *attributes)
{
  return dnnl_primitive_attr_create(attributes) == dnnl_success
         && dnnl_primitive_attr_set_scratchpad_mode(*attributes, dnnl_scratchpad_mode_user)
              == dnnl_success;
}

dnn_layout_ref
dnn_step_layout(const struct dnn_step *step, int arg)
{
  return dnnl_primitive_desc_query_md(step->description, dnnl_query_exec_arg_md, arg);
}

size_t
dnn_step_bytes(const struct dnn_step *step, int arg)
{
  return dnnl_memory_desc_get_size(dnn_step_layout(step, arg));
}

const char *
dnn_step_name(const struct dnn_step *step)
{
  const char *name = NULL;

  if (dnnl_primitive_desc_query(step->description, dnnl_query_impl_info_str, 0, &name)
      != dnnl_success)
    return "";
  return name;
}

bool
dnn_step_is_fast(const struct dnn_step *step)
{
  return strncmp(dnn_step_name(step), "ref", 3) != 0;
}

dnnl_status_t
dnn_step_finish(struct dnn_step *step)
{
  dnnl_status_t status = dnnl_primitive_create(&step->primitive, step->description);

  if (status == dnnl_success)
    step->scratch = dnn_step_bytes(step, DNNL_ARG_SCRATCHPAD);
  return status;
}

dnnl_status_t
dnn_step_reorder(struct dnn_step *step, dnnl_engine_t engine, dnn_layout_ref from,
                 dnn_layout_ref to, dnnl_primitive_attr_t attributes)
{
  dnnl_status_t status =
    dnnl_reorder_primitive_desc_create(&step->description, from, engine, to, engine, attributes);

  return status == dnnl_success ? dnn_step_finish(step) : status;
}

void
dnn_step_free(struct dnn_step *step)
{
  if (step->primitive)
    (void) dnnl_primitive_destroy(step->primitive);
  if (step->description)
    (void) dnnl_primitive_desc_destroy(step->description);
}

/* The stream and the memory objects are this call's own, so that two threads share only what neither changes.
 * They hold no buffers; all of them take about half a microsecond. */
bool
dnn_step_run(const struct dnn_step *step, dnnl_engine_t engine, size_t count,
             const struct dnn_operand *operands, void *scratch)
{
  dnnl_exec_arg_t args[DNN_OPERANDS_MAX + 1];
  struct dnn_operand own = {DNNL_ARG_SCRATCHPAD, scratch};
  size_t made = 0, all = count + (step->scratch > 0);
  dnnl_stream_t stream = NULL;
  bool done = dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) == dnnl_success;

  while (done && made < all)
  {
    const struct dnn_operand *operand = made < count ? &operands[made] : &own;
    args[made].arg = operand->arg;
    done = dnnl_memory_create(&args[made].memory, dnn_step_layout(step, operand->arg), engine,
                              (void *) (uintptr_t) operand->data)
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

#else

/* An empty translation unit is not C. */
extern int kernel_dnn_unused;

#endif
