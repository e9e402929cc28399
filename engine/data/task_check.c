#include <config.h>

#include "data/task_check.h"

#include <string.h>

#include "base/buf.h"

enum err
task_parse_wanted(const char *name, enum task_wanted *wanted, struct err_info *info)
{
  static const char *const names[] = {"", "classification", "binary", "multiclass", "regression"};
  *wanted = TASK_WANT_ANY;
  if (name == NULL || strcmp(name, "auto") == 0)
    return ERR_OK;
  for (size_t i = TASK_WANT_CLASSES; i <= TASK_WANT_REGRESSION; i++)
    if (strcmp(name, names[i]) == 0)
    {
      *wanted = (enum task_wanted) i;
      return ERR_OK;
    }
  return err_set(info, ERR_INVALID,
                 "there is no task \"%.40s\"; give classification, binary, multiclass or "
                 "regression",
                 name);
}

/* True if the target is learned as classes. */
bool
task_takes_classes(const struct task_facts *facts, enum task_wanted wanted)
{
  if (wanted == TASK_WANT_REGRESSION)
    return false;
  if (wanted != TASK_WANT_ANY || facts->type != COLUMN_NUMERIC)
    return true;
  return facts->distinct_exact && facts->distinct <= 2;
}

static enum err
check_type(const struct task_facts *facts, enum task_wanted wanted, struct err_info *info)
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
    if (wanted == TASK_WANT_REGRESSION)
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
enum err
task_check_facts(const struct task_facts *facts, enum task_wanted wanted, struct err_info *info)
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
  if (!task_takes_classes(facts, wanted))
    return ERR_OK;
  if (facts->distinct_exact && facts->distinct == labelled)
    return err_set(info, ERR_INVALID,
                   "target \"%s\" has a different value in every row, so no class can be learned; "
                   "choose another column%s",
                   facts->name, facts->type == COLUMN_NUMERIC ? ", or ask for regression" : "");
  /* Then more than half of the rows are in classes of a single row, however the others lie. */
  if (facts->distinct_exact && facts->distinct > labelled / 4 * 3 + labelled % 4)
    return err_set(
      info, ERR_INVALID,
      "target \"%s\" has %zu different values in %zu rows: more classes than the rows allow; "
      "choose another column%s",
      facts->name, facts->distinct, labelled,
      facts->type == COLUMN_NUMERIC ? ", or ask for regression" : ", or put rare values together");
  if (facts->distinct > TASK_MAX_CLASSES)
    return err_set(info, ERR_INVALID,
                   "target \"%s\" has %zu different values, and at most %d classes can be "
                   "learned; choose another column%s",
                   facts->name, facts->distinct, TASK_MAX_CLASSES,
                   facts->type == COLUMN_NUMERIC ? ", or ask for regression" : "");
  if (wanted == TASK_WANT_BINARY && facts->distinct_exact && facts->distinct != 2)
    return err_set(info, ERR_INVALID,
                   "target \"%s\" has %zu classes, and binary means two; ask for classification",
                   facts->name, facts->distinct);
  return ERR_OK;
}

/* A sentence for a target that is not there: names the first columns. */
enum err
task_no_such_column(const json_t *columns, const char *target, struct err_info *info)
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
  enum task_wanted wanted;
  enum err err = task_parse_wanted(kind_name, &wanted, info);
  if (err != ERR_OK)
    return err;
  const char *kind = json_string_value(json_object_get(schema, "kind"));
  if (kind != NULL && strcmp(kind, "images") == 0)
  {
    if (wanted == TASK_WANT_REGRESSION)
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
    struct task_facts facts = {.name = name};
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
    return task_check_facts(&facts, wanted, info);
  }
  return task_no_such_column(columns, target, info);
}
