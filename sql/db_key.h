/* Private to sql/: the columns of an API key, wherever a query gives one. The
 * tables' names are k and, its tenant's, t. */
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
  " k.model_name,"                                                                                 \
  " (SELECT b.id FROM model b WHERE b.tenant_id = k.tenant_id AND b.name = k.model_name),"         \
  " k.hash, k.created_at, k.expires_at, k.revoked_at, " DB_KEY_USABLE_SQL                          \
  ", t.disabled_at IS NOT NULL, t.is_root, t.limits"

/* The tables of these columns. */
#define DB_KEY_TABLES_SQL "api_key k JOIN tenant t ON t.id = k.tenant_id"

/* `base`: the offset of the struct db_key within the row. */
#define DB_KEY_COLUMNS(base)                                                                       \
  {DB_TEXT, (base) + offsetof(struct db_key, id), 0},                                              \
    {DB_TEXT, (base) + offsetof(struct db_key, tenant_id), 0},                                     \
    {DB_TEXT, (base) + offsetof(struct db_key, name), 0},                                          \
    {DB_INT4, (base) + offsetof(struct db_key, scopes), 0},                                        \
    {DB_TEXT, (base) + offsetof(struct db_key, model_name), 0},                                    \
    {DB_TEXT, (base) + offsetof(struct db_key, model_id), 0},                                      \
    {DB_HASH, (base) + offsetof(struct db_key, hash), 0},                                          \
    {DB_TIME, (base) + offsetof(struct db_key, created_us), 0},                                    \
    {DB_TIME, (base) + offsetof(struct db_key, expires_us), 0},                                    \
    {DB_TIME, (base) + offsetof(struct db_key, revoked_us), 0},                                    \
    {DB_BOOL, (base) + offsetof(struct db_key, usable), 0},                                        \
    {DB_BOOL, (base) + offsetof(struct db_key, tenant_disabled), 0},                               \
    {DB_BOOL, (base) + offsetof(struct db_key, tenant_root), 0},                                   \
  {                                                                                                \
    DB_JSON, (base) + offsetof(struct db_key, tenant_limits), 0                                    \
  }

#endif
