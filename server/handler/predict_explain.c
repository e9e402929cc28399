#include <config.h>

#include "server/handler/predict_explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/explain_image.h"
#include "server/handler/common.h"
#include "server/handler/predict_reply.h"

#define HINT                                                                                       \
  "send true, or {\"top\": 5} for the five columns that count most, {\"of\": \"log_odds\"} for "   \
  "sums on that scale, {\"grid\": 14} for a finer map of an image"

bool
predict_explain_parse(struct http_request *req, const char *text, struct explain_wish *explain)
{
  if (!text)
    return true;
  explain->wanted = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
  if (explain->wanted || strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
    return true;
  reply_fault(req, E_INVALID, "/explain", "send 1, 0, true or false", "must be a boolean");
  return false;
}

/* What an object asks for. */
static void
take_wish(const json_t *json, const char *const *scales, struct explain_wish *explain)
{
  const char *of = json_get_string(json, "of", NULL);

  *explain = (struct explain_wish){.wanted = true,
                                   .top = (size_t) json_get_integer(json, "top", 0),
                                   .grid = (size_t) json_get_integer(json, "grid", 0),
                                   .scale = !of                           ? EXPLAIN_AUTO
                                            : strcmp(of, "log_odds") == 0 ? EXPLAIN_LOG_ODDS
                                                                          : EXPLAIN_ANSWER};
  for (size_t i = 0; of && scales[i]; i++)
    if (strcmp(of, scales[i]) == 0)
      explain->of = scales[i];
}

bool
predict_explain_read(struct http_request *req, const json_t *json, struct explain_wish *explain)
{
  static const char *const scales[] = {"probability", "value", "log_odds", NULL};
  static const struct json_field fields[] = {
    {.name = "top", .kind = JSON_KIND_INTEGER, .min = 1, .max = EXPLAIN_MOST_COLUMNS, .hint = HINT},
    {.name = "of", .kind = JSON_KIND_STRING, .choices = scales},
    {.name = "grid",
     .kind = JSON_KIND_INTEGER,
     .min = EXPLAIN_GRID_LEAST,
     .max = EXPLAIN_GRID_MOST},
    JSON_FIELD_END};
  struct json_faults faults;

  if (!json || json_is_null(json))
    return true;
  json_faults_init(&faults, req->arena);
  if (json_is_object(json))
    json_check(json, fields, "/explain", &faults);
  else if (!json_is_boolean(json))
    json_fault_add(&faults, "/explain", HINT, "must be a boolean or an object");
  if (faults.count > 0)
  {
    http_reply_faults(req, E_INVALID, &faults);
    return false;
  }
  if (json_is_object(json))
    take_wish(json, scales, explain);
  else
    *explain = (struct explain_wish){.wanted = json_is_true(json)};
  return true;
}

/* What all explanations of a call share. */
struct explaining
{
  struct http_request *req;
  const struct model *model;
  const struct model_about *about;
  struct predict_input *input;
  struct model_workspace *workspace;
  struct explain_plan plan;       /* tables */
  double *contributions, *errors; /* (columns) */
  struct part *parts;             /* (columns) */
  size_t rows, columns;           /* images: of the map */
  double *drops;                  /* (rows, columns) */
};

static void
write_number(const char *name, double value, struct buf *out)
{
  buf_append_text(out, name);
  predict_write_float((float) value, out);
}

/* ---- one row --------------------------------------------------------------------------------------- */

struct part
{
  size_t column;
  double contribution, error;
};

static int
compare_parts(const void *a, const void *b)
{
  const struct part *one = a, *other = b;
  double x = fabs(one->contribution), y = fabs(other->contribution);

  if (x != y)
    return x < y ? 1 : -1;
  return one->column < other->column ? -1 : one->column > other->column;
}

/* The largest `top` parts, then what all others add. */
static void
write_parts(const struct explaining *explaining, size_t count, struct buf *out)
{
  struct part *parts = explaining->parts;
  size_t top = explaining->input->explain.top;
  double others = 0.0;

  qsort(parts, count, sizeof *parts, compare_parts);
  buf_append_text(out, ",\"contributions\":[");
  for (size_t i = 0; i < count; i++)
    if (i >= (top ? top : EXPLAIN_MOST_COLUMNS))
      others += parts[i].contribution;
    else
    {
      buf_append_text(out, i > 0 ? ",{\"column\":" : "{\"column\":");
      predict_write_text(explain_column_name(explaining->model, parts[i].column), out);
      write_number(",\"contribution\":", parts[i].contribution, out);
      if (explaining->plan.way == EXPLAIN_BY_ORDERS)
        write_number(",\"standard_error\":", parts[i].error, out);
      buf_append(out, "}", 1);
    }
  write_number("],\"others\":", others, out);
}

static enum err
explain_good_row(struct explaining *explaining, size_t index, size_t output, struct buf *out,
                 struct err_info *info)
{
  const struct explain_plan *plan = &explaining->plan;
  size_t columns = explain_columns(explaining->model);
  double base = 0.0, total;
  enum err rc =
    explain_row(explaining->model, plan, explaining->workspace,
                row_batch_table(explaining->input->batch), explaining->input->good[index], output,
                &base, explaining->contributions, explaining->errors, info);

  if (rc != ERR_OK)
    return rc;
  total = base;
  for (size_t i = 0; i < columns; i++)
  {
    explaining->parts[i] = (struct part){i, explaining->contributions[i], explaining->errors[i]};
    total += explaining->contributions[i];
  }
  write_number("{\"base\":", base, out);
  write_parts(explaining, columns, out);
  write_number(",\"total\":", total, out);
  buf_append(out, "}", 1);
  return ERR_OK;
}

/* ---- one image ------------------------------------------------------------------------------------- */

static enum err
explain_good_image(struct explaining *explaining, size_t index, size_t output, struct buf *out,
                   struct err_info *info)
{
  const struct model_about *about = explaining->about;
  size_t bytes = about->height * about->width * about->channels;
  enum err rc = explain_image(explaining->model, explaining->workspace,
                              explaining->input->pixels + index * bytes, output, explaining->rows,
                              explaining->columns, explaining->drops, info);

  if (rc != ERR_OK)
    return rc;
  buf_append_text(out, "{\"drops\":[");
  for (size_t i = 0; i < explaining->rows; i++)
  {
    buf_append_text(out, i > 0 ? ",[" : "[");
    for (size_t j = 0; j < explaining->columns; j++)
      write_number(j > 0 ? "," : "", explaining->drops[i * explaining->columns + j], out);
    buf_append(out, "]", 1);
  }
  buf_append_text(out, "]}");
  return ERR_OK;
}

/* ---- the call -------------------------------------------------------------------------------------- */

/* Whether so many answers at `each` are within the limit; replies otherwise. */
static bool
check_cost(struct http_request *req, size_t count, size_t each, size_t limit, const char *option,
           const char *things, const char *answers)
{
  size_t most = limit / each;

  if (count <= most)
    return true;
  reply_fault(req, E_INVALID, "/explain",
              most > 0 ? arena_printf(req->arena, "send at most %zu %s at once, or leave it out",
                                      most, things)
                       : arena_printf(req->arena, "leave it out, or have %s raised", option),
              "an explanation takes %zu %s; a call may take %zu in all (%s)", each, answers, limit,
              option);
  return false;
}

/* A scale that the model's answers do not have; a member that is for the other kind of input. */
static bool
check_wish(struct http_request *req, const struct model_about *about,
           const struct explain_wish *explain)
{
  bool classes = about->task->class_count > 0, images = about->input == DATASET_IMAGES;
  const char *of = explain->of;

  if (of && strcmp(of, classes ? "value" : "probability") == 0)
    reply_fault(req, E_INVALID, "/explain/of", "leave it out", "this model answers %s",
                classes ? "classes, with a probability" : "numbers, which have no probability");
  else if (images && explain->scale == EXPLAIN_LOG_ODDS)
    reply_fault(req, E_INVALID, "/explain/of", "leave it out",
                "maps of images are of the probability");
  else if (images && explain->top)
    reply_fault(req, E_INVALID, "/explain/top", "leave it out", "images have no columns");
  else if (!images && explain->grid)
    reply_fault(req, E_INVALID, "/explain/grid", "leave it out", "maps are for images");
  else
    return true;
  return false;
}

static bool
plan_rows(struct explaining *explaining)
{
  struct http_request *req = explaining->req;
  const struct explain_wish *explain = &explaining->input->explain;
  struct err_info info = {.code = ERR_OK};
  size_t columns = explain_columns(explaining->model);

  if (explain_plan_make(explaining->model, explain->scale, &explaining->plan, &info) != ERR_OK)
  {
    reply_fault(req, E_INVALID, explain->of ? "/explain/of" : "/explain", "leave it out", "%s",
                info.text);
    return false;
  }
  if (!check_cost(req, explaining->input->good_count, explaining->plan.answers,
                  req->limits->explain_answers, "--max-explain", "rows", "answers of this model"))
    return false;
  explaining->contributions = arena_array(req->arena, columns, sizeof(double));
  explaining->errors = arena_array(req->arena, columns, sizeof(double));
  explaining->parts = arena_array(req->arena, columns, sizeof *explaining->parts);
  if (explaining->contributions && explaining->errors && explaining->parts)
    return true;
  http_reply_busy(req, E_UNAVAILABLE, 2);
  return false;
}

static bool
plan_images(struct explaining *explaining)
{
  struct http_request *req = explaining->req;
  size_t grid = explaining->input->explain.grid;

  explain_image_grid(explaining->model, grid ? grid : EXPLAIN_GRID_USUAL, &explaining->rows,
                     &explaining->columns);
  explaining->plan =
    (struct explain_plan){.of = explaining->about->task->class_count > 0 ? "probability" : "value",
                          .algorithm = "occlusion",
                          .reference = "training_mean",
                          .answers = explaining->rows * explaining->columns + 1};
  if (!check_cost(req, explaining->input->good_count, explaining->plan.answers - 1,
                  req->limits->explain_covers, "--max-explain-covers", "images", "covered images"))
    return false;
  explaining->drops =
    arena_array(req->arena, explaining->rows * explaining->columns, sizeof(double));
  if (explaining->drops)
    return true;
  http_reply_busy(req, E_UNAVAILABLE, 2);
  return false;
}

static enum err
explain_all(struct explaining *explaining, const float *outputs, struct err_info *info)
{
  struct predict_input *input = explaining->input;
  struct arena *arena = explaining->req->arena;
  const struct model_about *about = explaining->about;
  const struct task *task = about->task;
  const struct explain_plan *plan = &explaining->plan;
  const char **texts = arena_array(arena, input->good_count, sizeof *texts);
  enum err rc = texts ? ERR_OK : err_set(info, ERR_UNAVAILABLE, "out of memory");
  bool images = about->input == DATASET_IMAGES;

  for (size_t i = 0; rc == ERR_OK && i < input->good_count; i++)
  {
    const float *answer = outputs + i * task->output_count;
    size_t output =
      task->class_count > 0 ? decision_class(&about->decision, answer, task->class_count) : 0;
    struct buf text = {.data = NULL};
    rc = images ? explain_good_image(explaining, i, output, &text, info)
                : explain_good_row(explaining, i, output, &text, info);
    buf_append(&text, "", 1); /* its end */
    if (rc == ERR_OK
        && (text.failed || !(texts[i] = arena_printf(arena, "%s", (const char *) text.data))))
      rc = err_set(info, ERR_UNAVAILABLE, "out of memory");
    buf_free(&text);
  }
  input->explained = texts;
  input->explain_about = arena_printf(
    arena,
    "{\"of\":\"%s\",\"method\":\"%s\",\"answers\":%zu,\"algorithm\":\"%s\",\"reference\":\"%s\"}",
    plan->of,
    images                           ? "occlusion"
    : plan->way == EXPLAIN_BY_ORDERS ? "sampled"
                                     : "exact",
    plan->answers, plan->algorithm, plan->reference);
  return rc;
}

bool
predict_explain(struct http_request *req, const struct model_ref *ref,
                const struct model_about *about, const float *outputs, struct predict_input *input)
{
  struct explaining explaining = {.req = req, .model = ref->model, .about = about, .input = input};
  struct err_info info = {.code = ERR_OK};
  enum err rc;

  if (!input->explain.wanted)
    return true;
  if (!check_wish(req, about, &input->explain)
      || !(about->input == DATASET_IMAGES ? plan_images(&explaining) : plan_rows(&explaining)))
    return false;
  explaining.workspace = model_cache_workspace_take(req->server->models);
  if (!explaining.workspace)
    rc = err_set(&info, ERR_UNAVAILABLE, "out of memory");
  else
    rc = explain_all(&explaining, outputs, &info);
  if (explaining.workspace)
    model_cache_workspace_give(req->server->models, explaining.workspace);
  if (rc != ERR_OK)
    reply_failure(req, &info);
  return rc == ERR_OK;
}
