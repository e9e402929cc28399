#include <config.h>

#include "server/first_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/file.h"
#include "base/log.h"
#include "server/http_auth.h"
#include "sql/db_tenant.h"

#define PATH_SIZE 1024
#define CODE_SECONDS 900.0
#define KEY_PAGE 100

enum err
first_run_data_dir(const char *given, char *path, size_t size, struct err_info *info)
{
  const char *home = getenv("HOME");
  int length;
  if (given)
    length = snprintf(path, size, "%s", given);
  else if (geteuid() == 0)
    length = snprintf(path, size, "/var/lib/attune");
  else if (home && *home == '/')
    length = snprintf(path, size, "%s/.local/share/attune", home);
  else
    return err_set(info, ERR_INVALID, "HOME is not set: give --data-dir DIR");
  if (length < 0 || (size_t) length >= size)
    return err_set(info, ERR_INVALID, "the data directory's path is too long");
  return ERR_OK;
}

static enum err
path_in(const char *data_dir, const char *name, char path[PATH_SIZE], struct err_info *info)
{
  int length = snprintf(path, PATH_SIZE, "%s/%s", data_dir, name);
  if (length < 0 || length >= PATH_SIZE)
    return err_set(info, ERR_INVALID, "the data directory's path is too long");
  return ERR_OK;
}

/* Reads one line of text without its end. */
static enum err
read_line(const char *data_dir, const char *name, char *text, size_t size, struct err_info *info)
{
  char path[PATH_SIZE];
  struct buf content = {0};
  enum err err = path_in(data_dir, name, path, info);
  if (!err)
    err = file_read_all(path, size - 1, &content, info);
  if (!err)
  {
    size_t length = content.data ? strcspn(content.data, "\r\n") : 0;
    if (length)
      memcpy(text, content.data, length);
    text[length] = '\0';
  }
  buf_free(&content);
  return err;
}

static enum err
write_line(const char *data_dir, const char *name, const char *text, mode_t mode,
           struct err_info *info)
{
  char path[PATH_SIZE];
  char line[512];
  int length = snprintf(line, sizeof line, "%s\n", text);
  enum err err = path_in(data_dir, name, path, info);
  if (!err && (length < 0 || (size_t) length >= sizeof line))
    err = err_set(info, ERR_INVALID, "too long for %s", name);
  return err ? err : file_write_atomic(path, line, (size_t) length, mode, info);
}

enum err
first_run_instance(const char *data_dir, char *instance, size_t size, struct err_info *info)
{
  enum err err = read_line(data_dir, "instance", instance, size, info);
  if (err == ERR_OK && *instance)
    return ERR_OK;
  if (err && err != ERR_NOT_FOUND)
    return err;
  db_id_new("in_", instance, size);
  return write_line(data_dir, "instance", instance, 0600, info);
}

enum err
first_run_lock(const char *data_dir, int *fd, struct err_info *info)
{
  char path[PATH_SIZE];
  char text[32] = "";
  enum err err = path_in(data_dir, "lock", path, info);
  if (err)
    return err;
  *fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  if (*fd < 0)
    return err_set_errno(info, ERR_IO, errno, "could not open %s", path);
  if (flock(*fd, LOCK_EX | LOCK_NB) != 0)
  {
    ssize_t length = pread(*fd, text, sizeof text - 1, 0);
    text[length > 0 ? length : 0] = '\0';
    text[strcspn(text, "\n")] = '\0';
    close(*fd);
    *fd = -1;
    return err_set(info, ERR_CONFLICT, "another attuned (process %s) works in %s",
                   *text ? text : "unknown", data_dir);
  }
  int length = snprintf(text, sizeof text, "%ld\n", (long) getpid());
  if (ftruncate(*fd, 0) != 0 || pwrite(*fd, text, (size_t) length, 0) != length)
    return err_set_errno(info, ERR_IO, errno, "could not write %s", path);
  return ERR_OK;
}

static enum err
database_failed(struct db_conn *conn, enum db_status status, struct err_info *info)
{
  return err_set(info, status == DB_SOFT ? ERR_UNAVAILABLE : ERR_INTERNAL,
                 "the database refused: %s", db_last_error(conn));
}

