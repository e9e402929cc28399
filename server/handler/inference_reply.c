#include <config.h>

#include "server/handler/inference.h"

#include <string.h>

#include "server/handler/common.h"
#include "server/handler/predict_reply.h"

const char *const inference_output_names[3] = {"label", "probabilities", "value"};

/* ---- what is asked for ------------------------------------------------------------------------------ */

static bool
has_output(const struct model_about *about, enum inference_output output)
{
  return (about->task->class_count > 0) == (output != INFERENCE_VALUE);
}

static void
add_output(struct inference_answer *answer, enum inference_output output, bool binary)
{
  answer->outputs[answer->count].output = output;
  answer->outputs[answer->count].binary = binary;
  answer->count++;
}

/* The output an item of "outputs" names. False when it replied. */
static bool
read_output(struct http_request *req, const struct model_about *about, const json_t *item,
            size_t index, bool binary, struct inference_answer *answer)
{
  const char *name = json_get_string(item, "name", "");
  const char *pointer = json_pointer_index(req->arena, "/outputs", index);

  for (size_t i = 0; i < 3; i++)
    if (has_output(about, (enum inference_output) i)
        && strcmp(name, inference_output_names[i]) == 0)
    {
      add_output(answer, (enum inference_output) i,
                 json_get_bool(json_object_get(item, "parameters"), "binary_data", binary));
      return true;
    }
  reply_fault(req, E_INVALID, pointer, NULL, "the outputs of this model are %s",
              about->task->class_count > 0 ? "label and probabilities" : "value");
  return false;
}

bool
inference_outputs_read(struct http_request *req, const struct model_about *about,
                       const json_t *body, struct inference_answer *answer)
{
  const json_t *list = json_object_get(body, "outputs");
  bool binary = json_get_bool(json_object_get(body, "parameters"), "binary_data_output", false);

  if (list && (!json_is_array(list) || json_array_size(list) > INFERENCE_OUTPUTS_MAX))
  {
    reply_fault(req, E_INVALID, "/outputs", NULL, "this must be a list of at most %d outputs",
                INFERENCE_OUTPUTS_MAX);
    return false;
  }
  for (size_t i = 0; i < json_array_size(list); i++)
    if (!read_output(req, about, json_array_get(list, i), i, binary, answer))
      return false;
  for (size_t i = 0; json_array_size(list) == 0 && i < 3; i++)
    if (has_output(about, (enum inference_output) i))
      add_output(answer, (enum inference_output) i, binary);
  return true;
}

/* ---- the answer ------------------------------------------------------------------------------------- */

struct answering
{
  const struct model_about *about;
  size_t rows;
  const float *outputs; /* (rows, output_count) */
};

/* The elements as raw bytes. */
static void
write_raw(const struct answering *all, enum inference_output output, struct buf *out)
{
  size_t each = all->about->task->output_count;

  if (output != INFERENCE_LABEL)
    tensor_write_floats(all->outputs, all->rows * each, out);
  else
    for (size_t i = 0; i < all->rows; i++)
      tensor_write_text(dialect_label(all->about, all->outputs + i * each), out);
}

static void
write_data(const struct answering *all, enum inference_output output, struct buf *out)
{
  size_t each = all->about->task->output_count;

  if (output != INFERENCE_LABEL)
  {
    dialect_write_numbers(all->outputs, all->rows * each, out);
    return;
  }
  for (size_t i = 0; i < all->rows; i++)
  {
    buf_append(out, i > 0 ? "," : "[", 1);
    predict_write_text(dialect_label(all->about, all->outputs + i * each), out);
  }
  buf_append(out, "]", 1);
}

static void
write_output(const struct answering *all, enum inference_output output, bool binary,
             struct buf *head, struct buf *tail)
{
  size_t before = tail->length;

  buf_printf(head, "{\"name\":\"%s\",\"datatype\":\"%s\",\"shape\":[%zu",
             inference_output_names[output], output == INFERENCE_LABEL ? "BYTES" : "FP32",
             all->rows);
  if (output == INFERENCE_PROBABILITIES)
    buf_printf(head, ",%zu", all->about->task->class_count);
  if (binary)
  {
    write_raw(all, output, tail);
    buf_printf(head, "],\"parameters\":{\"binary_data_size\":%zu}}", tail->length - before);
    return;
  }
  buf_append_text(head, "],\"data\":");
  write_data(all, output, head);
  buf_append(head, "}", 1);
}

void
inference_reply(struct http_request *req, const struct model_ref *ref,
                const struct model_about *about, const char *prediction_id,
                const struct predict_input *input, const float *outputs)
{
  const struct inference_answer *answer = input->dialect;
  struct answering all = {about, input->good_count, outputs};
  struct buf head = {.data = NULL}, tail = {.data = NULL};
  bool raw = false;

  buf_append_text(&head, "{\"model_name\":");
  predict_write_text(ref->model_name, &head);
  buf_printf(&head, ",\"model_version\":\"%d\",\"id\":", ref->version);
  predict_write_text(answer->id ? answer->id : prediction_id, &head);
  buf_printf(&head, ",\"parameters\":{\"prediction_id\":\"%s\"},\"outputs\":[", prediction_id);
  for (size_t i = 0; i < answer->count; i++)
  {
    if (i > 0)
      buf_append(&head, ",", 1);
    write_output(&all, answer->outputs[i].output, answer->outputs[i].binary, &head, &tail);
    raw = raw || answer->outputs[i].binary;
  }
  buf_append_text(&head, "]}");
  if (raw)
  {
    http_reply_header(req, "Inference-Header-Content-Length",
                      arena_printf(req->arena, "%zu", head.length));
    head.failed = head.failed || tail.failed;
    buf_append(&head, tail.data ? tail.data : "", tail.length);
  }
  buf_free(&tail);
  if (head.failed)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else
    http_reply_bytes(req, 200, raw ? "application/octet-stream" : "application/json", head.data,
                     head.length);
  buf_free(&head);
}
