#include <config.h>

#include "data/encode.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "base/simd.h"
#include "data/encode_internal.h"
#include "data/row_schema.h"

/* Numbers that are gathered, scaled and put where they belong at a time. */
#define RUN ((size_t) 128)

static enum err
make_plan(struct encoder *encoder)
{
  struct arena *arena = encoder->arena;
  size_t count = encoder->column_count;
  struct encode_plan *plan = arena_alloc(arena, sizeof *plan);
  if (plan == NULL)
    return ERR_MEMORY;
  plan->source = arena_array(arena, count, sizeof *plan->source);
  plan->rest = arena_array(arena, count, sizeof *plan->rest);
  plan->number_source = arena_array(arena, count, sizeof *plan->number_source);
  plan->number_feature = arena_array(arena, count, sizeof *plan->number_feature);
  plan->indicator = arena_array(arena, count, sizeof *plan->indicator);
  plan->centre = arena_array(arena, count, sizeof *plan->centre);
  plan->scale = arena_array(arena, count, sizeof *plan->scale);
  if (plan->source == NULL || plan->rest == NULL || plan->number_source == NULL
      || plan->number_feature == NULL || plan->indicator == NULL || plan->centre == NULL
      || plan->scale == NULL)
    return ERR_MEMORY;
  encoder->plan = plan;
  return ERR_OK;
}

static bool
is_plain_number(const struct encode_column *column)
{
  return (column->type == COLUMN_NUMERIC || column->type == COLUMN_DATETIME)
         && column->kind == ENCODE_NUMBER;
}

static void
add_column(struct encode_plan *plan, const struct encode_column *column, size_t c, size_t source)
{
  plan->source[c] = (uint32_t) source;
  if (!is_plain_number(column))
  {
    plan->rest[plan->rest_count++] = (uint32_t) c;
    return;
  }
  size_t at = plan->number_count++;
  plan->number_source[at] = (uint32_t) source;
  plan->number_feature[at] = (uint32_t) column->first_feature;
  plan->indicator[at] = column->indicator;
  plan->centre[at] = column->centre;
  plan->scale[at] = column->scale;
  plan->in_order = plan->in_order && source == plan->number_source[0] + at;
  plan->gapless =
    plan->gapless && !column->indicator && column->first_feature == plan->number_feature[0] + at;
}

enum err
encoder_bind(struct encoder *encoder, const struct row_schema *schema)
{
  if (encoder->plan == NULL && make_plan(encoder) != ERR_OK)
    return ERR_MEMORY;
  struct encode_plan *plan = encoder->plan;
  plan->layout = 0;
  plan->number_count = plan->rest_count = 0;
  plan->in_order = plan->gapless = true;
  for (size_t c = 0; c < encoder->column_count; c++)
  {
    const struct encode_column *column = &encoder->columns[c];
    if (column->feature_count == 0)
      continue;
    size_t source = row_schema_find(schema, column->name, strlen(column->name));
    if (source == SIZE_MAX || schema->columns[source].type != column->type)
      return ERR_OK;
    add_column(plan, column, c, source);
  }
  plan->layout = schema->layout;
  return ERR_OK;
}

/* The same operations in the same order as in encode_apply.c, so the same bits. */
static SIMD_INLINE void
scale_run_body(size_t count, const double *restrict value, const double *restrict centre,
               const double *restrict scale, float *restrict out)
{
  for (size_t i = 0; i < count; i++)
  {
    double z = (value[i] - centre[i]) * scale[i];
    double clipped = z / sqrt(1.0 + z * z / 9.0);
    clipped = fabs(z) > 1e9 ? (z > 0 ? 3.0 : -3.0) : clipped;
    clipped = scale[i] > 0 ? clipped : 0.0;
    out[i] = fabs(value[i]) <= DBL_MAX ? (float) clipped : 0.0f;
  }
}

SIMD_DEFINE(static, scale_run,
            (size_t count, const double *value, const double *centre, const double *scale,
             float *out),
            (count, value, centre, scale, out))

static void
raw_run(size_t count, const double *value, float *out)
{
  for (size_t i = 0; i < count; i++)
    out[i] = isfinite(value[i]) ? encode_to_float(value[i]) : NAN;
}

/* The numbers of `count` columns of the plan: where they lie, when those of one row lie together in the plan's
 * order as a request's do, else copied to `values`. */
static const double *
find_run(const struct encode_plan *plan, const struct table *table, size_t row, size_t first,
         size_t count, double *values)
{
  const uint32_t *source = plan->number_source + first;

  if (table->cells != NULL && plan->in_order && table->row_count == 1)
    return table->cells + source[0];
  if (table->cells != NULL)
    for (size_t i = 0; i < count; i++)
      values[i] = table->cells[source[i] * table->row_count + row];
  else
    for (size_t i = 0; i < count; i++)
      values[i] = table->columns[source[i]].number[row];
  return values;
}

void
encode_plan_numbers(const struct encoder *encoder, const struct table *table, size_t row, float *x)
{
  const struct encode_plan *plan = encoder->plan;
  double copies[RUN];
  float out[RUN];
  for (size_t first = 0; first < plan->number_count; first += RUN)
  {
    size_t left = plan->number_count - first, count = left < RUN ? left : RUN;
    const double *value = find_run(plan, table, row, first, count, copies);
    float *to = plan->gapless ? x + plan->number_feature[first] : out;
    if (encoder->view == ENCODE_DENSE)
      scale_run(count, value, plan->centre + first, plan->scale + first, to);
    else
      raw_run(count, value, to);
    for (size_t i = 0; !plan->gapless && i < count; i++)
    {
      float *at = x + plan->number_feature[first + i];
      at[0] = out[i];
      if (plan->indicator[first + i])
        at[1] = isfinite(value[i]) ? 0.0f : 1.0f;
    }
  }
}
