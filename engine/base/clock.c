#include <config.h>

#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static double
seconds_of(clockid_t id)
{
  struct timespec now;
  if (clock_gettime(id, &now) != 0)
    return 0.0;
  return (double) now.tv_sec + (double) now.tv_nsec * 1e-9;
}

double
clock_monotonic_s(void)
{
  return seconds_of(CLOCK_MONOTONIC);
}

double
clock_cpu_s(void)
{
  return seconds_of(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t
clock_unix_us(void)
{
  struct timespec now;
  if (clock_gettime(CLOCK_REALTIME, &now) != 0)
    return 0;
  return (int64_t) now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static int64_t
floor_div(int64_t a, int64_t b)
{
  int64_t quotient = a / b;
  return quotient - (a % b < 0 ? 1 : 0);
}

void
clock_format_rfc3339(int64_t unix_us, char *text, size_t size)
{
  int64_t ms = floor_div(unix_us, 1000);
  int64_t seconds = floor_div(ms, 1000);
  int64_t days = floor_div(seconds, 86400);
  unsigned in_day = (unsigned) (seconds - days * 86400);
  unsigned millis = (unsigned) (ms - seconds * 1000);
  int64_t year;
  unsigned month, day;
  clock_civil_from_days(days, &year, &month, &day);
  snprintf(text, size, "%04lld-%02u-%02uT%02u:%02u:%02u.%03uZ", (long long) year, month, day,
           in_day / 3600, in_day / 60 % 60, in_day % 60, millis);
}

/* Both ways count years from March, so that the leap day is the last of a year, in eras of 400
 * years = 146097 days; day 0 of era 0 is 0000-03-01, which is 719468 days before 1970-01-01. */
#define DAYS_PER_ERA 146097
#define DAYS_TO_1970 719468

/* Day of the March-based year on which a month (0 = March) starts: months alternate 31, 30. */
static unsigned
month_start(unsigned month)
{
  return (153 * month + 2) / 5;
}

int64_t
clock_days_from_civil(int64_t year, unsigned month, unsigned day)
{
  int64_t shifted = month <= 2 ? year - 1 : year;
  unsigned from_march = month <= 2 ? month + 9 : month - 3;
  int64_t era = floor_div(shifted, 400);
  int64_t in_era = shifted - era * 400;
  int64_t days = in_era * 365 + in_era / 4 - in_era / 100 + (int64_t) month_start(from_march)
                 + (int64_t) day - 1;
  return era * DAYS_PER_ERA + days - DAYS_TO_1970;
}

void
clock_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day)
{
  int64_t since = days + DAYS_TO_1970;
  int64_t era = floor_div(since, DAYS_PER_ERA);
  int64_t in_era = since - era * DAYS_PER_ERA;
  /* take out the leap days (one per 1460 days, none per 36524, one at the era's end) */
  int64_t in_years = (in_era - in_era / 1460 + in_era / 36524 - in_era / (DAYS_PER_ERA - 1)) / 365;
  unsigned in_year = (unsigned) (in_era - (in_years * 365 + in_years / 4 - in_years / 100));
  unsigned from_march = (5 * in_year + 2) / 153;
  *day = in_year - month_start(from_march) + 1;
  *month = from_march < 10 ? from_march + 3 : from_march - 9;
  *year = in_years + era * 400 + (*month <= 2 ? 1 : 0);
}
