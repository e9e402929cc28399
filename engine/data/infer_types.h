/* Guesses what each column of a CSV is, from every one of its values, in one pass and bounded
 * memory.
 *
 * Rules, in this order (n = values that are not missing): all numbers in one format → numeric, but
 * an identifier when whole, all different and named like one, or when it counts the rows and is
 * named so; dates in one format → datetime; a pair such as yes/no → boolean; all different →
 * identifier, or text when of several words; few different ones → categorical; else text. What was
 * not clear is said in a note. Owns its memory. One thread.
 */
#ifndef ATTUNE_DATA_INFER_TYPES_H
#define ATTUNE_DATA_INFER_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "data/table.h"
#include "data/values.h"

#define INFER_EXAMPLES 5
#define INFER_MAX_CATEGORIES 65536

/* How else the numbers of a column could have been meant: "1.234" as a fraction or as a thousand. */
struct number_reading
{
  bool there; /* and the stored numbers tell enough to turn to it */
  enum number_format format;
  bool up;  /* times 1,000, else divided by it */
  bool all; /* every number; else only fractions (up), or those from 1,000 (down) */
};

struct column_guess
{
  const char *name;
  enum column_type type;
  enum number_format number_format;     /* of a numeric column */
  struct number_reading other;          /* of a numeric column */
  enum datetime_format datetime_format; /* of a datetime column */
  const char *words[2];                 /* of a boolean column: no, yes, as first seen */
  uint64_t missing;
  uint64_t distinct;
  bool distinct_exact;
  uint64_t text_bytes; /* lengths of all values, trimmed, missing ones as 0 */
  const char *note;    /* NULL = nothing to say */
  const char *examples[INFER_EXAMPLES];
  size_t example_count;
};

struct infer;

/* `set_bytes` bounds the memory of exact distinct counts. Names are copied. NULL when out of
 * memory. */
struct infer *infer_new(const char *const *names, size_t columns, size_t set_bytes);
void infer_free(struct infer *infer);

/* The next value of a column. */
enum err infer_add(struct infer *infer, size_t column, const char *text, size_t length);

/* After the last value: decides. `dictionary_bytes` bounds the memory that the categories of all
 * categorical columns may take. The sets are freed. */
enum err infer_settle(struct infer *infer, char delimiter, size_t dictionary_bytes);

/* The decision; borrowed. */
const struct column_guess *infer_guess(const struct infer *infer, size_t column);

#endif
