#include <config.h>

#include "data/ingest.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/log.h"
#include "base/proc.h"

/* Descriptors of the child. */
enum
{
  CHILD_INPUT = 3,
  CHILD_LABELS,
  CHILD_OUTPUT,
  CHILD_REPORT,
  CHILD_EDIT,
  CHILD_SCRATCH
};

#define REPORT_MAX_BYTES ((size_t) 80 << 20)
#define POLL_S 0.05
#define ARGUMENTS 32
#define ARGUMENT_BYTES 40

/* The child's command line. */
struct arguments
{
  char *argv[ARGUMENTS + 1];
  char texts[ARGUMENTS][ARGUMENT_BYTES];
  size_t count;
};

static void
add_text(struct arguments *arguments, const char *text)
{
  char *place = arguments->texts[arguments->count];
  snprintf(place, ARGUMENT_BYTES, "%s", text);
  arguments->argv[arguments->count++] = place;
  arguments->argv[arguments->count] = NULL;
}

static void
add_number(struct arguments *arguments, const char *option, uint64_t value)
{
  char text[ARGUMENT_BYTES];
  snprintf(text, sizeof text, "--%s=%llu", option, (unsigned long long) value);
  add_text(arguments, text);
}

static bool
has_labels(const struct ingest_request *request)
{
  return request->kind == INGEST_IDX
         || (request->kind == INGEST_ARCHIVE && request->labels_fd >= 0);
}

static void
make_arguments(const struct ingest_request *request, struct arguments *arguments)
{
  static const char *const kinds[] = {"--kind=csv", "--kind=idx", "--kind=edit", "--kind=archive"};
  static const char *const headers[] = {"--header=auto", "--header=yes", "--header=no"};
  const struct ingest_limits *limits = &request->limits;
  arguments->count = 0;
  add_text(arguments, "attune-ingest");
  add_text(arguments, kinds[request->kind]);
  add_text(arguments, headers[request->header]);
  add_number(arguments, "input-fd", CHILD_INPUT);
  add_number(arguments, "output-fd", CHILD_OUTPUT);
  add_number(arguments, "report-fd", CHILD_REPORT);
  if (has_labels(request))
    add_number(arguments, "labels-fd", CHILD_LABELS);
  if (request->kind == INGEST_ARCHIVE)
    add_number(arguments, "scratch-fd", CHILD_SCRATCH);
  if (request->kind == INGEST_EDIT)
    add_number(arguments, "edit-fd", CHILD_EDIT);
  if (request->delimiter == '\t')
    add_text(arguments, "--delimiter=tab");
  else if (request->delimiter != 0)
  {
    char text[] = "--delimiter=?";
    text[sizeof text - 2] = request->delimiter;
    add_text(arguments, text);
  }
  add_number(arguments, "max-bytes", limits->max_bytes);
  add_number(arguments, "max-output", limits->max_output);
  add_number(arguments, "max-rows", limits->max_rows);
  add_number(arguments, "max-columns", limits->max_columns);
  add_number(arguments, "max-cell-bytes", limits->max_cell_bytes);
  add_number(arguments, "max-seconds", limits->max_seconds);
  add_number(arguments, "max-memory", limits->max_memory);
  add_number(arguments, "max-entries", limits->max_entries);
  add_number(arguments, "max-unpacked", limits->max_unpacked);
  add_number(arguments, "max-pixels", limits->max_pixels);
  if (request->image_height > 0)
    add_number(arguments, "image-height", request->image_height);
  if (request->image_width > 0)
    add_number(arguments, "image-width", request->image_width);
}

/* A file without a name, for the report and the edit: the child can't block on it as on a pipe. */
static int
memory_file(const char *name)
{
  return memfd_create(name, MFD_CLOEXEC);
}

