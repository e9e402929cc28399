/* Time: a monotonic clock for durations, the real clock only for stamps people read.
 * Leases, keys and sessions use the database's clock instead.
 */
#ifndef ATTUNE_BASE_CLOCK_H
#define ATTUNE_BASE_CLOCK_H

#include <stddef.h>
#include <stdint.h>

/* Seconds on the monotonic clock, from an arbitrary start. */
double clock_monotonic_s(void);

/* CPU seconds the calling process has used. */
double clock_cpu_s(void);

/* Microseconds since 1970 UTC on the real clock. */
int64_t clock_unix_us(void);

/* Writes `unix_us` as RFC 3339 in UTC with milliseconds ("2026-11-23T10:00:00.000Z"); size >= 32. */
void clock_format_rfc3339(int64_t unix_us, char *text, size_t size);

/* Days from 1970-01-01 of a proleptic Gregorian date, and back. Month 1 to 12. */
int64_t clock_days_from_civil(int64_t year, unsigned month, unsigned day);
void clock_civil_from_days(int64_t days, int64_t *year, unsigned *month, unsigned *day);

#endif
