/* What kind of archive or compressed file some first bytes belong to. Pure; any thread; no library.
 */
#ifndef ATTUNE_DATA_ARCHIVE_KIND_H
#define ATTUNE_DATA_ARCHIVE_KIND_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the first bytes of a file (262 or more, if it has so many) are those of an archive that can be
 * walked; gzip, xz and zstd count, whatever is in them. */
bool archive_is_known(const void *bytes, size_t length);

/* Whether they are those of any archive or compressed file, read here or not. */
bool archive_is_any(const void *bytes, size_t length);

#endif
