/* From the JSON of POST /jobs to a stored job: checked in full, completed, inserted. Shared by POST /jobs
 * and POST /train. For one request at a time; strings live in the request's arena. */
#ifndef ATTUNE_SERVER_HANDLER_JOB_CREATE_H
#define ATTUNE_SERVER_HANDLER_JOB_CREATE_H

#include "data/task.h"
#include "model/job_spec.h"
#include "server/http.h"
#include "server/handler/job_rows.h"
#include "server/handler/webhooks.h"
#include "sql/db_dataset.h"
#include "sql/db_job.h"

struct job_plan
{
  const char *id; /* "job_…" */
  const char *name;
  struct db_dataset dataset;
  const json_t *schema; /* of the dataset; owned by `owned` */
  struct job_spec *spec;
  bool task_known; /* the task was derived from the rows, not from the schema alone */
  struct task task;
  bool split_known; /* its rows were split as the engine will split them */
  struct job_rows_split split;
  struct webhook_wish webhook; /* of its end */
  struct db_job_origin origin; /* set by the caller before the insert; the key is filled in */
  json_t *form;                /* what is stored: the normal form, completed */
  json_t *owned;               /* references that job_plan_free gives back */
};

/* Checks `request` (a JSON object; another kind of value is a fault) and fills the plan. False when it
 * replied with what is wrong. */
bool job_plan_make(struct http_request *req, struct db_conn *conn, const json_t *request,
                   struct job_plan *plan);
/* The same with faults that the caller has found: all are told at once. */
bool job_plan_check(struct http_request *req, struct db_conn *conn, const json_t *request,
                    struct job_plan *plan, struct json_faults *faults);
void job_plan_free(struct job_plan *plan);

/* The dataset that `request` names, if it is ready. False when it replied. */
bool job_dataset_find(struct http_request *req, struct db_conn *conn, const json_t *request,
                      struct db_dataset *row);

/* Inserts the job unless the tenant has too many live ones. False when it replied. */
bool job_plan_insert(struct http_request *req, struct db_conn *conn, struct job_plan *plan);

#endif
