#include <config.h>

#include "model/kernel_dense_bf16_internal.h"

#ifdef HAVE_ONEDNN

#include <stdlib.h>

#include "model/kernel_dnn.h"
#include "model/kernel_memory.h"

struct kernel_dense_onednn
{
  dnnl_engine_t engine;
  struct dnn_step steps[KERNEL_DENSE_PRODUCTS];
};

/* left (rows, inner) · right (inner, columns), each read transposed where its flag says so. */
struct product
{
  size_t rows, inner, columns;
  bool left_turned, right_turned;
  dnnl_data_type_t result;
};

static struct product
product_of(const struct kernel_dense_bf16 *dense, enum kernel_dense_product which)
{
  size_t n = dense->n, k = dense->k, m = dense->m;
  dnnl_data_type_t y = dense->y == KERNEL_BF16 ? dnnl_bf16 : dnnl_f32;

  if (which == KERNEL_DENSE_FORWARD)
    return (struct product){.rows = n, .inner = k, .columns = m, .result = y};
  if (which == KERNEL_DENSE_WEIGHTS)
    return (struct product){
      .rows = k, .inner = n, .columns = m, .left_turned = true, .result = dnnl_f32};
  return (struct product){
    .rows = n, .inner = m, .columns = k, .right_turned = true, .result = dnnl_bf16};
}

static dnnl_status_t
describe(dnnl_primitive_desc_t *made, dnnl_engine_t engine, const dnnl_memory_desc_t *left,
         const dnnl_memory_desc_t *right, const dnnl_memory_desc_t *result,
         dnnl_primitive_attr_t attributes)
{
#if DNNL_VERSION_MAJOR >= 3
  return dnnl_matmul_primitive_desc_create(made, engine, *left, *right, NULL, *result, attributes);
#else
  dnnl_matmul_desc_t product;
  dnnl_status_t status = dnnl_matmul_desc_init(&product, left, right, NULL, result);

  return status == dnnl_success
           ? dnnl_primitive_desc_create(made, &product, attributes, engine, NULL)
           : status;
#endif
}

static dnnl_status_t
make_step(struct dnn_step *step, dnnl_engine_t engine, const struct product *product,
          dnnl_primitive_attr_t attributes)
{
  dnnl_memory_desc_t left = {0}, right = {0}, result = {0};
  dnnl_dim_t rows = (dnnl_dim_t) product->rows, inner = (dnnl_dim_t) product->inner,
             columns = (dnnl_dim_t) product->columns;
  dnnl_dims_t left_dims = {rows, inner}, right_dims = {inner, columns},
              result_dims = {rows, columns};
  dnnl_status_t status = dnnl_unimplemented;

  if (dnn_layout_make(&left, 2, left_dims, dnnl_bf16, product->left_turned ? dnnl_ba : dnnl_ab)
      && dnn_layout_make(&right, 2, right_dims, dnnl_bf16,
                         product->right_turned ? dnnl_ba : dnnl_ab)
      && dnn_layout_make(&result, 2, result_dims, product->result, dnnl_ab))
    status = describe(&step->description, engine, &left, &right, &result, attributes);
  dnn_layout_free(&left);
  dnn_layout_free(&right);
  dnn_layout_free(&result);
  if (status != dnnl_success)
    return status;
  return dnn_step_is_fast(step) ? dnn_step_finish(step) : dnnl_unimplemented;
}

enum err
kernel_dense_bf16_use_onednn(struct kernel_dense_bf16 *dense, struct err_info *info)
{
  dnnl_primitive_attr_t attributes = NULL;
  struct kernel_dense_onednn *made = calloc(1, sizeof *made);
  dnnl_status_t status = dnnl_out_of_memory;
  size_t scratch = 0;

  if (made)
    status = dnnl_engine_create(&made->engine, dnnl_cpu, 0);
  if (status == dnnl_success && !dnn_attributes_make(&attributes))
    status = dnnl_out_of_memory;
  for (size_t i = 0; status == dnnl_success && i < KERNEL_DENSE_PRODUCTS; i++)
  {
    struct product product = product_of(dense, (enum kernel_dense_product) i);
    status = make_step(&made->steps[i], made->engine, &product, attributes);
    if (made->steps[i].scratch > scratch)
      scratch = made->steps[i].scratch;
  }
  if (attributes)
    (void) dnnl_primitive_attr_destroy(attributes);
  if (status == dnnl_success)
  {
    dense->onednn = made;
    dense->scratch_bytes = kernel_align(scratch);
    return ERR_OK;
  }
  kernel_dense_bf16_onednn_free(made);
  return status == dnnl_out_of_memory
           ? err_set(info, ERR_MEMORY, "out of memory for a product of matrices")
           : ERR_OK;
}

void
kernel_dense_bf16_onednn_free(struct kernel_dense_onednn *onednn)
{
  if (!onednn)
    return;
  for (size_t i = 0; i < KERNEL_DENSE_PRODUCTS; i++)
    dnn_step_free(&onednn->steps[i]);
  if (onednn->engine)
    (void) dnnl_engine_destroy(onednn->engine);
  free(onednn);
}

bool
kernel_dense_bf16_onednn_run(const struct kernel_dense_onednn *onednn,
                             enum kernel_dense_product product, const void *left, const void *right,
                             void *result, void *scratch)
{
  struct dnn_operand operands[] = {
    {DNNL_ARG_SRC, left}, {DNNL_ARG_WEIGHTS, right}, {DNNL_ARG_DST, result}};

  return dnn_step_run(&onednn->steps[product], onednn->engine, 3, operands, scratch);
}

#else

enum err
kernel_dense_bf16_use_onednn(struct kernel_dense_bf16 *dense, struct err_info *info)
{
  (void) dense;
  (void) info;
  return ERR_OK;
}

void
kernel_dense_bf16_onednn_free(struct kernel_dense_onednn *onednn)
{
  (void) onednn;
}

bool
kernel_dense_bf16_onednn_run(const struct kernel_dense_onednn *onednn,
                             enum kernel_dense_product product, const void *left, const void *right,
                             void *result, void *scratch)
{
  (void) onednn, (void) product, (void) left, (void) right, (void) result, (void) scratch;
  return false;
}

#endif
