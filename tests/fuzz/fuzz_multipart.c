/* A form's body in pieces: the parts must be the same however it was cut. */
#include <config.h>

#include "server/multipart.h"
#include "tests/fuzz/fuzz.h"

struct seen
{
  uint64_t hash;
  int depth;
};

static void
mix(struct seen *seen, const char *bytes, size_t length)
{
  for (size_t i = 0; i < length; i++)
    seen->hash = (seen->hash ^ (unsigned char) bytes[i]) * 0x100000001b3u;
}

static bool
on_begin(void *context, const struct multipart_head *head)
{
  struct seen *seen = context;
  if (head->name == NULL || seen->depth++ != 0)
    abort();
  mix(seen, head->name, strlen(head->name) + 1);
  if (head->file_name != NULL)
    mix(seen, head->file_name, strlen(head->file_name) + 1);
  return true;
}

static bool
on_data(void *context, const char *bytes, size_t length)
{
  mix(context, bytes, length);
  return true;
}

static bool
on_end(void *context)
{
  struct seen *seen = context;
  if (--seen->depth != 0)
    abort();
  mix(seen, "|", 1);
  return true;
}

static enum err
feed(const char *boundary, const uint8_t *data, size_t size, size_t piece, struct seen *seen)
{
  struct multipart_sink sink = {on_begin, on_data, on_end, seen};
  struct multipart *multipart = multipart_new(boundary, 20, &sink);
  enum err err = ERR_OK;
  if (multipart == NULL)
    abort();
  for (size_t at = 0; at < size && err == ERR_OK; at += piece)
    err = multipart_feed(multipart, (const char *) data + at, piece < size - at ? piece : size - at,
                         NULL);
  if (err == ERR_OK)
    err = multipart_finish(multipart, NULL);
  multipart_free(multipart);
  return err;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  if (size < 1)
    return 0;
  size_t piece = (size_t) data[0] % 61 + 1;
  struct seen whole = {0}, parts = {0};
  char boundary[MULTIPART_BOUNDARY_MAX + 1];
  enum err one = feed("XX", data + 1, size - 1, size, &whole);
  enum err many = feed("XX", data + 1, size - 1, piece, &parts);
  if (one != many || (one == ERR_OK && whole.hash != parts.hash))
    abort();
  char *text = fuzz_text(data + 1, size - 1);
  if (multipart_boundary(text, boundary) && strlen(boundary) > MULTIPART_BOUNDARY_MAX)
    abort();
  free(text);
  return 0;
}
