#include <config.h>

#include "search/search_internal.h"

#include <stdlib.h>

#include "search/enumerate.h"

#define GRID_POINTS_MAX 100000
#define DEFAULT_RESOLUTION 5
#define LEAST_RESOLUTION 2
#define MOST_RESOLUTION 1000

/* The walk goes on from one ask to the next; it restarts when a trial has been forgotten, for its
 * point is free again. Which point comes next follows from the points taken alone. */
struct grid
{
  struct enumerate *walk;
  size_t forgotten;
};

static enum err
count_points(const struct space *space, size_t resolution, size_t limit, size_t *count)
{
  struct enumerate *walk;
  enum err err = enumerate_new(space, resolution, &walk);
  if (err)
    return err;
  *count = enumerate_count(walk, limit);
  enumerate_free(walk);
  return ERR_OK;
}

/* The finest grid that fits the expected trials. */
static enum err
choose_resolution(const struct search *search, size_t *resolution)
{
  *resolution = search->grid_resolution;
  if (*resolution)
    return ERR_OK;
  *resolution = DEFAULT_RESOLUTION;
  if (!search->expected_trials)
    return ERR_OK;
  *resolution = LEAST_RESOLUTION;
  size_t before = 0;
  for (size_t r = LEAST_RESOLUTION; r <= MOST_RESOLUTION; r++)
  {
    size_t count;
    enum err err = count_points(search->space, r, search->expected_trials + 1, &count);
    if (err)
      return err;
    if (count > search->expected_trials)
      break;
    if (count > before)
      *resolution = r;
    before = count;
  }
  return ERR_OK;
}

static enum err
refuse_grid(size_t count, struct err_info *info)
{
  if (count == 0)
    return err_set(
      info, ERR_INVALID,
      "no point of the grid keeps the rules of the space; raise the resolution, or search with "
      "another method");
  return err_set(info, ERR_INVALID,
                 "the grid would have more than %d points; fix some parameters, lower the "
                 "resolution, or search with another method",
                 GRID_POINTS_MAX);
}

static void
grid_stop(void *state)
{
  struct grid *grid = state;
  if (grid)
    enumerate_free(grid->walk);
  free(grid);
}

static enum err
grid_start(const struct search *search, void **state, struct err_info *info)
{
  size_t resolution, count;
  struct grid *grid = calloc(1, sizeof *grid);
  enum err err = grid ? choose_resolution(search, &resolution) : ERR_MEMORY;
  if (!err)
    err = enumerate_new(search->space, resolution, &grid->walk);
  if (err)
  {
    grid_stop(grid);
    return err_set(info, err, "out of memory");
  }
  count = enumerate_count(grid->walk, GRID_POINTS_MAX + 1);
  if (count == 0 || count > GRID_POINTS_MAX)
  {
    grid_stop(grid);
    return refuse_grid(count, info);
  }
  *state = grid;
  return ERR_OK;
}

enum err
search_grid_size(const struct search_spec *spec, size_t *count, struct err_info *info)
{
  struct search search = {.space = spec->space,
                          .expected_trials = spec->expected_trials,
                          .grid_resolution = spec->grid_resolution};
  size_t resolution;
  enum err err = choose_resolution(&search, &resolution);
  if (!err)
    err = count_points(spec->space, resolution, GRID_POINTS_MAX + 1, count);
  if (err)
    return err_set(info, err, "out of memory");
  return *count == 0 || *count > GRID_POINTS_MAX ? refuse_grid(*count, info) : ERR_OK;
}

static size_t
count_forgotten(const struct search *search)
{
  size_t count = 0;
  for (size_t t = 0; t < search->count; t++)
    count += search->trials[t].state == SEARCH_FORGOTTEN;
  return count;
}

static enum err
grid_ask(const struct search *search, void *state, double *point, struct err_info *info)
{
  struct grid *grid = state;
  struct search_seen seen;
  if (search_seen_init(&seen, search))
    return err_set(info, ERR_MEMORY, "out of memory");
  size_t forgotten = count_forgotten(search);
  if (forgotten != grid->forgotten)
    enumerate_restart(grid->walk);
  grid->forgotten = forgotten;
  bool found = false;
  while (!found && enumerate_next(grid->walk, point))
    found = !search_seen_has(&seen, point);
  search_seen_clear(&seen);
  if (!found)
    return err_set(info, ERR_NOT_FOUND, "every point of the grid has been tried");
  return ERR_OK;
}

const struct search_kind search_kind_grid = {
  .name = "grid", .start = grid_start, .stop = grid_stop, .ask = grid_ask};
