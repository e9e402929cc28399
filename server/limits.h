/* The limits of an installation as options (limits.def); filled once by main. */
#ifndef ATTUNE_SERVER_LIMITS_H
#define ATTUNE_SERVER_LIMITS_H

#include "base/options.h"
#include "server/server.h"

/* Rows for a program's option table. */
#define LIMITS_COUNT 52
extern const struct option_def limits_options[LIMITS_COUNT];

/* The values that were read. */
void limits_fill(struct server_limits *limits, const struct options *options);

#endif
