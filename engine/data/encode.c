#include <config.h>

#include "data/encode.h"

#include <stdlib.h>
#include <string.h>

#include "data/encode_internal.h"
#include "data/hash.h"

static const char *const time_names_dense[] = {
  "time", "month sin", "month cos", "weekday sin", "weekday cos", "hour sin", "hour cos"};
static const char *const time_names_tree[] = {"days", "year", "month", "day", "weekday", "hour"};

static const char *const look_names[ENCODE_LOOKS] = {"characters", "words", "share of digits",
                                                     "share of capitals", "share of marks"};

size_t
encode_fold_of(size_t row)
{
  return (size_t) (hash_mix(0x464f4c44, row) % ENCODE_FOLDS);
}

size_t
encode_find_category(const struct encode_column *column, const char *text)
{
  size_t low = 0, high = column->category_count;
  while (low < high)
  {
    size_t middle = (low + high) / 2;
    int order = strcmp(column->categories[middle], text);
    if (order == 0)
      return middle;
    if (order < 0)
      low = middle + 1;
    else
      high = middle;
  }
  return SIZE_MAX;
}

static size_t
count_features(const struct encoder *encoder, const struct encode_column *column)
{
  size_t indicator = column->indicator ? 1 : 0;
  bool dense = encoder->view == ENCODE_DENSE;
  switch (column->kind)
  {
  case ENCODE_NONE:
    return indicator;
  case ENCODE_NUMBER:
  case ENCODE_BINARY:
    return 1 + indicator;
  case ENCODE_ONE_HOT:
    return column->category_count + (column->has_other ? 1 : 0) + indicator;
  case ENCODE_TARGET:
    return column->stat_count + indicator;
  case ENCODE_TIME:
    return (dense ? 5 + (column->has_clock ? 2u : 0u) : 5 + (column->has_clock ? 1u : 0u))
           + indicator;
  case ENCODE_WORDS:
    return ENCODE_LOOKS + column->words->score_count + indicator;
  }
  return 0;
}

static const char *
feature_name(const struct encoder *encoder, const struct encode_column *column, size_t index)
{
  struct arena *arena = encoder->arena;
  if (column->indicator && index == column->feature_count - 1)
    return arena_printf(arena, "%s is missing", column->name);
  switch (column->kind)
  {
  case ENCODE_BINARY:
  case ENCODE_ONE_HOT:
    return arena_printf(arena, "%s=%s", column->name,
                        index < column->category_count ? column->categories[index] : "(other)");
  case ENCODE_TARGET:
    if (column->stat_count == 1)
      return arena_printf(arena, "%s (target mean)", column->name);
    return arena_printf(arena, "%s (share of class %zu)", column->name, index + 1);
  case ENCODE_TIME:
    return arena_printf(
      arena, "%s (%s)", column->name,
      (encoder->view == ENCODE_DENSE ? time_names_dense : time_names_tree)[index]);
  case ENCODE_WORDS:
    if (index < ENCODE_LOOKS)
      return arena_printf(arena, "%s (%s)", column->name, look_names[index]);
    if (column->words->score_count == 1)
      return arena_printf(arena, "%s (score)", column->name);
    return arena_printf(arena, "%s (score %zu)", column->name, index - ENCODE_LOOKS + 1);
  case ENCODE_NUMBER:
  case ENCODE_NONE:
    break;
  }
  return column->name;
}

enum err
encode_lay_out(struct encoder *encoder, struct err_info *info)
{
  size_t width = 0;
  for (size_t c = 0; c < encoder->column_count; c++)
  {
    struct encode_column *column = &encoder->columns[c];
    column->first_feature = width;
    column->feature_count = count_features(encoder, column);
    width += column->feature_count;
  }
  if (width == 0)
    return err_set(info, ERR_INVALID,
                   "no column can be learned from: all are constant or identifiers");
  encoder->width = width;
  encoder->feature_names = arena_array(encoder->arena, width, sizeof(char *));
  encoder->feature_columns = arena_array(encoder->arena, width, sizeof(uint32_t));
  if (encoder->feature_names == NULL || encoder->feature_columns == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t c = 0; c < encoder->column_count; c++)
  {
    const struct encode_column *column = &encoder->columns[c];
    for (size_t i = 0; i < column->feature_count; i++)
    {
      const char *name = feature_name(encoder, column, i);
      if (name == NULL)
        return err_set(info, ERR_MEMORY, "out of memory");
      encoder->feature_names[column->first_feature + i] = name;
      encoder->feature_columns[column->first_feature + i] = (uint32_t) c;
    }
  }
  return ERR_OK;
}

void
encoder_free(struct encoder *encoder)
{
  if (encoder == NULL)
    return;
  arena_free(encoder->arena);
  free(encoder);
}

enum encode_view
encoder_view(const struct encoder *encoder)
{
  return encoder->view;
}

size_t
encoder_width(const struct encoder *encoder)
{
  return encoder->width;
}

const char *
encoder_feature_name(const struct encoder *encoder, size_t feature)
{
  return encoder->feature_names[feature];
}

size_t
encoder_feature_column(const struct encoder *encoder, size_t feature)
{
  return encoder->feature_columns[feature];
}

size_t
encoder_column_count(const struct encoder *encoder)
{
  return encoder->column_count;
}

const char *
encoder_column_name(const struct encoder *encoder, size_t column)
{
  return encoder->columns[column].name;
}

size_t
encoder_dropped_count(const struct encoder *encoder)
{
  return encoder->dropped_count;
}

const char *
encoder_dropped_name(const struct encoder *encoder, size_t index)
{
  return encoder->dropped[index];
}
