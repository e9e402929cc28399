/* The end of models and versions; and finding the one of a path. */
#include <config.h>

#include "server/handler/handlers.h"

#include "server/handler/model_find.h"
#include "server/model_cache.h"
#include "server/names.h"
#include "sql/db_alias.h"
#include "sql/db_model.h"

bool
model_find(struct http_request *req, struct db_conn *conn, const char **id, const char **name)
{
  struct db_model_version *rows = NULL;
  size_t count = 0;
  enum db_status status = db_model_version_list(conn, req->tenant_id, http_arg(req, "model"), 1,
                                                req->arena, &rows, &count);

  if (status == DB_ROWS && count == 0)
    status = DB_NONE;
  if (status != DB_ROWS)
  {
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
    return false;
  }
  *id = rows[0].model_id;
  *name = rows[0].model_name;
  return true;
}

struct removal
{
  const char *model_id;
  int version; /* 0 = the model with all of its own */
  struct db_model_uses uses;
  bool used;
};

static enum db_status
remove_now(struct db_conn *conn, void *context)
{
  struct removal *removal = context;
  enum db_status status = db_alias_lock(conn, removal->model_id);

  if (status == DB_ROWS)
    status = db_model_uses(conn, removal->model_id, removal->version, &removal->uses);
  removal->used =
    status == DB_ROWS && (removal->uses.aliases || removal->uses.batches || removal->uses.jobs);
  if (status == DB_ROWS && !removal->used)
    status = db_model_delete(conn, removal->model_id, removal->version);
  return status;
}

static enum http_outcome
remove_model(struct http_request *req, int version)
{
  struct removal removal = {.version = version};
  struct db_conn *conn = http_db(req);
  const char *name;
  enum db_status status;

  if (!conn || !model_find(req, conn, &removal.model_id, &name))
    return HTTP_REPLIED;
  status = db_tx_run(conn, "model_remove", remove_now, &removal);
  if (status == DB_ROWS && removal.used)
    http_reply_error(req, E_CONFLICT,
                     removal.uses.aliases ? "an alias points to this version; move it first"
                     : removal.uses.jobs
                       ? "a job that has not ended needs it; wait for the job, or cancel it"
                       : "a batch that is not done needs it; wait for it, or cancel it");
  else if (status != DB_ROWS)
    http_reply_db(req, status, E_MODEL_NOT_FOUND);
  else
  {
    model_cache_forget(req->server->models, removal.model_id);
    http_reply_empty(req);
  }
  return HTTP_REPLIED;
}

enum http_outcome
handle_model_delete(struct http_request *req)
{
  return remove_model(req, 0);
}

enum http_outcome
handle_model_version_delete(struct http_request *req)
{
  int version = version_parse(http_arg(req, "version"));

  if (version > 0)
    return remove_model(req, version);
  http_reply_error(req, E_MODEL_NOT_FOUND, NULL);
  return HTTP_REPLIED;
}
