/* The model that a new job starts from: found and fixed to a version when the job is taken.
 *
 * Versions of models are never deleted while their tenant is there, so the job, and what is cloned from it, finds
 * the same bytes however long it takes. */
#ifndef ATTUNE_SERVER_HANDLER_JOB_BASE_H
#define ATTUNE_SERVER_HANDLER_JOB_BASE_H

#include "server/http.h"

/* Puts {"id", "name", "version", "body"} in the place of the request's base_model, "shoes", "shoes@fast" or
 * "shoes@3" with the name or id of a model of the tenant (job_spec.h reads the form). What names no model with a
 * convolutional network is a fault. False when it replied, since the database did not answer. */
bool job_base_fill(struct http_request *req, struct db_conn *conn, json_t *request,
                   struct json_faults *faults);

#endif
