#include <config.h>

#include "server/multipart.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/text.h"

#define HEAD_MAX 8192
#define PREAMBLE_MAX 4096

enum multipart_state
{
  STATE_PREAMBLE,
  STATE_DELIMITER, /* just after a delimiter: CRLF or "--" follows */
  STATE_HEAD,
  STATE_DATA,
  STATE_EPILOGUE
};

struct multipart
{
  struct multipart_sink sink;
  enum multipart_state state;
  char delimiter[4 + MULTIPART_BOUNDARY_MAX + 1]; /* CR LF "--" boundary */
  size_t delimiter_length;
  size_t matched; /* bytes of the delimiter seen last */
  bool borrowed;  /* the first two of them belong to what came before */
  size_t parts, max_parts;
  size_t preamble;
  char tail; /* the byte that followed the delimiter */
  size_t head_length;
  char head[HEAD_MAX + 1];
};

static bool
is_boundary_char(char c)
{
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
         || (c && strchr("'()+_,-./:=?", c) != NULL);
}

/* The value of `name` among the parameters of a header ("form-data; name=\"x\""); written to `out`, which
 * has room for the whole header. NULL when it is not there or is malformed. */
static const char *
find_parameter(const char *header, const char *name, char *out)
{
  const char *at = strchr(header, ';');
  size_t name_length = strlen(name);
  while (at)
  {
    at += 1 + strspn(at + 1, " \t");
    size_t key_length = strcspn(at, "=; \t");
    bool wanted = key_length == name_length && strncasecmp(at, name, name_length) == 0;
    at += key_length;
    at += strspn(at, " \t");
    if (*at != '=')
    {
      at = strchr(at, ';');
      continue;
    }
    at += 1 + strspn(at + 1, " \t");
    size_t length = 0;
    if (*at == '"')
    {
      for (at++; *at && *at != '"'; at++)
      {
        /* Old clients escape quotes with a backslash; others leave a path's backslashes alone. */
        if (*at == '\\' && (at[1] == '"' || at[1] == '\\'))
          at++;
        out[length++] = *at;
      }
      if (*at != '"')
        return NULL;
      at++;
    }
    else
      while (*at && *at != ';' && *at != ' ' && *at != '\t')
        out[length++] = *at++;
    out[length] = '\0';
    if (wanted)
      return out;
    at = strchr(at, ';');
  }
  return NULL;
}

bool
multipart_boundary(const char *content_type, char boundary[MULTIPART_BOUNDARY_MAX + 1])
{
  size_t size = strlen(content_type) + 1;
  if (size > HEAD_MAX)
    return false;
  char value[HEAD_MAX];
  if (!find_parameter(content_type, "boundary", value))
    return false;
  size_t length = strlen(value);
  if (length == 0 || length > MULTIPART_BOUNDARY_MAX)
    return false;
  for (size_t i = 0; i < length; i++)
    if (!is_boundary_char(value[i]))
      return false;
  memcpy(boundary, value, length + 1);
  return true;
}

struct multipart *
multipart_new(const char *boundary, size_t max_parts, const struct multipart_sink *sink)
{
  struct multipart *multipart = calloc(1, sizeof *multipart);
  size_t length = strlen(boundary);
  if (!multipart || length > MULTIPART_BOUNDARY_MAX)
  {
    free(multipart);
    return NULL;
  }
  memcpy(multipart->delimiter, "\r\n--", 4);
  memcpy(multipart->delimiter + 4, boundary, length + 1);
  multipart->delimiter_length = 4 + length;
  /* The first delimiter may be without the line end before it. */
  multipart->matched = 2;
  multipart->borrowed = true;
  multipart->max_parts = max_parts;
  multipart->sink = *sink;
  return multipart;
}

void
multipart_free(struct multipart *multipart)
{
  free(multipart);
}

static enum err
take_head_line(struct multipart_head *head, char *line, char *scratch, struct err_info *info)
{
  char *colon = strchr(line, ':');
  if (!colon)
    return err_set(info, ERR_INVALID, "a part has a header line without a colon");
  *colon = '\0';
  const char *value = colon + 1 + strspn(colon + 1, " \t");
  if (strcasecmp(line, "Content-Type") == 0)
    head->content_type = value;
  if (strcasecmp(line, "Content-Disposition") != 0)
    return ERR_OK;
  if (strncasecmp(value, "form-data", 9) != 0 || (value[9] && !strchr("; \t", value[9])))
    return err_set(info, ERR_INVALID, "a part's Content-Disposition is not form-data");
  head->name = find_parameter(value, "name", scratch);
  head->file_name = find_parameter(value, "filename", scratch + HEAD_MAX + 1);
  return ERR_OK;
}

