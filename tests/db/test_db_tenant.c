/* Tenants, keys, sessions, sign-in codes, stored answers. */
#include <config.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "sql/db_dataset.h"
#include "sql/db_tenant.h"
#include "tests/harness/test_stage.h"

static const uint8_t *
hash_of(uint8_t seed)
{
  uint8_t *hash = arena_alloc(arena, 32);
  memset(hash, seed, 32);
  return hash;
}

/* A key whose hash is all `seed`. */
static const char *
make_key(const char *tenant_id, uint8_t seed, unsigned scopes, double expires_in_s)
{
  char *id = arena_alloc(arena, 32);
  db_id_new("key_", id, 32);
  assert_int_equal(
    db_key_insert(conn, id, tenant_id, "a key", scopes, NULL, hash_of(seed), expires_in_s),
    DB_ROWS);
  return id;
}

static void
test_tenant_is_made_once(void **state)
{
  (void) state;
  const char *first, *second;
  assert_int_equal(db_tenant_ensure(conn, "default", arena, &first), DB_ROWS);
  assert_int_equal(db_tenant_ensure(conn, "default", arena, &second), DB_ROWS);
  assert_string_equal(first, second);
  assert_true(strncmp(first, "ten_", 4) == 0);
}

static void
test_settings(void **state)
{
  (void) state;
  const char *value;
  assert_int_equal(db_setting_get(conn, "colour", arena, &value), DB_NONE);
  assert_int_equal(db_setting_set(conn, "colour", "green"), DB_ROWS);
  assert_int_equal(db_setting_set(conn, "colour", "blue"), DB_ROWS);
  assert_int_equal(db_setting_get(conn, "colour", arena, &value), DB_ROWS);
  assert_string_equal(value, "blue");
}

static void
test_key(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *other = test_db_tenant(conn, arena);
  struct db_key key;
  unsigned scopes = DB_SCOPE_PREDICT | DB_SCOPE_TRAIN;
  assert_int_equal(
    db_key_insert(conn, "key_whole", tenant, "laptop", scopes, "iris", hash_of(7), 60), DB_ROWS);
  assert_int_equal(db_key_get(conn, "key_whole", arena, &key), DB_ROWS);
  assert_string_equal(key.tenant_id, tenant);
  assert_string_equal(key.name, "laptop");
  assert_string_equal(key.model_name, "iris");
  assert_int_equal(key.scopes, scopes);
  assert_memory_equal(key.hash, hash_of(7), 32);
  assert_true(key.expires_us == key.created_us + 60000000);
  assert_true(key.revoked_us == 0);
  assert_true(key.usable);
  assert_int_equal(db_key_get(conn, "key_other", arena, &key), DB_NONE);

  /* Inserted again after a lost answer: nothing changes. */
  assert_int_equal(db_key_insert(conn, "key_whole", tenant, "x", 0, NULL, hash_of(8), 0), DB_ROWS);
  assert_int_equal(db_key_get(conn, "key_whole", arena, &key), DB_ROWS);
  assert_memory_equal(key.hash, hash_of(7), 32);

  for (unsigned i = 0; i < 16; i++)
  {
    const char *id = make_key(tenant, 9, i, 0);
    assert_int_equal(db_key_get(conn, id, arena, &key), DB_ROWS);
    assert_int_equal(key.scopes, i);
    assert_true(key.expires_us == 0);
    assert_null(key.model_name);
  }
  size_t count;
  assert_int_equal(db_key_count(conn, tenant, &count), DB_ROWS);
  assert_int_equal(count, 17);
  assert_int_equal(db_key_revoke(conn, other, "key_whole"), DB_NONE);
  assert_int_equal(db_key_revoke(conn, tenant, "key_whole"), DB_ROWS);
  assert_int_equal(db_key_revoke(conn, tenant, "key_whole"), DB_NONE);
  assert_int_equal(db_key_get(conn, "key_whole", arena, &key), DB_ROWS);
  assert_false(key.usable);
  assert_true(key.revoked_us > 0);
  db_key_count(conn, tenant, &count);
  assert_int_equal(count, 16);
  const char *expired = make_key(tenant, 1, 1, 0.000001);
  assert_int_equal(db_key_get(conn, expired, arena, &key), DB_ROWS);
  assert_false(key.usable);
  assert_int_equal(db_key_insert(conn, "key_lost", "ten_none", "x", 1, NULL, hash_of(1), 0),
                   DB_HARD);
}

