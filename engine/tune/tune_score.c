#include <config.h>

#include "tune/tune_score.h"

#include <stdlib.h>
#include <string.h>

bool
tune_trial_servable(const struct tune_data *data, const struct tune_trial *trial)
{
  for (size_t f = 0; f < data->split->fold_count; f++)
    if (trial->folds[f].model == NULL)
      return false;
  return true;
}

void
tune_library_free(struct tune_library *library)
{
  for (size_t k = 0; k < library->count; k++)
    free((float *) library->predictions[k]);
  free(library->predictions);
  free(library->trials);
  free(library->rows);
  tune_labels_free(&library->labels);
  *library = (struct tune_library){0};
}

/* The folds' validation rows, one fold after another; ends[f] is where fold f's end. */
static enum err
join_rows(const struct tune_data *data, struct tune_library *library, size_t *ends)
{
  library->rows = malloc((dataset_row_count(data->dataset) + 1) * sizeof *library->rows);
  if (library->rows == NULL)
    return ERR_MEMORY;
  for (size_t f = 0; f < data->split->fold_count; f++)
  {
    size_t *rows = NULL, count = 0;
    enum err err = split_valid_rows(data->split, f, &rows, &count);
    if (err != ERR_OK)
      return err;
    if (count > 0)
      memcpy(library->rows + library->row_count, rows, count * sizeof *rows);
    library->row_count += count;
    ends[f] = library->row_count;
    free(rows);
  }
  return ERR_OK;
}

/* NULL when a fold's predictions are missing or of another length. *memory tells a failed allocation. */
static float *
join_predictions(const struct tune_data *data, const struct tune_trial *trial,
                 const struct tune_library *library, const size_t *ends, bool *memory)
{
  size_t outputs = data->task.output_count, begin = 0;
  for (size_t f = 0; f < data->split->fold_count; f++)
  {
    const struct tune_fold_output *fold = &trial->folds[f];
    if (fold->predictions == NULL || fold->prediction_count != (ends[f] - begin) * outputs)
      return NULL;
    begin = ends[f];
  }
  float *joined = malloc((library->row_count * outputs + 1) * sizeof *joined);
  *memory = joined == NULL;
  begin = 0;
  for (size_t f = 0; f < data->split->fold_count && joined != NULL; f++)
  {
    memcpy(joined + begin * outputs, trial->folds[f].predictions,
           trial->folds[f].prediction_count * sizeof *joined);
    begin = ends[f];
  }
  return joined;
}

enum err
tune_library_make(const struct tune_data *data, const struct tune_trial *trials, size_t trial_count,
                  bool servable, struct tune_library *library, struct err_info *info)
{
  *library = (struct tune_library){0};
  size_t *ends = calloc(data->split->fold_count + 1, sizeof *ends);
  library->trials = calloc(trial_count + 1, sizeof *library->trials);
  library->predictions = calloc(trial_count + 1, sizeof *library->predictions);
  enum err err = ERR_MEMORY;
  if (ends == NULL || library->trials == NULL || library->predictions == NULL)
    goto out;
  err = join_rows(data, library, ends);
  if (err == ERR_OK)
    err = tune_labels_of(data, library->rows, library->row_count, &library->labels);
  for (size_t t = 0; t < trial_count && err == ERR_OK; t++)
  {
    bool memory = false;
    if (servable && !tune_trial_servable(data, &trials[t]))
      continue;
    float *joined = join_predictions(data, &trials[t], library, ends, &memory);
    if (memory)
      err = ERR_MEMORY;
    if (joined == NULL)
      continue;
    library->trials[library->count] = &trials[t];
    library->predictions[library->count++] = joined;
  }
out:
  free(ends);
  if (err != ERR_OK)
  {
    tune_library_free(library);
    return err_set(info, err, "out of memory for the trials' predictions");
  }
  return ERR_OK;
}
