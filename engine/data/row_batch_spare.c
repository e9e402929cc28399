#include <config.h>

#include "data/row_batch_internal.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define SPARES 4u
/* Wider rows would hold much memory for calls that take long anyway. */
#define SPARE_COLUMNS_MAX 2000

/* One thread's: each of another schema, at the place that its number gives. */
struct spares
{
  struct row_batch *batches[SPARES];
};

static pthread_key_t own_spares;
static pthread_once_t own_spares_made = PTHREAD_ONCE_INIT;
static bool has_own_spares;

static void
free_spare(struct row_batch *batch)
{
  if (batch == NULL)
    return;
  arena_free(batch->arena);
  free(batch);
}

static void
free_own_spares(void *context)
{
  struct spares *spares = context;
  for (size_t i = 0; i < SPARES; i++)
    free_spare(spares->batches[i]);
  free(spares);
}

static void
make_own_spares(void)
{
  has_own_spares = pthread_key_create(&own_spares, free_own_spares) == 0;
}

/* This thread's place for batches of that layout; NULL without memory. */
static struct row_batch **
place_of(uint64_t layout)
{
  pthread_once(&own_spares_made, make_own_spares);
  struct spares *spares = has_own_spares ? pthread_getspecific(own_spares) : NULL;
  if (spares == NULL && has_own_spares)
  {
    spares = calloc(1, sizeof *spares);
    if (spares == NULL || pthread_setspecific(own_spares, spares) != 0)
    {
      free(spares);
      return NULL;
    }
  }
  return spares != NULL ? &spares->batches[layout % SPARES] : NULL;
}

void
row_batch_clear(struct row_batch *batch)
{
  for (size_t i = 0; i < batch->number_count; i++)
    batch->numbers[i] = (double) NAN;
  if (batch->schema->all_numbers)
    return;
  for (size_t c = 0; c < batch->table.column_count; c++)
  {
    int32_t *codes = (int32_t *) (uintptr_t) batch->table.columns[c].code;
    for (size_t i = 0; codes != NULL && i < batch->table.row_count; i++)
      codes[i] = -1;
  }
}

/* No two schemas of a process have the same layout, so a batch that is kept is never taken for another's, and what it
 * borrowed of a schema that is gone is not looked at. */
struct row_batch *
row_batch_spare_take(const struct row_schema *schema, size_t rows)
{
  struct row_batch **place = rows == 1 ? place_of(schema->layout) : NULL;
  struct row_batch *batch = place != NULL ? *place : NULL;
  if (batch == NULL || batch->table.layout != schema->layout)
    return NULL;
  *place = NULL;
  row_batch_clear(batch);
  return batch;
}

bool
row_batch_spare_keep(struct row_batch *batch)
{
  if (batch->table.row_count != 1 || batch->table.column_count > SPARE_COLUMNS_MAX
      || batch->texts != NULL || batch->faults[0] != NULL || batch->warnings[0] != NULL)
    return false;
  struct row_batch **place = place_of(batch->table.layout);
  if (place == NULL)
    return false;
  free_spare(*place);
  *place = batch;
  return true;
}
