/* A search space and its points.
 *
 * A space is an ordered list of parameters; a point is an array of `n` doubles in the space's order:
 * floats and ints as themselves, ordinals, categoricals and booleans as the index of their value,
 * NaN where the parameter is inactive (its `when` is not met). The unit cube maps every active
 * parameter to [0,1] through its scale. Immutable once built; free to share between threads.
 *
 * A job's space over several model families is one space: a categorical "family" first, and each
 * family's parameters named "family.parameter" with `when family == …`.
 */
#ifndef ATTUNE_BASE_SPACE_H
#define ATTUNE_BASE_SPACE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/rng.h"

enum space_kind
{
  SPACE_FLOAT,
  SPACE_INT,
  SPACE_ORDINAL,     /* ordered values; distance is by index */
  SPACE_CATEGORICAL, /* unordered values */
  SPACE_BOOL,        /* index 0 = false, 1 = true */
  SPACE_FIXED        /* one value, values[0] */
};

enum space_scale
{
  SPACE_LINEAR,
  SPACE_LOG,
  SPACE_LOGIT
};

enum space_value_kind
{
  SPACE_VALUE_NUMBER,
  SPACE_VALUE_TEXT,
  SPACE_VALUE_BOOL
};

struct space_value
{
  enum space_value_kind kind;
  double number; /* also 0/1 for a bool */
  bool integral; /* printed without a fraction */
  const char *text;
};

struct space_param
{
  const char *name;
  const char *help; /* one sentence, may be NULL */
  enum space_kind kind;
  enum space_scale scale;
  double low, high; /* float and int */
  double step;      /* int: ≥ 1; float: 0 = continuous */
  struct space_value *values;
  size_t value_count; /* ordinal, categorical, bool (2), fixed (1) */
  bool has_prior;
  double prior_mean,
    prior_sd; /* mean in natural units; sd in the units of the scale (decades for log) */
  bool has_default;
  double fallback; /* the tuned default, as stored in a point */
  /* The condition: all of these must hold; each names an earlier parameter and its legal indexes
   * (for an int parent: legal values). */
  struct space_condition *conditions;
  size_t condition_count;
};

struct space_condition
{
  size_t parent;
  double *values; /* legal stored values of the parent */
  size_t value_count;
};

struct space
{
  struct space_param *params;
  size_t count;
};

/* Index of a parameter by name, or SIZE_MAX. */
size_t space_find(const struct space *space, const char *name);

/* Whether parameter `index` is active in `point`, whose earlier parameters are set. */
bool space_active(const struct space *space, size_t index, const double *point);

/* Makes any array a legal point: clips, snaps ints, steps and indexes, sets inactive ones to NaN and
 * active NaNs to the default or the centre. */
void space_repair(const struct space *space, double *point);

/* True if the point is legal as it stands. */
bool space_contains(const struct space *space, const double *point);

/* One parameter's stored value to [0,1] and back. Ints map with half-step margins, so each has an
 * equal share of [0,1]; indexes map to (i + ½)/count. The way back snaps. */
double space_to_unit(const struct space_param *param, double value);
double space_from_unit(const struct space_param *param, double unit);

/* Number of distinct values a parameter can take, INFINITY for a continuous one; its value number
 * `level` (0 … levels−1) in rising order; whether `value` is one of its values as it stands; and the
 * legal value nearest to `value` (not NaN). */
double space_param_levels(const struct space_param *param);
double space_param_level(const struct space_param *param, double level);
bool space_param_legal(const struct space_param *param, double value);
double space_param_snap(const struct space_param *param, double value);

/* A point from a vector u of `count` numbers in [0,1): every parameter from its own coordinate,
 * inactive ones set to NaN. */
void space_point_from_unit(const struct space *space, const double *unit, double *point);

/* A uniform random point (in unit coordinates), and the point of all defaults (else centres). */
void space_sample(const struct space *space, struct rng *rng, double *point);
void space_default_point(const struct space *space, double *point);

/* Same active parameters with the same values. */
bool space_points_equal(const struct space *space, const double *a, const double *b);

/* Number of distinct points, or INFINITY where a continuous parameter is active; conditions counted
 * by enumeration of the parents. Saturates at 1e15, also when conditions are too entangled to count. */
double space_cardinality(const struct space *space);

#endif
