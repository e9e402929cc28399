/* Tenants, API keys, sessions, sign-in codes, stored answers of idempotent requests.
 * Hashes are BLAKE2b-256 of the secret; secrets never reach the database.
 */
#ifndef ATTUNE_SQL_DB_TENANT_H
#define ATTUNE_SQL_DB_TENANT_H

#include "sql/db.h"

enum db_scope
{
  DB_SCOPE_PREDICT = 1,
  DB_SCOPE_READ = 2,
  DB_SCOPE_TRAIN = 4,
  DB_SCOPE_ADMIN = 8
};

struct db_key
{
  const char *id;
  const char *tenant_id;
  const char *name;
  unsigned scopes;        /* of enum db_scope */
  const char *model_name; /* NULL = every model */
  const char *model_id;   /* of that model; NULL while there is none */
  uint8_t hash[32];
  int64_t created_us;
  int64_t expires_us; /* 0 = never */
  int64_t revoked_us; /* 0 = not */
  bool usable;        /* neither expired nor revoked, by the database's clock */
  bool tenant_disabled;
  bool tenant_root;          /* its admin keys may make tenants */
  const char *tenant_limits; /* JSON text: what differs from the installation's limits */
};

struct db_tenant
{
  const char *id;
  const char *name;
  bool root;          /* the first one */
  const char *limits; /* JSON text: what differs from the installation's limits */
  int64_t created_us;
  int64_t disabled_us; /* 0 = not */
};

/* Makes the tenant of this name unless there is one, the first of all as root; its id goes to *tenant_id. */
enum db_status db_tenant_ensure(struct db_conn *conn, const char *name, struct arena *arena,
                                const char **tenant_id);
/* The root tenant's id; DB_NONE when there is no tenant at all. */
enum db_status db_tenant_root(struct db_conn *conn, struct arena *arena, const char **tenant_id);
/* A tenant and its first key, which has every scope, in one transaction. DB_NONE: the name is taken. */
struct db_tenant_new
{
  const char *id;
  const char *name;
  const char *limits; /* JSON text, an object */
  const char *key_id;
  const char *key_name;
  uint8_t key_hash[32];
};
enum db_status db_tenant_insert(struct db_conn *conn, const struct db_tenant_new *tenant);
enum db_status db_tenant_get(struct db_conn *conn, const char *id, struct arena *arena,
                             struct db_tenant *tenant);
/* Newest first, as db_key_list. */
enum db_status db_tenant_list(struct db_conn *conn, const char *cursor, size_t limit,
                              struct arena *arena, struct db_tenant **tenants, size_t *count);
/* What is to be different; NULL pointers leave things as they are. Members of `limits` (JSON text) replace
 * those of the same name, nulls remove them. Notifies "tenant <id>". DB_NONE: no such tenant, or, with
 * *name_taken, another has that name. */
struct db_tenant_change
{
  const char *name;
  const char *limits;
  const bool *disabled;
};
enum db_status db_tenant_update(struct db_conn *conn, const char *id,
                                const struct db_tenant_change *change, bool *name_taken);
/* Removes a disabled tenant that never had a dataset, job, model or webhook, with its keys, audit and usage.
 * DB_NONE: no such tenant, or, with *busy, it is in use or not disabled. */
enum db_status db_tenant_delete(struct db_conn *conn, const char *id, bool *busy);
/* Within a transaction: who else locks this tenant waits until its end, so that what is counted against a
 * limit stays so. DB_NONE: no such tenant. */
enum db_status db_tenant_lock(struct db_conn *conn, const char *id);
/* What a tenant uses of its limits. */
struct db_tenant_use
{
  uint64_t tenant_bytes; /* of datasets and batches */
  uint64_t live_jobs;
  uint64_t live_uploads;
  uint64_t keys;
};
enum db_status db_tenant_use(struct db_conn *conn, const char *id, struct db_tenant_use *use);

