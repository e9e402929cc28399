/* What a tenant may take: token buckets, uploads at once, and limits of its own. */
#include <config.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/json.h"
#include "server/rate.h"
#include "server/tenant_limits.h"

static size_t
take(struct rate *rate, const char *tenant, double per_minute, double now_s, size_t tries,
     struct rate_state *state)
{
  size_t taken = 0;
  for (size_t i = 0; i < tries; i++)
    taken += rate_take(rate, tenant, per_minute, now_s, state);
  return taken;
}

static void
test_bucket(void **unused)
{
  (void) unused;
  struct rate *rate = rate_new();
  struct rate_state state;
  /* 600 a minute: 100 at once, then 10 a second */
  assert_int_equal(take(rate, "ten_a", 600, 1000, 200, &state), 100);
  assert_true(state.low && state.left == 0 && state.most == 100);
  assert_true(state.wait_s > 0.09 && state.wait_s <= 0.1);
  assert_int_equal(take(rate, "ten_b", 600, 1000, 1, &state), 1);
  assert_true(!state.low && state.left == 99 && state.wait_s == 0);
  assert_int_equal(take(rate, "ten_a", 600, 1000.55, 200, &state), 5);
  assert_int_equal(take(rate, "ten_a", 600, 2000, 200, &state), 100);
  /* a clock that goes back gives nothing and takes nothing */
  assert_int_equal(take(rate, "ten_a", 600, 1500, 200, &state), 0);
  assert_int_equal(take(rate, "ten_a", 600, 2001, 200, &state), 10);
  /* the least limit: one a minute, one at once */
  assert_int_equal(take(rate, "ten_c", 1, 0, 5, &state), 1);
  assert_int_equal(take(rate, "ten_c", 1, 59, 5, &state), 0);
  assert_int_equal(take(rate, "ten_c", 1, 60, 5, &state), 1);
  /* a lower limit holds at once, a higher one from now on */
  assert_int_equal(take(rate, "ten_d", 6000, 0, 1, &state), 1);
  assert_int_equal(take(rate, "ten_d", 60, 0, 100, &state), 10);
  assert_int_equal(take(rate, "ten_d", 6000, 1, 1000, &state), 100);
  rate_free(rate);
}

static void
test_many_tenants(void **unused)
{
  (void) unused;
  struct rate *rate = rate_new();
  struct rate_state state;
  char name[40];
  size_t under_way;
  assert_true(rate_upload_begin(rate, "ten_busy", 1, &under_way));
  /* far more than are kept: those that rest are forgotten, and have a full bucket when they come back */
  for (int i = 0; i < 20000; i++)
  {
    snprintf(name, sizeof name, "ten_%d", i);
    assert_int_equal(take(rate, name, 1, i, 1, &state), 1);
  }
  assert_int_equal(take(rate, "ten_0", 1, 20000, 2, &state), 1);
  /* the last one has not rested yet */
  assert_int_equal(take(rate, name, 1, 20000, 2, &state), 0);
  assert_false(rate_upload_begin(rate, "ten_busy", 1, &under_way));
  rate_free(rate);
}

static void
test_uploads(void **unused)
{
  (void) unused;
  struct rate *rate = rate_new();
  size_t under_way = 9;
  assert_true(rate_upload_begin(rate, "ten_a", 2, &under_way));
  assert_int_equal(under_way, 0);
  assert_true(rate_upload_begin(rate, "ten_a", 2, &under_way));
  assert_false(rate_upload_begin(rate, "ten_a", 2, &under_way));
  assert_int_equal(under_way, 2);
  assert_true(rate_upload_begin(rate, "ten_b", 2, &under_way));
  rate_upload_end(rate, "ten_a");
  assert_true(rate_upload_begin(rate, "ten_a", 2, &under_way));
  rate_upload_end(rate, "ten_none");
  rate_free(rate);
}

struct racer
{
  struct rate *rate;
  size_t taken;
};

static void *
race(void *context)
{
  struct racer *racer = context;
  struct rate_state state;
  for (int i = 0; i < 20000; i++)
    racer->taken += rate_take(racer->rate, "ten_a", 60000, 5, &state);
  return NULL;
}

