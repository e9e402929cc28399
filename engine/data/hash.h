/* 64-bit hashing of bytes: for distinct counts, dictionaries and the grouping of equal rows.
 *
 * Multiply-and-fold over 128-bit products; every input bit reaches every output bit. Stateless, any
 * thread. Equal on every machine. Not for secrets, and not proof against chosen collisions: callers
 * that must be exact compare the bytes, too.
 */
#ifndef ATTUNE_DATA_HASH_H
#define ATTUNE_DATA_HASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t hash_bytes(const void *bytes, size_t length, uint64_t seed);

/* One number mixed into a running hash. Not commutative. */
uint64_t hash_mix(uint64_t hash, uint64_t value);

#endif
