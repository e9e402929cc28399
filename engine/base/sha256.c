#include <config.h>

#include "base/sha256.h"

#include <gnutls/crypto.h>
#include <sodium.h>
#include <stdlib.h>

struct sha256
{
  gnutls_hash_hd_t handle;
};

struct sha256 *
sha256_new(void)
{
  struct sha256 *sha = malloc(sizeof *sha);
  if (sha != NULL && gnutls_hash_init(&sha->handle, GNUTLS_DIG_SHA256) != 0)
  {
    free(sha);
    return NULL;
  }
  return sha;
}

void
sha256_update(struct sha256 *sha, const void *bytes, size_t length)
{
  /* It can't fail: the algorithm is there, or sha256_new would have said so. */
  (void) gnutls_hash(sha->handle, bytes, length);
}

void
sha256_end(struct sha256 *sha, uint8_t digest[SHA256_BYTES])
{
  if (sha == NULL)
    return;
  gnutls_hash_deinit(sha->handle, digest);
  free(sha);
}

void
sha256_of(const void *bytes, size_t length, uint8_t digest[SHA256_BYTES])
{
  /* GnuTLS may lack the memory for it. */
  if (gnutls_hash_fast(GNUTLS_DIG_SHA256, bytes, length, digest) != 0)
    crypto_hash_sha256(digest, bytes, length);
}
