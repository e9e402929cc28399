/* Spaces from JSON text for tests, and one space that has every kind of parameter. */
#ifndef ATTUNE_TESTS_SPACE_BUILD_H
#define ATTUNE_TESTS_SPACE_BUILD_H

#include "base/space.h"
#include "base/space_json.h"
#include "tests/harness/test_support.h"

struct built
{
  struct arena *arena;
  struct json_faults faults;
  struct space *space;
  enum err err;
};

static inline json_t *
parse(const char *text)
{
  json_error_t error;
  json_t *json = json_loads(text, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
  if (!json)
    fail_msg("%s: %s", text, error.text);
  return json;
}

static inline struct built
build(const char *text)
{
  struct built built = {.arena = arena_new(0)};
  json_faults_init(&built.faults, built.arena);
  json_t *json = parse(text);
  built.err = space_from_json(json, "/space", built.arena, &built.space, &built.faults);
  json_decref(json);
  assert_int_equal(built.err == ERR_OK, built.faults.count == 0);
  assert_int_equal(built.err == ERR_OK, built.space != NULL);
  return built;
}

static inline struct built
build_good(const char *text)
{
  struct built built = build(text);
  if (built.err)
    fail_msg("%s: %s: %s", text, built.faults.items[0].pointer, built.faults.items[0].message);
  return built;
}

/* Every kind of parameter and three levels of conditions. */
static const char rich[] =
  "{\"learning_rate\":{\"type\":\"float\",\"low\":1e-4,\"high\":1.0,\"scale\":\"log\","
  "\"default\":0.01,\"prior\":{\"mean\":0.1,\"sd\":0.5}},"
  "\"momentum\":{\"type\":\"float\",\"low\":0.0,\"high\":0.99,\"when\":{\"optimizer\":[\"sgd\"]}},"
  "\"nesterov\":{\"type\":\"bool\",\"default\":true,\"when\":{\"optimizer\":\"sgd\",\"layers\":[1,"
  "3]}},"
  "\"optimizer\":{\"type\":\"categorical\",\"choices\":[\"sgd\",\"adam\",true,4],"
  "\"help\":\"how to step\"},"
  "\"layers\":{\"type\":\"int\",\"low\":1,\"high\":4},"
  "\"warm\":{\"type\":\"float\",\"low\":0.1,\"high\":0.4,\"step\":0.1,\"when\":{\"nesterov\":true}}"
  ","
  "\"units\":{\"type\":\"int\",\"low\":8,\"high\":512,\"scale\":\"log\"},"
  "\"batch\":{\"type\":\"ordinal\",\"values\":[32,64,128.5,256],\"default\":64},"
  "\"drop\":{\"type\":\"float\",\"low\":0.01,\"high\":0.99,\"scale\":\"logit\"},"
  "\"epochs\":30,\"name\":\"x\",\"deep\":{\"type\":\"int\",\"low\":-10,\"high\":10,\"step\":5,"
  "\"default\":0,\"when\":{\"warm_kind\":[\"b\"]}},"
  "\"warm_kind\":{\"type\":\"categorical\",\"choices\":[\"a\",\"b\"],\"when\":{\"nesterov\":[true]}"
  "}}";

#endif
