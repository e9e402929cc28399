/* The dumbest predictor that could be right: class shares, the mean or the median. Private to tune/. */
#ifndef ATTUNE_TUNE_BASELINE_H
#define ATTUNE_TUNE_BASELINE_H

#include "tune/tune_data.h"

struct baseline
{
  double score;
  char description[600]; /* "always answering \"yes\"" */
};

/* Learns from `rows`, scored by the job's metric against `labels`. */
enum err baseline_measure(const struct tune_data *data, const size_t *rows, size_t count,
                          const struct labels *labels, struct baseline *baseline);

#endif
