#include <config.h>

#include "tests/harness/faults.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <jansson.h>
#include <libpq-fe.h>
#include <microhttpd.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static struct faults own;
static struct faults *faults = &own;
/* Jansson's parser trips an assertion of its own without memory: it is failed as a whole or not at all. */
static __thread bool parsing;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

static void
share(void)
{
  const char *path = getenv("ATTUNE_FAULTS");
  int fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
  if (fd >= 0)
  {
    void *page = mmap(NULL, sizeof own, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (page != MAP_FAILED)
      faults = page;
    close(fd);
  }
  json_set_alloc_funcs(__wrap_malloc, free);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

__attribute__((constructor)) static void
start(void)
{
  pthread_once(&once, share);
}

static __thread bool refusing;

static bool
fails(enum fault_kind kind)
{
  if (refusing)
    return kind == FAULT_MEMORY;
  if (parsing || __atomic_load_n(&faults->kind, __ATOMIC_ACQUIRE) != (int32_t) kind)
    return false;
  int32_t left = __atomic_load_n(&faults->countdown, __ATOMIC_RELAXED);
  if (left <= 0)
    return false;
  left = __atomic_sub_fetch(&faults->countdown, 1, __ATOMIC_RELAXED);
  if (left > 0)
    return false;
  if (faults->sticky)
    __atomic_store_n(&faults->countdown, 1, __ATOMIC_RELAXED);
  else if (left < 0)
    return false; /* another thread's was the one */
  __atomic_add_fetch(&faults->fired, 1, __ATOMIC_RELEASE);
  if (kind == FAULT_FILE || kind == FAULT_SYSTEM)
    errno = faults->code;
  return true;
}

static void
arm(enum fault_kind kind, int nth, bool sticky, enum fault_how how, const char *state)
{
  faults->kind = FAULT_NONE;
  faults->countdown = nth;
  faults->sticky = sticky;
  faults->fired = 0;
  faults->how = (int32_t) how;
  faults->code = ENOSPC;
  snprintf(faults->state, sizeof faults->state, "%s", state != NULL ? state : "XX000");
  __atomic_store_n(&faults->kind, (int32_t) kind, __ATOMIC_RELEASE);
}

void
faults_arm(enum fault_kind kind, int nth, bool sticky)
{
  arm(kind, nth, sticky, FAULT_LOST, NULL);
}

void
faults_arm_statement(int nth, enum fault_how how, const char *state)
{
  arm(FAULT_STATEMENT, nth, false, how, state);
}

int
faults_end(void)
{
  __atomic_store_n(&faults->kind, FAULT_NONE, __ATOMIC_RELEASE);
  return faults->fired;
}

/* A function that only fails or passes its arguments on. */
#define WRAP(kind, type, failure, name, parameters, arguments)                                     \
  type __real_##name parameters;                                                                   \
  type __wrap_##name parameters;                                                                   \
  type __wrap_##name parameters                                                                    \
  {                                                                                                \
    return fails(kind) ? (failure) : __real_##name arguments;                                      \
  }

WRAP(FAULT_MEMORY, void *, NULL, malloc, (size_t size), (size))
WRAP(FAULT_MEMORY, void *, NULL, calloc, (size_t count, size_t size), (count, size))
WRAP(FAULT_MEMORY, void *, NULL, realloc, (void *old, size_t size), (old, size))
WRAP(FAULT_MEMORY, void *, NULL, reallocarray, (void *old, size_t count, size_t size),
     (old, count, size))
WRAP(FAULT_MEMORY, void *, NULL, aligned_alloc, (size_t alignment, size_t size), (alignment, size))
WRAP(FAULT_MEMORY, int, ENOMEM, posix_memalign, (void **memory, size_t alignment, size_t size),
     (memory, alignment, size))
WRAP(FAULT_MEMORY, char *, NULL, strdup, (const char *text), (text))
WRAP(FAULT_MEMORY, char *, NULL, strndup, (const char *text, size_t length), (text, length))
WRAP(FAULT_MEMORY, char *, NULL, json_dumps, (const json_t *value, size_t flags), (value, flags))

int __wrap_asprintf(char **text, const char *format, ...) __attribute__((format(printf, 2, 3)));

int
__wrap_asprintf(char **text, const char *format, ...)
{
  *text = NULL;
  if (fails(FAULT_MEMORY))
    return -1;
  va_list arguments;
  va_start(arguments, format);
  int length = vasprintf(text, format, arguments);
  va_end(arguments);
  return length;
}

json_t *__real_json_loadb(const char *bytes, size_t length, size_t flags, json_error_t *error);
json_t *__wrap_json_loadb(const char *bytes, size_t length, size_t flags, json_error_t *error);
json_t *__real_json_loads(const char *text, size_t flags, json_error_t *error);
json_t *__wrap_json_loads(const char *text, size_t flags, json_error_t *error);

json_t *
__wrap_json_loadb(const char *bytes, size_t length, size_t flags, json_error_t *error)
{
  if (fails(FAULT_MEMORY))
  {
    json_malloc_t take;
    json_free_t give;
    json_get_alloc_funcs(&take, &give);
    refusing = true;
    give(take(1));
    refusing = false;
    if (error != NULL)
    {
      *error = (json_error_t){.line = -1, .column = -1};
      error->text[JSON_ERROR_TEXT_LENGTH - 1] = json_error_out_of_memory;
    }
    return NULL;
  }
  parsing = true;
  json_t *value = __real_json_loadb(bytes, length, flags, error);
  parsing = false;
  return value;
}

json_t *
__wrap_json_loads(const char *text, size_t flags, json_error_t *error)
{
  return __wrap_json_loadb(text, strlen(text), flags, error);
}

/* ---- the database ---------------------------------------------------------------------------------- */

int __real_PQsendQuery(PGconn *pg, const char *sql);

/* Sends what is to come instead of a statement: *sent is what the caller gets. False: send the statement. */
static bool
sent_other(PGconn *pg, bool prepared, int *sent)
{
  char sql[160];
  if (!fails(FAULT_STATEMENT))
    return false;
  switch ((enum fault_how) faults->how)
  {
  case FAULT_ERROR:
    snprintf(sql, sizeof sql,
             "DO $$ BEGIN RAISE EXCEPTION 'made to fail' USING ERRCODE = '%s'; END $$",
             faults->state);
    *sent = __real_PQsendQuery(pg, sql);
    return true;
  case FAULT_LOST:
    shutdown(PQsocket(pg), SHUT_RDWR);
    return false;
  case FAULT_EMPTY:
    if (prepared)
      *sent = __real_PQsendQuery(pg, "SELECT 1 WHERE false");
    return prepared;
  case FAULT_ODD:
    if (prepared)
      *sent = __real_PQsendQuery(pg, "SELECT 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11");
    return prepared;
  }
  return false;
}

int __wrap_PQsendQuery(PGconn *pg, const char *sql);
int __real_PQsendPrepare(PGconn *pg, const char *name, const char *sql, int count,
                         const Oid *types);
int __wrap_PQsendPrepare(PGconn *pg, const char *name, const char *sql, int count,
                         const Oid *types);
int __real_PQsendQueryPrepared(PGconn *pg, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format);
int __wrap_PQsendQueryPrepared(PGconn *pg, const char *name, int count, const char *const *values,
                               const int *lengths, const int *formats, int format);

int
__wrap_PQsendQuery(PGconn *pg, const char *sql)
{
  int sent;
  return sent_other(pg, false, &sent) ? sent : __real_PQsendQuery(pg, sql);
}

int
__wrap_PQsendPrepare(PGconn *pg, const char *name, const char *sql, int count, const Oid *types)
{
  int sent;
  return sent_other(pg, false, &sent) ? sent : __real_PQsendPrepare(pg, name, sql, count, types);
}

int
__wrap_PQsendQueryPrepared(PGconn *pg, const char *name, int count, const char *const *values,
                           const int *lengths, const int *formats, int format)
{
  int sent;
  return sent_other(pg, true, &sent)
           ? sent
           : __real_PQsendQueryPrepared(pg, name, count, values, lengths, formats, format);
}

int __real_PQputCopyData(PGconn *pg, const char *bytes, int length);
int __wrap_PQputCopyData(PGconn *pg, const char *bytes, int length);
int __real_PQputCopyEnd(PGconn *pg, const char *message);
int __wrap_PQputCopyEnd(PGconn *pg, const char *message);

int
__wrap_PQputCopyData(PGconn *pg, const char *bytes, int length)
{
  if (fails(FAULT_COPY))
    shutdown(PQsocket(pg), SHUT_RDWR);
  return __real_PQputCopyData(pg, bytes, length);
}

int
__wrap_PQputCopyEnd(PGconn *pg, const char *message)
{
  if (fails(FAULT_COPY))
    shutdown(PQsocket(pg), SHUT_RDWR);
  return __real_PQputCopyEnd(pg, message);
}

WRAP(FAULT_LIBRARY, PGconn *, NULL, PQconnectdbParams,
     (const char *const *keywords, const char *const *values, int expand),
     (keywords, values, expand))

/* ---- files ----------------------------------------------------------------------------------------- */

int __real_open(const char *path, int flags, ...);
int __wrap_open(const char *path, int flags, ...);
int __real_openat(int dir, const char *path, int flags, ...);
int __wrap_openat(int dir, const char *path, int flags, ...);

int
__wrap_open(const char *path, int flags, ...)
{
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return fails(FAULT_FILE) ? -1 : __real_open(path, flags, mode);
}

int
__wrap_openat(int dir, const char *path, int flags, ...)
{
  va_list arguments;
  va_start(arguments, flags);
  mode_t mode = (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
  va_end(arguments);
  return fails(FAULT_FILE) ? -1 : __real_openat(dir, path, flags, mode);
}

/* The log is left alone. */
ssize_t __real_write(int fd, const void *bytes, size_t size);
ssize_t __wrap_write(int fd, const void *bytes, size_t size);

ssize_t
__wrap_write(int fd, const void *bytes, size_t size)
{
  return fd > 2 && fails(FAULT_FILE) ? -1 : __real_write(fd, bytes, size);
}

WRAP(FAULT_FILE, ssize_t, -1, read, (int fd, void *bytes, size_t size), (fd, bytes, size))
WRAP(FAULT_FILE, ssize_t, -1, pread, (int fd, void *bytes, size_t size, off_t at),
     (fd, bytes, size, at))
WRAP(FAULT_FILE, ssize_t, -1, pwrite, (int fd, const void *bytes, size_t size, off_t at),
     (fd, bytes, size, at))
WRAP(FAULT_FILE, int, -1, ftruncate, (int fd, off_t size), (fd, size))
WRAP(FAULT_FILE, int, -1, fsync, (int fd), (fd))
WRAP(FAULT_FILE, int, -1, fstat, (int fd, struct stat *found), (fd, found))
WRAP(FAULT_FILE, int, -1, stat, (const char *path, struct stat *found), (path, found))
WRAP(FAULT_FILE, int, -1, lstat, (const char *path, struct stat *found), (path, found))
WRAP(FAULT_FILE, int, -1, statvfs, (const char *path, struct statvfs *found), (path, found))
WRAP(FAULT_FILE, off_t, -1, lseek, (int fd, off_t at, int from), (fd, at, from))
WRAP(FAULT_FILE, void *, MAP_FAILED, mmap,
     (void *at, size_t size, int protection, int flags, int fd, off_t from),
     (at, size, protection, flags, fd, from))
WRAP(FAULT_FILE, int, -1, mkdir, (const char *path, mode_t mode), (path, mode))
WRAP(FAULT_FILE, int, -1, mkostemp, (char *path, int flags), (path, flags))
WRAP(FAULT_FILE, char *, NULL, mkdtemp, (char *path), (path))
WRAP(FAULT_FILE, int, -1, memfd_create, (const char *name, unsigned flags), (name, flags))
WRAP(FAULT_FILE, int, -1, rename, (const char *from, const char *to), (from, to))
WRAP(FAULT_FILE, int, -1, unlink, (const char *path), (path))
WRAP(FAULT_FILE, int, -1, chmod, (const char *path, mode_t mode), (path, mode))
WRAP(FAULT_FILE, int, -1, fchmod, (int fd, mode_t mode), (fd, mode))
WRAP(FAULT_FILE, int, -1, chown, (const char *path, uid_t uid, gid_t gid), (path, uid, gid))
WRAP(FAULT_FILE, int, -1, flock, (int fd, int operation), (fd, operation))
WRAP(FAULT_FILE, FILE *, NULL, fopen, (const char *path, const char *mode), (path, mode))
WRAP(FAULT_FILE, FILE *, NULL, fdopen, (int fd, const char *mode), (fd, mode))

/* ---- the rest -------------------------------------------------------------------------------------- */

WRAP(FAULT_SYSTEM, int, EAGAIN, pthread_create,
     (pthread_t * thread, const pthread_attr_t *attributes, void *(*run)(void *), void *context),
     (thread, attributes, run, context))
WRAP(FAULT_SYSTEM, int, -1, pipe2, (int ends[2], int flags), (ends, flags))
WRAP(FAULT_SYSTEM, pid_t, -1, fork, (void), ())
WRAP(FAULT_SYSTEM, int, -1, eventfd, (unsigned count, int flags), (count, flags))
WRAP(FAULT_SYSTEM, int, -1, socket, (int domain, int type, int protocol), (domain, type, protocol))
WRAP(FAULT_SYSTEM, int, -1, setgroups, (size_t count, const gid_t *list), (count, list))
WRAP(FAULT_SYSTEM, int, -1, setuid, (uid_t uid), (uid))

WRAP(FAULT_LIBRARY, struct MHD_Response *, NULL, MHD_create_response_from_buffer,
     (size_t size, void *bytes, enum MHD_ResponseMemoryMode mode), (size, bytes, mode))
WRAP(FAULT_LIBRARY, struct MHD_Response *, NULL, MHD_create_response_from_callback,
     (uint64_t size, size_t block, MHD_ContentReaderCallback reader, void *context,
      MHD_ContentReaderFreeCallback release),
     (size, block, reader, context, release))
WRAP(FAULT_LIBRARY, enum MHD_Result, MHD_NO, MHD_add_response_header,
     (struct MHD_Response * response, const char *name, const char *value), (response, name, value))
WRAP(FAULT_LIBRARY, enum MHD_Result, MHD_NO, MHD_queue_response,
     (struct MHD_Connection * connection, unsigned status, struct MHD_Response *response),
     (connection, status, response))
WRAP(FAULT_LIBRARY, CURL *, NULL, curl_easy_init, (void), ())
WRAP(FAULT_LIBRARY, CURLM *, NULL, curl_multi_init, (void), ())
WRAP(FAULT_LIBRARY, CURLU *, NULL, curl_url, (void), ())
WRAP(FAULT_LIBRARY, struct curl_slist *, NULL, curl_slist_append,
     (struct curl_slist * list, const char *text), (list, text))
