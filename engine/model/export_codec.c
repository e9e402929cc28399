#include <config.h>

#include "model/export_codec.h"

#include <float.h>
#include <math.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

#define BASE64 sodium_base64_VARIANT_ORIGINAL

static const size_t sizes[] = {4, 8, 4, 2, 1};

void
codec_fail(struct codec *codec, const char *name)
{
  if (!codec->failed)
    snprintf(codec->fault, sizeof codec->fault, "%s", name);
  codec->failed = true;
}

/* After a read of bytes. */
static bool
read_well(struct codec *codec, const char *name)
{
  if (codec->reader->failed)
    codec_fail(codec, name);
  return !codec->failed;
}

static void
put(struct codec *codec, const char *name, json_t *value)
{
  if (json_object_set_new(codec->object, name, value) != 0)
    codec_fail(codec, name);
}

/* ---- single numbers --------------------------------------------------------------------------------- */

/* The double whose shortest text is the shortest that gives the float back. */
static double
short_float(float value)
{
  char text[32];
  double found = (double) value;

  for (int digits = 6; digits <= 9; digits++)
  {
    snprintf(text, sizeof text, "%.*g", digits, (double) value);
    found = strtod(text, NULL);
    if ((float) found == value)
      return found;
  }
  return (double) value;
}

static bool
whole(const json_t *value, uint64_t most, uint64_t *number)
{
  if (!json_is_integer(value) || json_integer_value(value) < 0
      || (uint64_t) json_integer_value(value) > most)
    return false;
  *number = (uint64_t) json_integer_value(value);
  return true;
}

static uint64_t
codec_whole(struct codec *codec, const char *name, size_t bytes)
{
  uint64_t value = 0, most = bytes == 4 ? UINT32_MAX : INT64_MAX;

  if (codec->failed)
    return 0;
  if (!codec->packing)
  {
    value = bytes == 4 ? reader_u32(codec->reader) : reader_u64(codec->reader);
    if (read_well(codec, name))
      put(codec, name, json_integer((json_int_t) value));
    return value;
  }
  if (!whole(json_object_get(codec->object, name), most, &value))
    codec_fail(codec, name);
  else if (bytes == 4)
    buf_append_u32(codec->out, (uint32_t) value);
  else
    buf_append_u64(codec->out, value);
  return value;
}

uint32_t
codec_u32(struct codec *codec, const char *name)
{
  return (uint32_t) codec_whole(codec, name, 4);
}

uint64_t
codec_u64(struct codec *codec, const char *name)
{
  return codec_whole(codec, name, 8);
}

void
codec_constant(struct codec *codec, uint32_t value)
{
  if (codec->failed)
    return;
  if (codec->packing)
    buf_append_u32(codec->out, value);
  else if (reader_u32(codec->reader) != value)
    codec_fail(codec, "");
}

/* ---- arrays ----------------------------------------------------------------------------------------- */

/* The JSON of one number in little-endian bytes. */
static json_t *
number_json(const unsigned char *bytes, enum codec_kind kind)
{
  uint64_t word = 0;
  float single;
  double twice;

  for (size_t i = sizes[kind]; i-- > 0;)
    word = word << 8 | bytes[i];
  uint32_t low = (uint32_t) word;
  switch (kind)
  {
  case CODEC_FLOAT32:
    memcpy(&single, &low, sizeof single);
    return json_real(short_float(single));
  case CODEC_FLOAT64:
    memcpy(&twice, &word, sizeof twice);
    return json_real(twice);
  case CODEC_INT16:
    return json_integer((int16_t) (uint16_t) word);
  case CODEC_UINT32:
  case CODEC_UINT8:
    break;
  }
  return json_integer((json_int_t) word);
}

