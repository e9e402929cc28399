/* The CSV tokenizer: RFC 4180, its relatives, and what is no CSV. */
#include <config.h>

#include "tests/harness/test_support.h"

#include "base/buf.h"
#include "base/rng.h"
#include "data/csv.h"

#include <sys/mman.h>
#include <unistd.h>

/* All records as "[a|b][c]"; '!' and the message for a fault. */
static char *
read_all(struct csv_reader *reader)
{
  struct buf out = {0};
  for (;;)
  {
    const struct csv_field *fields;
    size_t count;
    struct err_info info = {0};
    enum err err = csv_next(reader, &fields, &count, &info);
    if (err != ERR_OK)
    {
      buf_printf(&out, "!%s!", info.text);
      if (!csv_can_go_on(reader))
        break;
      continue;
    }
    if (count == 0)
      break;
    buf_append_text(&out, "[");
    for (size_t f = 0; f < count; f++)
    {
      buf_append(&out, "|", f > 0);
      buf_append(&out, fields[f].text, fields[f].length);
    }
    buf_append_text(&out, "]");
  }
  buf_append(&out, "", 0);
  size_t length;
  char *text = buf_take(&out, &length);
  return text != NULL ? text : strdup("");
}

/* Reads from memory and from a file, which must agree, twice with a rewind. */
static void
check(const char *bytes, size_t length, const char *wanted)
{
  struct csv_options options = {0};
  int fd = memfd_create("csv", MFD_CLOEXEC);
  assert_int_equal(write(fd, bytes, length), (ssize_t) length);
  for (int from_file = 0; from_file < 2; from_file++)
  {
    struct csv_reader *reader;
    struct err_info info = {0};
    enum err err = from_file ? csv_open_fd(fd, &options, &reader, &info)
                             : csv_open_bytes(bytes, length, &options, &reader, &info);
    assert_int_equal(err, ERR_OK);
    for (int again = 0; again < 2; again++)
    {
      char *got = read_all(reader);
      assert_string_equal(got, wanted);
      free(got);
      csv_rewind(reader);
    }
    csv_close(reader);
  }
  close(fd);
}

static void
check_text(const char *text, const char *wanted)
{
  check(text, strlen(text), wanted);
}

static void
test_plain(void **state)
{
  (void) state;
  check_text("a,b\n1,2\n", "[a|b][1|2]");
  check_text("a,b\n1,2", "[a|b][1|2]");
  check_text("a,b\r\n1,2\r\n", "[a|b][1|2]");
  check_text("a,b\r1,2\r", "[a|b][1|2]");
  check_text("a,b\n,\n", "[a|b][|]");
  check_text("a\n1\n\n2\n", "[a][1][2]");
  check_text("", "");
  check_text("\n\n", "");
  check_text("\xef\xbb\xbf"
             "a,b\n1,2\n",
             "[a|b][1|2]");
  check_text("averylongfieldname,b,,another one here\n",
             "[averylongfieldname|b||another one here]");
}

static void
test_quotes(void **state)
{
  (void) state;
  check_text("a,b\n\"x,y\",\"he said \"\"no\"\"\"\n", "[a|b][x,y|he said \"no\"]");
  check_text("a,b\n\"line\nbreak\",\"\"\n1,2\n", "[a|b][line\nbreak|][1|2]");
  check_text("a,b\n\"line\r\nbreak\",2\r\n", "[a|b][line\r\nbreak|2]");
  check_text("a,b\n1, \"x,y\" \n", "[a|b][1|x,y]");
  check_text("a,b\n5\" pipe,2\n6,7\n", "[a|b][5\" pipe|2][6|7]");
  check_text("a,b\n\"\",\"\"\"\"\n", "[a|b][|\"]");
}

static void
test_delimiters(void **state)
{
  (void) state;
  check_text("a;b\n1,5;2\n", "[a|b][1,5|2]");
  check_text("a\tb\n1\t2\n", "[a|b][1|2]");
  check_text("a|b\n1|2\n", "[a|b][1|2]");
  check_text("sep=;\na;b\n1;2\n", "[a|b][1|2]");
  check_text("name;note\nx;\"a,b,c\"\ny;\"d,e\"\n", "[name|note][x|a,b,c][y|d,e]");
}

