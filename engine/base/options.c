#include <config.h>

#include "base/options.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/arena.h"
#include "base/file.h"
#include "base/text.h"

#define CONFIG_MAX_BYTES ((size_t) 1 << 20)
#define NAME_MAX_BYTES 64

struct value
{
  const char *text; /* NULL = unset */
  int64_t integer;
  double number;
  bool flag;
};

struct options
{
  const struct option_def *defs;
  size_t count;
  struct value *values;
  const char *config_path;
  enum options_action action;
  struct arena *arena;
  struct buf *faults; /* only while reading */
};

static size_t
find_option(const struct options *options, const char *name, size_t length)
{
  for (size_t i = 0; i < options->count; i++)
    if (strlen(options->defs[i].name) == length && memcmp(options->defs[i].name, name, length) == 0)
      return i;
  return SIZE_MAX;
}

/* "data-dir" → "ATTUNE_DATA_DIR". */
static void
environment_name(const char *name, char out[NAME_MAX_BYTES + 8])
{
  size_t length = strnlen(name, NAME_MAX_BYTES);
  memcpy(out, "ATTUNE_", 7);
  for (size_t i = 0; i < length; i++)
    out[7 + i] = name[i] == '-' ? '_' : (char) toupper((unsigned char) name[i]);
  out[7 + length] = '\0';
}

static bool
parse_flag(const char *text, bool *flag)
{
  static const char *const yes[] = {"true", "yes", "on", "1"};
  static const char *const no[] = {"false", "no", "off", "0"};
  for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
    if (strcasecmp(text, yes[i]) == 0 || strcasecmp(text, no[i]) == 0)
    {
      *flag = strcasecmp(text, yes[i]) == 0;
      return true;
    }
  return false;
}

static bool
parse_bytes(const char *text, int64_t *bytes)
{
  size_t length = strlen(text);
  int shift = 0;
  if (length > 0)
    switch (toupper((unsigned char) text[length - 1]))
    {
    case 'K':
      shift = 10;
      break;
    case 'M':
      shift = 20;
      break;
    case 'G':
      shift = 30;
      break;
    default:
      break;
    }
  return text_parse_int64(text, length - (shift > 0), bytes) && *bytes >= 0
         && !__builtin_mul_overflow(*bytes, INT64_C(1) << shift, bytes);
}

/* Whether `word` is one of the words of `choices`, which blanks part. */
static bool
is_choice(const char *choices, const char *word)
{
  size_t length = strlen(word);
  for (const char *next = choices; *next;)
  {
    size_t step = strcspn(next, " ");
    if (step == length && length > 0 && memcmp(next, word, length) == 0)
      return true;
    next += step + strspn(next + step, " ");
  }
  return false;
}

static const char *
range_fault(struct arena *arena, const struct option_def *def, double value, const char *what)
{
  if ((def->min == 0.0 && def->max == 0.0) || (value >= def->min && value <= def->max))
    return NULL;
  char low[TEXT_DOUBLE_SIZE], high[TEXT_DOUBLE_SIZE];
  text_print_double(def->min, low);
  text_print_double(def->max, high);
  if (isinf(def->max))
    return arena_printf(arena, "must be %s of at least %s", what, low);
  if (isinf(def->min))
    return arena_printf(arena, "must be %s of at most %s", what, high);
  return arena_printf(arena, "must be %s between %s and %s", what, low, high);
}

/* Reads `text` into *value; a sentence on what is wrong, or NULL. */
static const char *
parse_value(struct arena *arena, const struct option_def *def, const char *text,
            struct value *value)
{
  *value = (struct value){.text = text};
  switch (def->kind)
  {
  case OPTION_TEXT:
    return NULL;
  case OPTION_FLAG:
    return parse_flag(text, &value->flag) ? NULL : "must be true or false";
  case OPTION_INTEGER:
    if (!text_parse_int64(text, strlen(text), &value->integer))
      return "must be a whole number";
    value->number = (double) value->integer;
    return range_fault(arena, def, value->number, "a whole number");
  case OPTION_NUMBER:
    if (!text_parse_double(text, strlen(text), false, &value->number))
      return "must be a number";
    return range_fault(arena, def, value->number, "a number");
  case OPTION_BYTES:
    if (!parse_bytes(text, &value->integer))
      return "must be a number of bytes, such as 500000, 64K, 20M or 2G";
    value->number = (double) value->integer;
    return range_fault(arena, def, value->number, "a number of bytes");
  case OPTION_CHOICE:
    return is_choice(def->choices, text) ? NULL
                                         : arena_printf(arena, "must be one of: %s", def->choices);
  }
  return "has an unknown kind";
}

