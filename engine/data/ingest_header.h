/* Private to ingest_csv.c: the names of a CSV's columns, from its header or made up.
 */
#ifndef ATTUNE_DATA_INGEST_HEADER_H
#define ATTUNE_DATA_INGEST_HEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/arena.h"
#include "data/csv.h"
#include "data/ingest_work.h"

struct ingest_names
{
  const char **names; /* in the arena, all different, none empty */
  size_t count;
  bool in_file; /* the first record is the header */
};

/* Looks at the first records, decides whether the first is a header, and leaves the reader at its
 * start. What was changed or assumed goes to `warnings` (array of strings). */
enum err ingest_find_names(struct csv_reader *reader, struct ingest_work *work, struct arena *arena,
                           struct ingest_names *names, json_t *warnings, struct err_info *info);

#endif