static enum err
write_edit(int fd, const json_t *edit, struct err_info *info)
{
  char *text = json_dumps(edit, JSON_COMPACT | JSON_ENCODE_ANY);
  if (text == NULL)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = file_write_fd(fd, text, strlen(text), info);
  free(text);
  if (err == ERR_OK && lseek(fd, 0, SEEK_SET) < 0)
    err = err_set_errno(info, ERR_IO, errno, "could not hand over the edit");
  return err;
}

static enum err
start_child(const struct ingest_request *request, int report, int edit, pid_t *pid,
            struct err_info *info)
{
  struct arguments arguments;
  char path[4096];
  enum err err = proc_find_program("attune-ingest", path, sizeof path, info);
  if (err != ERR_OK)
    return err;
  make_arguments(request, &arguments);
  struct proc_fd fds[6];
  size_t count = 0;
  fds[count++] = (struct proc_fd){request->input_fd, CHILD_INPUT};
  fds[count++] = (struct proc_fd){request->output_fd, CHILD_OUTPUT};
  fds[count++] = (struct proc_fd){report, CHILD_REPORT};
  if (request->kind == INGEST_ARCHIVE)
    fds[count++] = (struct proc_fd){request->scratch_fd, CHILD_SCRATCH};
  if (has_labels(request))
    fds[count++] = (struct proc_fd){request->labels_fd, CHILD_LABELS};
  if (request->kind == INGEST_EDIT)
    fds[count++] = (struct proc_fd){edit, CHILD_EDIT};
  char *no_environment[] = {NULL};
  struct proc_spawn spawn = {
    .path = path,
    .argv = arguments.argv,
    .envp = no_environment,
    .fds = fds,
    .fd_count = count,
    .limits = {.cpu_s = request->limits.max_seconds, .file_bytes = request->limits.max_output},
    .nice_add = 5,
    .directory = "/",
    .no_new_privs = true};
  return proc_start(&spawn, pid, info);
}

/* What the child uses in memory where its address space can't be limited. */
static bool
too_large(pid_t pid, const struct ingest_request *request)
{
#ifdef ATTUNE_SANITIZED
  uint64_t bytes;
  return request->kind != INGEST_EDIT && proc_rss_bytes(pid, &bytes) == ERR_OK
         && bytes > 4 * request->limits.max_memory;
#else
  (void) pid;
  (void) request;
  return false;
#endif
}

/* Waits until the child ends, or ends it. */
static enum err
await_child(pid_t pid, const struct ingest_request *request, int *status, struct err_info *info)
{
  double deadline = clock_monotonic_s() + 2.0 * (double) request->limits.max_seconds;
  enum err why = ERR_OK;
  for (;;)
  {
    enum err err = proc_wait_timeout(pid, POLL_S, status);
    if (err != ERR_TIMEOUT && err != ERR_OK)
      return err_set(info, ERR_INTERNAL, "could not wait for attune-ingest");
    if (err == ERR_OK && why == ERR_OK)
      return ERR_OK;
    if (err == ERR_OK && why == ERR_CANCELLED)
      return err_set(info, why, "the upload was cancelled");
    if (err == ERR_OK && why == ERR_LIMIT)
      return err_set(info, why, "the file needs too much memory to be read");
    if (err == ERR_OK)
      return err_set(info, why, "the file could not be read within %llu s",
                     2 * (unsigned long long) request->limits.max_seconds);
    if (why == ERR_OK && request->cancelled != NULL && request->cancelled(request->cancel_context))
      why = ERR_CANCELLED;
    else if (why == ERR_OK && clock_monotonic_s() > deadline)
      why = ERR_TIMEOUT;
    else if (why == ERR_OK && too_large(pid, request))
      why = ERR_LIMIT;
    if (why != ERR_OK)
      kill(pid, SIGKILL);
  }
}

