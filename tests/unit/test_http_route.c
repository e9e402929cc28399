/* Paths to routes, escapes, keys and cookies, and the text of event streams. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "server/http_internal.h"
#include "server/sse.h"
#include "sql/db.h"

struct found
{
  enum http_match match;
  const struct http_route *route;
  struct http_name_value args[HTTP_ARGS_MAX];
  size_t arg_count;
  char allow[64];
};

static struct found
look(struct arena *arena, const char *method, const char *path)
{
  struct found found = {0};
  found.match = http_route_match(method, path, arena, &found.route, found.args, &found.arg_count,
                                 found.allow, sizeof found.allow);
  return found;
}

static void
test_routes_are_found(void **state)
{
  static const struct
  {
    const char *method, *path, *name;
  } cases[] = {
    {"GET", "/", "web.home"},
    {"GET", "/healthz", "healthz"},
    {"HEAD", "/healthz", "healthz"},
    {"GET", "/api/v1/jobs", "jobs.list"},
    {"POST", "/api/v1/jobs", "jobs.create"},
    {"GET", "/api/v1/jobs/job_1", "jobs.get"},
    {"POST", "/api/v1/jobs/job_1/cancel", "jobs.cancel"},
    {"GET", "/api/v1/jobs/job_1/trials/tr_2", "trials.get"},
    {"POST", "/api/v1/models/iris@fast/predict", "models.predict"},
    {"GET", "/api/v1/models/iris/versions/3/report", "models.version_report"},
    {"PUT", "/api/v1/models/iris/aliases/best", "models.alias"},
    {"GET", "/assets/main.js", "web.asset"},
    {"POST", "/v1/models/iris:predict", "tf.predict"},
    {"POST", "/v1/models/a:b:predict", "tf.predict"},
    {"GET", "/v1/models/iris", "tf.status"},
    {"POST", "/v1/models/iris/labels/best:predict", "tf.label_predict"},
    {"GET", "/api/v2/ImageCategorization/Model/", "nanonets.model"},
  };
  struct arena *arena = arena_new(0);
  (void) state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct found found = look(arena, cases[i].method, cases[i].path);
    assert_int_equal(found.match, HTTP_MATCH_FOUND);
    assert_string_equal(found.route->name, cases[i].name);
  }
  arena_free(arena);
}

static void
test_arguments_are_decoded(void **state)
{
  struct arena *arena = arena_new(0);
  (void) state;
  struct found found = look(arena, "GET", "/api/v1/jobs/a%20%c3%a9+%25/trials/x%2fy");
  assert_int_equal(found.match, HTTP_MATCH_BAD_PATH);
  found = look(arena, "GET", "/api/v1/jobs/a%20%c3%a9+%25/trials/%74");
  assert_int_equal(found.match, HTTP_MATCH_FOUND);
  assert_int_equal(found.arg_count, 2);
  assert_string_equal(found.args[0].name, "job");
  assert_string_equal(found.args[0].value, "a \xc3\xa9+%");
  assert_string_equal(found.args[1].name, "trial");
  assert_string_equal(found.args[1].value, "t");
  arena_free(arena);
}

static void
test_bad_paths(void **state)
{
  static const char *const bad[] = {"/jobs/%",      "/jobs/%2",     "/jobs/%zz",       "/jobs/%00",
                                    "/jobs/%2F",    "/jobs/.",      "/jobs/%2e",       "/jobs/%2e.",
                                    "/nowhere/%ff", "/jobs/%c3%28", "/jobs/%ed%a0%80", "x"};
  static const char *const missing[] = {
    "//",        "/api",     "/api/v1/jobs/",      "/api/v1/jobs//events",
    "/healthz/", "/Healthz", "/api/v1/jobs/j/none"};
  struct arena *arena = arena_new(0);
  (void) state;
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(look(arena, "GET", bad[i]).match, HTTP_MATCH_BAD_PATH);
  for (size_t i = 0; i < sizeof missing / sizeof missing[0]; i++)
    assert_int_equal(look(arena, "GET", missing[i]).match, HTTP_MATCH_NO_PATH);
  /* the verb belongs to the pattern: what stands before it is the name, and other methods have no such path */
  struct found verb = look(arena, "POST", "/v1/models/iris%40fast:predict");
  assert_string_equal(verb.args[0].value, "iris@fast");
  verb = look(arena, "GET", "/v1/models/iris:predict");
  assert_int_equal(verb.match, HTTP_MATCH_NO_METHOD);
  assert_string_equal(verb.allow, "POST");
  assert_int_equal(look(arena, "POST", "/v1/models/:predict").match, HTTP_MATCH_NO_METHOD);
  assert_int_equal(look(arena, "POST", "/v1/models/..:predict").match, HTTP_MATCH_BAD_PATH);
  struct found found = look(arena, "PUT", "/api/v1/datasets/ds_1");
  assert_int_equal(found.match, HTTP_MATCH_NO_METHOD);
  assert_string_equal(found.allow, "GET, HEAD, DELETE");
  assert_int_equal(look(arena, "get", "/healthz").match, HTTP_MATCH_NO_METHOD);
  arena_free(arena);
}

