/* SHA-256 (FIPS 180-4) of data that comes in pieces, through GnuTLS, which uses the processor's own instructions: some
 * seven times faster than libsodium's, which counts for datasets and models of hundreds of megabytes. For digests of short
 * data crypto_hash_sha256 does as well and gives the same. One thread at a time.
 */
#ifndef ATTUNE_BASE_SHA256_H
#define ATTUNE_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u

struct sha256;

/* NULL when out of memory. */
struct sha256 *sha256_new(void);
void sha256_update(struct sha256 *sha, const void *bytes, size_t length);
/* Ends and frees it. digest gets that of all that was put in; it may be NULL, and so may sha. */
void sha256_end(struct sha256 *sha, uint8_t digest[SHA256_BYTES]);

/* Of data that is there as a whole. From any thread. */
void sha256_of(const void *bytes, size_t length, uint8_t digest[SHA256_BYTES]);

#endif
