#include <config.h>

#include "server/handler/predict_unusual.h"

#include <math.h>
#include <string.h>

#include "server/handler/common.h"
#include "server/handler/predict_reply.h"

bool
predict_unusual_parse(struct http_request *req, const char *text, bool *unusual)
{
  if (!text)
    return true;
  *unusual = strcmp(text, "1") == 0 || strcmp(text, "true") == 0;
  if (*unusual || strcmp(text, "0") == 0 || strcmp(text, "false") == 0)
    return true;
  reply_fault(req, E_INVALID, "/unusual", "send 1, 0, true or false", "must be a boolean");
  return false;
}

/* What is found in one row or image. */
struct finding
{
  const struct novelty *novelty; /* NULL = none is kept */
  double *distances;             /* (inputs) */
  bool *unknown;                 /* (inputs) */
  size_t given, found;
  /* names of the inputs, for those that are farthest */
  const char *(*name_of)(const void *from, size_t input);
  const void *from;
  size_t count;
};

/* Of the inputs, this many that are farthest are named. */
#define FARTHEST 3

static const char *
range_reason(double value, double low, double high)
{
  return value < low ? "below_range" : value > high ? "above_range" : NULL;
}

static bool
is_missing(const struct column *column, size_t row)
{
  if (column->code)
    return column->code[row] < 0;
  if (column->number)
    return !isfinite(column->number[row]);
  return column->offset[row] == column->offset[row + 1];
}

/* Why the value is unusual, or NULL. */
static const char *
reason_of(const struct finding *finding, const struct row_schema *schema, size_t place,
          const struct column *column, size_t row)
{
  double low, high;

  if (finding->unknown[place])
    return "unknown_category";
  if (is_missing(column, row))
    return finding->novelty && novelty_never_missing(finding->novelty, place) ? "missing" : NULL;
  if (!column->number || !row_schema_range(schema, place, &low, &high))
    return NULL;
  return range_reason(column->number[row], low, high);
}

static void
write_number(const char *name, double value, struct buf *out)
{
  buf_append_text(out, name);
  predict_write_float((float) value, out);
}

static void
write_reason(struct finding *finding, size_t input, const char *reason, struct buf *out)
{
  buf_append_text(out, finding->found++ > 0 ? ",{\"column\":" : "{\"column\":");
  predict_write_text(finding->name_of(finding->from, input), out);
  buf_append_text(out, ",\"reason\":\"");
  buf_append_text(out, reason);
  buf_append(out, "\"", 1);
  if (finding->novelty)
    write_number(",\"distance\":", finding->distances[input], out);
  buf_append(out, "}", 1);
}

/* The inputs that are farthest; takes their distances. */
static void
write_farthest(struct finding *finding, struct buf *out)
{
  buf_append_text(out, ",\"farthest\":[");
  for (size_t k = 0; k < FARTHEST && k < finding->count; k++)
  {
    size_t most = 0;
    for (size_t i = 1; i < finding->count; i++)
      if (finding->distances[i] > finding->distances[most])
        most = i;
    if (!(finding->distances[most] > 0.0))
      break;
    buf_append_text(out, k > 0 ? ",{\"column\":" : "{\"column\":");
    predict_write_text(finding->name_of(finding->from, most), out);
    write_number(",\"distance\":", finding->distances[most], out);
    buf_append(out, "}", 1);
    finding->distances[most] = 0.0;
  }
  buf_append(out, "]", 1);
}

/* What follows the list of columns. */
static void
write_whole(struct finding *finding, double distance, struct buf *out)
{
  double score = finding->given > 0 ? (double) finding->found / (double) finding->given : 0.0;

  write_number("],\"score\":", score, out);
  if (!finding->novelty)
  {
    buf_append_text(out, ",\"distance\":null,\"farther\":null}");
    return;
  }
  write_number(",\"distance\":", distance, out);
  write_number(",\"farther\":", novelty_farther(finding->novelty, distance), out);
  write_farthest(finding, out);
  buf_append(out, "}", 1);
}

static const char *
column_name(const void *from, size_t input)
{
  return ((const struct table *) from)->columns[input].name;
}

