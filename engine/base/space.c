#include <config.h>

#include "base/space.h"

#include <math.h>
#include <string.h>

size_t
space_find(const struct space *space, const char *name)
{
  for (size_t i = 0; i < space->count; i++)
    if (strcmp(space->params[i].name, name) == 0)
      return i;
  return SIZE_MAX;
}

static double
scale_forward(enum space_scale scale, double value)
{
  switch (scale)
  {
  case SPACE_LOG:
    return log(value);
  case SPACE_LOGIT:
    return log(value / (1.0 - value));
  case SPACE_LINEAR:
    break;
  }
  return value;
}

static double
scale_back(enum space_scale scale, double value)
{
  switch (scale)
  {
  case SPACE_LOG:
    return exp(value);
  case SPACE_LOGIT:
    return 1.0 / (1.0 + exp(-value));
  case SPACE_LINEAR:
    break;
  }
  return value;
}

static bool
is_continuous(const struct space_param *param)
{
  return param->kind == SPACE_FLOAT && !(param->step > 0.0);
}

static bool
is_stepped(const struct space_param *param)
{
  return param->kind == SPACE_INT || (param->kind == SPACE_FLOAT && param->step > 0.0);
}

static double
step_of(const struct space_param *param)
{
  return param->step > 0.0 ? param->step : 1.0;
}

double
space_param_levels(const struct space_param *param)
{
  switch (param->kind)
  {
  case SPACE_FLOAT:
    if (!(param->step > 0.0))
      return INFINITY;
    /* 0.1 in 0 … 0.3 has four levels although 0.3/0.1 < 3 in binary */
    return floor((param->high - param->low) / param->step + 1e-9) + 1.0;
  case SPACE_INT:
    return floor((param->high - param->low) / step_of(param)) + 1.0;
  case SPACE_BOOL:
    return 2.0;
  case SPACE_FIXED:
    return 1.0;
  case SPACE_ORDINAL:
  case SPACE_CATEGORICAL:
    break;
  }
  return (double) param->value_count;
}

/* The power of ten that makes low and step whole numbers, or 0 when none up to 1e12 does. */
static double
decimal_factor(double low, double step)
{
  double factor = 1.0;
  for (int digits = 0; digits <= 12; digits++, factor *= 10.0)
  {
    double a = low * factor, b = step * factor;
    if (fabs(a) > 1e15 || fabs(b) > 1e15)
      return 0.0;
    if (fabs(a - round(a)) < 1e-9 * fmax(1.0, fabs(a))
        && fabs(b - round(b)) < 1e-9 * fmax(1.0, fabs(b)) && round(b) >= 1.0)
      return factor;
  }
  return 0.0;
}

double
space_param_level(const struct space_param *param, double level)
{
  if (!is_stepped(param))
    return level;
  double step = step_of(param);
  if (param->kind == SPACE_INT)
    return param->low + level * step;
  /* whole number ÷ power of ten is the double nearest to the decimal: 0.3, not 0.30000000000000004 */
  double factor = decimal_factor(param->low, step);
  double whole = factor > 0.0 ? round(param->low * factor) + level * round(step * factor) : 0.0;
  double value = factor > 0.0 && fabs(whole) < 0x1p53 ? whole / factor : param->low + level * step;
  return fmin(fmax(value, param->low), param->high);
}

double
space_param_snap(const struct space_param *param, double value)
{
  if (is_continuous(param))
    return fmin(fmax(value, param->low), param->high);
  double top = space_param_levels(param) - 1.0;
  double level =
    is_stepped(param)
      ? round((fmin(fmax(value, param->low), param->high) - param->low) / step_of(param))
      : round(value);
  return space_param_level(param, fmin(fmax(level, 0.0), top));
}

bool
space_param_legal(const struct space_param *param, double value)
{
  return !isnan(value) && space_param_snap(param, value) == value;
}

bool
space_active(const struct space *space, size_t index, const double *point)
{
  const struct space_param *param = &space->params[index];
  for (size_t i = 0; i < param->condition_count; i++)
  {
    const struct space_condition *condition = &param->conditions[i];
    double parent = point[condition->parent];
    bool met = false;
    for (size_t j = 0; j < condition->value_count && !met; j++)
      met = parent == condition->values[j]; /* an inactive parent is NaN: never equal */
    if (!met)
      return false;
  }
  return true;
}

