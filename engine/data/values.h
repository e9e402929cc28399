/* One cell's text as a value: missing, number, date, truth. The rules for guessing and for reading
 * are the same ones, so a column that was guessed numeric reads as numbers.
 *
 * Texts are spans without leading and trailing blanks. Pure; any thread; no locale.
 */
#ifndef ATTUNE_DATA_VALUES_H
#define ATTUNE_DATA_VALUES_H

#include <stdbool.h>
#include <stddef.h>

/* How a column writes numbers; a set of them is a mask of 1 << format. */
enum number_format
{
  NUMBER_POINT,         /* 1234.5 */
  NUMBER_COMMA,         /* 1234,5 */
  NUMBER_POINT_GROUPED, /* 1,234.5 */
  NUMBER_COMMA_GROUPED, /* 1.234,5 */
  NUMBER_FORMATS
};

/* How a column writes dates. A time of day may follow after a blank or a T: HH:MM[:SS[.fraction]],
 * then Z or an offset (+02:00). Without one, times are UTC. */
enum datetime_format
{
  DATETIME_ISO, /* 2026-11-23, 2026/11/23 */
  DATETIME_DMY, /* 23.11.2026, 23/11/2026, 23-11-2026 */
  DATETIME_MDY, /* 11/23/2026, 11-23-2026 */
  DATETIME_FORMATS
};

/* "decimal_point", "decimal_comma", "thousands_comma", "thousands_point"; "iso", "dmy", "mdy". */
const char *number_format_name(enum number_format format);
bool number_format_parse(const char *name, enum number_format *format);
const char *datetime_format_name(enum datetime_format format);
bool datetime_format_parse(const char *name, enum datetime_format *format);

/* Drops blanks and tabs at both ends. */
void value_trim(const char **text, size_t *length);

/* Nothing, or one of NA, N/A, #N/A, <NA>, NaN, null, ?, -, inf and its like (any case), or None. */
bool value_is_missing(const char *text, size_t length);

/* Formats under which the text is a number that survives being stored as one: 0 for words, for
 * leading zeros ("007") and for whole numbers of more than 15 digits. */
unsigned value_number_formats(const char *text, size_t length);

/* The number under one format, leading zeros allowed; false when it is none or not finite. */
bool value_number(const char *text, size_t length, enum number_format format, double *value);

/* Formats under which the text is a date; and the seconds since 1970 UTC under one of them. */
unsigned value_datetime_formats(const char *text, size_t length);
bool value_datetime(const char *text, size_t length, enum datetime_format format, double *seconds);

/* Pairs of words that say no and yes: false/true, no/yes, f/t, n/y, off/on; any case. The pair's
 * number and whether it is the yes; false when the text is none of them. 0/1 are numbers. */
#define VALUE_TRUTH_PAIRS 5
bool value_truth(const char *text, size_t length, unsigned *pair, bool *yes);

#endif
