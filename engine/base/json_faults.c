#include <config.h>

#include "base/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"

void
json_faults_init(struct json_faults *faults, struct arena *arena)
{
  *faults = (struct json_faults){.arena = arena};
}

/* A copy fit for JSON: what is no UTF-8 becomes question marks. */
static const char *
copy_text(struct arena *arena, const char *text)
{
  if (!text)
    return NULL;
  char *copy = arena_strdup(arena, text);
  if (!copy)
    return NULL;
  size_t length = strlen(copy), start = 0, bad;
  while (!text_utf8_valid(copy + start, length - start, &bad))
  {
    copy[start + bad] = '?';
    start += bad + 1;
  }
  return copy;
}

void
json_fault_add_full(struct json_faults *faults, const struct json_fault *fault)
{
  faults->count++;
  if (faults->kept >= JSON_FAULTS_MAX)
    return;
  if (!faults->items)
    faults->items = arena_array(faults->arena, JSON_FAULTS_MAX, sizeof *faults->items);
  if (!faults->items)
    return;
  struct json_fault *item = &faults->items[faults->kept++];
  item->pointer = copy_text(faults->arena, fault->pointer);
  item->message = copy_text(faults->arena, fault->message);
  item->value = copy_text(faults->arena, fault->value);
  item->hint = copy_text(faults->arena, fault->hint);
  item->column = copy_text(faults->arena, fault->column);
  item->row = fault->row;
}

void
json_fault_add(struct json_faults *faults, const char *pointer, const char *hint,
               const char *format, ...)
{
  char message[512];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);
  message[text_utf8_cut(message, strlen(message) + 1, sizeof message - 1)] = '\0';
  json_fault_add_full(faults,
                      &(struct json_fault){.pointer = pointer, .message = message, .hint = hint});
}

json_t *
json_faults_to_json(const struct json_faults *faults)
{
  json_t *array = json_array();
  for (size_t i = 0; array && i < faults->kept; i++)
  {
    const struct json_fault *item = &faults->items[i];
    json_t *object = json_object();
    int failed = object == NULL;
    if (item->pointer)
      failed |= json_object_set_new(object, "pointer", json_string(item->pointer));
    if (item->row > 0)
      failed |= json_object_set_new(object, "row", json_integer((json_int_t) item->row));
    if (item->column)
      failed |= json_object_set_new(object, "column", json_string(item->column));
    if (item->value)
      failed |= json_object_set_new(object, "value", json_string(item->value));
    if (item->message)
      failed |= json_object_set_new(object, "message", json_string(item->message));
    if (item->hint)
      failed |= json_object_set_new(object, "hint", json_string(item->hint));
    failed |= json_array_append_new(array, object);
    if (failed)
    {
      json_decref(array);
      array = NULL;
    }
  }
  return array;
}

const char *
json_pointer(struct arena *arena, const char *parent, const char *name)
{
  size_t parent_length = strlen(parent), room = parent_length + 2;
  for (const char *next = name; *next; next++)
    room += *next == '~' || *next == '/' ? 2 : 1;
  char *pointer = arena_alloc(arena, room);
  if (!pointer)
    return "";
  memcpy(pointer, parent, parent_length);
  char *out = pointer + parent_length;
  *out++ = '/';
  for (const char *next = name; *next; next++)
    if (*next == '~' || *next == '/')
    {
      *out++ = '~';
      *out++ = *next == '~' ? '0' : '1';
    }
    else
      *out++ = *next;
  return pointer;
}

const char *
json_pointer_index(struct arena *arena, const char *parent, size_t index)
{
  const char *pointer = arena_printf(arena, "%s/%zu", parent, index);
  return pointer ? pointer : "";
}
