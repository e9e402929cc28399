/* The products of a net's layers in bf16 while it trains: weights, sums, activations and the optimizer stay fp32,
 * what is multiplied is rounded. Layers too narrow to gain by it stay fp32 ones. One thread; no allocation after
 * it is made.
 */
#ifndef ATTUNE_MODEL_NET_BF16_H
#define ATTUNE_MODEL_NET_BF16_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/net.h"

/* For batches of exactly `rows`; without the first layer if its inputs are not to be rounded. *bf16 is NULL when no
 * layer gains by it. ERR_MEMORY, or what the kernel says. */
enum err net_bf16_new(const struct net *net, size_t rows, bool first, struct net_bf16 **bf16,
                      struct err_info *info);
void net_bf16_free(struct net_bf16 *bf16); /* NULL is ignored */

bool net_bf16_has(const struct net_bf16 *bf16, size_t layer);

/* The products of one layer, in this order: z (rows, out) = x · w; g (in, out) = xᵀ · d; dx (rows, in) = d · wᵀ,
 * of the same x, w and d. False if the library refuses. */
bool net_bf16_forward(struct net_bf16 *bf16, size_t layer, const float *x, const float *w,
                      float *z);
bool net_bf16_weights(struct net_bf16 *bf16, size_t layer, const float *d, float *g);
bool net_bf16_inputs(struct net_bf16 *bf16, size_t layer, float *dx);

#endif
