/* Zips of images answered a part at a time, begun at any file. */
#include <config.h>

#include <archive.h>
#include <archive_entry.h>
#include <stdio.h>
#include <unistd.h>

#include "data/png.h"
#include "model/score_images.h"
#include "tests/harness/toy_fit.h"

#define FILES 150

static const struct score_images_options plain = {
  .threshold = NAN, .most_pixels = 10000, .limits = {.max_entries = 1000, .max_bytes = 1 << 24}};

static struct model *
fitted(void)
{
  struct toy_fit fit;
  struct train_result result;
  toy_fit_init(&fit, toy_images(200, 3), "linear", "{}");
  toy_fit_run(&fit, &result);
  struct model *model = result.model;
  result.model = NULL;
  train_result_clear(&result);
  toy_fit_clear(&fit);
  return model;
}

static void
add(struct archive *zip, const char *name, const void *bytes, size_t length)
{
  struct archive_entry *entry = archive_entry_new();
  archive_entry_set_pathname(entry, name);
  archive_entry_set_size(entry, (la_int64_t) length);
  archive_entry_set_filetype(entry, AE_IFREG);
  archive_entry_set_perm(entry, 0644);
  assert_int_equal(archive_write_header(zip, entry), ARCHIVE_OK);
  assert_int_equal(archive_write_data(zip, bytes, length), (la_ssize_t) length);
  archive_entry_free(entry);
}

/* A zip of images of 8 × 8, every tenth of 200 × 100, which is too large; the last file is text. */
static int
zip_file(void)
{
  FILE *file = tmpfile();
  struct archive *zip = archive_write_new();
  uint8_t pixels[200 * 100] = {0};
  assert_non_null(file);
  int fd = dup(fileno(file));
  fclose(file);
  archive_write_set_format_zip(zip);
  assert_int_equal(archive_write_open_fd(zip, fd), ARCHIVE_OK);
  for (size_t i = 0; i < FILES; i++)
  {
    struct buf png = {0};
    char name[40];
    bool large = i % 10 == 9;
    snprintf(name, sizeof name, "some, folder/%zu.png", i);
    memset(pixels, (int) i, 32);
    assert_int_equal(png_write(pixels, large ? 200 : 8, large ? 100 : 8, 1, &png), ERR_OK);
    add(zip, name, png.data, png.length);
    buf_free(&png);
  }
  add(zip, "notes.txt", "no image", 8);
  assert_int_equal(archive_write_close(zip), ARCHIVE_OK);
  archive_write_free(zip);
  return fd;
}

static struct score_images *
opened(const struct model *model, int fd, const struct score_images_options *options)
{
  struct score_images *score = NULL;
  struct err_info info = {.text = ""};
  assert_int_equal(lseek(fd, 0, SEEK_SET), 0);
  if (score_images_open(model, fd, options, &score, &info) != ERR_OK)
    fail_msg("%s", info.text);
  return score;
}

static void
test_parts_make_the_whole(void **state)
{
  (void) state;
  struct buf whole = {0}, parts = {0};
  struct model *model = fitted();
  struct score_place place = {0};
  struct err_info info = {.text = ""};
  size_t lines = 0, errors = 0;
  int fd = zip_file();

  struct score_images *score = opened(model, fd, &plain);
  while (!score_images_place(score).ended)
    if (score_images_next(score, &whole, &info) != ERR_OK)
      fail_msg("%s", info.text);
  struct score_place end = score_images_place(score);
  score_images_close(score);
  assert_int_equal(end.rows, FILES + 1);
  assert_int_equal(end.faulty, FILES / 10 + 1);
  for (; !place.ended;)
  {
    score = opened(model, fd, &plain);
    assert_int_equal(score_images_seek(score, &place, &info), ERR_OK);
    assert_int_equal(score_images_next(score, &parts, &info), ERR_OK);
    place = score_images_place(score);
    score_images_close(score);
  }
  assert_int_equal(place.rows, end.rows);
  assert_int_equal(place.faulty, end.faulty);
  assert_int_equal(parts.length, whole.length);
  assert_memory_equal(parts.data, whole.data, whole.length);
  for (const char *at = whole.data; (at = strchr(at, '\n')) != NULL; at++)
    lines++;
  for (const char *at = whole.data; (at = strstr(at, "at most 10000 pixels")) != NULL; at++)
    errors++;
  assert_int_equal(lines, FILES + 2);
  assert_int_equal(errors, FILES / 10);
  assert_memory_equal(whole.data, "file,predicted_label,probability,", 33);
  assert_non_null(strstr(whole.data, "\n\"some, folder/0.png\","));
  assert_non_null(strstr(whole.data, "\nnotes.txt,,,,,,"));
  close(fd);
  model_free(model);
  buf_free(&whole);
  buf_free(&parts);
}

static void
test_what_is_refused(void **state)
{
  (void) state;
  struct score_images_options few = plain;
  struct score_images *score = NULL;
  struct model *model = fitted();
  struct err_info info = {.text = ""};
  struct buf out = {0};
  int fd = zip_file();
  enum err err = ERR_OK;

  few.limits.max_entries = 100;
  score = opened(model, fd, &few);
  while (err == ERR_OK && !score_images_place(score).ended)
    err = score_images_next(score, &out, &info);
  assert_int_equal(err, ERR_INVALID);
  assert_non_null(strstr(info.text, "100"));
  score_images_close(score);
  /* cut off */
  assert_int_equal(ftruncate(fd, 3000), 0);
  assert_int_equal(score_images_open(model, fd, &plain, &score, &info), ERR_INVALID);
  assert_null(score);
  close(fd);
  model_free(model);
  buf_free(&out);
}

int
main(void)
{
  const struct CMUnitTest tests[] = {cmocka_unit_test(test_parts_make_the_whole),
                                     cmocka_unit_test(test_what_is_refused)};
  return cmocka_run_group_tests(tests, NULL, NULL);
}
