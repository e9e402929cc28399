/* POST /feedback: what was right of predictions that were given. */
#include <config.h>

#include "server/handler/handlers.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/text.h"
#include "server/handler/common.h"
#include "server/json_view.h"
#include "server/prediction_log.h"
#include "sql/db_model.h"
#include "sql/db_prediction.h"

#define FLUSH_S 5.0
/* Truths of a tenant that wait for their predictions. */
#define WAITING_MOST 10000
#define CLASSES_TOLD 20
#define TRUTH_MAX_BYTES 1000

/* What a list can be told of at once. */
struct item
{
  const char *pointer; /* "" or "/3" */
  const char *id;
  const json_t *truth;
  int row;
  bool says_row;
  const struct db_prediction_found *found; /* NULL: it is not logged (yet) */
  const char *state;                       /* NULL: refused */
  bool missing;                            /* refused, for there is no such prediction */
  double class_index, value;               /* -1: a number */
};

struct feedback
{
  struct http_request *req;
  struct item *items;
  size_t count;
  bool list;
  const char **ids;
  double *rows;
  struct json_faults faults;
  /* of the version that was looked at last */
  const char *model_id;
  int version;
  json_t *schema;
};

/* ---- the body -------------------------------------------------------------------------------------- */

static const char *
place(struct feedback *feedback, const struct item *item, const char *member)
{
  return json_pointer(feedback->req->arena, item->pointer, member);
}

static bool
is_prediction_id(const char *text)
{
  size_t length = strlen(text);
  return length > 4 && length < PREDICTION_ID_SIZE && strncmp(text, "prd_", 4) == 0
         && strspn(text + 4, "0123456789abcdefghijklmnopqrstuvwxyz") == length - 4;
}

static void
read_item(struct feedback *feedback, struct item *item, const json_t *json)
{
  static const struct json_field fields[] = {
    {.name = "prediction_id", .kind = JSON_KIND_STRING, .required = true, .min = 1, .max = 200},
    {.name = "truth", .kind = JSON_KIND_ANY, .required = true},
    {.name = "row",
     .kind = JSON_KIND_INTEGER,
     .min = 1,
     .max = 1e9,
     .hint = "the row of the call, from 1"},
    JSON_FIELD_END};
  struct json_faults *faults = &feedback->faults;

  if (!json_is_object(json))
  {
    json_fault_add(faults, item->pointer,
                   "send {\"prediction_id\": \"prd_...\", \"truth\": \"setosa\"}",
                   "must be a JSON object");
    return;
  }
  if (!json_check(json, fields, item->pointer, faults))
    return;
  item->id = json_get_string(json, "prediction_id", "");
  item->truth = json_object_get(json, "truth");
  item->says_row = json_object_get(json, "row") != NULL;
  item->row = (int) json_get_integer(json, "row", 1);
  if (!is_prediction_id(item->id))
    json_fault_add(faults, place(feedback, item, "prediction_id"),
                   "send the prediction_id of an answer", "\"%.60s\" is no prediction_id",
                   item->id);
  if (!json_is_string(item->truth) && !json_is_number(item->truth) && !json_is_boolean(item->truth))
    json_fault_add(faults, place(feedback, item, "truth"), "send the class's name, or the number",
                   "must be a text, a number, or a boolean");
  else if (json_string_length(item->truth) > TRUTH_MAX_BYTES)
    json_fault_add(faults, place(feedback, item, "truth"), "send the class's name",
                   "is longer than %d bytes", TRUTH_MAX_BYTES);
}

static int
compare_items(const void *left, const void *right)
{
  const struct item *const *a = left, *const *b = right;
  int order = strcmp((*a)->id, (*b)->id);
  if (order == 0)
    order = ((*a)->row > (*b)->row) - ((*a)->row < (*b)->row);
  return order ? order : ((*a) > (*b)) - ((*a) < (*b));
}

/* No row may be told twice in one call. */
static void
check_twice(struct feedback *feedback)
{
  const struct item **sorted = arena_array(feedback->req->arena, feedback->count, sizeof *sorted);
  if (!sorted)
    return;
  for (size_t i = 0; i < feedback->count; i++)
    sorted[i] = &feedback->items[i];
  qsort(sorted, feedback->count, sizeof *sorted, compare_items);
  for (size_t i = 1; i < feedback->count; i++)
    if (sorted[i]->row == sorted[i - 1]->row && strcmp(sorted[i]->id, sorted[i - 1]->id) == 0)
      json_fault_add(&feedback->faults, sorted[i]->pointer, "send one truth of each row",
                     "this row of this prediction is in the list twice");
}

