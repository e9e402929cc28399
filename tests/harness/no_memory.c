#include <config.h>

#include "tests/harness/no_memory.h"

#include <jansson.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *old, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
int __real_posix_memalign(void **memory, size_t alignment, size_t size);
char *__real_strdup(const char *text);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);
int __wrap_posix_memalign(void **memory, size_t alignment, size_t size);
char *__wrap_strdup(const char *text);
json_t *__real_json_loadb(const char *bytes, size_t length, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *bytes, size_t length, size_t flags, json_error_t *error);

json_t *__real_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error);

static size_t countdown; /* 0 = none fails any more */
static bool sticky, failed, json_spared;

static bool
fails(void)
{
  if (countdown == 0)
    return false;
  if (countdown > 1)
  {
    countdown--;
    return false;
  }
  failed = true;
  if (!sticky)
    countdown = 0;
  return true;
}

void *
__wrap_malloc(size_t size)
{
  return fails() ? NULL : __real_malloc(size);
}

void *
__wrap_calloc(size_t count, size_t size)
{
  return fails() ? NULL : __real_calloc(count, size);
}

void *
__wrap_realloc(void *old, size_t size)
{
  return fails() ? NULL : __real_realloc(old, size);
}

void *
__wrap_aligned_alloc(size_t alignment, size_t size)
{
  return fails() ? NULL : __real_aligned_alloc(alignment, size);
}

int
__wrap_posix_memalign(void **memory, size_t alignment, size_t size)
{
  return fails() ? 12 /* ENOMEM */ : __real_posix_memalign(memory, alignment, size);
}

char *
__wrap_strdup(const char *text)
{
  return fails() ? NULL : __real_strdup(text);
}

/* Jansson's parser trips an assertion of its own without memory: it is failed as a whole or not at all. */
json_t *
__wrap_json_loadb(const char *bytes, size_t length, size_t flags, json_error_t *error)
{
  if (!json_spared && fails())
    return NULL;
  size_t kept = countdown;
  countdown = 0;
  json_t *value = __real_json_loadb(bytes, length, flags, error);
  countdown = kept;
  return value;
}

json_t *
__wrap_json_loads(const char *text, size_t flags, json_error_t *error)
{
  if (!json_spared && fails())
    return NULL;
  size_t kept = countdown;
  countdown = 0;
  json_t *value = __real_json_loads(text, flags, error);
  countdown = kept;
  return value;
}

bool
no_memory_strikes(void)
{
  return fails();
}

void
no_memory_spare_json(bool spare)
{
  json_spared = spare;
}

void
no_memory_from(size_t nth, bool and_after)
{
  json_set_alloc_funcs(json_spared ? __real_malloc : __wrap_malloc, free);
  countdown = nth;
  sticky = and_after;
  failed = false;
}

bool
no_memory_end(void)
{
  countdown = 0;
  return failed;
}

size_t
no_memory_in_use(void)
{
  return mallinfo2().uordblks;
}
