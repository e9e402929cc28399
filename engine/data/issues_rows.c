#include <config.h>

#include "data/issues_internal.h"

#include <stdlib.h>
#include <string.h>

#include "data/split.h"

struct keyed
{
  uint64_t hash;
  size_t row;
};

static int
compare_keyed(const void *left, const void *right)
{
  const struct keyed *a = left, *b = right;
  if (a->hash != b->hash)
    return a->hash < b->hash ? -1 : 1;
  return (a->row > b->row) - (a->row < b->row);
}

static bool
same_label(const struct issue_work *work, size_t a, size_t b)
{
  const struct dataset *dataset = work->request->dataset;
  if (!work->has_task)
    return true;
  if (work->task.kind != TASK_REGRESSION)
    return task_class_of(&work->task, dataset, a) == task_class_of(&work->task, dataset, b);
  double x = task_value_of(&work->task, dataset, a), y = task_value_of(&work->task, dataset, b);
  return x == y || (x != x && y != y);
}

/* A few columns of few values repeat by nature: such rows are no copies of one another. */
static bool
repeats_by_nature(const struct keyed *keys, size_t count)
{
  size_t distinct = 0;
  for (size_t i = 0; i < count; i++)
    distinct += i == 0 || keys[i].hash != keys[i - 1].hash;
  return distinct * 2 < count;
}

/* Runs of equal rows (but for the target): copies of the same label, and of different ones. */
static void
walk_runs(struct issue_work *work, const struct keyed *keys, struct issue_rows *copies,
          struct issue_rows *conflicts)
{
  for (size_t begin = 0; begin < work->count;)
  {
    size_t end = begin;
    bool differ = false;
    while (end < work->count && keys[end].hash == keys[begin].hash)
    {
      /* Equal circumstances may well have different numbers for their outcome, but not classes. */
      differ =
        differ || (work->task.class_count > 0 && !same_label(work, keys[begin].row, keys[end].row));
      end++;
    }
    for (size_t i = begin; i < end && differ; i++)
      issue_row(conflicts, keys[i].row);
    for (size_t i = begin + 1; i < end; i++)
    {
      bool copy = false;
      for (size_t j = begin; j < i && !copy && i - begin < 1000; j++)
        copy = same_label(work, keys[i].row, keys[j].row);
      if (copy)
        issue_row(copies, keys[i].row);
    }
    begin = end;
  }
}

enum err
issues_of_copies(struct issue_work *work)
{
  const char *what = work->table != NULL ? "row" : "image";
  struct issue_rows copies = {0}, conflicts = {0};
  struct keyed *keys = malloc((work->count + 1) * sizeof *keys);
  if (keys == NULL)
    return ERR_MEMORY;
  size_t skip = work->has_task && work->table != NULL ? work->task.target_column : SIZE_MAX;
  for (size_t i = 0; i < work->count; i++)
    keys[i] =
      (struct keyed){.hash = split_row_hash_without(work->request->dataset, work->rows[i], skip),
                     .row = work->rows[i]};
  qsort(keys, work->count, sizeof *keys, compare_keyed);
  if (!repeats_by_nature(keys, work->count))
    walk_runs(work, keys, &copies, &conflicts);
  free(keys);
  if (copies.count > 0)
    issue_add(work, "duplicates", copies.count * 100 > work->count ? "warning" : "info", NULL,
              &copies,
              "they never come to be on both sides of a split; remove them if they are "
              "copies by mistake",
              "exact copies of another %s with the same label: %zu", what, copies.count);
  if (conflicts.count > 0)
    issue_add(work, "duplicate_conflict", "warning", NULL, &conflicts,
              "at most one of the labels of such a group can be right",
              "equal to another %s that has a different label: %zu", what, conflicts.count);
  return ERR_OK;
}

void
issues_of_blank_images(struct issue_work *work)
{
  const struct image_set *images = work->images;
  size_t bytes = images->height * images->width * images->channels;
  struct issue_rows blank = {0};
  for (size_t i = 0; i < work->count; i++)
  {
    const uint8_t *pixels = images->pixels + work->rows[i] * bytes;
    size_t same = images->channels;
    /* Every pixel is equal to the one before. */
    if (bytes > same && memcmp(pixels, pixels + same, bytes - same) == 0)
      issue_row(&blank, work->rows[i]);
  }
  if (blank.count > 0)
    issue_add(work, "blank_image", "warning", NULL, &blank, "remove them, or look why they are",
              "%zu images are of one colour only", blank.count);
}
