/* attune-ingest: parses one upload with no rights but its descriptors. Started by ingest_run only;
 * see ingest.h for what it is given and what it answers. Exit status 0 whenever a report was
 * written. */
#include <config.h>

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "data/dataset_write.h"
#include "data/ingest_work.h"
#include "data/sandbox.h"

struct options
{
  enum ingest_kind kind;
  int edit_fd, report_fd;
};

#define EDIT_MAX_BYTES ((size_t) 4 << 20)

static void
set_limit(__rlimit_resource_t resource, uint64_t value)
{
  struct rlimit limit = {.rlim_cur = (rlim_t) value, .rlim_max = (rlim_t) value};
  setrlimit(resource, &limit);
}

/* What the parent may have set is set again: this program never runs without. */
static void
limit_self(const struct ingest_work *work)
{
  const struct ingest_limits *limits = &work->limits;
  prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  set_limit(RLIMIT_CORE, 0);
  set_limit(RLIMIT_CPU, limits->max_seconds);
  set_limit(RLIMIT_FSIZE, limits->max_output);
  set_limit(RLIMIT_NOFILE, 16);
  /* A write over the file limit shall fail, not kill. */
  signal(SIGXFSZ, SIG_IGN);
}

/* Last, as entering the sandbox takes memory of its own. */
static void
limit_memory(const struct ingest_work *work, const struct options *options)
{
#ifndef ATTUNE_SANITIZED
  uint64_t memory = work->limits.max_memory;
  struct stat status;
  /* The old version is mapped, and changed columns are made in memory. */
  if (options->kind == INGEST_EDIT && fstat(work->input, &status) == 0)
    memory += 3 * (uint64_t) status.st_size;
  set_limit(RLIMIT_AS, memory);
#else
  (void) work;
  (void) options;
#endif
}

static bool
parse_u64(const char *text, uint64_t *value)
{
  int64_t number;
  if (!text_parse_int64(text, strlen(text), &number) || number <= 0)
    return false;
  *value = (uint64_t) number;
  return true;
}

static bool
parse_fd(const char *text, int *fd)
{
  int64_t number;
  if (!text_parse_int64(text, strlen(text), &number) || number < 0 || number > 1 << 20)
    return false;
  *fd = (int) number;
  return true;
}

static bool
parse_side(const char *text, size_t *side)
{
  uint64_t number;
  if (!parse_u64(text, &number) || number > UINT16_MAX)
    return false;
  *side = (size_t) number;
  return true;
}

static bool
parse_kind(const char *text, enum ingest_kind *kind)
{
  static const char *const names[] = {"csv", "idx", "edit", "archive"};
  for (size_t k = 0; k < 4; k++)
    if (strcmp(text, names[k]) == 0)
    {
      *kind = (enum ingest_kind) k;
      return true;
    }
  return false;
}

static bool
parse_header(const char *text, enum ingest_header *header)
{
  static const char *const names[] = {"auto", "yes", "no"};
  for (size_t k = 0; k < 3; k++)
    if (strcmp(text, names[k]) == 0)
    {
      *header = (enum ingest_header) k;
      return true;
    }
  return false;
}

static bool
parse_delimiter(const char *text, char *delimiter)
{
  *delimiter = strcmp(text, "tab") == 0 ? '\t' : text[0];
  return (strlen(text) == 1 && strchr(",;|", text[0]) != NULL) || *delimiter == '\t';
}

enum option_id
{
  OPT_KIND = 1,
  OPT_INPUT,
  OPT_LABELS,
  OPT_OUTPUT,
  OPT_REPORT,
  OPT_EDIT,
  OPT_SCRATCH,
  OPT_HEADER,
  OPT_DELIMITER,
  OPT_MAX_BYTES,
  OPT_MAX_OUTPUT,
  OPT_MAX_ROWS,
  OPT_MAX_COLUMNS,
  OPT_MAX_CELL,
  OPT_MAX_SECONDS,
  OPT_MAX_MEMORY,
  OPT_MAX_ENTRIES,
  OPT_MAX_UNPACKED,
  OPT_MAX_PIXELS,
  OPT_IMAGE_HEIGHT,
  OPT_IMAGE_WIDTH
};

