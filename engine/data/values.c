#include <config.h>

#include "data/values.h"

#include <math.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

static const char *const number_names[NUMBER_FORMATS] = {
  [NUMBER_POINT] = "decimal_point",
  [NUMBER_COMMA] = "decimal_comma",
  [NUMBER_POINT_GROUPED] = "thousands_comma",
  [NUMBER_COMMA_GROUPED] = "thousands_point",
};

const char *
number_format_name(enum number_format format)
{
  return number_names[format];
}

bool
number_format_parse(const char *name, enum number_format *format)
{
  for (size_t i = 0; i < NUMBER_FORMATS; i++)
    if (strcmp(name, number_names[i]) == 0)
    {
      *format = (enum number_format) i;
      return true;
    }
  return false;
}

static bool
is_blank(char c)
{
  return c == ' ' || c == '\t';
}

static bool
is_digit(char c)
{
  return c >= '0' && c <= '9';
}

void
value_trim(const char **text, size_t *length)
{
  const char *start = *text, *end = start + *length;
  while (start < end && is_blank(*start))
    start++;
  while (start < end && is_blank(end[-1]))
    end--;
  *text = start;
  *length = (size_t) (end - start);
}

static bool
same_word(const char *text, size_t length, const char *word)
{
  return strlen(word) == length && strncasecmp(text, word, length) == 0;
}

bool
value_is_missing(const char *text, size_t length)
{
  static const char *const words[] = {"?",    "-",   "na",   "n/a",  "#n/a",     "nan",      "null",
                                      "<na>", "inf", "+inf", "-inf", "infinity", "-infinity"};
  if (length == 0)
    return true;
  if (length > 9 || memchr("?-+nN#<iI", text[0], 9) == NULL)
    return false;
  /* Only Python writes it like this; "none" is a word people use. */
  if (length == 4 && memcmp(text, "None", 4) == 0)
    return true;
  if (is_digit(text[length - 1]))
    return false;
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (same_word(text, length, words[i]))
      return true;
  return false;
}

/* Longest number with commas. */
#define NUMBER_MOST 64

/* What the characters of a number-like text are. */
struct number_shape
{
  size_t whole_start, whole_end; /* digits and separators before the exponent */
  size_t points, commas;
  size_t last_point, last_comma; /* positions */
  size_t digits;
  bool exponent;
};

static bool
scan_exponent(const char *text, size_t length, size_t at)
{
  if (at < length && (text[at] == '+' || text[at] == '-'))
    at++;
  size_t start = at;
  while (at < length && is_digit(text[at]))
    at++;
  return at == length && at > start;
}

static bool
scan_number(const char *text, size_t length, struct number_shape *shape)
{
  size_t at = 0;
  *shape = (struct number_shape){0};
  if (length > 0 && (text[0] == '-' || text[0] == '+'))
    at = 1;
  shape->whole_start = at;
  for (; at < length; at++)
  {
    char c = text[at];
    if (is_digit(c))
      shape->digits++;
    else if (c == '.')
    {
      shape->points++;
      shape->last_point = at;
    }
    else if (c == ',')
    {
      shape->commas++;
      shape->last_comma = at;
    }
    else
      break;
  }
  shape->whole_end = at;
  if (shape->digits == 0)
    return false;
  if (at == length)
    return true;
  shape->exponent = text[at] == 'e' || text[at] == 'E';
  return shape->exponent && scan_exponent(text, length, at + 1);
}

/* Whether `separator` stands exactly before each three digits, up to `end`. */
static bool
grouped(const char *text, size_t start, size_t end, char separator)
{
  size_t run = 0;
  bool first = true;
  for (size_t at = start; at <= end; at++)
  {
    if (at < end && text[at] != separator)
    {
      run++;
      continue;
    }
    bool good = first ? run >= 1 && run <= 3 : run == 3;
    if (!good)
      return false;
    first = false;
    run = 0;
  }
  return true;
}

static unsigned
format_bit(enum number_format format)
{
  return 1u << format;
}

/* Formats of a shape that holds separators. */
static unsigned
separated_formats(const char *text, const struct number_shape *shape)
{
  unsigned mask = 0;
  size_t start = shape->whole_start, end = shape->whole_end;
  if (shape->commas == 0 && shape->points == 1)
    mask |= format_bit(NUMBER_POINT) | format_bit(NUMBER_POINT_GROUPED);
  if (shape->points == 0 && shape->commas == 1)
    mask |= format_bit(NUMBER_COMMA) | format_bit(NUMBER_COMMA_GROUPED);
  if (shape->exponent)
    return mask;
  bool comma_ok = shape->commas > 0 && text[start] != '0' && shape->points <= 1
                  && (shape->points == 0 || shape->last_comma < shape->last_point)
                  && grouped(text, start, shape->points > 0 ? shape->last_point : end, ',');
  bool point_ok = shape->points > 0 && text[start] != '0' && shape->commas <= 1
                  && (shape->commas == 0 || shape->last_point < shape->last_comma)
                  && grouped(text, start, shape->commas > 0 ? shape->last_comma : end, '.');
  if (comma_ok)
    mask |= format_bit(NUMBER_POINT_GROUPED);
  if (point_ok)
    mask |= format_bit(NUMBER_COMMA_GROUPED);
  return mask;
}

unsigned
value_number_formats(const char *text, size_t length)
{
  struct number_shape shape;
  if (!scan_number(text, length, &shape) || (shape.commas > 0 && length >= NUMBER_MOST))
    return 0;
  const char *digits = text + shape.whole_start;
  if (shape.whole_end - shape.whole_start > 1 && digits[0] == '0' && is_digit(digits[1]))
    return 0;
  /* Only these can be too large for a double. */
  double value;
  if ((shape.exponent || shape.digits > 300) && shape.commas == 0 && shape.points <= 1
      && !text_parse_double(text, length, false, &value))
    return 0;
  if (shape.points + shape.commas > 0)
    return separated_formats(text, &shape);
  return shape.digits > 15 && !shape.exponent ? 0 : (1u << NUMBER_FORMATS) - 1;
}

bool
value_number(const char *text, size_t length, enum number_format format, double *value)
{
  if (format == NUMBER_POINT)
    return text_parse_double(text, length, false, value);
  struct number_shape shape;
  char plain[NUMBER_MOST];
  size_t out = 0;
  if (length >= sizeof plain || !scan_number(text, length, &shape))
    return false;
  unsigned mask =
    shape.points + shape.commas > 0 ? separated_formats(text, &shape) : (1u << NUMBER_FORMATS) - 1;
  if ((mask & format_bit(format)) == 0)
    return false;
  char point = format == NUMBER_POINT_GROUPED ? '.' : ',';
  /* "1.5" under a grouped format is a plain fraction, unless its digits make a group. */
  for (size_t i = 0; i < length; i++)
    if (text[i] == point)
      plain[out++] = '.';
    else if (text[i] != '.' && text[i] != ',')
      plain[out++] = text[i];
  return text_parse_double(plain, out, false, value);
}

static const struct
{
  const char *no, *yes;
} truth_pairs[VALUE_TRUTH_PAIRS] = {
  {"false", "true"}, {"no", "yes"}, {"f", "t"}, {"n", "y"}, {"off", "on"}};

bool
value_truth(const char *text, size_t length, unsigned *pair, bool *yes)
{
  if (length == 0 || length > 5)
    return false;
  for (unsigned i = 0; i < VALUE_TRUTH_PAIRS; i++)
  {
    *pair = i;
    *yes = same_word(text, length, truth_pairs[i].yes);
    if (*yes || same_word(text, length, truth_pairs[i].no))
      return true;
  }
  return false;
}
