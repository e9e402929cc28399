/* The dataset cache over pretended blobs: fetched once, checked, bounded, mended. */
#include <config.h>

#include "server/dataset_cache.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/text.h"
#include "data/dataset_write.h"
#include "tests/harness/test_support.h"

#define BLOBS 4

static struct buf blobs[BLOBS];
static uint8_t digests[BLOBS][32];
static atomic_int fetched;
static atomic_bool away, wrong;
static char folder[TEST_PATH_SIZE];

enum db_status
db_blob_read(struct db_conn *conn, int64_t blob_id, bool (*write_fn)(void *, const char *, size_t),
             void *context)
{
  const struct buf *blob = &blobs[blob_id];
  size_t half = blob->length / 2;

  (void) conn;
  atomic_fetch_add(&fetched, 1);
  usleep(20000);
  if (!write_fn(context, blob->data, half))
    return DB_HARD;
  if (away)
    return DB_SOFT;
  return write_fn(context, blob->data + (wrong ? 0 : half), blob->length - half) ? DB_ROWS
                                                                                 : DB_HARD;
}

/* Small tables that differ in one number. */
static int
make_blobs(void **state)
{
  char path[TEST_PATH_SIZE], hex[65];

  (void) state;
  test_make_dir(folder);
  test_path(path, folder, "one");
  for (size_t i = 0; i < BLOBS; i++)
  {
    double numbers[] = {1.0, 2.0, (double) i};
    struct column column = {.name = "x", .type = COLUMN_NUMERIC, .number = numbers};
    struct table table = {.row_count = 3, .column_count = 1, .columns = &column};
    int fd;
    assert_int_equal(dataset_save_table(path, &table, NULL), ERR_OK);
    assert_int_equal(file_read_all(path, 1 << 20, &blobs[i], NULL), ERR_OK);
    fd = open(path, O_RDONLY);
    assert_int_equal(dataset_digest(fd, blobs[i].length, hex, NULL), ERR_OK);
    close(fd);
    assert_true(text_hex_decode(hex, 64, digests[i]));
    unlink(path);
  }
  return 0;
}

static int
remove_blobs(void **state)
{
  (void) state;
  for (size_t i = 0; i < BLOBS; i++)
    buf_free(&blobs[i]);
  test_remove_dir(folder);
  return 0;
}

static struct db_dataset
row_of(size_t i)
{
  struct db_dataset row = {.bytes = (int64_t) blobs[i].length, .blob_id = (int64_t) i};

  memcpy(row.sha256, digests[i], 32);
  return row;
}

static struct dataset_cache *
open_cache(uint64_t max_bytes)
{
  struct dataset_cache *cache;

  fetched = 0;
  away = wrong = false;
  assert_int_equal(dataset_cache_new(folder, max_bytes, &cache, NULL), ERR_OK);
  return cache;
}

static void
cached_path(size_t i, char path[TEST_PATH_SIZE])
{
  char hex[65], name[100];

  text_hex_encode(digests[i], 32, hex);
  snprintf(name, sizeof name, "cache/datasets/%s.atds", hex);
  test_path(path, folder, name);
}

/* Opens, looks at the number that tells them apart, closes. */
static enum err
look(struct dataset_cache *cache, size_t i)
{
  struct db_dataset row = row_of(i);
  struct dataset *dataset;
  enum err rc = dataset_cache_open(cache, NULL, &row, &dataset, NULL);

  if (rc != ERR_OK)
    return rc;
  assert_near(dataset_table(dataset)->columns[0].number[2], (double) i, 0.0);
  dataset_close(dataset);
  return ERR_OK;
}

static void
empty(void)
{
  char path[TEST_PATH_SIZE];

  test_path(path, folder, "cache");
  assert_int_equal(file_remove_tree(path), ERR_OK);
}

static void
fetched_once(void **state)
{
  struct dataset_cache *cache = open_cache(0);

  (void) state;
  assert_false(dataset_cache_has(cache, digests[0]));
  assert_int_equal(look(cache, 0), ERR_OK);
  assert_int_equal(look(cache, 0), ERR_OK);
  assert_int_equal(fetched, 1);
  assert_true(dataset_cache_has(cache, digests[0]));
  dataset_cache_free(cache);
  cache = open_cache(0); /* another process later */
  assert_int_equal(look(cache, 0), ERR_OK);
  assert_int_equal(fetched, 0);
  dataset_cache_free(cache);
  empty();
}

