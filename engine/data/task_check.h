/* Private to task*.c: which targets are refused, and why. Pure; any thread.
 */
#ifndef ATTUNE_DATA_TASK_CHECK_H
#define ATTUNE_DATA_TASK_CHECK_H

#include "data/task.h"

/* What is known of a target before its values are looked at. */
struct task_facts
{
  const char *name;
  enum column_type type;
  size_t rows, missing, distinct;
  bool distinct_exact;
};

enum task_wanted
{
  TASK_WANT_ANY,
  TASK_WANT_CLASSES,
  TASK_WANT_BINARY,
  TASK_WANT_MULTICLASS,
  TASK_WANT_REGRESSION
};

/* The wanted kind by its name; NULL and "auto" leave it open. */
enum err task_parse_wanted(const char *name, enum task_wanted *wanted, struct err_info *info);

/* True if the target is learned as classes. */
bool task_takes_classes(const struct task_facts *facts, enum task_wanted wanted);

/* The checks that need no look at the values. */
enum err task_check_facts(const struct task_facts *facts, enum task_wanted wanted,
                          struct err_info *info);

/* A sentence for a target that is not there: names the first of `columns` (of a schema). */
enum err task_no_such_column(const json_t *columns, const char *target, struct err_info *info);

#endif
