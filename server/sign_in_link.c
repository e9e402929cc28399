#include <config.h>

#include "server/sign_in_link.h"

#include <math.h>
#include <stdbool.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/first_run.h"
#include "sql/db.h"

#define AGAIN_SECONDS 5.0

enum err
sign_in_link_print(const struct sign_in_link *link, struct err_info *info)
{
  struct db_conn *conn = NULL;
  char url[512];
  enum err err = db_connect(link->conninfo, "attuned sign-in", &conn, info);
  if (!err)
    err = first_run_sign_in_url(conn, link->data_dir, link->base, url, sizeof url, info);
  db_close(conn);
  if (!err)
  {
    printf("%s\n", url);
    fflush(stdout);
  }
  return err;
}

void
sign_in_link_offer(struct sign_in_link *link)
{
  struct err_info info = {0};
  bool first = link->next_s <= 0.0;
  if (clock_monotonic_s() < link->next_s)
    return;
  enum err err = sign_in_link_print(link, &info);
  if (err && first)
    log_warning("no link that signs a browser in yet: %s", info.text);
  if (err == ERR_OK || err == ERR_NOT_FOUND)
    link->next_s = INFINITY;
  else
    link->next_s = clock_monotonic_s() + AGAIN_SECONDS;
}
