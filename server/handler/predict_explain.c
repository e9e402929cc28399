#include <config.h>

#include "server/handler/predict_explain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/explain.h"
#include "server/handler/common.h"
#include "server/handler/predict_reply.h"

#define HINT "send true, or {\"top\": 5} for the five columns that count most"

bool
predict_explain_parse(struct http_request *req, const char *text, size_t *top)
{
  if (!text)
    return true;
  if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0)
    *top = EXPLAIN_MOST_COLUMNS;
  else if (strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
    *top = 0;
  else
  {
    reply_fault(req, E_INVALID, "/explain", "send 1, 0, true or false", "must be a boolean");
    return false;
  }
  return true;
}

bool
predict_explain_read(struct http_request *req, const json_t *json, size_t *top)
{
  static const struct json_field fields[] = {
    {.name = "top", .kind = JSON_KIND_INTEGER, .min = 1, .max = EXPLAIN_MOST_COLUMNS, .hint = HINT},
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
  *top = json_is_false(json)
           ? 0
           : (size_t) json_get_integer(json, "top", (int64_t) EXPLAIN_MOST_COLUMNS);
  return true;
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

static void
write_number(const char *name, double value, struct buf *out)
{
  buf_append_text(out, name);
  predict_write_float((float) value, out);
}

/* The largest `top` parts, then what all others add. */
static void
write_parts(const struct model *model, struct part *parts, size_t count, size_t top, bool exact,
            struct buf *out)
{
  double others = 0.0;

  qsort(parts, count, sizeof *parts, compare_parts);
  buf_append_text(out, ",\"contributions\":[");
  for (size_t i = 0; i < count; i++)
    if (i >= top)
      others += parts[i].contribution;
    else
    {
      buf_append_text(out, i > 0 ? ",{\"column\":" : "{\"column\":");
      predict_write_text(explain_column_name(model, parts[i].column), out);
      write_number(",\"contribution\":", parts[i].contribution, out);
      if (!exact)
        write_number(",\"standard_error\":", parts[i].error, out);
      buf_append(out, "}", 1);
    }
  write_number("],\"others\":", others, out);
}

/* Room for the contributions to one row. */
struct scratch
{
  struct model_workspace *workspace;
  double *contributions, *errors; /* (columns) */
  struct part *parts;             /* (columns) */
};

static enum err
explain_one(const struct model *model, const struct model_about *about, const float *outputs,
            const struct table *table, size_t row, size_t top, struct scratch *scratch,
            struct buf *out, struct err_info *info)
{
  const struct task *task = about->task;
  size_t columns = explain_columns(model), output = 0;
  double base = 0.0;
  enum err rc;

  if (task->class_count > 0)
    output = decision_class(&about->decision, outputs, task->class_count);
  rc = explain_row(model, scratch->workspace, table, row, output, &base, scratch->contributions,
                   scratch->errors, info);
  if (rc != ERR_OK)
    return rc;
  for (size_t i = 0; i < columns; i++)
    scratch->parts[i] = (struct part){i, scratch->contributions[i], scratch->errors[i]};
  write_number("{\"base\":", base, out);
  write_parts(model, scratch->parts, columns, top, columns <= EXPLAIN_EXACT_COLUMNS, out);
  buf_append(out, "}", 2); /* with its end */
  return out->failed ? err_set(info, ERR_UNAVAILABLE, "out of memory") : ERR_OK;
}

/* ---- the call -------------------------------------------------------------------------------------- */

static bool
check_cost(struct http_request *req, const struct model *model, const struct model_about *about,
           size_t rows)
{
  size_t most;

  if (about->input != DATASET_TABLE)
  {
    reply_fault(req, E_INVALID, "/explain", "leave it out",
                "only answers for rows of a table are explained, not those for images");
    return false;
  }
  if (explain_columns(model) > EXPLAIN_MOST_COLUMNS)
  {
    reply_fault(req, E_INVALID, "/explain", "leave it out",
                "answers of models with up to %d columns are explained; this one has %zu",
                EXPLAIN_MOST_COLUMNS, explain_columns(model));
    return false;
  }
  most = req->limits->explain_answers / explain_answers(model);
  if (rows <= most)
    return true;
  reply_fault(req, E_INVALID, "/explain",
              arena_printf(req->arena, "send at most %zu rows at once, or leave it out", most),
              "an explanation takes %zu answers of this model; a call may take %zu in all",
              explain_answers(model), req->limits->explain_answers);
  return false;
}

static enum err
explain_all(struct http_request *req, const struct model_ref *ref, const struct model_about *about,
            const float *outputs, struct predict_input *input, struct scratch *scratch,
            struct err_info *info)
{
  const struct table *table = row_batch_table(input->batch);
  const char **texts = arena_array(req->arena, input->good_count, sizeof *texts);
  enum err rc = texts ? ERR_OK : err_set(info, ERR_UNAVAILABLE, "out of memory");

  for (size_t i = 0; rc == ERR_OK && i < input->good_count; i++)
  {
    struct buf text = {.data = NULL};
    rc = explain_one(ref->model, about, outputs + i * about->task->output_count, table,
                     input->good[i], input->explain, scratch, &text, info);
    if (rc == ERR_OK && !(texts[i] = arena_printf(req->arena, "%s", (const char *) text.data)))
      rc = err_set(info, ERR_UNAVAILABLE, "out of memory");
    buf_free(&text);
  }
  input->explained = texts;
  input->explain_about =
    arena_printf(req->arena, "{\"of\":\"%s\",\"method\":\"%s\",\"answers\":%zu}",
                 about->task->class_count > 0 ? "probability" : "value",
                 explain_columns(ref->model) <= EXPLAIN_EXACT_COLUMNS ? "exact" : "sampled",
                 explain_answers(ref->model));
  return rc;
}

bool
predict_explain(struct http_request *req, const struct model_ref *ref,
                const struct model_about *about, const float *outputs, struct predict_input *input)
{
  struct err_info info = {.code = ERR_OK};
  struct scratch scratch;
  size_t columns;
  enum err rc;

  if (!input->explain)
    return true;
  if (!check_cost(req, ref->model, about, input->good_count))
    return false;
  columns = explain_columns(ref->model);
  scratch.contributions = arena_array(req->arena, columns, sizeof(double));
  scratch.errors = arena_array(req->arena, columns, sizeof(double));
  scratch.parts = arena_array(req->arena, columns, sizeof *scratch.parts);
  scratch.workspace = model_cache_workspace_take(req->server->models);
  if (!scratch.contributions || !scratch.errors || !scratch.parts || !scratch.workspace)
    rc = err_set(&info, ERR_UNAVAILABLE, "out of memory");
  else
    rc = explain_all(req, ref, about, outputs, input, &scratch, &info);
  if (scratch.workspace)
    model_cache_workspace_give(req->server->models, scratch.workspace);
  if (rc != ERR_OK)
    reply_failure(req, &info);
  return rc == ERR_OK;
}
