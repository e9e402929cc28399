#include <config.h>

#include "sql/db_confusion.h"

#include "sql/db_exec.h"

enum db_status
db_confusion_get(struct db_conn *conn, const char *tenant_id, const char *name_or_id, int version,
                 const char *truth, const char *predicted, struct arena *arena,
                 struct db_confusion *confusion)
{
  /* Classes are found in the schema, whose order is that of the matrix. */
  static const struct db_statement get = {
    "confusion_get",
    "WITH asked AS (SELECT m.name, v.version, v.schema, v.report, j.dataset_id, j.dataset_version"
    "   FROM model m LEFT JOIN model_alias a ON a.model_id = m.id AND a.alias = 'best'"
    "   JOIN model_version v ON v.model_id = m.id"
    "   AND v.version = CASE $3 WHEN 0 THEN a.version ELSE $3 END"
    "   LEFT JOIN job j ON j.id = v.job_id"
    "   WHERE m.tenant_id = $1 AND (m.name = $2 OR m.id = $2)),"
    " class AS (SELECT c.name, (c.place - 1)::int AS place FROM asked,"
    "   jsonb_array_elements_text(CASE jsonb_typeof(schema->'classes') WHEN 'array'"
    "   THEN schema->'classes' ELSE '[]' END) WITH ORDINALITY AS c(name, place)),"
    " cell AS (SELECT coalesce((SELECT min(place) FROM class WHERE name = $4), -1) AS t,"
    "   coalesce((SELECT min(place) FROM class WHERE name = $5), -1) AS p)"
    " SELECT name, version, coalesce(dataset_id, report->'dataset'->>'id'),"
    " coalesce(dataset_version, 0), EXISTS (SELECT FROM class), t, p,"
    " coalesce(report ? 'confusion_rows', false), report->'confusion_rows'->(t || ',' || p),"
    " report->'metrics'->'confusion'->'matrix'->t->p FROM asked, cell"};
  static const struct db_column columns[] = {
    {DB_TEXT, offsetof(struct db_confusion, model_name), 0},
    {DB_INT4, offsetof(struct db_confusion, version), 0},
    {DB_TEXT, offsetof(struct db_confusion, dataset_id), 0},
    {DB_INT4, offsetof(struct db_confusion, dataset_version), 0},
    {DB_BOOL, offsetof(struct db_confusion, classes), 0},
    {DB_INT4, offsetof(struct db_confusion, truth), 0},
    {DB_INT4, offsetof(struct db_confusion, predicted), 0},
    {DB_BOOL, offsetof(struct db_confusion, kept), 0},
    {DB_JSON, offsetof(struct db_confusion, rows), 0},
    {DB_JSON, offsetof(struct db_confusion, count), 0}};
  return db_exec_one(conn, &get,
                     DB_PARAMS(db_text(tenant_id), db_text(name_or_id), db_int4(version),
                               db_text(truth), db_text(predicted)),
                     DB_COLUMNS(columns), arena, confusion);
}
