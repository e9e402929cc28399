#include <config.h>

#include "tune/tune_decide.h"

#include <stdlib.h>

#include "tune/greedy.h"

enum err
tune_decide(const struct tune_data *data, const struct tune_library *library, const double *weights,
            size_t count, struct decision *decision, struct err_info *info)
{
  size_t values = library->row_count * data->task.output_count;
  *decision = data->decision;
  if (!metric_tunes_threshold(data->metric, data->task.kind))
    return ERR_OK;
  float *mixed = malloc((values + 1) * sizeof *mixed);
  if (mixed == NULL)
    return err_set(info, ERR_MEMORY, "out of memory for the threshold");
  greedy_mix(library->predictions, weights, count, values, mixed);
  decision->has_threshold = true;
  decision->threshold =
    metric_best_threshold(data->metric, &data->task, &library->labels.labels, mixed, NULL);
  free(mixed);
  return ERR_OK;
}