/* Takes a value over what weaker sources said; `source` names where it comes from. */
static void
set_value(struct options *options, size_t index, const char *text, const char *source)
{
  struct value value;
  const char *copy = arena_strdup(options->arena, text);
  const char *fault =
    copy ? parse_value(options->arena, &options->defs[index], copy, &value) : "is out of memory";
  if (fault)
    buf_printf(options->faults, "%s: %s, not \"%s\"\n", source, fault, text);
  else
    options->values[index] = value;
}

static void
set_defaults(struct options *options)
{
  for (size_t i = 0; i < options->count; i++)
  {
    const struct option_def *def = &options->defs[i];
    if (!def->fallback)
      continue;
    const char *fault = parse_value(options->arena, def, def->fallback, &options->values[i]);
    assert(!fault);
    (void) fault;
  }
}

static void
read_environment(struct options *options)
{
  char name[NAME_MAX_BYTES + 8];
  for (size_t i = 0; i < options->count; i++)
  {
    environment_name(options->defs[i].name, name);
    const char *text = getenv(name);
    if (text && text[0])
      set_value(options, i, text, name);
  }
}

static void
add_unknown(struct options *options, const char *source, const char *name, size_t length)
{
  char copy[NAME_MAX_BYTES];
  snprintf(copy, sizeof copy, "%.*s", (int) (length < NAME_MAX_BYTES ? length : NAME_MAX_BYTES - 1),
           name);
  const char **names = arena_array(options->arena, options->count + 3, sizeof *names);
  if (!names)
    return;
  for (size_t i = 0; i < options->count; i++)
    names[i] = options->defs[i].name;
  names[options->count] = "config";
  names[options->count + 1] = "help";
  names[options->count + 2] = "version";
  const char *nearest = text_nearest(copy, names, options->count + 3);
  if (nearest)
    buf_printf(options->faults, "%s: there is no such option; did you mean \"%s\"?\n", source,
               nearest);
  else
    buf_printf(options->faults, "%s: there is no such option; --help lists them\n", source);
}

/* One line of the file: `name = value`, a comment after #, or nothing. */
static void
read_line(struct options *options, char *line, size_t number)
{
  char source[512];
  while (*line == ' ' || *line == '\t')
    line++;
  size_t length = strlen(line);
  while (length > 0 && strchr(" \t\r", line[length - 1]))
    line[--length] = '\0';
  if (length == 0 || line[0] == '#')
    return;
  char *equals = strchr(line, '=');
  size_t name_length = equals ? (size_t) (equals - line) : 0;
  while (name_length > 0 && strchr(" \t", line[name_length - 1]))
    name_length--;
  if (name_length == 0)
  {
    buf_printf(options->faults, "%s, line %zu: must be \"name = value\"\n", options->config_path,
               number);
    return;
  }
  snprintf(source, sizeof source, "%s, line %zu, %.*s", options->config_path, number,
           (int) (name_length < NAME_MAX_BYTES ? name_length : NAME_MAX_BYTES), line);
  const char *value = equals + 1 + strspn(equals + 1, " \t");
  size_t index = find_option(options, line, name_length);
  if (index == SIZE_MAX)
    add_unknown(options, source, line, name_length);
  else
    set_value(options, index, value, source);
}

static void
read_config(struct options *options)
{
  struct buf text = {0};
  struct err_info info = {0};
  if (file_read_all(options->config_path, CONFIG_MAX_BYTES, &text, &info) != ERR_OK)
    buf_printf(options->faults, "--config: %s\n", info.text);
  else if (strlen(text.data) != text.length || !text_utf8_valid(text.data, text.length, NULL))
    buf_printf(options->faults, "--config: %s is not a text file in UTF-8\n", options->config_path);
  else
  {
    size_t number = 0;
    char *rest = text.data, *line;
    while ((line = strsep(&rest, "\n")) != NULL)
      read_line(options, line, ++number);
  }
  buf_free(&text);
}

/* Reads one argument and perhaps the next; returns how many it took. With `config_only` just --config,
 * --help and --version count, since the file is weaker than the flags and must be read first. */
