#include <config.h>

#include "server/http_auth_memo.h"

#include <stdatomic.h>
#include <string.h>

#define MEMOS 8
#define WORDS 12 /* "Bearer " and a key, rounded up */

struct memo
{
  uint64_t generation; /* 0 = empty */
  double until_s;
  uint64_t header[WORDS]; /* zeros behind the text */
  struct http_identity identity;
};

static _Thread_local struct memo memos[MEMOS];

uint64_t
http_auth_memo_generation(void)
{
  static atomic_uint_fast64_t made;
  return (atomic_fetch_add(&made, 1) + 1) << 40;
}

/* Where the header's note would be; false when it is too long for one. The place depends on the key's public id. */
static bool
place_of(const char *header, uint64_t words[WORDS], struct memo **place)
{
  size_t length = strnlen(header, WORDS * sizeof *words);
  if (length == 0 || length == WORDS * sizeof *words)
    return false;
  memset(words, 0, WORDS * sizeof *words);
  memcpy(words, header, length);
  *place = &memos[((words[1] ^ words[2]) * 0x9e3779b97f4a7c15u) >> 61];
  return true;
}

_Static_assert(MEMOS == 8, "a place is a number of three bits");

bool
http_auth_memo_find(uint64_t generation, const char *header, double now_s,
                    struct http_identity *identity)
{
  uint64_t words[WORDS], differ = 0;
  struct memo *memo;
  if (!place_of(header, words, &memo) || memo->generation != generation || now_s >= memo->until_s)
    return false;
  for (size_t i = 0; i < WORDS; i++)
    differ |= words[i] ^ memo->header[i];
  if (differ)
    return false;
  *identity = memo->identity;
  return true;
}

void
http_auth_memo_keep(uint64_t generation, const char *header, double until_s,
                    const struct http_identity *identity)
{
  uint64_t words[WORDS];
  struct memo *memo;
  if (!place_of(header, words, &memo))
    return;
  memo->generation = generation;
  memo->until_s = until_s;
  memcpy(memo->header, words, sizeof words);
  memo->identity = *identity;
}
