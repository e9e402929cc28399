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
  /* A belief about where the good values lie. Floats and ints: mean in natural units; sd in the units
   * of the scale (decades for log, natural log odds for logit). The others: a weight for each value,
   * their sum 1, NULL without a belief. */
  bool has_prior;
  double prior_mean, prior_sd;
  double *prior_weights; /* (value_count) */
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

/* Part of a forbidden combination: the parameter's stored value is one of `values`, or, where
 * value_count is 0, lies in low … high (floats and ints; an open end is infinite). */
struct space_clause
{
  size_t param;
  double *values;
  size_t value_count;
  double low, high;
};

/* A forbidden combination: no point may meet all clauses. An inactive parameter meets none. */
struct space_forbidden
{
  struct space_clause *clauses;
  size_t count;
};

/* A linear relation over natural numbers: Σ factors[k] · value(params[k]) ≤ bound, or < bound. Asked for
 * only where all its parameters are active. */
struct space_relation
{
  size_t *params; /* rising */
  double *factors;
  size_t count;
  double bound;
  bool strict;
};

struct space
{
  struct space_param *params;
  size_t count;
  /* The rules: which of the points that the parameters allow one by one are points of the space. */
  struct space_forbidden *forbidden;
  size_t forbidden_count;
  struct space_relation *relations;
  size_t relation_count;
  const double
    *witness; /* with rules: (count) values that settled keep them all (in a joined space with
                            any family), or NULL when none are known */
};

/* Index of a parameter by name, or SIZE_MAX. */
size_t space_find(const struct space *space, const char *name);

/* Whether parameter `index` is active in `point`, whose earlier parameters are set. */
bool space_active(const struct space *space, size_t index, const double *point);

/* Makes each value of any array legal by itself: clips, snaps ints, steps and indexes, sets inactive
 * ones to NaN and active NaNs to the default or the centre. The rules are not looked at. */
void space_settle(const struct space *space, double *point);

/* Makes any array a point of the space: as space_settle, then moves what breaks a rule, by as little
 * as it can find. Equal arrays give equal points. (Where a hand-made space has rules that contradict
 * each other, the point still breaks one.) */
void space_repair(const struct space *space, double *point);

/* True if the point is one of the space as it stands. */
bool space_contains(const struct space *space, const double *point);

/* Of a settled point: whether it keeps all rules; and, for one that may not, the number of the first
 * rule it breaks (forbidden combinations first, then relations; SIZE_MAX for none). */
bool space_allowed(const struct space *space, const double *point);
size_t space_broken_rule(const struct space *space, const double *point);

/* The last parameter that a rule names. */
size_t space_rule_last(const struct space *space, size_t rule);

static inline bool
space_has_rules(const struct space *space)
{
  return space->forbidden_count + space->relation_count > 0;
}

/* The number that a stored value stands for in relations: of ordinals and fixed ones the listed
 * number. NaN for what is no number. */
double space_param_number(const struct space_param *param, double stored);

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
 * inactive ones set to NaN. space_point_from_unit repairs what breaks a rule; space_try_unit leaves it,
 * and says whether the point keeps the rules. */
void space_point_from_unit(const struct space *space, const double *unit, double *point);
bool space_try_unit(const struct space *space, const double *unit, double *point);

/* A uniform random point (in unit coordinates), and the point of all defaults (else centres), repaired.
 * Under rules draws are made until one keeps them; where few do, a repaired one is moved about at
 * random within the rules, which is near to uniform. */
void space_sample(const struct space *space, struct rng *rng, double *point);
void space_default_point(const struct space *space, double *point);

/* Looks for a point that keeps all rules. ERR_NOT_FOUND when there is none (*certain), or none was found
 * in bounded time (not *certain). */
enum err space_find_point(const struct space *space, double *point, bool *certain);

/* How much the beliefs favour a point: the logarithm of its density over that of a uniform point, both
 * in unit coordinates; 0 without beliefs. */
double space_prior_log(const struct space *space, const double *point);

/* Same active parameters with the same values. */
bool space_points_equal(const struct space *space, const double *a, const double *b);

/* Number of distinct points, or INFINITY where a continuous parameter is active; conditions counted
 * by enumeration of the parents, rules by enumeration of the parameters they name. Saturates at 1e15,
 * also when conditions are too entangled to count. Where rules tie too many values together, it is an
 * estimate from random points: *exact (may be NULL) is then false. */
double space_cardinality(const struct space *space);
double space_count(const struct space *space, bool *exact);

#endif