static void
test_key_pages(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *cursor = NULL;
  const char *ids[7];
  for (int i = 0; i < 7; i++)
    ids[i] = make_key(tenant, 3, 1, 0);
  make_key(test_db_tenant(conn, arena), 3, 1, 0);
  int seen = 0;
  for (int page = 0; page < 4; page++)
  {
    struct db_key *keys;
    size_t count;
    assert_int_equal(db_key_list(conn, tenant, cursor, 3, arena, &keys, &count), DB_ROWS);
    assert_int_equal(count, page < 2 ? 3 : page == 2 ? 1 : 0);
    for (size_t i = 0; i < count; i++)
      assert_string_equal(keys[i].id, ids[6 - seen++]); /* newest first */
    if (count > 0)
      cursor = db_cursor(arena, keys[count - 1].created_us, keys[count - 1].id);
  }
  assert_int_equal(seen, 7);
  struct db_key *keys;
  size_t count;
  assert_int_equal(db_key_list(conn, tenant, "yesterday", 3, arena, &keys, &count), DB_NONE);
}

static void
test_sessions(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena);
  const char *key = make_key(tenant, 4, DB_SCOPE_READ, 0);
  struct db_session session;
  assert_int_equal(db_session_insert(conn, hash_of(40), key, "csrf", 3600), DB_ROWS);
  assert_int_equal(db_session_insert(conn, hash_of(41), key, "csrf", 0.000001), DB_ROWS);
  assert_int_equal(db_session_get(conn, hash_of(40), arena, &session), DB_ROWS);
  assert_string_equal(session.key.id, key);
  assert_string_equal(session.key.tenant_id, tenant);
  assert_int_equal(session.key.scopes, DB_SCOPE_READ);
  assert_string_equal(session.csrf, "csrf");
  assert_true(session.expires_us > session.key.created_us);
  assert_int_equal(db_session_get(conn, hash_of(41), arena, &session), DB_NONE);
  assert_int_equal(db_session_get(conn, hash_of(42), arena, &session), DB_NONE);
  assert_int_equal(db_session_delete(conn, hash_of(40)), DB_ROWS);
  assert_int_equal(db_session_delete(conn, hash_of(40)), DB_NONE);
  assert_int_equal(db_session_get(conn, hash_of(40), arena, &session), DB_NONE);
  /* Revoking a key ends its sessions. */
  assert_int_equal(db_session_insert(conn, hash_of(43), key, "csrf", 3600), DB_ROWS);
  assert_int_equal(db_key_revoke(conn, tenant, key), DB_ROWS);
  assert_int_equal(db_session_get(conn, hash_of(43), arena, &session), DB_NONE);
}

static void
test_sign_in_code_is_used_once(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *got = NULL;
  const char *key = make_key(tenant, 5, DB_SCOPE_ADMIN, 0);
  assert_int_equal(db_sign_in_code_insert(conn, hash_of(50), key, 900), DB_ROWS);
  assert_int_equal(db_sign_in_code_insert(conn, hash_of(51), key, 0.000001), DB_ROWS);
  assert_int_equal(db_sign_in_code_insert(conn, hash_of(52), key, 900), DB_ROWS);
  assert_int_equal(db_sign_in_code_use(conn, hash_of(50), arena, &got), DB_ROWS);
  assert_string_equal(got, key);
  assert_int_equal(db_sign_in_code_use(conn, hash_of(50), arena, &got), DB_NONE);
  assert_int_equal(db_sign_in_code_use(conn, hash_of(51), arena, &got), DB_NONE);
  assert_int_equal(db_sign_in_code_use(conn, hash_of(53), arena, &got), DB_NONE);
  assert_int_equal(db_key_revoke(conn, tenant, key), DB_ROWS);
  assert_int_equal(db_sign_in_code_use(conn, hash_of(52), arena, &got), DB_NONE);
}

