#include <config.h>

#include "worker/trial_batch.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "model/score_csv.h"

#define MODEL_MOST_BYTES ((size_t) 4 << 30)
/* What a part of the answer should have; it may be a few megabytes more. */
#define PART_BYTES ((size_t) 4 << 20)

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

static enum err
answer_rows(struct score_csv *score, const json_t *unit, bool (*stop)(void), struct buf *out,
            struct err_info *info)
{
  double end_s = clock_monotonic_s() + json_get_number(unit, "seconds", 1);
  enum err err;
  do
  {
    if (stop())
      return err_set(info, ERR_CANCELLED, "it was told to stop");
    err = score_csv_next(score, out, info);
  } while (err == ERR_OK && !score_csv_place(score).ended && out->length < PART_BYTES
           && clock_monotonic_s() < end_s);
  return err;
}

static enum err
run(const struct work_dir *dir, const json_t *unit, int fd, const struct model *model,
    bool (*stop)(void), json_t **answer, struct err_info *info)
{
  const json_t *asked = json_object_get(unit, "options");
  struct score_options options = {.strict = json_get_bool(asked, "strict", false),
                                  .plain = json_get_bool(asked, "plain", false),
                                  .threshold = json_get_number(asked, "threshold", NAN),
                                  .interval = json_get_number(asked, "interval", NAN)};
  struct score_place place = {.bytes = (uint64_t) json_get_integer(unit, "bytes", 0),
                              .rows = (uint64_t) json_get_integer(unit, "rows", 0),
                              .faulty = (uint64_t) json_get_integer(unit, "faulty", 0)};
  struct score_csv *score = NULL;
  struct buf out = {0};
  enum err err = score_csv_open(model, fd, &options, &score, info);
  if (err == ERR_OK)
  {
    score_csv_seek(score, &place);
    err = answer_rows(score, unit, stop, &out, info);
  }
  if (err == ERR_OK)
    err = work_dir_write(dir, "answers.csv", out.length > 0 ? out.data : "", out.length, info);
  if (err == ERR_OK)
  {
    place = score_csv_place(score);
    *answer =
      json_pack("{s:b, s:I, s:I, s:I, s:b}", "ok", 1, "bytes", (json_int_t) place.bytes, "rows",
                (json_int_t) place.rows, "faulty", (json_int_t) place.faulty, "ended", place.ended);
    if (*answer == NULL)
      err = err_set(info, ERR_MEMORY, "out of memory for the result");
  }
  score_csv_close(score);
  buf_free(&out);
  return err;
}

enum err
trial_batch_run(const struct work_dir *dir, const json_t *unit, bool (*stop)(void), json_t **answer,
                struct err_info *info)
{
  struct model *model = NULL;
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
