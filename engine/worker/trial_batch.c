#include <config.h>

#include "worker/trial_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <locale.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "model/score_images.h"

#define MODEL_MOST_BYTES ((size_t) 4 << 30)
/* What a part of the answer should have; it may be a few megabytes more. */
#define PART_BYTES ((size_t) 4 << 20)
/* Where the batch says nothing. */
#define MOST_PIXELS 16000000
#define MOST_ENTRIES 1000000
#define MOST_BYTES (UINT64_C(16) << 30)

static enum err
load_model(const char *path, struct model **model, struct err_info *info)
{
  struct buf bytes = {0};
  enum err err = file_read_all(path, MODEL_MOST_BYTES, &bytes, info);
  if (err == ERR_OK)
    err = model_load(bytes.data, bytes.length, model, info);
  buf_free(&bytes);
  return err;
}

/* Whichever of the two the model is for. */
struct scorer
{
  struct score_csv *rows;
  struct score_images *images;
};

static enum err
open_rows(struct scorer *scorer, const struct model *model, int fd, const json_t *unit,
          const struct score_place *place, struct err_info *info)
{
  const json_t *asked = json_object_get(unit, "options");
  struct score_options options = {.strict = json_get_bool(asked, "strict", false),
                                  .plain = json_get_bool(asked, "plain", false),
                                  .threshold = json_get_number(asked, "threshold", NAN),
                                  .interval = json_get_number(asked, "interval", NAN)};
  enum err err = score_csv_open(model, fd, &options, &scorer->rows, info);
  if (err == ERR_OK)
    score_csv_seek(scorer->rows, place);
  return err;
}

static enum err
open_images(struct scorer *scorer, const struct model *model, int fd, const json_t *unit,
            const struct score_place *place, struct err_info *info)
{
  const json_t *asked = json_object_get(unit, "options");
  struct score_images_options options = {
    .threshold = json_get_number(asked, "threshold", NAN),
    .most_pixels = (size_t) json_get_count(asked, "most_pixels", MOST_PIXELS),
    .limits = {.max_entries = json_get_count(asked, "most_entries", MOST_ENTRIES),
               .max_bytes = json_get_count(asked, "most_bytes", MOST_BYTES)}};
  enum err err = score_images_open(model, fd, &options, &scorer->images, info);
  return err == ERR_OK ? score_images_seek(scorer->images, place, info) : err;
}

static struct score_place
place_of(const struct scorer *scorer)
{
  return scorer->rows != NULL ? score_csv_place(scorer->rows) : score_images_place(scorer->images);
}

static enum err
answer_rows(const struct scorer *scorer, const json_t *unit, bool (*stop)(void), struct buf *out,
            struct err_info *info)
{
  double end_s = clock_monotonic_s() + json_get_number(unit, "seconds", 1);
  enum err err;
  do
  {
    if (stop())
      return err_set(info, ERR_CANCELLED, "it was told to stop");
    err = scorer->rows != NULL ? score_csv_next(scorer->rows, out, info)
                               : score_images_next(scorer->images, out, info);
  } while (err == ERR_OK && !place_of(scorer).ended && out->length < PART_BYTES
           && clock_monotonic_s() < end_s);
  return err;
}

static enum err
run(const struct work_dir *dir, const json_t *unit, int fd, const struct model *model,
    bool (*stop)(void), json_t **answer, struct err_info *info)
{
  struct score_place place = {.bytes = (uint64_t) json_get_integer(unit, "bytes", 0),
                              .rows = (uint64_t) json_get_integer(unit, "rows", 0),
                              .faulty = (uint64_t) json_get_integer(unit, "faulty", 0)};
  struct scorer scorer = {0};
  struct model_about about;
  struct buf out = {0};
  model_about(model, &about);
  enum err err = about.input == DATASET_IMAGES ? open_images(&scorer, model, fd, unit, &place, info)
                                               : open_rows(&scorer, model, fd, unit, &place, info);
  if (err == ERR_OK)
    err = answer_rows(&scorer, unit, stop, &out, info);
  if (err == ERR_OK)
    err = work_dir_write(dir, "answers.csv", out.length > 0 ? out.data : "", out.length, info);
  if (err == ERR_OK)
  {
    place = place_of(&scorer);
    *answer =
      json_pack("{s:b, s:I, s:I, s:I, s:b}", "ok", 1, "bytes", (json_int_t) place.bytes, "rows",
                (json_int_t) place.rows, "faulty", (json_int_t) place.faulty, "ended", place.ended);
    if (*answer == NULL)
      err = err_set(info, ERR_MEMORY, "out of memory for the result");
  }
  score_csv_close(scorer.rows);
  score_images_close(scorer.images);
  buf_free(&out);
  return err;
}

enum err
trial_batch_run(const struct work_dir *dir, const json_t *unit, bool (*stop)(void), json_t **answer,
                struct err_info *info)
{
  struct model *model = NULL;
  setlocale(LC_CTYPE, "C.UTF-8"); /* for the names in archives */
  enum err err = load_model(json_get_string(unit, "model", ""), &model, info);
  if (err != ERR_OK)
    return err;
  int fd = open(json_get_string(unit, "input", ""), O_RDONLY | O_CLOEXEC);
  if (fd < 0)
    err = err_set_errno(info, ERR_IO, errno, "could not open the batch's file");
  else
    err = run(dir, unit, fd, model, stop, answer, info);
  if (fd >= 0)
    close(fd);
  model_free(model);
  return err;
}
