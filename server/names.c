#include <config.h>

#include "server/names.h"

#include <limits.h>
#include <stdint.h>
#include <string.h>

#include "base/text.h"

#define MODEL_NAME_MAX 63
#define TITLE_MAX 200

static bool
is_start(char c)
{
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool
is_model_char(char c)
{
  return is_start(c) || c == '.' || c == '_' || c == '-';
}

bool
name_is_model(const char *name)
{
  size_t length = strlen(name);

  if (length == 0 || length > MODEL_NAME_MAX || !is_start(name[0]))
    return false;
  for (size_t i = 0; i < length; i++)
    if (!is_model_char(name[i]))
      return false;
  return strspn(name, "0123456789") != length && strncmp(name, "mdl_", 4) != 0;
}

int
version_parse(const char *text)
{
  int64_t value;

  if (!text_parse_int64(text, strlen(text), &value) || value < 1 || value > INT_MAX || *text == '+')
    return 0;
  return (int) value;
}

bool
name_model_path(struct arena *arena, const char *text, struct model_path *path)
{
  char *name = arena_strdup(arena, text), *at;

  *path = (struct model_path){.name = name};
  if (!name)
    return false;
  at = strchr(name, '@');
  if (at)
  {
    *at = '\0';
    path->alias = at + 1;
    path->version = version_parse(path->alias);
    if (path->version == 0 && !name_is_model(path->alias))
      return false;
  }
  return name_is_model(name) || strncmp(name, "mdl_", 4) == 0;
}

const char *
name_model_from(struct arena *arena, const char *text)
{
  char name[MODEL_NAME_MAX + 1];
  size_t length = 0;

  for (; *text && length < MODEL_NAME_MAX; text++)
  {
    char c = *text >= 'A' && *text <= 'Z' ? (char) (*text - 'A' + 'a') : *text;
    if (length == 0 && !is_start(c))
      continue;
    if (!is_model_char(c))
      c = '-';
    if (c == '-' && name[length - 1] == '-')
      continue;
    name[length++] = c;
  }
  while (length > 0 && !is_start(name[length - 1]))
    length--;
  name[length] = '\0';
  if (name_is_model(name))
    return arena_strdup(arena, name);
  if (length == 0)
    return NULL;
  name[MODEL_NAME_MAX - 6] = '\0';
  return arena_printf(arena, "model-%s", name);
}

const char *
name_from_file(struct arena *arena, const char *file_name, const char *fallback)
{
  static const char *const endings[] = {".gz",  ".csv", ".tsv",  ".txt", ".zip",
                                        ".tar", ".idx", ".data", NULL};
  char *name, *place;
  size_t length;

  if (!file_name)
    return fallback;
  for (const char *c = file_name; *c; c++)
    if (*c == '/' || *c == '\\')
      file_name = c + 1;
  length = text_utf8_cut(file_name, strlen(file_name), TITLE_MAX);
  name = arena_strndup(arena, file_name, length);
  if (!name)
    return fallback;
  for (size_t i = 0; endings[i]; i++)
    if (length > strlen(endings[i]) && strcmp(name + length - strlen(endings[i]), endings[i]) == 0)
    {
      length -= strlen(endings[i]);
      name[length] = '\0';
    }
  for (place = name; *place; place++)
    if ((unsigned char) *place < 32 || *place == 127)
      *place = ' ';
  return name_is_title(name) ? name : fallback;
}

bool
name_is_title(const char *name)
{
  size_t length = strlen(name);

  if (length == 0 || length > TITLE_MAX || !text_utf8_valid(name, length, NULL))
    return false;
  for (const char *c = name; *c; c++)
    if ((unsigned char) *c < 32 || *c == 127)
      return false;
  return strspn(name, " ") != length;
}
