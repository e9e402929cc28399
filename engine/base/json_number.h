/* Numbers straight from JSON text, without a tree of values: for bodies that are mostly numbers.
 * No allocation but for numbers of more digits than a double needs; safe from any thread.
 */
#ifndef ATTUNE_BASE_JSON_NUMBER_H
#define ATTUNE_BASE_JSON_NUMBER_H

#include <stdbool.h>

/* Reads the JSON number (RFC 8259) that starts at *at, and moves *at behind it: the double nearest to what is
 * written, as strtod has it. False, with *at where it was, when there is none, when it is too large for a
 * double, or when it is the whole number -0, which JSON libraries read as 0. */
bool json_scan_number(const char **at, const char *end, double *value);

#endif
