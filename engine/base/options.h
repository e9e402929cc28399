/* The option table: each option of a program once, read from flags, environment and a file.
 *
 * Order of strength: flag `--data-dir X` (or `--data-dir=X`), then `ATTUNE_DATA_DIR`, then a line
 * `data-dir = X` of the file named by `--config`, then the default. All faults are reported together.
 * Values are kept as text and as a number; pointers stay valid until options_free.
 * (`config.h` is autoconf's, so this module is not called config.)
 */
#ifndef ATTUNE_BASE_OPTIONS_H
#define ATTUNE_BASE_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"

enum option_kind
{
  OPTION_TEXT,
  OPTION_FLAG,    /* no value on the command line; true/false, yes/no, 1/0 elsewhere */
  OPTION_INTEGER, /* bounded by min and max */
  OPTION_NUMBER,
  OPTION_BYTES, /* integer with an optional K, M, G suffix (powers of 1024) */
  OPTION_CHOICE /* one of `choices`, separated by spaces */
};

struct option_def
{
  const char *name; /* "data-dir" */
  enum option_kind kind;
  const char *fallback; /* default as text; NULL = unset */
  double min, max;      /* for numbers; both 0 = unbounded */
  const char *choices;
  const char *argument; /* shown in help: "DIR" */
  const char *help;     /* one sentence */
  const char *section; /* heading in --help and the docs, such as "Limits"; NULL = same as before */
};

struct options;

/* Reads argv, environment and file against `defs` (ended by name == NULL). ERR_INVALID with one line
 * per fault in `faults`. Operands that are no options are refused. --help and --version and --config
 * are understood for every program: see options_action. */
enum err options_read(const struct option_def *defs, int argc, char **argv,
                      struct options **options, struct buf *faults);
void options_free(struct options *options);

enum options_action
{
  OPTIONS_RUN,
  OPTIONS_HELP,
  OPTIONS_VERSION
};
enum options_action options_action(const struct options *options);

/* Prints usage and the table, by section, to standard output. */
void options_print_help(const struct option_def *defs, const char *program, const char *summary);

/* Values by name; asking for a name that is not in the table is our own bug (assert). */
const char *options_text(const struct options *options, const char *name); /* NULL = unset */
bool options_flag(const struct options *options, const char *name);
int64_t options_integer(const struct options *options, const char *name); /* also bytes */
double options_number(const struct options *options, const char *name);

/* Puts the effective values in the environment as ATTUNE_*, for child programs. */
enum err options_export(const struct options *options);

#endif
