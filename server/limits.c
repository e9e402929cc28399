#include <config.h>

#include "server/limits.h"

#include <unistd.h>

const struct option_def limits_options[] = {
#define LIMIT(field, kind, option, fallback, least, most, help)                                    \
  {option, OPTION_##kind, fallback, least, most, NULL, "N", help, "Limits"},
#include "server/limits.def"
#undef LIMIT
};

_Static_assert(sizeof limits_options / sizeof limits_options[0] == LIMITS_COUNT,
               "LIMITS_COUNT is the number of rows of limits.def");

#define read_BYTES(type, option) (type) options_integer(options, option)
#define read_INTEGER(type, option) (type) options_integer(options, option)
#define read_NUMBER(type, option) (type) options_number(options, option)

void
limits_fill(struct server_limits *limits, const struct options *options)
{
#define LIMIT(field, kind, option, fallback, least, most, help)                                    \
  limits->field = read_##kind(__typeof__(limits->field), option);
#include "server/limits.def"
#undef LIMIT
  if (limits->predict_threads == 0)
  {
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    limits->predict_threads = cores > 0 ? (size_t) cores : 1;
  }
}