static const struct option option_table[] = {
  {"kind", required_argument, NULL, OPT_KIND},
  {"input-fd", required_argument, NULL, OPT_INPUT},
  {"labels-fd", required_argument, NULL, OPT_LABELS},
  {"output-fd", required_argument, NULL, OPT_OUTPUT},
  {"report-fd", required_argument, NULL, OPT_REPORT},
  {"edit-fd", required_argument, NULL, OPT_EDIT},
  {"header", required_argument, NULL, OPT_HEADER},
  {"delimiter", required_argument, NULL, OPT_DELIMITER},
  {"max-bytes", required_argument, NULL, OPT_MAX_BYTES},
  {"max-output", required_argument, NULL, OPT_MAX_OUTPUT},
  {"max-rows", required_argument, NULL, OPT_MAX_ROWS},
  {"max-columns", required_argument, NULL, OPT_MAX_COLUMNS},
  {"max-cell-bytes", required_argument, NULL, OPT_MAX_CELL},
  {"max-seconds", required_argument, NULL, OPT_MAX_SECONDS},
  {"max-memory", required_argument, NULL, OPT_MAX_MEMORY},
  {"scratch-fd", required_argument, NULL, OPT_SCRATCH},
  {"max-entries", required_argument, NULL, OPT_MAX_ENTRIES},
  {"max-unpacked", required_argument, NULL, OPT_MAX_UNPACKED},
  {"max-pixels", required_argument, NULL, OPT_MAX_PIXELS},
  {"image-height", required_argument, NULL, OPT_IMAGE_HEIGHT},
  {"image-width", required_argument, NULL, OPT_IMAGE_WIDTH},
  {NULL, 0, NULL, 0},
};

static bool
take_option(int id, const char *value, struct options *options, struct ingest_work *work)
{
  switch ((enum option_id) id)
  {
  case OPT_KIND:
    return parse_kind(value, &options->kind);
  case OPT_INPUT:
    return parse_fd(value, &work->input);
  case OPT_LABELS:
    return parse_fd(value, &work->labels);
  case OPT_OUTPUT:
    return parse_fd(value, &work->output);
  case OPT_REPORT:
    return parse_fd(value, &options->report_fd);
  case OPT_EDIT:
    return parse_fd(value, &options->edit_fd);
  case OPT_SCRATCH:
    return parse_fd(value, &work->scratch);
  case OPT_HEADER:
    return parse_header(value, &work->header);
  case OPT_DELIMITER:
    return parse_delimiter(value, &work->delimiter);
  case OPT_MAX_BYTES:
    return parse_u64(value, &work->limits.max_bytes);
  case OPT_MAX_OUTPUT:
    return parse_u64(value, &work->limits.max_output);
  case OPT_MAX_ROWS:
    return parse_u64(value, &work->limits.max_rows);
  case OPT_MAX_COLUMNS:
    return parse_u64(value, &work->limits.max_columns);
  case OPT_MAX_CELL:
    return parse_u64(value, &work->limits.max_cell_bytes);
  case OPT_MAX_SECONDS:
    return parse_u64(value, &work->limits.max_seconds);
  case OPT_MAX_MEMORY:
    return parse_u64(value, &work->limits.max_memory);
  case OPT_MAX_ENTRIES:
    return parse_u64(value, &work->limits.max_entries);
  case OPT_MAX_UNPACKED:
    return parse_u64(value, &work->limits.max_unpacked);
  case OPT_MAX_PIXELS:
    return parse_u64(value, &work->limits.max_pixels);
  case OPT_IMAGE_HEIGHT:
    return parse_side(value, &work->image_height);
  case OPT_IMAGE_WIDTH:
    return parse_side(value, &work->image_width);
  }
  return false;
}

