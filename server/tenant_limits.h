/* A tenant's own limits: which of the installation's may differ, how they are read, checked and shown.
 *
 * They are kept as a JSON object by the names of struct server_limits ("live_jobs"). Pure; any thread.
 */
#ifndef ATTUNE_SERVER_TENANT_LIMITS_H
#define ATTUNE_SERVER_TENANT_LIMITS_H

#include <jansson.h>
#include <stdbool.h>

#include "base/json.h"
#include "server/server.h"

#define TENANT_LIMITS_MAX 16

struct tenant_limits
{
  unsigned set; /* bit i: value[i] is given */
  double value[TENANT_LIMITS_MAX];
};

/* Reads JSON text of the database; names of another version and values out of bounds are skipped. */
void tenant_limits_read(const char *text, struct tenant_limits *limits);
/* Writes those that are given into *limits. An upload's size is only ever lowered: the parser has the
 * installation's limit. */
void tenant_limits_apply(const struct tenant_limits *own, struct server_limits *limits);

/* Checks what a caller sends: an object of known names, each null (the installation's) or within its
 * bounds. */
void tenant_limits_check(const json_t *value, const char *pointer, struct json_faults *faults);
/* All of them with the values that hold (new reference). */
json_t *tenant_limits_view(const struct server_limits *limits);

#endif
