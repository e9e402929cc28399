#include <config.h>

#include "worker/estate.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "sql/db_batch.h"
#include "sql/db_range.h"
#include "worker/work_dir.h"

#define OWNER_FILE "owner" /* two lines: the worker's name, the boot it lived in */
#define OWNER_BYTES 400
#define BOOT_BYTES 64
#define BOOT_FILE "/proc/sys/kernel/random/boot_id"
#define MOST_AT_A_TIME 64

/* Locks tell of the dead only among processes of one kernel: a data directory may be shared by machines whose
 * locks don't reach each other, where another's living worker would look dead. */
static void
read_boot(char boot[BOOT_BYTES])
{
  struct buf text = {0};
  boot[0] = '\0';
  if (file_read_all(BOOT_FILE, BOOT_BYTES - 1, &text, NULL) == ERR_OK && text.length > 0)
    snprintf(boot, BOOT_BYTES, "%.*s", (int) strcspn(text.data, "\n"), text.data);
  buf_free(&text);
}

/* ---- one's own --------------------------------------------------------------------------------------- */

static enum err
make_locked(struct estate *estate, struct err_info *info)
{
  char owner[OWNER_BYTES], boot[BOOT_BYTES];
  struct work_dir dir;
  if (snprintf(estate->path, sizeof estate->path, "%s/worker-%ld-XXXXXX", estate->parent,
               (long) getpid())
      >= (int) sizeof estate->path)
    return err_set(info, ERR_LIMIT, "the path of the data directory is too long");
  if (mkdtemp(estate->path) == NULL)
    return err_set_errno(info, ERR_IO, errno, "could not make a folder in %s", estate->parent);
  estate->fd = open(estate->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (estate->fd < 0 || flock(estate->fd, LOCK_EX | LOCK_NB) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not lock %s", estate->path);
  read_boot(boot);
  snprintf(owner, sizeof owner, "%s\n%s\n", estate->name, boot);
  enum err err = work_dir_at(&dir, estate->path);
  return err == ERR_OK ? work_dir_write(&dir, OWNER_FILE, owner, strlen(owner), info) : err;
}

/* The lock of the folder of folders: between a folder's making and its locking another worker would take it for
 * a dead one's. Never held while the database is asked. */
static int
lock_parent(const struct estate *estate)
{
  int fd = open(estate->parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0 && flock(fd, LOCK_EX) != 0)
  {
    close(fd);
    return -1;
  }
  return fd;
}

enum err
estate_make(struct estate *estate, const char *data_dir, struct err_info *info)
{
  char host[64] = "", random[40];
  *estate = (struct estate){.fd = -1};
  gethostname(host, sizeof host - 1);
  db_id_new("", random, sizeof random);
  snprintf(estate->name, sizeof estate->name, "%s:%ld:%s", host, (long) getpid(), random);
  int length = snprintf(estate->parent, sizeof estate->parent, "%s/scratch", data_dir);
  if (length <= 0 || length >= (int) sizeof estate->parent)
    return err_set(info, ERR_LIMIT, "the path of the data directory is too long");
  enum err err = file_make_dir(estate->parent, 0700, info);
  if (err != ERR_OK)
    return err;
  int parent_fd = lock_parent(estate);
  if (parent_fd < 0)
    return err_set_errno(info, ERR_IO, errno, "could not lock %s", estate->parent);
  err = make_locked(estate, info);
  close(parent_fd);
  return err;
}

void
estate_remove(struct estate *estate)
{
  if (estate->fd < 0)
    return;
  file_remove_tree(estate->path);
  close(estate->fd);
  estate->fd = -1;
}

/* ---- those of the dead ------------------------------------------------------------------------------- */

/* Opens and locks a folder that nobody holds. -1 when there is none. */
static int
take_abandoned(const struct estate *estate, char path[PATH_MAX])
{
  int found = -1, parent_fd = lock_parent(estate);
  DIR *dir = parent_fd >= 0 ? opendir(estate->parent) : NULL;
  for (struct dirent *entry; dir != NULL && found < 0 && (entry = readdir(dir)) != NULL;)
  {
    if (strncmp(entry->d_name, "worker-", 7) != 0
        || snprintf(path, PATH_MAX, "%s/%s", estate->parent, entry->d_name) >= PATH_MAX)
      continue;
    found = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (found >= 0 && flock(found, LOCK_EX | LOCK_NB) != 0)
    {
      close(found);
      found = -1;
    }
  }
  if (dir != NULL)
    closedir(dir);
  if (parent_fd >= 0)
    close(parent_fd);
  return found;
}

/* The name of the folder's worker if it lived under this kernel. A folder without one never held a lease. */
static bool
read_owner(const char *path, char name[ESTATE_NAME_BYTES])
{
  char boot[BOOT_BYTES];
  struct work_dir dir;
  struct buf text = {0};
  read_boot(boot);
  bool good = work_dir_at(&dir, path) == ERR_OK
              && work_dir_read(&dir, OWNER_FILE, &text, NULL) == ERR_OK && text.length > 0;
  size_t length = good ? strcspn(text.data, "\n") : 0;
  good = good && length > 0 && length < ESTATE_NAME_BYTES && text.data[length] == '\n'
         && boot[0] != '\0' && strncmp(text.data + length + 1, boot, strlen(boot)) == 0;
  if (good)
    snprintf(name, ESTATE_NAME_BYTES, "%.*s", (int) length, text.data);
  buf_free(&text);
  return good;
}

enum db_status
estate_settle_dead(const struct estate *estate, struct db_conn *conn)
{
  enum db_status status = DB_NONE;
  bool any = false, removed = true;
  for (int i = 0; i < MOST_AT_A_TIME && removed && status >= DB_NONE; i++)
  {
    char path[PATH_MAX], name[ESTATE_NAME_BYTES];
    int fd = take_abandoned(estate, path);
    if (fd < 0)
      break;
    if (read_owner(path, name))
    {
      enum db_status range = db_range_end_worker(conn, name, "its worker died");
      enum db_status batch = range < DB_NONE ? range : db_batch_end_worker(conn, name);
      status = batch < DB_NONE ? batch : db_work_end_worker(conn, name, "its worker died");
      status = status == DB_NONE && batch == DB_ROWS ? batch : status;
      status = status == DB_NONE ? range : status;
      any = any || status == DB_ROWS;
      if (status == DB_ROWS)
        log_info("worker %s is dead: its work goes on elsewhere", name);
    }
    if (status >= DB_NONE)
      removed = file_remove_tree(path) == ERR_OK;
    close(fd);
  }
  return status < DB_NONE ? status : any ? DB_ROWS : DB_NONE;
}