/* False when it replied. */
static bool
read_body(struct feedback *feedback)
{
  struct http_request *req = feedback->req;
  const json_t *body = req->json;
  size_t most = req->limits->feedback_items;

  json_faults_init(&feedback->faults, req->arena);
  feedback->list = json_is_array(body);
  feedback->count = feedback->list ? json_array_size(body) : 1;
  if (feedback->count > most)
  {
    http_reply_error(req, E_TOO_LARGE,
                     arena_printf(req->arena, "send at most %zu truths at once", most));
    return false;
  }
  feedback->items = arena_array(req->arena, feedback->count + 1, sizeof *feedback->items);
  feedback->ids = arena_array(req->arena, feedback->count + 1, sizeof *feedback->ids);
  feedback->rows = arena_array(req->arena, feedback->count + 1, sizeof *feedback->rows);
  if (!feedback->items || !feedback->ids || !feedback->rows)
  {
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return false;
  }
  if (feedback->count == 0)
    json_fault_add(&feedback->faults, "", "send at least one", "the list is empty");
  for (size_t i = 0; i < feedback->count; i++)
  {
    struct item *item = &feedback->items[i];
    *item = (struct item){.pointer = feedback->list ? json_pointer_index(req->arena, "", i) : "",
                          .row = 1};
    read_item(feedback, item, feedback->list ? json_array_get(body, i) : body);
  }
  if (feedback->faults.count == 0)
    check_twice(feedback);
  if (feedback->faults.count > 0)
    http_reply_faults(req, E_INVALID, &feedback->faults);
  return feedback->faults.count == 0;
}

/* ---- what was predicted ---------------------------------------------------------------------------- */

static enum db_status
find(struct feedback *feedback, struct db_conn *conn, size_t *missing)
{
  struct db_prediction_found *found = NULL;
  size_t count = 0;
  for (size_t i = 0; i < feedback->count; i++)
  {
    feedback->ids[i] = feedback->items[i].id;
    feedback->rows[i] = feedback->items[i].row;
  }
  enum db_status status =
    db_prediction_find(conn, feedback->req->tenant_id, feedback->ids, feedback->rows,
                       feedback->count, feedback->req->arena, &found, &count);
  *missing = feedback->count;
  for (size_t i = 0; status == DB_ROWS && i < count; i++)
    if (found[i].place < feedback->count)
    {
      feedback->items[found[i].place].found = &found[i];
      --*missing;
    }
  return status;
}

/* Finds all that is logged, what this server still has in its rings, too. False when it replied. */
static bool
look_up(struct feedback *feedback, struct db_conn *conn)
{
  struct http_request *req = feedback->req;
  size_t missing = 0;
  bool flushed = true;
  enum db_status status = find(feedback, conn, &missing);

  if (status == DB_ROWS && missing > 0)
  {
    flushed = prediction_log_flush(req->server->predictions, FLUSH_S);
    status = find(feedback, conn, &missing);
  }
  if (status != DB_ROWS)
    http_reply_db(req, status, E_PREDICTION_NOT_FOUND);
  else if (missing > 0 && !flushed)
  {
    http_busy_reason(req, "the log of predictions is not written");
    http_reply_busy(req, E_UNAVAILABLE, 2);
    return false;
  }
  for (size_t i = 0; status == DB_ROWS && i < feedback->count; i++)
    if (feedback->items[i].found && !http_key_allows(req, feedback->items[i].found->model_id))
      return false;
  return status == DB_ROWS;
}

/* The classes of the item's version, an array, or NULL for numbers. False when it replied. */
static bool
find_classes(struct feedback *feedback, struct db_conn *conn,
             const struct db_prediction_found *found, const json_t **classes)
{
  struct http_request *req = feedback->req;
  struct db_model_version row;

  if (!feedback->model_id || feedback->version != found->version
      || strcmp(feedback->model_id, found->model_id) != 0)
  {
    enum db_status status =
      db_model_get(conn, req->tenant_id, found->model_id, found->version, NULL, req->arena, &row);
    if (status != DB_ROWS)
    {
      http_reply_db(req, status, E_PREDICTION_NOT_FOUND);
      return false;
    }
    json_decref(feedback->schema);
    feedback->schema = view_json(row.schema);
    feedback->model_id = found->model_id;
    feedback->version = found->version;
  }
  *classes = json_object_get(feedback->schema, "classes");
  return true;
}

