#include <config.h>

#include "model/score_csv.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "data/csv_write.h"
#include "model/score_write.h"

/* One part at most: rows, bytes of the file, numbers of the answers. */
#define PART_ROWS ((size_t) 1000)
#define PART_BYTES ((size_t) 1 << 20)
#define PART_NUMBERS ((size_t) 1 << 18)

struct score_csv
{
  struct model_about about;
  const struct model *model;
  struct model_workspace *workspace;
  struct row_stream *stream;
  struct score_place place;
  double interval;
  size_t part_rows;
  struct buf rows; /* the part's own fields, as they are written */
  size_t *ends;    /* (part_rows) in `rows` */
  size_t row_count;
  size_t *good;   /* (part_rows) rows without a fault */
  float *outputs; /* (part_rows, output_count) */
};

void
score_csv_close(struct score_csv *score)
{
  if (score == NULL)
    return;
  row_stream_close(score->stream);
  model_workspace_free(score->workspace);
  buf_free(&score->rows);
  free(score->ends);
  free(score->good);
  free(score->outputs);
  free(score);
}

enum err
score_csv_open(const struct model *model, int fd, const struct score_options *options,
               struct score_csv **result, struct err_info *info)
{
  *result = NULL;
  struct score_csv *score = calloc(1, sizeof *score);
  if (score == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  score->model = model;
  score->interval = options->interval;
  model_about(model, &score->about);
  if (!isnan(options->threshold))
    score->about.decision =
      (struct decision){.has_threshold = true, .threshold = options->threshold};
  size_t width = score->about.task->output_count;
  score->part_rows = PART_NUMBERS / width < PART_ROWS ? PART_NUMBERS / width + 1 : PART_ROWS;
  score->workspace = model_workspace_new();
  score->ends = calloc(score->part_rows, sizeof *score->ends);
  score->good = calloc(score->part_rows, sizeof *score->good);
  score->outputs = calloc(score->part_rows * width, sizeof *score->outputs);
  struct row_stream_form form = {.strict = options->strict, .plain = options->plain};
  enum err err = ERR_OK;
  if (score->workspace == NULL || score->ends == NULL || score->good == NULL
      || score->outputs == NULL)
    err = err_set(info, ERR_MEMORY, "out of memory");
  else if (score->about.input != DATASET_TABLE)
    err = err_set(info, ERR_INVALID, "this model takes images, not rows");
  else
    err = row_stream_open(score->about.schema, fd, &form, &score->stream, info);
  if (err != ERR_OK)
  {
    score_csv_close(score);
    return err;
  }
  *result = score;
  return ERR_OK;
}

void
score_csv_seek(struct score_csv *score, const struct score_place *place)
{
  score->place = *place;
  row_stream_seek(score->stream, place->bytes, place->rows);
}

struct score_place
score_csv_place(const struct score_csv *score)
{
  return score->place;
}

/* ---- writing ------------------------------------------------------------------------------------------ */

static void
write_text(const char *text, struct buf *out)
{
  csv_write_field(text, strlen(text), false, out);
}

static bool
is_field(const void *context, const char *name)
{
  const struct score_csv *score = context;
  for (size_t i = 0; i < row_stream_field_count(score->stream); i++)
    if (strcmp(row_stream_field(score->stream, i), name) == 0)
      return true;
  return false;
}

static void
write_header(const struct score_csv *score, struct buf *out)
{
  for (size_t i = 0; i < row_stream_field_count(score->stream); i++)
  {
    buf_append_text(out, i > 0 ? "," : "");
    write_text(row_stream_field(score->stream, i), out);
  }
  score_write_columns(&score->about, score->interval, is_field, score, out);
}

/* As many fields as the header has: an answer whose columns shift is of no use. */
static void
keep_row(void *context, const struct csv_field *fields, size_t count)
{
  struct score_csv *score = context;
  size_t wanted = row_stream_field_count(score->stream);
  for (size_t f = 0; f < wanted; f++)
  {
    if (f > 0)
      buf_append(&score->rows, ",", 1);
    if (f < count)
      csv_write_field(fields[f].text, fields[f].length, fields[f].quoted, &score->rows);
  }
  score->ends[score->row_count++] = score->rows.length;
}

/* A row's notes as one field: "column: message (value); …". `valued`: only those that are about a value. */
static void
write_notes(const json_t *notes, bool valued, struct buf *out)
{
  struct buf text = {0};
  size_t index;
  json_t *note;
  buf_append(out, ",", 1);
  json_array_foreach((json_t *) notes, index, note)
  {
    const char *column = json_get_string(note, "column", NULL);
    const char *value = json_get_string(note, "value", NULL);
    if (valued && value == NULL)
      continue;
    buf_append_text(&text, text.length > 0 ? "; " : "");
    if (column != NULL)
      buf_printf(&text, "%s: ", column);
    buf_append_text(&text, json_get_string(note, "message", "this row can't be used"));
    if (value != NULL)
      buf_printf(&text, " (%s)", value);
  }
  if (text.failed)
    out->failed = true;
  else if (text.length > 0)
    csv_write_field(text.data, text.length, false, out);
  buf_free(&text);
}

/* ---- a part --------------------------------------------------------------------------------------------- */

static enum err
answer(struct score_csv *score, const struct row_batch *batch, struct buf *out,
       struct err_info *info)
{
  size_t rows = row_batch_table(batch)->row_count, good_count = 0, next = 0, from = 0;
  enum err err = ERR_OK;
  for (size_t i = 0; i < rows; i++)
    if (json_array_size(row_batch_faults(batch, i)) == 0)
      score->good[good_count++] = i;
  if (good_count > 0)
    err = model_predict_table(score->model, score->workspace, row_batch_table(batch), score->good,
                              good_count, score->outputs, info);
  for (size_t i = 0; i < rows && err == ERR_OK; i++)
  {
    bool good = next < good_count && score->good[next] == i;
    buf_append(out, score->rows.data + from, score->ends[i] - from);
    from = score->ends[i];
    score_write_numbers(&score->about, score->interval,
                        good ? score->outputs + next * score->about.task->output_count : NULL, out);
    write_notes(row_batch_faults(batch, i), false, out);
    write_notes(row_batch_warnings(batch, i), true, out);
    buf_append(out, "\n", 1);
    next += good;
  }
  score->place.rows += rows;
  score->place.faulty += rows - good_count;
  return err;
}

enum err
score_csv_next(struct score_csv *score, struct buf *out, struct err_info *info)
{
  struct row_stream_want want = {
    .rows = score->part_rows, .bytes = PART_BYTES, .on_row = keep_row, .context = score};
  struct row_batch *batch = NULL;
  bool first = score->place.bytes == 0;
  score->rows.length = 0;
  score->row_count = 0;
  buf_append_text(&score->rows, "");
  enum err err = row_stream_next(score->stream, &want, &batch, info);
  if (err == ERR_OK && first)
    write_header(score, out);
  if (err == ERR_OK && batch != NULL)
    err = answer(score, batch, out, info);
  if (err == ERR_OK)
  {
    score->place.ended = batch == NULL;
    score->place.bytes = row_stream_place(score->stream);
  }
  row_batch_free(batch);
  if (err == ERR_OK && (score->rows.failed || out->failed))
    err = err_set(info, ERR_MEMORY, "out of memory for the answers");
  return err;
}
