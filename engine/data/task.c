#include <config.h>

#include "data/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/text.h"

/* What is known of a target before its values are looked at. */
struct target_facts
{
  const char *name;
  enum column_type type;
  size_t rows, missing, distinct;
  bool distinct_exact;
};

enum wanted_kind
{
  WANT_ANY,
  WANT_CLASSES,
  WANT_BINARY,
  WANT_MULTICLASS,
  WANT_REGRESSION
};

const char *
task_kind_name(enum task_kind kind)
{
  switch (kind)
  {
  case TASK_BINARY:
    return "binary";
  case TASK_MULTICLASS:
    return "multiclass";
  case TASK_REGRESSION:
    return "regression";
  }
  return "regression";
}

static enum err
parse_wanted(const char *name, enum wanted_kind *wanted, struct err_info *info)
{
  static const char *const names[] = {"", "classification", "binary", "multiclass", "regression"};
  *wanted = WANT_ANY;
  if (name == NULL || strcmp(name, "auto") == 0)
    return ERR_OK;
  for (size_t i = WANT_CLASSES; i <= WANT_REGRESSION; i++)
    if (strcmp(name, names[i]) == 0)
    {
      *wanted = (enum wanted_kind) i;
      return ERR_OK;
    }
  return err_set(info, ERR_INVALID,
                 "there is no task \"%.40s\"; give classification, binary, multiclass or "
                 "regression",
                 name);
}

/* True if the target is learned as classes. */
static bool
takes_classes(const struct target_facts *facts, enum wanted_kind wanted)
{
  if (wanted == WANT_REGRESSION)
    return false;
  if (wanted != WANT_ANY || facts->type != COLUMN_NUMERIC)
    return true;
  return facts->distinct_exact && facts->distinct <= 2;
}

static enum err
check_type(const struct target_facts *facts, enum wanted_kind wanted, struct err_info *info)
{
  switch (facts->type)
  {
  case COLUMN_IDENTIFIER:
    return err_set(info, ERR_INVALID,
                   "target \"%s\" is an identifier: its values name rows, so there is nothing "
                   "to learn; choose another column, or correct its type in the schema",
                   facts->name);
  case COLUMN_TEXT:
    return err_set(info, ERR_INVALID,
                   "target \"%s\" is free text; choose another column, or make it categorical "
                   "in the schema",
                   facts->name);
  case COLUMN_DATETIME:
    return err_set(info, ERR_INVALID,
                   "target \"%s\" is a date; choose another column, or make it numeric in the "
                   "schema",
                   facts->name);
  case COLUMN_CATEGORICAL:
  case COLUMN_BOOLEAN:
    if (wanted == WANT_REGRESSION)
      return err_set(info, ERR_INVALID,
                     "target \"%s\" holds words, and regression needs numbers; ask for "
                     "classification, or make the column numeric in the schema",
                     facts->name);
    return ERR_OK;
  case COLUMN_NUMERIC:
    return ERR_OK;
  }
  return ERR_OK;
}

/* The checks that task_make and task_check_schema share. */
static enum err
check_facts(const struct target_facts *facts, enum wanted_kind wanted, struct err_info *info)
{
  size_t labelled = facts->rows - facts->missing;
  if (labelled == 0)
    return err_set(info, ERR_INVALID,
                   "target \"%s\" is missing in every row; choose another column", facts->name);
  enum err err = check_type(facts, wanted, info);
  if (err != ERR_OK)
    return err;
  if (labelled < TASK_MIN_ROWS)
    return err_set(info, ERR_INVALID,
                   "only %zu rows have a value in target \"%s\"; at least %d are needed", labelled,
                   facts->name, TASK_MIN_ROWS);
  if (facts->distinct_exact && facts->distinct <= 1)
    return err_set(info, ERR_INVALID,
                   "target \"%s\" has the same value in every row, so there is nothing to learn; "
                   "choose another column",
                   facts->name);
  if (!takes_classes(facts, wanted))
    return ERR_OK;
  if (facts->distinct_exact && facts->distinct == labelled)
    return err_set(info, ERR_INVALID,
                   "target \"%s\" has a different value in every row, so no class can be learned; "
                   "choose another column%s",
                   facts->name, facts->type == COLUMN_NUMERIC ? ", or ask for regression" : "");
  if (facts->distinct > TASK_MAX_CLASSES)
    return err_set(info, ERR_INVALID,
                   "target \"%s\" has %zu different values, and at most %d classes can be "
                   "learned; choose another column%s",
                   facts->name, facts->distinct, TASK_MAX_CLASSES,
                   facts->type == COLUMN_NUMERIC ? ", or ask for regression" : "");
  if (wanted == WANT_BINARY && facts->distinct_exact && facts->distinct != 2)
    return err_set(info, ERR_INVALID,
                   "target \"%s\" has %zu classes, and binary means two; ask for classification",
                   facts->name, facts->distinct);
  return ERR_OK;
}

