#include <config.h>

#include "base/options.h"

#include <stdio.h>
#include <string.h>

#define HELP_COLUMN 28
#define HELP_WIDTH 88

/* Prints words from HELP_COLUMN on, broken before HELP_WIDTH; the cursor stands at `column`. */
static void
print_wrapped(const char *text, int column)
{
  if (column >= HELP_COLUMN)
  {
    putchar('\n');
    column = 0;
  }
  printf("%*s", HELP_COLUMN - column, "");
  column = HELP_COLUMN;
  while (*text)
  {
    int length = (int) strcspn(text, " ");
    if (column > HELP_COLUMN && column + 1 + length > HELP_WIDTH)
    {
      printf("\n%*s", HELP_COLUMN, "");
      column = HELP_COLUMN;
    }
    else if (column > HELP_COLUMN)
    {
      putchar(' ');
      column++;
    }
    printf("%.*s", length, text);
    column += length;
    text += length + (int) strspn(text + length, " ");
  }
  putchar('\n');
}

static void
print_option(const char *name, const char *argument, const char *help, const char *choices,
             const char *fallback)
{
  struct buf text = {0};
  buf_append_text(&text, help ? help : "");
  if (choices)
    buf_printf(&text, " One of: %s.", choices);
  if (fallback && fallback[0])
    buf_printf(&text, " Default: %s.", fallback);
  int column = printf("  --%s%s%s", name, argument ? " " : "", argument ? argument : "");
  print_wrapped(text.data ? text.data : "", column);
  buf_free(&text);
}

static const char *
argument_of(const struct option_def *def)
{
  if (def->argument || def->kind == OPTION_FLAG)
    return def->argument;
  return def->kind == OPTION_TEXT || def->kind == OPTION_CHOICE ? "TEXT" : "N";
}

void
options_print_help(const struct option_def *defs, const char *program, const char *summary)
{
  printf("Usage: %s [OPTION]...\n%s\n", program, summary);
  if (!defs->name || !defs->section)
    printf("\nOptions:\n");
  const char *section = NULL;
  for (const struct option_def *def = defs; def->name; def++)
  {
    if (def->section && (!section || strcmp(section, def->section) != 0))
    {
      section = def->section;
      printf("\n%s:\n", section);
    }
    print_option(def->name, argument_of(def), def->help, def->choices,
                 def->kind == OPTION_FLAG ? NULL : def->fallback);
  }
  printf("\nEvery program:\n");
  print_option("config", "FILE", "Read options from FILE, one \"name = value\" a line.", NULL,
               NULL);
  print_option("help", NULL, "Show this and exit.", NULL, NULL);
  print_option("version", NULL, "Show the version and exit.", NULL, NULL);
  printf("\nAn option may also be given in the environment: --data-dir as ATTUNE_DATA_DIR.\n"
         "A flag is stronger than the environment, which is stronger than the file.\n");
}
