#include <config.h>

#include "search/features.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

bool
features_is_nominal(const struct space_param *param)
{
  return param->kind == SPACE_CATEGORICAL || param->kind == SPACE_BOOL;
}

bool
features_is_continuous(const struct space_param *param)
{
  return param->kind == SPACE_FLOAT && param->step == 0;
}

static double
column_value(const struct space_param *param, double value)
{
  return features_is_nominal(param) ? value : space_to_unit(param, value);
}

#define ANY_VALUE (-INFINITY)

/* Which parameters depend, themselves or through their parents, on `root` being `value` (ANY_VALUE: on it at
 * all). hanging: (space->count); parents come first. */
static void
mark_hanging(const struct space *space, size_t root, double value, bool *hanging)
{
  for (size_t i = 0; i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    hanging[i] = false;
    for (size_t c = 0; c < param->condition_count && !hanging[i]; c++)
    {
      const struct space_condition *condition = &param->conditions[c];
      hanging[i] = condition->parent == root ? value == ANY_VALUE : hanging[condition->parent];
      for (size_t v = 0; condition->parent == root && v < condition->value_count; v++)
        hanging[i] = hanging[i] || condition->values[v] == value;
    }
  }
}

/* The categorical that at least half of the other columns hang on, or SIZE_MAX. `hanging` is scratch. */
static size_t
find_family_column(const struct features *f, bool *hanging)
{
  const struct space *space = f->space;
  for (size_t k = 0; k < f->layout.width; k++)
  {
    const struct space_param *param = &space->params[f->params[k]];
    if (param->kind != SPACE_CATEGORICAL || param->condition_count)
      continue;
    size_t count = 0;
    mark_hanging(space, f->params[k], ANY_VALUE, hanging);
    for (size_t j = 0; j < f->layout.width; j++)
      count += hanging[f->params[j]];
    if (count > 0 && 2 * count >= f->layout.width - 1)
      return k;
  }
  return SIZE_MAX;
}

static void
block_add(struct gp_block *block, size_t column, bool nominal)
{
  if (nominal)
  {
    block->features[block->count++] = column;
    return;
  }
  /* Numeric columns stay in front. */
  memmove(block->features + block->numeric + 1, block->features + block->numeric,
          (block->count - block->numeric) * sizeof *block->features);
  block->features[block->numeric++] = column;
  block->count++;
}

/* `scratch` has room for two flags for each parameter. */
static void
fill_blocks(struct features *f, size_t family, bool *scratch)
{
  const struct space *space = f->space;
  size_t width = f->layout.width;
  bool *conditional = scratch, *opened = scratch + space->count;
  memset(scratch, 0, 2 * space->count * sizeof *scratch);
  if (family != SIZE_MAX)
    mark_hanging(space, f->params[family], ANY_VALUE, conditional);
  for (size_t b = 0; b < f->layout.block_count; b++)
  {
    struct gp_block *block = &f->layout.blocks[b];
    block->features = f->storage + b * (width + 2); /* room for steps and task */
    if (b > 0)
    {
      block->gated = true;
      block->gate = family;
      block->gate_value = (double) (b - 1);
      mark_hanging(space, f->params[family], block->gate_value, opened);
    }
    for (size_t k = 0; k < width; k++)
    {
      size_t index = f->params[k];
      bool in;
      if (b == 0)
        in = !conditional[index];
      else if (conditional[index])
        in = opened[index];
      else
        in = k != family;
      if (in)
        block_add(block, k, features_is_nominal(&space->params[index]));
    }
  }
}

/* A value that opens no parameter needs no block: what is left of it is in the first one. */
static void
drop_empty_blocks(struct gp_layout *layout)
{
  size_t kept = 1;
  for (size_t b = 1; b < layout->block_count; b++)
    if (layout->blocks[b].count)
      layout->blocks[kept++] = layout->blocks[b];
  layout->block_count = kept;
}

enum err
features_init(struct features *f, const struct space *space)
{
  memset(f, 0, sizeof *f);
  f->space = space;
  f->step = f->task = SIZE_MAX;
  f->params = calloc(space->count + 2, sizeof *f->params);
  f->absent = calloc(space->count + 2, sizeof *f->absent);
  bool *flags = calloc(2 * space->count + 1, sizeof *flags);
  if (!f->params || !f->absent || !flags)
    goto fail;
  for (size_t i = 0; i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    if (param->kind == SPACE_FIXED)
      continue;
    f->params[f->layout.width] = i;
    f->absent[f->layout.width++] = param->has_default ? column_value(param, param->fallback)
                                   : features_is_nominal(param) ? 0
                                                                : 0.5;
  }
  size_t family = find_family_column(f, flags);
  f->layout.block_count = family == SIZE_MAX ? 1 : 1 + space->params[f->params[family]].value_count;
  f->layout.blocks = calloc(f->layout.block_count, sizeof *f->layout.blocks);
  f->storage = calloc(f->layout.block_count * (f->layout.width + 2), sizeof *f->storage);
  if (!f->layout.blocks || !f->storage)
    goto fail;
  fill_blocks(f, family, flags);
  drop_empty_blocks(&f->layout);
  free(flags);
  return ERR_OK;

fail:
  free(flags);
  features_clear(f);
  return ERR_MEMORY;
}

static size_t
add_column(struct features *f, bool nominal)
{
  size_t column = f->layout.width++;
  f->params[column] = SIZE_MAX;
  for (size_t b = 0; b < f->layout.block_count; b++)
    block_add(&f->layout.blocks[b], column, nominal);
  return column;
}

void
features_add_step(struct features *f)
{
  f->step = add_column(f, false);
}

void
features_add_task(struct features *f)
{
  f->task = add_column(f, true);
}

size_t
features_own_width(const struct features *f)
{
  return f->layout.width - (f->task != SIZE_MAX) - (f->step != SIZE_MAX);
}

void
features_clear(struct features *f)
{
  free(f->storage);
  free(f->layout.blocks);
  free(f->absent);
  free(f->params);
  memset(f, 0, sizeof *f);
}

void
features_encode(const struct features *f, const double *point, double *row)
{
  if (f->step != SIZE_MAX)
    row[f->step] = 1;
  if (f->task != SIZE_MAX)
    row[f->task] = 0;
  for (size_t k = 0; k < features_own_width(f); k++)
  {
    double value = point[f->params[k]];
    row[k] = isnan(value) ? f->absent[k] : column_value(&f->space->params[f->params[k]], value);
  }
}
