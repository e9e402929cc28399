#include <config.h>

#include "server/json_memory.h"

#include <jansson.h>
#include <stdlib.h>

static _Thread_local bool ran_out;

static void *
take(size_t size)
{
  void *memory = malloc(size);
  if (!memory)
    ran_out = true;
  return memory;
}

void
json_memory_watch(void)
{
  json_set_alloc_funcs(take, free);
}

void
json_memory_forget(void)
{
  ran_out = false;
}

bool
json_memory_ran_out(void)
{
  return ran_out;
}
