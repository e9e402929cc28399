/* The registry of error codes, made from error.def. */
#ifndef ATTUNE_SERVER_ERROR_H
#define ATTUNE_SERVER_ERROR_H

enum error_code
{
#define ERROR(symbol, status, name, sentence, hint) E_##symbol,
#include "server/error.def"
#undef ERROR
  E_COUNT
};

struct error_def
{
  const char *symbol;
  int status;
  const char *name;
  const char *sentence;
  const char *hint;
};

/* The row of a code; never NULL. */
const struct error_def *error_get(enum error_code code);

#endif
