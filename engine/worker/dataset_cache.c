#include <config.h>

#include "worker/dataset_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"

#define TICK_S 1.0
#define SPARE_BYTES (UINT64_C(256) << 20) /* left free on the disk */
#define JUST_USED_S 600                   /* a file used so lately is not dropped */

void
dataset_hex(const uint8_t sha256[32], char hex[65])
{
  for (size_t i = 0; i < 32; i++)
    snprintf(hex + 2 * i, 3, "%02x", sha256[i]);
}

static enum err
path_of(const struct dataset_cache *cache, const char *hex, const char *suffix, char path[PATH_MAX],
        struct err_info *info)
{
  int length = snprintf(path, PATH_MAX, "%s/%s%s", cache->dir, hex, suffix);
  if (length <= 0 || length >= PATH_MAX)
    return err_set(info, ERR_LIMIT, "the path of the dataset cache is too long");
  return ERR_OK;
}

/* ---- room ------------------------------------------------------------------------------------------- */

struct cached
{
  char name[NAME_MAX + 1];
  uint64_t bytes;
  time_t used;
};

static int
compare_use(const void *left, const void *right)
{
  const struct cached *a = left, *b = right;
  return (a->used > b->used) - (a->used < b->used);
}

static bool
ends_in(const char *name, const char *suffix)
{
  size_t length = strlen(name), tail = strlen(suffix);
  return length > tail && strcmp(name + length - tail, suffix) == 0;
}

