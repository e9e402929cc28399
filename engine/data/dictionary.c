#include <config.h>

#include "data/dictionary.h"

#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "data/hash.h"

struct slot
{
  uint32_t tag;    /* upper half of the hash */
  uint32_t number; /* from 1; 0 = free */
};

struct dictionary
{
  struct arena *arena;
  struct slot *slots;
  size_t slot_count; /* power of two */
  const char **texts;
  size_t count, capacity;
};

#define START_SLOTS 16

struct dictionary *
dictionary_new(void)
{
  struct dictionary *dictionary = calloc(1, sizeof *dictionary);
  if (dictionary == NULL)
    return NULL;
  dictionary->arena = arena_new(1024);
  dictionary->slots = calloc(START_SLOTS, sizeof *dictionary->slots);
  dictionary->slot_count = START_SLOTS;
  if (dictionary->arena == NULL || dictionary->slots == NULL)
  {
    dictionary_free(dictionary);
    return NULL;
  }
  return dictionary;
}

void
dictionary_free(struct dictionary *dictionary)
{
  if (dictionary == NULL)
    return;
  free(dictionary->texts);
  free(dictionary->slots);
  arena_free(dictionary->arena);
  free(dictionary);
}

size_t
dictionary_count(const struct dictionary *dictionary)
{
  return dictionary->count;
}

const char *const *
dictionary_texts(const struct dictionary *dictionary)
{
  return dictionary->texts;
}

static uint64_t
hash_text(const char *text, size_t length)
{
  return hash_bytes(text, length, 0x64696374);
}

/* Makes the table twice as large. */
static int
grow_slots(struct dictionary *dictionary)
{
  size_t count = dictionary->slot_count * 2;
  struct slot *slots = calloc(count, sizeof *slots);
  if (slots == NULL)
    return -1;
  for (size_t k = 0; k < dictionary->count; k++)
  {
    uint64_t hash = hash_text(dictionary->texts[k], strlen(dictionary->texts[k]));
    size_t at = (size_t) hash & (count - 1);
    while (slots[at].number != 0)
      at = (at + 1) & (count - 1);
    slots[at] = (struct slot){(uint32_t) (hash >> 32), (uint32_t) k + 1};
  }
  free(dictionary->slots);
  dictionary->slots = slots;
  dictionary->slot_count = count;
  return 0;
}

static int
grow_texts(struct dictionary *dictionary)
{
  if (dictionary->count < dictionary->capacity)
    return 0;
  size_t capacity = dictionary->capacity * 2 + 8;
  const char **texts = realloc(dictionary->texts, capacity * sizeof *texts);
  if (texts == NULL)
    return -1;
  dictionary->texts = texts;
  dictionary->capacity = capacity;
  return 0;
}

int32_t
dictionary_add(struct dictionary *dictionary, const char *text, size_t length)
{
  uint64_t hash = hash_text(text, length);
  uint32_t tag = (uint32_t) (hash >> 32);
  size_t at = (size_t) hash & (dictionary->slot_count - 1);
  for (; dictionary->slots[at].number != 0; at = (at + 1) & (dictionary->slot_count - 1))
  {
    if (dictionary->slots[at].tag != tag)
      continue;
    uint32_t number = dictionary->slots[at].number - 1;
    const char *known = dictionary->texts[number];
    if (strncmp(known, text, length) == 0 && known[length] == '\0')
      return (int32_t) number;
  }
  if (dictionary->count >= INT32_MAX - 1 || grow_texts(dictionary) != 0)
    return -1;
  char *copy = arena_strndup(dictionary->arena, text, length);
  if (copy == NULL)
    return -1;
  int32_t number = (int32_t) dictionary->count;
  dictionary->texts[dictionary->count++] = copy;
  dictionary->slots[at] = (struct slot){tag, (uint32_t) number + 1};
  if (dictionary->count * 2 > dictionary->slot_count && grow_slots(dictionary) != 0)
    return -1;
  return number;
}
