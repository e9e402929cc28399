#include <config.h>

#include "sql/db_patch.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/log.h"
#include "sql/db_conn.h"

/* Any number, as long as every release uses the same. */
#define LOCK_SQL_KEY INT64_C(0x617474756e65)
#define LOCK_TRIES 300
#define LOCK_PAUSE_MS 200

/* What the database says about its schema. */
struct found
{
  int newest;      /* -1: empty */
  int count;       /* of the patches it has */
  int serves_from; /* programs that know at least this patch can use it */
};

/* A patch that takes away what older programs use raises the setting schema_serves_from. */
static enum db_status
look(struct db_conn *conn, struct found *found)
{
  static const struct db_statement have = {"patch_have",
                                           "SELECT to_regclass('schema_patch') IS NOT NULL"};
  static const struct db_statement state = {
    "patch_state",
    "SELECT coalesce(max(number), -1), count(*)::int,"
    " coalesce((SELECT value FROM setting WHERE name = 'schema_serves_from'), '0')::int"
    " FROM schema_patch"};
  static const struct db_column columns[] = {{DB_INT4, offsetof(struct found, newest), 0},
                                             {DB_INT4, offsetof(struct found, count), 0},
                                             {DB_INT4, offsetof(struct found, serves_from), 0}};
  *found = (struct found){.newest = -1};
  bool there = false;
  enum db_status status = db_exec_one(conn, &have, DB_NO_PARAMS, DB_SCALAR(DB_BOOL), NULL, &there);
  if (status == DB_ROWS && there)
    status = db_exec_one(conn, &state, DB_NO_PARAMS, DB_COLUMNS(columns), NULL, found);
  return status;
}

static enum err
could_not(const struct db_conn *conn, enum db_status status, struct err_info *info,
          const char *what)
{
  return err_set(info, status == DB_SOFT ? ERR_UNAVAILABLE : ERR_INTERNAL, "could not %s: %s", what,
                 db_last_error(conn));
}

/* One program at a time; the others wait their turn for up to a minute. */
static enum err
lock(struct db_conn *conn, struct err_info *info)
{
  static const struct db_statement try = {"patch_lock", "SELECT pg_try_advisory_lock($1)"};
  for (int i = 0; i < LOCK_TRIES; i++)
  {
    bool ours = false;
    enum db_status status =
      db_exec_one(conn, &try, DB_PARAMS(db_int8(LOCK_SQL_KEY)), DB_SCALAR(DB_BOOL), NULL, &ours);
    if (status != DB_ROWS)
      return could_not(conn, status, info, "take the lock for schema patches");
    if (ours)
      return ERR_OK;
    nanosleep(&(struct timespec){.tv_nsec = LOCK_PAUSE_MS * 1000000L}, NULL);
  }
  return err_set(info, ERR_UNAVAILABLE,
                 "another program has been applying schema patches for a minute; try again");
}

static void
unlock(struct db_conn *conn)
{
  static const struct db_statement release = {"patch_unlock", "SELECT pg_advisory_unlock($1)"};
  if (db_is_open(conn))
    db_exec_none(conn, &release, DB_PARAMS(db_int8(LOCK_SQL_KEY)));
}

/* A patch may take long by itself but must not wait long for a lock: every later query on the table
 * would queue up behind it. */
static enum db_status
apply_one(struct db_conn *conn, void *context)
{
  static const struct db_statement note = {
    "patch_note", "INSERT INTO schema_patch (number, name) VALUES ($1, $2)"};
  const struct db_patch *patch = context;
  enum db_status status =
    db_exec_sql(conn, "SET LOCAL lock_timeout = '5s'; SET LOCAL statement_timeout = 0");
  if (status == DB_ROWS)
    status = db_exec_sql(conn, patch->sql);
  if (status == DB_ROWS)
    status = db_exec_none(conn, &note, DB_PARAMS(db_int4(patch->number), db_text(patch->name)));
  return status;
}

static enum err
apply_missing(struct db_conn *conn, int last, int *from, int *to, struct err_info *info)
{
  struct found found;
  enum db_status status = look(conn, &found);
  if (status != DB_ROWS)
    return could_not(conn, status, info, "read the schema's version");
  *from = *to = found.newest;
  if (found.count != found.newest + 1)
    return err_set(
      info, ERR_CONFLICT,
      "the database has %d schema patches but the newest is number %d; restore it from "
      "a backup",
      found.count, found.newest);
  for (int i = found.newest + 1; i <= last; i++)
  {
    struct db_patch patch = db_patches[i];
    status = db_tx_run(conn, patch.name, apply_one, &patch);
    if (status != DB_ROWS)
      return err_set(info, status == DB_SOFT ? ERR_UNAVAILABLE : ERR_INTERNAL,
                     "schema patch %s could not be applied: %s", patch.name, db_last_error(conn));
    log_info("applied schema patch %s", patch.name);
    *to = i;
  }
  return ERR_OK;
}

static enum err
check_server(const struct db_conn *conn, struct err_info *info)
{
  const char *encoding = PQparameterStatus(conn->pg, "server_encoding");
  if (encoding == NULL || strcmp(encoding, "UTF8") != 0)
    return err_set(info, ERR_CONFLICT,
                   "the database's encoding is %s; make one with: createdb --template=template0 "
                   "--encoding=UTF8 NAME",
                   encoding != NULL ? encoding : "unknown");
  int version = PQserverVersion(conn->pg);
  if (version < 130000)
    return err_set(info, ERR_CONFLICT, "the server is PostgreSQL %d; 13 or newer is needed",
                   version / 10000);
  return ERR_OK;
}

enum err
db_patch_apply_to(struct db_conn *conn, int last, int *from, int *to, struct err_info *info)
{
  *from = *to = -1;
  if (db_conn_ready(conn) != DB_ROWS)
    return err_set(info, ERR_UNAVAILABLE, "could not reach the database: %s", db_last_error(conn));
  enum err err = check_server(conn, info);
  if (err == ERR_OK)
    err = lock(conn, info);
  if (err != ERR_OK)
    return err;
  err = apply_missing(conn, last, from, to, info);
  unlock(conn);
  return err;
}

enum err
db_patch_apply(struct db_conn *conn, int *from, int *to, struct err_info *info)
{
  return db_patch_apply_to(conn, db_patch_count - 1, from, to, info);
}

enum err
db_patch_check(struct db_conn *conn, struct err_info *info)
{
  struct found found;
  enum db_status status = look(conn, &found);
  if (status != DB_ROWS)
    return could_not(conn, status, info, "read the schema's version");
  int newest = db_patch_count - 1;
  if (found.newest < 0)
    return err_set(info, ERR_CONFLICT, "the database has no schema yet; run attune-dbinit");
  if (found.newest < newest)
    return err_set(info, ERR_CONFLICT,
                   "the database's schema is at patch %d and this program needs %d; run "
                   "attune-dbinit of this release",
                   found.newest, newest);
  if (found.serves_from > newest)
    return err_set(info, ERR_CONFLICT,
                   "the database's schema is at patch %d and serves programs that know patch %d or "
                   "later, this one knows %d; update this program",
                   found.newest, found.serves_from, newest);
  return ERR_OK;
}