/* The bits of a number of JSON; false when it is none of that kind. */
static bool
number_bits(const json_t *value, enum codec_kind kind, uint64_t *bits)
{
  double twice = json_number_value(value);
  float single = (float) twice;
  uint32_t low;

  switch (kind)
  {
  case CODEC_FLOAT32:
    memcpy(&low, &single, sizeof low);
    *bits = low;
    return json_is_number(value) && isfinite(single);
  case CODEC_FLOAT64:
    memcpy(bits, &twice, sizeof *bits);
    return json_is_number(value) && isfinite(twice);
  case CODEC_INT16:
    *bits = (uint16_t) (int16_t) json_integer_value(value);
    return json_is_integer(value) && json_integer_value(value) >= INT16_MIN
           && json_integer_value(value) <= INT16_MAX;
  case CODEC_UINT32:
    return whole(value, UINT32_MAX, bits);
  case CODEC_UINT8:
    return whole(value, UINT8_MAX, bits);
  }
  return false;
}

static void
unpack_array(struct codec *codec, const char *name, uint64_t count, enum codec_kind kind)
{
  size_t size = sizes[kind];
  bool fits = count <= codec->reader->left / size;
  const unsigned char *bytes = fits ? reader_bytes(codec->reader, count * size) : NULL;
  json_t *value = NULL;

  if (!bytes)
  {
    codec_fail(codec, name);
    return;
  }
  if (count <= CODEC_PLAIN_MOST)
  {
    value = json_array();
    for (size_t i = 0; i < count; i++)
      json_array_append_new(value, number_json(bytes + i * size, kind));
  }
  else
  {
    size_t length = sodium_base64_encoded_len(count * size, BASE64);
    char *text = malloc(length);
    if (text)
    {
      sodium_bin2base64(text, length, bytes, count * size, BASE64);
      value = json_stringn_nocheck(text, length - 1);
    }
    free(text);
  }
  put(codec, name, value);
}

static bool
pack_base64(struct codec *codec, const json_t *value, uint64_t count, size_t size)
{
  size_t length = json_string_length(value), bytes = 0;

  /* the text is there, so what it holds can be asked for */
  if (count > length || count * size > length
      || length != sodium_base64_encoded_len((size_t) count * size, BASE64) - 1
      || !buf_reserve(codec->out, (size_t) count * size))
    return false;
  unsigned char *to = (unsigned char *) codec->out->data + codec->out->length;
  if (sodium_base642bin(to, (size_t) count * size, json_string_value(value), length, NULL, &bytes,
                        NULL, BASE64)
        != 0
      || bytes != count * size)
    return false;
  codec->out->length += bytes;
  return true;
}

static bool
pack_numbers(struct codec *codec, const json_t *list, uint64_t count, enum codec_kind kind)
{
  if (!json_is_array(list) || json_array_size(list) != count)
    return false;
  for (size_t i = 0; i < count; i++)
  {
    unsigned char bytes[8];
    uint64_t bits = 0;
    if (!number_bits(json_array_get(list, i), kind, &bits))
      return false;
    for (size_t b = 0; b < sizeof bytes; b++)
      bytes[b] = (unsigned char) (bits >> 8 * b);
    buf_append(codec->out, bytes, sizes[kind]);
  }
  return true;
}

void
codec_array(struct codec *codec, const char *name, uint64_t count, enum codec_kind kind)
{
  const json_t *value = json_object_get(codec->object, name);
  bool good;

  if (codec->failed)
    return;
  if (!codec->packing)
  {
    unpack_array(codec, name, count, kind);
    return;
  }
  if (json_is_string(value))
    good = pack_base64(codec, value, count, sizes[kind]);
  else
    good = pack_numbers(codec, value, count, kind);
  if (!good)
    codec_fail(codec, name);
}

/* ---- what is made of arrays ------------------------------------------------------------------------- */

