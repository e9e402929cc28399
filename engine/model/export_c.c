#include <config.h>

#include "model/export_c.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "data/row_schema.h"
#include "model/export_c_internal.h"

/* ---- numbers and texts ------------------------------------------------------------------------------ */

#define ON_A_LINE 8

/* Starts an array, or goes on to the next line of it. */
static void
next_number(struct buf *out, size_t i)
{
  buf_append_text(out, i % ON_A_LINE == 0 ? "\n  " : " ");
}

void
export_c_floats(struct buf *out, const char *name, const float *values, size_t count)
{
  buf_printf(out, "static const float %s[] = {", name);
  for (size_t i = 0; i < count; i++)
  {
    next_number(out, i);
    buf_printf(out, "%.9g,", (double) values[i]);
  }
  buf_append_text(out, count ? "\n};\n" : "0};\n");
}

void
export_c_doubles(struct buf *out, const char *name, const double *values, size_t count)
{
  buf_printf(out, "static const double %s[] = {", name);
  for (size_t i = 0; i < count; i++)
  {
    next_number(out, i);
    buf_printf(out, "%.17g,", values[i]);
  }
  buf_append_text(out, count ? "\n};\n" : "0};\n");
}

void
export_c_words(struct buf *out, const char *name, const uint32_t *values, size_t count)
{
  buf_printf(out, "static const uint32_t %s[] = {", name);
  for (size_t i = 0; i < count; i++)
  {
    next_number(out, i);
    buf_printf(out, "%uu,", values[i]);
  }
  buf_append_text(out, count ? "\n};\n" : "0};\n");
}

void
export_c_text(struct buf *out, const char *text)
{
  buf_append_text(out, "\"");
  for (; *text; text++)
  {
    unsigned char c = (unsigned char) *text;
    /* a question mark could begin a trigraph; three digits end an octal number whatever follows */
    if (c < 0x20 || c > 0x7E || c == '"' || c == '\\' || c == '?')
      buf_printf(out, "\\%03o", c);
    else
      buf_append(out, text, 1);
  }
  buf_append_text(out, "\"");
}

void
export_c_texts(struct buf *out, const char *name, const char *const *texts, size_t count)
{
  buf_printf(out, "static const char *const %s[] = {", name);
  for (size_t i = 0; i < count; i++)
  {
    buf_append_text(out, "\n  ");
    export_c_text(out, texts[i]);
    buf_append_text(out, ",");
  }
  buf_append_text(out, count ? "\n};\n" : "\"\"};\n");
}

/* ---- the head --------------------------------------------------------------------------------------- */

static const char *
type_name(enum column_type type)
{
  switch (type)
  {
  case COLUMN_NUMERIC:
    return "ATTUNE_NUMBER";
  case COLUMN_DATETIME:
    return "ATTUNE_DATE";
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    return "ATTUNE_WORD";
  case COLUMN_TEXT:
  case COLUMN_IDENTIFIER:
    break;
  }
  return "ATTUNE_TEXT";
}

static void
write_columns(const struct row_schema *schema, struct buf *out)
{
  char name[32];

  for (size_t c = 0; schema && c < schema->count; c++)
  {
    snprintf(name, sizeof name, "words_%zu", c);
    export_c_texts(out, name, schema->columns[c].categories, schema->columns[c].category_count);
  }
  buf_append_text(out, "\nconst struct attune_column attune_columns[] = {\n");
  for (size_t c = 0; schema && c < schema->count; c++)
  {
    const struct row_column *column = &schema->columns[c];
    buf_append_text(out, "  {");
    export_c_text(out, column->name);
    buf_printf(out, ", %s, %d, %zu, words_%zu},\n", type_name(column->type),
               column->type == COLUMN_BOOLEAN, column->category_count, c);
  }
  buf_append_text(out, "  {\"\", ATTUNE_NUMBER, 0, 0, NULL}\n};\n\n");
}

static const char usage[] =
  " *\n"
  " * attune_predict answers one row: 0 and the outputs in out, or -1 when memory is out. A row "
  "has a\n"
  " * place for each of attune_columns: numbers, and dates as seconds since 1970 UTC, in number "
  "(NAN =\n"
  " * missing); words, written as in training, and texts in text (NULL = missing). A model of "
  "images\n"
  " * takes pixels, ATTUNE_HEIGHT * ATTUNE_WIDTH * ATTUNE_CHANNELS bytes, row by row. The outputs "
  "are\n"
  " * the probabilities of attune_classes, or one number; attune_class chooses the class. Any "
  "number of\n"
  " * threads may predict at once.\n"
  " *\n"
  " * cc -O2 -c model.c, or cc -O2 -DATTUNE_MAIN model.c -lm for a program that answers CSV.\n"
  " */\n"
  "#include <float.h>\n#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n"
  "#include <stdlib.h>\n#include <string.h>\n\n";

