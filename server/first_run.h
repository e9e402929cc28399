/* What a data directory and a database need before the first request: an instance id, the first tenant, the
 * first admin key, and a link that signs a browser in. Used by main only, before threads start.
 */
#ifndef ATTUNE_SERVER_FIRST_RUN_H
#define ATTUNE_SERVER_FIRST_RUN_H

#include <stddef.h>

#include "base/err.h"
#include "sql/db.h"

/* Writes the path of the data directory: `given`, or when that is NULL the account's usual one. */
enum err first_run_data_dir(const char *given, char *path, size_t size, struct err_info *info);

/* The data directory's own random id: read from DATA_DIR/instance, made at first. */
enum err first_run_instance(const char *data_dir, char *instance, size_t size,
                            struct err_info *info);

/* Locks DATA_DIR/lock against a second attuned; *fd is to be kept open. ERR_CONFLICT names the holder. */
enum err first_run_lock(const char *data_dir, int *fd, struct err_info *info);

/* Makes the tenant "default" and, if it has no usable key, an admin key in DATA_DIR/admin.key (mode 0600). */
enum err first_run_keys(struct db_conn *conn, const char *data_dir, struct err_info *info);

/* Writes "BASE/sign-in#code=…" with a new code that works once, within 15 minutes; the key behind it is that
 * of DATA_DIR/admin.key, or the newest usable admin key. */
enum err first_run_sign_in_url(struct db_conn *conn, const char *data_dir, const char *base,
                               char *url, size_t size, struct err_info *info);

/* The address people reach this server at, kept in DATA_DIR/url for --sign-in-url. */
enum err first_run_write_base(const char *data_dir, const char *base, struct err_info *info);
enum err first_run_read_base(const char *data_dir, char *base, size_t size, struct err_info *info);

#endif
