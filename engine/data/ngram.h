/* A text as counts of hashed character n-grams, and what it looks like.
 *
 * The text is lower-cased and cut into words at white space; each word, with a blank put before and after it,
 * gives all its n-grams of NGRAM_LEAST … NGRAM_MOST characters. An n-gram's bucket is the top bits of its hash,
 * so no dictionary is kept and any text can be read. Bytes that are no UTF-8 count as one strange character
 * each. Pure, no allocation; any thread with scratch memory of its own. Equal on every machine.
 */
#ifndef ATTUNE_DATA_NGRAM_H
#define ATTUNE_DATA_NGRAM_H

#include <stddef.h>
#include <stdint.h>

#define NGRAM_LEAST 2
#define NGRAM_MOST 5

/* What lies behind so many characters of a text is not read. */
#define NGRAM_MAX_CHARACTERS 2000
/* A character ends at most as many n-grams as there are lengths. */
#define NGRAM_MAX_GRAMS (NGRAM_MAX_CHARACTERS * (NGRAM_MOST - NGRAM_LEAST + 1))

#define NGRAM_MAX_BITS 16u
#define NGRAM_SLOTS 16384u /* a power of two above twice NGRAM_MAX_GRAMS */

struct ngram
{
  uint16_t bucket;
  uint16_t count;
};

/* Characters read, without white space; the other numbers but `words` are parts of them. */
struct ngram_look
{
  uint32_t characters, words, digits, capitals, marks;
};

/* About 100 KB; needs no initialisation. */
struct ngram_scratch
{
  uint32_t slots[NGRAM_SLOTS]; /* bucket << 15 | count; 0 = free */
  uint16_t used[NGRAM_MAX_GRAMS];
  struct ngram grams[NGRAM_MAX_GRAMS];
};

/* Fills scratch->grams with the different buckets (of 2^bits, bits 1 … NGRAM_MAX_BITS) in the order in which
 * they first appear, and returns their number. `look` may be NULL. */
size_t ngram_scan(const char *text, size_t length, unsigned bits, struct ngram_scratch *scratch,
                  struct ngram_look *look);

#endif