/* A child that ended without a report. */
static enum err
no_report(int status, const struct ingest_request *request, struct err_info *info)
{
  char text[128];
  if (WIFSIGNALED(status) && (WTERMSIG(status) == SIGXCPU || WTERMSIG(status) == SIGKILL))
    return err_set(info, ERR_LIMIT, "the file needs more than %llu s of computing to be read",
                   (unsigned long long) request->limits.max_seconds);
  proc_describe_status(status, text, sizeof text);
  if (WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS)
  {
    log_error(
      "attune-ingest was ended for a system call that parsing does not need; the upload may be an "
      "attack, or the sandbox's list lacks a call");
    return err_set(info, ERR_INVALID,
                   "reading the file was stopped, because it made the parser try what it may not; "
                   "if you trust the file, write it anew with another program");
  }
  return err_set(info, ERR_INTERNAL, "attune-ingest %s without a report", text);
}

/* The error whose name the report gives. */
static enum err
named_error(const char *name)
{
  for (int code = ERR_MEMORY; name != NULL && code <= ERR_INTERNAL; code++)
    if (strcmp(err_name((enum err) code), name) == 0)
      return (enum err) code;
  return ERR_INTERNAL;
}

static enum err
read_failure(const json_t *report, struct ingest_result *result, struct err_info *info)
{
  const char *message = json_string_value(json_object_get(report, "message"));
  enum err err = named_error(json_string_value(json_object_get(report, "status")));
  if (err == ERR_MEMORY)
    return err_set(info, ERR_LIMIT, "the file needs too much memory to be read");
  json_t *faults = json_object_get(report, "faults");
  if (err == ERR_INVALID && json_is_array(faults))
    result->faults = json_incref(faults);
  return err_set(info, err, "%s", message != NULL ? message : "the file could not be read");
}

static enum err
read_report(int fd, int status, const struct ingest_request *request, struct ingest_result *result,
            struct err_info *info)
{
  struct buf text = {0};
  json_t *report = NULL;
  struct err_info reason = {0};
  if (lseek(fd, 0, SEEK_SET) < 0 || file_read_fd(fd, REPORT_MAX_BYTES, &text, &reason) != ERR_OK
      || text.length == 0 || json_parse(text.data, text.length, 24, &report, &reason) != ERR_OK)
  {
    buf_free(&text);
    return no_report(status, request, info);
  }
  buf_free(&text);
  enum err err = ERR_OK;
  json_t *schema = json_object_get(report, "schema");
  const char *digest = json_string_value(json_object_get(report, "sha256"));
  if (!json_is_true(json_object_get(report, "ok")))
    err = read_failure(report, result, info);
  else if (!json_is_object(schema) || digest == NULL || strlen(digest) != 64)
    err = no_report(status, request, info);
  else
  {
    result->schema = json_incref(schema);
    memcpy(result->sha256, digest, 65);
    result->bytes = (uint64_t) json_integer_value(json_object_get(report, "bytes"));
  }
  json_decref(report);
  return err;
}

enum err
ingest_run(const struct ingest_request *request, struct ingest_result *result,
           struct err_info *info)
{
  *result = (struct ingest_result){0};
  int report = memory_file("attune-report"), edit = -1, status = 0;
  pid_t pid;
  enum err err = report >= 0 ? ERR_OK : err_set_errno(info, ERR_IO, errno, "could not make a file");
  if (err == ERR_OK && request->kind == INGEST_EDIT)
  {
    edit = memory_file("attune-edit");
    err = edit >= 0 ? write_edit(edit, request->edit, info)
                    : err_set_errno(info, ERR_IO, errno, "could not make a file");
  }
  if (err == ERR_OK)
    err = start_child(request, report, edit, &pid, info);
  if (err == ERR_OK)
    err = await_child(pid, request, &status, info);
  if (err == ERR_OK)
    err = read_report(report, status, request, result, info);
  if (edit >= 0)
    close(edit);
  if (report >= 0)
    close(report);
  return err;
}

void
ingest_result_clear(struct ingest_result *result)
{
  json_decref(result->schema);
  json_decref(result->faults);
  *result = (struct ingest_result){0};
}
