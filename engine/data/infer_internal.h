/* Private to infer_*.c: what is kept of a column while its values pass.
 */
#ifndef ATTUNE_DATA_INFER_INTERNAL_H
#define ATTUNE_DATA_INFER_INTERNAL_H

#include "base/arena.h"
#include "data/distinct.h"
#include "data/infer_types.h"

struct infer_column
{
  struct column_guess guess;
  struct distinct *distinct;
  uint64_t rows;
  unsigned numbers, dates, truths; /* formats and pairs still possible */
  bool whole;                      /* all whole numbers */
  bool counts_rows;                /* 0 1 2 … or 1 2 3 … */
  int64_t last;
  bool digits_only; /* every value that is no number is of digits only, such as 007 */
  /* Of numbers whose separators may be decimal or group thousands: some have none; some of those have more
   * than three digits; some with one are whole (1.000). */
  bool plain, plain_large, round;
  bool slashes; /* dates were written with / */
  uint64_t number_like, words, distinct_text;
  const char *odd_value; /* the first that is no number */
  uint64_t odd_row;
};

struct infer
{
  struct arena *arena;
  struct infer_column *columns;
  size_t column_count;
  size_t set_bytes, set_limit;
};

#endif
