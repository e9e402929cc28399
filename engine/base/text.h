/* Text that must mean the same whatever the locale: UTF-8, numbers, hexadecimal, likeness of names.
 * No allocation; safe from any thread.
 */
#ifndef ATTUNE_BASE_TEXT_H
#define ATTUNE_BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether `bytes` is UTF-8 as RFC 3629 has it (no overlong forms, no surrogates, at most U+10FFFF).
 * If not, *bad_offset (may be NULL) is where the first faulty sequence starts. NUL bytes are legal. */
bool text_utf8_valid(const void *bytes, size_t length, size_t *bad_offset);

/* The length of the longest start of `bytes` that is at most `limit` and cuts no character. */
size_t text_utf8_cut(const char *bytes, size_t length, size_t limit);

/* Reads all of `text` (length bytes, no NUL needed) as a decimal number with a point: optional sign,
 * digits, optional fraction and exponent; also "inf", "infinity", "nan" in any case if
 * `allow_special`. No blanks, no hexadecimal. Too large gives an infinity and false. */
bool text_parse_double(const char *text, size_t length, bool allow_special, double *value);

/* As above for a decimal whole number; false when it does not fit. */
bool text_parse_int64(const char *text, size_t length, int64_t *value);

/* Writes the shortest of 15, 16 or 17 significant digits that reads back as `value`, with a point
 * ("nan", "inf", "-inf" otherwise), and returns its length. */
#define TEXT_DOUBLE_SIZE 32
size_t text_print_double(double value, char text[TEXT_DOUBLE_SIZE]);

/* The same with the fewest of 6 to 9 significant digits that strtof reads back as `value`. */
size_t text_print_float(float value, char text[TEXT_DOUBLE_SIZE]);

/* Least number of inserted, deleted, changed or swapped neighbouring letters that turns a into b;
 * `limit`+1 once it is over `limit`. Names over 63 bytes count as over the limit. */
size_t text_distance(const char *a, const char *b, size_t limit);

/* The name among `count` names most like `name`, or NULL when none is near. */
const char *text_nearest(const char *name, const char *const *names, size_t count);

/* Lower-case hexadecimal: 2·length characters and a NUL; and back, false on anything else. */
void text_hex_encode(const void *bytes, size_t length, char *text);
bool text_hex_decode(const char *text, size_t text_length, void *bytes);

#endif
