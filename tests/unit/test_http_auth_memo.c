/* What a thread remembers of keys: for a time, until anything is forgotten, and only that very text. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "server/http_auth_memo.h"

#define KEY "Bearer atk_0123456789abcdefghjk_abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQ"

static struct http_identity
identity_of(const char *tenant)
{
  struct http_identity identity = {.scopes = 1};
  snprintf(identity.tenant_id, sizeof identity.tenant_id, "%s", tenant);
  return identity;
}

static void
keep(uint64_t generation, const char *header, double until_s, const char *tenant)
{
  struct http_identity identity = identity_of(tenant);
  http_auth_memo_keep(generation, header, until_s, &identity);
}

static bool
knows(uint64_t generation, const char *header, double now_s, const char *tenant)
{
  struct http_identity identity;
  if (!http_auth_memo_find(generation, header, now_s, &identity))
    return false;
  assert_string_equal(identity.tenant_id, tenant);
  return true;
}

static void
for_a_time(void **state)
{
  uint64_t generation = http_auth_memo_generation();
  (void) state;
  assert_false(knows(generation, KEY, 1.0, ""));
  keep(generation, KEY, 2.0, "ten_a");
  assert_true(knows(generation, KEY, 1.0, "ten_a"));
  assert_true(knows(generation, KEY, 1.999, "ten_a"));
  assert_false(knows(generation, KEY, 2.0, ""));
  keep(generation, KEY, 4.0, "ten_b");
  assert_true(knows(generation, KEY, 3.0, "ten_b"));
}

static void
until_anything_is_forgotten(void **state)
{
  uint64_t generation = http_auth_memo_generation();
  (void) state;
  keep(generation, KEY, 2.0, "ten_a");
  assert_false(knows(generation + 1, KEY, 1.0, ""));
  assert_false(knows(http_auth_memo_generation(), KEY, 1.0, ""));
  assert_true(knows(generation, KEY, 1.0, "ten_a"));
}

/* One character more, less or other, anywhere, is another header. */
static void
only_that_text(void **state)
{
  uint64_t generation = http_auth_memo_generation();
  char other[sizeof KEY + 40];
  size_t length = strlen(KEY);
  (void) state;
  keep(generation, KEY, 2.0, "ten_a");
  for (size_t i = 0; i < length; i++)
  {
    strcpy(other, KEY);
    other[i] ^= 1;
    assert_false(knows(generation, other, 1.0, ""));
    other[i] = '\0';
    assert_false(knows(generation, other, 1.0, ""));
  }
  snprintf(other, sizeof other, "%s%s", KEY, " ");
  assert_false(knows(generation, other, 1.0, ""));
  assert_true(knows(generation, KEY, 1.0, "ten_a"));
  memset(other, 'x', sizeof other - 1);
  other[sizeof other - 1] = '\0';
  keep(generation, other, 2.0, "ten_a");
  assert_false(knows(generation, other, 1.0, ""));
  keep(generation, "", 2.0, "ten_a");
  assert_false(knows(generation, "", 1.0, ""));
}

/* More keys than places push each other out, and are never taken for each other. */
static void
many_keys(void **state)
{
  uint64_t generation = http_auth_memo_generation();
  char header[sizeof KEY], tenant[16];
  (void) state;
  for (int i = 0; i < 200; i++)
  {
    snprintf(header, sizeof header, "Bearer atk_%020d_%s", i, KEY + 32);
    snprintf(tenant, sizeof tenant, "ten_%d", i);
    keep(generation, header, 2.0, tenant);
    assert_true(knows(generation, header, 1.0, tenant));
    snprintf(header, sizeof header, "Bearer atk_%020d_%s", i / 2, KEY + 32);
    snprintf(tenant, sizeof tenant, "ten_%d", i / 2);
    knows(generation, header, 1.0, tenant);
  }
}

static void *
ask_elsewhere(void *context)
{
  const uint64_t *generation = context;
  struct http_identity identity;
  return http_auth_memo_find(*generation, KEY, 1.0, &identity) ? "another thread's note" : NULL;
}

static void
own_thread(void **state)
{
  uint64_t generation = http_auth_memo_generation();
  pthread_t thread;
  void *fault;
  (void) state;
  keep(generation, KEY, 2.0, "ten_a");
  assert_int_equal(pthread_create(&thread, NULL, ask_elsewhere, &generation), 0);
  assert_int_equal(pthread_join(thread, &fault), 0);
  assert_null(fault);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(for_a_time),     cmocka_unit_test(until_anything_is_forgotten),
    cmocka_unit_test(only_that_text), cmocka_unit_test(many_keys),
    cmocka_unit_test(own_thread),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
