#include <config.h>

#include "base/sha256.h"

#include <sodium.h>

#include "base/rng.h"
#include "tests/harness/test_support.h"

#define LENGTH_MAX 400

/* The examples of FIPS 180-4's authors: "abc", and a million times "a". */
static void
known_digests(void **state)
{
  static const uint8_t abc[SHA256_BYTES] = {
    0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea, 0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
    0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c, 0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad};
  static const uint8_t million[SHA256_BYTES] = {
    0xcd, 0xc7, 0x6e, 0x5c, 0x99, 0x14, 0xfb, 0x92, 0x81, 0xa1, 0xc7, 0xe2, 0x84, 0xd7, 0x3e, 0x67,
    0xf1, 0x80, 0x9a, 0x48, 0xa4, 0x97, 0x20, 0x0e, 0x04, 0x6d, 0x39, 0xcc, 0xc7, 0x11, 0x2c, 0xd0};
  uint8_t digest[SHA256_BYTES];
  struct sha256 *sha = sha256_new();

  (void) state;
  assert_non_null(sha);
  sha256_update(sha, "abc", 3);
  sha256_end(sha, digest);
  assert_memory_equal(digest, abc, sizeof abc);
  sha = sha256_new();
  assert_non_null(sha);
  for (int i = 0; i < 100000; i++)
    sha256_update(sha, "aaaaaaaaaa", 10);
  sha256_end(sha, digest);
  assert_memory_equal(digest, million, sizeof million);
  sha256_end(sha256_new(), NULL);
  sha256_end(NULL, digest);
}

/* Every length, in one piece and in random ones, against libsodium. */
static void
same_as_libsodium(void **state)
{
  uint8_t bytes[LENGTH_MAX], digest[SHA256_BYTES], wanted[SHA256_BYTES];
  struct rng rng;

  (void) state;
  rng_init(&rng, 1, 1);
  for (size_t i = 0; i < sizeof bytes; i++)
    bytes[i] = (uint8_t) rng_below(&rng, 256);
  for (size_t length = 0; length <= LENGTH_MAX; length++)
  {
    crypto_hash_sha256(wanted, bytes, length);
    sha256_of(bytes, length, digest);
    assert_memory_equal(digest, wanted, sizeof wanted);
    for (int way = 0; way < 3; way++)
    {
      struct sha256 *sha = sha256_new();
      assert_non_null(sha);
      for (size_t at = 0; at < length;)
      {
        size_t part = way == 0 ? length : (size_t) rng_below(&rng, way == 1 ? 20 : 200);
        part = part < length - at ? part : length - at;
        sha256_update(sha, bytes + at, part);
        at += part;
      }
      sha256_end(sha, digest);
      assert_memory_equal(digest, wanted, sizeof wanted);
    }
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(known_digests),
    cmocka_unit_test(same_as_libsodium),
  };
  return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
