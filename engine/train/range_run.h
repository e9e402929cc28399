/* Runs a learning-rate range test: one short fit of a network family, the rate of each step set by the test.
 *
 * Nothing but the curve comes of it. Single-threaded, no files, no database. Equal request, equal curve,
 * unless the time runs out.
 */
#ifndef ATTUNE_TRAIN_RANGE_RUN_H
#define ATTUNE_TRAIN_RANGE_RUN_H

#include "train/range_test.h"
#include "train/train.h"

struct range_run_wish
{
  double low, high;   /* rates; 0 = 1e-6, and 10, or 3 for Adam's kinds and RMSprop */
  size_t steps;       /* 0 = a hundredth of a full run's, 100 to 300 */
  double max_seconds; /* 0 = none */
};

/* Whether the family trains with a learning rate that can be tested. */
bool range_run_supports(const char *family);

/* Whether the optimizer of these parameters sizes its steps by the gradients' past. */
bool range_run_is_adaptive(const char *family, const struct model_data_shape *shape,
                           const json_t *params);

/* The rates and steps that a wish comes to, for these parameters on `rows` training rows. Its zeros are filled
 * in; max_seconds stays. */
void range_run_complete(const char *family, const struct model_data_shape *shape,
                        const json_t *params, size_t rows, struct range_run_wish *wish);

/* How a rate is suggested for these parameters. */
enum range_test_rule range_run_rule(const char *family, const struct model_data_shape *shape,
                                    const json_t *params);

/* Runs a test of the request, whose validation rows, limits, pauses and learning_rate are not used; on_epoch
 * may end it with ERR_CANCELLED. *test is the caller's to clear, empty on failure. Errors as train_run's;
 * divergence is none. */
enum err range_run(const struct train_request *request, const struct range_run_wish *wish,
                   struct range_test *test, struct range_test_advice *advice,
                   struct err_info *info);

#endif
