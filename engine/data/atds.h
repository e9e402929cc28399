/* Private to engine/data: the layout of the canonical file (.atds), version 1, little-endian.
 *
 * head (ATDS_HEAD_BYTES) · arrays, each aligned to 64 bytes · dictionaries · schema (JSON) ·
 * directory (one ATDS_ENTRY_BYTES entry per column; none for images).
 *
 * Arrays by column type: numeric and datetime double[rows]; categorical and boolean int32[rows];
 * text and identifier uint64[rows + 1] offsets, then the bytes. A dictionary is its strings, each
 * ended by a NUL. Images: uint8[rows][height][width][channels], then int32[rows] labels. Column and
 * class names are in the schema.
 */
#ifndef ATTUNE_DATA_ATDS_H
#define ATTUNE_DATA_ATDS_H

#include <stdint.h>

#define ATDS_MAGIC                                                                                 \
  "\x89"                                                                                           \
  "ATDS\r\n\x1a"
#define ATDS_MAGIC_BYTES 8
#define ATDS_VERSION 1u
#define ATDS_HEAD_BYTES 128u
#define ATDS_ENTRY_BYTES 64u
#define ATDS_ALIGN 64u

#define ATDS_MAX_COLUMNS 10000u
#define ATDS_MAX_CLASSES 65536u
#define ATDS_MAX_SCHEMA_BYTES (64u << 20)

/* Byte offsets of the fields of the head. */
enum atds_head
{
  ATDS_AT_MAGIC = 0,
  ATDS_AT_VERSION = 8,
  ATDS_AT_KIND = 12,
  ATDS_AT_FILE_LENGTH = 16,
  ATDS_AT_ROWS = 24,
  ATDS_AT_SCHEMA = 32,
  ATDS_AT_SCHEMA_LENGTH = 40,
  ATDS_AT_DIRECTORY = 48,
  ATDS_AT_COLUMNS = 56,
  ATDS_AT_HEIGHT = 64,
  ATDS_AT_WIDTH = 72,
  ATDS_AT_CHANNELS = 80,
  ATDS_AT_CLASSES = 88,
  ATDS_AT_PIXELS = 96,
  ATDS_AT_LABELS = 104
};

/* Byte offsets of the fields of a directory entry. */
enum atds_entry
{
  ATDS_AT_TYPE = 0,
  ATDS_AT_DATA = 8,
  ATDS_AT_TEXT = 16,
  ATDS_AT_TEXT_LENGTH = 24,
  ATDS_AT_DICT = 32,
  ATDS_AT_DICT_LENGTH = 40,
  ATDS_AT_CATEGORIES = 48
};

#endif
