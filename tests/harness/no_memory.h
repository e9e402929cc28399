/* Makes allocations fail on purpose: link a program with NO_MEMORY_WRAPS and this file. It reaches what our own
 * code and Jansson allocate, not what other libraries do. One thread.
 */
#ifndef ATTUNE_TESTS_NO_MEMORY_H
#define ATTUNE_TESTS_NO_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

/* From now on the nth allocation fails (1 = the next), and with `and_after` every one after it. */
void no_memory_from(size_t nth, bool and_after);
/* Jansson's allocations do not count and never fail, from the next no_memory_from on. */
void no_memory_spare_json(bool spare);
/* Allocations work again; whether one has failed. */
bool no_memory_end(void);
/* Whether a call that is made now is to fail: for wrappers of what other libraries allocate. */
bool no_memory_strikes(void);
/* Bytes of the heap that are in use; 0 under a sanitizer, which looks for leaks itself. */
size_t no_memory_in_use(void);

#endif
