#include <config.h>

#include "data/issues_internal.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

/* ---- entries ---------------------------------------------------------------------------------------- */

void
issue_row(struct issue_rows *rows, size_t row)
{
  if (rows->examples == NULL)
    rows->examples = json_array();
  if (json_array_size(rows->examples) < ISSUE_EXAMPLES)
    json_array_append_new(rows->examples, json_integer((json_int_t) row));
  rows->count++;
}

json_t *
issue_json(const char *code, const char *severity, const char *column, size_t rows_count,
           json_t *rows, const char *message, const char *hint)
{
  json_t *shown = rows != NULL ? rows : json_array();
  return json_pack("{s:s, s:s, s:s?, s:I, s:o, s:s, s:s?}", "code", code, "severity", severity,
                   "column", column, "rows_count", (json_int_t) rows_count, "rows", shown,
                   "message", message, "hint", hint);
}

void
issue_add(struct issue_work *work, const char *code, const char *severity, const char *column,
          struct issue_rows *rows, const char *hint, const char *format, ...)
{
  char message[600];
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  /* A long name may have been cut inside a character. */
  size_t length = strlen(message), bad = 0;
  for (size_t at = 0; !text_utf8_valid(message + at, length - at, &bad); at += bad + 1)
    message[at + bad] = '?';
  json_t *entry = issue_json(code, severity, column, rows != NULL ? rows->count : 0,
                             rows != NULL ? rows->examples : NULL, message, hint);
  if (entry != NULL)
    json_array_append_new(work->list, entry);
  if (rows != NULL)
    *rows = (struct issue_rows){0};
}

bool
issue_is_missing(const struct column *column, size_t row)
{
  if (column->number != NULL)
    return !isfinite(column->number[row]);
  if (column->code != NULL)
    return column->code[row] < 0;
  return column->offset[row] == column->offset[row + 1];
}

/* ---- all of them ------------------------------------------------------------------------------------ */

/* An even sample: row i·n/count. */
static size_t *
choose_rows(const struct issues_request *request, size_t *count)
{
  size_t rows = dataset_row_count(request->dataset);
  *count = request->row_limit > 0 && request->row_limit < rows ? request->row_limit : rows;
  size_t *chosen = malloc((*count + 1) * sizeof *chosen);
  for (size_t i = 0; chosen != NULL && i < *count; i++)
    chosen[i] = *count == rows ? i : (size_t) ((double) i * (double) rows / (double) *count);
  return chosen;
}

static enum err
look_at_columns(struct issue_work *work, bool *complete)
{
  size_t columns = work->table->column_count;
  for (size_t c = 0; c < columns; c++)
  {
    if (clock_monotonic_s() > work->deadline_s)
    {
      *complete = false;
      return ERR_OK;
    }
    enum err err = issues_of_column(work, c);
    if (err == ERR_OK && work->has_task && c != work->task.target_column)
      err = issues_of_leak(work, c);
    if (err != ERR_OK)
      return err;
  }
  return ERR_OK;
}

static enum err
look(struct issue_work *work, bool *complete)
{
  enum err err = work->has_task ? issues_of_classes(work) : ERR_OK;
  if (err == ERR_OK)
    err = issues_of_copies(work);
  if (err == ERR_OK && work->table != NULL)
    err = look_at_columns(work, complete);
  if (err == ERR_OK && work->images != NULL)
    issues_of_blank_images(work);
  return err;
}

/* The task, if a target is known that can be one. What is wrong with the target is an issue of its own. */
static enum err
make_task(struct issue_work *work, struct err_info *info)
{
  struct err_info note = {0};
  if (work->table != NULL && work->request->target == NULL)
    return ERR_OK;
  enum err err = task_make(work->request->dataset, work->request->target, work->request->task_name,
                           work->arena, &work->task, &note);
  if (err == ERR_MEMORY
      || (work->table != NULL && table_find(work->table, work->request->target) == SIZE_MAX))
    return err_set(info, err, "%s", note.text);
  if (err != ERR_OK)
    issue_add(work, "target", "error", work->request->target, NULL,
              "a job with this target would be refused", "%s", note.text);
  work->has_task = err == ERR_OK;
  return ERR_OK;
}

enum err
issues_find(const struct issues_request *request, json_t **found, struct err_info *info)
{
  struct issue_work work = {.request = request,
                            .arena = arena_new(0),
                            .table = dataset_table(request->dataset),
                            .images = dataset_images(request->dataset),
                            .deadline_s = clock_monotonic_s() + request->seconds,
                            .list = json_array()};
  bool complete = true;
  size_t *rows = choose_rows(request, &work.count);
  enum err err = ERR_MEMORY;
  *found = NULL;
  work.rows = rows;
  if (work.arena != NULL && work.list != NULL && rows != NULL)
    err = make_task(&work, info);
  if (err == ERR_OK)
    err = look(&work, &complete);
  if (err == ERR_OK)
  {
    *found = json_pack("{s:I, s:I, s:b, s:O}", "rows",
                       (json_int_t) dataset_row_count(request->dataset), "rows_looked_at",
                       (json_int_t) work.count, "complete", complete, "issues", work.list);
    err = *found != NULL ? ERR_OK : ERR_MEMORY;
  }
  if (err == ERR_MEMORY)
    err_set(info, err, "out of memory for the dataset's issues");
  free(rows);
  json_decref(work.list);
  if (work.arena != NULL)
    arena_free(work.arena);
  return err;
}
