#include <config.h>

#include "server/handler/predict_log.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "data/drift_reference.h"
#include "server/prediction_log.h"

static void
copy_id(char to[PREDICTION_ID_SIZE], const char *id)
{
  size_t length = strnlen(id, PREDICTION_ID_SIZE - 1);
  memcpy(to, id, length);
  memset(to + length, 0, PREDICTION_ID_SIZE - length);
}

static void
log_answers(struct prediction_log *log, const struct model_ref *ref,
            const struct model_about *about, const char *prediction_id,
            const struct predict_input *input, const float *outputs)
{
  const struct task *task = about->task;
  size_t count = input->good_count < PREDICTION_ROWS ? input->good_count : PREDICTION_ROWS;
  struct prediction_record record;

  copy_id(record.id, prediction_id);
  copy_id(record.model, ref->model_id);
  record.version = ref->version;
  record.rows = input->count < INT32_MAX ? (int32_t) input->count : INT32_MAX;
  record.at_us = clock_unix_us();
  for (size_t i = 0; i < count; i++)
  {
    const float *output = outputs + i * task->output_count;
    size_t label =
      task->class_count > 0 ? decision_class(&about->decision, output, task->class_count) : 0;
    record.row = (int32_t) input->good[i] + 1;
    record.class_index = task->class_count > 0 ? (int32_t) label : -1;
    record.value = output[label];
    prediction_log_put(log, &record);
  }
}

/* A sample holds so many columns; of wider rows each has the next ones. */
static void
log_row(struct prediction_log *log, struct prediction_sample *sample,
        const struct predict_input *input, size_t row, uint64_t turn)
{
  const struct table *table = row_batch_table(input->batch);
  const json_t *warnings = predict_input_warnings(input, row);
  size_t columns =
    table->column_count < DRIFT_COLUMNS_MAX ? table->column_count : DRIFT_COLUMNS_MAX;
  size_t parts = (columns + PREDICTION_VALUES - 1) / PREDICTION_VALUES;
  size_t first = parts > 0 ? (size_t) (turn % parts) * PREDICTION_VALUES : 0;

  sample->first = (uint32_t) first;
  sample->count = 0;
  for (size_t c = first; c < columns && sample->count < PREDICTION_VALUES; c++)
  {
    const struct column *column = &table->columns[c];
    double value = drift_value(column, row);
    if (warnings && column->code && isnan(value) && predict_warns_unknown(warnings, column->name))
      value = DRIFT_UNKNOWN;
    sample->values[sample->count++] = (float) value;
  }
  prediction_log_sample(log, sample);
}

void
predict_log(struct http_request *req, const struct model_ref *ref, const struct model_about *about,
            const char *prediction_id, const struct predict_input *input, const float *outputs)
{
  struct prediction_log *log = req->server->predictions;
  uint64_t turn = 0;

  /* What someone tries in the pages is no use of the model: drift and accuracy would be of their sliders. */
  if (!log || req->by_cookie)
    return;
  log_answers(log, ref, about, prediction_id, input, outputs);
  if (!input->batch || row_batch_table(input->batch)->layout == 0)
    return;
  size_t samples = prediction_log_grant(log, ref->entry, input->good_count, &turn);
  if (samples == 0)
    return;
  struct prediction_sample sample;
  copy_id(sample.model, ref->model_id);
  sample.version = ref->version;
  for (size_t i = 0; i < samples; i++)
    log_row(log, &sample, input, input->good[i * (input->good_count / samples)], turn + i);
}
