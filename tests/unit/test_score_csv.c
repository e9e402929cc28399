/* Files of rows answered a part at a time: the parts together are the answer to the whole, wherever each was begun. */
#include <config.h>

#include <stdio.h>
#include <unistd.h>

#include "model/score_csv.h"
#include "tests/harness/toy_fit.h"

static const struct score_options plain = {.threshold = NAN, .interval = NAN};

static struct model *
fitted(enum toy_target target)
{
  struct toy_fit fit;
  struct train_result result;
  toy_fit_init(&fit, toy_table(200, target, TOY_GOOD, 3), "linear", "{}");
  toy_fit_run(&fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  toy_fit_clear(&fit);
  return model;
}

static int
file_of(const struct buf *text)
{
  FILE *file = tmpfile();
  assert_non_null(file);
  int fd = dup(fileno(file));
  fclose(file);
  assert_true(fd >= 0);
  assert_int_equal(write(fd, text->data, text->length), (ssize_t) text->length);
  return fd;
}

/* Rows of which every seventh is faulty and every fifth has a line break inside. */
static void
write_rows(size_t rows, struct buf *text)
{
  buf_append_text(text, "id;x1;x2;color\n");
  for (size_t i = 0; i < rows; i++)
    buf_printf(text, "%s%zu%s;%s;%.3f;%s\n", i % 5 == 0 ? "\"" : "", i, i % 5 == 0 ? "\nx\"" : "",
               i % 7 == 3 ? "word" : "0.5", 0.01 * (double) (i % 900), i % 2 ? "red" : "green");
}

static struct score_csv *
opened(const struct model *model, int fd, const struct score_options *options)
{
  struct score_csv *score = NULL;
  struct err_info info = {.text = ""};
  if (score_csv_open(model, fd, options, &score, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return score;
}

/* All of it by one reader. */
static struct score_place
answer_all(const struct model *model, int fd, const struct score_options *options, struct buf *out)
{
  struct score_csv *score = opened(model, fd, options);
  struct err_info info = {.text = ""};
  do
    if (score_csv_next(score, out, &info) != ERR_OK)
      fail_msg("%s", info.text);
  while (!score_csv_place(score).ended);
  struct score_place place = score_csv_place(score);
  score_csv_close(score);
  return place;
}

static void
test_parts_make_the_whole(void **state)
{
  (void) state;
  struct buf text = {0}, whole = {0}, parts = {0};
  struct model *model = fitted(TOY_THREE);
  struct score_place place = {0};
  size_t count = 0;

  write_rows(2500, &text);
  int fd = file_of(&text);
  struct score_place end = answer_all(model, fd, &plain, &whole);
  assert_int_equal(end.rows, 2500);
  assert_int_equal(end.faulty, 357);
  for (; !place.ended; count++)
  {
    struct score_csv *score = opened(model, fd, &plain);
    score_csv_seek(score, &place);
    assert_int_equal(score_csv_next(score, &parts, NULL), ERR_OK);
    place = score_csv_place(score);
    score_csv_close(score);
  }
  assert_true(count > 3);
  assert_int_equal(place.rows, end.rows);
  assert_int_equal(place.faulty, end.faulty);
  assert_int_equal(parts.length, whole.length);
  assert_memory_equal(parts.data, whole.data, whole.length);
  close(fd);
  model_free(model);
  buf_free(&text);
  buf_free(&whole);
  buf_free(&parts);
}

/* A few long rows end a part as many short ones do. */
static void
test_long_rows(void **state)
{
  (void) state;
  struct buf text = {0}, out = {0};
  struct model *model = fitted(TOY_NUMBER);
  buf_append_text(&text, "x1,story\n");
  for (int row = 0; row < 5; row++)
  {
    buf_append_text(&text, "0.5,");
    for (int i = 0; i < 60000; i++)
      buf_append_text(&text, "0123456789");
    buf_append_text(&text, "\n");
  }
  int fd = file_of(&text);
  struct score_csv *score = opened(model, fd, &plain);
  for (size_t rows = 2; rows <= 4; rows += 2)
  {
    out.length = 0;
    assert_int_equal(score_csv_next(score, &out, NULL), ERR_OK);
    assert_int_equal(score_csv_place(score).rows, rows);
  }
  score_csv_close(score);
  close(fd);
  model_free(model);
  buf_free(&text);
  buf_free(&out);
}

/* The answers are those of the same rows in one batch, and the columns those that were promised. */
static void
test_answers(void **state)
{
  (void) state;
  struct buf text = {0}, out = {0};
  struct model *model = fitted(TOY_BINARY);
  struct model_workspace *workspace = model_workspace_new();
  struct row_batch *batch = NULL;
  struct model_about about;
  struct score_options options = {.threshold = 0.99, .interval = NAN};
  const char *head = "x1,x2,color,error,predicted_label\n";
  float p[4];

  buf_append_text(&text, head);
  buf_append_text(&text, "0.5,3,red,\"a, b\",mine\n-1.25,4,purple,,\n");
  int fd = file_of(&text);
  answer_all(model, fd, &options, &out);
  model_about(model, &about);
  assert_int_equal(
    row_batch_from_csv(about.schema, text.data, text.length, false, 10, &batch, NULL), ERR_OK);
  assert_int_equal(model_predict_table(model, workspace, row_batch_table(batch), NULL, 2, p, NULL),
                   ERR_OK);
  const char *line = strchr(out.data, '\n');
  assert_non_null(line);
  assert_memory_equal(out.data,
                      "x1,x2,color,error,predicted_label,predicted_label_,probability,"
                      "probability_a,probability_b,error_,warning\n",
                      (size_t) (line + 1 - out.data));
  assert_memory_equal(line + 1, "0.5,3,red,\"a, b\",mine,", 22);
  for (size_t i = 0; i < 2; i++)
  {
    float got[3];
    char label;
    const char *at = strstr(line, i == 0 ? ",mine," : ",purple,,,");
    assert_non_null(at);
    at += i == 0 ? 6 : 10;
    assert_int_equal(sscanf(at, "%c,%f,%f,%f", &label, &got[0], &got[1], &got[2]), 4);
    bool second = p[2 * i + 1] >= 0.99F;
    assert_int_equal(label, second ? 'b' : 'a');
    assert_true(got[0] == p[2 * i + second] && got[1] == p[2 * i] && got[2] == p[2 * i + 1]);
  }
  assert_non_null(strstr(line, "(purple)"));
  row_batch_free(batch);
  model_workspace_free(workspace);
  model_free(model);
  close(fd);
  buf_free(&text);
  buf_free(&out);
}

static void
test_files_that_are_refused(void **state)
{
  (void) state;
  static const char *const files[] = {"", "a,b\n1,2\n", "x1,x1\n1,2\n", "PK\3\4"};
  struct model *model = fitted(TOY_NUMBER);
  for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
  {
    struct buf text = {0};
    struct score_csv *score = NULL;
    struct err_info info = {.text = ""};
    buf_append_text(&text, files[i]);
    int fd = file_of(&text);
    assert_int_equal(score_csv_open(model, fd, &plain, &score, &info), ERR_INVALID);
    assert_null(score);
    assert_true(*info.text != '\0');
    close(fd);
    buf_free(&text);
  }
  model_free(model);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_parts_make_the_whole), cmocka_unit_test(test_long_rows),
    cmocka_unit_test(test_answers), cmocka_unit_test(test_files_that_are_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
