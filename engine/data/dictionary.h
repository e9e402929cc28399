/* The different texts of a column, numbered in the order they came. Owns copies of them. One
 * thread.
 */
#ifndef ATTUNE_DATA_DICTIONARY_H
#define ATTUNE_DATA_DICTIONARY_H

#include <stddef.h>
#include <stdint.h>

struct dictionary;

/* NULL when out of memory. */
struct dictionary *dictionary_new(void);
void dictionary_free(struct dictionary *dictionary);

/* The number of the text, new ones getting the next; -1 when out of memory. No NUL may be in it. */
int32_t dictionary_add(struct dictionary *dictionary, const char *text, size_t length);

size_t dictionary_count(const struct dictionary *dictionary);

/* All texts by number; borrowed until the next dictionary_add. */
const char *const *dictionary_texts(const struct dictionary *dictionary);

#endif