/* What every row of the table must keep. */
static void
test_table_is_sound(void **state)
{
  (void) state;
  for (size_t i = 0; http_routes[i].handler; i++)
  {
    const struct http_route *route = &http_routes[i];
    assert_int_equal(http_route_index(route), i);
    /* Without a key nothing but the marked may be reached; a scope is told for all others, but that
     * everybody may sign out. */
    bool any_key = strcmp(route->name, "session.delete") == 0;
    assert_true(((route->flags & HTTP_PUBLIC) != 0 || any_key) == (route->scope == 0));
    /* One kind of body; none on GET. */
    unsigned kinds = route->flags & (HTTP_JSON | HTTP_BYTES | HTTP_UPLOAD);
    assert_true((kinds & (kinds - 1)) == 0);
    assert_true(route->method != HTTP_GET || kinds == 0);
    /* A spooled body can't be written on an event thread. */
    assert_false((route->flags & HTTP_FAST) && (route->flags & (HTTP_UPLOAD | HTTP_CREATES)));
    for (size_t j = 0; j < i; j++)
    {
      bool same = strcmp(http_routes[j].name, route->name) == 0;
      assert_false(same);
      assert_false(http_routes[j].method == route->method
                   && strcmp(http_routes[j].pattern, route->pattern) == 0);
    }
  }
}

static void
test_keys_are_parsed(void **state)
{
  char id[40], text[HTTP_TOKEN_SIZE], header[128];
  uint8_t hash[32];
  struct http_credential credential;
  (void) state;
  for (int i = 0; i < 200; i++)
  {
    db_id_new("key_", id, sizeof id);
    http_secret_new_key(id, text, hash);
    snprintf(header, sizeof header, "Bearer %s", text);
    assert_true(http_secret_parse_bearer(header, &credential));
    assert_string_equal(credential.key_id, id);
    assert_memory_equal(credential.hash, hash, 32);
    assert_false(credential.by_session);
    size_t at = 7 + (size_t) i % strlen(text);
    char kept = header[at];
    header[at] = ' ';
    assert_false(http_secret_parse_bearer(header, &credential));
    header[at] = kept;
    header[strlen(header) - 1] = '\0';
    assert_false(http_secret_parse_bearer(header, &credential));
  }
  db_id_new("key_", id, sizeof id);
  http_secret_new_key(id, text, hash);
  snprintf(header, sizeof header, "bearer   %s  ", text);
  assert_true(http_secret_parse_bearer(header, &credential));
  snprintf(header, sizeof header, "Basic %s", text);
  assert_false(http_secret_parse_bearer(header, &credential));
  snprintf(header, sizeof header, "Bearer %s x", text);
  assert_false(http_secret_parse_bearer(header, &credential));
  snprintf(header, sizeof header, "Bearer%s", text);
  assert_false(http_secret_parse_bearer(header, &credential));
  assert_false(http_secret_parse_bearer("Bearer ", &credential));
  assert_false(http_secret_parse_bearer("", &credential));
}

/* "Basic " and the pair in base64. */
static bool
parse_basic(const char *pair, struct http_credential *credential)
{
  char header[600] = "Basic ";
  sodium_bin2base64(header + 6, sizeof header - 6, (const unsigned char *) pair, strlen(pair),
                    sodium_base64_VARIANT_ORIGINAL);
  return http_secret_parse_basic(header, credential);
}

