#include <config.h>

#include "base/text.h"

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOUBLE_DIGITS 15 /* whatever has a form this short is found without trying longer ones */
#define FLOAT_DIGITS 6
#define POWER_MAX 22 /* the greatest power of ten that is a double without rounding */

static const double powers_of_ten[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                       1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                       1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

static bool
is_digit(char c)
{
  return c >= '0' && c <= '9';
}

/* `value` times 10^power, rounded once. */
static double
scale(double value, int power)
{
  return power < 0 ? value / powers_of_ten[-power] : value * powers_of_ten[power];
}

/* The power of ten of the first digit of value > 0, or one too many. */
static int
decimal_exponent(double value)
{
  int binary;
  frexp(value, &binary);
  int exponent = (int) floor((binary - 1) * 0.30102999566398120);
  return exponent >= 0 && exponent < POWER_MAX && value >= powers_of_ten[exponent + 1]
           ? exponent + 1
           : exponent;
}

/* Writes significant·10^(exponent − digits + 1) as printf's %.{digits}g would; significant has that many
 * digits and is not 0. */
static size_t
print_digits(bool negative, uint64_t significant, int digits, int exponent, char *text)
{
  char digit[20];
  int count = digits;
  size_t out = 0;
  for (int i = digits - 1; i >= 0; i--, significant /= 10)
    digit[i] = (char) ('0' + significant % 10);
  while (count > 1 && digit[count - 1] == '0')
    count--;
  if (negative)
    text[out++] = '-';
  bool scientific = exponent < -4 || exponent >= digits;
  int whole = scientific ? 1 : exponent + 1;
  if (whole <= 0)
  {
    text[out++] = '0';
    text[out++] = '.';
    for (int i = whole; i < 0; i++)
      text[out++] = '0';
  }
  for (int i = 0; i < count; i++)
  {
    if (i > 0 && i == whole)
      text[out++] = '.';
    text[out++] = digit[i];
  }
  for (int i = count; i < whole; i++)
    text[out++] = '0';
  if (scientific)
  {
    unsigned power = (unsigned) (exponent < 0 ? -exponent : exponent);
    text[out++] = 'e';
    text[out++] = exponent < 0 ? '-' : '+';
    if (power >= 100)
      text[out++] = (char) ('0' + power / 100);
    text[out++] = (char) ('0' + power / 10 % 10);
    text[out++] = (char) ('0' + power % 10);
  }
  text[out] = '\0';
  return out;
}

/* `size` > 0 rounded to so many digits: the whole number they make, and in *exponent the power of ten of the
 * first. 0 when powers of ten are needed that are not exact. */
static uint64_t
round_to_digits(double size, int digits, int *exponent)
{
  double least = powers_of_ten[digits - 1], past = powers_of_ten[digits];
  for (int tries = 0; tries < 3; tries++)
  {
    int power = digits - 1 - *exponent;
    if (power < -POWER_MAX || power > POWER_MAX)
      return 0;
    double rounded = rint(scale(size, power));
    if (rounded >= least && rounded < past)
      return (uint64_t) rounded;
    *exponent += rounded < least ? -1 : 1;
  }
  return 0;
}

/* Where 15 digits do: they and the power of ten are exact in a double, so that one division or
 * multiplication reads them back as strtod does (Clinger 1990). 0 otherwise. */
static size_t
print_short_double(double value, char *text)
{
  if (value == 0.0)
    return (size_t) (stpcpy(text, signbit(value) ? "-0" : "0") - text);
  double size = fabs(value);
  if (size < 1e-7 || size > 1e22)
    return 0;
  int exponent = decimal_exponent(size);
  uint64_t significant = round_to_digits(size, DOUBLE_DIGITS, &exponent);
  if (significant == 0 || scale((double) significant, exponent - DOUBLE_DIGITS + 1) != size)
    return 0;
  return print_digits(value < 0.0, significant, DOUBLE_DIGITS, exponent, text);
}

size_t
text_print_double(double value, char text[TEXT_DOUBLE_SIZE])
{
  if (!isfinite(value))
    return (size_t) snprintf(text, TEXT_DOUBLE_SIZE, "%s",
                             isnan(value)  ? "nan"
                             : value > 0.0 ? "inf"
                                           : "-inf");
  size_t short_length = print_short_double(value, text);
  if (short_length > 0)
    return short_length;
  for (int digits = 15; digits <= 17; digits++)
  {
    char raw[TEXT_DOUBLE_SIZE];
    snprintf(raw, sizeof raw, "%.*g", digits, value);
    /* whatever stands between the digits is some locale's decimal point */
    size_t out = 0;
    for (const char *next = raw; *next;)
      if (is_digit(*next) || *next == '-' || *next == '+' || *next == 'e')
        text[out++] = *next++;
      else
      {
        text[out++] = '.';
        while (*next && !is_digit(*next))
          next++;
      }
    text[out] = '\0';
    double back;
    if (digits == 17 || (text_parse_double(text, out, false, &back) && back == value))
      return out;
  }
  return 0; /* not reached: the loop ends at 17 digits */
}

/* Whether decimal digits read back as `size`: 1 or 0; −1 when rounding to double and then to float may
 * differ from rounding once, which it does only next to the middle between two floats. */
static int
reads_back(uint64_t significant, int power, float size)
{
  double read = scale((double) significant, power);
  uint64_t bits;
  memcpy(&bits, &read, sizeof bits);
  if ((bits & 0x1FFFFFFF) == 0x10000000)
    return -1;
  return (float) read == size;
}

static size_t
print_float_by_library(float value, char text[TEXT_DOUBLE_SIZE])
{
  size_t length = 0;
  for (int digits = FLOAT_DIGITS; digits <= 9; digits++)
  {
    double shown, back;
    char raw[TEXT_DOUBLE_SIZE];
    snprintf(raw, sizeof raw, "%.*e", digits - 1, (double) value);
    shown = strtod(raw, NULL);
    /* the same number of digits, in the form and with the point that text_print_double gives */
    length = text_print_double(shown, text);
    if (strtof(raw, NULL) == value && text_parse_double(text, length, false, &back))
      break;
  }
  return length;
}

size_t
text_print_float(float value, char text[TEXT_DOUBLE_SIZE])
{
  if (!isfinite(value) || value == 0.0f)
    return text_print_double((double) value, text);
  float size = fabsf(value);
  if (size < 1e-13f || size > 1e20f)
    return print_float_by_library(value, text);
  int start = decimal_exponent((double) size);
  for (int digits = FLOAT_DIGITS; digits <= 9; digits++)
  {
    int exponent = start;
    uint64_t significant = round_to_digits((double) size, digits, &exponent);
    int same = significant ? reads_back(significant, exponent - digits + 1, size) : -1;
    if (same < 0)
      break;
    if (same)
      return print_digits(value < 0.0f, significant, digits, exponent, text);
  }
  return print_float_by_library(value, text);
}
