#include <config.h>

#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"

/* A line goes out by one write(2), and a pipe keeps writes of up to PIPE_BUF (4096) whole. */
#define LINE_MAX_BYTES 4096
#define MESSAGE_MAX_BYTES 3200
#define ID_MAX_BYTES 64

/* Set once by main before threads start, only read afterwards. */
static struct
{
  const char *program;
  enum log_level least;
  bool json_lines;
} settings = {"attune", LOG_LEVEL_INFO, false};

static _Thread_local char request_id[ID_MAX_BYTES];
static _Thread_local char job_id[ID_MAX_BYTES];

static const char *const level_names[] = {"debug", "info", "warning", "error"};

/* The line being built; appends stop at the end of the room, the last byte stays for the newline. */
struct line
{
  char bytes[LINE_MAX_BYTES];
  size_t length;
};

void
log_setup(const char *program, enum log_level least, bool json_lines)
{
  settings.program = program;
  settings.least = least;
  settings.json_lines = json_lines;
}

bool
log_level_parse(const char *name, enum log_level *level)
{
  for (size_t i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
    if (name && strcmp(name, level_names[i]) == 0)
    {
      *level = (enum log_level) i;
      return true;
    }
  return false;
}

static void
copy_id(char *to, const char *id)
{
  size_t length = id ? strnlen(id, ID_MAX_BYTES - 1) : 0;
  if (length > 0)
    memcpy(to, id, length);
  to[length] = '\0';
}

void
log_request_id(const char *id)
{
  copy_id(request_id, id);
}

void
log_job_id(const char *id)
{
  copy_id(job_id, id);
}

static void
line_add(struct line *line, const char *text, size_t length)
{
  /* room for a closing quote, brace and newline */
  size_t room = LINE_MAX_BYTES - 4 - line->length;
  if (length > room)
    return;
  memcpy(line->bytes + line->length, text, length);
  line->length += length;
}

static void
line_add_text(struct line *line, const char *text)
{
  line_add(line, text, strlen(text));
}

/* The bytes of the UTF-8 character at `text`, or 0 when it is not one. */
static size_t
character_length(const unsigned char *text)
{
  size_t want = text[0] < 0x80                       ? 1
                : text[0] >= 0xC2 && text[0] <= 0xDF ? 2
                : text[0] >= 0xE0 && text[0] <= 0xEF ? 3
                : text[0] >= 0xF0 && text[0] <= 0xF4 ? 4
                                                     : 0;
  for (size_t i = 1; i < want; i++)
    if ((text[i] & 0xC0) != 0x80)
      return 0;
  return want;
}

/* Escapes what would break a line or a JSON string; other UTF-8 goes through as it is. */
static void
line_add_escaped(struct line *line, const char *text, bool json)
{
  const unsigned char *next = (const unsigned char *) text;
  while (*next)
  {
    char escape[8];
    size_t length = character_length(next);
    if (*next == '\n' || *next == '\t' || *next == '\r')
    {
      escape[0] = '\\';
      escape[1] = *next == '\n' ? 'n' : *next == '\t' ? 't' : 'r';
      line_add(line, escape, 2);
      next++;
    }
    else if (*next < 0x20 || *next == 0x7F || length == 0)
    {
      int written = snprintf(escape, sizeof escape, json ? "\\u%04x" : "\\x%02x", *next);
      line_add(line, escape, (size_t) written);
      next++;
    }
    else if (json && (*next == '"' || *next == '\\'))
    {
      escape[0] = '\\';
      escape[1] = (char) *next;
      line_add(line, escape, 2);
      next++;
    }
    else
    {
      line_add(line, (const char *) next, length);
      next += length;
    }
  }
}

static void
line_add_member(struct line *line, const char *name, const char *value)
{
  line_add_text(line, line->length == 0 ? "{\"" : ",\"");
  line_add_text(line, name);
  line_add_text(line, "\":\"");
  line_add_escaped(line, value, true);
  line_add_text(line, "\"");
}

static void
build_json(struct line *line, enum log_level level, const char *stamp, const char *message)
{
  char pid[24];
  snprintf(pid, sizeof pid, "%ld", (long) getpid());
  line_add_member(line, "time", stamp);
  line_add_member(line, "level", level_names[level]);
  line_add_member(line, "program", settings.program);
  line_add_text(line, ",\"pid\":");
  line_add_text(line, pid);
  if (request_id[0])
    line_add_member(line, "request", request_id);
  if (job_id[0])
    line_add_member(line, "job", job_id);
  line_add_text(line, ",\"message\":\"");
  line_add_escaped(line, message, true);
  memcpy(line->bytes + line->length, "\"}\n", 3);
  line->length += 3;
}

static void
build_text(struct line *line, enum log_level level, const char *stamp, const char *message)
{
  char head[160];
  snprintf(head, sizeof head, "%s %s[%ld] %s: ", stamp, settings.program, (long) getpid(),
           level_names[level]);
  line_add_text(line, head);
  line_add_escaped(line, message, false);
  if (request_id[0])
  {
    line_add_text(line, " request=");
    line_add_escaped(line, request_id, false);
  }
  if (job_id[0])
  {
    line_add_text(line, " job=");
    line_add_escaped(line, job_id, false);
  }
  line->bytes[line->length++] = '\n';
}

bool
log_is_written(enum log_level level)
{
  return level >= settings.least;
}

void
log_line(enum log_level level, const char *format, ...)
{
  if (level < settings.least)
    return;
  int saved_errno = errno;
  char message[MESSAGE_MAX_BYTES];
  va_list args;
  va_start(args, format);
  vsnprintf(message, sizeof message, format, args);
  va_end(args);

  char stamp[32];
  clock_format_rfc3339(clock_unix_us(), stamp, sizeof stamp);
  struct line line;
  line.length = 0;
  if (settings.json_lines)
    build_json(&line, level, stamp, message);
  else
    build_text(&line, level, stamp, message);

  ssize_t written;
  do
    written = write(STDERR_FILENO, line.bytes, line.length);
  while (written < 0 && errno == EINTR);
  errno = saved_errno;
}
