#include <config.h>

#include "server/handler/handlers.h"

#include <stdlib.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/dialect.h"
#include "server/handler/nanonets.h"
#include "server/handler/predict_images.h"
#include "server/handler/predict_reply.h"

/* Labels on the paths of Nanonets' image classification (nanonets.h). */

/* The model that is asked, as what it may be called. False when it replied. */
static bool
find_model(struct http_request *req, const struct http_part *parts, size_t count,
           struct model_path *path)
{
  const char *model = nanonets_model_id(req, parts, count);

  if (!model || !http_key_allows(req, model))
    return false;
  if (name_model_path(req->arena, model, path))
    return true;
  http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
  return false;
}

/* ---- labels ---------------------------------------------------------------------------------------- */

static enum predict_read
read_files(struct http_request *req, const struct model_about *about, double us_per_row,
           double budget_us, struct predict_input *input)
{
  struct predict_image *images;
  struct http_part *parts;
  size_t count, files = 0;

  if (about->input != DATASET_IMAGES)
  {
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                     "this model takes rows: POST them to /api/v1/models/{model}/predict");
    return PREDICT_REPLIED;
  }
  if (!http_body_parts(req, &parts, &count))
    return PREDICT_REPLIED;
  images = arena_array(req->arena, count ? count : 1, sizeof *images);
  for (size_t i = 0; i < count && images; i++)
    if (strcmp(parts[i].name, "file") == 0)
    {
      images[files] =
        (struct predict_image){.bytes = parts[i].value,
                               .length = (size_t) parts[i].size,
                               .pointer = json_pointer_index(req->arena, "/file", files),
                               .name = parts[i].file_name};
      files++;
    }
  if (!images)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  else if (files == 0)
    reply_fault(req, E_INVALID, "/file", "send each image as a part named file",
                "no file was sent");
  else
    return predict_images_read(req, about, images, files, us_per_row, budget_us, input);
  return PREDICT_REPLIED;
}

struct score
{
  float probability;
  size_t class;
};

static int
by_probability(const void *a, const void *b)
{
  const struct score *one = a, *other = b;

  if (one->probability != other->probability)
    return one->probability < other->probability ? 1 : -1;
  return one->class < other->class ? -1 : 1;
}

/* The classes of an image, the likeliest first. */
static void
write_image(const struct task *task, const float *outputs, const char *file, struct score *scores,
            struct buf *out)
{
  for (size_t c = 0; c < task->class_count; c++)
    scores[c] = (struct score){outputs[c], c};
  qsort(scores, task->class_count, sizeof *scores, by_probability);
  buf_append_text(out, "{\"message\":\"Success\",\"file\":");
  predict_write_text(file ? file : "", out);
  buf_append_text(out, ",\"prediction\":[");
  for (size_t c = 0; c < task->class_count; c++)
  {
    buf_append_text(out, c > 0 ? ",{\"label\":" : "{\"label\":");
    predict_write_text(task->class_names[scores[c].class], out);
    buf_append_text(out, ",\"probability\":");
    predict_write_float(scores[c].probability, out);
    buf_append(out, "}", 1);
  }
  buf_append_text(out, "]}");
}

static void
reply(struct http_request *req, const struct model_ref *ref, const struct model_about *about,
      const char *prediction_id, const struct predict_input *input, const float *outputs)
{
  const struct task *task = about->task;
  struct score *scores = arena_array(req->arena, task->class_count + 1, sizeof *scores);
  struct buf text = {.failed = scores == NULL};

  (void) ref;
  (void) prediction_id;
  buf_append_text(&text, "{\"message\":\"Success\",\"result\":[");
  for (size_t i = 0; i < input->good_count && scores; i++)
  {
    if (i > 0)
      buf_append(&text, ",", 1);
    write_image(task, outputs + i * task->output_count, input->names[i], scores, &text);
  }
  buf_append_text(&text, "]}");
  dialect_reply_text(req, &text);
}

enum http_outcome
handle_nanonets_label(struct http_request *req)
{
  static const struct predict_dialect nanonets = {
    .whole = true, .read = read_files, .reply = reply};
  struct model_path path = {.name = NULL};
  struct http_part *parts;
  size_t count;

  if (req->pass > 0)
    return predict_call_serve(req, &nanonets, &path);
  if (strcmp(req->content_type, "multipart/form-data") != 0)
    http_reply_error(req, E_UNSUPPORTED_MEDIA_TYPE,
                     "send multipart/form-data (curl -F modelId=NAME -F file=@image.jpg)");
  else if (http_body_parts(req, &parts, &count) && find_model(req, parts, count, &path))
    return predict_call_serve(req, &nanonets, &path);
  return HTTP_REPLIED;
}
