#include <config.h>

#include "data/row_batch_internal.h"

#include <math.h>
#include <pthread.h>
#include <stdlib.h>

#define SPARES 4u
/* Wider rows would hold much memory for calls that take long anyway. */
#define SPARE_COLUMNS_MAX 2000

/* Cells of all that are kept of one schema: several calls may be under way on a thread. */
#define SPARE_CELLS_MAX ((size_t) 16384)

/* One thread's: lists, each of another schema, at the place that its number gives. */
struct spares
{
  struct row_batch *batches[SPARES];
  size_t counts[SPARES];
};

static pthread_key_t own_spares;
static pthread_once_t own_spares_made = PTHREAD_ONCE_INIT;
static bool has_own_spares;

static void
free_list(struct row_batch *batch)
{
  while (batch != NULL)
  {
    struct row_batch *next = batch->spare;
    arena_free(batch->arena);
    free(batch);
    batch = next;
  }
}

static void
free_own_spares(void *context)
{
  struct spares *spares = context;
  for (size_t i = 0; i < SPARES; i++)
    free_list(spares->batches[i]);
  free(spares);
}

static void
make_own_spares(void)
{
  has_own_spares = pthread_key_create(&own_spares, free_own_spares) == 0;
}

/* This thread's; NULL without memory. */
static struct spares *
find_spares(void)
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
  return spares;
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
  struct spares *spares = rows == 1 ? find_spares() : NULL;
  size_t place = schema->layout % SPARES;
  struct row_batch *batch = spares != NULL ? spares->batches[place] : NULL;
  if (batch == NULL || batch->table.layout != schema->layout)
    return NULL;
  spares->batches[place] = batch->spare;
  spares->counts[place]--;
  batch->spare = NULL;
  row_batch_clear(batch);
  return batch;
}

bool
row_batch_spare_keep(struct row_batch *batch)
{
  if (batch->table.row_count != 1 || batch->table.column_count > SPARE_COLUMNS_MAX
      || batch->texts != NULL || batch->faults[0] != NULL || batch->warnings[0] != NULL)
    return false;
  struct spares *spares = find_spares();
  if (spares == NULL)
    return false;
  size_t place = batch->table.layout % SPARES;
  struct row_batch *first = spares->batches[place];
  if (first != NULL && first->table.layout != batch->table.layout)
  {
    free_list(first);
    first = NULL;
    spares->counts[place] = 0;
  }
  if ((spares->counts[place] + 1) * batch->table.column_count > SPARE_CELLS_MAX)
    return false;
  batch->spare = first;
  spares->batches[place] = batch;
  spares->counts[place]++;
  return true;
}
