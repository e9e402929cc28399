#include <config.h>

#include <float.h>

#include "data/novelty_internal.h"

#define ROWS_MOST 1e15

/* ---- writing ---------------------------------------------------------------------------------------- */

static json_t *
input_json(const struct novelty_input *input)
{
  json_t *item = json_pack("{s:f}", "missing", input->missing);

  if (input->is_number)
  {
    json_object_set_new(item, "median", json_real(input->median));
    json_object_set_new(item, "spread", json_real(input->spread));
    json_object_set_new(item, "low", json_real(input->low));
    json_object_set_new(item, "high", json_real(input->high));
  }
  if (input->share_count > 0)
  {
    json_t *shares = json_array();
    for (size_t k = 0; k < input->share_count; k++)
      json_array_append_new(shares, json_real((double) input->shares[k]));
    json_object_set_new(item, "shares", shares);
  }
  return item;
}

json_t *
novelty_json(const struct novelty *novelty)
{
  json_t *inputs = json_array(), *distances = json_array();

  for (size_t i = 0; i < novelty->count; i++)
    json_array_append_new(inputs, input_json(&novelty->inputs[i]));
  for (size_t i = 0; i < NOVELTY_LEVELS; i++)
    json_array_append_new(distances, json_real(novelty->distances[i]));
  return json_pack("{s:I, s:o, s:o}", "rows", (json_int_t) novelty->rows, "inputs", inputs,
                   "distances", distances);
}

/* ---- reading ---------------------------------------------------------------------------------------- */

static bool
read_number(const json_t *json, double low, double high, double *value)
{
  *value = json_number_value(json);
  return json_is_number(json) && *value >= low && *value <= high;
}

static bool
read_shares(struct novelty *novelty, const json_t *list, struct novelty_input *input)
{
  size_t count = json_array_size(list);

  if (!list)
    return true;
  if (!json_is_array(list) || count > NOVELTY_CATEGORIES)
    return false;
  input->shares = arena_array(novelty->arena, count + 1, sizeof *input->shares);
  for (size_t k = 0; input->shares && k < count; k++)
  {
    double share;
    if (!read_number(json_array_get(list, k), 0.0, 1.0, &share))
      return false;
    input->shares[k] = (float) share;
  }
  input->share_count = count;
  return input->shares != NULL;
}

static bool
read_input(struct novelty *novelty, const json_t *item, struct novelty_input *input)
{
  if (!read_number(json_object_get(item, "missing"), 0.0, 1.0, &input->missing))
    return false;
  input->is_number = json_object_get(item, "median") != NULL;
  if (input->is_number
      && (!read_number(json_object_get(item, "median"), -DBL_MAX, DBL_MAX, &input->median)
          || !read_number(json_object_get(item, "spread"), 0.0, DBL_MAX, &input->spread)
          || !read_number(json_object_get(item, "low"), -DBL_MAX, DBL_MAX, &input->low)
          || !read_number(json_object_get(item, "high"), input->low, DBL_MAX, &input->high)))
    return false;
  return read_shares(novelty, json_object_get(item, "shares"), input);
}

enum err
novelty_read(const json_t *json, size_t inputs, struct novelty **novelty, struct err_info *info)
{
  const json_t *list = json_object_get(json, "inputs");
  const json_t *distances = json_object_get(json, "distances");
  struct novelty *made = novelty_new(inputs);
  double rows = 0.0, last = 0.0;
  bool good = read_number(json_object_get(json, "rows"), 0.0, ROWS_MOST, &rows)
              && json_array_size(list) == inputs && json_array_size(distances) == NOVELTY_LEVELS;

  *novelty = NULL;
  if (!made)
    return err_set(info, ERR_MEMORY, "no memory for statistics of the data");
  made->rows = (size_t) rows;
  for (size_t i = 0; good && i < inputs; i++)
    good = read_input(made, json_array_get(list, i), &made->inputs[i]);
  for (size_t i = 0; good && i < NOVELTY_LEVELS; i++)
  {
    good = read_number(json_array_get(distances, i), last, DBL_MAX, &made->distances[i]);
    last = made->distances[i];
  }
  if (!good)
  {
    novelty_free(made);
    return err_set(info, ERR_INVALID, "the statistics of the training data are damaged");
  }
  *novelty = made;
  return ERR_OK;
}
