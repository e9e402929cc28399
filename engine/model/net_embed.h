/* Periodic embedding of numbers: an input v becomes three learned waves, and stays beside them.
 *
 * Per embedded input, with NET_EMBED_WAVES frequencies f and phases p (radians): c_k = cos (2π f_k v + p_k),
 * y_j = Σ_k m_jk c_k + s_j for j = 0 … 2, y_3 = v (after Gorishniy, Rubachev, Babenko 2022; the joined v and
 * the cosine with a phase are RealMLP's). The weights of all embedded inputs lie in one array: all f
 * (embedded, 16), all p (embedded, 16), all m (embedded, 3, 16), all s (embedded, 3). Pure; any thread.
 */
#ifndef ATTUNE_MODEL_NET_EMBED_H
#define ATTUNE_MODEL_NET_EMBED_H

#include <stddef.h>
#include <stdint.h>

#define NET_EMBED_WAVES 16
#define NET_EMBED_MIXED 3
#define NET_EMBED_OUT (NET_EMBED_MIXED + 1)
/* A table of more numbers than this is not embedded: waves would be most of the work. */
#define NET_EMBED_MOST 256

/* Floats of the weights. */
size_t net_embed_params(size_t embedded);

/* f normal with standard deviation sigma, p uniform in ±π, m and s uniform in ±1/4. */
void net_embed_init(size_t embedded, float sigma, uint64_t seed, float *w);

/* y (n, 4·embedded + inputs − embedded) ← x (n, inputs): the embedded columns order[0 … embedded−1], then the
 * other ones of `order` as they are. */
void net_embed_forward(size_t n, size_t inputs, size_t embedded, const uint32_t *order,
                       const float *w, const float *x, float *y);

/* g ← the weights' gradients, from d (n, 4·embedded) = ∂L/∂y of the embedded columns. */
void net_embed_backward(size_t n, size_t inputs, size_t embedded, const uint32_t *order,
                        const float *w, const float *x, const float *d, float *g);

#endif
