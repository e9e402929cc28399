#include <config.h>

#include "server/error.h"

static const struct error_def error_defs[] = {
#define ERROR(symbol, status, name, sentence, hint) {#symbol, status, name, sentence, hint},
#include "server/error.def"
#undef ERROR
};

const struct error_def *
error_get(enum error_code code)
{
  return (unsigned) code < E_COUNT ? &error_defs[code] : &error_defs[E_INTERNAL];
}
