/* Tensors of the Open Inference Protocol: every type raw and as JSON; shapes and sizes that lie are refused. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <math.h>

#include "server/tensor.h"

#define MOST 1000000

static enum err
begin(const char *type, const char *shape, struct tensor *tensor)
{
  json_t *list = json_loads(shape, JSON_DECODE_ANY, NULL);
  struct err_info info = {.code = ERR_OK};
  enum err err = tensor_begin(type, list, MOST, tensor, &info);
  json_decref(list);
  return err;
}

static void
test_types_have_names(void **state)
{
  static const char *const bad[] = {"", "fp32", "FP3", "FP128", "STRING", "INT"};
  enum tensor_type type, again;
  (void) state;
  for (int i = TENSOR_BOOL; i <= TENSOR_BYTES; i++)
  {
    type = (enum tensor_type) i;
    assert_true(tensor_type_parse(tensor_type_name(type), &again));
    assert_int_equal(type, again);
  }
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_false(tensor_type_parse(bad[i], &type));
}

static void
test_shapes(void **state)
{
  static const char *const bad[] = {"null",
                                    "1",
                                    "[]",
                                    "[-1]",
                                    "[1.5]",
                                    "[\"2\"]",
                                    "[1,1,1,1,1,1,1,1,1]",
                                    "[1000001]",
                                    "[1e3]",
                                    "[1001,1000]",
                                    "[4294967296,4294967296]",
                                    "[9223372036854775807,3]",
                                    "[0,9223372036854775807,9223372036854775807]"};
  struct tensor tensor;
  (void) state;
  assert_int_equal(begin("FP32", "[2,3,1]", &tensor), ERR_OK);
  assert_int_equal(tensor.count, 6);
  assert_int_equal(tensor.shape[1], 3);
  assert_int_equal(begin("FP32", "[1000,1000]", &tensor), ERR_OK);
  assert_int_equal(begin("FP32", "[4,0,5]", &tensor), ERR_OK);
  assert_int_equal(tensor.count, 0);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    assert_int_equal(begin("FP32", bad[i], &tensor), ERR_INVALID);
  assert_int_equal(begin("FP31", "[1]", &tensor), ERR_INVALID);
}

/* The same two numbers in every type, raw. */
static void
test_raw_numbers(void **state)
{
  static const struct
  {
    const char *type, *bytes;
    size_t size;
    double first, second;
  } cases[] = {
    {"BOOL", "\0\1", 2, 0, 1},
    {"INT8", "\x7f\x80", 2, 127, -128},
    {"UINT8", "\x7f\x80", 2, 127, 128},
    {"INT16", "\x01\x00\xfe\xff", 4, 1, -2},
    {"UINT16", "\x01\x00\xfe\xff", 4, 1, 65534},
    {"INT32", "\x01\x00\x00\x00\xfe\xff\xff\xff", 8, 1, -2},
    {"UINT32", "\x01\x00\x00\x00\xfe\xff\xff\xff", 8, 1, 4294967294.0},
    {"INT64", "\x01\0\0\0\0\0\0\0\xfe\xff\xff\xff\xff\xff\xff\xff", 16, 1, -2},
    {"UINT64", "\x01\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x80", 16, 1, 0x1p63},
    {"FP16", "\x00\x3c\x01\x80", 4, 1, -0x1p-24},
    {"FP16", "\xff\x7b\x00\xfc", 4, 65504, (double) -INFINITY},
    {"FP32", "\x00\x00\x80\x3f\x00\x00\x00\xc0", 8, 1, -2},
    {"FP64", "\0\0\0\0\0\0\xf0\x3f\0\0\0\0\0\0\0\xc0", 16, 1, -2},
  };
  struct arena *arena = arena_new(0);
  struct err_info info;
  (void) state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct tensor tensor;
    const uint8_t *bytes = (const uint8_t *) cases[i].bytes;
    assert_int_equal(begin(cases[i].type, "[2]", &tensor), ERR_OK);
    assert_int_equal(tensor_take_bytes(&tensor, bytes, cases[i].size - 1, arena, &info),
                     ERR_INVALID);
    assert_int_equal(tensor_take_bytes(&tensor, bytes, cases[i].size + 1, arena, &info),
                     ERR_INVALID);
    assert_int_equal(tensor_take_bytes(&tensor, bytes, cases[i].size, arena, &info), ERR_OK);
    assert_true(tensor_number(&tensor, 0) == cases[i].first);
    assert_true(tensor_number(&tensor, 1) == cases[i].second);
    json_t *value = tensor_value(&tensor, 1);
    assert_int_equal(value != NULL, isfinite(cases[i].second));
    json_decref(value);
  }
  arena_free(arena);
}