static const char declarations[] =
  "struct attune_row\n{\n"
  "  double number[ATTUNE_COLUMNS + 1];\n"
  "  const char *text[ATTUNE_COLUMNS + 1];\n"
  "  const unsigned char *pixels;\n};\n\n"
  "enum attune_type\n{\n  ATTUNE_NUMBER,\n  ATTUNE_DATE,\n  ATTUNE_WORD,\n  ATTUNE_TEXT\n};\n\n"
  "struct attune_column\n{\n  const char *name;\n  enum attune_type type;\n  int boolean;\n"
  "  int category_count;\n  const char *const *categories;\n};\n\n"
  "extern const struct attune_column attune_columns[];\n"
  "extern const char *const attune_classes[];\n"
  "int attune_predict(const struct attune_row *row, float *out);\n"
  "int attune_class(const float *out);\n\n";

static void
write_sizes(const struct model *model, const struct row_schema *schema,
            const struct export_c_sizes *sizes, struct buf *out)
{
  const struct task *task = &model->task;
  const struct model_pixels *pixels = &model->pixels;

  buf_printf(out, "#define ATTUNE_COLUMNS %zu\n#define ATTUNE_CLASSES %zu\n",
             schema ? schema->count : 0, task->class_count);
  buf_printf(out, "#define ATTUNE_OUTPUTS %zu\n#define ATTUNE_MEMBERS %zu\n", task->output_count,
             model->member_count ? model->member_count : 1);
  buf_printf(out,
             "#define ATTUNE_HEIGHT %zu\n#define ATTUNE_WIDTH %zu\n#define ATTUNE_CHANNELS %zu\n",
             pixels->height, pixels->width, pixels->channels);
  buf_printf(out, "#define ATTUNE_FEATURES %zu\n#define ATTUNE_SCRATCH %zu\n",
             (sizes->features + 15) / 16 * 16, sizes->scratch);
  buf_printf(out, "#define ATTUNE_MAP_FLOATS %zu\n#define ATTUNE_MAPS %zu\n", sizes->map_floats,
             sizes->maps ? sizes->maps : 1);
  buf_printf(out, "#define ATTUNE_TEMPERATURE %.17g%s\n", model->temperature,
             floor(model->temperature) == model->temperature ? ".0" : "");
  buf_printf(out, "#define ATTUNE_THRESHOLD (%.17g)\n\n",
             model->decision.has_threshold ? model->decision.threshold : -1.0);
}

static void
write_classes(const struct model *model, struct buf *out)
{
  const struct task *task = &model->task;

  buf_append_text(out, "const char *const attune_classes[] = {");
  for (size_t k = 0; k < task->class_count; k++)
  {
    export_c_text(out, task->class_names[k]);
    buf_append_text(out, ", ");
  }
  buf_append_text(out, "NULL};\nstatic const double attune_factors[] = {");
  for (size_t k = 0; k < task->class_count; k++)
    buf_printf(out, "%.17g, ", model->decision.factors ? model->decision.factors[k] : 1.0);
  buf_append_text(out, "1};\n");
}

/* ---- the file --------------------------------------------------------------------------------------- */

enum err
export_c(const struct model *model, const char *title, struct buf *out, struct err_info *info)
{
  const struct model *first = model->member_count ? model->members[0] : model;
  size_t count = model->member_count ? model->member_count : 1;
  struct export_c_sizes sizes = {.features = 1};
  struct buf tables = {0}, members = {0};
  enum err rc = ERR_OK;

  for (size_t m = 0; rc == ERR_OK && m < count; m++)
  {
    double weight;
    const struct model *member = model_member(model, m, &weight);
    rc = export_c_member(member, first, weight, m, &tables, &members, &sizes, info);
  }
  if (rc == ERR_OK)
  {
    buf_printf(out, "/* %s, a model exported by Attune.\n", title);
    buf_append_text(out, usage);
    write_sizes(model, first->schema, &sizes, out);
    buf_append_text(out, declarations);
    write_columns(first->schema, out);
    write_classes(model, out);
    buf_append_text(out, export_c_runtime_text);
    buf_append_text(out,
                    "\n/* ---- the numbers "
                    "--------------------------------------------------------------------------"
                    "-------- */\n\n");
    if (tables.length)
      buf_append(out, tables.data, tables.length);
    buf_append_text(out, "static const struct member members[] = {\n");
    buf_append(out, members.data, members.length);
    buf_append_text(out, "};\n");
    buf_append_text(out, export_c_main_text);
    if (out->failed || tables.failed || members.failed)
      rc = err_set(info, ERR_MEMORY, "no memory for the file");
  }
  buf_free(&tables);
  buf_free(&members);
  return rc;
}
