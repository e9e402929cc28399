/* A zip or tar archive: walked to its end within the limits; every name that comes out is safe. */
#include <config.h>

#include "base/text.h"
#include "data/archive.h"
#include "tests/fuzz/fuzz.h"

#define MAX_BYTES ((uint64_t) 1 << 20)
#define MAX_ENTRIES 200

static void
check_path(const char *path)
{
  if (path[0] == '/' || !text_utf8_valid(path, strlen(path), NULL))
    abort();
  for (const char *part = path; part != NULL; part = strchr(part, '/'))
  {
    part += part > path; /* over the slash */
    if (strncmp(part, "..", 2) == 0 && (part[2] == '/' || part[2] == '\0'))
      abort();
  }
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
  static const struct archive_limits limits = {MAX_ENTRIES, MAX_BYTES};
  struct archive_walk *walk = NULL;
  struct err_info info = {.text = ""};
  const char *path = NULL;
  uint64_t total = 0, entries = 0;
  int fd = fuzz_file(data, size);
  enum err err = archive_walk_open(fd, &limits, &walk, &info);
  while (err == ERR_OK && (err = archive_walk_next(walk, &path, &info)) == ERR_OK && path != NULL)
  {
    bool ended = false;
    check_path(path);
    while (!ended && err == ERR_OK)
    {
      struct buf bytes = {0};
      err = archive_walk_read(walk, 65536, &bytes, &ended, &info);
      total += bytes.length;
      buf_free(&bytes);
    }
    if (err == ERR_DIVERGED)
      err = ERR_OK; /* only this file is damaged */
    if (++entries > MAX_ENTRIES || total > MAX_BYTES + 65536)
      abort();
  }
  if (err != ERR_OK && info.text[0] == '\0')
    abort();
  archive_walk_close(walk);
  close(fd);
  return 0;
}
