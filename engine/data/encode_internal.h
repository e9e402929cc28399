/* Private to encode_*.c: what an encoder keeps per input column.
 */
#ifndef ATTUNE_DATA_ENCODE_INTERNAL_H
#define ATTUNE_DATA_ENCODE_INTERNAL_H

#include <stdint.h>

#include "base/arena.h"
#include "data/encode.h"

enum encode_kind
{
  ENCODE_NONE,    /* no feature */
  ENCODE_NUMBER,  /* one, scaled (dense) or raw (tree) */
  ENCODE_BINARY,  /* one 0/1 feature: is it categories[0]? */
  ENCODE_ONE_HOT, /* one per category, and one for all others if has_other */
  ENCODE_TARGET,  /* stat_count smoothed target statistics */
  ENCODE_TIME
};

#define ENCODE_FOLDS 5

struct encode_column
{
  const char *name;
  enum column_type type;
  enum encode_kind kind;
  bool indicator; /* a last feature says "missing" (dense view) */
  size_t first_feature, feature_count;

  /* number, time: dense features are clip ((value − centre) · scale) */
  double centre, scale;
  bool has_clock; /* time: any value with a time of day */

  /* binary, one-hot, target: the categories known, ascending by bytes */
  const char **categories;
  size_t category_count;
  bool has_other;

  /* target: statistic s of category k at [k · stat_count + s]; prior for the unknown */
  size_t stat_count;
  double *stats;
  double *prior;
  double *stat_centre, *stat_scale; /* dense view */

  /* target, only after a fit: sums [k · stat_count + s] and counts [k], per fold and in all */
  double *sums, *fold_sums;
  double *counts, *fold_counts;
};

struct encoder
{
  struct arena *arena; /* owns everything below */
  enum encode_view view;
  struct encode_column *columns;
  size_t column_count;
  const char **dropped;
  size_t dropped_count;
  size_t width;
  const char **feature_names;
  uint32_t *feature_columns;
};

/* Weight of the prior in a target statistic, in rows. */
#define ENCODE_PRIOR_ROWS 10.0

/* More classes than this share their statistics' places: only the first ones get one. */
#define ENCODE_MAX_STATS 20

/* The fold a training row's target statistics leave out. */
size_t encode_fold_of(size_t row);

/* Position of `text` in the column's categories, or SIZE_MAX. */
size_t encode_find_category(const struct encode_column *column, const char *text);

/* From the columns: feature positions, width and names. */
enum err encode_lay_out(struct encoder *encoder, struct err_info *info);

#endif
