/* The report stored with a model version: what it scores, on what, against what, and how it came about.
 * Builds JSON from facts it is given and measures only the dumb baseline. Any thread.
 */
#ifndef ATTUNE_TUNE_REPORT_H
#define ATTUNE_TUNE_REPORT_H

#include "tune/bbc_cv.h"
#include "tune/tune_finish.h"
#include "tune/tune_limits.h"

struct report_facts
{
  const struct tune_data *data;
  const struct tune_finish *finish;
  const struct model *model;
  const char *estimate; /* "holdout", "bbc_cv"; of a provisional model "validation", "cv" */
  struct bbc_score score;
  size_t bootstraps;        /* behind the interval; 0 = there is none */
  struct decision decision; /* of the model */
  const float *predictions; /* on the rows the metrics are stated for */
  const struct labels *labels;
  const size_t *baseline_rows; /* rows the baseline may learn from */
  size_t baseline_count;
  const struct tune_trial *best;
  const struct tune_trial *const *members; /* (member_count), weights beside them */
  const double *weights;
  size_t member_count;
  bool ensemble;         /* more than one of them has a weight */
  double ensemble_wins;  /* NaN = no ensemble was considered */
  struct tune_cost cost; /* of the model */
};

/* New reference; NULL when out of memory. */
json_t *report_make(const struct report_facts *facts);

/* What predict wants of this model, as JSON text (caller frees): kind, columns or image size, task, classes. */
char *report_schema(const struct tune_data *data, const struct model *model);

#endif
