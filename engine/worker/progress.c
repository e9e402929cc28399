#include <config.h>

#include "worker/progress.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"

#define FLUSH_EVERY_S 0.5
#define MOST_WAITING 512
#define LINE_BYTES 4096

struct progress
{
  struct db_work_epoch waiting[MOST_WAITING];
  size_t count;
  char line[LINE_BYTES];
  size_t length;
  double flushed_s;
};

struct progress *
progress_new(void)
{
  return calloc(1, sizeof(struct progress));
}

void
progress_free(struct progress *progress)
{
  free(progress);
}

/* Keeps the newest epochs; when there are very many between two flushes, every other one goes. */
static void
make_room(struct progress *progress)
{
  size_t kept = 0;
  if (progress->count < MOST_WAITING)
    return;
  for (size_t i = 1; i < progress->count; i += 2)
    progress->waiting[kept++] = progress->waiting[i];
  progress->count = kept;
}

static void
take_line(struct progress *progress)
{
  json_t *json = NULL;
  if (json_parse(progress->line, progress->length, 2, &json, NULL) == ERR_OK
      && json_get_integer(json, "epoch", 0) > 0)
  {
    make_room(progress);
    progress->waiting[progress->count++] =
      (struct db_work_epoch){.epoch = (int) json_get_integer(json, "epoch", 0),
                             .epoch_count = (int) json_get_integer(json, "epochs", 0),
                             .train_loss = json_get_number(json, "train_loss", NAN),
                             .valid_loss = json_get_number(json, "valid_loss", NAN),
                             .valid_metric = json_get_number(json, "valid_metric", NAN),
                             .seconds = json_get_number(json, "seconds", 0)};
  }
  json_decref(json);
}

bool
progress_read(struct progress *progress, int fd)
{
  char bytes[LINE_BYTES];
  for (;;)
  {
    ssize_t got = read(fd, bytes, sizeof bytes);
    if (got < 0 && errno == EINTR)
      continue;
    if (got <= 0)
      return got < 0 && errno == EAGAIN;
    for (ssize_t i = 0; i < got; i++)
    {
      if (bytes[i] == '\n')
      {
        take_line(progress);
        progress->length = 0;
      }
      else if (progress->length < sizeof progress->line)
        progress->line[progress->length++] = bytes[i];
    }
  }
}

enum db_status
progress_flush(struct progress *progress, struct db_conn *conn, const struct db_work_lease *lease,
               bool last)
{
  double now_s = clock_monotonic_s();
  if (progress->count == 0 || (!last && now_s - progress->flushed_s < FLUSH_EVERY_S))
    return DB_ROWS;
  enum db_status status = db_work_epochs(conn, lease, progress->waiting, progress->count);
  progress->flushed_s = clock_monotonic_s();
  if (status >= DB_NONE)
    progress->count = 0;
  return status;
}
