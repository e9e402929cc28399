#include <config.h>

#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
  [ERR_OK] = "ok",           [ERR_MEMORY] = "memory",           [ERR_IO] = "io",
  [ERR_INVALID] = "invalid", [ERR_NOT_FOUND] = "not_found",     [ERR_CONFLICT] = "conflict",
  [ERR_LIMIT] = "limit",     [ERR_UNAVAILABLE] = "unavailable", [ERR_CANCELLED] = "cancelled",
  [ERR_TIMEOUT] = "timeout", [ERR_DIVERGED] = "diverged",       [ERR_INTERNAL] = "internal",
};

/* A cut in the middle of a UTF-8 character would make the text unfit for JSON. */
static void
trim_broken_utf8(char *text, size_t size)
{
  size_t length = strlen(text);
  if (length + 1 < size)
    return;
  size_t start = length;
  while (start > 0 && ((unsigned char) text[start - 1] & 0xC0) == 0x80)
    start--;
  if (start == 0)
    return;
  unsigned char lead = (unsigned char) text[start - 1];
  size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
  if (length - (start - 1) < want)
    text[start - 1] = '\0';
}

enum err
err_set(struct err_info *info, enum err code, const char *format, ...)
{
  if (info)
  {
    va_list args;
    va_start(args, format);
    vsnprintf(info->text, sizeof info->text, format, args);
    va_end(args);
    trim_broken_utf8(info->text, sizeof info->text);
    info->code = code;
  }
  return code;
}

enum err
err_set_errno(struct err_info *info, enum err code, int number, const char *format, ...)
{
  if (info)
  {
    char reason[128];
    /* the GNU variant may answer with a static text and leave `reason` alone */
    const char *words = strerror_r(number, reason, sizeof reason);
    va_list args;
    va_start(args, format);
    vsnprintf(info->text, sizeof info->text, format, args);
    va_end(args);
    size_t length = strlen(info->text);
    snprintf(info->text + length, sizeof info->text - length, ": %s", words);
    trim_broken_utf8(info->text, sizeof info->text);
    info->code = code;
  }
  return code;
}

enum err
err_prefix(struct err_info *info, const char *format, ...)
{
  if (!info)
    return ERR_OK;
  char old[sizeof info->text];
  memcpy(old, info->text, sizeof old);
  old[sizeof old - 1] = '\0';
  va_list args;
  va_start(args, format);
  vsnprintf(info->text, sizeof info->text, format, args);
  va_end(args);
  size_t length = strlen(info->text);
  snprintf(info->text + length, sizeof info->text - length, ": %s", old);
  trim_broken_utf8(info->text, sizeof info->text);
  return info->code;
}

const char *
err_name(enum err code)
{
  size_t index = (size_t) code;
  if (index >= sizeof names / sizeof names[0] || !names[index])
    return "unknown";
  return names[index];
}
