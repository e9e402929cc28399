#include <config.h>

#include "tune/stop_rows.h"

#include <stdbool.h>
#include <stdlib.h>

#include "base/rng.h"

#define STOP_SHARE 0.15 /* of a fold's training rows */
#define CLASS_SHARE 0.3 /* of a class's, at most, when whole groups go */
#define STOP_STREAM 7   /* of the fit's seed */

struct choosing
{
  const struct tune_data *data;
  const size_t *rows; /* training rows (count) */
  size_t count;
  size_t classes;
  bool *aside;  /* (count) */
  size_t *room; /* (classes): rows, then how many of them may go */
  struct rng rng;
};

static size_t
stratum_of(const struct choosing *choosing, size_t i)
{
  const struct tune_data *data = choosing->data;
  int32_t class =
    data->task.class_count > 0 ? task_class_of(&data->task, data->dataset, choosing->rows[i]) : 0;
  return class > 0 ? (size_t) class : 0;
}

/* A share of every class, at random. */
static enum err
choose_by_class(struct choosing *choosing)
{
  size_t *order = calloc(choosing->count + 1, sizeof *order);
  if (order == NULL)
    return ERR_MEMORY;
  for (size_t i = 0; i < choosing->count; i++)
    order[i] = i;
  for (size_t k = 0; k < choosing->classes; k++)
    choosing->room[k] = (size_t) (STOP_SHARE * (double) choosing->room[k]);
  rng_shuffle(&choosing->rng, order, choosing->count);
  for (size_t i = 0; i < choosing->count; i++)
  {
    size_t *left = &choosing->room[stratum_of(choosing, order[i])];
    choosing->aside[order[i]] = *left > 0;
    *left -= *left > 0;
  }
  free(order);
  return ERR_OK;
}

/* A training row with what it is to be sorted by. */
struct ranked
{
  uint64_t rank;
  size_t i;
};

static int
compare_ranked(const void *left, const void *right)
{
  const struct ranked *a = left, *b = right;
  if (a->rank != b->rank)
    return a->rank < b->rank ? -1 : 1;
  return (a->i > b->i) - (a->i < b->i);
}

/* The latest rows, whole times. *chosen is false when that would leave no row, or a class without any. */
static void
choose_latest(struct choosing *choosing, struct ranked *ranked, bool *chosen)
{
  const uint32_t *order = choosing->data->split->order_of;
  size_t count = choosing->count;
  for (size_t i = 0; i < count; i++)
    ranked[i] = (struct ranked){.rank = order[choosing->rows[i]], .i = i};
  qsort(ranked, count, sizeof *ranked, compare_ranked);
  size_t first = count - (size_t) (STOP_SHARE * (double) count);
  /* Equal times stay on one side; where the last one is many rows all of them go, but never most. */
  size_t bound = first;
  while (first < count && first > 0 && ranked[first].rank == ranked[first - 1].rank)
    first++;
  if (first == count)
    for (first = bound; first > 0 && ranked[first - 1].rank == ranked[count - 1].rank;)
      first--;
  if (first < count / 2)
    return;
  for (size_t k = first; k < count; k++)
    if (choosing->room[stratum_of(choosing, ranked[k].i)]-- == 1)
      return;
  for (size_t k = first; k < count; k++)
    choosing->aside[ranked[k].i] = true;
  *chosen = first > 0 && first < count;
}

/* Takes the run of one group if no class loses too much. */
static size_t
take_group(struct choosing *choosing, const struct ranked *ranked, size_t begin, size_t end)
{
  size_t k = begin;
  for (; k < end && choosing->room[stratum_of(choosing, ranked[k].i)] > 0; k++)
    choosing->room[stratum_of(choosing, ranked[k].i)]--;
  if (k == end)
  {
    for (size_t i = begin; i < end; i++)
      choosing->aside[ranked[i].i] = true;
    return end - begin;
  }
  while (k-- > begin)
    choosing->room[stratum_of(choosing, ranked[k].i)]++;
  return 0;
}

