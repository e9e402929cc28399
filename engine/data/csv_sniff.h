/* Private to csv.c: finds out how a file is written from its first bytes. Pure; any thread.
 */
#ifndef ATTUNE_DATA_CSV_SNIFF_H
#define ATTUNE_DATA_CSV_SNIFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

struct csv_form
{
  char delimiter; /* in: 0 = to be found out */
  char newline;   /* '\n' or, in files of an old kind, '\r' */
  size_t skip;    /* bytes before the first record */
  uint64_t skipped_lines;
};

/* `whole` says that the bytes are all there is. ERR_INVALID for what is plainly no CSV (an Excel
 * file, gzip, UTF-16), with what to do instead. */
enum err csv_sniff(const char *bytes, size_t length, bool whole, struct csv_form *form,
                   struct err_info *info);

#endif
