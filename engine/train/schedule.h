/* How the learning rate and the momentum change from the start (t = 0) to the end (t = 1) of a run.
 * Being functions of the share done, they stay whole when a run is shortened. Pure.
 */
#ifndef ATTUNE_TRAIN_SCHEDULE_H
#define ATTUNE_TRAIN_SCHEDULE_H

enum schedule_kind
{
  SCHEDULE_COSINE,    /* linear warm-up over the first 5%, then ½(1 + cos) down to 0 */
  SCHEDULE_ONE_CYCLE, /* linear from 1/10 up to 1 at 30%, linear down to 0 */
  SCHEDULE_CONSTANT
};

/* Factor on the learning rate, 0 … 1. */
double schedule_rate(enum schedule_kind kind, double t);

/* Momentum: as asked for, but one-cycle mirrors the rate: `momentum` at both ends and 0.1 less (never
 * below 0) where the rate is highest. */
double schedule_momentum(enum schedule_kind kind, double momentum, double t);

#endif