/* The whole files of the cache; NULL with *count = 0 when there are none. */
static struct cached *
list_files(const struct dataset_cache *cache, size_t *count)
{
  struct cached *files = NULL;
  size_t capacity = 0;
  DIR *dir = opendir(cache->dir);
  *count = 0;
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
  {
    struct stat st;
    if (!ends_in(entry->d_name, ".atds")
        || fstatat(dirfd(dir), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
      continue;
    if (*count == capacity)
    {
      capacity = capacity * 2 + 16;
      struct cached *grown = realloc(files, capacity * sizeof *files);
      if (grown == NULL)
        break;
      files = grown;
    }
    struct cached *file = &files[(*count)++];
    *file = (struct cached){.bytes = (uint64_t) st.st_size, .used = st.st_mtime};
    snprintf(file->name, sizeof file->name, "%s", entry->d_name);
  }
  if (dir != NULL)
    closedir(dir);
  return files;
}

/* Drops the least recently used files until `extra` more bytes fit. Who has one mapped keeps it. */
static void
make_room(const struct dataset_cache *cache, uint64_t extra)
{
  size_t count = 0;
  uint64_t total = extra, free_bytes = 0;
  struct cached *files = list_files(cache, &count);
  time_t now = (time_t) (clock_unix_us() / 1000000);
  if (count > 0)
    qsort(files, count, sizeof *files, compare_use);
  for (size_t i = 0; i < count; i++)
    total += files[i].bytes;
  if (file_free_bytes(cache->dir, &free_bytes, NULL) != ERR_OK)
    free_bytes = UINT64_MAX;
  for (size_t i = 0; i < count; i++)
  {
    char path[PATH_MAX + NAME_MAX + 2];
    bool full = free_bytes < extra + SPARE_BYTES;
    if ((total <= cache->limit_bytes && !full) || now - files[i].used < JUST_USED_S)
      break;
    snprintf(path, sizeof path, "%s/%s", cache->dir, files[i].name);
    if (unlink(path) != 0)
      continue;
    total -= files[i].bytes;
    free_bytes = free_bytes == UINT64_MAX ? free_bytes : free_bytes + files[i].bytes;
  }
  free(files);
}

/* ---- the start --------------------------------------------------------------------------------------- */

/* Temporary files are written under the lock of their dataset; one whose lock is free is abandoned. */
static void
drop_abandoned(const struct dataset_cache *cache)
{
  DIR *dir = opendir(cache->dir);
  for (struct dirent *entry; dir != NULL && (entry = readdir(dir)) != NULL;)
  {
    char lock[NAME_MAX + 16];
    if (!ends_in(entry->d_name, ".part"))
      continue;
    snprintf(lock, sizeof lock, "%.*s.lock", (int) strlen(entry->d_name) - 5, entry->d_name);
    int fd = openat(dirfd(dir), lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
      unlinkat(dirfd(dir), entry->d_name, 0);
    if (fd >= 0)
      close(fd);
  }
  if (dir != NULL)
    closedir(dir);
}

enum err
dataset_cache_open(struct dataset_cache *cache, const char *data_dir, uint64_t limit_bytes,
                   struct err_info *info)
{
  cache->limit_bytes = limit_bytes;
  int length = snprintf(cache->dir, sizeof cache->dir, "%s/cache/datasets", data_dir);
  if (length <= 0 || (size_t) length >= sizeof cache->dir - 100)
    return err_set(info, ERR_LIMIT, "the path of the data directory is too long");
  enum err err = file_make_dir(cache->dir, 0700, info);
  if (err != ERR_OK)
    return err;
  drop_abandoned(cache);
  make_room(cache, 0);
  return ERR_OK;
}

/* ---- fetching ---------------------------------------------------------------------------------------- */

struct fetch
{
  const struct dataset_wanted *wanted;
  int fd;
  double ticked_s;
  bool cancelled;
  struct err_info *info;
};

static bool
write_chunk(void *context, const char *bytes, size_t size)
{
  struct fetch *fetch = context;
  if (file_write_fd(fetch->fd, bytes, size, fetch->info) != ERR_OK)
    return false;
  double now_s = clock_monotonic_s();
  if (fetch->wanted->tick != NULL && now_s - fetch->ticked_s > TICK_S)
  {
    fetch->ticked_s = now_s;
    fetch->cancelled = !fetch->wanted->tick(fetch->wanted->context);
  }
  return !fetch->cancelled;
}

static enum err
fetch_to(struct db_conn *conn, const struct dataset_wanted *wanted, const char *part,
         const char *path, struct err_info *info)
{
  struct err_info local = {0};
  struct fetch fetch = {.wanted = wanted, .ticked_s = clock_monotonic_s(), .info = &local};
  enum err err = ERR_OK;
  fetch.fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (fetch.fd < 0)
    return err_set_errno(info, ERR_IO, errno, "could not write to the dataset cache");
  switch (db_blob_read(conn, wanted->blob_id, write_chunk, &fetch))
  {
  case DB_ROWS:
    break;
  case DB_NONE:
    err = err_set(info, ERR_NOT_FOUND, "the dataset's bytes are not in the database any more");
    break;
  case DB_SOFT:
    err = err_set(info, ERR_UNAVAILABLE, "the database is not there");
    break;
  case DB_HARD:
    err = fetch.cancelled ? err_set(info, ERR_CANCELLED, "the fetch was given up")
                          : err_set(info, ERR_IO, "could not fetch the dataset: %s",
                                    local.text[0] ? local.text : db_last_error(conn));
    break;
  }
  if (close(fetch.fd) != 0 && err == ERR_OK)
    err = err_set_errno(info, ERR_IO, errno, "could not write to the dataset cache");
  if (err == ERR_OK && rename(part, path) != 0)
    err = err_set_errno(info, ERR_IO, errno, "could not write to the dataset cache");
  if (err != ERR_OK)
    unlink(part);
  return err;
}

/* Takes the dataset's lock, ticking while another process has it. */
static enum err
lock_dataset(int fd, const struct dataset_wanted *wanted, struct err_info *info)
{
  double ticked_s = clock_monotonic_s();
  while (flock(fd, LOCK_EX | LOCK_NB) != 0)
  {
    if (errno != EWOULDBLOCK && errno != EINTR)
      return err_set_errno(info, ERR_IO, errno, "could not lock the dataset cache");
    nanosleep(&(struct timespec){.tv_nsec = 50000000}, NULL);
    double now_s = clock_monotonic_s();
    if (wanted->tick == NULL || now_s - ticked_s < TICK_S)
      continue;
    ticked_s = now_s;
    if (!wanted->tick(wanted->context))
      return err_set(info, ERR_CANCELLED, "the fetch was given up");
  }
  return ERR_OK;
}

static bool
is_there(const char *path)
{
  /* The time of its last use, for the order in which files go. */
  return utimensat(AT_FDCWD, path, NULL, AT_SYMLINK_NOFOLLOW) == 0;
}

static enum err
fetch_locked(const struct dataset_cache *cache, struct db_conn *conn,
             const struct dataset_wanted *wanted, const char *hex, const char *path,
             struct err_info *info)
{
  char part[PATH_MAX];
  uint64_t free_bytes = 0;
  enum err err = path_of(cache, hex, ".part", part, info);
  if (err != ERR_OK || is_there(path))
    return err;
  make_room(cache, wanted->bytes);
  if (file_free_bytes(cache->dir, &free_bytes, NULL) == ERR_OK
      && free_bytes < wanted->bytes + SPARE_BYTES / 4)
    return err_set(info, ERR_LIMIT, "there is no room for the dataset on the engine's disk");
  double start_s = clock_monotonic_s();
  err = fetch_to(conn, wanted, part, path, info);
  if (err == ERR_OK)
    log_info("fetched dataset %.12s, %.1f MB, in %.1f s", hex, (double) wanted->bytes / 1e6,
             clock_monotonic_s() - start_s);
  return err;
}

enum err
dataset_cache_get(const struct dataset_cache *cache, struct db_conn *conn,
                  const struct dataset_wanted *wanted, char path[PATH_MAX], struct err_info *info)
{
  char hex[65], lock[PATH_MAX];
  dataset_hex(wanted->sha256, hex);
  enum err err = path_of(cache, hex, ".atds", path, info);
  if (err == ERR_OK)
    err = path_of(cache, hex, ".lock", lock, info);
  if (err != ERR_OK || is_there(path))
    return err;
  int fd = open(lock, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  if (fd < 0)
    return err_set_errno(info, ERR_IO, errno, "could not write to the dataset cache");
  err = lock_dataset(fd, wanted, info);
  if (err == ERR_OK)
    err = fetch_locked(cache, conn, wanted, hex, path, info);
  close(fd);
  return err;
}
