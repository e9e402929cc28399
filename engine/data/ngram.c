#include <config.h>

#include "data/ngram.h"

#include <stdbool.h>
#include <string.h>

#define NGRAM_K 0x9E3779B97F4A7C15u
#define STRANGE 0xFFFDu

/* One more character to the hash of those before it. */
static uint64_t
extend(uint64_t hash, uint32_t c)
{
  hash = (hash + c + 1) * NGRAM_K;
  return hash ^ (hash >> 29);
}

/* The character at *at, which moves on; STRANGE for a byte that starts none. */
static uint32_t
next_character(const unsigned char *text, size_t length, size_t *at)
{
  static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
  uint32_t first = text[*at], c;
  size_t more = first < 0x80             ? 0
                : (first & 0xE0) == 0xC0 ? 1
                : (first & 0xF0) == 0xE0 ? 2
                : (first & 0xF8) == 0xF0 ? 3
                                         : 4;
  ++*at;
  if (more == 0)
    return first;
  if (more == 4 || more > length - *at)
    return STRANGE;
  c = first & (0x3Fu >> more);
  for (size_t i = 0; i < more; i++)
  {
    if ((text[*at + i] & 0xC0) != 0x80)
      return STRANGE;
    c = c << 6 | (text[*at + i] & 0x3Fu);
  }
  if (c < least[more] || c > 0x10FFFF || (c >= 0xD800 && c < 0xE000))
    return STRANGE;
  *at += more;
  return c;
}

static bool
is_blank(uint32_t c)
{
  return c == ' ' || (c >= 0x09 && c <= 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680
         || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F
         || c == 0x3000 || c == 0;
}

static bool
is_mark(uint32_t c)
{
  return (c >= 0x21 && c <= 0x2F) || (c >= 0x3A && c <= 0x40) || (c >= 0x5B && c <= 0x60)
         || (c >= 0x7B && c <= 0x7E)
         || (c >= 0xA1 && c <= 0xBF && c != 0xAA && c != 0xB5 && c != 0xBA)
         || (c >= 0x2010 && c <= 0x206F) || (c >= 0x3001 && c <= 0x3003)
         || (c >= 0x3008 && c <= 0x3011) || (c >= 0xFF01 && c <= 0xFF0F);
}

/* Small letter of a capital by the ranges of the alphabets that have them; no locale. */
static uint32_t
to_lower(uint32_t c)
{
  if (c < 0x80)
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
  if ((c >= 0xC0 && c <= 0xDE && c != 0xD7) || (c >= 0x391 && c <= 0x3AB && c != 0x3A2)
      || (c >= 0x410 && c <= 0x42F) || (c >= 0xFF21 && c <= 0xFF3A))
    return c + 32;
  if (c >= 0x400 && c <= 0x40F)
    return c + 80;
  if (c >= 0x531 && c <= 0x556)
    return c + 48;
  /* Pairs: the capital has the even number, in two stretches the odd one. */
  if ((c >= 0x139 && c <= 0x147) || (c >= 0x179 && c <= 0x17D))
    return c + (c & 1);
  if ((c >= 0x100 && c <= 0x12E) || (c >= 0x132 && c <= 0x136) || (c >= 0x14A && c <= 0x176)
      || (c >= 0x460 && c <= 0x480) || (c >= 0x48A && c <= 0x4BE) || (c >= 0x4D0 && c <= 0x52E)
      || (c >= 0x1E00 && c <= 0x1E94) || (c >= 0x1EA0 && c <= 0x1EFE))
    return c + !(c & 1);
  return c;
}

/* A scan under way. */
struct scan
{
  struct ngram_scratch *scratch;
  unsigned shift; /* 64 − bits */
  uint32_t mask;  /* slots in use − 1 */
  size_t count;
  uint64_t hash[NGRAM_MOST]; /* [n − 1]: of the last n characters of the word */
  size_t depth;              /* how many of them there are */
};

static void
add(struct scan *scan, uint64_t hash)
{
  uint32_t bucket = (uint32_t) (hash >> scan->shift);
  uint32_t slot = (bucket * 0x9E3779B1u >> 15) & scan->mask, *slots = scan->scratch->slots;
  while (slots[slot] != 0 && slots[slot] >> 15 != bucket)
    slot = (slot + 1) & scan->mask;
  if (slots[slot] == 0)
    scan->scratch->used[scan->count++] = (uint16_t) slot;
  slots[slot] = bucket << 15 | ((slots[slot] & 0x7FFFu) + 1);
}

/* The n-grams that end with this character. */
static void
put(struct scan *scan, uint32_t c)
{
  for (size_t n = NGRAM_MOST; n > 1; n--)
    scan->hash[n - 1] = extend(scan->hash[n - 2], c);
  scan->hash[0] = extend(0, c);
  scan->depth += scan->depth < NGRAM_MOST;
  for (size_t n = NGRAM_LEAST; n <= scan->depth; n++)
    add(scan, scan->hash[n - 1]);
}

static void
scan_start(struct scan *scan, struct ngram_scratch *scratch, size_t length, unsigned bits)
{
  size_t most = (length < NGRAM_MAX_CHARACTERS ? length + 2 : NGRAM_MAX_CHARACTERS) * 8, slots = 64;
  while (slots < most && slots < NGRAM_SLOTS)
    slots *= 2;
  *scan = (struct scan){.scratch = scratch, .shift = 64 - bits, .mask = (uint32_t) (slots - 1)};
  memset(scratch->slots, 0, slots * sizeof scratch->slots[0]);
}

static size_t
scan_end(struct scan *scan)
{
  struct ngram_scratch *scratch = scan->scratch;
  for (size_t i = 0; i < scan->count; i++)
  {
    uint32_t slot = scratch->slots[scratch->used[i]];
    scratch->grams[i] = (struct ngram){(uint16_t) (slot >> 15), (uint16_t) (slot & 0x7FFFu)};
  }
  return scan->count;
}

size_t
ngram_scan(const char *text, size_t length, unsigned bits, struct ngram_scratch *scratch,
           struct ngram_look *look)
{
  struct scan scan;
  struct ngram_look seen = {0};
  bool inside = false;
  /* A word's last blank ends n-grams, too, so the words count as characters. */
  scan_start(&scan, scratch, length, bits);
  for (size_t at = 0; at < length && seen.characters + seen.words < NGRAM_MAX_CHARACTERS - 1;)
  {
    uint32_t c = next_character((const unsigned char *) text, length, &at);
    if (is_blank(c))
    {
      if (inside)
        put(&scan, ' ');
      inside = false;
      continue;
    }
    if (!inside)
    {
      seen.words++;
      scan.depth = 0;
      put(&scan, ' ');
      inside = true;
    }
    uint32_t small = to_lower(c);
    seen.characters++;
    seen.digits += c >= '0' && c <= '9';
    seen.capitals += small != c;
    seen.marks += is_mark(c);
    put(&scan, small);
  }
  if (inside)
    put(&scan, ' ');
  if (look != NULL)
    *look = seen;
  return scan_end(&scan);
}
