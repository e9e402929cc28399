#include <config.h>

#include "server/ingest_job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "data/archive_kind.h"

#define NOTE_BYTES_MAX 65536
#define HEAD_BYTES 512
#define LINE_BYTES 4096

void
ingest_outcome_free(struct ingest_outcome *outcome)
{
  json_decref(outcome->problem);
  free(outcome->schema);
  memset(outcome, 0, sizeof *outcome);
}

struct ingest_limits
ingest_job_limits(const struct server *server)
{
  struct ingest_limits limits = INGEST_LIMITS_DEFAULT;

  limits.max_bytes = server->limits.upload_bytes;
  limits.max_rows = server->limits.rows;
  limits.max_columns = server->limits.columns;
  limits.max_seconds = (uint64_t) server->limits.ingest_seconds;
  limits.max_memory = server->limits.ingest_memory_bytes;
  limits.max_entries = server->limits.archive_entries;
  limits.max_unpacked = server->limits.unpacked_bytes;
  limits.max_pixels = server->limits.image_pixels;
  return limits;
}

enum err
ingest_outcome_fill(struct ingest_outcome *outcome, const struct ingest_result *result,
                    struct err_info *info)
{
  const char *kind = json_get_string(result->schema, "kind", "");
  struct buf schema = {0};
  size_t length;

  snprintf(outcome->kind, sizeof outcome->kind, "%s", kind);
  outcome->bytes = result->bytes;
  outcome->rows = (int64_t) json_get_integer(result->schema, "rows", -1);
  json_write(result->schema, &schema);
  outcome->schema = buf_take(&schema, &length);
  if (!outcome->schema || outcome->rows < 0
      || (strcmp(kind, "table") != 0 && strcmp(kind, "images") != 0)
      || !text_hex_decode(result->sha256, strlen(result->sha256), outcome->sha256))
    return err_set(info, ERR_INTERNAL, "the parser's report is not complete");
  outcome->ready = true;
  return ERR_OK;
}

/* ---- what can't be a CSV --------------------------------------------------------------------------- */

/* A sentence and a remedy for files of other formats, which would only give puzzling faults as CSV. */
struct foreign
{
  const char *magic;
  size_t length;
  const char *message, *hint;
};

static const struct foreign foreigns[] = {
  {"\xd0\xcf\x11\xe0", 4, "this is an old Excel workbook, not a CSV",
   "save the sheet as CSV and upload that"},
  {"PAR1", 4, "this is a Parquet file, not a CSV", "write it as CSV and upload that"},
  {"%PDF", 4, "this is a PDF, not a CSV", "upload the data as CSV"},
  {"\x89PNG", 4, "this is one image, not a dataset",
   "send a zip with a folder of images for each class"},
  {"\xff\xd8\xff", 3, "this is one image, not a dataset",
   "send a zip with a folder of images for each class"},
  {"\0\0\x08\3", 4, "this is an IDX file of images, which needs its labels",
   "send both: curl -F images=@FILE -F labels=@FILE"},
  {"\0\0\x08\1", 4, "this is an IDX file of labels, which needs its images",
   "send both: curl -F images=@FILE -F labels=@FILE"},
};

static json_t *
problem_new(const char *code, const char *detail, json_t *faults)
{
  return json_pack("{s:s, s:s, s:o}", "code", code, "detail", detail, "faults",
                   faults ? faults : json_array());
}

static json_t *
find_foreign(const char *head, size_t length)
{
  for (size_t i = 0; i < sizeof foreigns / sizeof foreigns[0]; i++)
    if (length >= foreigns[i].length && memcmp(head, foreigns[i].magic, foreigns[i].length) == 0)
      return problem_new("dataset_invalid", foreigns[i].message,
                         json_pack("[{s:s, s:s, s:s}]", "pointer", "/file", "message",
                                   foreigns[i].message, "hint", foreigns[i].hint));
  return NULL;
}

/* A file that is said to be TSV is one if its first line has a tab: names lie. */
static bool
has_tabs(int fd)
{
  char line[LINE_BYTES];
  ssize_t got = pread(fd, line, sizeof line, 0);
  const char *end = got > 0 ? memchr(line, '\n', (size_t) got) : NULL;
  size_t length = end ? (size_t) (end - line) : got > 0 ? (size_t) got : 0;
  return length > 0 && memchr(line, '\t', length) != NULL;
}

/* ---- running --------------------------------------------------------------------------------------- */

struct files
{
  int input, labels, output, scratch;
};

/* What the note says of the upload. */
struct staged
{
  bool pair, labels, tabs;
  size_t image_height, image_width;
};

static int
open_in(const char *folder, const char *name, int flags)
{
  char *path = NULL;
  int fd;

  if (asprintf(&path, "%s/%s", folder, name) < 0)
    return -1;
  fd = open(path, flags | O_CLOEXEC, 0600);
  free(path);
  return fd;
}

static void
close_files(struct files *files)
{
  if (files->input >= 0)
    close(files->input);
  if (files->labels >= 0)
    close(files->labels);
  if (files->output >= 0)
    close(files->output);
  if (files->scratch >= 0)
    close(files->scratch);
}