/* A sentence for a target that is not there: names the first columns. */
static enum err
no_such_column(const json_t *columns, const char *target, struct err_info *info)
{
  struct buf list = {0};
  size_t count = json_array_size(columns);
  for (size_t c = 0; c < count && c < 8; c++)
  {
    const char *name = json_string_value(json_object_get(json_array_get(columns, c), "name"));
    buf_printf(&list, "%s%.40s", c > 0 ? ", " : "", name != NULL ? name : "");
  }
  enum err err =
    err_set(info, ERR_INVALID, "there is no column \"%.60s\"; the columns are %s%s", target,
            list.failed || list.data == NULL ? "others" : list.data, count > 8 ? ", …" : "");
  buf_free(&list);
  return err;
}

enum err
task_check_schema(const json_t *schema, const char *target, const char *kind_name,
                  struct err_info *info)
{
  enum wanted_kind wanted;
  enum err err = parse_wanted(kind_name, &wanted, info);
  if (err != ERR_OK)
    return err;
  const char *kind = json_string_value(json_object_get(schema, "kind"));
  if (kind != NULL && strcmp(kind, "images") == 0)
  {
    if (wanted == WANT_REGRESSION)
      return err_set(info, ERR_INVALID, "images have classes, not numbers; ask for classification");
    if (json_array_size(json_object_get(schema, "classes")) < 2)
      return err_set(info, ERR_INVALID,
                     "all images have the same class, so there is nothing to learn");
    return ERR_OK;
  }
  if (target == NULL || target[0] == '\0')
    return err_set(info, ERR_INVALID, "a table needs a target: name the column to predict");
  const json_t *columns = json_object_get(schema, "columns");
  for (size_t c = 0; c < json_array_size(columns); c++)
  {
    const json_t *item = json_array_get(columns, c);
    const char *name = json_string_value(json_object_get(item, "name"));
    const char *type = json_string_value(json_object_get(item, "type"));
    struct target_facts facts = {.name = name};
    if (name == NULL || strcmp(name, target) != 0)
      continue;
    if (type == NULL || !column_type_parse(type, &facts.type))
      return ERR_OK;
    facts.rows = (size_t) json_integer_value(json_object_get(schema, "rows"));
    facts.missing = (size_t) json_integer_value(json_object_get(item, "missing"));
    facts.distinct = (size_t) json_integer_value(json_object_get(item, "distinct"));
    facts.distinct_exact = !json_is_false(json_object_get(item, "distinct_exact"));
    if (facts.missing > facts.rows)
      return ERR_OK;
    return check_facts(&facts, wanted, info);
  }
  return no_such_column(columns, target, info);
}

/* One candidate class while the classes are being made. */
struct class_entry
{
  const char *name;
  double number; /* its value, when it reads as a number */
  bool numeric;
  int32_t code; /* category or label */
  size_t rows;
};

static int
compare_classes(const void *left, const void *right)
{
  const struct class_entry *a = left, *b = right;
  if (a->numeric && b->numeric && a->number != b->number)
    return a->number < b->number ? -1 : 1;
  if (a->numeric != b->numeric)
    return a->numeric ? -1 : 1;
  return strcmp(a->name, b->name);
}

