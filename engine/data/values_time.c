#include <config.h>

#include "data/values.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "base/clock.h"

static const char *const format_names[DATETIME_FORMATS] = {
  [DATETIME_ISO] = "iso",
  [DATETIME_DMY] = "dmy",
  [DATETIME_MDY] = "mdy",
};

const char *
datetime_format_name(enum datetime_format format)
{
  return format_names[format];
}

bool
datetime_format_parse(const char *name, enum datetime_format *format)
{
  for (size_t i = 0; i < DATETIME_FORMATS; i++)
    if (strcmp(name, format_names[i]) == 0)
    {
      *format = (enum datetime_format) i;
      return true;
    }
  return false;
}

/* A text being read from the left. */
struct cursor
{
  const char *at, *end;
};

static bool
take_char(struct cursor *cursor, char wanted)
{
  if (cursor->at == cursor->end || *cursor->at != wanted)
    return false;
  cursor->at++;
  return true;
}

/* `least` to `most` digits as a number. */
static bool
take_digits(struct cursor *cursor, size_t least, size_t most, unsigned *value, size_t *count)
{
  size_t taken = 0;
  *value = 0;
  while (taken < most && cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9')
  {
    *value = *value * 10 + (unsigned) (*cursor->at++ - '0');
    taken++;
  }
  if (count != NULL)
    *count = taken;
  return taken >= least;
}

/* The three numbers of a date as they are written, and what separates them. */
struct date_parts
{
  unsigned part[3];
  bool year_first;
  char separator;
};

static bool
take_date(struct cursor *cursor, struct date_parts *parts)
{
  size_t count;
  if (!take_digits(cursor, 1, 4, &parts->part[0], &count) || count == 3
      || cursor->at == cursor->end)
    return false;
  parts->year_first = count == 4;
  parts->separator = *cursor->at;
  if (parts->separator != '-' && parts->separator != '/' && parts->separator != '.')
    return false;
  size_t last = parts->year_first ? 2 : 4;
  return take_char(cursor, parts->separator) && take_digits(cursor, 1, 2, &parts->part[1], NULL)
         && take_char(cursor, parts->separator)
         && take_digits(cursor, parts->year_first ? 1 : 4, last, &parts->part[2], NULL);
}

/* Z, or ±HH[:]MM, or nothing. */
static bool
take_zone(struct cursor *cursor, double *offset)
{
  unsigned hours, minutes = 0;
  *offset = 0;
  if (cursor->at == cursor->end || take_char(cursor, 'Z') || take_char(cursor, 'z'))
    return true;
  bool west = *cursor->at == '-';
  if (!take_char(cursor, '+') && !take_char(cursor, '-'))
    return false;
  if (!take_digits(cursor, 2, 2, &hours, NULL) || hours > 23)
    return false;
  bool colon = take_char(cursor, ':');
  if ((colon || cursor->at < cursor->end)
      && (!take_digits(cursor, 2, 2, &minutes, NULL) || minutes > 59))
    return false;
  *offset = (west ? -60.0 : 60.0) * (hours * 60.0 + minutes);
  return true;
}

/* Nothing, or a blank or T and a time of day, to the end of the text. */
static bool
take_time(struct cursor *cursor, double *seconds)
{
  unsigned hour, minute, second = 0;
  double fraction = 0, offset = 0;
  *seconds = 0;
  if (cursor->at == cursor->end)
    return true;
  if (!take_char(cursor, 'T') && !take_char(cursor, 't') && !take_char(cursor, ' '))
    return false;
  if (!take_digits(cursor, 1, 2, &hour, NULL) || !take_char(cursor, ':')
      || !take_digits(cursor, 2, 2, &minute, NULL))
    return false;
  if (take_char(cursor, ':'))
  {
    if (!take_digits(cursor, 2, 2, &second, NULL))
      return false;
    if (take_char(cursor, '.'))
    {
      double place = 0.1;
      const char *start = cursor->at;
      for (; cursor->at < cursor->end && *cursor->at >= '0' && *cursor->at <= '9'; cursor->at++)
      {
        fraction += place * (*cursor->at - '0');
        place /= 10;
      }
      if (cursor->at == start)
        return false;
    }
  }
  if (cursor->end - cursor->at > 1 && *cursor->at == ' ')
    cursor->at++;
  if (!take_zone(cursor, &offset) || cursor->at != cursor->end)
    return false;
  if (hour > 23 || minute > 59 || second > 60)
    return false;
  *seconds = hour * 3600.0 + minute * 60.0 + second + fraction - offset;
  return true;
}

static bool
date_exists(unsigned year, unsigned month, unsigned day)
{
  static const unsigned char lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (month < 1 || month > 12 || day < 1)
    return false;
  bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  return day <= lengths[month - 1] + (leap && month == 2 ? 1u : 0u);
}

/* Year, month and day of the parts under a format; false when they are none. */
static bool
arrange(const struct date_parts *parts, enum datetime_format format, unsigned date[3])
{
  if (parts->year_first != (format == DATETIME_ISO))
    return false;
  /* Points are only written where the day comes first. */
  if (format == DATETIME_MDY && parts->separator == '.')
    return false;
  size_t year = format == DATETIME_ISO ? 0 : 2;
  size_t month = format == DATETIME_MDY ? 0 : 1;
  size_t day = format == DATETIME_ISO ? 2 : format == DATETIME_DMY ? 0 : 1;
  date[0] = parts->part[year];
  date[1] = parts->part[month];
  date[2] = parts->part[day];
  return date_exists(date[0], date[1], date[2]);
}

/* Shortest and longest text a date with a time can be. */
#define DATE_LEAST 8
#define DATE_MOST 40

unsigned
value_datetime_formats(const char *text, size_t length)
{
  struct cursor cursor = {text, text + length};
  struct date_parts parts;
  double seconds;
  unsigned date[3], mask = 0;
  if (length < DATE_LEAST || length > DATE_MOST || !take_date(&cursor, &parts)
      || !take_time(&cursor, &seconds))
    return 0;
  for (unsigned f = 0; f < DATETIME_FORMATS; f++)
    if (arrange(&parts, (enum datetime_format) f, date))
      mask |= 1u << f;
  return mask;
}

bool
value_datetime(const char *text, size_t length, enum datetime_format format, double *result)
{
  struct cursor cursor = {text, text + length};
  struct date_parts parts;
  double seconds;
  unsigned date[3];
  if (length < DATE_LEAST || length > DATE_MOST || !take_date(&cursor, &parts)
      || !take_time(&cursor, &seconds) || !arrange(&parts, format, date))
    return false;
  *result = (double) clock_days_from_civil(date[0], date[1], date[2]) * 86400.0 + seconds;
  return true;
}
