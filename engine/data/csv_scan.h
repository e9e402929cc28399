/* Private to csv.c: fast looks at bytes, eight at a time. Pure; any thread.
 */
#ifndef ATTUNE_DATA_CSV_SCAN_H
#define ATTUNE_DATA_CSV_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The byte in each of eight places. */
static inline uint64_t
csv_repeat(char byte)
{
  return 0x0101010101010101u * (unsigned char) byte;
}

/* The high bit of each byte of `word` that equals the byte repeated in `pattern`; no borrow from
 * byte to byte, so every hit is one. */
static inline uint64_t
csv_equal_bytes(uint64_t word, uint64_t pattern)
{
  uint64_t difference = word ^ pattern;
  uint64_t low = 0x7F7F7F7F7F7F7F7Fu;
  return ~(((difference & low) + low) | difference | low);
}

/* True if some byte is NUL or over 127. */
bool csv_has_special(const char *bytes, size_t length);

/* Position of the first byte that is `a` or `b`, from `i` on, or `size`. */
size_t csv_find_break(const char *at, size_t i, size_t size, char a, char b);

/* How often a byte occurs. */
size_t csv_count(const char *at, size_t length, char wanted);

/* Position of the quote that ends the field whose text starts at `i`, or `size`. */
size_t csv_find_closing(const char *at, size_t i, size_t size);

/* Doubled quotes become one, in place; returns the new length. */
size_t csv_unescape(char *text, size_t length);

#endif
