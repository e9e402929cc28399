/* Shared by the files of space_*.c alone: the rules of a space, and walks through what they name. */
#ifndef ATTUNE_BASE_SPACE_INTERNAL_H
#define ATTUNE_BASE_SPACE_INTERNAL_H

#include "base/space.h"

/* Whether a settled point keeps one rule, numbered as by space_broken_rule; and the parameters a rule
 * names: their number, and the k-th of them. */
bool space_rule_kept(const struct space *space, size_t rule, const double *point);
size_t space_rule_width(const struct space *space, size_t rule);
size_t space_rule_param(const struct space *space, size_t rule, size_t k);

static inline size_t
space_rule_count(const struct space *space)
{
  return space->forbidden_count + space->relation_count;
}

/* Whether the stored value meets a clause. */
bool space_clause_met(const struct space_clause *clause, double value);

/* Whether a relation holds somewhere when its parameters are looked at alone. */
bool space_relation_possible(const struct space *space, const struct space_relation *relation);

/* Marks the parameters that rules name, and with `ancestors` those that their being active depends on.
 * flags: (space->count), zeroed by the caller. */
void space_rules_mark(const struct space *space, bool ancestors, bool *flags);

/* Moves a settled point until it keeps the rules, rule by rule; false when that leads nowhere. `scratch`
 * has room for 2 × space->count numbers. */
bool space_rules_fix(const struct space *space, double *point, double *scratch);

/* Walks through all values of some discrete parameters and stops where a rule is broken, so that only
 * what keeps the rules is reached. Continuous ones stay NaN: no rule that names one is looked at. */
struct space_walk
{
  const struct space *space;
  const size_t *members; /* (count) rising; with a parameter also those it depends on */
  size_t count;
  double *point; /* (space->count), NaN but for members: what is walked */
  long steps;    /* values that may still be tried */
  /* Called at the end of each way; `open`: a continuous member is active. False ends the walk. */
  bool (*leaf)(struct space_walk *walk, bool open);
  void *context;
};

/* False when the walk did not get to its end. */
bool space_walk_run(struct space_walk *walk);

#endif
