#include <config.h>

#include "server/dataset_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/text.h"
#include "data/dataset_write.h"

#define FETCHES_MAX 64
#define NAME_SIZE 80
#define SUFFIX ".atds"

/* Digests being fetched, so that others wait for the file rather than fetch it too. */
struct fetch
{
  bool used;
  uint8_t sha256[32];
};

struct dataset_cache
{
  pthread_mutex_t mutex;
  pthread_cond_t fetched;
  uint64_t max_bytes;
  struct fetch fetches[FETCHES_MAX];
  int folder; /* descriptor of it */
  char *path;
};

static void
file_name(const uint8_t sha256[32], char name[NAME_SIZE])
{
  text_hex_encode(sha256, 32, name);
  strcat(name, SUFFIX);
}

static bool
ends_with(const char *name, const char *suffix)
{
  size_t length = strlen(name), tail = strlen(suffix);
  return length >= tail && strcmp(name + length - tail, suffix) == 0;
}

/* ---- the folder ------------------------------------------------------------------------------------ */

/* Calls fn for each file of the folder. */
static void
each_file(struct dataset_cache *cache,
          void (*fn)(struct dataset_cache *cache, const char *name, const struct stat *stat,
                     void *context),
          void *context)
{
  int fd = openat(cache->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  DIR *folder = fd >= 0 ? fdopendir(fd) : NULL;
  struct stat status;

  if (!folder)
  {
    if (fd >= 0)
      close(fd);
    return;
  }
  for (struct dirent *item; (item = readdir(folder));)
    if (fstatat(cache->folder, item->d_name, &status, AT_SYMLINK_NOFOLLOW) == 0
        && S_ISREG(status.st_mode))
      fn(cache, item->d_name, &status, context);
  closedir(folder);
}

static void
remove_unfinished(struct dataset_cache *cache, const char *name, const struct stat *status,
                  void *context)
{
  (void) status;
  (void) context;
  if (!ends_with(name, SUFFIX))
    unlinkat(cache->folder, name, 0);
}

struct folder_use
{
  uint64_t bytes;
  const char *keep;
  char oldest[NAME_SIZE];
  struct timespec used;
};

static void
measure(struct dataset_cache *cache, const char *name, const struct stat *status, void *context)
{
  struct folder_use *use = context;

  (void) cache;
  if (!ends_with(name, SUFFIX) || strlen(name) >= NAME_SIZE)
    return;
  use->bytes += (uint64_t) status->st_size;
  if (use->keep && strcmp(name, use->keep) == 0)
    return;
  if (use->oldest[0]
      && (status->st_mtim.tv_sec > use->used.tv_sec
          || (status->st_mtim.tv_sec == use->used.tv_sec
              && status->st_mtim.tv_nsec >= use->used.tv_nsec)))
    return;
  use->used = status->st_mtim;
  snprintf(use->oldest, sizeof use->oldest, "%s", name);
}

/* Removes the files unused for longest until the folder fits; `keep` stays in any case. */
static void
shrink(struct dataset_cache *cache, const char *keep)
{
  for (;;)
  {
    struct folder_use use = {.keep = keep};
    each_file(cache, measure, &use);
    if (use.bytes <= cache->max_bytes || !use.oldest[0]
        || unlinkat(cache->folder, use.oldest, 0) != 0)
      return;
  }
}

static enum err
make_folders(const char *data_dir, char **path, struct err_info *info)
{
  char *parent = NULL;
  enum err rc = ERR_OK;

  *path = NULL;
  if (asprintf(&parent, "%s/cache", data_dir) < 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  if (asprintf(path, "%s/datasets", parent) < 0)
  {
    *path = NULL;
    rc = err_set(info, ERR_MEMORY, "out of memory");
  }
  else if ((mkdir(parent, 0700) != 0 && errno != EEXIST)
           || (mkdir(*path, 0700) != 0 && errno != EEXIST))
    rc = err_set_errno(info, ERR_IO, errno, "could not make the folder %s", *path);
  free(parent);
  return rc;
}

enum err
dataset_cache_new(const char *data_dir, uint64_t max_bytes, struct dataset_cache **out,
                  struct err_info *info)
{
  struct dataset_cache *cache = calloc(1, sizeof *cache);
  enum err rc;

  *out = NULL;
  if (!cache)
    return err_set(info, ERR_MEMORY, "out of memory");
  cache->folder = -1;
  cache->max_bytes = max_bytes ? max_bytes : DATASET_CACHE_BYTES;
  pthread_mutex_init(&cache->mutex, NULL);
  pthread_cond_init(&cache->fetched, NULL);
  rc = make_folders(data_dir, &cache->path, info);
  if (rc == ERR_OK)
  {
    cache->folder = open(cache->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (cache->folder < 0)
      rc = err_set_errno(info, ERR_IO, errno, "could not open the folder %s", cache->path);
  }
  if (rc != ERR_OK)
  {
    dataset_cache_free(cache);
    return rc;
  }
  each_file(cache, remove_unfinished, NULL);
  shrink(cache, NULL);
  *out = cache;
  return ERR_OK;
}

void
dataset_cache_free(struct dataset_cache *cache)
{
  if (!cache)
    return;
  if (cache->folder >= 0)
    close(cache->folder);
  pthread_cond_destroy(&cache->fetched);
  pthread_mutex_destroy(&cache->mutex);
  free(cache->path);
  free(cache);
}

bool
dataset_cache_has(struct dataset_cache *cache, const uint8_t sha256[32])
{
  char name[NAME_SIZE];

  file_name(sha256, name);
  return faccessat(cache->folder, name, R_OK, 0) == 0;
}

/* ---- fetching -------------------------------------------------------------------------------------- */

struct sink
{
  int fd;
  int number; /* errno of a failed write */
  uint64_t left;
};

static bool
sink_write(void *context, const char *bytes, size_t size)
{
  struct sink *sink = context;

  if (size > sink->left)
    return false;
  sink->left -= size;
  while (size > 0)
  {
    ssize_t written = write(sink->fd, bytes, size);
    if (written < 0 && errno == EINTR)
      continue;
    if (written <= 0)
    {
      sink->number = written < 0 ? errno : ENOSPC;
      return false;
    }
    bytes += written;
    size -= (size_t) written;
  }
  return true;
}

static enum err
fetch_to(struct db_conn *conn, const struct db_dataset *row, int fd, struct err_info *info)
{
  struct sink sink = {.fd = fd, .left = (uint64_t) row->bytes};
  char wanted[65], found[65];
  enum err rc;

  switch (db_blob_read(conn, row->blob_id, sink_write, &sink))
  {
  case DB_ROWS:
    break;
  case DB_NONE:
    return err_set(info, ERR_NOT_FOUND, "the dataset's content is gone");
  case DB_SOFT:
    return err_set(info, ERR_UNAVAILABLE, "the database is away");
  case DB_HARD:
  default:
    if (sink.number)
      return err_set_errno(info, ERR_IO, sink.number, "could not store the dataset");
    return err_set(info, ERR_INTERNAL, "the dataset can't be read");
  }
  if (sink.number)
    return err_set_errno(info, ERR_IO, sink.number, "could not store the dataset");
  if (sink.left > 0)
    return err_set(info, ERR_INTERNAL, "the stored dataset is not whole");
  rc = dataset_digest(fd, (uint64_t) row->bytes, found, info);
  if (rc != ERR_OK)
    return rc;
  text_hex_encode(row->sha256, sizeof row->sha256, wanted);
  if (strcmp(wanted, found) != 0)
    return err_set(info, ERR_INTERNAL, "the stored dataset does not match its digest");
  return ERR_OK;
}

static enum err
fetch(struct dataset_cache *cache, struct db_conn *conn, const struct db_dataset *row,
      const char *name, struct err_info *info)
{
  char temporary[NAME_SIZE + 16];
  enum err rc;
  int fd;

  snprintf(temporary, sizeof temporary, "%s.part", name);
  fd = openat(cache->folder, temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (fd < 0)
    return err_set_errno(info, ERR_IO, errno, "could not write to the dataset cache");
  rc = fetch_to(conn, row, fd, info);
  close(fd);
  if (rc == ERR_OK && renameat(cache->folder, temporary, cache->folder, name) != 0)
    rc = err_set_errno(info, ERR_IO, errno, "could not write to the dataset cache");
  if (rc != ERR_OK)
    unlinkat(cache->folder, temporary, 0);
  return rc;
}

static struct fetch *
fetch_find(struct dataset_cache *cache, const uint8_t sha256[32])
{
  for (size_t i = 0; i < FETCHES_MAX; i++)
    if (cache->fetches[i].used && memcmp(cache->fetches[i].sha256, sha256, 32) == 0)
      return &cache->fetches[i];
  return NULL;
}

static struct fetch *
fetch_free_slot(struct dataset_cache *cache)
{
  for (size_t i = 0; i < FETCHES_MAX; i++)
    if (!cache->fetches[i].used)
      return &cache->fetches[i];
  return NULL;
}

/* Makes sure that the file is here: fetched by this thread, or by another that it waits for. */
static enum err
ensure(struct dataset_cache *cache, struct db_conn *conn, const struct db_dataset *row,
       const char *name, struct err_info *info)
{
  struct fetch *slot;
  enum err rc;

  pthread_mutex_lock(&cache->mutex);
  for (;;)
  {
    slot = NULL;
    if (!fetch_find(cache, row->sha256))
    {
      if (dataset_cache_has(cache, row->sha256))
        break;
      slot = fetch_free_slot(cache);
      if (slot)
        break;
    }
    pthread_cond_wait(&cache->fetched, &cache->mutex);
  }
  if (slot)
  {
    slot->used = true;
    memcpy(slot->sha256, row->sha256, 32);
  }
  pthread_mutex_unlock(&cache->mutex);
  if (!slot)
    return ERR_OK;
  rc = fetch(cache, conn, row, name, info);
  pthread_mutex_lock(&cache->mutex);
  slot->used = false;
  if (rc == ERR_OK)
    shrink(cache, name);
  pthread_cond_broadcast(&cache->fetched);
  pthread_mutex_unlock(&cache->mutex);
  return rc;
}

enum err
dataset_cache_open(struct dataset_cache *cache, struct db_conn *conn, const struct db_dataset *row,
                   struct dataset **dataset, struct err_info *info)
{
  char name[NAME_SIZE], *path = NULL;
  enum err rc = ERR_OK;

  *dataset = NULL;
  file_name(row->sha256, name);
  if (asprintf(&path, "%s/%s", cache->path, name) < 0)
    return err_set(info, ERR_MEMORY, "out of memory");
  /* a second try when the file was pushed out between the two steps, or is damaged */
  for (int attempt = 0; attempt < 2; attempt++)
  {
    rc = ensure(cache, conn, row, name, info);
    if (rc != ERR_OK)
      break;
    rc = dataset_open(path, dataset, info);
    if (rc == ERR_OK)
    {
      utimensat(cache->folder, name, NULL, 0); /* used now */
      break;
    }
    log_warning("dataset cache: %s: %s", name, info ? info->text : err_name(rc));
    unlink(path);
  }
  if (rc == ERR_INVALID)
    rc = err_set(info, ERR_INTERNAL, "the stored dataset is damaged");
  free(path);
  return rc;
}

enum err
dataset_cache_file(struct dataset_cache *cache, struct db_conn *conn, const struct db_dataset *row,
                   int *fd, struct err_info *info)
{
  char name[NAME_SIZE];
  enum err rc = ERR_OK;

  *fd = -1;
  file_name(row->sha256, name);
  /* a second try when the file was pushed out between the two steps */
  for (int attempt = 0; attempt < 2 && *fd < 0; attempt++)
  {
    rc = ensure(cache, conn, row, name, info);
    if (rc != ERR_OK)
      return rc;
    *fd = openat(cache->folder, name, O_RDONLY | O_CLOEXEC);
    if (*fd < 0)
      rc = err_set_errno(info, ERR_IO, errno, "could not open a file of the dataset cache");
  }
  return *fd < 0 ? rc : ERR_OK;
}

enum err
dataset_cache_temporary(struct dataset_cache *cache, char **path, int *fd, struct err_info *info)
{
  *fd = -1;
  if (asprintf(path, "%s/edit-XXXXXX", cache->path) < 0)
  {
    *path = NULL;
    return err_set(info, ERR_MEMORY, "out of memory");
  }
  *fd = mkostemp(*path, O_CLOEXEC);
  if (*fd >= 0)
    return ERR_OK;
  free(*path);
  *path = NULL;
  return err_set_errno(info, ERR_IO, errno, "could not write to the dataset cache");
}

enum err
dataset_cache_put(struct dataset_cache *cache, const char *path, const uint8_t sha256[32],
                  struct err_info *info)
{
  char name[NAME_SIZE];

  file_name(sha256, name);
  if (renameat(AT_FDCWD, path, cache->folder, name) != 0)
  {
    enum err rc = err_set_errno(info, ERR_IO, errno, "could not move a file to the dataset cache");
    unlink(path);
    return rc;
  }
  utimensat(cache->folder, name, NULL, 0);
  pthread_mutex_lock(&cache->mutex);
  shrink(cache, name);
  pthread_mutex_unlock(&cache->mutex);
  return ERR_OK;
}
