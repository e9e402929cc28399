/* What the primitives of oneDNN need, in the C interfaces of versions 2 and 3. Private to engine/model/kernel_*.
 *
 * A primitive is made once per shape with scratch memory handed in by the caller, so it holds no state of its
 * own: any thread may run it. Only where oneDNN is built in.
 */
#ifndef ATTUNE_MODEL_KERNEL_DNN_H
#define ATTUNE_MODEL_KERNEL_DNN_H

#ifdef HAVE_ONEDNN

#include <dnnl.h>
#include <stdbool.h>
#include <stddef.h>

/* Version 3 hides memory descriptors behind pointers. */
#if DNNL_VERSION_MAJOR >= 3
typedef const_dnnl_memory_desc_t dnn_layout_ref;
#else
typedef const dnnl_memory_desc_t *dnn_layout_ref;
#endif

struct dnn_step
{
  dnnl_primitive_desc_t description;
  dnnl_primitive_t primitive;
  size_t scratch; /* bytes, 64-byte aligned */
};

struct dnn_operand
{
  int arg;          /* DNNL_ARG_… */
  const void *data; /* written if the argument is an output */
};

#define DNN_OPERANDS_MAX 4

bool dnn_layout_make(dnnl_memory_desc_t *layout, int count, const dnnl_dims_t dims,
                     dnnl_data_type_t type, dnnl_format_tag_t tag);
dnn_layout_ref dnn_layout_of(const dnnl_memory_desc_t *layout);
void dnn_layout_free(dnnl_memory_desc_t *layout); /* also of one that was only zeroed */

/* Attributes with the scratch memory left to the caller. */
bool dnn_attributes_make(dnnl_primitive_attr_t *attributes);

/* The primitive of step->description. */
dnnl_status_t dnn_step_finish(struct dnn_step *step);

/* A step that turns memory from one layout into the other: DNNL_ARG_FROM to DNNL_ARG_TO. */
dnnl_status_t dnn_step_reorder(struct dnn_step *step, dnnl_engine_t engine, dnn_layout_ref from,
                               dnn_layout_ref to, dnnl_primitive_attr_t attributes);
void dnn_step_free(struct dnn_step *step);

/* Of an argument, as long as the step lives; the implementation's name. */
dnn_layout_ref dnn_step_layout(const struct dnn_step *step, int arg);
size_t dnn_step_bytes(const struct dnn_step *step, int arg);
const char *dnn_step_name(const struct dnn_step *step);

/* Whether the library has more than its plain reference code for it, which is far slower than BLAS. */
bool dnn_step_is_fast(const struct dnn_step *step);

/* Runs the primitive; false if the library refuses. */
bool dnn_step_run(const struct dnn_step *step, dnnl_engine_t engine, size_t count,
                  const struct dnn_operand *operands, void *scratch);

#endif
#endif