static void
test_faults(void **state)
{
  (void) state;
  check("a,b\n1,\0\n3,4\n", 12, "[a|b]!a NUL byte; save the file as plain UTF-8 text![3|4]");
  check("a,b\n1,\xff\n3,4\n", 12, "[a|b]!byte 3 (0xff) is not UTF-8; save the file as UTF-8![3|4]");
  check_text("a,b\n\"x\"y,2\n3,4\n", "[a|b]!text follows a closing quote![3|4]");
  check_text("a,b\n\"x,2\n3,4\n", "[a|b]!a quote is opened and never closed!");
}

static void
test_lines_are_counted(void **state)
{
  (void) state;
  const char *text = "a,b\n\"x\ny\",2\n\n3,4\n";
  struct csv_options options = {0};
  struct csv_reader *reader;
  const struct csv_field *fields;
  size_t count;
  static const uint64_t lines[] = {1, 2, 5};
  assert_int_equal(csv_open_bytes(text, strlen(text), &options, &reader, NULL), ERR_OK);
  for (size_t i = 0; i < 3; i++)
  {
    assert_int_equal(csv_next(reader, &fields, &count, NULL), ERR_OK);
    assert_int_equal(count, 2);
    assert_int_equal(csv_line(reader), lines[i]);
  }
  assert_int_equal(csv_blank_lines(reader), 1);
  csv_close(reader);
}

static void
test_limits(void **state)
{
  (void) state;
  size_t length = CSV_MAX_RECORD + 10;
  char *text = malloc(length + 1);
  assert_non_null(text);
  memset(text, 'x', length);
  memcpy(text, "a\n", 2);
  text[length] = '\0';
  struct csv_options options = {.delimiter = ','};
  struct csv_reader *reader;
  const struct csv_field *fields;
  size_t count;
  struct err_info info = {0};
  assert_int_equal(csv_open_bytes(text, length, &options, &reader, NULL), ERR_OK);
  assert_int_equal(csv_next(reader, &fields, &count, NULL), ERR_OK);
  assert_int_equal(csv_next(reader, &fields, &count, &info), ERR_INVALID);
  assert_has_text(info.text, "longer than 1048576 bytes");
  assert_false(csv_can_go_on(reader));
  assert_int_equal(csv_next(reader, &fields, &count, &info), ERR_INVALID);
  csv_close(reader);

  /* One field more than there may be. */
  memset(text, ',', CSV_MAX_COLUMNS);
  text[CSV_MAX_COLUMNS] = '\n';
  assert_int_equal(csv_open_bytes(text, CSV_MAX_COLUMNS + 1, &options, &reader, NULL), ERR_OK);
  assert_int_equal(csv_next(reader, &fields, &count, &info), ERR_INVALID);
  assert_has_text(info.text, "more than 10000 columns");
  csv_close(reader);
  free(text);
}

static void
test_other_files_are_named(void **state)
{
  (void) state;
  static const struct
  {
    const char *bytes;
    size_t length;
    const char *says;
  } files[] = {
    {"\xff\xfe"
     "a\0",
     4, "UTF-16"},
    {"PK\x03\x04zzzz", 8, "Excel"},
    {"\x1f\x8b\x08", 3, "gzip"},
    {"PAR1xxxx", 8, "Parquet"},
  };
  struct csv_options options = {0};
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
  {
    struct csv_reader *reader;
    struct err_info info = {0};
    assert_int_equal(csv_open_bytes(files[i].bytes, files[i].length, &options, &reader, &info),
                     ERR_INVALID);
    assert_has_text(info.text, files[i].says);
    assert_null(reader);
  }
}

