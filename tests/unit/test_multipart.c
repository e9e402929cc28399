/* The form parser: every split gives the same parts; everything malformed is refused. */
#include <config.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"
#include "base/rng.h"
#include "server/multipart.h"

/* What was heard, as text: name|file name|type|content; per part. */
struct heard
{
  struct buf text;
  bool stop;
};

static bool
on_begin(void *context, const struct multipart_head *head)
{
  struct heard *heard = context;
  buf_printf(&heard->text, "%s|%s|%s|", head->name, head->file_name ? head->file_name : "-",
             head->content_type ? head->content_type : "-");
  return !heard->stop;
}

static bool
on_data(void *context, const char *bytes, size_t length)
{
  struct heard *heard = context;
  assert_true(length > 0);
  buf_append(&heard->text, bytes, length);
  return true;
}

static bool
on_end(void *context)
{
  struct heard *heard = context;
  buf_append_text(&heard->text, ";");
  return true;
}

/* Feeds `body` in pieces: of `piece` bytes, or of random sizes when that is 0. */
static enum err
parse(const char *body, size_t length, size_t piece, struct rng *rng, struct heard *heard)
{
  struct multipart_sink sink = {
    .begin = on_begin, .data = on_data, .end = on_end, .context = heard};
  struct multipart *multipart = multipart_new("Xb", 8, &sink);
  struct err_info info;
  enum err err = ERR_OK;
  assert_non_null(multipart);
  for (size_t at = 0; at < length && !err;)
  {
    size_t size = piece ? piece : 1 + (size_t) rng_below(rng, 9);
    if (size > length - at)
      size = length - at;
    /* A copy of its own, so that a read past the piece is seen by the sanitizer. */
    char *copy = malloc(size);
    assert_non_null(copy);
    memcpy(copy, body + at, size);
    err = multipart_feed(multipart, copy, size, &info);
    free(copy);
    at += size;
  }
  if (!err)
    err = multipart_finish(multipart, &info);
  multipart_free(multipart);
  return err;
}

#define HEAD(name) "Content-Disposition: form-data; name=\"" name "\"\r\n"
#define FIELD(name, value) "--Xb\r\n" HEAD(name) "\r\n" value "\r\n"
#define END "--Xb--\r\n"

static const struct
{
  const char *body;
  const char *heard;
} good[] = {
  {FIELD("a", "1") END, "a|-|-|1;"},
  {FIELD("a", "") FIELD("b", "x") "--Xb--", "a|-|-|;b|-|-|x;"},
  {"--Xb\r\n" HEAD("a") "\r\n--Xb--", "a|-|-|;"},
  {"a preamble\r\n" FIELD("a", "1") END "an epilogue", "a|-|-|1;"},
  {FIELD("a", "\r\n--X\r\n--\r\n\r\r\n--Xa\r") END, "a|-|-|\r\n--X\r\n--\r\n\r\r\n--Xa\r;"},
  {"--Xb  \t\r\n" HEAD("a") "\r\n1\r\n--Xb--", "a|-|-|1;"},
  {"--Xb\r\ncontent-disposition: FORM-DATA; filename=\"x \\\"y\\\\.csv\"; name=f\r\n"
   "content-type: text/csv; charset=utf-8\r\nX-Other: 1\r\n\r\na,b\r\n" END,
   "f|x \"y\\.csv|text/csv; charset=utf-8|a,b;"},
  {"--Xb\r\nContent-Disposition: form-data; name=\"f\"; filename=\"\"\r\n\r\n\r\n" END, "f||-|;"},
  {"--Xb\r\nContent-Disposition: form-data; name=\"a;name=b\"\r\n\r\n1\r\n" END, "a;name=b|-|-|1;"},
};

static void
test_every_split(void **state)
{
  struct rng rng;
  (void) state;
  rng_init(&rng, 1, 0);
  for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
    for (size_t piece = 0; piece < 200; piece++)
    {
      struct heard heard = {0};
      size_t size = piece < 100 ? piece + 1 : 0;
      assert_int_equal(parse(good[i].body, strlen(good[i].body), size, &rng, &heard), ERR_OK);
      assert_string_equal(heard.text.data, good[i].heard);
      buf_free(&heard.text);
    }
}

