#include <config.h>

#include "tests/harness/test_engine.h"

#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/rng.h"
#include "data/dataset.h"
#include "data/dataset_write.h"
#include "model/job_spec.h"
#include "search/search.h"
#include "sql/db_dataset.h"
#include "tests/harness/test_db.h"

void
test_engine_table(const char *path, size_t rows, uint64_t seed, int regression)
{
  static const char *const colours[] = {"red", "green", "blue"};
  static const char *const answers[] = {"no", "yes"};
  double *numbers = calloc(rows, 4 * sizeof *numbers), *value = numbers + 3 * rows;
  int32_t *colour = calloc(rows, sizeof *colour), *answer = calloc(rows, sizeof *answer);
  uint64_t *offset = calloc(rows + 1, sizeof *offset);
  char *text = malloc(rows * 8 + 1);
  struct rng rng;
  rng_init(&rng, seed, 77);
  for (size_t i = 0; i < rows; i++)
  {
    double *at[3] = {numbers + i, numbers + rows + i, numbers + 2 * rows + i};
    for (int c = 0; c < 3; c++)
      *at[c] = rng_normal(&rng);
    colour[i] = (int32_t) rng_below(&rng, 3);
    double score =
      *at[0] * *at[1] + 0.8 * *at[2] + (colour[i] == 0 ? 1 : 0) + 0.5 * rng_normal(&rng);
    answer[i] = score > 0.3;
    value[i] = 10 + 3 * score;
    if (rng_below(&rng, 20) == 0)
      *at[1] = NAN;
    offset[i + 1] = offset[i] + (uint64_t) snprintf(text + offset[i], 9, "w%zu", i % 1000000);
  }
  struct column columns[] = {
    {.name = "a", .type = COLUMN_NUMERIC, .number = numbers},
    {.name = "b", .type = COLUMN_NUMERIC, .number = numbers + rows},
    {.name = "c", .type = COLUMN_NUMERIC, .number = numbers + 2 * rows},
    {.name = "colour",
     .type = COLUMN_CATEGORICAL,
     .code = colour,
     .categories = colours,
     .category_count = 3},
    {.name = "note", .type = COLUMN_IDENTIFIER, .offset = offset, .text = text},
    {.name = "y",
     .type = COLUMN_CATEGORICAL,
     .code = answer,
     .categories = answers,
     .category_count = 2}};
  if (regression)
    columns[5] = (struct column){.name = "y", .type = COLUMN_NUMERIC, .number = value};
  struct table table = {.row_count = rows, .column_count = 6, .columns = columns};
  struct err_info info = {0};
  if (dataset_save_table(path, &table, &info) != ERR_OK)
    fail_msg("could not write %s: %s", path, info.text);
  free(text);
  free(offset);
  free(answer);
  free(colour);
  free(numbers);
}

/* ---- storing ---------------------------------------------------------------------------------------- */

static long
read_file(void *context, char *bytes, size_t size)
{
  return read(*(int *) context, bytes, size);
}

static bool
rewind_file(void *context)
{
  return lseek(*(int *) context, 0, SEEK_SET) == 0;
}

const char *
test_engine_store(struct db_conn *conn, struct arena *arena, const char *tenant_id,
                  const char *path)
{
  struct dataset *dataset = NULL;
  struct err_info info = {0};
  char id[40], hex[65];
  db_id_new("ds_", id, sizeof id);
  if (dataset_open(path, &dataset, &info) != ERR_OK)
    fail_msg("could not open %s: %s", path, info.text);
  int fd = open(path, O_RDONLY | O_CLOEXEC);
  off_t bytes = lseek(fd, 0, SEEK_END);
  assert_int_equal(dataset_digest(fd, (uint64_t) bytes, hex, &info), ERR_OK);
  char *schema = json_dumps(dataset_schema(dataset), JSON_COMPACT);
  struct db_dataset_content content = {.kind = dataset_kind(dataset) == DATASET_TABLE ? "table"
                                                                                      : "images",
                                       .bytes = (uint64_t) bytes,
                                       .rows = (int64_t) dataset_row_count(dataset),
                                       .schema = schema,
                                       .read_fn = read_file,
                                       .rewind_fn = rewind_file,
                                       .context = &fd};
  for (int i = 0; i < 32; i++)
  {
    unsigned byte = 0;
    sscanf(hex + 2 * i, "%2x", &byte);
    content.sha256[i] = (uint8_t) byte;
  }
  assert_true(rewind_file(&fd));
  assert_int_equal(db_dataset_insert(conn, id, tenant_id, "test", "test"), DB_ROWS);
  assert_int_equal(db_dataset_finish(conn, id, &content), DB_ROWS);
  free(schema);
  close(fd);
  dataset_close(dataset);
  return arena_strdup(arena, id);
}