static void
test_stored_answers(void **state)
{
  (void) state;
  const char *tenant = test_db_tenant(conn, arena), *other = test_db_tenant(conn, arena);
  struct db_stored_answer answer;
  assert_int_equal(
    db_idempotency_claim(conn, tenant, "jobs", "k", hash_of(1), "in_a:1", arena, &answer), DB_NONE);
  /* Somebody else's, another route's and another key's claims are others. */
  assert_int_equal(
    db_idempotency_claim(conn, other, "jobs", "k", hash_of(1), "in_a:1", arena, &answer), DB_NONE);
  assert_int_equal(
    db_idempotency_claim(conn, tenant, "datasets", "k", hash_of(1), "in_a:1", arena, &answer),
    DB_NONE);
  assert_int_equal(
    db_idempotency_claim(conn, tenant, "jobs", "l", hash_of(1), "in_a:1", arena, &answer), DB_NONE);
  assert_int_equal(
    db_idempotency_claim(conn, tenant, "jobs", "k", hash_of(1), "in_a:1", arena, &answer), DB_ROWS);
  assert_true(answer.same_content);
  assert_false(answer.finished);
  assert_int_equal(
    db_idempotency_finish(conn, tenant, "jobs", "k", "in_a:1", 202, "{\"id\":1}", "/jobs/1"),
    DB_ROWS);
  assert_int_equal(
    db_idempotency_claim(conn, tenant, "jobs", "k", hash_of(2), "in_a:1", arena, &answer), DB_ROWS);
  assert_false(answer.same_content);
  assert_true(answer.finished);
  assert_int_equal(answer.status, 202);
  assert_string_equal(answer.body, "{\"id\":1}");
  assert_string_equal(answer.location, "/jobs/1");
  /* What has been answered stays. */
  assert_int_equal(db_idempotency_finish(conn, tenant, "jobs", "k", "in_a:1", 201, NULL, NULL),
                   DB_NONE);
  assert_int_equal(db_idempotency_drop(conn, tenant, "jobs", "k", "in_a:1"), DB_NONE);
  assert_int_equal(db_idempotency_finish(conn, tenant, "jobs", "l", "in_a:1", 201, NULL, NULL),
                   DB_ROWS);
  assert_int_equal(
    db_idempotency_claim(conn, tenant, "jobs", "l", hash_of(1), "in_a:2", arena, &answer), DB_ROWS);
  assert_true(answer.finished);
  assert_null(answer.body);
  assert_null(answer.location);
  assert_int_equal(db_idempotency_drop(conn, tenant, "datasets", "k", "in_a:1"), DB_ROWS);
  assert_int_equal(db_idempotency_drop(conn, tenant, "datasets", "k", "in_a:1"), DB_NONE);
  assert_int_equal(db_idempotency_finish(conn, tenant, "datasets", "k", "in_a:1", 201, NULL, NULL),
                   DB_NONE);
  assert_int_equal(
    db_idempotency_claim(conn, tenant, "datasets", "k", hash_of(2), "in_a:1", arena, &answer),
    DB_NONE);
}

/* Moves a claim into the past: its lease, or (of an answer) its beginning. */
static void
age_claim(const char *tenant, const char *column, const char *age)
{
  test_db_sql(conn, arena, "UPDATE idempotency SET %s = %s - interval '%s' WHERE tenant_id = '%s'",
              column, column, age, tenant);
}

static enum db_status
claim_as(const char *tenant, const char *holder, uint8_t content, struct db_stored_answer *answer)
{
  *answer = (struct db_stored_answer){0};
  return db_idempotency_claim(conn, tenant, "jobs", "k", hash_of(content), holder, arena, answer);
}

/* A claim that nobody keeps is taken over by the same request, which is told the seed of the first attempt; the
 * first, should it still live, has nothing to say any more. */