static void
test_malformed(void **state)
{
  static const char *const bad[] = {
    "",
    "--Xb",
    "--Xb\r\n",
    FIELD("a", "1"),
    FIELD("a", "1") "--Xb-",
    FIELD("a", "1") "--Xbx\r\n",
    "--Xb\n" HEAD("a") "\r\n1\r\n" END,
    "--Xb\r\n\r\n1\r\n" END,
    "--Xb\r\nContent-Type: text/plain\r\n\r\n1\r\n" END,
    "--Xb\r\nContent-Disposition: attachment; name=\"a\"\r\n\r\n1\r\n" END,
    "--Xb\r\nContent-Disposition: form-data\r\n\r\n1\r\n" END,
    "--Xb\r\nContent-Disposition: form-data; name=\"\"\r\n\r\n1\r\n" END,
    "--Xb\r\nContent-Disposition: form-data; name=\"a\r\n\r\n1\r\n" END,
    "--Xb\r\nno colon\r\n" HEAD("a") "\r\n1\r\n" END,
    "--Xb\r\nContent-Disposition: form-data; name=\"\xff\"\r\n\r\n1\r\n" END,
  };
  struct rng rng;
  (void) state;
  rng_init(&rng, 2, 0);
  for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
    for (size_t piece = 0; piece < 20; piece++)
    {
      struct heard heard = {0};
      assert_int_equal(parse(bad[i], strlen(bad[i]), piece, &rng, &heard), ERR_INVALID);
      buf_free(&heard.text);
    }
}

static void
test_limits(void **state)
{
  struct buf body = {0};
  struct heard heard = {0};
  (void) state;
  for (int i = 0; i < 9; i++)
    buf_append_text(&body, FIELD("a", "1"));
  buf_append_text(&body, END);
  assert_int_equal(parse(body.data, body.length, 7, NULL, &heard), ERR_LIMIT);
  buf_free(&heard.text);
  body.length = 0;
  buf_append_text(&body, "--Xb\r\nX: ");
  for (int i = 0; i < 9000; i++)
    buf_append_text(&body, "x");
  assert_int_equal(parse(body.data, body.length, 100, NULL, &heard), ERR_LIMIT);
  body.length = 0;
  for (int i = 0; i < 9000; i++)
    buf_append_text(&body, "no boundary ");
  assert_int_equal(parse(body.data, body.length, 100, NULL, &heard), ERR_INVALID);
  heard.stop = true;
  assert_int_equal(parse(good[0].body, strlen(good[0].body), 5, NULL, &heard), ERR_CANCELLED);
  buf_free(&heard.text);
  buf_free(&body);
}

/* Random bytes with pieces of delimiters among them come back as they were. */
static void
test_random_content(void **state)
{
  static const char *const pieces[] = {"\r\n--X", "\r", "\n", "--Xb", "\r\n", "-", "\r\n--", "Xb"};
  struct rng rng;
  (void) state;
  rng_init(&rng, 3, 0);
  for (int round = 0; round < 300; round++)
  {
    struct buf content = {0}, body = {0};
    struct heard heard = {0};
    for (int i = 0; i < 60; i++)
      if (rng_below(&rng, 2))
        buf_append_text(&content, pieces[rng_below(&rng, 8)]);
      else
      {
        char byte = (char) rng_below(&rng, 256);
        buf_append(&content, &byte, 1);
      }
    /* A whole delimiter would end the part. */
    bool whole = false;
    for (size_t i = 0; i + 6 <= content.length; i++)
      whole = whole || memcmp(content.data + i, "\r\n--Xb", 6) == 0;
    if (content.length >= 4 && memcmp(content.data, "--Xb", 4) == 0)
      whole = true;
    if (!whole)
    {
      buf_append_text(&body, "--Xb\r\n" HEAD("a") "\r\n");
      buf_append(&body, content.data, content.length);
      buf_append_text(&body, "\r\n" END);
      assert_int_equal(parse(body.data, body.length, 0, &rng, &heard), ERR_OK);
      assert_int_equal(heard.text.length, content.length + 7);
      assert_memory_equal(heard.text.data + 6, content.data, content.length);
    }
    buf_free(&heard.text);
    buf_free(&content);
    buf_free(&body);
  }
}

static void
test_boundaries(void **state)
{
  char boundary[MULTIPART_BOUNDARY_MAX + 1];
  char text[200];
  (void) state;
  assert_true(multipart_boundary("multipart/form-data; boundary=abc", boundary));
  assert_string_equal(boundary, "abc");
  assert_true(
    multipart_boundary("multipart/form-data; a=\"boundary=no\"; BOUNDARY=\"a:b\"", boundary));
  assert_string_equal(boundary, "a:b");
  assert_false(multipart_boundary("multipart/form-data", boundary));
  assert_false(multipart_boundary("multipart/form-data; boundary=", boundary));
  assert_false(multipart_boundary("multipart/form-data; boundary=\"a b\"", boundary));
  assert_false(multipart_boundary("multipart/form-data; boundary=\"ab", boundary));
  snprintf(text, sizeof text, "multipart/form-data; boundary=%071d", 0);
  assert_false(multipart_boundary(text, boundary));
  snprintf(text, sizeof text, "multipart/form-data; boundary=%070d", 0);
  assert_true(multipart_boundary(text, boundary));
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_every_split), cmocka_unit_test(test_malformed),
    cmocka_unit_test(test_limits),      cmocka_unit_test(test_random_content),
    cmocka_unit_test(test_boundaries),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