static enum err
open_files(const char *folder, const struct staged *staged, struct files *files,
           struct err_info *info)
{
  files->input = open_in(folder, staged->pair ? "images" : "file", O_RDONLY);
  files->labels = staged->labels ? open_in(folder, "labels", O_RDONLY) : -1;
  files->output = open_in(folder, "canonical", O_RDWR | O_CREAT | O_TRUNC);
  if (files->input < 0 || files->output < 0 || (staged->labels && files->labels < 0))
    return err_set_errno(info, ERR_IO, errno, "could not open a staged upload");
  return ERR_OK;
}

static enum err
read_note(const char *folder, struct staged *staged, struct err_info *info)
{
  struct buf text = {.data = NULL};
  json_t *note = NULL;
  char *path = NULL;
  enum err rc;

  if (asprintf(&path, "%s/note.json", folder) < 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  rc = file_read_all(path, NOTE_BYTES_MAX, &text, info);
  if (rc == ERR_OK)
    rc = json_parse(text.data, text.length, 8, &note, info);
  staged->pair = json_get_bool(note, "pair", false);
  /* an older version wrote no more than that */
  staged->labels = json_get_bool(note, "labels", staged->pair);
  staged->tabs = json_get_bool(note, "tabs", false);
  staged->image_height = (size_t) json_get_integer(note, "image_height", 0);
  staged->image_width = (size_t) json_get_integer(note, "image_width", 0);
  json_decref(note);
  buf_free(&text);
  free(path);
  return rc;
}

/* Finds out what kind of work the files are. A problem is found where there is none to do. */
static enum err
choose_kind(const char *folder, const struct staged *staged, struct files *files,
            struct ingest_request *request, struct ingest_outcome *outcome, struct err_info *info)
{
  char head[HEAD_BYTES];
  ssize_t got = pread(files->input, head, sizeof head, 0);
  size_t length = got > 0 ? (size_t) got : 0;

  request->kind = INGEST_CSV;
  request->input_fd = files->input;
  request->labels_fd = files->labels;
  request->scratch_fd = -1;
  request->output_fd = files->output;
  request->image_height = staged->image_height;
  request->image_width = staged->image_width;
  if (staged->pair)
    request->kind = INGEST_IDX;
  else if (staged->labels || archive_is_known(head, length))
  {
    request->kind = INGEST_ARCHIVE;
    request->scratch_fd = files->scratch = open_in(folder, "scratch", O_RDWR | O_CREAT | O_TRUNC);
    if (files->scratch < 0)
      return err_set_errno(info, ERR_IO, errno, "could not make a file to unpack to");
  }
  else
    outcome->problem = find_foreign(head, length);
  if (request->kind == INGEST_CSV && staged->tabs && has_tabs(files->input))
    request->delimiter = '\t';
  return ERR_OK;
}

struct ticker
{
  bool (*tick)(void *context);
  void *context;
};

static bool
is_cancelled(void *context)
{
  const struct ticker *ticker = context;
  return !ticker->tick(ticker->context);
}

/* What the child's end means for the caller of the API; ERR_OK when it is a problem of the data. */
static enum err
judge(enum err rc, const struct ingest_result *result, struct ingest_outcome *outcome,
      struct err_info *info)
{
  switch (rc)
  {
  case ERR_OK:
    return ingest_outcome_fill(outcome, result, info);
  case ERR_INVALID:
    outcome->problem = problem_new("dataset_invalid", info->text,
                                   result->faults ? json_incref(result->faults) : NULL);
    return ERR_OK;
  case ERR_LIMIT:
  case ERR_TIMEOUT:
    outcome->problem = problem_new("dataset_invalid", info->text, NULL);
    return ERR_OK;
  case ERR_UNAVAILABLE:
    outcome->problem =
      problem_new("storage_full", "there is not enough room to store this dataset", NULL);
    return ERR_OK;
  case ERR_MEMORY:
  case ERR_IO:
  case ERR_NOT_FOUND:
  case ERR_CONFLICT:
  case ERR_CANCELLED:
  case ERR_DIVERGED:
  case ERR_INTERNAL:
  default:
    return rc;
  }
}

enum err
ingest_job_run(const struct server *server, const char *folder, bool (*tick)(void *context),
               void *context, struct ingest_outcome *outcome, struct err_info *info)
{
  struct files files = {.input = -1, .labels = -1, .output = -1, .scratch = -1};
  struct ticker ticker = {.tick = tick, .context = context};
  struct ingest_result result = {.schema = NULL};
  struct ingest_request request = {.header = INGEST_HEADER_AUTO,
                                   .limits = ingest_job_limits(server),
                                   .cancelled = is_cancelled,
                                   .cancel_context = &ticker};
  struct staged staged = {.pair = false};
  enum err rc;

  memset(outcome, 0, sizeof *outcome);
  rc = read_note(folder, &staged, info);
  if (rc == ERR_OK)
    rc = open_files(folder, &staged, &files, info);
  if (rc == ERR_OK)
    rc = choose_kind(folder, &staged, &files, &request, outcome, info);
  if (rc == ERR_OK && !outcome->problem)
  {
    rc = judge(ingest_run(&request, &result, info), &result, outcome, info);
    ingest_result_clear(&result);
  }
  close_files(&files);
  return rc;
}
