#include <config.h>

#include "sql/db_job.h"

#include "sql/db_batch.h"
#include "sql/db_draft.h"
#include "sql/db_exec.h"
#include "sql/db_study.h"

/* Rows a statement deletes at most: each ends in far less than the statement timeout. */
#define BATCH 20000

enum db_status
db_forget_old(struct db_conn *conn, double days)
{
  static const struct db_statement events = {
    "forget_events", "DELETE FROM job_event WHERE (job_id, seq) IN (SELECT e.job_id, e.seq"
                     " FROM job j JOIN job_event e ON e.job_id = j.id"
                     " WHERE j.ended_at < now() - make_interval(secs => $1 * 86400) LIMIT $2)"};
  static const struct db_statement epochs = {
    "forget_epochs", "DELETE FROM unit_epoch WHERE (unit_id, epoch) IN (SELECT e.unit_id, e.epoch"
                     " FROM job j JOIN unit u ON u.job_id = j.id"
                     " JOIN unit_epoch e ON e.unit_id = u.id"
                     " WHERE j.ended_at < now() - make_interval(secs => $1 * 86400) LIMIT $2)"};
  static const struct db_statement logs = {
    "forget_logs", "DELETE FROM job_log WHERE (job_id, seq) IN (SELECT l.job_id, l.seq"
                   " FROM job j JOIN job_log l ON l.job_id = j.id"
                   " WHERE j.ended_at < now() - make_interval(secs => $1 * 86400) LIMIT $2)"};
  /* Kept so that an ended job could be extended, which takes its dataset, too. */
  static const struct db_statement models = {
    "forget_models",
    "WITH old AS (SELECT u.id, u.model_blob FROM unit u JOIN job j ON j.id = u.job_id"
    "   JOIN dataset d ON d.id = j.dataset_id WHERE u.model_blob IS NOT NULL"
    "   AND (j.ended_at < now() - make_interval(secs => $1 * 86400)"
    "     OR (j.ended_at IS NOT NULL AND d.deleted_at IS NOT NULL)) LIMIT $2 / 100),"
    " dropped AS (UPDATE unit u SET model_blob = NULL FROM old WHERE u.id = old.id"
    "   RETURNING old.model_blob)"
    " DELETE FROM blob WHERE id IN (SELECT model_blob FROM dropped)"};
  static const struct db_statement deliveries = {
    "forget_deliveries",
    "DELETE FROM webhook_delivery WHERE id IN (SELECT id FROM webhook_delivery"
    " WHERE state <> 'pending' AND ended_at < now() - make_interval(secs => $1 * 86400) LIMIT $2)"};
  static const struct db_statement range_tests = {
    "forget_range_tests",
    "DELETE FROM lr_range_test WHERE id IN (SELECT id FROM lr_range_test"
    " WHERE job_id IS NULL AND ended_at < now() - make_interval(secs => $1 * 86400) LIMIT $2)"};
  static const struct db_statement sessions = {"forget_sessions",
                                               "DELETE FROM session WHERE expires_at < now()"};
  static const struct db_statement codes = {
    "forget_codes", "DELETE FROM sign_in_code WHERE expires_at < now() - interval '1 day'"};
  static const struct db_statement answers = {
    "forget_answers", "DELETE FROM idempotency WHERE created_at < now() - interval '24 hours'"};
  static const struct db_statement *const batches[] = {&events, &epochs,     &logs,
                                                       &models, &deliveries, &range_tests};
  static const struct db_statement *const whole[] = {&sessions, &codes, &answers};
  enum db_status status = DB_NONE;
  for (size_t i = 0; i < sizeof batches / sizeof batches[0] && status >= DB_NONE; i++)
    do
      status = db_exec_none(conn, batches[i], DB_PARAMS(db_float8_nan(days), db_int4(BATCH)));
    while (status == DB_ROWS);
  if (status >= DB_NONE)
    do
      status = db_study_sweep(conn);
    while (status == DB_ROWS);
  if (status >= DB_NONE)
    do
      status = db_batch_sweep(conn);
    while (status == DB_ROWS);
  if (status >= DB_NONE)
    do
      status = db_draft_sweep(conn, days);
    while (status == DB_ROWS);
  for (size_t i = 0; i < sizeof whole / sizeof whole[0] && status >= DB_NONE; i++)
    status = db_exec_none(conn, whole[i], DB_NO_PARAMS);
  return status < DB_NONE ? status : DB_ROWS;
}