static void
not_whole(void **state)
{
  struct dataset_cache *cache = open_cache(0);
  char path[TEST_PATH_SIZE], left[TEST_PATH_SIZE];

  (void) state;
  away = true;
  assert_int_equal(look(cache, 1), ERR_UNAVAILABLE);
  away = false;
  wrong = true;
  assert_int_equal(look(cache, 1), ERR_INTERNAL);
  wrong = false;
  assert_false(dataset_cache_has(cache, digests[1]));
  assert_int_equal(look(cache, 1), ERR_OK);
  /* what a crash left is swept at the start, what is whole stays */
  test_path(left, folder, "cache/datasets/abc.atds.part");
  test_write_file(left, "half");
  dataset_cache_free(cache);
  cache = open_cache(0);
  cached_path(1, path);
  assert_int_equal(access(path, R_OK), 0);
  assert_int_not_equal(access(left, R_OK), 0);
  dataset_cache_free(cache);
  empty();
}

static void
damaged_on_disk(void **state)
{
  struct dataset_cache *cache = open_cache(0);
  char path[TEST_PATH_SIZE];

  (void) state;
  assert_int_equal(look(cache, 2), ERR_OK);
  cached_path(2, path);
  assert_int_equal(truncate(path, 100), 0);
  assert_int_equal(look(cache, 2), ERR_OK);
  assert_int_equal(fetched, 2);
  dataset_cache_free(cache);
  empty();
}

static void
bounded(void **state)
{
  struct dataset_cache *cache = open_cache(2 * blobs[0].length);
  char path[TEST_PATH_SIZE];

  (void) state;
  assert_int_equal(look(cache, 0), ERR_OK);
  usleep(20000);
  assert_int_equal(look(cache, 1), ERR_OK);
  usleep(20000);
  assert_int_equal(look(cache, 0), ERR_OK); /* used again: 1 is the oldest now */
  usleep(20000);
  assert_int_equal(look(cache, 2), ERR_OK);
  assert_true(dataset_cache_has(cache, digests[0]));
  assert_false(dataset_cache_has(cache, digests[1]));
  assert_true(dataset_cache_has(cache, digests[2]));
  test_path(path, folder, "put");
  assert_int_equal(file_write_atomic(path, blobs[3].data, blobs[3].length, 0600, NULL), ERR_OK);
  assert_int_equal(dataset_cache_put(cache, path, digests[3], NULL), ERR_OK);
  assert_int_not_equal(access(path, R_OK), 0);
  assert_true(dataset_cache_has(cache, digests[3]));
  assert_false(dataset_cache_has(cache, digests[0]));
  fetched = 0;
  assert_int_equal(look(cache, 3), ERR_OK);
  assert_int_equal(fetched, 0);
  dataset_cache_free(cache);
  empty();
}

static void
files(void **state)
{
  struct dataset_cache *cache = open_cache(0);
  struct db_dataset row = row_of(1);
  char *path;
  int fd;
  struct stat status;

  (void) state;
  assert_int_equal(dataset_cache_file(cache, NULL, &row, &fd, NULL), ERR_OK);
  assert_int_equal(fstat(fd, &status), 0);
  assert_int_equal(status.st_size, blobs[1].length);
  close(fd);
  assert_int_equal(dataset_cache_temporary(cache, &path, &fd, NULL), ERR_OK);
  close(fd);
  dataset_cache_free(cache);
  cache = open_cache(0);
  assert_int_not_equal(access(path, R_OK), 0); /* swept */
  free(path);
  dataset_cache_free(cache);
  empty();
}

static void *
look_thread(void *cache)
{
  return look(cache, 3) == ERR_OK ? NULL : cache;
}

static void
one_fetch_for_many(void **state)
{
  struct dataset_cache *cache = open_cache(0);
  pthread_t threads[6];
  void *fault;

  (void) state;
  for (size_t i = 0; i < 6; i++)
    assert_int_equal(pthread_create(&threads[i], NULL, look_thread, cache), 0);
  for (size_t i = 0; i < 6; i++)
  {
    pthread_join(threads[i], &fault);
    assert_null(fault);
  }
  assert_int_equal(fetched, 1);
  dataset_cache_free(cache);
  empty();
}

int
main(void)
{
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(fetched_once),    cmocka_unit_test(not_whole),
    cmocka_unit_test(damaged_on_disk), cmocka_unit_test(bounded),
    cmocka_unit_test(files),           cmocka_unit_test(one_fetch_for_many),
  };
  return cmocka_run_group_tests(tests, make_blobs, remove_blobs);
}
