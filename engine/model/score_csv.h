/* A file of rows answered by a model as another file: the rows as they came, with columns of predictions behind them.
 *
 * Rows are read and answered as a predict call does (row_batch.h, model_predict_table), a part at a time in bounded
 * memory, from any place on: the parts of a file one after another are the answer to the whole. The answer is CSV
 * with commas. Its further columns: predicted_label, probability and probability_CLASS for each class, or
 * predicted_value and, with a level, interval_low and interval_high; then error, which says why a faulty row has none
 * of these, and warning, which says what of a row's values was taken as missing. A name that the file itself has gets
 * "_" behind it, as often as needed. One thread; borrows the model.
 */
#ifndef ATTUNE_MODEL_SCORE_CSV_H
#define ATTUNE_MODEL_SCORE_CSV_H

#include "base/buf.h"
#include "data/row_stream.h"
#include "model/model.h"

struct score_options
{
  bool strict;      /* as of row_batch.h */
  bool plain;       /* values are written as in JSON, whatever the model's files look like */
  double threshold; /* of two classes; NaN = the model's */
  double interval;  /* level; NaN = none */
};

struct score_csv;

/* ERR_INVALID when the file can't be read by the model, which must be one of tables. The descriptor stays the
 * caller's. */
enum err score_csv_open(const struct model *model, int fd, const struct score_options *options,
                        struct score_csv **score, struct err_info *info);
void score_csv_close(struct score_csv *score);

/* Where the next part begins; a part at bytes 0 begins with the header line. */
struct score_place
{
  uint64_t bytes, rows, faulty;
  bool ended;
};
void score_csv_seek(struct score_csv *score, const struct score_place *place);
struct score_place score_csv_place(const struct score_csv *score);

/* Appends the answers to the next rows, about a megabyte of the file at most. */
enum err score_csv_next(struct score_csv *score, struct buf *out, struct err_info *info);

#endif