/* Random content, written by the rules and read back: nothing may change. */
static void
test_round_trip(void **state)
{
  (void) state;
  static const char *const pieces[] = {"a", "\"", ",",   ";",    "\n", "\r\n", " ",
                                       "é", "\t", "xyz", "12.5", "漢", "''"};
  struct rng rng;
  rng_init(&rng, 7, 0);
  for (int round = 0; round < 300; round++)
  {
    size_t columns = 2 + rng_below(&rng, 5), rows = 1 + rng_below(&rng, 40);
    struct buf file = {0}, wanted = {0};
    for (size_t r = 0; r < rows; r++)
    {
      buf_append_text(&wanted, "[");
      for (size_t c = 0; c < columns; c++)
      {
        struct buf value = {0};
        for (size_t p = rng_below(&rng, 5); p > 0; p--)
          buf_append_text(&value, pieces[rng_below(&rng, sizeof pieces / sizeof pieces[0])]);
        buf_append(&value, "", 0);
        buf_append(&wanted, "|", c > 0);
        buf_append(&wanted, value.data, value.length);
        buf_append(&file, ",", c > 0);
        buf_append_text(&file, "\"");
        for (size_t i = 0; i < value.length; i++)
        {
          buf_append(&file, "\"", value.data[i] == '"');
          buf_append(&file, &value.data[i], 1);
        }
        buf_append_text(&file, "\"");
        buf_free(&value);
      }
      buf_append_text(&wanted, "]");
      buf_append_text(&file, round % 2 ? "\n" : "\r\n");
    }
    struct csv_options options = {.delimiter = ','};
    struct csv_reader *reader;
    assert_int_equal(csv_open_bytes(file.data, file.length, &options, &reader, NULL), ERR_OK);
    char *got = read_all(reader);
    assert_string_equal(got, wanted.data);
    free(got);
    csv_close(reader);
    buf_free(&file);
    buf_free(&wanted);
  }
}

/* Records over the edges of the read buffer. */
static void
test_long_file(void **state)
{
  (void) state;
  struct buf file = {0};
  size_t rows = 60000;
  buf_append_text(&file, "n,text\n");
  for (size_t i = 0; i < rows; i++)
    buf_printf(&file, i % 3 ? "%zu,value %zu\n" : "%zu,\"value\n %zu\"\n", i, i * 7);
  int fd = memfd_create("csv", MFD_CLOEXEC);
  assert_int_equal(write(fd, file.data, file.length), (ssize_t) file.length);
  struct csv_options options = {0};
  struct csv_reader *reader;
  const struct csv_field *fields;
  size_t count;
  assert_int_equal(csv_open_fd(fd, &options, &reader, NULL), ERR_OK);
  assert_int_equal(csv_next(reader, &fields, &count, NULL), ERR_OK);
  for (size_t i = 0; i < rows; i++)
  {
    char wanted[64];
    assert_int_equal(csv_next(reader, &fields, &count, NULL), ERR_OK);
    assert_int_equal(count, 2);
    int length = snprintf(wanted, sizeof wanted, i % 3 ? "value %zu" : "value\n %zu", i * 7);
    assert_int_equal(fields[1].length, length);
    assert_memory_equal(fields[1].text, wanted, (size_t) length);
  }
  assert_int_equal(csv_next(reader, &fields, &count, NULL), ERR_OK);
  assert_int_equal(count, 0);
  assert_int_equal(csv_bytes(reader), file.length);
  csv_close(reader);
  close(fd);
  buf_free(&file);
}

/* Any bytes at all: an answer, and an end. */
static void
test_noise(void **state)
{
  (void) state;
  static const char alphabet[] = "a,\"\n\r;\t\x80\xc3\xa9 1.\0";
  struct rng rng;
  rng_init(&rng, 11, 0);
  for (int round = 0; round < 3000; round++)
  {
    char bytes[200];
    size_t length = rng_below(&rng, sizeof bytes);
    for (size_t i = 0; i < length; i++)
      bytes[i] = alphabet[rng_below(&rng, sizeof alphabet)];
    struct csv_options options = {0};
    struct csv_reader *reader;
    if (csv_open_bytes(bytes, length, &options, &reader, NULL) != ERR_OK)
      continue;
    char *got = read_all(reader);
    assert_true(csv_bytes(reader) <= length);
    free(got);
    csv_close(reader);
  }
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_plain),
    cmocka_unit_test(test_quotes),
    cmocka_unit_test(test_delimiters),
    cmocka_unit_test(test_faults),
    cmocka_unit_test(test_lines_are_counted),
    cmocka_unit_test(test_limits),
    cmocka_unit_test(test_other_files_are_named),
    cmocka_unit_test(test_round_trip),
    cmocka_unit_test(test_long_file),
    cmocka_unit_test(test_noise),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