static enum err
make_admin_key(struct db_conn *conn, const char *data_dir, const char *tenant_id,
               struct err_info *info)
{
  char id[40], text[HTTP_TOKEN_SIZE];
  uint8_t hash[32];
  db_id_new("key_", id, sizeof id);
  http_secret_new_key(id, text, hash);
  /* The file first: a key that nobody knows would be of no use. */
  enum err err = write_line(data_dir, "admin.key", text, 0600, info);
  if (err)
    return err;
  enum db_status status = db_key_insert(
    conn, id, tenant_id, "admin",
    DB_SCOPE_PREDICT | DB_SCOPE_READ | DB_SCOPE_TRAIN | DB_SCOPE_ADMIN, NULL, hash, 0.0);
  if (status != DB_ROWS)
    return database_failed(conn, status, info);
  log_info("the first admin key is in %s/admin.key", data_dir);
  return ERR_OK;
}

/* The first tenant, whatever it is called now; made when there is none. */
static enum db_status
find_root(struct db_conn *conn, struct arena *arena, const char **tenant_id)
{
  enum db_status status = db_tenant_root(conn, arena, tenant_id);
  return status == DB_NONE ? db_tenant_ensure(conn, "default", arena, tenant_id) : status;
}

enum err
first_run_keys(struct db_conn *conn, const char *data_dir, struct err_info *info)
{
  struct arena *arena = arena_new(0);
  const char *tenant_id = NULL;
  size_t count = 0;
  enum err err = ERR_OK;
  if (!arena)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum db_status status = find_root(conn, arena, &tenant_id);
  if (status == DB_ROWS)
    status = db_key_count(conn, tenant_id, &count);
  if (status != DB_ROWS)
    err = database_failed(conn, status, info);
  else if (count == 0)
    err = make_admin_key(conn, data_dir, tenant_id, info);
  arena_free(arena);
  return err;
}

/* The id of a key that may sign a browser in. */
static enum err
find_admin_key(struct db_conn *conn, const char *data_dir, struct arena *arena, const char **key_id,
               struct err_info *info)
{
  char header[HTTP_TOKEN_SIZE + 8] = "Bearer ";
  struct http_credential credential;
  struct db_key key;
  struct db_key *keys = NULL;
  const char *tenant_id = NULL;
  size_t count = 0;
  if (read_line(data_dir, "admin.key", header + 7, HTTP_TOKEN_SIZE, NULL) == ERR_OK
      && http_secret_parse_bearer(header, &credential)
      && db_key_get(conn, credential.key_id, arena, &key) == DB_ROWS && key.usable)
  {
    *key_id = key.id;
    return ERR_OK;
  }
  enum db_status status = find_root(conn, arena, &tenant_id);
  if (status == DB_ROWS)
    status = db_key_list(conn, tenant_id, NULL, KEY_PAGE, arena, &keys, &count);
  if (status != DB_ROWS)
    return database_failed(conn, status, info);
  for (size_t i = 0; i < count; i++)
    if (keys[i].usable && (keys[i].scopes & DB_SCOPE_ADMIN))
    {
      *key_id = keys[i].id;
      return ERR_OK;
    }
  return err_set(info, ERR_NOT_FOUND, "there is no usable admin key to sign in with");
}

enum err
first_run_sign_in_url(struct db_conn *conn, const char *data_dir, const char *base, char *url,
                      size_t size, struct err_info *info)
{
  char code[HTTP_TOKEN_SIZE];
  uint8_t hash[32];
  const char *key_id = NULL;
  struct arena *arena = arena_new(0);
  if (!arena)
    return err_set(info, ERR_MEMORY, "out of memory");
  enum err err = find_admin_key(conn, data_dir, arena, &key_id, info);
  if (!err)
  {
    http_secret_new(code, hash);
    enum db_status status = db_sign_in_code_insert(conn, hash, key_id, CODE_SECONDS);
    if (status != DB_ROWS)
      err = database_failed(conn, status, info);
  }
  if (!err)
  {
    int length = snprintf(url, size, "%s/sign-in#code=%s", base, code);
    if (length < 0 || (size_t) length >= size)
      err = err_set(info, ERR_LIMIT, "the sign-in link is too long");
  }
  arena_free(arena);
  return err;
}

enum err
first_run_write_base(const char *data_dir, const char *base, struct err_info *info)
{
  return write_line(data_dir, "url", base, 0644, info);
}

enum err
first_run_read_base(const char *data_dir, char *base, size_t size, struct err_info *info)
{
  return read_line(data_dir, "url", base, size, info);
}
