/* Whether Jansson has run out of memory: values are built without a check of every member, and what lacks one is
 * not to be sent as if it were whole. Each thread has its own note.
 */
#ifndef ATTUNE_SERVER_JSON_MEMORY_H
#define ATTUNE_SERVER_JSON_MEMORY_H

#include <stdbool.h>

/* Called once, by main, before the first value is made. */
void json_memory_watch(void);

/* Forgets what the thread noted before; and whether an allocation has failed since. */
void json_memory_forget(void);
bool json_memory_ran_out(void);

#endif
