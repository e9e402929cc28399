/* What the fuzz targets share: bytes as a file in memory, and a digest put right. Each target is one
 * LLVMFuzzerTestOneInput that must neither crash nor leak nor trip a sanitizer, whatever it is given.
 */
#ifndef ATTUNE_TESTS_FUZZ_H
#define ATTUNE_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A descriptor of a file in memory with these bytes, at its start. */
static inline int
fuzz_file(const uint8_t *data, size_t size)
{
  int fd = memfd_create("fuzz", MFD_CLOEXEC);
  if (fd < 0 || (size > 0 && write(fd, data, size) != (ssize_t) size))
    abort();
  return fd;
}

/* The bytes and a NUL, to be freed. */
static inline char *
fuzz_text(const uint8_t *data, size_t size)
{
  char *text = malloc(size + 1);
  if (text == NULL)
    abort();
  memcpy(text, data, size);
  text[size] = '\0';
  return text;
}

#endif