static void
test_raw_texts(void **state)
{
  static const struct
  {
    const char *shape, *bytes;
    size_t size;
  } bad[] = {
    {"[1]", "\x01\0\0", 3},
    {"[1]", "\x02\0\0\0a", 5},
    {"[1]",
     "\xff\xff\xff\xff"
     "abcd",
     8},
    {"[1]", "\x01\0\0\0ab", 6},
    {"[2]", "\x01\0\0\0a", 5},
    {"[999999]", "\0\0\0\0", 4},
    {"[0]", "\0\0\0\0", 4},
  };
  struct arena *arena = arena_new(0);
  struct tensor tensor;
  struct err_info info;
  (void) state;
  assert_int_equal(begin("BYTES", "[4,1]", &tensor), ERR_OK);
  assert_int_equal(tensor_take_bytes(&tensor,
                                     (const uint8_t *) "\x02\0\0\0ab\0\0\0\0\1\0\0\0\xff\1\0\0\0\0",
                                     20, arena, &info),
                   ERR_OK);
  json_t *value = tensor_value(&tensor, 0);
  assert_string_equal(json_string_value(value), "ab");
  json_decref(value);
  value = tensor_value(&tensor, 1);
  assert_string_equal(json_string_value(value), "");
  json_decref(value);
  assert_null(tensor_value(&tensor, 2));
  assert_null(tensor_value(&tensor, 3));
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
  {
    assert_int_equal(begin("BYTES", bad[i].shape, &tensor), ERR_OK);
    assert_int_equal(
      tensor_take_bytes(&tensor, (const uint8_t *) bad[i].bytes, bad[i].size, arena, &info),
      ERR_INVALID);
  }
  arena_free(arena);
}

static void
test_json_elements(void **state)
{
  static const struct
  {
    const char *type, *data;
    bool good;
  } cases[] = {{"FP32", "[1,2.5]", true},
               {"FP32", "[[1],[null]]", true},
               {"FP32", "[1]", false},
               {"FP32", "[1,2,3]", false},
               {"FP32", "[1,\"2\"]", false},
               {"FP32", "[1,true]", false},
               {"FP32", "1", false},
               {"FP32", "null", false},
               {"FP32", "{}", false},
               {"UINT8", "[0,255]", true},
               {"UINT8", "[0,256]", false},
               {"UINT8", "[-1,0]", false},
               {"UINT8", "[0.5,0]", false},
               {"INT8", "[-128,127]", true},
               {"INT16", "[32768,0]", false},
               {"INT64", "[9223372036854775807,-9223372036854775808]", true},
               {"BOOL", "[true,0]", true},
               {"BOOL", "[true,2]", false},
               {"BYTES", "[\"a\",null]", true},
               {"BYTES", "[\"a\",1]", false},
               {"FP64", "[[[[[[[[[[[1,2]]]]]]]]]]]", false},
               {"FP64", "[[],[],1,[2]]", true}};
  struct arena *arena = arena_new(0);
  struct err_info info;
  (void) state;
  for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
  {
    struct tensor tensor;
    json_t *data = json_loads(cases[i].data, JSON_DECODE_ANY, NULL);
    assert_int_equal(begin(cases[i].type, "[2]", &tensor), ERR_OK);
    assert_int_equal(tensor_take_json(&tensor, data, arena, &info),
                     cases[i].good ? ERR_OK : ERR_INVALID);
    for (size_t k = 0; cases[i].good && k < 2; k++)
    {
      json_t *value = tensor_value(&tensor, k);
      assert_non_null(value);
      assert_int_equal(isnan(tensor_number(&tensor, k)),
                       json_is_null(value) || json_is_string(value));
      json_decref(value);
    }
    json_decref(data);
  }
  arena_free(arena);
}

static void
test_what_is_written_reads_back(void **state)
{
  static const float numbers[] = {0.1f, -3e38f};
  struct buf out = {.data = NULL};
  struct arena *arena = arena_new(0);
  struct tensor tensor;
  struct err_info info;
  (void) state;
  tensor_write_floats(numbers, 2, &out);
  assert_int_equal(begin("FP32", "[2]", &tensor), ERR_OK);
  assert_int_equal(tensor_take_bytes(&tensor, (const uint8_t *) out.data, out.length, arena, &info),
                   ERR_OK);
  for (size_t i = 0; i < 2; i++)
    assert_true(tensor_number(&tensor, i) == (double) numbers[i]);
  buf_free(&out);
  tensor_write_text("wörd", &out);
  tensor_write_text("", &out);
  assert_int_equal(begin("BYTES", "[2]", &tensor), ERR_OK);
  assert_int_equal(tensor_take_bytes(&tensor, (const uint8_t *) out.data, out.length, arena, &info),
                   ERR_OK);
  assert_int_equal(tensor.texts[0].length, 5);
  assert_memory_equal(tensor.texts[0].bytes, "wörd", 5);
  buf_free(&out);
  arena_free(arena);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_types_have_names), cmocka_unit_test(test_shapes),
    cmocka_unit_test(test_raw_numbers),      cmocka_unit_test(test_raw_texts),
    cmocka_unit_test(test_json_elements),    cmocka_unit_test(test_what_is_written_reads_back),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
