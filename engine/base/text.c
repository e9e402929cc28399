#include <config.h>

#include "base/text.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Bytes of the well-formed character at `at` (Unicode's table 3-7), or 0. */
static size_t
utf8_length(const unsigned char *at, size_t room)
{
  unsigned char lead = at[0];
  if (lead < 0x80)
    return 1;
  if (lead < 0xC2 || lead > 0xF4)
    return 0;
  size_t want = lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : 4;
  if (room < want)
    return 0;
  unsigned char least = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
  unsigned char most = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
  if (at[1] < least || at[1] > most)
    return 0;
  for (size_t i = 2; i < want; i++)
    if ((at[i] & 0xC0) != 0x80)
      return 0;
  return want;
}

bool
text_utf8_valid(const void *bytes, size_t length, size_t *bad_offset)
{
  const unsigned char *text = bytes;
  size_t i = 0;
  while (i < length)
  {
    /* most text is ASCII: eight bytes at a time */
    uint64_t eight;
    while (length - i >= sizeof eight)
    {
      memcpy(&eight, text + i, sizeof eight);
      if (eight & UINT64_C(0x8080808080808080))
        break;
      i += sizeof eight;
    }
    if (i == length)
      break;
    size_t step = utf8_length(text + i, length - i);
    if (step == 0)
    {
      if (bad_offset)
        *bad_offset = i;
      return false;
    }
    i += step;
  }
  return true;
}

size_t
text_utf8_cut(const char *bytes, size_t length, size_t limit)
{
  if (length <= limit)
    return length;
  size_t cut = limit;
  while (cut > 0 && ((unsigned char) bytes[cut] & 0xC0) == 0x80)
    cut--;
  return cut;
}

/* The places of a decimal number's parts. */
struct decimal
{
  bool negative;
  bool any_digit;   /* the digits hold at least one */
  size_t length;    /* bytes read */
  int64_t exponent; /* as written after the 'e', clamped */
};

static bool
is_digit(char c)
{
  return c >= '0' && c <= '9';
}

static bool
scan_decimal(const char *text, size_t length, struct decimal *out)
{
  *out = (struct decimal){0};
  size_t i = 0;
  if (i < length && (text[i] == '-' || text[i] == '+'))
    out->negative = text[i++] == '-';
  for (; i < length && is_digit(text[i]); i++)
    out->any_digit = true;
  if (i < length && text[i] == '.')
    for (i++; i < length && is_digit(text[i]); i++)
      out->any_digit = true;
  if (!out->any_digit)
    return false;
  if (i < length && (text[i] == 'e' || text[i] == 'E'))
  {
    bool negative = false, digits = false;
    i++;
    if (i < length && (text[i] == '-' || text[i] == '+'))
      negative = text[i++] == '-';
    for (; i < length && is_digit(text[i]); i++)
    {
      digits = true;
      if (out->exponent < 100000000)
        out->exponent = out->exponent * 10 + (text[i] - '0');
    }
    if (!digits)
      return false;
    if (negative)
      out->exponent = -out->exponent;
  }
  out->length = i;
  return i == length;
}

/* Up to 19 significant digits as a whole number; *scale is the power of ten it is to be taken
 * times. False when digits were left out, so that the number is not exact. */
static bool
gather_digits(const char *text, size_t length, uint64_t *digits, int64_t *scale)
{
  uint64_t value = 0;
  int64_t power = 0;
  int count = 0;
  bool fraction = false, exact = true;
  for (size_t i = 0; i < length && text[i] != 'e' && text[i] != 'E'; i++)
  {
    if (text[i] == '.')
      fraction = true;
    if (!is_digit(text[i]))
      continue;
    if (count < 19)
    {
      value = value * 10 + (uint64_t) (text[i] - '0');
      count += value > 0;
      power -= fraction;
    }
    else
    {
      exact = exact && text[i] == '0';
      power += !fraction;
    }
  }
  *digits = value;
  *scale = power;
  return exact;
}

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* strtod, but with the decimal point of whatever locale rules put back in. */
static double
parse_by_library(const char *text, size_t length)
{
  char small[128];
  char *copy = length < sizeof small - 8 ? small : malloc(length + 9);
  if (!copy)
    return NAN;
  char point[8];
  snprintf(point, sizeof point, "%.1f", 0.5);
  size_t point_length = strlen(point) - 2; /* "0" point "5" */
  size_t out = 0;
  for (size_t i = 0; i < length; i++)
    if (text[i] == '.')
    {
      memcpy(copy + out, point + 1, point_length);
      out += point_length;
    }
    else
      copy[out++] = text[i];
  copy[out] = '\0';
  double value = strtod(copy, NULL);
  if (copy != small)
    free(copy);
  return value;
}

static bool
parse_special(const char *text, size_t length, double *value)
{
  bool negative = length > 0 && text[0] == '-';
  size_t start = length > 0 && (text[0] == '-' || text[0] == '+') ? 1 : 0;
  size_t rest = length - start;
  if (rest == 3 && strncasecmp(text + start, "nan", 3) == 0)
    *value = NAN;
  else if ((rest == 3 && strncasecmp(text + start, "inf", 3) == 0)
           || (rest == 8 && strncasecmp(text + start, "infinity", 8) == 0))
    *value = negative ? -INFINITY : INFINITY;
  else
    return false;
  return true;
}

/* The same with 64-bit significands, where the machine has them: within half a unit of the 64th bit,
 * which settles the 53rd unless the bits below it are next to one half. */
