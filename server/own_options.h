/* The options of attuned, but for those that are limits (limits.def): a table that main.c reads. */
#ifndef ATTUNE_SERVER_OWN_OPTIONS_H
#define ATTUNE_SERVER_OWN_OPTIONS_H

#include "base/options.h"

#define OWN_OPTIONS_COUNT 17
extern const struct option_def own_options[OWN_OPTIONS_COUNT];

#endif