/* The request in its normal form, as POST /jobs would store it. */
static json_t *
normal_form(struct arena *arena, const char *schema, const char *request)
{
  json_t *schema_json = json_loads(schema, 0, NULL), *json = json_loads(request, 0, NULL);
  struct job_spec_context context = {.dataset_schema = schema_json,
                                     .methods = search_method_names(arena),
                                     .max_seconds = 1e6,
                                     .max_trials = 1000000};
  struct json_faults faults;
  struct job_spec *spec = NULL;
  json_faults_init(&faults, arena);
  if (json == NULL || schema_json == NULL
      || job_spec_from_json(json, &context, arena, &spec, &faults) != ERR_OK)
    fail_msg("the spec is at fault: %s %s", faults.kept ? faults.items[0].pointer : "",
             faults.kept ? faults.items[0].message : "");
  json_t *normal = job_spec_to_json(spec);
  json_decref(json);
  json_decref(schema_json);
  return normal;
}

const char *
test_engine_job(struct db_conn *conn, struct arena *arena, const char *tenant_id,
                const char *dataset_id, const char *spec)
{
  struct db_dataset dataset;
  char id[40];
  assert_int_equal(db_dataset_get(conn, tenant_id, dataset_id, 0, arena, &dataset), DB_ROWS);
  json_t *normal = normal_form(arena, dataset.schema, spec);
  char *text = json_dumps(normal, JSON_COMPACT);
  db_id_new("job_", id, sizeof id);
  assert_int_equal(db_job_insert(conn, id, tenant_id, "test", dataset_id, 1, text), DB_ROWS);
  free(text);
  json_decref(normal);
  return arena_strdup(arena, id);
}

/* ---- the engine ------------------------------------------------------------------------------------- */

#define ENGINES_MOST 16
static pid_t engines[ENGINES_MOST]; /* started, not stopped */

pid_t
test_engine_start(const char *data_dir, unsigned workers, const char *const *more)
{
  char program[4096], count[16];
  struct err_info info = {0};
  pid_t pid = -1;
  if (proc_find_program("attune-engine", program, sizeof program, &info) != ERR_OK)
    fail_msg("%s", info.text);
  snprintf(count, sizeof count, "%u", workers);
  const char *level = getenv("ATTUNE_TEST_LOG");
  char *argv[] = {"attune-engine",
                  "--database",
                  (char *) test_db_conninfo(),
                  "--data-dir",
                  (char *) data_dir,
                  "--workers",
                  count,
                  "--log-level",
                  (char *) (level != NULL ? level : "error"),
                  "--parent-fd",
                  "3",
                  [11 + 8] = NULL};
  for (size_t i = 0; more != NULL && more[i] != NULL && i < 8; i++)
    argv[11 + i] = (char *) more[i];
  /* Its other end closes when the test ends, however it ends. */
  int ends[2];
  assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
  struct proc_fd fds[] = {{.from = ends[0], .to = 3}};
  struct proc_spawn spawn = {.path = program, .argv = argv, .fds = fds, .fd_count = 1};
  if (proc_start(&spawn, &pid, &info) != ERR_OK)
    fail_msg("%s", info.text);
  close(ends[0]);
  for (size_t i = 0; i < ENGINES_MOST; i++)
    if (engines[i] == 0)
    {
      engines[i] = pid;
      break;
    }
  return pid;
}