static bool
parse_extended(uint64_t digits, int64_t power, double *value)
{
#if LDBL_MANT_DIG == 64
  if (power < -27 || power > 27)
    return false;
  long double ten = 1.0L;
  for (int64_t i = power < 0 ? -power : power; i > 0; i--)
    ten *= 10.0L;
  long double result = power < 0 ? (long double) digits / ten : (long double) digits * ten;
  int exponent;
  uint64_t bits = (uint64_t) ldexpl(frexpl(result, &exponent), 64);
  if ((bits & 0x7FF) >= 0x3FE && (bits & 0x7FF) <= 0x402)
    return false;
  *value = (double) result;
  return true;
#else
  (void) digits;
  (void) power;
  (void) value;
  return false;
#endif
}

bool
text_parse_double(const char *text, size_t length, bool allow_special, double *value)
{
  struct decimal decimal;
  *value = NAN;
  if (!scan_decimal(text, length, &decimal))
    return allow_special && parse_special(text, length, value);

  /* Both the digits (< 2^53) and the power of ten (≤ 10^22) are doubles without rounding, so the one
   * multiplication or division is the only rounding there is (Clinger 1990). */
  uint64_t digits;
  int64_t scale;
  bool exact = gather_digits(text, length, &digits, &scale);
  int64_t power = scale + decimal.exponent;
  double result;
  if (exact && digits == 0)
    result = 0.0;
  else if (exact && digits < UINT64_C(1) << 53 && power >= -22 && power <= 22)
    result =
      power < 0 ? (double) digits / powers_of_ten[-power] : (double) digits * powers_of_ten[power];
  else if (exact && parse_extended(digits, power, &result))
    ;
  else
    result = fabs(parse_by_library(text, length));
  *value = decimal.negative ? -result : result;
  return isfinite(result);
}

bool
text_parse_int64(const char *text, size_t length, int64_t *value)
{
  size_t i = 0;
  bool negative = false;
  if (i < length && (text[i] == '-' || text[i] == '+'))
    negative = text[i++] == '-';
  if (i == length)
    return false;
  int64_t result = 0;
  for (; i < length; i++)
  {
    if (!is_digit(text[i]) || __builtin_mul_overflow(result, (int64_t) 10, &result))
      return false;
    int64_t digit = negative ? '0' - text[i] : text[i] - '0';
    if (__builtin_add_overflow(result, digit, &result))
      return false;
  }
  *value = result;
  return true;
}

#define DISTANCE_MAX_NAME 63

size_t
text_distance(const char *a, const char *b, size_t limit)
{
  size_t la = strnlen(a, DISTANCE_MAX_NAME + 1), lb = strnlen(b, DISTANCE_MAX_NAME + 1);
  if (la > DISTANCE_MAX_NAME || lb > DISTANCE_MAX_NAME)
    return limit + 1;
  size_t rows[3][DISTANCE_MAX_NAME + 1]; /* rows i−2, i−1 and i of the table, by turns */
  for (size_t j = 0; j <= lb; j++)
    rows[0][j] = j;
  for (size_t i = 1; i <= la; i++)
  {
    size_t *row = rows[i % 3], *before = rows[(i + 2) % 3], *two_before = rows[(i + 1) % 3];
    row[0] = i;
    for (size_t j = 1; j <= lb; j++)
    {
      size_t best = before[j - 1] + (a[i - 1] != b[j - 1]);
      if (before[j] + 1 < best)
        best = before[j] + 1;
      if (row[j - 1] + 1 < best)
        best = row[j - 1] + 1;
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]
          && two_before[j - 2] + 1 < best)
        best = two_before[j - 2] + 1;
      row[j] = best;
    }
  }
  size_t distance = rows[la % 3][lb];
  return distance > limit ? limit + 1 : distance;
}

const char *
text_nearest(const char *name, const char *const *names, size_t count)
{
  size_t length = strnlen(name, DISTANCE_MAX_NAME + 1);
  size_t limit = length <= 3 ? 1 : length <= 8 ? 2 : 3;
  const char *nearest = NULL;
  for (size_t i = 0; i < count; i++)
  {
    size_t distance = text_distance(name, names[i], limit);
    /* a name that shares no letter in place would be an odd guess */
    if (distance <= limit && distance < strlen(names[i]))
    {
      nearest = names[i];
      if (distance == 0)
        break;
      limit = distance - 1;
    }
  }
  return nearest;
}

static const char hex_digits[] = "0123456789abcdef";

void
text_hex_encode(const void *bytes, size_t length, char *text)
{
  const unsigned char *in = bytes;
  for (size_t i = 0; i < length; i++)
  {
    text[2 * i] = hex_digits[in[i] >> 4];
    text[2 * i + 1] = hex_digits[in[i] & 15];
  }
  text[2 * length] = '\0';
}

bool
text_hex_decode(const char *text, size_t text_length, void *bytes)
{
  unsigned char *out = bytes;
  if (text_length % 2 != 0)
    return false;
  for (size_t i = 0; i < text_length; i++)
  {
    const char *digit = text[i] ? strchr(hex_digits, text[i]) : NULL;
    if (!digit)
      return false;
    unsigned char nibble = (unsigned char) (digit - hex_digits);
    out[i / 2] = (unsigned char) (i % 2 == 0 ? nibble << 4 : out[i / 2] | nibble);
  }
  return true;
}