/* Keeps the classes with enough rows, in order, and fills the task. `codes` is the number of codes. */
static enum err
settle_classes(struct class_entry *entries, size_t count, size_t codes, bool sort, const char *what,
               struct arena *arena, struct task *task, struct err_info *info)
{
  size_t kept = 0, dropped = 0;
  char dropped_name[64] = "";
  for (size_t i = 0; i < count; i++)
    if (entries[i].rows >= TASK_MIN_CLASS_ROWS)
      entries[kept++] = entries[i];
    else if (entries[i].rows > 0)
    {
      if (dropped++ == 0)
        strncat(dropped_name, entries[i].name, sizeof dropped_name - 1);
    }
  if (kept < 2)
    return err_set(info, ERR_INVALID,
                   "%s has fewer than two classes with at least %d rows each, so there is nothing "
                   "to learn",
                   what, TASK_MIN_CLASS_ROWS);
  if (kept > TASK_MAX_CLASSES)
    return err_set(info, ERR_INVALID, "%s has %zu classes; at most %d can be learned", what, kept,
                   TASK_MAX_CLASSES);
  if (sort)
    qsort(entries, kept, sizeof *entries, compare_classes);
  const char **names = arena_array(arena, kept, sizeof *names);
  int32_t *of_code = arena_array(arena, codes + 1, sizeof *of_code);
  if (names == NULL || of_code == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t i = 0; i < codes; i++)
    of_code[i] = -1;
  for (size_t k = 0; k < kept; k++)
  {
    names[k] = arena_strdup(arena, entries[k].name);
    if (names[k] == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
    of_code[entries[k].code] = (int32_t) k;
  }
  task->kind = kept == 2 ? TASK_BINARY : TASK_MULTICLASS;
  task->class_count = kept;
  task->class_names = names;
  task->class_of_code = of_code;
  task->output_count = kept;
  if (dropped > 0)
    err_set(info, ERR_OK,
            "%zu %s a single row (such as \"%s\") and cannot be learned: these rows are left out",
            dropped, dropped == 1 ? "class has" : "classes have", dropped_name);
  return ERR_OK;
}

/* Classes of a column of codes with names: a categorical or boolean target, or image labels. */
static enum err
classes_from_codes(const int32_t *codes, size_t rows, const char *const *names, size_t count,
                   bool sort, const char *what, struct arena *arena, struct task *task,
                   struct err_info *info)
{
  struct class_entry *entries = arena_array(arena, count + 1, sizeof *entries);
  if (entries == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t k = 0; k < count; k++)
  {
    entries[k].name = names[k];
    entries[k].code = (int32_t) k;
    entries[k].numeric = text_parse_double(names[k], strlen(names[k]), false, &entries[k].number);
  }
  for (size_t i = 0; i < rows; i++)
    if (codes[i] >= 0)
      entries[codes[i]].rows++;
  return settle_classes(entries, count, count, sort, what, arena, task, info);
}

/* The ascending distinct values of a numeric column, at most `limit` + 1 of them. */
static size_t
collect_values(const double *values, size_t rows, double *found, size_t limit)
{
  size_t count = 0;
  for (size_t i = 0; i < rows && count <= limit; i++)
  {
    if (!isfinite(values[i]))
      continue;
    size_t low = 0, high = count;
    while (low < high)
    {
      size_t middle = (low + high) / 2;
      if (found[middle] < values[i])
        low = middle + 1;
      else
        high = middle;
    }
    if (low < count && found[low] == values[i])
      continue;
    memmove(found + low + 1, found + low, (count - low) * sizeof *found);
    found[low] = values[i];
    count++;
  }
  return count;
}

static int32_t
find_value(const double *values, size_t count, double value)
{
  size_t low = 0, high = count;
  while (low < high)
  {
    size_t middle = (low + high) / 2;
    if (values[middle] < value)
      low = middle + 1;
    else
      high = middle;
  }
  return low < count && values[low] == value ? (int32_t) low : -1;
}

static enum err
classes_from_numbers(const struct column *column, const double *values, size_t count, size_t rows,
                     const char *what, struct arena *arena, struct task *task,
                     struct err_info *info)
{
  struct class_entry *entries = arena_array(arena, count + 1, sizeof *entries);
  if (entries == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t k = 0; k < count; k++)
  {
    char text[64];
    text_print_double(values[k], text);
    entries[k].name = arena_strdup(arena, text);
    entries[k].number = values[k];
    entries[k].numeric = true;
    entries[k].code = (int32_t) k;
    if (entries[k].name == NULL)
      return err_set(info, ERR_MEMORY, "out of memory");
  }
  for (size_t i = 0; i < rows; i++)
  {
    int32_t at = find_value(values, count, column->number[i]);
    if (at >= 0)
      entries[at].rows++;
  }
  enum err err = settle_classes(entries, count, count, true, what, arena, task, info);
  if (err != ERR_OK)
    return err;
  double *kept = arena_array(arena, task->class_count, sizeof *kept);
  if (kept == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t k = 0; k < count; k++)
    if (task->class_of_code[k] >= 0)
      kept[task->class_of_code[k]] = values[k];
  task->class_values = kept;
  task->class_of_code = NULL;
  return ERR_OK;
}

/* Missing and distinct values of a column, as far as the checks need them. */
static enum err
look_at(const struct column *column, size_t rows, double *values, struct target_facts *facts)
{
  facts->name = column->name;
  facts->type = column->type;
  facts->rows = rows;
  facts->distinct_exact = true;
  if (column->number != NULL)
  {
    for (size_t i = 0; i < rows; i++)
      facts->missing += !isfinite(column->number[i]) ? 1 : 0;
    facts->distinct = collect_values(column->number, rows, values, TASK_MAX_CLASSES);
  }
  else if (column->code != NULL)
  {
    bool *seen = calloc(column->category_count + 1, sizeof *seen);
    if (seen == NULL)
      return ERR_MEMORY;
    for (size_t i = 0; i < rows; i++)
      if (column->code[i] < 0)
        facts->missing++;
      else if (!seen[column->code[i]])
      {
        seen[column->code[i]] = true;
        facts->distinct++;
      }
    free(seen);
  }
  else
    for (size_t i = 0; i < rows; i++)
      facts->missing += column->offset[i] == column->offset[i + 1];
  return ERR_OK;
}

static enum err
make_for_images(const struct image_set *images, enum wanted_kind wanted, struct arena *arena,
                struct task *task, struct err_info *info)
{
  if (wanted == WANT_REGRESSION)
    return err_set(info, ERR_INVALID, "images have classes, not numbers; ask for classification");
  if (images->count < TASK_MIN_ROWS)
    return err_set(info, ERR_INVALID, "there are only %zu images; at least %d are needed",
                   images->count, TASK_MIN_ROWS);
  task->target_column = SIZE_MAX;
  return classes_from_codes(images->labels, images->count, images->class_names, images->class_count,
                            false, "the dataset", arena, task, info);
}

static enum err
make_for_column(const struct table *table, size_t index, enum wanted_kind wanted,
                struct arena *arena, struct task *task, struct err_info *info)
{
  const struct column *column = &table->columns[index];
  struct target_facts facts = {0};
  double *values = arena_array(arena, TASK_MAX_CLASSES + 2, sizeof *values);
  const char *what = arena_printf(arena, "target \"%.60s\"", column->name);
  task->target = arena_strdup(arena, column->name);
  task->target_column = index;
  if (values == NULL || what == NULL || task->target == NULL
      || look_at(column, table->row_count, values, &facts) != ERR_OK)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = check_facts(&facts, wanted, info);
  if (err != ERR_OK)
    return err;
  if (!takes_classes(&facts, wanted))
  {
    task->kind = TASK_REGRESSION;
    task->output_count = 1;
    return ERR_OK;
  }
  if (column->type == COLUMN_NUMERIC)
    return classes_from_numbers(column, values, facts.distinct, table->row_count, what, arena, task,
                                info);
  return classes_from_codes(column->code, table->row_count, column->categories,
                            column->category_count, column->type != COLUMN_BOOLEAN, what, arena,
                            task, info);
}

enum err
task_make(const struct dataset *dataset, const char *target, const char *kind_name,
          struct arena *arena, struct task *task, struct err_info *info)
{
  enum wanted_kind wanted;
  *task = (struct task){0};
  err_set(info, ERR_OK, "%s", "");
  enum err err = parse_wanted(kind_name, &wanted, info);
  if (err != ERR_OK)
    return err;
  const struct table *table = dataset_table(dataset);
  if (table == NULL)
    err = make_for_images(dataset_images(dataset), wanted, arena, task, info);
  else if (target == NULL || target[0] == '\0')
    return err_set(info, ERR_INVALID, "a table needs a target: name the column to predict");
  else
  {
    size_t index = table_find(table, target);
    if (index == SIZE_MAX)
      return no_such_column(json_object_get(dataset_schema(dataset), "columns"), target, info);
    err = make_for_column(table, index, wanted, arena, task, info);
  }
  if (err != ERR_OK)
    return err;
  if (wanted == WANT_BINARY && task->kind != TASK_BINARY)
    return err_set(info, ERR_INVALID,
                   "the target has %zu classes, and binary means two; ask for classification",
                   task->class_count);
  /* Two classes asked for as "multiclass" are simply binary: nothing is lost by it. */
  return ERR_OK;
}

int32_t
task_class_of(const struct task *task, const struct dataset *dataset, size_t row)
{
  const struct image_set *images = dataset_images(dataset);
  if (images != NULL)
    return task->class_of_code[images->labels[row]];
  const struct column *column = &dataset_table(dataset)->columns[task->target_column];
  if (task->class_values != NULL)
    return find_value(task->class_values, task->class_count, column->number[row]);
  int32_t code = column->code[row];
  return code < 0 ? -1 : task->class_of_code[code];
}

double
task_value_of(const struct task *task, const struct dataset *dataset, size_t row)
{
  double value = dataset_table(dataset)->columns[task->target_column].number[row];
  return isfinite(value) ? value : (double) NAN;
}
