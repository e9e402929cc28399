#include <config.h>

#include "server/cluster.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "server/cluster_internal.h"

static enum err format_path(char *out, size_t size, struct err_info *info, const char *format, ...)
  __attribute__((format(printf, 4, 5)));

static enum err
format_path(char *out, size_t size, struct err_info *info, const char *format, ...)
{
  va_list args;
  va_start(args, format);
  int n = vsnprintf(out, size, format, args);
  va_end(args);
  if (n < 0 || (size_t) n >= size)
    return err_set(info, ERR_LIMIT, "the path of the data directory is too long");
  return ERR_OK;
}

int
cluster_version(const char *pgdata)
{
  char path[CLUSTER_PATH_MAX + 32];
  snprintf(path, sizeof path, "%s/PG_VERSION", pgdata);
  FILE *file = fopen(path, "re");
  if (!file)
    return 0;
  int version = 0;
  if (fscanf(file, "%d", &version) != 1)
    version = 0;
  fclose(file);
  return version;
}

static bool
has_server(const char *bindir)
{
  char path[CLUSTER_PATH_MAX + 32];
  snprintf(path, sizeof path, "%s/postgres", bindir);
  return access(path, X_OK) == 0;
}

/* The newest PostgreSQL installed, or the one of `wanted` (0 = any). */
static enum err
find_programs(int wanted, char *bindir, size_t size, struct err_info *info)
{
  static const char root[] = "/usr/lib/postgresql";
  int best = 0;
  DIR *dir = opendir(root);
  for (const struct dirent *entry; dir && (entry = readdir(dir));)
  {
    int version = atoi(entry->d_name);
    char candidate[CLUSTER_PATH_MAX];
    snprintf(candidate, sizeof candidate, "%s/%d/bin", root, version);
    if (version >= 13 && version > best && (!wanted || version == wanted) && has_server(candidate))
      best = version;
  }
  if (dir)
    closedir(dir);
  if (best)
    return format_path(bindir, size, info, "%s/%d/bin", root, best);
  if (wanted)
    return err_set(info, ERR_UNAVAILABLE,
                   "the data directory holds a PostgreSQL %d cluster and that version is not "
                   "installed: install postgresql-%d, or dump with it and restore into a new data "
                   "directory",
                   wanted, wanted);
  return err_set(info, ERR_UNAVAILABLE,
                 "no PostgreSQL server is installed: install the package postgresql, or give "
                 "--database to use a server elsewhere");
}

