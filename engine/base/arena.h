/* Memory with one lifetime: many small allocations, freed together.
 *
 * An arena belongs to one thread at a time. It grows by blocks; what it hands out is zeroed, aligned
 * to 16 bytes and lives until arena_reset or arena_free. Not for memory that must be given back
 * piece by piece.
 */
#ifndef ATTUNE_BASE_ARENA_H
#define ATTUNE_BASE_ARENA_H

#include <stddef.h>

struct arena;

/* A new arena that grows by blocks of at least block_size bytes (0: 8 KiB); NULL when out of memory. */
struct arena *arena_new(size_t block_size);

/* Frees everything the arena handed out, and the arena. NULL is ignored. */
void arena_free(struct arena *arena);

/* Forgets everything handed out but keeps one block for reuse. */
void arena_reset(struct arena *arena);

/* `size` zeroed bytes, or NULL when out of memory. A size of 0 gives a valid pointer. */
void *arena_alloc(struct arena *arena, size_t size);

/* `count` × `size` zeroed bytes, or NULL when out of memory or when the product overflows. */
void *arena_array(struct arena *arena, size_t count, size_t size);

/* Copies of a string, of `length` bytes of one (a NUL is added), and of a formatted text. */
char *arena_strdup(struct arena *arena, const char *text);
char *arena_strndup(struct arena *arena, const char *text, size_t length);
char *arena_printf(struct arena *arena, const char *format, ...)
  __attribute__((format(printf, 2, 3)));

#endif
