#include <config.h>

#include "model/ubj.h"

#include <string.h>

#define DEPTH_MAX 32

static const unsigned char *
take(struct ubj *ubj, size_t length)
{
  const unsigned char *here = ubj->at;

  if (ubj->failed || length > (size_t) (ubj->end - ubj->at))
  {
    ubj->failed = true;
    return NULL;
  }
  ubj->at += length;
  return here;
}

static char
take_tag(struct ubj *ubj)
{
  const unsigned char *tag;

  do
    tag = take(ubj, 1);
  while (tag && *tag == 'N'); /* a no-op may stand anywhere */
  return tag ? (char) *tag : 0;
}

static char
peek_tag(struct ubj *ubj)
{
  while (!ubj->failed && ubj->at < ubj->end && *ubj->at == 'N')
    ubj->at++;
  return !ubj->failed && ubj->at < ubj->end ? (char) *ubj->at : 0;
}

static size_t
width_of(char type)
{
  switch (type)
  {
  case 'i':
  case 'U':
  case 'C':
    return 1;
  case 'I':
    return 2;
  case 'l':
  case 'd':
    return 4;
  case 'L':
  case 'D':
    return 8;
  default:
    return 0;
  }
}

static double
number_of(char type, const unsigned char *bytes)
{
  size_t width = width_of(type);
  uint64_t word = 0;

  for (size_t i = 0; i < width; i++)
    word = word << 8 | bytes[i];
  switch (type)
  {
  case 'i':
    return (double) (int8_t) word;
  case 'I':
    return (double) (int16_t) word;
  case 'l':
    return (double) (int32_t) word;
  case 'L':
    return (double) (int64_t) word;
  case 'd':
  {
    uint32_t bits = (uint32_t) word;
    float value;
    memcpy(&value, &bits, sizeof value);
    return (double) value;
  }
  case 'D':
  {
    double value;
    memcpy(&value, &word, sizeof value);
    return value;
  }
  default:
    return (double) word;
  }
}

static double
number_here(struct ubj *ubj, char type)
{
  if (type == 'T')
    return 1.0;
  if (type == 'F')
    return 0.0;
  size_t width = width_of(type);
  const unsigned char *bytes = width ? take(ubj, width) : NULL;
  ubj->failed = ubj->failed || !bytes;
  return bytes ? number_of(type, bytes) : 0.0;
}

/* A length: a tagged whole number. */
static size_t
length_here(struct ubj *ubj)
{
  double length = number_here(ubj, take_tag(ubj));

  if (ubj->failed || !(length >= 0.0) || length > (double) (ubj->end - ubj->at))
  {
    ubj->failed = true;
    return 0;
  }
  return (size_t) length;
}

bool
ubj_enter_object(struct ubj *ubj)
{
  if (take_tag(ubj) != '{')
    ubj->failed = true;
  return !ubj->failed;
}

bool
ubj_next_key(struct ubj *ubj, const char **key, size_t *length)
{
  if (peek_tag(ubj) == '}')
  {
    take(ubj, 1);
    return false;
  }
  *length = length_here(ubj);
  *key = (const char *) take(ubj, *length);
  return !ubj->failed;
}

bool
ubj_key_is(const char *key, size_t length, const char *name)
{
  return strlen(name) == length && memcmp(key, name, length) == 0;
}

bool
ubj_enter_array(struct ubj *ubj, struct ubj_array *array)
{
  *array = (struct ubj_array){.count = SIZE_MAX};
  if (take_tag(ubj) != '[')
    ubj->failed = true;
  if (peek_tag(ubj) == '$')
  {
    take(ubj, 1);
    array->type = take_tag(ubj);
    /* a typed array needs its count, and only plain numbers are written so */
    if (width_of(array->type) == 0 || peek_tag(ubj) != '#')
      ubj->failed = true;
  }
  if (peek_tag(ubj) == '#')
  {
    take(ubj, 1);
    array->count = length_here(ubj);
  }
  return !ubj->failed;
}

bool
ubj_next_element(struct ubj *ubj, struct ubj_array *array)
{
  if (ubj->failed)
    return false;
  if (array->count == SIZE_MAX && peek_tag(ubj) == ']')
  {
    take(ubj, 1);
    return false;
  }
  if (array->index >= array->count)
    return false;
  array->index++;
  return true;
}

double
ubj_element_number(struct ubj *ubj, const struct ubj_array *array)
{
  return number_here(ubj, array->type ? array->type : take_tag(ubj));
}

bool
ubj_text(struct ubj *ubj, char *text, size_t size)
{
  if (take_tag(ubj) != 'S')
    ubj->failed = true;
  size_t length = length_here(ubj);
  const unsigned char *bytes = take(ubj, length);

  if (!bytes || length >= size)
  {
    ubj->failed = true;
    return false;
  }
  memcpy(text, bytes, length);
  text[length] = '\0';
  return true;
}

static void
skip_depth(struct ubj *ubj, int depth)
{
  char tag = peek_tag(ubj);

  if (depth > DEPTH_MAX || ubj->failed)
    ubj->failed = true;
  else if (tag == '{')
  {
    const char *key;
    size_t length;
    ubj_enter_object(ubj);
    while (ubj_next_key(ubj, &key, &length))
      skip_depth(ubj, depth + 1);
  }
  else if (tag == '[')
  {
    struct ubj_array array;
    ubj_enter_array(ubj, &array);
    if (array.type)
      take(ubj, array.count * width_of(array.type));
    else
      while (ubj_next_element(ubj, &array))
        skip_depth(ubj, depth + 1);
  }
  else
  {
    take_tag(ubj);
    if (tag == 'S')
      take(ubj, length_here(ubj));
    else if (tag != 'T' && tag != 'F' && tag != 'Z')
      number_here(ubj, tag);
  }
}

void
ubj_skip(struct ubj *ubj)
{
  skip_depth(ubj, 0);
}
