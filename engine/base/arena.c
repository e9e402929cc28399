#include <config.h>

#include "base/arena.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_ALIGN ((size_t) 16)
#define ARENA_DEFAULT_BLOCK ((size_t) 8192)

struct block
{
  struct block *next; /* older */
  size_t size;        /* usable bytes after this header */
  size_t used;
  size_t padding; /* keeps what follows aligned to ARENA_ALIGN */
};

_Static_assert(sizeof(struct block) % 16 == 0, "blocks must keep the alignment");

struct arena
{
  struct block *newest;
  size_t block_size;
};

struct arena *
arena_new(size_t block_size)
{
  struct arena *arena = calloc(1, sizeof *arena);
  if (arena)
    arena->block_size = block_size ? block_size : ARENA_DEFAULT_BLOCK;
  return arena;
}

static void
free_blocks(struct block *block)
{
  while (block)
  {
    struct block *next = block->next;
    free(block);
    block = next;
  }
}

void
arena_free(struct arena *arena)
{
  if (!arena)
    return;
  free_blocks(arena->newest);
  free(arena);
}

void
arena_reset(struct arena *arena)
{
  struct block *keep = arena->newest;
  if (!keep)
    return;
  free_blocks(keep->next);
  keep->next = NULL;
  /* one huge request must not stay with the arena for ever */
  if (keep->size > 4 * arena->block_size)
  {
    free(keep);
    arena->newest = NULL;
    return;
  }
  keep->used = 0;
}

static struct block *
block_new(size_t size)
{
  if (size > SIZE_MAX - sizeof(struct block))
    return NULL;
  struct block *block = malloc(sizeof *block + size);
  if (!block)
    return NULL;
  block->next = NULL;
  block->size = size;
  block->used = 0;
  block->padding = 0;
  return block;
}

void *
arena_alloc(struct arena *arena, size_t size)
{
  if (size == 0)
    size = 1;
  if (size > SIZE_MAX - ARENA_ALIGN)
    return NULL;
  size = (size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);

  struct block *block = arena->newest;
  if (!block || block->size - block->used < size)
  {
    block = block_new(size > arena->block_size ? size : arena->block_size);
    if (!block)
      return NULL;
    block->next = arena->newest;
    arena->newest = block;
  }
  void *memory = (char *) (block + 1) + block->used;
  block->used += size;
  memset(memory, 0, size);
  return memory;
}

void *
arena_array(struct arena *arena, size_t count, size_t size)
{
  size_t bytes;
  if (__builtin_mul_overflow(count, size, &bytes))
    return NULL;
  return arena_alloc(arena, bytes);
}

char *
arena_strdup(struct arena *arena, const char *text)
{
  return arena_strndup(arena, text, strlen(text));
}

char *
arena_strndup(struct arena *arena, const char *text, size_t length)
{
  if (length == SIZE_MAX)
    return NULL;
  char *copy = arena_alloc(arena, length + 1);
  if (copy && length > 0)
    memcpy(copy, text, length);
  return copy;
}

char *
arena_printf(struct arena *arena, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  va_list again;
  va_copy(again, args);
  int length = vsnprintf(NULL, 0, format, args);
  va_end(args);
  char *text = length < 0 ? NULL : arena_alloc(arena, (size_t) length + 1);
  if (text)
    vsnprintf(text, (size_t) length + 1, format, again);
  va_end(again);
  return text;
}
