/* The rows behind one cell of a version's confusion matrix, as its report keeps them (engine/tune/confusions.h). */
#ifndef ATTUNE_SQL_DB_CONFUSION_H
#define ATTUNE_SQL_DB_CONFUSION_H

#include "sql/db.h"

struct db_confusion
{
  const char *model_name;
  int version;
  const char *dataset_id; /* NULL = not known */
  int dataset_version;    /* 0 = not known: the newest */
  bool classes;           /* whether it predicts classes at all */
  int truth, predicted;   /* numbers of the classes; -1 = there is no class of that name */
  bool kept;              /* false in versions of an Attune that did not keep them */
  const char *rows;       /* JSON text: [[row, probability], …], or NULL for none */
  const char
    *count; /* JSON text: how many rows are of this cell; NULL = the report has no matrix */
};

/* Model by name or id, version 0 = what the alias best points to; classes by name. */
enum db_status db_confusion_get(struct db_conn *conn, const char *tenant_id, const char *name_or_id,
                                int version, const char *truth, const char *predicted,
                                struct arena *arena, struct db_confusion *confusion);

#endif
