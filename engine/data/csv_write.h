/* Writes fields of CSV (RFC 4180) with commas. Pure; any thread. */
#ifndef ATTUNE_DATA_CSV_WRITE_H
#define ATTUNE_DATA_CSV_WRITE_H

#include <stdbool.h>

#include "base/buf.h"

/* Appends a field, in quotes where it needs them or `quoted` says so. */
void csv_write_field(const char *text, size_t length, bool quoted, struct buf *out);

#endif