/* Place of the class that the truth means, or -1: its name, or the number that its name is. */
static int
class_of(const json_t *classes, const json_t *truth)
{
  const json_t *name;
  size_t index;

  json_array_foreach(classes, index, name)
  {
    const char *text = json_string_value(name);
    char *end = NULL;
    if (!text)
      continue;
    if (json_is_string(truth) && strcmp(text, json_string_value(truth)) == 0)
      return (int) index;
    if (json_is_boolean(truth) && strcmp(text, json_is_true(truth) ? "true" : "false") == 0)
      return (int) index;
    if (json_is_number(truth))
    {
      double number = strtod(text, &end);
      if (end != text && *end == '\0' && !(number < json_number_value(truth))
          && !(number > json_number_value(truth)))
        return (int) index;
    }
  }
  return -1;
}

/* The first classes, for people. */
static const char *
tell_classes(struct arena *arena, const json_t *classes)
{
  const json_t *name;
  const char *text = "one of";
  size_t index;

  json_array_foreach(classes, index, name)
  {
    if (index < CLASSES_TOLD)
      text = arena_printf(arena, "%s%s %.60s", text, index > 0 ? "," : "", json_string_value(name));
    else if (index == CLASSES_TOLD)
      text = arena_printf(arena, "%s, and %zu more", text, json_array_size(classes) - index);
    if (!text)
      return "one of its classes";
  }
  return text;
}

/* Says of a found item what becomes of it, or adds a fault. False when it replied. */
static bool
check_truth(struct feedback *feedback, struct db_conn *conn, struct item *item)
{
  const struct db_prediction_found *found = item->found;
  const char *pointer = place(feedback, item, "truth");
  const json_t *classes;

  if (found->rows > 1 && !item->says_row)
  {
    json_fault_add(&feedback->faults, place(feedback, item, "row"), "send the row, from 1",
                   "the call had %d rows: which one is it?", found->rows);
    return true;
  }
  if (!find_classes(feedback, conn, found, &classes))
    return false;
  item->class_index = classes ? class_of(classes, item->truth) : -1;
  item->value = json_number_value(item->truth);
  if (classes && item->class_index < 0)
    json_fault_add(&feedback->faults, pointer, tell_classes(feedback->req->arena, classes),
                   "is no class of the model \"%s\"", found->model_name);
  else if (!classes && !json_is_number(item->truth))
    json_fault_add(&feedback->faults, pointer, "send a number", "the model \"%s\" predicts numbers",
                   found->model_name);
  else if (!found->truth_us)
    item->state = "stored";
  else if (classes ? (int) item->class_index == found->truth_class
                   : !(item->value < found->truth_value) && !(item->value > found->truth_value))
    item->state = "unchanged";
  else
    item->state = "replaced";
  return true;
}

/* ---- storing --------------------------------------------------------------------------------------- */

static bool
is_changed(const struct item *item)
{
  return item->found && item->state && strcmp(item->state, "unchanged") != 0;
}

static enum db_status
store_changed(struct feedback *feedback, struct db_conn *conn)
{
  struct arena *arena = feedback->req->arena;
  double *classes = arena_array(arena, feedback->count, sizeof *classes);
  double *values = arena_array(arena, feedback->count, sizeof *values);
  size_t count = 0;

  if (!classes || !values)
    return DB_SOFT;
  for (size_t i = 0; i < feedback->count; i++)
  {
    const struct item *item = &feedback->items[i];
    if (!is_changed(item))
      continue;
    feedback->ids[count] = item->id;
    feedback->rows[count] = item->row;
    classes[count] = item->class_index;
    values[count++] = item->value;
  }
  return count == 0
           ? DB_ROWS
           : db_prediction_set_truth(conn, feedback->ids, feedback->rows, classes, values, count);
}

