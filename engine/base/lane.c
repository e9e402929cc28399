#include <config.h>

#include "base/lane.h"

#include <stdatomic.h>

unsigned
lane_of_thread(void)
{
  static atomic_uint threads;
  static _Thread_local unsigned lane; /* 0 = none yet, else one more than its number */
  if (lane == 0)
    lane = 1 + atomic_fetch_add(&threads, 1) % LANES;
  return lane - 1;
}
