#include <config.h>

#include "data/image_labels.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/json.h"
#include "data/csv.h"
#include "data/values.h"

struct pair
{
  const char *file, *label;
};

struct image_labels
{
  struct arena *arena;
  struct pair *pairs; /* by file name; or, in order, without names */
  size_t count, capacity;
  bool ordered;
};

static enum err
add_pair(struct image_labels *labels, const char *file, size_t file_length, const char *label,
         size_t label_length, struct err_info *info)
{
  value_trim(&file, &file_length);
  value_trim(&label, &label_length);
  while (file_length > 2 && file[0] == '.' && file[1] == '/')
  {
    file += 2;
    file_length -= 2;
  }
  if (labels->count == labels->capacity)
  {
    size_t capacity = labels->capacity > 0 ? 2 * labels->capacity : 256;
    struct pair *grown = reallocarray(labels->pairs, capacity, sizeof *grown);
    if (grown == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
    labels->pairs = grown;
    labels->capacity = capacity;
  }
  struct pair *pair = &labels->pairs[labels->count];
  pair->file = arena_strndup(labels->arena, file, file_length);
  pair->label = arena_strndup(labels->arena, label, label_length);
  if (pair->file == NULL || pair->label == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  labels->count++;
  return ERR_OK;
}

static int
compare_pairs(const void *a, const void *b)
{
  return strcmp(((const struct pair *) a)->file, ((const struct pair *) b)->file);
}

/* ---- CSV ------------------------------------------------------------------------------------------- */

static bool
is_header(const struct csv_field *field)
{
  static const char *const words[] = {"file",  "filename", "file_name", "name",
                                      "image", "path",     "id",        "image_id"};
  const char *text = field->text;
  size_t length = field->length;
  value_trim(&text, &length);
  for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
    if (strlen(words[i]) == length && strncasecmp(words[i], text, length) == 0)
      return true;
  return false;
}

static enum err
read_csv(struct image_labels *labels, const char *text, size_t length, const char *what,
         struct err_info *info)
{
  struct csv_options options = {0};
  struct csv_reader *reader = NULL;
  const struct csv_field *fields;
  size_t count, row = 0;
  enum err err = csv_open_bytes(text, length, &options, &reader, info);
  while (err == ERR_OK && (err = csv_next(reader, &fields, &count, info)) == ERR_OK && count > 0)
  {
    if (count != 2)
      err =
        err_set(info, ERR_INVALID,
                "line %llu of %s has %zu fields; each line is a file and its label: cat/1.png,cat",
                (unsigned long long) csv_line(reader), what, count);
    else if (row++ > 0 || !is_header(&fields[0]))
      err =
        add_pair(labels, fields[0].text, fields[0].length, fields[1].text, fields[1].length, info);
    if (err != ERR_OK)
      break;
  }
  csv_close(reader);
  return err;
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

static enum err
read_json(struct image_labels *labels, const char *text, size_t length, const char *what,
          struct err_info *info)
{
  json_t *list = NULL, *item;
  size_t index;
  enum err err = json_parse(text, length, 4, &list, info);
  if (err != ERR_OK)
    return err_prefix(info, "%s", what);
  labels->ordered = json_is_string(json_array_get(list, 0));
  json_array_foreach(list, index, item)
  {
    const json_t *file = json_object_get(item, "file"), *label = json_object_get(item, "label");
    if (labels->ordered && json_is_string(item))
      err = add_pair(labels, "", 0, json_string_value(item), json_string_length(item), info);
    else if (!labels->ordered && json_is_string(file) && json_is_string(label))
      err = add_pair(labels, json_string_value(file), json_string_length(file),
                     json_string_value(label), json_string_length(label), info);
    else
      err =
        err_set(info, ERR_INVALID,
                "item %zu of %s is neither {\"file\": …, \"label\": …} nor, in a list of labels "
                "alone, a string",
                index, what);
    if (err != ERR_OK)
      break;
  }
  json_decref(list);
  return err;
}

/* ---- both ------------------------------------------------------------------------------------------ */

static enum err
sort_pairs(struct image_labels *labels, const char *what, struct err_info *info)
{
  if (labels->count == 0)
    return err_set(info, ERR_INVALID, "%s names no files; each line is a file and its label", what);
  if (labels->ordered)
    return ERR_OK;
  qsort(labels->pairs, labels->count, sizeof *labels->pairs, compare_pairs);
  for (size_t i = 1; i < labels->count; i++)
    if (strcmp(labels->pairs[i - 1].file, labels->pairs[i].file) == 0
        && strcmp(labels->pairs[i - 1].label, labels->pairs[i].label) != 0)
      return err_set(info, ERR_INVALID, "%s gives \"%.80s\" two labels: \"%.60s\" and \"%.60s\"",
                     what, labels->pairs[i].file, labels->pairs[i - 1].label,
                     labels->pairs[i].label);
  return ERR_OK;
}

enum err
image_labels_new(const char *text, size_t length, const char *what, struct image_labels **result,
                 struct err_info *info)
{
  struct image_labels *labels = calloc(1, sizeof *labels);
  size_t blank = 0;
  *result = NULL;
  if (labels == NULL || (labels->arena = arena_new(0)) == NULL)
  {
    free(labels);
    return err_set(info, ERR_MEMORY, "out of memory");
  }
  while (blank < length && strchr(" \t\r\n", text[blank]) != NULL && text[blank] != '\0')
    blank++;
  enum err err = blank < length && text[blank] == '['
                   ? read_json(labels, text + blank, length - blank, what, info)
                   : read_csv(labels, text, length, what, info);
  if (err == ERR_OK)
    err = sort_pairs(labels, what, info);
  if (err != ERR_OK)
  {
    image_labels_free(labels);
    return err;
  }
  *result = labels;
  return ERR_OK;
}

void
image_labels_free(struct image_labels *labels)
{
  if (labels == NULL)
    return;
  free(labels->pairs);
  arena_free(labels->arena);
  free(labels);
}

static const char *
find_name(const struct image_labels *labels, const char *file)
{
  struct pair wanted = {.file = file};
  const struct pair *found =
    bsearch(&wanted, labels->pairs, labels->count, sizeof wanted, compare_pairs);
  return found != NULL && *found->label != '\0' ? found->label : NULL;
}

const char *
image_labels_find(const struct image_labels *labels, const char *path, size_t top, size_t index)
{
  if (labels->ordered)
    return index < labels->count && *labels->pairs[index].label != '\0' ? labels->pairs[index].label
                                                                        : NULL;
  const char *last = strrchr(path, '/');
  const char *label = find_name(labels, path);
  if (label == NULL && top > 0)
    label = find_name(labels, path + top);
  if (label == NULL && last != NULL)
    label = find_name(labels, last + 1);
  return label;
}
