/* What users may call things, and names made from other names. Pure; any thread. */
#ifndef ATTUNE_SERVER_NAMES_H
#define ATTUNE_SERVER_NAMES_H

#include <stdbool.h>

#include "base/arena.h"

/* Models and aliases: [a-z0-9][a-z0-9._-]{0,62}, not only digits, not starting with mdl_. */
bool name_is_model(const char *name);

/* What "iris", "iris@fast" and "iris@3" name: a model by its name or id, and the version or alias of it. */
struct model_path
{
  const char *name;  /* or id */
  const char *alias; /* NULL = none was given; also set to the text of a version */
  int version;       /* 0 = that of the alias */
};
/* Splits `text`; the parts live in the arena. False when it can name no model, or out of memory. */
bool name_model_path(struct arena *arena, const char *text, struct model_path *path);

/* The version in a path, or 0 when it is no whole number from 1. */
int version_parse(const char *text);

/* A legal model name like `text`: capitals made small, what is not allowed made "-"; NULL when nothing
 * of it is left (or out of memory). */
const char *name_model_from(struct arena *arena, const char *text);

/* "iris" for "C:\\data\\iris.csv.gz": the last part of a path without its endings, cut to 200 bytes of
 * whole characters and free of control characters; `fallback` when nothing is left. */
const char *name_from_file(struct arena *arena, const char *file_name, const char *fallback);

/* Whether a dataset or job may be called so: 1 to 200 bytes of UTF-8 without control characters. */
bool name_is_title(const char *name);

#endif
