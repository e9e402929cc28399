/* From columns to the numbers models eat: fitted on training rows only, kept with the model.
 *
 * Two views of the same schema. ENCODE_DENSE (linear, networks): numeric columns centred by median and scaled
 * by the interquartile range (fallbacks for constants) then smoothly clipped, missing → 0 plus a missing
 * indicator where training rows had any; categories one-hot (the rare and the unknown share one slot; of
 * columns with more categories than encode_one_hot_limit smoothed target statistics, out-of-fold on the
 * training rows); booleans 0/1; datetimes as scaled time plus cyclic month, weekday, hour. ENCODE_TREE: raw
 * numbers with NaN for missing, categories one-hot or target statistics in the same way, datetime parts as
 * numbers. A text column gives in both views what it looks like (characters, words, shares of digits, capitals,
 * marks) and the scores of ridge regressions of the target on its hashed character n-grams (tf-idf),
 * out-of-fold on the training rows. Identifier columns, those that the task leaves out, and those without two
 * different values in the training rows, give no feature (`encoder_dropped_name`). Owns everything; immutable
 * once fitted; any thread may apply it.
 */
#ifndef ATTUNE_DATA_ENCODE_H
#define ATTUNE_DATA_ENCODE_H

#include <stddef.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/dataset.h"
#include "data/row_batch.h"
#include "data/task.h"

enum encode_view
{
  ENCODE_DENSE,
  ENCODE_TREE
};

/* A column with up to so many categories (after the rare ones are put together) is one-hot in any case, one with more
 * than ENCODE_ONE_HOT_MOST never. */
#define ENCODE_ONE_HOT_DENSE 40
#define ENCODE_ONE_HOT_TREE 10
#define ENCODE_ONE_HOT_MOST 256

/* Features of a text's look, before its scores: characters and words (logarithms), shares of digits, capitals and
 * marks. */
#define ENCODE_LOOKS 5
/* Scores of a text: one for two classes or a number, one per class up to this many; above, so many random sums of
 * classes, from which the classes are told as well. */
#define ENCODE_MAX_SCORES 32

struct encoder;

/* Most categories that a column may have to be one-hot, when the table's categorical columns have `categories`
 * (column_count) and there are so many rows: the more, the better a model tells them apart, within what features and
 * memory they may take all together. */
size_t encode_one_hot_limit(enum encode_view view, const size_t *categories, size_t column_count,
                            size_t row_count);

/* Fits on `rows` (count) of a table dataset. ERR_INVALID if no usable column is left. */
enum err encoder_fit(const struct dataset *dataset, const struct task *task, enum encode_view view,
                     const size_t *rows, size_t count, struct encoder **encoder,
                     struct err_info *info);
void encoder_free(struct encoder *encoder);

enum encode_view encoder_view(const struct encoder *encoder);

/* Number of features, and their names ("age", "city=Paris", …), borrowed. */
size_t encoder_width(const struct encoder *encoder);
const char *encoder_feature_name(const struct encoder *encoder, size_t feature);
/* Index of the input column a feature comes from, and the input columns: those that
 * task_takes_column, in the dataset's order (that of row_schema_from_task). Borrowed. */
size_t encoder_feature_column(const struct encoder *encoder, size_t feature);
size_t encoder_column_count(const struct encoder *encoder);
const char *encoder_column_name(const struct encoder *encoder, size_t column);

/* Names of the columns that give no feature. Borrowed. */
size_t encoder_dropped_count(const struct encoder *encoder);
const char *encoder_dropped_name(const struct encoder *encoder, size_t index);

/* x (count, width) row-major ← the given rows of a table with the encoder's columns (matched by
 * name and type; categories by their text). For the training rows themselves, target statistics are
 * out-of-fold when `training` is true (right after encoder_fit; a loaded encoder has no folds and
 * answers ERR_CONFLICT). rows == NULL means 0 … count−1. ERR_INVALID when a column is not there or
 * of another type. */
enum err encoder_apply(const struct encoder *encoder, const struct table *table, const size_t *rows,
                       size_t count, bool training, float *x, struct err_info *info);

/* Readies it for batches of rows of this schema: the same features, sooner. Again for another schema; not while other
 * threads apply it. A schema without the encoder's columns changes nothing. ERR_MEMORY. */
enum err encoder_bind(struct encoder *encoder, const struct row_schema *schema);

/* Bytes of the encoder, for the model file; and back. Every length is checked; ERR_INVALID if
 * damaged. */
enum err encoder_save(const struct encoder *encoder, struct buf *out);
enum err encoder_load(const char *bytes, size_t length, size_t *used, struct encoder **encoder,
                      struct err_info *info);

#endif