/* A single number of a kind is like an array of one, without the brackets. */
static double
codec_real(struct codec *codec, const char *name, enum codec_kind kind)
{
  uint64_t bits = 0;
  double value = 0.0;

  if (codec->failed)
    return 0.0;
  if (!codec->packing)
  {
    const unsigned char *bytes = reader_bytes(codec->reader, sizes[kind]);
    if (!bytes)
    {
      codec_fail(codec, name);
      return 0.0;
    }
    json_t *number = number_json(bytes, kind);
    value = json_real_value(number);
    put(codec, name, number);
    return value;
  }
  const json_t *found = json_object_get(codec->object, name);
  if (!number_bits(found, kind, &bits))
    codec_fail(codec, name);
  else if (kind == CODEC_FLOAT32)
    buf_append_u32(codec->out, (uint32_t) bits);
  else
    buf_append_u64(codec->out, bits);
  return json_number_value(found);
}

double
codec_double(struct codec *codec, const char *name)
{
  return codec_real(codec, name, CODEC_FLOAT64);
}

void
codec_float(struct codec *codec, const char *name)
{
  codec_real(codec, name, CODEC_FLOAT32);
}

uint32_t
codec_choice(struct codec *codec, const char *name, const char *const *words)
{
  uint32_t found = 0;

  if (codec->failed)
    return 0;
  if (!codec->packing)
  {
    found = reader_u32(codec->reader);
    for (uint32_t i = 0; i <= found; i++)
      if (!words[i])
      {
        codec_fail(codec, name);
        return 0;
      }
    put(codec, name, json_string(words[found]));
    return found;
  }
  const char *word = json_string_value(json_object_get(codec->object, name));
  while (word && words[found] && strcmp(words[found], word) != 0)
    found++;
  if (!word || !words[found])
    codec_fail(codec, name);
  buf_append_u32(codec->out, found);
  return found;
}

static json_t *
text_json(struct codec *codec)
{
  uint32_t length = reader_u32(codec->reader);
  const unsigned char *bytes = reader_bytes(codec->reader, length);

  return bytes ? json_stringn((const char *) bytes, length) : NULL;
}

static void
put_text(struct codec *codec, const char *name, const json_t *value)
{
  if (!json_is_string(value) || json_string_length(value) > UINT32_MAX)
  {
    codec_fail(codec, name);
    return;
  }
  buf_append_u32(codec->out, (uint32_t) json_string_length(value));
  buf_append(codec->out, json_string_value(value), json_string_length(value));
}

void
codec_text(struct codec *codec, const char *name)
{
  if (codec->failed)
    return;
  if (codec->packing)
    put_text(codec, name, json_object_get(codec->object, name));
  else
    put(codec, name, text_json(codec));
}

size_t
codec_texts(struct codec *codec, const char *name)
{
  json_t *list = codec->packing ? json_object_get(codec->object, name) : json_array();
  size_t count = json_array_size(list);

  if (codec->packing)
  {
    if (!json_is_array(list) || count > UINT32_MAX)
      codec_fail(codec, name);
    if (!codec->failed)
      buf_append_u32(codec->out, (uint32_t) count);
    for (size_t i = 0; !codec->failed && i < count; i++)
      put_text(codec, name, json_array_get(list, i));
    return count;
  }
  count = codec->failed ? 0 : reader_u32(codec->reader);
  for (size_t i = 0; !codec->failed && i < count; i++)
    if (json_array_append_new(list, text_json(codec)) != 0)
      codec_fail(codec, name);
  put(codec, name, list);
  return count;
}

/* ---- objects ---------------------------------------------------------------------------------------- */

json_t *
codec_enter(struct codec *codec, const char *name)
{
  json_t *before = codec->object;

  if (!codec->packing && !codec->failed)
    put(codec, name, json_object());
  codec->object = json_object_get(before, name);
  if (!json_is_object(codec->object))
    codec_fail(codec, name);
  return before;
}

json_t *
codec_enter_item(struct codec *codec, const char *name, size_t index)
{
  json_t *before = codec->object, *list = json_object_get(before, name);

  if (!codec->packing && !codec->failed)
  {
    if (!list)
      put(codec, name, list = json_array());
    json_array_append_new(list, json_object());
  }
  codec->object = json_array_get(list, index);
  if (!json_is_object(codec->object))
    codec_fail(codec, name);
  return before;
}

void
codec_leave(struct codec *codec, json_t *before)
{
  codec->object = before;
}
