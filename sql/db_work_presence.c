#include <config.h>

#include "sql/db_work.h"

#include <math.h>

#include "sql/db_work_internal.h"

/* The installation's "engine_seen" says when an engine was last there, in seconds since 1970 by the
 * database's clock. */
#define TOUCH_EVERY_S 2.0

static enum db_status
read_absence(struct db_conn *conn, double *absence_s)
{
  static const struct db_statement read = {
    "work_absence", "SELECT extract(epoch FROM clock_timestamp())::float8 - value::float8"
                    " FROM setting WHERE name = 'engine_seen'"};
  *absence_s = NAN;
  return db_exec_one(conn, &read, DB_NO_PARAMS, DB_SCALAR(DB_FLOAT8), NULL, absence_s);
}

static enum db_status
touch(struct db_conn *conn)
{
  /* Whoever finds the row locked need not wait: another engine is telling the same. */
  static const struct db_statement update = {
    "work_touch", "UPDATE setting SET value = extract(epoch FROM clock_timestamp())::text"
                  " WHERE name IN (SELECT name FROM setting WHERE name = 'engine_seen'"
                  " FOR UPDATE SKIP LOCKED)"};
  return db_exec_none(conn, &update, DB_NO_PARAMS);
}

/* An engine is back after a silence: one of those that come puts the clocks back. */
static enum db_status
return_in_tx(struct db_conn *conn, void *context)
{
  static const struct db_statement lock = {
    "work_lock_seen", "SELECT 1 FROM setting WHERE name = 'engine_seen' FOR UPDATE"};
  static const struct db_statement shift = {
    "work_shift_clocks",
    /* What of the silence came before a pause's end was settled by the pause. */
    "UPDATE job SET idle_s = idle_s + greatest(least($1, extract(epoch FROM"
    " now() - coalesce(resumed_at, started_at))), 0)"
    " WHERE state = 'running' AND started_at IS NOT NULL"};
  double absence_s = 0;
  (void) context;
  enum db_status status = db_exec_none(conn, &lock, DB_NO_PARAMS);
  if (status == DB_ROWS)
    status = read_absence(conn, &absence_s);
  if (status != DB_ROWS || absence_s < DB_WORK_ABSENCE_S)
    return status;
  status = db_exec_none(conn, &shift, DB_PARAMS(db_float8(absence_s)));
  return status < DB_NONE ? status : touch(conn);
}

enum db_status
db_work_presence(struct db_conn *conn)
{
  static const struct db_statement first = {
    "work_first_seen",
    "INSERT INTO setting (name, value) VALUES"
    " ('engine_seen', extract(epoch FROM clock_timestamp())::text) ON CONFLICT DO NOTHING"};
  double absence_s = 0;
  enum db_status status = read_absence(conn, &absence_s);
  if (status == DB_NONE)
    return db_exec_none(conn, &first, DB_NO_PARAMS);
  if (status < DB_NONE || absence_s < TOUCH_EVERY_S)
    return status;
  if (absence_s >= DB_WORK_ABSENCE_S)
    return db_tx_run(conn, "work_return", return_in_tx, NULL);
  return touch(conn);
}
