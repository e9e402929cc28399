#include <config.h>

#include "sql/db.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sql/db_dataset.h"
#include "sql/db_exec.h"

#define ID_RANDOM 20
#define ID_POOL 256 /* ids whose random bytes are fetched at once */

/* Writes the characters of 20 random bytes and a NUL. */
static void
write_tail(const unsigned char bytes[ID_RANDOM], char *tail)
{
  static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";
  for (size_t i = 0; i < ID_RANDOM; i++)
    tail[i] = alphabet[bytes[i] % 32];
  tail[ID_RANDOM] = '\0';
}

void
db_id_new(const char *prefix, char *id, size_t size)
{
  unsigned char bytes[ID_RANDOM];
  char tail[ID_RANDOM + 1];
  randombytes_buf(bytes, sizeof bytes);
  write_tail(bytes, tail);
  snprintf(id, size, "%s%s", prefix, tail);
}

void
db_id_new_often(const char *prefix, char *id, size_t size)
{
  static _Thread_local unsigned char pool[ID_RANDOM * ID_POOL];
  static _Thread_local size_t left;
  size_t length = strnlen(prefix, size);
  if (size < length + ID_RANDOM + 1)
    return;
  if (left == 0)
  {
    randombytes_buf(pool, sizeof pool);
    left = ID_POOL;
  }
  left--;
  memcpy(id, prefix, length);
  write_tail(pool + left * ID_RANDOM, id + length);
  /* what has been given out can't be read from memory later */
  sodium_memzero(pool + left * ID_RANDOM, ID_RANDOM);
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
