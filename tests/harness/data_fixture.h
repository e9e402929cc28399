/* A dataset for a test, from CSV text through the same code as attune-ingest, without a child process.
 * Header only.
 */
#ifndef ATTUNE_TESTS_DATA_FIXTURE_H
#define ATTUNE_TESTS_DATA_FIXTURE_H

#include <sys/mman.h>
#include <unistd.h>

#include "base/json.h"
#include "tests/harness/test_support.h"

#include "data/dataset.h"
#include "data/dataset_write.h"
#include "data/ingest_work.h"

struct fixture
{
  struct arena *arena;
  struct json_faults faults;
  struct err_info info;
  struct dataset *dataset; /* NULL after an error */
  json_t *schema;
  int file; /* the canonical file, without a name */
  uint64_t bytes;
};

/* A file without a name that holds these bytes. */
static inline int
fixture_file(const void *bytes, size_t length)
{
  int fd = memfd_create("attune-test", MFD_CLOEXEC);
  assert_true(fd >= 0);
  assert_int_equal(file_write_fd(fd, bytes, length, NULL), ERR_OK);
  return fd;
}

static inline struct ingest_work
fixture_start(struct fixture *fixture, int input)
{
  *fixture = (struct fixture){.file = memfd_create("attune-test", MFD_CLOEXEC)};
  fixture->arena = arena_new(0);
  assert_non_null(fixture->arena);
  json_faults_init(&fixture->faults, fixture->arena);
  return (struct ingest_work){.input = input,
                              .labels = -1,
                              .output = fixture->file,
                              .limits = INGEST_LIMITS_DEFAULT,
                              .faults = &fixture->faults};
}

static inline enum err
fixture_finish(struct fixture *fixture, struct ingest_work *work, enum err err)
{
  fixture->schema = work->schema;
  fixture->bytes = work->bytes;
  if (err == ERR_OK)
    assert_int_equal(dataset_open_fd(fixture->file, &fixture->dataset, &fixture->info), ERR_OK);
  return err;
}

static inline enum err
fixture_bytes(struct fixture *fixture, const void *bytes, size_t length)
{
  int input = fixture_file(bytes, length);
  struct ingest_work work = fixture_start(fixture, input);
  enum err err = ingest_csv(&work, &fixture->info);
  close(input);
  return fixture_finish(fixture, &work, err);
}

static inline enum err
fixture_csv(struct fixture *fixture, const char *text)
{
  return fixture_bytes(fixture, text, strlen(text));
}

static inline void
fixture_free(struct fixture *fixture)
{
  dataset_close(fixture->dataset);
  json_decref(fixture->schema);
  arena_free(fixture->arena);
  close(fixture->file);
}

/* The column of that name. */
static inline const struct column *
fixture_column(const struct fixture *fixture, const char *name)
{
  const struct table *table = dataset_table(fixture->dataset);
  size_t at = table_find(table, name);
  assert_true(at != SIZE_MAX);
  return &table->columns[at];
}

/* The schema's entry of that column. */
static inline const json_t *
fixture_described(const struct fixture *fixture, const char *name)
{
  const json_t *columns = json_object_get(dataset_schema(fixture->dataset), "columns");
  return json_array_get(columns, table_find(dataset_table(fixture->dataset), name));
}

/* The issue of that code which was found in a column, or in none if that is NULL. */
static inline const json_t *
fixture_issue(const json_t *found, const char *code, const char *column)
{
  size_t index;
  json_t *issue;
  json_array_foreach(json_object_get(found, "issues"), index, issue)
  {
    const char *own = json_string_value(json_object_get(issue, "column"));
    if (strcmp(json_get_string(issue, "code", ""), code) == 0
        && (column == NULL ? own == NULL : own != NULL && strcmp(own, column) == 0))
      return issue;
  }
  return NULL;
}

#endif