static void
write_row(struct finding *finding, const struct row_schema *schema, const struct table *table,
          size_t row, const json_t *warnings, struct buf *out)
{
  double distance = 0.0;

  finding->name_of = column_name;
  finding->from = table;
  finding->count = table->column_count;
  for (size_t i = 0; i < table->column_count; i++)
    finding->unknown[i] = table->columns[i].code && table->columns[i].code[row] < 0
                          && predict_warns_unknown(warnings, table->columns[i].name);
  if (finding->novelty)
    distance = novelty_row(finding->novelty, table, row, finding->unknown, finding->distances);
  buf_append_text(out, "{\"columns\":[");
  for (size_t i = 0; i < table->column_count; i++)
  {
    const char *reason = reason_of(finding, schema, i, &table->columns[i], row);
    finding->given += reason || !is_missing(&table->columns[i], row) ? 1 : 0;
    if (reason)
      write_reason(finding, i, reason, out);
  }
  write_whole(finding, distance, out);
}

static const char *
image_name(const void *from, size_t input)
{
  (void) from;
  return novelty_image_name(input);
}

static void
write_image(struct finding *finding, const struct model_about *about, const uint8_t *pixels,
            struct buf *out)
{
  double values[NOVELTY_IMAGE_INPUTS], low, high, distance;

  finding->name_of = image_name;
  finding->count = finding->given = NOVELTY_IMAGE_INPUTS;
  novelty_image_values(pixels, about->height, about->width, about->channels, values);
  distance = novelty_image(finding->novelty, values, finding->distances);
  buf_append_text(out, "{\"columns\":[");
  for (size_t i = 0; i < finding->count; i++)
    if (novelty_range(finding->novelty, i, &low, &high) && range_reason(values[i], low, high))
      write_reason(finding, i, range_reason(values[i], low, high), out);
  write_whole(finding, distance, out);
}

/* The text of one good row or image in the arena; NULL when out of memory. */
static const char *
text_of(struct http_request *req, const struct model_about *about,
        const struct predict_input *input, size_t index, struct finding *finding)
{
  struct buf text = {.data = NULL};
  const char *kept = NULL;

  finding->given = finding->found = 0;
  if (about->input == DATASET_IMAGES)
    write_image(finding, about,
                input->pixels + index * about->height * about->width * about->channels, &text);
  else
    write_row(finding, about->schema, row_batch_table(input->batch), input->good[index],
              predict_input_warnings(input, input->good[index]), &text);
  buf_append(&text, "", 1); /* its end */
  if (!text.failed)
    kept = arena_printf(req->arena, "%s", (const char *) text.data);
  buf_free(&text);
  return kept;
}

/* What the distances are from, or why there are none. */
static const char *
about_text(struct http_request *req, const struct novelty *novelty)
{
  if (novelty)
    return arena_printf(req->arena, "{\"compared_with\":%zu}", novelty_rows(novelty));
  return "{\"compared_with\":null,\"lacks\":\"this version was made before statistics of its "
         "training data were kept: it knows ranges and categories only\"}";
}

bool
predict_unusual(struct http_request *req, const struct model_about *about,
                struct predict_input *input)
{
  bool images = about->input == DATASET_IMAGES;
  size_t inputs;
  struct finding finding = {.novelty = about->novelty};
  const char **texts;
  bool good;

  if (!input->unusual)
    return true;
  if (images && !about->novelty)
  {
    reply_fault(req, E_INVALID, "/unusual", "leave it out, or run the job again",
                "this version was made before statistics of its images were kept");
    return false;
  }
  inputs = images ? NOVELTY_IMAGE_INPUTS : row_schema_count(about->schema);
  texts = arena_array(req->arena, input->good_count, sizeof *texts);
  finding.distances = arena_array(req->arena, inputs, sizeof *finding.distances);
  finding.unknown = arena_array(req->arena, inputs, sizeof *finding.unknown);
  input->strange_about = about_text(req, about->novelty);
  good = texts && finding.distances && finding.unknown && input->strange_about;
  for (size_t i = 0; good && i < input->good_count; i++)
    good = (texts[i] = text_of(req, about, input, i, &finding)) != NULL;
  if (!good)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  input->strange = texts;
  return good;
}