static int
read_argument(struct options *options, int left, char **argv, bool config_only)
{
  const char *argument = argv[0];
  if (strcmp(argument, "-h") == 0)
    argument = "--help";
  if (strncmp(argument, "--", 2) != 0 || argument[2] == '\0')
  {
    if (!config_only)
      buf_printf(options->faults, "%s: not an option; --help lists them\n", argument);
    return 1;
  }
  const char *name = argument + 2, *equals = strchr(name, '=');
  size_t length = equals ? (size_t) (equals - name) : strlen(name);
  if (!equals && (strcmp(name, "help") == 0 || strcmp(name, "version") == 0))
  {
    options->action = name[0] == 'h' ? OPTIONS_HELP : OPTIONS_VERSION;
    return 1;
  }
  bool is_config = length == 6 && memcmp(name, "config", 6) == 0;
  size_t index = is_config ? SIZE_MAX : find_option(options, name, length);
  if (!is_config && index == SIZE_MAX)
  {
    if (!config_only)
      add_unknown(options, argument, name, length);
    /* what follows an unknown option is most likely its value */
    return !equals && left > 1 && argv[1][0] != '-' ? 2 : 1;
  }
  if (!is_config && !equals && options->defs[index].kind == OPTION_FLAG)
  {
    if (!config_only)
      set_value(options, index, "true", argument);
    return 1;
  }
  if (!equals && left < 2)
  {
    if (!config_only)
      buf_printf(options->faults, "%s: needs a value\n", argument);
    return 1;
  }
  const char *value = equals ? equals + 1 : argv[1];
  if (is_config)
    options->config_path = value;
  else if (!config_only)
    set_value(options, index, value, arena_printf(options->arena, "--%.*s", (int) length, name));
  return equals ? 1 : 2;
}

static void
read_arguments(struct options *options, int argc, char **argv, bool config_only)
{
  for (int i = 1; i < argc;)
    i += read_argument(options, argc - i, argv + i, config_only);
}

enum err
options_read(const struct option_def *defs, int argc, char **argv, struct options **options,
             struct buf *faults)
{
  *options = NULL;
  size_t before = faults->length;
  struct options *made = calloc(1, sizeof *made);
  if (!made)
    return ERR_MEMORY;
  made->defs = defs;
  made->faults = faults;
  while (defs[made->count].name)
    made->count++;
  made->arena = arena_new(0);
  made->values = calloc(made->count + 1, sizeof *made->values);
  if (!made->arena || !made->values)
  {
    options_free(made);
    return ERR_MEMORY;
  }

  const char *from_environment = getenv("ATTUNE_CONFIG");
  made->config_path = from_environment && from_environment[0] ? from_environment : NULL;
  read_arguments(made, argc, argv, true);
  if (made->action == OPTIONS_RUN)
  {
    set_defaults(made);
    if (made->config_path)
      read_config(made);
    read_environment(made);
    read_arguments(made, argc, argv, false);
  }
  made->faults = NULL;
  if (faults->failed || faults->length != before)
  {
    options_free(made);
    return faults->failed ? ERR_MEMORY : ERR_INVALID;
  }
  *options = made;
  return ERR_OK;
}

void
options_free(struct options *options)
{
  if (!options)
    return;
  free(options->values);
  arena_free(options->arena);
  free(options);
}

enum options_action
options_action(const struct options *options)
{
  return options->action;
}

static const struct value *
value_of(const struct options *options, const char *name)
{
  size_t index = find_option(options, name, strlen(name));
  assert(index != SIZE_MAX);
  return &options->values[index];
}

const char *
options_text(const struct options *options, const char *name)
{
  return value_of(options, name)->text;
}

bool
options_flag(const struct options *options, const char *name)
{
  return value_of(options, name)->flag;
}

int64_t
options_integer(const struct options *options, const char *name)
{
  return value_of(options, name)->integer;
}

double
options_number(const struct options *options, const char *name)
{
  return value_of(options, name)->number;
}

enum err
options_export(const struct options *options)
{
  char name[NAME_MAX_BYTES + 8];
  for (size_t i = 0; i < options->count; i++)
  {
    environment_name(options->defs[i].name, name);
    if (options->values[i].text && setenv(name, options->values[i].text, 1) != 0)
      return ERR_MEMORY;
  }
  /* its lines are in the environment now, and a child need not know all of their names */
  return unsetenv("ATTUNE_CONFIG") == 0 ? ERR_OK : ERR_MEMORY;
}
