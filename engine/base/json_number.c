#include <config.h>

#include "base/json_number.h"

#include <float.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

#define DIGITS_MAX 19 /* that fit 64 bits for certain */
#define POWER_MAX 22  /* the greatest power of ten that is a double without rounding */
#define EXPONENT_MAX 100000

static const double powers_of_ten[POWER_MAX + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                    1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                    1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#if LDBL_MANT_DIG == 64 && defined __x86_64__
#define LONG_POWER_MAX 27 /* the same for 64-bit significands */

static const long double long_powers_of_ten[LONG_POWER_MAX + 1] = {
  1e0L,  1e1L,  1e2L,  1e3L,  1e4L,  1e5L,  1e6L,  1e7L,  1e8L,  1e9L,  1e10L, 1e11L, 1e12L, 1e13L,
  1e14L, 1e15L, 1e16L, 1e17L, 1e18L, 1e19L, 1e20L, 1e21L, 1e22L, 1e23L, 1e24L, 1e25L, 1e26L, 1e27L};

/* digits·10^power within half a unit of the 64th bit, which settles the 53rd unless the bits below it are next to one
 * half. False then, and for greater powers. */
static bool
multiply_long(uint64_t digits, int power, double *size)
{
  uint64_t significand;
  if (digits == 0 || power < -LONG_POWER_MAX || power > LONG_POWER_MAX)
    return false;
  long double product = power < 0 ? (long double) digits / long_powers_of_ten[-power]
                                  : (long double) digits * long_powers_of_ten[power];
  memcpy(&significand, &product, sizeof significand);
  if ((significand & 0x7FF) >= 0x3FE && (significand & 0x7FF) <= 0x402)
    return false;
  *size = (double) product;
  return true;
}
#else
static bool
multiply_long(uint64_t digits, int power, double *size)
{
  (void) digits;
  (void) power;
  (void) size;
  return false;
}
#endif

/* Appends the digits at `at` to *digits (which wraps round when there are too many); where they end. */
static const char *
take_digits(const char *at, const char *end, uint64_t *digits)
{
  uint64_t value = *digits;
  for (unsigned digit; at < end && (digit = (unsigned char) *at - (unsigned) '0') < 10; at++)
    value = value * 10 + digit;
  *digits = value;
  return at;
}

#if defined __BYTE_ORDER__ && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The value of eight digits, 0 to 9 each, the first one in the lowest byte: pairs, then fours, then all. */
static uint64_t
add_eight(uint64_t digits)
{
  digits = digits * 10 + (digits >> 8);
  return ((digits & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x000F424000000064)
          + ((digits >> 16 & UINT64_C(0x000000FF000000FF)) * UINT64_C(0x0000271000000001)))
         >> 32;
}

/* The same as take_digits, eight at a time: faster from about four digits on, as there are behind a point. */
static const char *
take_many_digits(const char *at, const char *end, uint64_t *digits)
{
  static const uint64_t powers[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000, 100000000};

  while (end - at >= 8)
  {
    uint64_t eight;
    memcpy(&eight, at, sizeof eight);
    eight ^= UINT64_C(0x3030303030303030);
    /* the lowest byte that is above 9; a carry only goes on from such a one */
    uint64_t others =
      ((eight + UINT64_C(0x7676767676767676)) | eight) & UINT64_C(0x8080808080808080);
    unsigned count = others ? (unsigned) __builtin_ctzll(others) / 8 : 8;
    if (count == 0)
      return at;
    *digits = *digits * powers[count] + add_eight(eight << (64 - 8 * count));
    at += count;
    if (count < 8)
      return at;
  }
  return take_digits(at, end, digits);
}
#else
#define take_many_digits take_digits
#endif

/* The exponent behind an 'e'; NULL when it has no digits. */
static const char *
take_exponent(const char *at, const char *end, int *exponent)
{
  bool negative = at < end && *at == '-';
  int value = 0;
  if (at < end && (*at == '-' || *at == '+'))
    at++;
  const char *first = at;
  for (; at < end && *at >= '0' && *at <= '9'; at++)
    if (value < EXPONENT_MAX)
      value = value * 10 + (*at - '0');
  *exponent = negative ? -value : value;
  return at > first ? at : NULL;
}

#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
/* The number that eight digits (bytes from 0 to 9, the first one lowest) make: pairs, fours, and the whole. */
static uint64_t
join_digits(uint64_t bytes)
{
  bytes = (bytes * 2561) >> 8;
  bytes = ((bytes & UINT64_C(0x00FF00FF00FF00FF)) * 6553601) >> 16;
  return ((bytes & UINT64_C(0x0000FFFF0000FFFF)) * UINT64_C(42949672960001)) >> 32;
}

/* One digit, a point, and one to seven more with something else behind: the most common number, read without a branch
 * that depends on how many digits it has. The same operation as for any other number of few digits. */
static bool
scan_short(const char **at, const char *end, double *value)
{
  static const uint32_t power[] = {1, 10, 100, 1000, 10000, 100000, 1000000, 10000000};
  const char *first = *at;
  uint64_t bytes;
  if (end - first < 11)
    return false;
  bool negative = *first == '-';
  first += negative;
  unsigned whole = (unsigned char) *first - (unsigned) '0';
  if (whole > 9 || first[1] != '.')
    return false;
  memcpy(&bytes, first + 2, sizeof bytes);
  bytes ^= UINT64_C(0x3030303030303030);
  /* the lowest high bit that is set belongs to the first byte that is no digit */
  uint64_t other = ((bytes + UINT64_C(0x7676767676767676)) | bytes) & UINT64_C(0x8080808080808080);
  unsigned count = other != 0 ? (unsigned) __builtin_ctzll(other) / 8 : 8;
  if (count == 0 || count == 8 || (first[2 + count] | 0x20) == 'e')
    return false;
  double size =
    (double) (whole * power[count] + join_digits(bytes << (64 - 8 * count))) / powers_of_ten[count];
  *value = negative ? -size : size;
  *at = first + 2 + count;
  return true;
}
#else
static bool
scan_short(const char **at, const char *end, double *value)
{
  (void) at;
  (void) end;
  (void) value;
  return false;
}
#endif

bool
json_scan_number(const char **at, const char *end, double *value)
{
  if (scan_short(at, end, value))
    return true;
  const char *start = *at, *first = start, *next;
  uint64_t digits = 0;
  int power = 0;
  long count;
  bool negative = first < end && *first == '-', whole = true;
  first += negative;
  next = take_digits(first, end, &digits);
  if (next == first || (*first == '0' && next - first > 1))
    return false;
  count = next - first;
  if (next < end && *next == '.')
  {
    const char *point = next++;
    next = take_many_digits(next, end, &digits);
    if (next - point < 2)
      return false;
    count += next - point - 1;
    power = next - point - 1 > EXPONENT_MAX ? -EXPONENT_MAX : -(int) (next - point - 1);
    whole = false;
  }
  if (next < end && (*next == 'e' || *next == 'E'))
  {
    int exponent;
    next = take_exponent(next + 1, end, &exponent);
    if (next == NULL)
      return false;
    power += exponent;
    whole = false;
  }
  if (whole && negative && *first == '0')
    return false;
  double size;
  /* digits and power of ten are doubles without rounding: the one operation is the only rounding (Clinger
   * 1990) */
  if (count <= DIGITS_MAX && digits < UINT64_C(1) << 53 && power >= -POWER_MAX
      && power <= POWER_MAX)
  {
    size =
      power < 0 ? (double) digits / powers_of_ten[-power] : (double) digits * powers_of_ten[power];
    *value = negative ? -size : size;
  }
  else if (count <= DIGITS_MAX && multiply_long(digits, power, &size))
    *value = negative ? -size : size;
  else if (!text_parse_double(start, (size_t) (next - start), false, value))
    return false;
  *at = next;
  return true;
}