static bool
read_options(int argc, char **argv, struct options *options, struct ingest_work *work)
{
  int id;
  *options = (struct options){.edit_fd = -1, .report_fd = -1};
  while ((id = getopt_long(argc, argv, "", option_table, NULL)) != -1)
    if (id == '?' || !take_option(id, optarg, options, work))
      return false;
  return optind == argc && work->input >= 0 && work->output >= 0 && options->report_fd >= 0
         && (options->kind != INGEST_IDX || work->labels >= 0)
         && (options->kind != INGEST_ARCHIVE || work->scratch >= 0)
         && (options->kind != INGEST_EDIT || options->edit_fd >= 0);
}

static enum err
read_edit(int fd, json_t **edit, struct err_info *info)
{
  struct buf bytes = {0};
  enum err err = file_read_fd(fd, EDIT_MAX_BYTES, &bytes, info);
  if (err == ERR_OK)
    err = json_parse(bytes.data != NULL ? bytes.data : "", bytes.length, 8, edit, info);
  buf_free(&bytes);
  return err;
}

static enum err
do_work(struct ingest_work *work, const struct options *options, char sha256[65],
        struct err_info *info)
{
  json_t *edit = NULL;
  enum err err = ERR_OK;
  switch (options->kind)
  {
  case INGEST_CSV:
    err = ingest_csv(work, info);
    break;
  case INGEST_IDX:
    err = ingest_idx(work, info);
    break;
  case INGEST_EDIT:
    err = read_edit(options->edit_fd, &edit, info);
    work->edit = edit;
    if (err == ERR_OK)
      err = ingest_edit(work, info);
    json_decref(edit);
    break;
  case INGEST_ARCHIVE:
    err = ingest_archive(work, info);
    break;
  }
  return err == ERR_OK ? dataset_digest(work->output, work->bytes, sha256, info) : err;
}

static bool
write_report(int fd, const struct ingest_work *work, enum err err, const char *sha256,
             const struct err_info *info)
{
  json_t *report =
    err == ERR_OK ? json_pack("{s:b, s:O, s:s, s:I}", "ok", 1, "schema", work->schema, "sha256",
                              sha256, "bytes", (json_int_t) work->bytes)
                  : json_pack("{s:b, s:s, s:s, s:o}", "ok", 0, "status", err_name(err), "message",
                              info->text, "faults", json_faults_to_json(work->faults));
  struct buf text = {0};
  struct err_info ignored;
  json_write(report, &text);
  bool written =
    report != NULL && !text.failed && file_write_fd(fd, text.data, text.length, &ignored) == ERR_OK;
  buf_free(&text);
  json_decref(report);
  return written;
}

int
main(int argc, char **argv)
{
  struct options options;
  struct ingest_work work = {
    .input = -1, .labels = -1, .output = -1, .scratch = -1, .limits = INGEST_LIMITS_DEFAULT};
  if (!read_options(argc, argv, &options, &work))
  {
    fprintf(stderr, "attune-ingest is started by attuned with an upload; it has no use by hand\n");
    return 2;
  }
  /* So that libarchive takes names as they are. LC_NUMERIC stays "C". */
  setlocale(LC_CTYPE, "C.UTF-8");
  limit_self(&work);
  struct json_faults faults;
  struct err_info info = {0};
  char sha256[65] = "";
  struct arena *arena = arena_new(0);
  if (arena == NULL || sodium_init() < 0)
    return 1;
  json_faults_init(&faults, arena);
  work.faults = &faults;
  enum err err = sandbox_enter(&info);
  if (err == ERR_OK)
    limit_memory(&work, &options);
  if (err == ERR_OK)
    err = do_work(&work, &options, sha256, &info);
  bool written = write_report(options.report_fd, &work, err, sha256, &info);
  json_decref(work.schema);
  arena_free(arena);
  return written ? 0 : 1;
}
