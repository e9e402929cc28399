#include <config.h>

#include "data/row_batch_internal.h"

#include <string.h>

bool
row_schema_is_numbers(const struct row_schema *schema)
{
  return schema->all_numbers;
}

size_t
row_schema_place(const struct row_schema *schema, const char *name, size_t guess)
{
  size_t length = strlen(name);

  if (guess < schema->count && schema->columns[guess].name_length == length
      && memcmp(schema->columns[guess].name, name, length) == 0)
    return guess;
  return row_schema_find(schema, name, length);
}

enum err
row_batch_from_numbers(const struct row_schema *schema, const struct row_numbers *columns,
                       size_t rows, struct row_batch **batch, struct err_info *info)
{
  enum err rc = row_batch_new(schema, rows, batch, info);

  if (rc != ERR_OK)
    return rc;
  double *cell = (*batch)->numbers;
  for (size_t c = 0; c < schema->count; c++)
    for (size_t i = 0; i < rows; i++)
      *cell++ = columns[c].first[i * columns[c].step];
  return ERR_OK;
}
