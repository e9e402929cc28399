#include <config.h>

#include "search/search_internal.h"

static enum err
random_start(const struct search *search, void **state, struct err_info *info)
{
  (void) search;
  (void) info;
  *state = NULL;
  return ERR_OK;
}

static void
random_stop(void *state)
{
  (void) state;
}

/* Trial number n draws from its own stream, whatever was asked or told before. */
static enum err
random_ask(const struct search *search, void *state, double *point, struct err_info *info)
{
  (void) state;
  struct search_seen seen;
  enum err err = search_seen_init(&seen, search);
  if (err)
    return err_set(info, err, "out of memory");
  struct rng rng;
  rng_init(&rng, search->seed, rng_mix(UINT64_C(0x72616e64), search_own_count(search)));
  err = search_draw_unseen(search, &seen, &rng, point);
  if (err)
    err_set(info, err, "every point of the space has been tried");
  search_seen_clear(&seen);
  return err;
}

const struct search_kind search_kind_random = {
  .name = "random", .start = random_start, .stop = random_stop, .ask = random_ask};
