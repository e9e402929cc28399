#include <config.h>

#include "sql/db_draft.h"

#include "sql/db_exec.h"

/* A draft with its images goes by one statement, which must not take long. */
#define SWEEP_DRAFTS 2

enum db_status
db_draft_insert(struct db_conn *conn, const char *id, const char *tenant_id,
                const char *const *categories, size_t count)
{
  static const struct db_statement insert = {
    "draft_insert", "WITH made AS (INSERT INTO image_draft (id, tenant_id, categories, counts)"
                    " VALUES ($1, $2, $3, array_fill(0::float8, ARRAY[cardinality($3)]))"
                    " ON CONFLICT (id) DO NOTHING) SELECT 1"};
  return db_exec_none(conn, &insert,
                      DB_PARAMS(db_text(id), db_text(tenant_id), db_text_array(categories, count)));
}

enum db_status
db_draft_get(struct db_conn *conn, const char *tenant_id, const char *id, struct arena *arena,
             struct db_draft *draft)
{
  static const struct db_statement get = {
    "draft_get", "SELECT id, categories, counts, files, bytes, dataset_id, dataset_files, job_id,"
                 " coalesce(busy_until > now(), false)"
                 " FROM image_draft WHERE tenant_id = $1 AND id = $2"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_draft, id), 0},
    {DB_TEXT_ARRAY, offsetof(struct db_draft, categories),
     offsetof(struct db_draft, category_count)},
    {DB_FLOAT8_ARRAY, offsetof(struct db_draft, counts), offsetof(struct db_draft, count_count)},
    {DB_INT8, offsetof(struct db_draft, files), 0},
    {DB_INT8, offsetof(struct db_draft, bytes), 0},
    {DB_TEXT, offsetof(struct db_draft, dataset_id), 0},
    {DB_INT8, offsetof(struct db_draft, dataset_files), 0},
    {DB_TEXT, offsetof(struct db_draft, job_id), 0},
    {DB_BOOL, offsetof(struct db_draft, busy), 0}};
  return db_exec_one(conn, &get, DB_PARAMS(db_text(tenant_id), db_text(id)), DB_COLUMNS(columns),
                     arena, draft);
}

enum db_status
db_draft_delete(struct db_conn *conn, const char *tenant_id, const char *id)
{
  static const struct db_statement drop = {
    "draft_delete", "DELETE FROM image_draft WHERE tenant_id = $1 AND id = $2"
                    " AND coalesce(busy_until, '-infinity') <= now()"};
  return db_exec_none(conn, &drop, DB_PARAMS(db_text(tenant_id), db_text(id)));
}

/* ---- images ---------------------------------------------------------------------------------------- */

enum db_status
db_draft_upload_begin(struct db_conn *conn, const char *id, const char *upload)
{
  static const struct db_statement find = {
    "draft_upload", "SELECT 1 FROM image_draft_file WHERE draft_id = $1 AND upload = $2 LIMIT 1"};
  return db_exec_none(conn, &find, DB_PARAMS(db_text(id), db_text(upload)));
}

enum db_status
db_draft_upload_add(struct db_conn *conn, const char *id, const char *upload, int seq,
                    size_t category, const void *bytes, size_t length)
{
  static const struct db_statement insert = {
    "draft_file_insert", "INSERT INTO image_draft_file (draft_id, upload, seq, category, data)"
                         " SELECT id, $2, $3, $4, $5 FROM image_draft WHERE id = $1"};
  return db_exec_none(conn, &insert,
                      DB_PARAMS(db_text(id), db_text(upload), db_int4(seq), db_int4((int) category),
                                db_bytes(bytes, length)));
}

enum db_status
db_draft_upload_end(struct db_conn *conn, const char *id, size_t category, size_t files,
                    uint64_t bytes)
{
  static const struct db_statement count = {
    "draft_upload_end", "UPDATE image_draft SET counts[$2] = counts[$2] + $3, files = files + $3,"
                        " bytes = bytes + $4, touched_at = now() WHERE id = $1"};
  return db_exec_none(conn, &count,
                      DB_PARAMS(db_text(id), db_int4((int) category + 1), db_int8((int64_t) files),
                                db_int8((int64_t) bytes)));
}

enum db_status
db_draft_next_file(struct db_conn *conn, const char *id, const char *upload, int seq,
                   struct arena *arena, struct db_draft_file *file)
{
  static const struct db_statement next = {
    "draft_next_file", "SELECT upload, seq, category, data FROM image_draft_file"
                       " WHERE draft_id = $1 AND (upload, seq) > ($2, $3)"
                       " ORDER BY upload, seq LIMIT 1"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_draft_file, upload), 0},
    {DB_INT4, offsetof(struct db_draft_file, seq), 0},
    {DB_INT4, offsetof(struct db_draft_file, category), 0},
    {DB_BYTES, offsetof(struct db_draft_file, bytes), offsetof(struct db_draft_file, length)}};
  return db_exec_one(conn, &next, DB_PARAMS(db_text(id), db_text(upload), db_int4(seq)),
                     DB_COLUMNS(columns), arena, file);
}

/* ---- training -------------------------------------------------------------------------------------- */

enum db_status
db_draft_claim(struct db_conn *conn, const char *id, double seconds)
{
  static const struct db_statement claim = {
    "draft_claim", "UPDATE image_draft SET busy_until = now() + make_interval(secs => $2),"
                   " touched_at = now()"
                   " WHERE id = $1 AND coalesce(busy_until, '-infinity') <= now()"};
  return db_exec_none(conn, &claim, DB_PARAMS(db_text(id), db_float8(seconds)));
}

enum db_status
db_draft_hold(struct db_conn *conn, const char *id, double seconds)
{
  static const struct db_statement hold = {
    "draft_hold",
    "UPDATE image_draft SET busy_until = now() + make_interval(secs => $2) WHERE id = $1"};
  return db_exec_none(conn, &hold, DB_PARAMS(db_text(id), db_float8(seconds)));
}

enum db_status
db_draft_set_dataset(struct db_conn *conn, const char *id, const char *dataset_id, int64_t files)
{
  static const struct db_statement set = {
    "draft_set_dataset",
    "UPDATE image_draft SET dataset_id = $2, dataset_files = $3 WHERE id = $1"};
  return db_exec_none(conn, &set, DB_PARAMS(db_text(id), db_text(dataset_id), db_int8(files)));
}

enum db_status
db_draft_set_job(struct db_conn *conn, const char *id, const char *job_id)
{
  static const struct db_statement set = {"draft_set_job",
                                          "UPDATE image_draft SET job_id = $2 WHERE id = $1"};
  return db_exec_none(conn, &set, DB_PARAMS(db_text(id), db_text(job_id)));
}

enum db_status
db_draft_sweep(struct db_conn *conn, double days)
{
  static const struct db_statement sweep = {
    "draft_sweep",
    "DELETE FROM image_draft WHERE id IN (SELECT id FROM image_draft"
    " WHERE touched_at < now() - make_interval(secs => $1 * 86400) ORDER BY touched_at LIMIT $2)"};
  return db_exec_none(conn, &sweep, DB_PARAMS(db_float8_nan(days), db_int4(SWEEP_DRAFTS)));
}