static enum err
end_head(struct multipart *multipart, struct err_info *info)
{
  char *line = multipart->head;
  char scratch[2 * (HEAD_MAX + 1)];
  struct multipart_head head = {0};
  multipart->head[multipart->head_length] = '\0';
  if (strlen(multipart->head) != multipart->head_length
      || !text_utf8_valid(multipart->head, multipart->head_length, NULL))
    return err_set(info, ERR_INVALID, "a part's headers are not UTF-8 text");
  while (*line)
  {
    char *end = strstr(line, "\r\n");
    *end = '\0';
    if (*line)
    {
      enum err err = take_head_line(&head, line, scratch, info);
      if (err)
        return err;
    }
    line = end + 2;
  }
  if (!head.name || !*head.name)
    return err_set(info, ERR_INVALID, "a part has no name");
  if (++multipart->parts > multipart->max_parts)
    return err_set(info, ERR_LIMIT, "the form has more than %zu parts", multipart->max_parts);
  multipart->state = STATE_DATA;
  /* An empty part's delimiter may follow its head at once. */
  multipart->matched = 2;
  multipart->borrowed = true;
  return multipart->sink.begin(multipart->sink.context, &head) ? ERR_OK : ERR_CANCELLED;
}

/* Takes what may be data up to a delimiter; returns how much was used. */
static size_t
take_data(struct multipart *multipart, const char *bytes, size_t length, bool *found, bool *stopped)
{
  struct multipart_sink *sink = &multipart->sink;
  bool keep = multipart->state == STATE_DATA;
  size_t used = 0;
  *found = false;
  while (used < length && !*stopped)
  {
    if (multipart->matched == 0 && bytes[used] != '\r')
    {
      const char *cr = memchr(bytes + used, '\r', length - used);
      size_t plain = cr ? (size_t) (cr - (bytes + used)) : length - used;
      *stopped = keep && !sink->data(sink->context, bytes + used, plain);
      used += plain;
      continue;
    }
    if (bytes[used] == multipart->delimiter[multipart->matched])
    {
      used++;
      if (++multipart->matched < multipart->delimiter_length)
        continue;
      multipart->matched = 0;
      multipart->borrowed = false;
      *found = true;
      break;
    }
    /* CR is only the delimiter's first byte: what matched so far is plain data, and the search begins
       * anew with this byte. */
    size_t own = multipart->borrowed ? 2 : 0;
    if (multipart->matched > own)
      *stopped =
        keep && !sink->data(sink->context, multipart->delimiter + own, multipart->matched - own);
    multipart->matched = 0;
    multipart->borrowed = false;
  }
  return used;
}

/* Takes bytes of a head up to the empty line; returns how much was used. */
static size_t
take_head(struct multipart *multipart, const char *bytes, size_t length, enum err *err,
          struct err_info *info)
{
  size_t used = 0;
  while (used < length)
  {
    if (multipart->head_length == HEAD_MAX)
    {
      *err = err_set(info, ERR_LIMIT, "a part's headers are longer than %d bytes", HEAD_MAX);
      return used;
    }
    multipart->head[multipart->head_length++] = bytes[used++];
    size_t have = multipart->head_length;
    bool ended =
      have >= 2 && memcmp(multipart->head + have - 2, "\r\n", 2) == 0
      && (have == 2 || (have >= 4 && memcmp(multipart->head + have - 4, "\r\n", 2) == 0));
    if (ended)
    {
      *err = end_head(multipart, info);
      return used;
    }
  }
  return used;
}

static enum err
take_after_delimiter(struct multipart *multipart, char byte, struct err_info *info)
{
  if (multipart->tail == 0 && (byte == ' ' || byte == '\t'))
    return ERR_OK;
  if (multipart->tail == 0 && (byte == '\r' || byte == '-'))
  {
    multipart->tail = byte;
    return ERR_OK;
  }
  if (multipart->tail == '\r' && byte == '\n')
  {
    multipart->state = STATE_HEAD;
    multipart->head_length = 0;
    return ERR_OK;
  }
  if (multipart->tail == '-' && byte == '-')
  {
    multipart->state = STATE_EPILOGUE;
    return ERR_OK;
  }
  return err_set(info, ERR_INVALID, "a boundary of the form is not followed by a line end");
}

enum err
multipart_feed(struct multipart *multipart, const char *bytes, size_t length, struct err_info *info)
{
  enum err err = ERR_OK;
  while (length > 0 && !err && multipart->state != STATE_EPILOGUE)
  {
    size_t used = 1;
    bool found = false;
    bool stopped = false;
    switch (multipart->state)
    {
    case STATE_PREAMBLE:
    case STATE_DATA:
      used = take_data(multipart, bytes, length, &found, &stopped);
      if (multipart->state == STATE_PREAMBLE)
        multipart->preamble += used;
      if (found && multipart->state == STATE_DATA)
        stopped = !multipart->sink.end(multipart->sink.context);
      if (stopped)
        err = ERR_CANCELLED;
      else if (multipart->preamble > PREAMBLE_MAX)
        err = err_set(info, ERR_INVALID, "the form does not begin with its boundary");
      if (found)
      {
        multipart->state = STATE_DELIMITER;
        multipart->tail = 0;
      }
      break;
    case STATE_DELIMITER:
      err = take_after_delimiter(multipart, *bytes, info);
      break;
    case STATE_HEAD:
      used = take_head(multipart, bytes, length, &err, info);
      break;
    case STATE_EPILOGUE:
      break;
    }
    bytes += used;
    length -= used;
  }
  return err;
}

enum err
multipart_finish(const struct multipart *multipart, struct err_info *info)
{
  if (multipart->state == STATE_EPILOGUE)
    return ERR_OK;
  return err_set(info, ERR_INVALID, "the form ends without its closing boundary");
}
