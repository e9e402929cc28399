#include <config.h>

#include "server/audit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/clock.h"
#include "base/log.h"
#include "server/rate.h"
#include "server/writer.h"

#define FLUSH_SECONDS 0.5
#define QUEUE_MAX ((size_t) 10000)
#define REFUSALS_PER_MINUTE 600.0

struct audit
{
  struct db_pool *db;
  struct rate *refusals;
  struct writer *writer;
  pthread_mutex_t lock;  /* of what follows */
  struct db_audit *rows; /* QUEUE_MAX of them; their texts in `texts` */
  size_t count;
  struct arena *texts;
  size_t left_out;
  /* the writer's own: the other half of the pair */
  struct db_audit *spare_rows;
  struct arena *spare_texts;
};

void
audit_queue(struct audit *audit, const struct db_audit *row, bool refusal)
{
  struct rate_state state;
  bool fits =
    !refusal
    || rate_take(audit->refusals, row->tenant_id, REFUSALS_PER_MINUTE, clock_monotonic_s(), &state);
  pthread_mutex_lock(&audit->lock);
  fits = fits && audit->count < QUEUE_MAX;
  if (fits)
  {
    struct db_audit *copy = &audit->rows[audit->count];
    *copy = *row;
    copy->tenant_id = arena_strdup(audit->texts, row->tenant_id);
    copy->key_id = row->key_id ? arena_strdup(audit->texts, row->key_id) : NULL;
    copy->action = arena_strdup(audit->texts, row->action);
    copy->object = row->object ? arena_strdup(audit->texts, row->object) : NULL;
    copy->request_id = arena_strdup(audit->texts, row->request_id);
    copy->address = arena_strdup(audit->texts, row->address);
    fits = copy->tenant_id && copy->action && copy->request_id && copy->address;
    audit->count += fits;
  }
  audit->left_out += !fits;
  pthread_mutex_unlock(&audit->lock);
}

void
audit_write(struct audit *audit, struct db_conn *conn, const struct db_audit *row)
{
  if (!conn || db_audit_insert(conn, row, 1) < DB_NONE)
    audit_queue(audit, row, false);
}

/* Rows that could not be written go back to the front, as many as fit. */
static void
put_back(struct audit *audit, struct db_audit *rows, size_t count)
{
  for (size_t i = 0; i < count; i++)
    audit_queue(audit, &rows[i], false);
}

static bool
write_all(void *context, bool all)
{
  struct audit *audit = context;
  (void) all;
  struct db_conn *conn = NULL;
  struct err_info info;
  pthread_mutex_lock(&audit->lock);
  size_t count = audit->count, left_out = audit->left_out;
  struct db_audit *rows = audit->rows;
  struct arena *texts = audit->texts;
  if (count > 0)
  {
    audit->rows = audit->spare_rows;
    audit->texts = audit->spare_texts;
    audit->spare_rows = rows;
    audit->spare_texts = texts;
    audit->count = 0;
  }
  audit->left_out = 0;
  pthread_mutex_unlock(&audit->lock);
  if (left_out > 0)
    log_warning("%zu rows of the audit were left out: too many came at once", left_out);
  if (count == 0)
    return true;
  enum db_status status = DB_SOFT;
  if (db_acquire(audit->db, 1.0, &conn, &info) == ERR_OK)
  {
    status = db_audit_insert(conn, rows, count);
    db_release(audit->db, conn);
  }
  if (status == DB_SOFT)
    put_back(audit, rows, count);
  else if (status == DB_HARD)
    log_error("%zu rows of the audit could not be written", count);
  arena_reset(texts);
  return status != DB_SOFT;
}

static void
release(struct audit *audit)
{
  pthread_mutex_destroy(&audit->lock);
  rate_free(audit->refusals);
  arena_free(audit->texts);
  arena_free(audit->spare_texts);
  free(audit->rows);
  free(audit->spare_rows);
  free(audit);
}

enum err
audit_start(struct db_pool *db, struct audit **out, struct err_info *info)
{
  struct audit *audit = calloc(1, sizeof *audit);
  if (!audit)
    return err_set(info, ERR_MEMORY, "out of memory");
  pthread_mutex_init(&audit->lock, NULL);
  audit->db = db;
  audit->refusals = rate_new();
  audit->rows = calloc(QUEUE_MAX, sizeof *audit->rows);
  audit->spare_rows = calloc(QUEUE_MAX, sizeof *audit->spare_rows);
  audit->texts = arena_new(0);
  audit->spare_texts = arena_new(0);
  enum err err =
    audit->refusals && audit->rows && audit->spare_rows && audit->texts && audit->spare_texts
      ? writer_start(write_all, audit, FLUSH_SECONDS, &audit->writer, info)
      : err_set(info, ERR_MEMORY, "out of memory");
  if (err)
    release(audit);
  else
    *out = audit;
  return err;
}

void
audit_stop(struct audit *audit)
{
  if (!audit)
    return;
  writer_stop(audit->writer);
  release(audit);
}