static void
test_claims_are_kept_or_taken_over(void **state)
{
  (void) state;
  static const char *const holders[] = {"in_p:1", "in_none:9"};
  const char *tenant = test_db_tenant(conn, arena);
  struct db_stored_answer answer;
  assert_int_equal(claim_as(tenant, "in_p:1", 1, &answer), DB_NONE);
  assert_false(answer.taken_over);
  const char *seed = answer.seed;
  assert_int_equal(strlen(seed), 20);
  age_claim(tenant, "lease_until", "59 seconds");
  assert_int_equal(claim_as(tenant, "in_b:1", 1, &answer), DB_ROWS);
  assert_int_equal(db_idempotency_renew(conn, holders, 2, 60), DB_ROWS);
  age_claim(tenant, "lease_until", "59 seconds");
  assert_int_equal(claim_as(tenant, "in_b:1", 1, &answer), DB_ROWS);
  age_claim(tenant, "lease_until", "2 seconds");
  assert_int_equal(claim_as(tenant, "in_b:1", 2, &answer), DB_ROWS);
  assert_false(answer.same_content);
  assert_int_equal(claim_as(tenant, "in_b:1", 1, &answer), DB_NONE);
  assert_true(answer.taken_over);
  assert_string_equal(answer.seed, seed);
  assert_int_equal(db_idempotency_finish(conn, tenant, "jobs", "k", "in_p:1", 201, "a", NULL),
                   DB_NONE);
  assert_int_equal(db_idempotency_drop(conn, tenant, "jobs", "k", "in_p:1"), DB_NONE);
  assert_int_equal(db_idempotency_renew(conn, holders, 2, 60), DB_NONE);
  assert_int_equal(db_idempotency_orphan(conn, "in_p"), DB_NONE);
  assert_int_equal(claim_as(tenant, "in_c:1", 1, &answer), DB_ROWS);
  assert_int_equal(db_idempotency_orphan(conn, "in_b"), DB_ROWS);
  assert_int_equal(claim_as(tenant, "in_p:1", 1, &answer), DB_NONE);
  assert_string_equal(answer.seed, seed);
  assert_int_equal(db_idempotency_renew(conn, holders, 2, 0), DB_ROWS);
  assert_int_equal(claim_as(tenant, "in_c:1", 1, &answer), DB_NONE);
  assert_string_equal(answer.seed, seed);
  assert_int_equal(db_idempotency_finish(conn, tenant, "jobs", "k", "in_c:1", 201, "c", NULL),
                   DB_ROWS);
  assert_int_equal(db_idempotency_orphan(conn, "in_c"), DB_NONE);
  assert_int_equal(claim_as(tenant, "in_d:1", 1, &answer), DB_ROWS);
  assert_string_equal(answer.body, "c");
  /* The next day it is another request. */
  age_claim(tenant, "created_at", "23 hours");
  assert_int_equal(claim_as(tenant, "in_d:1", 2, &answer), DB_ROWS);
  age_claim(tenant, "created_at", "2 hours");
  assert_int_equal(claim_as(tenant, "in_d:1", 2, &answer), DB_NONE);
  assert_false(answer.taken_over);
  assert_string_not_equal(answer.seed, seed);
}

/* Eight connections claim the same key at the same moment. */
struct racer
{
  const char *tenant;
  char holder[20];
  pthread_barrier_t *barrier;
  int won, lost;
};

static void *
race(void *context)
{
  struct racer *racer = context;
  struct db_conn *own = NULL;
  struct arena *memory = arena_new(0);
  uint8_t digest[32] = {1};
  bool ready = memory != NULL && db_connect(test_db_conninfo(), "test", &own, NULL) == ERR_OK;
  for (int i = 0; i < 20; i++)
  {
    char key[16];
    struct db_stored_answer answer;
    snprintf(key, sizeof key, "race%d", i);
    pthread_barrier_wait(racer->barrier);
    if (!ready)
      continue;
    enum db_status status =
      db_idempotency_claim(own, racer->tenant, "jobs", key, digest, racer->holder, memory, &answer);
    racer->won += status == DB_NONE;
    racer->lost += status == DB_ROWS && answer.same_content && !answer.finished;
  }
  db_close(own);
  arena_free(memory);
  return NULL;
}

static void
test_race_for_a_claim(void **state)
{
  (void) state;
  enum
  {
    RACERS = 8
  };
  pthread_barrier_t barrier;
  struct racer racers[RACERS];
  pthread_t threads[RACERS];
  const char *tenant = test_db_tenant(conn, arena);
  pthread_barrier_init(&barrier, NULL, RACERS);
  for (int i = 0; i < RACERS; i++)
  {
    racers[i] = (struct racer){.tenant = tenant, .barrier = &barrier};
    snprintf(racers[i].holder, sizeof racers[i].holder, "in_r:%d", i);
    pthread_create(&threads[i], NULL, race, &racers[i]);
  }
  int won = 0, lost = 0;
  for (int i = 0; i < RACERS; i++)
  {
    pthread_join(threads[i], NULL);
    won += racers[i].won;
    lost += racers[i].lost;
  }
  pthread_barrier_destroy(&barrier);
  assert_int_equal(won, 20);
  assert_int_equal(lost, 20 * (RACERS - 1));
}

int
main(int argc, char **argv)
{
  (void) argc;
  test_db_start(argv);
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_tenant_is_made_once),
                                     cmocka_unit_test(test_settings),
                                     cmocka_unit_test(test_key),
                                     cmocka_unit_test(test_key_pages),
                                     cmocka_unit_test(test_sessions),
                                     cmocka_unit_test(test_sign_in_code_is_used_once),
                                     cmocka_unit_test(test_stored_answers),
                                     cmocka_unit_test(test_claims_are_kept_or_taken_over),
                                     cmocka_unit_test(test_race_for_a_claim)};
  return cmocka_run_group_tests_name("db_tenant", tests, stage_setup, stage_teardown);
}
