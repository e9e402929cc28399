/* JSON against a table of fields: every fault found at once, each with where it is and what to do.
 *
 * Parsing is bounded (bytes, depth) and refuses duplicate keys, NaN and bad UTF-8. Nothing here
 * stops at the first fault; faults are collected in an arena-owned list which the server prints as
 * the `faults` of a problem answer. Thread rule: a list belongs to one thread.
 */
#ifndef ATTUNE_BASE_JSON_H
#define ATTUNE_BASE_JSON_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"

/* One fault: `pointer` is an RFC 6901 pointer into the body; row/column for tables (0 = none, rows
 * count from 1); value is what was found (may be NULL); hint says what to do (may be NULL). */
struct json_fault
{
  const char *pointer;
  const char *message;
  const char *value;
  const char *hint;
  size_t row;
  const char *column;
};

struct json_faults
{
  struct arena *arena; /* borrowed; owns the strings */
  struct json_fault *items;
  size_t count; /* faults found, also those over the limit */
  size_t kept;  /* entries in items: at most JSON_FAULTS_MAX */
};

#define JSON_FAULTS_MAX 100

void json_faults_init(struct json_faults *faults, struct arena *arena);

/* Adds a fault; every string is copied into the arena. `hint` may be NULL. */
void json_fault_add(struct json_faults *faults, const char *pointer, const char *hint,
                    const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Adds a fault with everything in *fault (strings copied). */
void json_fault_add_full(struct json_faults *faults, const struct json_fault *fault);

/* The list as a JSON array of {pointer, row, column, value, message, hint} (new reference). */
json_t *json_faults_to_json(const struct json_faults *faults);

/* `parent` + "/" + `name`, escaped as RFC 6901 says, in the arena. */
const char *json_pointer(struct arena *arena, const char *parent, const char *name);
const char *json_pointer_index(struct arena *arena, const char *parent, size_t index);

enum json_kind
{
  JSON_KIND_ANY,
  JSON_KIND_STRING,
  JSON_KIND_INTEGER, /* also a real with an integral value, such as 60.0 */
  JSON_KIND_NUMBER,
  JSON_KIND_BOOLEAN,
  JSON_KIND_OBJECT,
  JSON_KIND_ARRAY,
  JSON_KIND_STRING_ARRAY
};

/* One member of an object. Where a bound is 0 for both ends, it is not checked. For strings and
 * arrays min and max bound the length. `choices` (NULL-terminated) lists the legal strings. */
struct json_field
{
  const char *name;
  enum json_kind kind;
  bool required;
  bool nullable;
  double min;
  double max;
  const char *const *choices;
  const struct json_field *members; /* for JSON_KIND_OBJECT: the nested table, or NULL = free */
  const char *hint;
};

/* clang-format off */
#define JSON_FIELD_END {.name = NULL}
/* clang-format on */

/* Checks `object` against `fields` (ended by JSON_FIELD_END): kinds, bounds, choices, required ones,
 * unknown members (with the nearest legal name as hint). Adds every fault; true when none was added. */
bool json_check(const json_t *object, const struct json_field *fields, const char *pointer,
                struct json_faults *faults);

/* As json_loadb, but whole numbers that do not fit 64 bits become reals: PostgreSQL writes 1e300 with all of its
 * digits. New reference, NULL with *error (may be NULL). */
json_t *json_load_wide(const char *bytes, size_t length, size_t flags, json_error_t *error);

/* Parses `length` bytes. ERR_INVALID with line and column in the text when it is not JSON, is nested
 * deeper than max_depth, or repeats a key. *value is a new reference. */
enum err json_parse(const char *bytes, size_t length, size_t max_depth, json_t **value,
                    struct err_info *info);

/* Appends `value` as compact JSON, members in their order. Unlike json_dumps it prints the shortest
 * number that reads back the same: 0.1, not 0.10000000000000001. NULL appends null. */
void json_write(const json_t *value, struct buf *out);

/* Appends `length` bytes of UTF-8 as a JSON string, in quotes and escaped. */
void json_write_string(const char *text, size_t length, struct buf *out);

/* Members with a fallback for absent or null ones; call after json_check. Borrowed. */
const char *json_get_string(const json_t *object, const char *name, const char *fallback);
double json_get_number(const json_t *object, const char *name, double fallback);
/* The same as a whole number from 0 to 2^53: what lies outside, or is none, goes to the nearer end. */
uint64_t json_get_count(const json_t *object, const char *name, uint64_t fallback);
json_int_t json_get_integer(const json_t *object, const char *name, json_int_t fallback);
bool json_get_bool(const json_t *object, const char *name, bool fallback);

/* A number as JSON, null when it is NaN or infinite (new reference). */
json_t *json_real_or_null(double value);

#endif
