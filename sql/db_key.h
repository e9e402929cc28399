/* Private to sql/: the columns of an API key, wherever a query gives one. The table's name is k. */
#ifndef ATTUNE_SQL_DB_KEY_H
#define ATTUNE_SQL_DB_KEY_H

#include "sql/db_exec.h"
#include "sql/db_tenant.h"

#define DB_KEY_USABLE_SQL                                                                          \
  "(k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now()))"

/* Scopes become the bits of enum db_scope. */
#define DB_KEY_SQL                                                                                 \
  "k.id, k.tenant_id, k.name,"                                                                     \
  " ('predict' = ANY (k.scopes))::int + ('read' = ANY (k.scopes))::int * 2"                        \
  " + ('train' = ANY (k.scopes))::int * 4 + ('admin' = ANY (k.scopes))::int * 8,"                  \
  " k.model_name, k.hash, k.created_at, k.expires_at, k.revoked_at, " DB_KEY_USABLE_SQL

/* `base`: the offset of the struct db_key within the row. */
#define DB_KEY_COLUMNS(base)                                                                       \
  {DB_TEXT, (base) + offsetof(struct db_key, id), 0},                                              \
    {DB_TEXT, (base) + offsetof(struct db_key, tenant_id), 0},                                     \
    {DB_TEXT, (base) + offsetof(struct db_key, name), 0},                                          \
    {DB_INT4, (base) + offsetof(struct db_key, scopes), 0},                                        \
    {DB_TEXT, (base) + offsetof(struct db_key, model_name), 0},                                    \
    {DB_HASH, (base) + offsetof(struct db_key, hash), 0},                                          \
    {DB_TIME, (base) + offsetof(struct db_key, created_us), 0},                                    \
    {DB_TIME, (base) + offsetof(struct db_key, expires_us), 0},                                    \
    {DB_TIME, (base) + offsetof(struct db_key, revoked_us), 0},                                    \
  {                                                                                                \
    DB_BOOL, (base) + offsetof(struct db_key, usable), 0                                           \
  }

#endif
