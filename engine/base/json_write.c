#include <config.h>

#include "base/json.h"

#include <math.h>
#include <string.h>

#include "base/text.h"

void
json_write_string(const char *text, size_t length, struct buf *out)
{
  buf_append(out, "\"", 1);
  size_t plain = 0; /* start of the run that needs no escape */
  for (size_t i = 0; i < length; i++)
  {
    unsigned char c = (unsigned char) text[i];
    if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7F)
      continue;
    buf_append(out, text + plain, i - plain);
    plain = i + 1;
    if (c == '"' || c == '\\')
      buf_printf(out, "\\%c", c);
    else if (c == '\n')
      buf_append(out, "\\n", 2);
    else
      buf_printf(out, "\\u%04x", c);
  }
  buf_append(out, text + plain, length - plain);
  buf_append(out, "\"", 1);
}

static void
write_real(double value, struct buf *out)
{
  char number[TEXT_DOUBLE_SIZE];
  if (!isfinite(value))
  {
    buf_append(out, "null", 4);
    return;
  }
  size_t length = text_print_double(value, number);
  buf_append(out, number, length);
  /* stays a real when it is read back */
  if (!strpbrk(number, ".e"))
    buf_append(out, ".0", 2);
}

static void
write_object(const json_t *object, struct buf *out)
{
  const char *name;
  json_t *member;
  bool first = true;
  buf_append(out, "{", 1);
  json_object_foreach((json_t *) object, name, member)
  {
    if (!first)
      buf_append(out, ",", 1);
    first = false;
    json_write_string(name, strlen(name), out);
    buf_append(out, ":", 1);
    json_write(member, out);
  }
  buf_append(out, "}", 1);
}

static void
write_array(const json_t *array, struct buf *out)
{
  size_t index;
  json_t *entry;
  buf_append(out, "[", 1);
  json_array_foreach(array, index, entry)
  {
    if (index > 0)
      buf_append(out, ",", 1);
    json_write(entry, out);
  }
  buf_append(out, "]", 1);
}

void
json_write(const json_t *value, struct buf *out)
{
  if (!value)
  {
    buf_append(out, "null", 4);
    return;
  }
  switch (json_typeof(value))
  {
  case JSON_OBJECT:
    write_object(value, out);
    break;
  case JSON_ARRAY:
    write_array(value, out);
    break;
  case JSON_STRING:
    json_write_string(json_string_value(value), json_string_length(value), out);
    break;
  case JSON_INTEGER:
    buf_printf(out, "%lld", (long long) json_integer_value(value));
    break;
  case JSON_REAL:
    write_real(json_real_value(value), out);
    break;
  case JSON_TRUE:
    buf_append(out, "true", 4);
    break;
  case JSON_FALSE:
    buf_append(out, "false", 5);
    break;
  case JSON_NULL:
    buf_append(out, "null", 4);
    break;
  }
}
