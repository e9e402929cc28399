#include <config.h>

#include "data/csv_scan.h"

#include <string.h>

bool
csv_has_special(const char *bytes, size_t length)
{
  uint64_t high = 0;
  size_t at = 0;
  for (; at + 8 <= length; at += 8)
  {
    uint64_t word;
    memcpy(&word, bytes + at, sizeof word);
    high |= word;
  }
  for (; at < length; at++)
    high |= (unsigned char) bytes[at];
  return (high & 0x8080808080808080u) != 0 || memchr(bytes, '\0', length) != NULL;
}

size_t
csv_find_break(const char *at, size_t i, size_t size, char a, char b)
{
  uint64_t first = csv_repeat(a), second = csv_repeat(b);
  for (; i + 8 <= size; i += 8)
  {
    uint64_t word;
    memcpy(&word, at + i, sizeof word);
    uint64_t hits = csv_equal_bytes(word, first) | csv_equal_bytes(word, second);
    if (hits != 0)
      return i + (size_t) __builtin_ctzll(hits) / 8;
  }
  while (i < size && at[i] != a && at[i] != b)
    i++;
  return i;
}

size_t
csv_count(const char *at, size_t length, char wanted)
{
  size_t count = 0;
  const char *end = at + length;
  while ((at = memchr(at, wanted, (size_t) (end - at))) != NULL)
  {
    count++;
    at++;
  }
  return count;
}

size_t
csv_find_closing(const char *at, size_t i, size_t size)
{
  while (i < size)
  {
    const char *quote = memchr(at + i, '"', size - i);
    if (quote == NULL)
      return size;
    i = (size_t) (quote - at);
    if (i + 1 >= size || at[i + 1] != '"')
      return i;
    i += 2;
  }
  return size;
}

size_t
csv_unescape(char *text, size_t length)
{
  const char *first = memchr(text, '"', length);
  if (first == NULL)
    return length;
  size_t in = (size_t) (first - text), out = in;
  for (; in < length; in++)
  {
    text[out++] = text[in];
    if (text[in] == '"')
      in++;
  }
  return out;
}
