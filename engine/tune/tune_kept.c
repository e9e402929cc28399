#include <config.h>

#include "tune/tune_kept.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

enum err
tune_groups_of(const struct tune_data *data, const size_t *rows, size_t count,
               struct bbc_groups *groups)
{
  const struct split *split = data->split;
  *groups = (struct bbc_groups){0};
  if (split->group_of == NULL)
    return ERR_OK;
  uint32_t *number = malloc((split->group_count + 1) * sizeof *number);
  uint32_t *of_row = malloc((count + 1) * sizeof *of_row);
  if (number == NULL || of_row == NULL)
  {
    free(number);
    free(of_row);
    return ERR_MEMORY;
  }
  memset(number, 0xff, (split->group_count + 1) * sizeof *number);
  for (size_t i = 0; i < count; i++)
  {
    uint32_t *mine = &number[split->group_of[rows[i]]];
    if (*mine == UINT32_MAX)
      *mine = (uint32_t) groups->count++;
    of_row[i] = *mine;
  }
  free(number);
  groups->of_row = of_row;
  return ERR_OK;
}

static json_t *
text_or_null(const char *text)
{
  return text != NULL ? json_string(text) : json_null();
}

json_t *
tune_validation_json(const struct tune_data *data)
{
  const struct split *split = data->split;
  unsigned char digest[crypto_hash_sha256_BYTES];
  char text[2 * crypto_hash_sha256_BYTES + 1];
  crypto_hash_sha256(digest, split->fold_of, split->row_count);
  text_hex_encode(digest, sizeof digest, text);
  json_t *json = json_pack(
    "{s:s, s:I, s:o, s:o, s:b, s:s}", "kind", split->kind == SPLIT_HOLDOUT ? "holdout" : "folds",
    "folds", (json_int_t) split->fold_count, "group", text_or_null(data->spec->group_column),
    "time", text_or_null(data->spec->time_column), "stratified", data->spec->stratify,
    "folds_sha256", text);
  if (json != NULL && split->group_of != NULL)
    json_object_set_new(json, "groups", json_integer((json_int_t) split->group_count));
  if (json != NULL && split->time_ordered)
    json_object_set_new(json, "untimed_rows", json_integer((json_int_t) split->untimed));
  return json;
}
