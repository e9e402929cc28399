/* Private to split*.c: what the making of one split needs, step by step.
 */
#ifndef ATTUNE_DATA_SPLIT_INTERNAL_H
#define ATTUNE_DATA_SPLIT_INTERNAL_H

#include "base/rng.h"
#include "data/split.h"

/* Rows that stay together: of one group, or equal in every column. */
struct split_unit
{
  uint64_t hash;
  size_t first; /* its first row; until units are ordered, the position of that in `members` */
  size_t size;
  size_t stratum; /* of its first row */
  double time;
};

struct split_key
{
  uint64_t hash;
  size_t row;
};

struct split_work
{
  const struct dataset *dataset;
  const struct task *task;
  const struct split_spec *spec;
  const struct column *group, *time; /* NULL = none */
  struct rng rng;
  size_t *stratum; /* per row; SIZE_MAX = unused */
  size_t strata;
  size_t used;
  struct split_key *members; /* used rows by unit */
  struct split_unit *units;  /* in the order in which they are dealt */
  size_t unit_count;
  size_t time_count; /* different times of units */
  struct split_refusal *refusal;
};

/* ERR_INVALID with the text; notes the member (NULL = the rows themselves) and the remedy. */
enum err split_refuse(const struct split_work *work, const char *member, const char *hint,
                      struct err_info *info, const char *format, ...)
  __attribute__((format(printf, 5, 6)));

/* Fills stratum, strata and used; leaves out rows without a target or a time. */
enum err split_find_strata(struct split_work *work, struct split *split);

/* Fills members and units, and the split's group_of and order_of. */
enum err split_find_units(struct split_work *work, struct split *split);

/* Gives every row of the unit its part. */
void split_place_unit(const struct split_work *work, struct split *split,
                      const struct split_unit *unit, uint8_t part);

/* The rows of a unit as members[*begin … *begin + unit->size − 1]. */
size_t split_unit_begin(const struct split_work *work, const struct split_unit *unit);

/* Parts with their shares of the rows (summing to 1); in order of time for split_deal_times. */
struct split_parts
{
  uint8_t code[64];
  double share[64];
  size_t count;
};

/* Groups of several strata: each to the part that keeps all parts nearest to their shares. */
enum err split_deal_groups(const struct split_work *work, const struct split_parts *parts,
                           struct split *split);
/* Units in order of time: cut at changes of time only. There are at least as many times as parts. */
void split_deal_times(const struct split_work *work, const struct split_parts *parts,
                      struct split *split);

/* ERR_INVALID unless every part has rows and every fold's training rows have something to learn. */
enum err split_check_parts(const struct split_work *work, const struct split *split,
                           struct err_info *info);

#endif
