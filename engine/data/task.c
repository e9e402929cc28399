#include <config.h>

#include "data/task.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "data/task_check.h"

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
  size_t kept = 0, dropped = 0, rows = 0;
  char dropped_name[64] = "";
  for (size_t i = 0; i < count; i++)
    rows += entries[i].rows;
  for (size_t i = 0; i < count; i++)
    if (entries[i].rows >= TASK_MIN_CLASS_ROWS)
      entries[kept++] = entries[i];
    else if (entries[i].rows > 0)
    {
      if (dropped++ == 0)
        strncat(dropped_name, entries[i].name, sizeof dropped_name - 1);
    }
  if (kept >= 2 && dropped * 2 > rows)
    return err_set(
      info, ERR_INVALID,
      "%s has %zu different values in %zu rows, %zu of them in a single one: more classes than the "
      "rows allow; choose another column, or put rare values together",
      what, kept + dropped, rows, dropped);
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
look_at(const struct column *column, size_t rows, double *values, struct task_facts *facts)
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
make_for_images(const struct image_set *images, enum task_wanted wanted, struct arena *arena,
                struct task *task, struct err_info *info)
{
  if (wanted == TASK_WANT_REGRESSION)
    return err_set(info, ERR_INVALID, "images have classes, not numbers; ask for classification");
  if (images->count < TASK_MIN_ROWS)
    return err_set(info, ERR_INVALID, "there are only %zu images; at least %d are needed",
                   images->count, TASK_MIN_ROWS);
  task->target_column = SIZE_MAX;
  return classes_from_codes(images->labels, images->count, images->class_names, images->class_count,
                            false, "the dataset", arena, task, info);
}

static enum err
make_for_column(const struct table *table, size_t index, enum task_wanted wanted,
                struct arena *arena, struct task *task, struct err_info *info)
{
  const struct column *column = &table->columns[index];
  struct task_facts facts = {0};
  double *values = arena_array(arena, TASK_MAX_CLASSES + 2, sizeof *values);
  const char *what = arena_printf(arena, "target \"%.60s\"", column->name);
  task->target = arena_strdup(arena, column->name);
  task->target_column = index;
  if (values == NULL || what == NULL || task->target == NULL
      || look_at(column, table->row_count, values, &facts) != ERR_OK)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = task_check_facts(&facts, wanted, info);
  if (err != ERR_OK)
    return err;
  if (!task_takes_classes(&facts, wanted))
  {
    for (size_t i = 0; i < table->row_count; i++)
      if (isfinite(column->number[i]) && fabs(column->number[i]) > TASK_MAX_VALUE)
        return err_set(
          info, ERR_INVALID,
          "%s has the value %g in row %zu, and numbers beyond %g are too large to compute with; "
          "correct it, or divide the column by a constant",
          what, column->number[i], i + 1, TASK_MAX_VALUE);
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
  enum task_wanted wanted;
  *task = (struct task){0};
  err_set(info, ERR_OK, "%s", "");
  enum err err = task_parse_wanted(kind_name, &wanted, info);
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
      return task_no_such_column(json_object_get(dataset_schema(dataset), "columns"), target, info);
    err = make_for_column(table, index, wanted, arena, task, info);
  }
  if (err != ERR_OK)
    return err;
  if (wanted == TASK_WANT_BINARY && task->kind != TASK_BINARY)
    return err_set(info, ERR_INVALID,
                   "the target has %zu classes, and binary means two; ask for classification",
                   task->class_count);
  /* Two classes asked for as "multiclass" are simply binary: nothing is lost by it. */
  return ERR_OK;
}

enum err
task_leave_out(struct task *task, const struct dataset *dataset, const char *name,
               struct arena *arena, struct err_info *info)
{
  const struct table *table = dataset_table(dataset);
  size_t index = table != NULL && name != NULL ? table_find(table, name) : SIZE_MAX;
  if (name == NULL)
    return ERR_OK;
  if (index == SIZE_MAX)
    return err_set(info, ERR_INVALID, "there is no column \"%.60s\"", name);
  bool *left_out = arena_array(arena, table->column_count, sizeof *left_out);
  if (left_out == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  for (size_t c = 0; c < table->column_count; c++)
    left_out[c] = task->left_out != NULL && task->left_out[c];
  left_out[index] = true;
  task->left_out = left_out;
  return ERR_OK;
}

bool
task_takes_column(const struct task *task, const struct table *table, size_t column)
{
  enum column_type type = table->columns[column].type;
  return column != task->target_column && type != COLUMN_IDENTIFIER
         && (task->left_out == NULL || !task->left_out[column]);
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
