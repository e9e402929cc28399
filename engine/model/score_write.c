#include <config.h>

#include "model/score_write.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv_write.h"

struct columns
{
  bool (*taken)(const void *context, const char *name);
  const void *context;
  struct buf *out;
};

static void
write_column(const struct columns *columns, const char *prefix, const char *rest)
{
  struct buf name = {0};
  buf_printf(&name, "%s%s", prefix, rest);
  while (!name.failed && columns->taken(columns->context, name.data))
    buf_append_text(&name, "_");
  buf_append_text(columns->out, ",");
  if (name.failed)
    columns->out->failed = true;
  else
    csv_write_field(name.data, name.length, false, columns->out);
  buf_free(&name);
}

void
score_write_columns(const struct model_about *about, double interval,
                    bool (*taken)(const void *context, const char *name), const void *context,
                    struct buf *out)
{
  struct columns columns = {taken, context, out};
  const struct task *task = about->task;
  if (task->class_count > 0)
  {
    write_column(&columns, "predicted_label", "");
    write_column(&columns, "probability", "");
    for (size_t i = 0; i < task->class_count; i++)
      write_column(&columns, "probability_", task->class_names[i]);
  }
  else
  {
    write_column(&columns, "predicted_value", "");
    if (interval > 0)
    {
      write_column(&columns, "interval_low", "");
      write_column(&columns, "interval_high", "");
    }
  }
  write_column(&columns, "error", "");
  write_column(&columns, "warning", "");
  buf_append_text(out, "\n");
}

/* With the fewest digits that read back as the same float; nothing when it is not finite. */
static void
write_float(float value, struct buf *out)
{
  char text[32] = "";
  for (int digits = 6; digits <= 9 && isfinite(value); digits++)
  {
    snprintf(text, sizeof text, "%.*g", digits, (double) value);
    if (strtof(text, NULL) == value)
      break;
  }
  buf_append_text(out, text);
}

void
score_write_numbers(const struct model_about *about, double interval, const float *outputs,
                    struct buf *out)
{
  const struct task *task = about->task;
  size_t best = 0, columns = task->class_count > 0 ? task->class_count + 2 : interval > 0 ? 3 : 1;
  if (outputs == NULL)
  {
    for (size_t i = 0; i < columns; i++)
      buf_append(out, ",", 1);
    return;
  }
  buf_append(out, ",", 1);
  if (task->class_count > 0)
  {
    best = decision_class(&about->decision, outputs, task->class_count);
    csv_write_field(task->class_names[best], strlen(task->class_names[best]), false, out);
    buf_append(out, ",", 1);
  }
  write_float(outputs[best], out);
  for (size_t i = 0; i < task->class_count; i++)
  {
    buf_append(out, ",", 1);
    write_float(outputs[i], out);
  }
  if (task->class_count == 0 && interval > 0)
  {
    double low = (double) NAN, high = (double) NAN;
    model_interval_at(about->interval, interval, (double) outputs[0], &low, &high);
    buf_append(out, ",", 1);
    write_float((float) low, out);
    buf_append(out, ",", 1);
    write_float((float) high, out);
  }
}
