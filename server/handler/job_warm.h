/* What a new job learns from an earlier one of the same tenant: its finished trials, frozen when the job is
 * taken. The mapping to the new space is the model room's (job_spec.h). */
#ifndef ATTUNE_SERVER_HANDLER_JOB_WARM_H
#define ATTUNE_SERVER_HANDLER_JOB_WARM_H

#include "server/http.h"

/* Puts the trials of the job named by search.warm_start_from into search.warm_start of the request: the 50
 * best and at most 50 others. An unknown job, or one without a finished trial, is a fault. False when it
 * replied, since the database did not answer. */
bool job_warm_fill(struct http_request *req, struct db_conn *conn, json_t *request,
                   struct json_faults *faults);

#endif
