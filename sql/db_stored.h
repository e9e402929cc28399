/* Private to sql/: what tenants store, as their limits and their usage count it. */
#ifndef ATTUNE_SQL_DB_STORED_H
#define ATTUNE_SQL_DB_STORED_H

/* Rows of (tenant_id, blob, bytes): each blob of a dataset once, as a version may share its blob with the one before;
 * images that are to become a dataset; and each batch's file, which goes at its end, with the result so far. */
#define DB_STORED_SQL                                                                              \
  "(SELECT DISTINCT x.tenant_id, l.id AS blob, l.bytes FROM dataset x"                             \
  " JOIN dataset_version v ON v.dataset_id = x.id JOIN blob l ON l.id = v.blob_id"                 \
  " UNION ALL SELECT i.tenant_id, NULL, i.bytes FROM image_draft i"                                \
  " UNION ALL SELECT p.tenant_id, p.input_blob, p.output_bytes"                                    \
  " + CASE WHEN p.input_blob IS NULL THEN 0 ELSE p.input_bytes END FROM prediction_batch p)"

#endif