static enum err
choose_groups(struct choosing *choosing, struct ranked *ranked, bool *chosen)
{
  const struct split *split = choosing->data->split;
  size_t *order = calloc(split->group_count + 1, sizeof *order);
  size_t *place = calloc(split->group_count + 1, sizeof *place);
  size_t taken = 0, quota = (size_t) (STOP_SHARE * (double) choosing->count);
  if (order == NULL || place == NULL)
  {
    free(order);
    free(place);
    return ERR_MEMORY;
  }
  for (size_t g = 0; g < split->group_count; g++)
    order[g] = g;
  rng_shuffle(&choosing->rng, order, split->group_count);
  for (size_t g = 0; g < split->group_count; g++)
    place[order[g]] = g;
  for (size_t i = 0; i < choosing->count; i++)
    ranked[i] = (struct ranked){.rank = place[split->group_of[choosing->rows[i]]], .i = i};
  qsort(ranked, choosing->count, sizeof *ranked, compare_ranked);
  for (size_t k = 0; k < choosing->classes; k++)
    choosing->room[k] = (size_t) (CLASS_SHARE * (double) choosing->room[k]);
  for (size_t begin = 0; begin < choosing->count && taken < quota;)
  {
    size_t end = begin;
    while (end < choosing->count && ranked[end].rank == ranked[begin].rank)
      end++;
    /* A little over the quota beats nothing at all. */
    if (taken + (end - begin) <= quota || (taken == 0 && end - begin <= 2 * quota))
      taken += take_group(choosing, ranked, begin, end);
    begin = end;
  }
  *chosen = taken > 0;
  free(order);
  free(place);
  return ERR_OK;
}

static void
count_classes(struct choosing *choosing)
{
  for (size_t k = 0; k < choosing->classes; k++)
    choosing->room[k] = 0;
  for (size_t i = 0; i < choosing->count; i++)
    choosing->room[stratum_of(choosing, i)]++;
}

/* Where neither groups nor times can be kept apart, classes are: these rows only say when to stop. */
static enum err
choose(struct choosing *choosing)
{
  const struct split *split = choosing->data->split;
  bool chosen = false;
  enum err err = ERR_OK;
  count_classes(choosing);
  if (split->order_of != NULL || split->group_of != NULL)
  {
    struct ranked *ranked = calloc(choosing->count + 1, sizeof *ranked);
    if (ranked == NULL)
      return ERR_MEMORY;
    if (split->order_of != NULL)
      choose_latest(choosing, ranked, &chosen);
    else
      err = choose_groups(choosing, ranked, &chosen);
    free(ranked);
    if (!chosen)
      count_classes(choosing);
  }
  return err == ERR_OK && !chosen ? choose_by_class(choosing) : err;
}

enum err
stop_rows_set_aside(const struct tune_data *data, uint64_t seed, struct stop_rows *rows)
{
  struct choosing choosing = {.data = data,
                              .rows = rows->train,
                              .count = rows->train_count,
                              .classes = data->task.class_count > 0 ? data->task.class_count : 1};
  choosing.room = calloc(choosing.classes, sizeof *choosing.room);
  choosing.aside = calloc(rows->train_count + 1, sizeof *choosing.aside);
  rows->stop = calloc(rows->train_count + 1, sizeof *rows->stop);
  rows->stop_count = 0;
  enum err err = choosing.room && choosing.aside && rows->stop ? ERR_OK : ERR_MEMORY;
  if (err == ERR_OK)
  {
    rng_init(&choosing.rng, seed, STOP_STREAM);
    err = choose(&choosing);
  }
  if (err == ERR_OK)
  {
    size_t kept = 0;
    for (size_t i = 0; i < rows->train_count; i++)
      if (choosing.aside[i])
        rows->stop[rows->stop_count++] = rows->train[i];
      else
        rows->train[kept++] = rows->train[i];
    rows->train_count = kept;
  }
  free(choosing.aside);
  free(choosing.room);
  return err;
}
