#include <config.h>

#include "data/hash.h"

#include <string.h>

__extension__ typedef unsigned __int128 wide;

#define HASH_K0 0x9E3779B97F4A7C15u
#define HASH_K1 0xD1B54A32D192ED03u
#define HASH_K2 0x8CB92BA72F3D8DD7u

static uint64_t
fold(uint64_t a, uint64_t b)
{
  wide product = (wide) a * b;
  return (uint64_t) product ^ (uint64_t) (product >> 64);
}

static uint64_t
read_u64(const unsigned char *bytes)
{
  uint64_t value;
  memcpy(&value, bytes, sizeof value);
  return value;
}

uint64_t
hash_mix(uint64_t hash, uint64_t value)
{
  /* One product of values in a row is a lattice; the second breaks it. */
  return fold(fold(hash ^ HASH_K1, value ^ HASH_K2) + HASH_K0, HASH_K1);
}

uint64_t
hash_bytes(const void *bytes, size_t length, uint64_t seed)
{
  const unsigned char *at = bytes;
  uint64_t hash = seed ^ HASH_K0;
  size_t left = length;
  while (left >= 16)
  {
    hash = fold(hash ^ read_u64(at), read_u64(at + 8) ^ HASH_K1) + HASH_K2;
    at += 16;
    left -= 16;
  }
  uint64_t a = 0, b = 0;
  if (left > 8)
  {
    a = read_u64(at);
    memcpy(&b, at + 8, left - 8);
  }
  else if (left > 0)
    memcpy(&a, at, left);
  hash = fold(hash ^ a, b ^ HASH_K1);
  return fold(hash ^ HASH_K2, (uint64_t) length ^ HASH_K0);
}
