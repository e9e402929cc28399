/* Private to encode_*.c: what an encoder keeps per input column.
 */
#ifndef ATTUNE_DATA_ENCODE_INTERNAL_H
#define ATTUNE_DATA_ENCODE_INTERNAL_H

#include <stdint.h>

#include "base/arena.h"
#include "data/encode.h"
#include "data/ngram.h"

enum encode_kind
{
  ENCODE_NONE,    /* no feature */
  ENCODE_NUMBER,  /* one, scaled (dense) or raw (tree) */
  ENCODE_BINARY,  /* one 0/1 feature: is it categories[0]? */
  ENCODE_ONE_HOT, /* one per category, and one for all others if has_other */
  ENCODE_TARGET,  /* stat_count smoothed target statistics */
  ENCODE_TIME,
  ENCODE_WORDS /* what a text looks like, and the scores of regressions on its n-grams */
};

#define ENCODE_FOLDS 5

/* A text column. Values: the looks, then the scores, as in encode_words_values. */
struct encode_words
{
  unsigned bits;   /* buckets = 2^bits */
  double idf_step; /* inverse document frequency of a bucket = 1 + idf · idf_step */
  uint8_t *idf;    /* (buckets) */
  size_t score_count;
  int16_t *weights;       /* (buckets, score_count), in units of weight_unit */
  double *weight_unit;    /* (score_count) */
  double *bias;           /* (score_count) */
  double *centre, *scale; /* (ENCODE_LOOKS + score_count), dense view */

  /* only after a fit: the values of the training rows, their scores out of fold */
  float *known;    /* (rows with text, ENCODE_LOOKS + score_count) */
  uint32_t *place; /* by row of the dataset: 1 + its place in `known`, 0 = not there */
  size_t place_count;
};

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

  struct encode_words *words;
};

/* Where the features come from in tables of one layout, so that a row needs neither names nor the columns' records. */
struct encode_plan
{
  uint64_t layout;  /* of the tables; 0 = of none yet */
  uint32_t *source; /* per column of the encoder that gives features: column of the table */
  uint32_t *rest;   /* (rest_count) columns of the encoder that give features and are not below */
  size_t rest_count;
  /* the plain numbers (number_count): column of the table, place of the feature, and as in encode_column */
  uint32_t *number_source, *number_feature;
  bool *indicator;
  double *centre, *scale;
  size_t number_count;
  bool in_order; /* their columns follow one another in the table */
  bool gapless;  /* so do their features, without indicators between */
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
  struct encode_plan *plan; /* NULL = encoder_bind was not called */
};

/* Weight of the prior in a target statistic, in rows. */
#define ENCODE_PRIOR_ROWS 10.0

/* More classes than this share their statistics' places: only the first ones get one. */
#define ENCODE_MAX_STATS 20

/* What one fit works on. */
struct encode_fit
{
  const struct dataset *dataset;
  const struct task *task;
  const size_t *rows;
  size_t count;
  struct encoder *encoder;
  double *scratch; /* count doubles */
  size_t one_hot_limit;
};

/* Nearly linear around 0, never beyond ±3. */
double encode_clip(double value);

/* Raw numbers beyond the range of a float stay finite. */
float encode_to_float(double value);

/* x ← the features of the plan's plain numbers, of one row of a table of its layout. */
void encode_plan_numbers(const struct encoder *encoder, const struct table *table, size_t row,
                         float *x);

/* Sorts the values (count > 0) and gives their median and one by their quartile range, or what comes near. */
void encode_spread(double *values, size_t count, double *centre, double *scale);

/* Decides what becomes of a text column, and fits it. */
enum err encode_words_fit(const struct encode_fit *fit, const struct column *column,
                          struct encode_column *out);

/* values (ENCODE_LOOKS + score_count) of a text, raw. */
void encode_words_values(const struct encode_words *words, const char *text, size_t length,
                         struct ngram_scratch *scratch, float *values);

/* The fold a training row's target statistics leave out. */
size_t encode_fold_of(size_t row);

/* Position of `text` in the column's categories, or SIZE_MAX. */
size_t encode_find_category(const struct encode_column *column, const char *text);

/* From the columns: feature positions, width and names. */
enum err encode_lay_out(struct encoder *encoder, struct err_info *info);

#endif
