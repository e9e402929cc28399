/* How the learning rate and the momentum change from the start (t = 0) to the end (t = 1) of a run.
 * Being functions of the share done, they stay whole when a run is shortened. Pure.
 */
#ifndef ATTUNE_TRAIN_SCHEDULE_H
#define ATTUNE_TRAIN_SCHEDULE_H

enum schedule_kind
{
  SCHEDULE_COSINE,    /* linear warm-up over the first 5%, then ½(1 + cos) down to 0 */
  SCHEDULE_ONE_CYCLE, /* linear from 1/10 up to 1 at 30%, linear down to 0 (after Smith 2018) */
  SCHEDULE_CONSTANT,
  SCHEDULE_STEP,   /* 1, a tenth from 50% on, a hundredth from 75% on */
  SCHEDULE_CYCLIC, /* four triangles from 1/10 up to 1 and back (Smith 2017) */
  SCHEDULE_SGDR, /* ½(1 + cos) down to 0, then again from 1 over twice the time, and over four times
                       (Loshchilov, Hutter 2017) */
  SCHEDULE_COSLOG4, /* ½(1 − cos (2π log₂ (1 + 15t))): four waves, each twice as long as the one before, at 0
                       for t = 0, 1/15, 3/15, 7/15, 1 (Holzmüller, Grinsztajn, Steinwart 2024) */
  SCHEDULE_FLAT_COSINE /* 1 for the first half, then ½(1 + cos) down to 0 */
};

/* Factor on the learning rate, 0 … 1. */
double schedule_rate(enum schedule_kind kind, double t);

/* Momentum: as asked for, but one-cycle mirrors the rate: `momentum` at both ends and 0.1 less (never
 * below 0) where the rate is highest. */
double schedule_momentum(enum schedule_kind kind, double momentum, double t);

#endif
