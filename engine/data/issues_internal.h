/* Private to issues*.c.
 */
#ifndef ATTUNE_DATA_ISSUES_INTERNAL_H
#define ATTUNE_DATA_ISSUES_INTERNAL_H

#include <stdbool.h>

#include "data/issues.h"
#include "data/task.h"

#define ISSUE_EXAMPLES 20

struct issue_work
{
  const struct issues_request *request;
  struct arena *arena;
  const struct table *table; /* NULL for images */
  const struct image_set *images;
  bool has_task;
  struct task task;
  const size_t *rows; /* looked at, ascending (count) */
  size_t count;
  double deadline_s;
  json_t *list;
};

/* Examples of the rows an issue is about. */
struct issue_rows
{
  json_t *examples;
  size_t count;
};
void issue_row(struct issue_rows *rows, size_t row);

/* Adds an entry with a message made of `format`; takes rows->examples. rows and column may be NULL. */
void issue_add(struct issue_work *work, const char *code, const char *severity, const char *column,
               struct issue_rows *rows, const char *hint, const char *format, ...)
  __attribute__((format(printf, 7, 8)));

bool issue_is_missing(const struct column *column, size_t row);

/* The checks. ERR_MEMORY only. */
enum err issues_of_column(struct issue_work *work, size_t column);
enum err issues_of_values(struct issue_work *work, const struct column *column);
enum err issues_of_copies(struct issue_work *work);
enum err issues_of_classes(struct issue_work *work);
enum err issues_of_leak(struct issue_work *work, size_t column);
void issues_of_blank_images(struct issue_work *work);

#endif