/* The socket directory of an earlier run if it is still there and ours, else a new short one. */
static enum err
settle_socket_dir(struct cluster *cluster, const char *data_dir, struct err_info *info)
{
  char record[CLUSTER_PATH_MAX + 32];
  snprintf(record, sizeof record, "%s/socket-dir", data_dir);
  FILE *file = fopen(record, "re");
  cluster->socket_dir[0] = '\0';
  if (file)
  {
    if (fscanf(file, "%90s", cluster->socket_dir) != 1)
      cluster->socket_dir[0] = '\0';
    fclose(file);
  }
  struct stat st;
  if (cluster->socket_dir[0] && lstat(cluster->socket_dir, &st) == 0 && S_ISDIR(st.st_mode)
      && st.st_uid == cluster->owner.uid)
    return ERR_OK;
  strcpy(cluster->socket_dir,
         access("/run", W_OK) == 0 ? "/run/attune-XXXXXX" : "/tmp/attune-XXXXXX");
  if (!mkdtemp(cluster->socket_dir))
    return err_set_errno(info, ERR_IO, errno, "could not make a directory for PostgreSQL's socket");
  if (cluster->switch_user
      && (chown(cluster->socket_dir, cluster->owner.uid, cluster->client.gid) != 0
          || chmod(cluster->socket_dir, 0710) != 0))
    return err_set_errno(info, ERR_IO, errno, "could not hand over %s", cluster->socket_dir);
  file = fopen(record, "we");
  if (!file || fprintf(file, "%s\n", cluster->socket_dir) < 0 || fclose(file) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not write %s", record);
  return ERR_OK;
}

enum err
cluster_prepare(struct cluster *cluster, const char *data_dir, struct err_info *info)
{
  enum err err = format_path(cluster->pgdata, sizeof cluster->pgdata, info, "%s/pg", data_dir);
  if (!err)
    err = format_path(cluster->log, sizeof cluster->log, info, "%s/pg-start.log", data_dir);
  if (!err)
    err = find_programs(cluster_version(cluster->pgdata), cluster->bindir, sizeof cluster->bindir,
                        info);
  if (err)
    return err;
  int log = open(cluster->log, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
  if (log < 0)
    return err_set_errno(info, ERR_IO, errno, "could not write %s", cluster->log);
  close(log);
  err = settle_socket_dir(cluster, data_dir, info);
  if (err)
    return err;
  return format_path(cluster->conninfo, sizeof cluster->conninfo, info,
                     "host=%s port=5432 user=attune dbname=attune", cluster->socket_dir);
}

static enum err
write_file(const struct cluster *cluster, const char *name, const char *text, struct err_info *info)
{
  char path[CLUSTER_PATH_MAX + 64];
  snprintf(path, sizeof path, "%s/%s", cluster->pgdata, name);
  FILE *file = fopen(path, "we");
  bool ok = file && fputs(text, file) >= 0;
  if (file)
    ok = fclose(file) == 0 && ok;
  if (ok && cluster->switch_user)
    ok = chown(path, cluster->owner.uid, cluster->owner.gid) == 0;
  if (ok)
    ok = chmod(path, 0600) == 0;
  return ok ? ERR_OK : err_set_errno(info, ERR_IO, errno, "could not write %s", path);
}

/* Socket only (its directory keeps others out), peer authentication through a map, a log that rotates
 * over a week. */
enum err
cluster_configure(const struct cluster *cluster, struct err_info *info)
{
  enum err err = write_file(cluster, "postgresql.auto.conf",
                            "# Written by attuned at each start.\n"
                            "listen_addresses = ''\n"
                            "unix_socket_permissions = 0777\n"
                            "max_connections = 100\n"
                            "shared_buffers = '128MB'\n"
                            "max_wal_size = '1GB'\n"
                            "default_toast_compression = 'lz4'\n"
                            "timezone = 'UTC'\n"
                            "log_timezone = 'UTC'\n"
                            "logging_collector = on\n"
                            "log_directory = 'log'\n"
                            "log_filename = 'postgresql-%u.log'\n"
                            "log_truncate_on_rotation = on\n"
                            "log_rotation_age = '1d'\n"
                            "log_rotation_size = 0\n",
                            info);
  if (err)
    return err;
  err = write_file(cluster, "pg_hba.conf", "local all all peer map=attune\n", info);
  if (err)
    return err;
  char map[512];
  snprintf(map, sizeof map,
           "attune %s postgres\nattune %s attune\nattune %s attune\nattune root postgres\n"
           "attune root attune\n",
           cluster->owner.name, cluster->owner.name, cluster->client.name);
  return write_file(cluster, "pg_ident.conf", map, info);
}

enum err
cluster_make_database(const struct cluster *cluster, struct err_info *info)
{
  char script[CLUSTER_PATH_MAX + 32];
  snprintf(script, sizeof script, "%s/attune-database.sql", cluster->pgdata);
  enum err err = write_file(cluster, "attune-database.sql",
                            "SELECT 'CREATE ROLE attune LOGIN' WHERE NOT EXISTS (SELECT FROM "
                            "pg_roles WHERE rolname = 'attune') \\gexec\n"
                            "SELECT 'CREATE DATABASE attune OWNER attune' WHERE NOT EXISTS (SELECT "
                            "FROM pg_database WHERE datname = 'attune') \\gexec\n",
                            info);
  if (err)
    return err;
  char *argv[] = {"psql",
                  "-X",
                  "-q",
                  "-v",
                  "ON_ERROR_STOP=1",
                  "-h",
                  (char *) cluster->socket_dir,
                  "-p",
                  "5432",
                  "-U",
                  "postgres",
                  "-d",
                  "postgres",
                  "-f",
                  script,
                  NULL};
  err = cluster_run(cluster, "psql", argv, info);
  unlink(script);
  return err;
}

enum err
cluster_create(const struct cluster *cluster, struct err_info *info)
{
  char fresh[CLUSTER_PATH_MAX + 8];
  snprintf(fresh, sizeof fresh, "%s.new", cluster->pgdata);
  file_remove_tree(fresh);
  if (mkdir(fresh, 0700) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not make %s", fresh);
  if (cluster->switch_user && chown(fresh, cluster->owner.uid, cluster->owner.gid) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not hand over %s", fresh);
  char *argv[] = {"initdb",
                  "--pgdata",
                  fresh,
                  "--encoding=UTF8",
                  "--locale=C",
                  "--data-checksums",
                  "--username=postgres",
                  "--auth=peer",
                  "--no-instructions",
                  NULL};
  enum err err = cluster_run(cluster, "initdb", argv, info);
  if (err)
    return err;
  if (rename(fresh, cluster->pgdata) != 0)
    return err_set_errno(info, ERR_IO, errno, "could not move %s to its place", fresh);
  return ERR_OK;
}