static void
test_user_names_are_keys(void **state)
{
  char text[HTTP_TOKEN_SIZE], pair[400], id[32];
  uint8_t hash[32];
  struct http_credential credential;
  (void) state;
  db_id_new("key_", id, sizeof id);
  http_secret_new_key(id, text, hash);
  static const char *const good[] = {"", ":", ":anything", "::"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
  {
    snprintf(pair, sizeof pair, "%s%s", text, good[i]);
    assert_true(parse_basic(pair, &credential));
    assert_string_equal(credential.key_id, id);
    assert_memory_equal(credential.hash, hash, 32);
  }
  snprintf(pair, sizeof pair, ":%s", text);
  assert_false(parse_basic(pair, &credential));
  snprintf(pair, sizeof pair, "%s:%0200d", text, 0);
  assert_false(parse_basic(pair, &credential));
  assert_false(parse_basic("", &credential));
  static const char *const bad[] = {"", "Basic", "Basic ", "Basic %%%", "Bearer YQ==", "BasicYQ=="};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(http_secret_parse_basic(bad[i], &credential));
}

static void
test_cookies_are_parsed(void **state)
{
  char text[HTTP_TOKEN_SIZE], header[300];
  uint8_t hash[32];
  struct http_credential credential;
  (void) state;
  http_secret_new(text, hash);
  static const char *const good[] = {"attune_session=%s", "a=b; attune_session=%s",
                                     "xattune_session=no;attune_session=%s; z=1"};
  static const char *const bad[] = {"attune_sessio=%s", "attune_session=%s1", "attune_session =%s",
                                    "b=attune_session=%s", "%s"};
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
  {
    const char *mark = strstr(good[i], "%s");
    snprintf(header, sizeof header, "%.*s%s%s", (int) (mark - good[i]), good[i], text, mark + 2);
    assert_true(http_secret_parse_cookie(header, &credential));
    assert_true(credential.by_session);
    assert_memory_equal(credential.hash, hash, 32);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    const char *mark = strstr(bad[i], "%s");
    snprintf(header, sizeof header, "%.*s%s%s", (int) (mark - bad[i]), bad[i], text, mark + 2);
    assert_false(http_secret_parse_cookie(header, &credential));
  }
}

static void
test_event_text(void **state)
{
  struct buf out = {0};
  struct db_event event = {.seq = 7, .kind = "trial", .data = "{\"a\": 1}", .at_us = 0};
  struct db_epoch epoch = {.unit_id = 1,
                           .trial_number = 3,
                           .trial_id = "tr_x",
                           .fold = 1,
                           .epoch = 2,
                           .epoch_count = 9,
                           .train_loss = 0.5,
                           .valid_loss = 0.1,
                           .valid_metric = 0.0,
                           .seconds = 1.25};
  (void) state;
  sse_append(&out, "12", "state", "one\ntwo\r\n");
  assert_string_equal(out.data, "id: 12\nevent: state\ndata: one\ndata: two\ndata: \n\n");
  out.length = 0;
  sse_append(&out, NULL, "epoch", "{}");
  assert_string_equal(out.data, "event: epoch\ndata: {}\n\n");
  out.length = 0;
  sse_append_data(&out, "job_1", &event);
  assert_string_equal(out.data,
                      "{\"job\":\"job_1\",\"seq\":7,\"at\":\"1970-01-01T00:00:00.000Z\",\"a\": 1}");
  out.length = 0;
  event.data = "{}";
  sse_append_data(&out, "job_1", &event);
  assert_string_equal(out.data,
                      "{\"job\":\"job_1\",\"seq\":7,\"at\":\"1970-01-01T00:00:00.000Z\"}");
  out.length = 0;
  epoch.valid_metric = epoch.valid_metric / 0.0 - epoch.valid_metric / 0.0;
  sse_append_epoch(&out, "job_1", &epoch);
  assert_string_equal(out.data,
                      "{\"job\":\"job_1\",\"trial_id\":\"tr_x\",\"trial\":3,\"fold\":1,\"epoch\":2,"
                      "\"epoch_count\":9,\"train_loss\":0.5,\"valid_loss\":0.1,"
                      "\"valid_metric\":null,\"seconds\":1.25}");
  buf_free(&out);
}

static void
test_last_ids(void **state)
{
  int64_t seq = -1;
  (void) state;
  assert_true(sse_last_id("12", "job_a", &seq));
  assert_int_equal(seq, 12);
  assert_true(sse_last_id("job_a:3,job_b:44", "job_b", &seq));
  assert_int_equal(seq, 44);
  assert_true(sse_last_id("job_a:3,job_b:44", "job_a", &seq));
  assert_int_equal(seq, 3);
  static const char *const bad[] = {
    "", "-1", "x", "12x", "99999999999999999999", "job_a:", "job_a:x", "job_ab:3", "job_a:-4", ","};
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(sse_last_id(bad[i], "job_a", &seq));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_routes_are_found),   cmocka_unit_test(test_arguments_are_decoded),
    cmocka_unit_test(test_bad_paths),          cmocka_unit_test(test_table_is_sound),
    cmocka_unit_test(test_keys_are_parsed),    cmocka_unit_test(test_user_names_are_keys),
    cmocka_unit_test(test_cookies_are_parsed), cmocka_unit_test(test_event_text),
    cmocka_unit_test(test_last_ids),
  };
  return sodium_init() < 0 ? 1 : cmocka_run_group_tests(tests, NULL, NULL);
}
