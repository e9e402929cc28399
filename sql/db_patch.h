/* Private to sql/: the schema patches compiled into the program (made by gen_patches.sh). */
#ifndef ATTUNE_SQL_DB_PATCH_H
#define ATTUNE_SQL_DB_PATCH_H

#include "sql/db.h"

struct db_patch
{
  int number;
  const char *name;
  const char *sql;
};

/* By number, from 0 without a gap. */
extern const struct db_patch db_patches[];
extern const int db_patch_count;

/* As db_patch_apply, but no further than patch `last`: for tests of upgrades. */
enum err db_patch_apply_to(struct db_conn *conn, int last, int *from, int *to,
                           struct err_info *info);

#endif