/* What is not there is kept where another server may still have to write it, and else refused. */
static enum db_status
keep_missing(struct feedback *feedback, struct db_conn *conn)
{
  struct http_request *req = feedback->req;
  const char **truths = arena_array(req->arena, feedback->count, sizeof *truths);
  bool peers = false, full = false;
  size_t count = 0;

  for (size_t i = 0; truths && i < feedback->count; i++)
    if (!feedback->items[i].found)
    {
      char *text = json_dumps(feedback->items[i].truth, JSON_ENCODE_ANY | JSON_COMPACT);
      truths[count] = text ? arena_strdup(req->arena, text) : NULL;
      free(text);
      feedback->ids[count] = feedback->items[i].id;
      feedback->rows[count] = feedback->items[i].row;
      if (!truths[count++])
        return DB_SOFT;
    }
  if (!truths || count == 0)
    return truths ? DB_ROWS : DB_SOFT;
  enum db_status status = db_prediction_has_peers(conn, &peers);
  if (status == DB_ROWS && peers)
    status = db_truth_keep(conn, req->tenant_id, feedback->ids, feedback->rows, truths, count,
                           WAITING_MOST, &full);
  if (status != DB_ROWS)
    return status;
  for (size_t i = 0; i < feedback->count; i++)
  {
    struct item *item = &feedback->items[i];
    if (item->found)
      continue;
    item->missing = !peers || full;
    item->state = item->missing ? NULL : "waiting";
    if (item->missing)
      json_fault_add(&feedback->faults, place(feedback, item, "prediction_id"),
                     "the first 100 rows of a call are logged, so many a second, and for a time",
                     "row %d of %s is not in the log of predictions", item->row, item->id);
  }
  return DB_ROWS;
}

/* ---- the answer ------------------------------------------------------------------------------------ */

static json_t *
item_view(const struct feedback *feedback, const struct item *item)
{
  json_t *view = json_pack("{s:s, s:i, s:s}", "prediction_id", item->id, "row", item->row, "state",
                           item->state ? item->state : "refused");
  json_object_set_new(view, "model",
                      item->found ? json_string(item->found->model_name) : json_null());
  json_object_set_new(view, "version",
                      item->found ? json_integer(item->found->version) : json_null());
  const char *problem = NULL, *hint = NULL;
  size_t length = strlen(item->pointer);
  for (size_t i = 0; !item->state && !problem && i < feedback->faults.kept; i++)
  {
    const struct json_fault *fault = &feedback->faults.items[i];
    if (strncmp(fault->pointer, item->pointer, length) == 0 && fault->pointer[length] == '/')
    {
      problem = fault->message;
      hint = fault->hint;
    }
  }
  if (!item->state)
    json_object_set_new(view, "problem",
                        problem
                          ? json_sprintf("%s%s%s", problem, hint ? ": " : "", hint ? hint : "")
                          : json_string("refused as those before it"));
  return view;
}

static void
reply(struct feedback *feedback)
{
  json_t *items = json_array();
  size_t good = 0, missing = 0;

  for (size_t i = 0; i < feedback->count; i++)
  {
    good += feedback->items[i].state ? 1 : 0;
    missing += feedback->items[i].missing ? 1 : 0;
    json_array_append_new(items, item_view(feedback, &feedback->items[i]));
  }
  if (good > 0)
    http_reply_json(feedback->req, 202,
                    json_pack("{s:I, s:I, s:O}", "accepted", (json_int_t) good, "refused",
                              (json_int_t) (feedback->count - good), "items", items));
  else
    http_reply_faults(feedback->req,
                      missing == feedback->count ? E_PREDICTION_NOT_FOUND : E_INVALID,
                      &feedback->faults);
  json_decref(items);
}

enum http_outcome
handle_feedback_post(struct http_request *req)
{
  struct feedback feedback = {.req = req};
  struct db_conn *conn = read_body(&feedback) ? http_db(req) : NULL;
  bool going = conn && look_up(&feedback, conn);

  for (size_t i = 0; going && i < feedback.count; i++)
    if (feedback.items[i].found)
      going = check_truth(&feedback, conn, &feedback.items[i]);
  if (going)
  {
    enum db_status status = store_changed(&feedback, conn);
    if (status == DB_ROWS)
      status = keep_missing(&feedback, conn);
    if (status == DB_ROWS)
      reply(&feedback);
    else
      http_reply_db(req, status, E_PREDICTION_NOT_FOUND);
  }
  json_decref(feedback.schema);
  return HTTP_REPLIED;
}
