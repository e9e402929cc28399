#include <config.h>

#include "worker/tail.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

bool
tail_read(struct tail *tail, int fd)
{
  char bytes[TAIL_BYTES];
  /* A child that never stops talking must not keep us from its clock. */
  for (int i = 0; i < 16; i++)
  {
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return got < 0 && errno == EAGAIN;
    /* Ours may be closed or full: the child's work matters more. */
    ssize_t passed = write(STDERR_FILENO, bytes, (size_t) got);
    (void) passed;
    for (ssize_t k = 0; k < got; k++)
      tail->bytes[tail->written++ % TAIL_BYTES] = bytes[k];
  }
  return true;
}

void
tail_text(const struct tail *tail, char *text, size_t size)
{
  size_t end = tail->written, kept = end < TAIL_BYTES ? end : TAIL_BYTES;
  if (end > 0 && tail->bytes[(end - 1) % TAIL_BYTES] == '\n')
  {
    end--;
    kept--;
  }
  size_t length = kept < size - 1 ? kept : size - 1, start = end - length;
  /* Where the beginning is cut off, the first line is not whole. */
  if (start > 0 && tail->bytes[(start - 1) % TAIL_BYTES] != '\n')
  {
    while (start < end && tail->bytes[start % TAIL_BYTES] != '\n')
      start++;
    if (start < end)
      start++;
    else
      start = end - length; /* one endless line: its end is better than nothing */
  }
  size_t at = 0;
  while (start < end)
    text[at++] = tail->bytes[start++ % TAIL_BYTES];
  text[at] = '\0';
}
