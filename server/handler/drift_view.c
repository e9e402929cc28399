#include <config.h>

#include "server/handler/drift_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "data/drift.h"

#define NAMES_TOLD 5

/* ---- one set of bins ------------------------------------------------------------------------------- */

/* "psi", "noise" and "drift" of `bins` bins; those that neither side has are left out. */
static void
set_index(json_t *view, const uint64_t *trained, const double *counts, size_t bins)
{
  uint64_t *expected = calloc(2 * bins + 1, sizeof *expected), *asked = expected + bins;
  double trained_total = 0, asked_total = 0;
  size_t used = 0;

  if (!expected)
    return;
  for (size_t i = 0; i < bins; i++)
  {
    trained_total += (double) trained[i];
    asked_total += counts[i];
    if (trained[i] == 0 && !(counts[i] > 0))
      continue;
    expected[used] = trained[i];
    asked[used++] = (uint64_t) counts[i];
  }
  double psi = drift_psi(expected, asked, used);
  double noise = drift_psi_noise(used, trained_total, asked_total);
  free(expected);
  json_object_set_new(view, "psi", json_real_or_null(psi));
  json_object_set_new(view, "noise", json_real_or_null(noise));
  json_object_set_new(view, "drift", json_string(drift_word(psi, noise)));
}

static double
sum_counts(const double *counts, size_t bins)
{
  double total = 0;
  for (size_t i = 0; i < bins; i++)
    total += counts[i];
  return total;
}

static double
sum_trained(const uint64_t *trained, size_t bins)
{
  double total = 0;
  for (size_t i = 0; i < bins; i++)
    total += (double) trained[i];
  return total;
}

static json_t *
share(double count, double of)
{
  return json_real_or_null(of > 0 ? count / of : NAN);
}

static json_t *
shares(double trained, double trained_total, double asked, double asked_total)
{
  return json_pack("{s:o, s:o}", "trained", share(trained, trained_total), "asked",
                   share(asked, asked_total));
}

/* What a bin holds: values from an edge up to the next, or a category or class by its name. */
static void
name_bin(json_t *bin, const struct drift_column *column, const json_t *names, size_t index)
{
  const json_t *name = json_array_get(names, index);
  if (!column->edges)
  {
    json_object_set_new(bin, "value",
                        name ? json_incref((json_t *) (uintptr_t) name) : json_null());
    return;
  }
  json_object_set_new(bin, "from", index > 0 ? json_real(column->edges[index - 1]) : json_null());
  json_object_set_new(bin, "to",
                      index + 1 < column->bins ? json_real(column->edges[index]) : json_null());
}

static json_t *
view_bins(const struct drift_column *column, const json_t *names, const double *counts,
          double trained_total, double asked_total)
{
  json_t *list = json_array();
  for (size_t i = 0; i < column->bins; i++)
  {
    json_t *bin = shares((double) column->trained[i], trained_total, counts[i], asked_total);
    name_bin(bin, column, names, i);
    json_array_append_new(list, bin);
  }
  return list;
}

/* ---- the parts ------------------------------------------------------------------------------------- */

static json_t *
view_column(const struct drift_column *column, const json_t *json, const double *all)
{
  const double *counts = all + column->place;
  size_t bins = column->bins + DRIFT_MORE_BINS, missing = column->bins, unknown = column->bins + 1;
  double trained_total = sum_trained(column->trained, bins), asked_total = sum_counts(counts, bins);
  json_t *view = json_pack("{s:s, s:s, s:I}", "name", column->name, "type",
                           column_type_name(column->type), "rows", (json_int_t) asked_total);

  set_index(view, column->trained, counts, bins);
  json_object_set_new(
    view, "missing",
    shares((double) column->trained[missing], trained_total, counts[missing], asked_total));
  json_object_set_new(view, "unknown", share(counts[unknown], asked_total));
  json_object_set_new(
    view, "bins",
    view_bins(column, json_object_get(json, "values"), counts, trained_total, asked_total));
  return view;
}

json_t *
drift_view_columns(const struct drift_asked *asked)
{
  const json_t *json = json_object_get(asked->json, "columns");
  json_t *list = json_array();
  for (size_t i = 0; i < asked->reference->column_count; i++)
    json_array_append_new(
      list, view_column(&asked->reference->columns[i], json_array_get(json, i), asked->counts));
  return list;
}

json_t *
drift_view_answers(const struct drift_asked *asked)
{
  const struct drift_column *target = &asked->reference->target;
  const double *counts = asked->counts + target->place;
  double trained_total = sum_trained(target->trained, target->bins);
  double asked_total = sum_counts(counts, target->bins);
  json_t *view = json_pack("{s:I}", "rows", (json_int_t) asked_total);

  set_index(view, target->trained, counts, target->bins);
  json_object_set_new(view, "bins",
                      view_bins(target, asked->classes, counts, trained_total, asked_total));
  return view;
}

json_t *
drift_view_summary(const json_t *columns, const json_t *answers)
{
  struct buf text = {.data = NULL};
  const json_t *column;
  size_t index, strong = 0, moderate = 0, few = 0;

  json_array_foreach(columns, index, column)
  {
    const char *word = json_get_string(column, "drift", "");
    few += strcmp(word, "too_few") == 0 ? 1 : 0;
    moderate += strcmp(word, "moderate") == 0 ? 1 : 0;
    if (strcmp(word, "strong") != 0)
      continue;
    if (strong++ < NAMES_TOLD)
      buf_printf(&text, "%s%s", strong > 1 ? ", " : "unlike the training data: ",
                 json_get_string(column, "name", ""));
  }
  if (strong > NAMES_TOLD)
    buf_printf(&text, " and %zu more", strong - NAMES_TOLD);
  if (strong == 0 && moderate > 0)
    buf_printf(&text, "%zu of %zu columns have moved somewhat", moderate, json_array_size(columns));
  if (strong == 0 && moderate == 0 && json_array_size(columns) > 0)
    buf_append_text(&text, few == json_array_size(columns)
                             ? "too few rows to compare with the training data"
                             : "what is asked is like the training data");
  if (text.length > 0)
    buf_append_text(&text, "; ");
  const char *word = json_get_string(answers, "drift", "");
  buf_append_text(&text, strcmp(word, "strong") == 0 ? "the answers are spread very differently"
                         : strcmp(word, "moderate") == 0
                           ? "the answers are spread somewhat differently"
                         : strcmp(word, "stable") == 0 ? "the answers are spread as in training"
                                                       : "too few answers to compare");
  json_t *summary = text.failed ? json_null() : json_stringn((const char *) text.data, text.length);
  buf_free(&text);
  return summary;
}
