/* What a job would cost, before anything has run: for ?validate_only=1, and to refuse what can't succeed.
 * Built on the families' cost models (model/family_cost.h) and the speed of this machine. */
#ifndef ATTUNE_SERVER_HANDLER_JOB_ESTIMATE_H
#define ATTUNE_SERVER_HANDLER_JOB_ESTIMATE_H

#include "server/handler/job_create.h"

/* What is known of the data; the task is only right when plan->task_known. */
struct model_data_shape job_estimate_shape(const struct job_plan *plan);

/* The share of its images that a job holds out where its request leaves the split to us: more than 0 where so brief a
 * budget does not do for each image to be held out in turn, by folds; else 0, the rule of data/split.h. */
double job_estimate_holdout(const struct http_request *req, const struct job_plan *plan);

/* Adds a fault when the budget in seconds is clearly too short for one trial of any family, or a grid has
 * too many points. */
void job_estimate_check(const struct http_request *req, const struct job_plan *plan,
                        struct json_faults *faults);

/* What would run and what it would take (new reference). */
json_t *job_estimate_view(const struct http_request *req, const struct job_plan *plan);

#endif
