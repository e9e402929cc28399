/* What the handlers of studies share. */
#ifndef ATTUNE_SERVER_HANDLER_STUDY_H
#define ATTUNE_SERVER_HANDLER_STUDY_H

#include "server/http.h"
#include "server/study_cache.h"

/* One request's work on the study of its path, from one pass to the next; begins zeroed. */
struct study_call
{
  uint64_t ticket;
  double deadline_s; /* when waiting for its turn is given up */
};

/* Runs fn on the study when its turn has come (study_cache_run). True when it ran to DB_ROWS; otherwise
 * *outcome is what the handler returns: it replied, or is to be called again. */
bool study_call_run(struct http_request *req, struct study_call *call,
                    enum db_status (*fn)(struct study_turn *turn, void *context), void *context,
                    enum http_outcome *outcome);

/* The study of the path as it is now. False when it replied. */
bool study_find(struct http_request *req, struct db_conn *conn, struct db_study *row);

/* A trial that is not done with, and what to answer if it is not as it should be. */
enum study_refusal
{
  STUDY_FINE,
  STUDY_NO_TRIAL,
  STUDY_TRIAL_ENDED,
  STUDY_TRIAL_PAUSED
};
/* Within a turn: the trial by its id, running (or paused, where that will do). */
enum db_status study_trial_find(struct study_turn *turn, const char *tenant_id,
                                const char *trial_id, bool paused_too, struct db_study_trial *trial,
                                enum study_refusal *refusal);
/* Replies with a refusal other than STUDY_FINE; `state` is the trial's. */
void study_reply_refusal(struct http_request *req, enum study_refusal refusal, const char *state);

/* Views (new references). A trial's steps are shown where the study has them. */
json_t *study_view(const struct db_study *row, const json_t *form, bool full);
json_t *study_view_trial(const struct db_study_trial *row);
/* What a client is to run. */
json_t *study_view_task(const struct db_study_trial *row);

/* study_create.c: an earlier study's points and values, into the form. False when it replied. */
bool study_warm_fill(struct http_request *req, struct db_conn *conn, json_t *form,
                     const struct study_spec *spec, struct json_faults *faults);

#endif
