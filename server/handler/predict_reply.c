#include <config.h>

#include "server/handler/predict_reply.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

void
predict_write_float(float value, struct buf *out)
{
  char text[TEXT_DOUBLE_SIZE];

  if (isfinite(value))
    buf_append(out, text, text_print_float(value, text));
  else
    buf_append_text(out, "null");
}

void
predict_write_text(const char *text, struct buf *out)
{
  json_write_string(text, strlen(text), out);
}

/* ---- one prediction -------------------------------------------------------------------------------- */

static void
write_classes(const struct model_about *about, const float *outputs, struct buf *out)
{
  const struct task *task = about->task;
  size_t count = task->class_count;
  size_t best = decision_class(&about->decision, outputs, count);

  buf_append_text(out, "\"label\":");
  predict_write_text(task->class_names[best], out);
  buf_append_text(out, ",\"probability\":");
  predict_write_float(outputs[best], out);
  buf_append_text(out, ",\"probabilities\":{");
  for (size_t i = 0; i < count; i++)
  {
    if (i > 0)
      buf_append(out, ",", 1);
    predict_write_text(task->class_names[i], out);
    buf_append(out, ":", 1);
    predict_write_float(outputs[i], out);
  }
  buf_append(out, "}", 1);
}

static void
write_member(const char *name, double value, struct buf *out)
{
  char text[TEXT_DOUBLE_SIZE];

  buf_append(out, ",\"", 2);
  buf_append_text(out, name);
  buf_append(out, "\":", 2);
  buf_append(out, text, text_print_double(value, text));
}

static void
write_number(const struct model_about *about, double level, float value, struct buf *out)
{
  double low = NAN, high = NAN;

  buf_append_text(out, "\"value\":");
  predict_write_float(value, out);
  if (!(level > 0))
    return;
  model_interval_at(about->interval, level, (double) value, &low, &high);
  buf_append_text(out, ",\"interval\":{\"low\":");
  predict_write_float((float) low, out);
  buf_append_text(out, ",\"high\":");
  predict_write_float((float) high, out);
  buf_append(out, "}", 1);
}

static void
write_error(const json_t *faults, struct buf *out)
{
  const json_t *first = json_array_get(faults, 0);

  buf_append_text(out, "\"error\":{\"code\":\"invalid\",\"message\":");
  predict_write_text(json_get_string(first, "message", "this row can't be used"), out);
  buf_append_text(out, ",\"faults\":");
  json_write(faults, out);
  buf_append(out, "}", 1);
}

void
predict_reply_write(const struct model_ref *ref, const struct model_about *about,
                    const char *prediction_id, const struct predict_input *input,
                    const float *outputs, struct buf *out)
{
  const struct task *task = about->task;
  size_t next = 0; /* among the good ones */

  buf_append_text(out, "{\"model\":");
  predict_write_text(ref->model_name, out);
  write_member("version", (double) ref->version, out);
  buf_append_text(out, ",\"prediction_id\":\"");
  buf_append_text(out, prediction_id);
  buf_append(out, "\"", 1);
  if (task->kind == TASK_BINARY)
    write_member("threshold", decision_threshold(&about->decision), out);
  if (input->interval > 0)
    write_member("interval", input->interval, out);
  if (input->explain_about)
  {
    buf_append_text(out, ",\"explain\":");
    buf_append_text(out, input->explain_about);
  }
  if (input->strange_about)
  {
    buf_append_text(out, ",\"unusual\":");
    buf_append_text(out, input->strange_about);
  }
  buf_append_text(out, ",\"predictions\":[");
  for (size_t row = 0; row < input->count && !out->failed; row++)
  {
    const json_t *warnings = predict_input_warnings(input, row);
    const float *output = outputs + next * task->output_count;
    buf_append_text(out, row > 0 ? ",{" : "{");
    if (next >= input->good_count || input->good[next] != row)
      write_error(predict_input_faults(input, row), out);
    else
    {
      next++;
      if (task->class_count > 0)
        write_classes(about, output, out);
      else
        write_number(about, input->interval, output[0], out);
      if (input->explained)
      {
        buf_append_text(out, ",\"explanation\":");
        buf_append_text(out, input->explained[next - 1]);
      }
      if (input->strange)
      {
        buf_append_text(out, ",\"unusual\":");
        buf_append_text(out, input->strange[next - 1]);
      }
    }
    if (json_array_size(warnings) > 0)
    {
      buf_append_text(out, ",\"warnings\":");
      json_write(warnings, out);
    }
    if (input->names && input->names[row])
    {
      buf_append_text(out, ",\"file\":");
      predict_write_text(input->names[row], out);
    }
    buf_append(out, "}", 1);
  }
  buf_append_text(out, "]}");
}

/* Where a fault that stands at "/rows/<i>/<column>" of the rows stands in the body. */
static const char *
place_of(const struct predict_input *input, size_t row, const json_t *fault, struct arena *arena)
{
  const char *pointer = json_get_string(fault, "pointer", "");
  const char *column = json_get_string(fault, "column", NULL), *text;

  if (!input->place || strncmp(pointer, "/rows/", 6) != 0)
    return pointer;
  if (!input->by_column)
    text = arena_printf(arena, "%s%s", input->place, pointer + 5);
  else if (column)
    text = json_pointer_index(arena, json_pointer(arena, input->place, column), row);
  else
    text = input->place;
  return text ? text : "";
}

void
predict_faults_gather(const struct predict_input *input, struct json_faults *faults)
{
  for (size_t row = 0; row < input->count; row++)
  {
    size_t index;
    json_t *item;
    json_array_foreach(predict_input_faults(input, row), index, item)
    {
      const json_t *value = json_object_get(item, "value");
      struct json_fault fault = {
        .pointer = place_of(input, row, item, faults->arena),
        .message = json_get_string(item, "message", "this row can't be used"),
        .value = json_is_string(value) ? json_string_value(value) : NULL,
        .hint = json_get_string(item, "hint", NULL),
        .row = (size_t) json_get_integer(item, "row", 0),
        .column = json_get_string(item, "column", NULL),
      };
      json_fault_add_full(faults, &fault);
    }
  }
}