/* Inserts a key (id given); expires_in_s 0 = never. Notifies "key <id>". */
enum db_status db_key_insert(struct db_conn *conn, const char *id, const char *tenant_id,
                             const char *name, unsigned scopes, const char *model_name,
                             const uint8_t hash[32], double expires_in_s);
/* By id, whatever its tenant (for authentication). */
enum db_status db_key_get(struct db_conn *conn, const char *id, struct arena *arena,
                          struct db_key *key);
/* Newest first, after the cursor (NULL = from the start): opaque text "created_us:id". */
enum db_status db_key_list(struct db_conn *conn, const char *tenant_id, const char *cursor,
                           size_t limit, struct arena *arena, struct db_key **keys, size_t *count);
/* Revokes and notifies; DB_NONE if the tenant has no such usable key. */
enum db_status db_key_revoke(struct db_conn *conn, const char *tenant_id, const char *id);
enum db_status db_key_count(struct db_conn *conn, const char *tenant_id, size_t *count);

struct db_session
{
  struct db_key key; /* of the key the session was opened with */
  const char *csrf;
  int64_t expires_us;
};
enum db_status db_session_insert(struct db_conn *conn, const uint8_t hash[32], const char *key_id,
                                 const char *csrf, double lifetime_s);
/* DB_NONE when unknown, expired, or its key is not usable. */
enum db_status db_session_get(struct db_conn *conn, const uint8_t hash[32], struct arena *arena,
                              struct db_session *session);
enum db_status db_session_delete(struct db_conn *conn, const uint8_t hash[32]);

enum db_status db_sign_in_code_insert(struct db_conn *conn, const uint8_t hash[32],
                                      const char *key_id, double lifetime_s);
/* Uses up the code: *key_id of the key behind it, DB_NONE when unknown, expired or used. */
enum db_status db_sign_in_code_use(struct db_conn *conn, const uint8_t hash[32],
                                   struct arena *arena, const char **key_id);

struct db_stored_answer
{
  bool same_content;
  bool finished; /* false: the first request is still being answered */
  int status;
  const char *body;
  const char *location;
  /* of a claim that is ours: */
  const char *seed; /* the same for every attempt of this request: for the ids of what it makes */
  bool taken_over;  /* an earlier attempt died, and may have made something */
};
/* Claims (tenant, route, key) for DB_IDEMPOTENCY_LEASE_S seconds under the name of `holder`
 * ("instance:random", never used twice): DB_NONE = claimed, go on and finish it; DB_ROWS = somebody was first,
 * *answer says what they got. Claims older than 24 hours are forgotten; an unfinished one whose lease is past
 * is taken over by a request with the same content. */
#define DB_IDEMPOTENCY_LEASE_S 60
enum db_status db_idempotency_claim(struct db_conn *conn, const char *tenant_id, const char *route,
                                    const char *key, const uint8_t digest[32], const char *holder,
                                    struct arena *arena, struct db_stored_answer *answer);
/* Keeps these holders' claims for another lease of `seconds`; 0 ends them. */
enum db_status db_idempotency_renew(struct db_conn *conn, const char *const *holders, size_t count,
                                    double seconds);
/* Ends the leases of all claims of an instance whose process is known to be gone. */
enum db_status db_idempotency_orphan(struct db_conn *conn, const char *instance);
/* DB_NONE: the claim is not the holder's any more. */
enum db_status db_idempotency_finish(struct db_conn *conn, const char *tenant_id, const char *route,
                                     const char *key, const char *holder, int status,
                                     const char *body, const char *location);
/* Forgets a claim (the answer was a 5xx). */
enum db_status db_idempotency_drop(struct db_conn *conn, const char *tenant_id, const char *route,
                                   const char *key, const char *holder);

/* Settings of the installation. */
enum db_status db_setting_get(struct db_conn *conn, const char *name, struct arena *arena,
                              const char **value);
enum db_status db_setting_set(struct db_conn *conn, const char *name, const char *value);

#endif
