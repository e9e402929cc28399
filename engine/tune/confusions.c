#include <config.h>

#include "tune/confusions.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS 1e6 /* probabilities are rounded to so many */

struct seen
{
  size_t cell; /* true class × classes + predicted class */
  size_t row;  /* of the dataset */
  float probability;
  size_t place; /* within its cell, the surest first */
};

static int
compare_in_cell(const void *left, const void *right)
{
  const struct seen *a = left, *b = right;
  if (a->cell != b->cell)
    return a->cell < b->cell ? -1 : 1;
  if (a->probability < b->probability || b->probability < a->probability)
    return a->probability > b->probability ? -1 : 1;
  return (a->row > b->row) - (a->row < b->row);
}

static int
compare_places(const void *left, const void *right)
{
  const struct seen *a = left, *b = right;
  if (a->place != b->place)
    return a->place < b->place ? -1 : 1;
  return compare_in_cell(left, right);
}

/* Fills in the places; gives how many rows are kept, which come first. */
static size_t
choose(struct seen *seen, size_t count)
{
  size_t kept = 0;
  qsort(seen, count, sizeof *seen, compare_in_cell);
  for (size_t i = 0; i < count; i++)
    seen[i].place = i > 0 && seen[i - 1].cell == seen[i].cell ? seen[i - 1].place + 1 : 0;
  qsort(seen, count, sizeof *seen, compare_places);
  while (kept < count && kept < CONFUSIONS_ROWS && seen[kept].place < CONFUSIONS_CELL_ROWS)
    kept++;
  return kept;
}

static json_t *
cells_json(const struct seen *seen, size_t count, size_t classes)
{
  json_t *cells = json_object();
  int failed = cells == NULL;
  for (size_t i = 0; i < count && !failed; i++)
  {
    char key[48];
    snprintf(key, sizeof key, "%zu,%zu", seen[i].cell / classes, seen[i].cell % classes);
    if (seen[i].place == 0)
      failed |= json_object_set_new(cells, key, json_array());
    double probability = round((double) seen[i].probability * STEPS) / STEPS;
    failed |= json_array_append_new(json_object_get(cells, key),
                                    json_pack("[I, f]", (json_int_t) seen[i].row, probability));
  }
  if (!failed)
    return cells;
  json_decref(cells);
  return NULL;
}

json_t *
confusions_rows(const struct tune_data *data, const size_t *rows, const struct labels *labels,
                const float *predictions, const struct decision *decision)
{
  size_t classes = data->task.class_count, count = 0;
  struct seen *seen = calloc(labels->count + 1, sizeof *seen);
  if (seen == NULL)
    return NULL;
  for (size_t i = 0; i < labels->count; i++)
  {
    const float *outputs = predictions + i * classes;
    if (labels->classes[i] < 0)
      continue;
    size_t predicted = decision_class(decision, outputs, classes);
    seen[count++] = (struct seen){.cell = (size_t) labels->classes[i] * classes + predicted,
                                  .row = rows[i],
                                  .probability = outputs[predicted]};
  }
  size_t kept = choose(seen, count);
  /* in the order of cells again, so that each is written in one go */
  qsort(seen, kept, sizeof *seen, compare_in_cell);
  json_t *cells = cells_json(seen, kept, classes);
  free(seen);
  return cells;
}
