#include <config.h>

#include "server/handler/handlers.h"

#include <string.h>

#include "model/family.h"
#include "search/search.h"
#include "server/handler/common.h"
#include "server/json_view.h"

/* Defaults depend a little on the data: they are told for such a table or image set. */
#define TYPICAL_ROWS 1000
#define TYPICAL_COLUMNS 10
#define TYPICAL_SIDE 28u
#define TYPICAL_PIXELS (TYPICAL_SIDE * TYPICAL_SIDE)
#define TYPICAL_CLASSES 10

static json_t *
view_family(const struct model_family *family, const struct model_data_shape *shape)
{
  const char *refusal = family->refuse(shape);
  json_t *view = json_pack("{s:s, s:s, s:b, s:o}", "name", family->name, "help", family->help,
                           "fits", refusal == NULL, "why_not", view_text(refusal));

  json_object_set_new(view, "space", refusal ? json_null() : family->default_space(shape));
  json_object_set_new(view, "hyperparameters",
                      refusal ? json_null() : family_describe(family->name, shape));
  return view;
}

/* What a job starts from that names a base model. */
static const struct model_base typical_base = {.stages = 3,
                                               .blocks = 1,
                                               .filters = 16,
                                               .kernel = 3,
                                               .stride = 1,
                                               .normalised = true,
                                               .height = TYPICAL_SIDE,
                                               .width = TYPICAL_SIDE,
                                               .channels = 1,
                                               .seen_height = TYPICAL_SIDE,
                                               .seen_width = TYPICAL_SIDE};

/* ?kind=table|images, ?task=binary|multiclass|regression and ?based=0|1. False when it replied. */
static bool
read_shape(struct http_request *req, struct model_data_shape *shape)
{
  static const char *const known[] = {"kind", "task", "based", NULL};
  const char *kind = http_query(req, "kind"), *task = http_query(req, "task");

  int64_t based;

  if (!http_query_known(req, known) || !http_query_integer(req, "based", 0, 1, 0, &based))
    return false;
  if (kind && strcmp(kind, "table") != 0 && strcmp(kind, "images") != 0)
  {
    http_reply_error(req, E_BAD_REQUEST, "kind is table or images");
    return false;
  }
  shape->kind = kind && strcmp(kind, "images") == 0 ? DATASET_IMAGES : DATASET_TABLE;
  shape->rows = TYPICAL_ROWS;
  if (based)
    shape->base = typical_base;
  shape->columns = shape->kind == DATASET_IMAGES ? TYPICAL_PIXELS : TYPICAL_COLUMNS;
  if (shape->kind == DATASET_IMAGES)
  {
    shape->height = shape->width = TYPICAL_SIDE;
    shape->channels = 1;
  }
  shape->task = TASK_MULTICLASS;
  shape->classes = TYPICAL_CLASSES;
  if (task && strcmp(task, "binary") == 0)
  {
    shape->task = TASK_BINARY;
    shape->classes = 2;
  }
  else if (task && strcmp(task, "regression") == 0)
  {
    shape->task = TASK_REGRESSION;
    shape->classes = 0;
  }
  else if (task && strcmp(task, "multiclass") != 0)
  {
    http_reply_error(req, E_BAD_REQUEST, "task is binary, multiclass or regression");
    return false;
  }
  return true;
}

enum http_outcome
handle_families_get(struct http_request *req)
{
  struct model_data_shape shape = {.rows = 0};
  json_t *items;

  if (!read_shape(req, &shape))
    return HTTP_REPLIED;
  items = json_array();
  for (const struct model_family *family = model_families(); family->name; family++)
    json_array_append_new(items, view_family(family, &shape));
  http_reply_list(req, items, NULL);
  return HTTP_REPLIED;
}

enum http_outcome
handle_search_methods_get(struct http_request *req)
{
  const struct search_method_info *lists[] = {search_methods(), search_step_methods()};
  json_t *items = json_array();

  for (size_t i = 0; i < 2; i++)
    for (const struct search_method_info *method = lists[i]; method->name; method++)
      json_array_append_new(items,
                            json_pack("{s:s, s:s, s:b}", "name", method->name, "help", method->help,
                                      "default", strcmp(method->name, "bayes") == 0));
  http_reply_list(req, items, NULL);
  return HTTP_REPLIED;
}
