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

bool
json_scan_number(const char **at, const char *end, double *value)
{
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
    next = take_digits(next, end, &digits);
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
