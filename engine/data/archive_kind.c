#include <config.h>

#include "data/archive_kind.h"

#include <string.h>

struct signature
{
  size_t offset, length;
  const char *bytes;
  bool read; /* by us */
};

static const struct signature signatures[] = {
  {0, 4, "PK\3\4", true},
  {0, 4, "PK\5\6", true}, /* empty */
  {257, 5, "ustar", true},
  {0, 2, "\x1f\x8b", true},
  {0, 6,
   "\xfd"
   "7zXZ\0",
   true},
  {0, 4, "\x28\xb5\x2f\xfd", true},
  {0, 3, "BZh", false},
  {0, 6, "7z\xbc\xaf\x27\x1c", false},
  {0, 4, "Rar!", false},
  {0, 2, "\x1f\x9d", false},
  {0, 4, "\x04\x22\x4d\x18", false},
  {0, 4, "MSCF", false},
};

static const struct signature *
find_signature(const char *bytes, size_t length)
{
  for (size_t i = 0; i < sizeof signatures / sizeof signatures[0]; i++)
  {
    const struct signature *signature = &signatures[i];
    if (length >= signature->offset + signature->length
        && memcmp(bytes + signature->offset, signature->bytes, signature->length) == 0)
      return signature;
  }
  return NULL;
}

bool
archive_is_known(const void *bytes, size_t length)
{
  const struct signature *signature = find_signature(bytes, length);
  return signature != NULL && signature->read;
}

bool
archive_is_any(const void *bytes, size_t length)
{
  return find_signature(bytes, length) != NULL;
}
