#include <config.h>

#include "sql/db.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/db_dataset.h"
#include "sql/db_exec.h"

#define ID_RANDOM 20

void
db_id_new(const char *prefix, char *id, size_t size)
{
  static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  unsigned char bytes[ID_RANDOM];
  randombytes_buf(bytes, sizeof bytes);
  char tail[ID_RANDOM + 1] = "";
  for (size_t i = 0; i < ID_RANDOM; i++)
    tail[i] = alphabet[bytes[i] % 32];
  snprintf(id, size, "%s%s", prefix, tail);
}

const char *
db_cursor(struct arena *arena, int64_t created_us, const char *id)
{
  return arena_printf(arena, "%lld:%s", (long long) created_us, id);
}

bool
db_cursor_parse(const char *cursor, int64_t *created_us, const char **id)
{
  if (cursor == NULL)
  {
    *created_us = INT64_C(253402300799000000); /* the last second of the year 9999 */
    *id = "~";
    return true;
  }
  size_t digits = strspn(cursor, "0123456789");
  if (digits == 0 || digits > 17 || cursor[digits] != ':')
    return false;
  const char *name = cursor + digits + 1;
  size_t length = strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz_");
  if (length == 0 || length > 63 || name[length] != '\0')
    return false;
  *created_us = strtoll(cursor, NULL, 10);
  *id = name;
  return true;
}
