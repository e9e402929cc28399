/* Counts distinct values by their 64-bit hashes, in bounded memory.
 *
 * Exact (but for hash collisions) up to `limit` values, kept in an open-addressed set; beyond, or
 * after distinct_forget, an estimate by HyperLogLog with 4096 registers (standard error 1.6%;
 * Flajolet et al. 2007). Owns its memory. One thread.
 */
#ifndef ATTUNE_DATA_DISTINCT_H
#define ATTUNE_DATA_DISTINCT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISTINCT_EXACT_LIMIT 65536

struct distinct;

struct distinct *distinct_new(size_t limit);
void distinct_free(struct distinct *distinct);

/* True when the value is certainly new; false when it was seen, or when exactness is over. */
bool distinct_add(struct distinct *distinct, uint64_t hash);

size_t distinct_count(const struct distinct *distinct);
bool distinct_is_exact(const struct distinct *distinct);

/* Bytes held by the exact set; and giving them up (the estimate goes on). */
size_t distinct_bytes(const struct distinct *distinct);
void distinct_forget(struct distinct *distinct);

#endif