static void
forget_engine(pid_t pid)
{
  for (size_t i = 0; i < ENGINES_MOST; i++)
    if (engines[i] == pid)
      engines[i] = 0;
}

void
test_engine_stop_all(void)
{
  int status;
  for (size_t i = 0; i < ENGINES_MOST; i++)
    if (engines[i] != 0)
    {
      kill(engines[i], SIGKILL);
      proc_wait_timeout(engines[i], -1, &status);
      engines[i] = 0;
    }
}

static bool
read_process(pid_t pid, char *command, size_t size, pid_t *parent)
{
  char path[64];
  struct buf text = {0};
  snprintf(path, sizeof path, "/proc/%ld/cmdline", (long) pid);
  bool there = file_read_all(path, 65536, &text, NULL) == ERR_OK && text.length > 0;
  size_t length = there && text.length < size ? text.length : 0;
  for (size_t i = 0; i < length; i++)
    command[i] = text.data[i] != '\0' ? text.data[i] : ' ';
  command[length] = '\0';
  buf_free(&text);
  snprintf(path, sizeof path, "/proc/%ld/stat", (long) pid);
  struct buf stat = {0};
  there = there && file_read_all(path, 4096, &stat, NULL) == ERR_OK;
  const char *after = there ? strrchr(stat.data, ')') : NULL;
  long parent_number = 0;
  there = after != NULL && sscanf(after + 1, " %*c %ld", &parent_number) == 1;
  *parent = (pid_t) parent_number;
  buf_free(&stat);
  return there;
}

static bool
is_descendant(pid_t pid, pid_t ancestor)
{
  char command[256];
  for (int depth = 0; depth < 8 && pid > 1; depth++)
  {
    pid_t parent;
    if (!read_process(pid, command, sizeof command, &parent))
      return false;
    if (parent == ancestor)
      return true;
    pid = parent;
  }
  return false;
}

/* Processes whose command holds both words, and which descend from `ancestor` unless that is 0. */
static size_t
find(pid_t ancestor, const char *word, const char *other, pid_t *pids, size_t most)
{
  size_t count = 0;
  DIR *proc = opendir("/proc");
  assert_non_null(proc);
  for (struct dirent *entry; (entry = readdir(proc)) != NULL && count < most;)
  {
    char command[4096], *end;
    long pid = strtol(entry->d_name, &end, 10);
    pid_t parent;
    if (*end == '\0' && pid > 0 && read_process((pid_t) pid, command, sizeof command, &parent)
        && strstr(command, word) != NULL && strstr(command, other) != NULL
        && (ancestor == 0 || is_descendant((pid_t) pid, ancestor)))
      pids[count++] = (pid_t) pid;
  }
  closedir(proc);
  return count;
}

size_t
test_engine_find(pid_t engine, const char *word, pid_t *pids, size_t most)
{
  return find(engine, word, "attune-engine", pids, most);
}

size_t
test_engine_find_trials(const char *data_dir, pid_t *pids, size_t most)
{
  return find(0, "--trial", data_dir, pids, most);
}

void
test_engine_stop(pid_t pid, int number)
{
  int status;
  forget_engine(pid);
  kill(pid, number);
  if (proc_wait_timeout(pid, 20, &status) != ERR_OK)
  {
    kill(pid, SIGKILL);
    proc_wait_timeout(pid, -1, &status);
    fail_msg("the engine did not end on signal %d", number);
  }
}

void
test_engine_wait(struct db_conn *conn, struct arena *arena, const char *tenant_id,
                 const char *job_id, double seconds, struct db_job *job)
{
  double end_s = clock_monotonic_s() + seconds;
  for (;;)
  {
    if (db_job_get(conn, tenant_id, job_id, arena, job) == DB_ROWS && job->ended_us != 0)
      return;
    if (clock_monotonic_s() > end_s)
      fail_msg("job %s is still %s (%s) after %.0f s", job_id, job->state, job->phase, seconds);
    usleep(100000);
  }
}
