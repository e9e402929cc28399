/* The link that a starting attuned prints: it signs a browser in once, within 15 minutes.
 *
 * Nobody is served worse for want of it: while the database can't give one, it is asked for again now and then. For
 * one thread.
 */
#ifndef ATTUNE_SERVER_SIGN_IN_LINK_H
#define ATTUNE_SERVER_SIGN_IN_LINK_H

#include "base/err.h"

struct sign_in_link
{
  const char *conninfo, *data_dir, *base; /* borrowed; base as "http://127.0.0.1:8080" */
  double
    next_s; /* when it is tried next, on the monotonic clock; 0 = at once, INFINITY = never again */
};

/* Makes a new link and prints it on standard output. ERR_NOT_FOUND when there is no key to sign in with. */
enum err sign_in_link_print(const struct sign_in_link *link, struct err_info *info);

/* The same if it is due; the first failure is logged. Done once it is printed, or can't be had at all. */
void sign_in_link_offer(struct sign_in_link *link);

#endif