/* The ends of a parameter's range on its scale. Stepped ones get half a step more on both sides,
 * though never half the way to where the scale ends (0 for log, 0 and 1 for logit). */
static void
scaled_range(const struct space_param *param, double *low, double *high)
{
  double a = param->low, b = param->high;
  if (is_stepped(param))
  {
    double half = 0.5 * step_of(param);
    double top = space_param_level(param, space_param_levels(param) - 1.0);
    a = param->low - half;
    b = top + half;
    if (param->scale != SPACE_LINEAR)
      a = fmax(a, 0.5 * param->low);
    if (param->scale == SPACE_LOGIT)
      b = fmin(b, 0.5 * (1.0 + top));
  }
  *low = scale_forward(param->scale, a);
  *high = scale_forward(param->scale, b);
}

double
space_to_unit(const struct space_param *param, double value)
{
  if (isnan(value))
    return NAN;
  if (!is_continuous(param) && !is_stepped(param))
    return (space_param_snap(param, value) + 0.5) / space_param_levels(param);
  double low, high;
  scaled_range(param, &low, &high);
  if (!(high > low))
    return 0.5;
  double clipped = fmin(fmax(value, param->low), param->high);
  double unit = (scale_forward(param->scale, clipped) - low) / (high - low);
  return fmin(fmax(unit, 0.0), 1.0);
}

double
space_from_unit(const struct space_param *param, double unit)
{
  if (isnan(unit))
    return NAN;
  double u = fmin(fmax(unit, 0.0), 1.0);
  if (!is_continuous(param) && !is_stepped(param))
  {
    double levels = space_param_levels(param);
    return fmin(floor(u * levels), fmax(levels - 1.0, 0.0));
  }
  /* the ends exactly, whatever exp(log(x)) rounds to */
  if (is_continuous(param) && (u <= 0.0 || u >= 1.0))
    return u <= 0.0 ? param->low : param->high;
  double low, high;
  scaled_range(param, &low, &high);
  return space_param_snap(param, scale_back(param->scale, low + u * (high - low)));
}

static double
start_value(const struct space_param *param)
{
  return param->has_default ? space_param_snap(param, param->fallback)
                            : space_from_unit(param, 0.5);
}

void
space_settle(const struct space *space, double *point)
{
  for (size_t i = 0; i < space->count; i++)
  {
    const struct space_param *param = &space->params[i];
    if (!space_active(space, i, point))
      point[i] = NAN;
    else if (isnan(point[i]))
      point[i] = start_value(param);
    else
      point[i] = space_param_snap(param, point[i]);
  }
}

bool
space_contains(const struct space *space, const double *point)
{
  for (size_t i = 0; i < space->count; i++)
  {
    bool legal = space_active(space, i, point) ? space_param_legal(&space->params[i], point[i])
                                               : isnan(point[i]);
    if (!legal)
      return false;
  }
  return space_allowed(space, point);
}

bool
space_try_unit(const struct space *space, const double *unit, double *point)
{
  for (size_t i = 0; i < space->count; i++)
  {
    double value = space_from_unit(&space->params[i], isnan(unit[i]) ? 0.5 : unit[i]);
    point[i] = space_active(space, i, point) ? value : NAN;
  }
  return space_allowed(space, point);
}

void
space_point_from_unit(const struct space *space, const double *unit, double *point)
{
  if (!space_try_unit(space, unit, point))
    space_repair(space, point);
}

void
space_default_point(const struct space *space, double *point)
{
  for (size_t i = 0; i < space->count; i++)
    point[i] = space_active(space, i, point) ? start_value(&space->params[i]) : NAN;
  if (!space_allowed(space, point))
    space_repair(space, point);
}

bool
space_points_equal(const struct space *space, const double *a, const double *b)
{
  for (size_t i = 0; i < space->count; i++)
    if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i]))))
      return false;
  return true;
}
