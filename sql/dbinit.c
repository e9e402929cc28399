/* attune-dbinit: brings a database's schema up to this release. */
#include <config.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "base/options.h"
#include "sql/db.h"

static const struct option_def option_table[] = {
  {.name = "database",
   .kind = OPTION_TEXT,
   .argument = "CONNINFO",
   .help = "The database, as libpq names it: 'host=… dbname=attune user=…' or postgresql://….",
   .section = "Database"},
  {.name = "check",
   .kind = OPTION_FLAG,
   .fallback = "false",
   .help = "Change nothing; exit with status 1 unless this release can use the schema as it is."},
  {.name = "log-level",
   .kind = OPTION_CHOICE,
   .fallback = "info",
   .choices = "debug info warning error",
   .argument = "LEVEL",
   .help = "The least level that is logged.",
   .section = "Log"},
  {.name = NULL}};

static enum err
bring_up(struct db_conn *conn, bool check_only, struct err_info *info)
{
  int from, to;
  if (!check_only)
  {
    enum err err = db_patch_apply(conn, &from, &to, info);
    if (err != ERR_OK)
      return err;
    if (from == to)
      printf("the schema is at patch %d: nothing to do\n", to);
    else if (from < 0)
      printf("the schema is new, now at patch %d\n", to);
    else
      printf("the schema was at patch %d, now at patch %d\n", from, to);
  }
  return db_patch_check(conn, info);
}

static int
run(const struct options *options)
{
  const char *database = options_text(options, "database");
  enum log_level level = LOG_LEVEL_INFO;
  log_level_parse(options_text(options, "log-level"), &level);
  log_setup("attune-dbinit", level, false);
  if (database == NULL)
  {
    fprintf(stderr, "attune-dbinit: say which database: --database 'host=… dbname=attune'\n");
    return 2;
  }
  struct db_conn *conn = NULL;
  struct err_info info;
  enum err err = db_connect(database, "attune-dbinit", &conn, &info);
  if (err == ERR_OK)
    err = bring_up(conn, options_flag(options, "check"), &info);
  db_close(conn);
  if (err != ERR_OK)
    fprintf(stderr, "attune-dbinit: %s\n", info.text);
  return err == ERR_OK ? 0 : 1;
}

int
main(int argc, char **argv)
{
  struct options *options = NULL;
  struct buf faults = {0};
  int status = 0;
  if (options_read(option_table, argc, argv, &options, &faults) != ERR_OK)
  {
    fprintf(stderr, "%s", faults.data != NULL ? faults.data : "out of memory\n");
    status = 2;
  }
  else if (options_action(options) == OPTIONS_HELP)
    options_print_help(
      option_table, "attune-dbinit",
      "Applies the schema patches that a database lacks; safe to run at any time.");
  else if (options_action(options) == OPTIONS_VERSION)
    printf("attune-dbinit %s\n", PACKAGE_VERSION);
  else
    status = run(options);
  options_free(options);
  buf_free(&faults);
  return status;
}
