#include <config.h>

#include "server/sse.h"

#include <string.h>

#include "base/clock.h"
#include "base/text.h"

void
sse_append(struct buf *out, const char *id, const char *event, const char *data)
{
  if (id)
    buf_printf(out, "id: %s\n", id);
  buf_printf(out, "event: %s\n", event);
  for (;;)
  {
    size_t length = strcspn(data, "\r\n");
    buf_append_text(out, "data: ");
    buf_append(out, data, length);
    buf_append_text(out, "\n");
    data += length;
    if (!*data)
      break;
    data += data[0] == '\r' && data[1] == '\n' ? 2 : 1;
  }
  buf_append_text(out, "\n");
}

void
sse_append_data(struct buf *out, const char *job_id, const struct db_event *event)
{
  char at[32];
  clock_format_rfc3339(event->at_us, at, sizeof at);
  buf_printf(out, "{\"job\":\"%s\",\"seq\":%lld,\"at\":\"%s\"", job_id, (long long) event->seq, at);
  const char *rest = event->data ? event->data : "{}";
  rest += strspn(rest, " ");
  if (*rest != '{')
  {
    buf_printf(out, ",\"data\":%s}", rest);
    return;
  }
  rest++;
  rest += strspn(rest, " ");
  if (*rest != '}')
    buf_append_text(out, ",");
  buf_append_text(out, rest);
}

static void
append_number(struct buf *out, const char *name, double value)
{
  char text[TEXT_DOUBLE_SIZE];
  /* Not a number compares unequal to itself. */
  bool finite = value - value == 0.0;
  text_print_double(finite ? value : 0.0, text);
  buf_printf(out, ",\"%s\":%s", name, finite ? text : "null");
}

void
sse_append_epoch(struct buf *out, const char *job_id, const struct db_epoch *epoch)
{
  buf_printf(out,
             "{\"job\":\"%s\",\"trial_id\":\"%s\",\"trial\":%d,\"fold\":%d,\"epoch\":%d,"
             "\"epoch_count\":%d",
             job_id, epoch->trial_id ? epoch->trial_id : "", epoch->trial_number, epoch->fold,
             epoch->epoch, epoch->epoch_count);
  append_number(out, "train_loss", epoch->train_loss);
  append_number(out, "valid_loss", epoch->valid_loss);
  append_number(out, "valid_metric", epoch->valid_metric);
  append_number(out, "seconds", epoch->seconds);
  buf_append_text(out, "}");
}

bool
sse_last_id(const char *text, const char *job_id, int64_t *seq)
{
  size_t id_length = strlen(job_id);
  if (!strchr(text, ':'))
    return text_parse_int64(text, strlen(text), seq) && *seq >= 0;
  while (*text)
  {
    size_t length = strcspn(text, ",");
    if (length > id_length + 1 && text[id_length] == ':' && strncmp(text, job_id, id_length) == 0)
      return text_parse_int64(text + id_length + 1, length - id_length - 1, seq) && *seq >= 0;
    text += length;
    text += strspn(text, ",");
  }
  return false;
}
