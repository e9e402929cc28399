#include <config.h>

#include "sql/db_work_internal.h"

struct claim
{
  const struct work_alone *kind;
  const char *worker;
  struct arena *arena;
  void *unit;
};

static enum db_status
claim_one(struct db_conn *conn, void *context)
{
  const struct claim *claim = context;
  int64_t number = 0;
  enum db_status status = db_exec_one(
    conn, claim->kind->take,
    DB_PARAMS(db_text(claim->worker), db_float8(DB_WORK_LEASE_S), db_int4(DB_WORK_MAX_ATTEMPTS)),
    DB_SCALAR(DB_INT8), NULL, &number);
  return status != DB_ROWS
           ? status
           : db_exec_one(conn, claim->kind->get, DB_PARAMS(db_int8(number)), claim->kind->columns,
                         claim->kind->column_count, claim->arena, claim->unit);
}

enum db_status
work_alone_claim(struct db_conn *conn, const struct work_alone *kind, const char *worker,
                 struct arena *arena, void *unit)
{
  struct claim claim = {.kind = kind, .worker = worker, .arena = arena, .unit = unit};
  return db_tx_run(conn, kind->take->name, claim_one, &claim);
}

enum db_status
work_alone_put_back(struct db_conn *conn, const struct work_alone *kind,
                    const struct db_work_lease *lease, enum db_work_end how)
{
  enum db_status status = DB_NONE;
  if (how == DB_WORK_RETRY || how == DB_WORK_RELEASE)
    status =
      db_exec_none(conn, kind->put_back,
                   DB_PARAMS(db_int8(lease->unit_id), db_int8(lease->lease_token),
                             db_int4(how == DB_WORK_RELEASE), db_int4(DB_WORK_MAX_ATTEMPTS)));
  return status == DB_ROWS ? db_notify(conn, "work", NULL) : status;
}