static void
test_threads_share_a_bucket(void **unused)
{
  (void) unused;
  struct racer racers[4] = {{.rate = rate_new()}};
  pthread_t threads[4];
  size_t sum = 0;
  for (int i = 0; i < 4; i++)
  {
    racers[i].rate = racers[0].rate;
    assert_int_equal(pthread_create(&threads[i], NULL, race, &racers[i]), 0);
  }
  for (int i = 0; i < 4; i++)
  {
    pthread_join(threads[i], NULL);
    sum += racers[i].taken;
  }
  assert_int_equal(sum, 10000);
  rate_free(racers[0].rate);
}

static void
test_limits_read(void **unused)
{
  (void) unused;
  struct tenant_limits own;
  struct server_limits limits = {.live_jobs = 20, .job_seconds = 86400, .keys = 1000};
  tenant_limits_read("{\"live_jobs\": 3, \"job_seconds\": 1.5, \"keys\": 0, \"job_trials\": 2.5,"
                     " \"connections\": 9, \"other\": 1, \"tenant_bytes\": \"x\"}",
                     &own);
  tenant_limits_apply(&own, &limits);
  assert_int_equal(limits.live_jobs, 3);
  limits.upload_bytes = 5000;
  tenant_limits_read("{\"upload_bytes\": 6000}", &own);
  tenant_limits_apply(&own, &limits);
  assert_int_equal(limits.upload_bytes, 5000);
  tenant_limits_read("{\"upload_bytes\": 4000}", &own);
  tenant_limits_apply(&own, &limits);
  assert_int_equal(limits.upload_bytes, 4000);
  assert_true(limits.job_seconds == 1.5);
  assert_int_equal(limits.keys, 1000); /* 0 is out of bounds */
  assert_int_equal(limits.job_trials, 0);
  assert_int_equal(limits.connections, 0); /* not a tenant's */
  static const char *const nothing[] = {NULL, "", "null", "[]", "{", "{}"};
  for (size_t i = 0; i < sizeof nothing / sizeof nothing[0]; i++)
  {
    tenant_limits_read(nothing[i], &own);
    assert_int_equal(own.set, 0);
  }
}

static void
test_limits_checked_and_shown(void **unused)
{
  (void) unused;
  struct arena *arena = arena_new(0);
  struct json_faults faults;
  struct server_limits limits = {.live_jobs = 20, .job_seconds = 90.5, .requests_per_minute = 7};
  json_t *good = json_loads("{\"live_jobs\": 3, \"keys\": null, \"job_seconds\": 1.5}", 0, NULL);
  json_t *bad =
    json_loads("{\"live_jobs\": 1e9, \"job_trials\": 1.5, \"streams\": 5, \"keys\": true,"
               " \"live_job\": 5}",
               0, NULL);
  json_faults_init(&faults, arena);
  tenant_limits_check(good, "/limits", &faults);
  assert_int_equal(faults.count, 0);
  tenant_limits_check(bad, "/limits", &faults);
  assert_int_equal(faults.count, 5);
  assert_string_equal(faults.items[4].pointer, "/limits/live_job");
  assert_string_equal(faults.items[4].hint, "live_jobs");
  tenant_limits_check(json_true(), "/limits", &faults);
  assert_int_equal(faults.count, 6);
  json_t *view = tenant_limits_view(&limits);
  assert_int_equal(json_integer_value(json_object_get(view, "live_jobs")), 20);
  assert_int_equal(json_integer_value(json_object_get(view, "requests_per_minute")), 7);
  assert_true(json_real_value(json_object_get(view, "job_seconds")) == 90.5);
  assert_null(json_object_get(view, "connections"));
  /* every name that is shown can be set */
  struct tenant_limits own;
  char *text = json_dumps(view, 0);
  assert_non_null(json_object_get(view, "webhooks"));
  tenant_limits_read(text, &own);
  assert_true(own.set != 0);
  free(text);
  json_decref(view);
  json_decref(good);
  json_decref(bad);
  arena_free(arena);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_bucket),      cmocka_unit_test(test_many_tenants),
    cmocka_unit_test(test_uploads),     cmocka_unit_test(test_threads_share_a_bucket),
    cmocka_unit_test(test_limits_read), cmocka_unit_test(test_limits_checked_and_shown),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
