/* Every handler, as the table of routes names them: one per method and path. Each replies exactly once or
 * asks to be called again (server/http.h); the common part of its request is already settled.
 */
#ifndef ATTUNE_SERVER_HANDLERS_H
#define ATTUNE_SERVER_HANDLERS_H

#include "server/http.h"

/* datasets.c */
enum http_outcome handle_datasets_post(struct http_request *req);
enum http_outcome handle_datasets_list(struct http_request *req);
enum http_outcome handle_datasets_get(struct http_request *req);
enum http_outcome handle_datasets_preview(struct http_request *req);
enum http_outcome handle_datasets_profile(struct http_request *req);
enum http_outcome handle_dataset_issues(struct http_request *req);
enum http_outcome handle_datasets_schema_patch(struct http_request *req);
enum http_outcome handle_datasets_delete(struct http_request *req);

/* jobs.c */
enum http_outcome handle_jobs_post(struct http_request *req);
enum http_outcome handle_jobs_list(struct http_request *req);
enum http_outcome handle_jobs_get(struct http_request *req);

/* job_control.c */
enum http_outcome handle_jobs_pause(struct http_request *req);
enum http_outcome handle_jobs_resume(struct http_request *req);
enum http_outcome handle_jobs_extend(struct http_request *req);
enum http_outcome handle_jobs_clone(struct http_request *req);
enum http_outcome handle_jobs_cancel(struct http_request *req);

/* curves.c */
enum http_outcome handle_job_curves(struct http_request *req);
enum http_outcome handle_study_curves(struct http_request *req);

/* job_logs.c */
enum http_outcome handle_job_logs(struct http_request *req);

/* job_search.c */
enum http_outcome handle_job_importance(struct http_request *req);
enum http_outcome handle_job_slices(struct http_request *req);
enum http_outcome handle_job_pairs(struct http_request *req);
enum http_outcome handle_job_gain(struct http_request *req);

/* trials.c */
enum http_outcome handle_trials_list(struct http_request *req);
enum http_outcome handle_trials_get(struct http_request *req);
enum http_outcome handle_leaderboard(struct http_request *req);

/* events.c */
enum http_outcome handle_job_events(struct http_request *req);
enum http_outcome handle_events(struct http_request *req);

/* studies.c, study_create.c, study_ask.c, study_tell.c, study_trials.c */
enum http_outcome handle_studies_post(struct http_request *req);
enum http_outcome handle_studies_list(struct http_request *req);
enum http_outcome handle_studies_get(struct http_request *req);
enum http_outcome handle_studies_delete(struct http_request *req);
enum http_outcome handle_study_suggest(struct http_request *req);
enum http_outcome handle_study_measure(struct http_request *req);
enum http_outcome handle_study_should_stop(struct http_request *req);
enum http_outcome handle_study_complete(struct http_request *req);
enum http_outcome handle_study_trials_list(struct http_request *req);
enum http_outcome handle_study_trials_get(struct http_request *req);
enum http_outcome handle_study_best(struct http_request *req);

/* study_search.c */
enum http_outcome handle_study_importance(struct http_request *req);
enum http_outcome handle_study_slices(struct http_request *req);
enum http_outcome handle_study_pairs(struct http_request *req);
enum http_outcome handle_study_gain(struct http_request *req);

/* range_tests.c */
enum http_outcome handle_range_tests_post(struct http_request *req);
enum http_outcome handle_range_tests_list(struct http_request *req);
enum http_outcome handle_range_tests_get(struct http_request *req);

/* models.c */
enum http_outcome handle_models_list(struct http_request *req);
enum http_outcome handle_models_get(struct http_request *req);
enum http_outcome handle_model_versions_list(struct http_request *req);
enum http_outcome handle_model_version_get(struct http_request *req);
enum http_outcome handle_model_report(struct http_request *req);
enum http_outcome handle_model_confusions(struct http_request *req);
enum http_outcome handle_model_verify(struct http_request *req);
enum http_outcome handle_model_schema(struct http_request *req);

/* aliases.c */
enum http_outcome handle_feedback_post(struct http_request *req);
enum http_outcome handle_model_drift(struct http_request *req);
enum http_outcome handle_model_aliases_list(struct http_request *req);
enum http_outcome handle_model_alias_get(struct http_request *req);
enum http_outcome handle_model_alias_put(struct http_request *req);
enum http_outcome handle_model_alias_delete(struct http_request *req);

/* model_remove.c */
enum http_outcome handle_model_delete(struct http_request *req);
enum http_outcome handle_model_version_delete(struct http_request *req);

/* batches.c */
enum http_outcome handle_batches_post(struct http_request *req);

/* batch_view.c */
enum http_outcome handle_batches_list(struct http_request *req);
enum http_outcome handle_batches_get(struct http_request *req);
enum http_outcome handle_batches_cancel(struct http_request *req);
enum http_outcome handle_batches_delete(struct http_request *req);
enum http_outcome handle_batches_result(struct http_request *req);

/* export.c, import.c */
enum http_outcome handle_model_export(struct http_request *req);
enum http_outcome handle_models_post(struct http_request *req);

/* predict.c */
enum http_outcome handle_predict_post(struct http_request *req);
/* predict_call.c: answers all calls that returned HTTP_GATHER in one turn of an event thread. */
void handle_gathered(struct http_request *const *requests, size_t count);

/* inference.c */
enum http_outcome handle_inference_post(struct http_request *req);

/* inference_about.c */
enum http_outcome handle_inference_server(struct http_request *req);
enum http_outcome handle_inference_live(struct http_request *req);
enum http_outcome handle_inference_ready(struct http_request *req);
enum http_outcome handle_inference_model(struct http_request *req);
enum http_outcome handle_inference_model_ready(struct http_request *req);

/* mlflow.c */
enum http_outcome handle_mlflow_invocations(struct http_request *req);
enum http_outcome handle_mlflow_default(struct http_request *req);
enum http_outcome handle_mlflow_ping(struct http_request *req);
enum http_outcome handle_mlflow_version(struct http_request *req);

/* nanonets.c */
enum http_outcome handle_nanonets_label(struct http_request *req);

/* nanonets_model.c, nanonets_make.c, nanonets_train.c */
enum http_outcome handle_nanonets_model(struct http_request *req);
enum http_outcome handle_nanonets_delete(struct http_request *req);
enum http_outcome handle_nanonets_create(struct http_request *req);
enum http_outcome handle_nanonets_upload(struct http_request *req);
enum http_outcome handle_nanonets_train(struct http_request *req);

/* tfserving.c */
enum http_outcome handle_tf_predict(struct http_request *req);
enum http_outcome handle_tf_status(struct http_request *req);
enum http_outcome handle_tf_list(struct http_request *req);

/* train.c */
enum http_outcome handle_train_post(struct http_request *req);

/* families.c */
enum http_outcome handle_families_get(struct http_request *req);
enum http_outcome handle_search_methods_get(struct http_request *req);

/* keys.c */
enum http_outcome handle_keys_post(struct http_request *req);
enum http_outcome handle_keys_list(struct http_request *req);
enum http_outcome handle_keys_get(struct http_request *req);
enum http_outcome handle_keys_delete(struct http_request *req);

/* tenants.c */
enum http_outcome handle_tenants_post(struct http_request *req);
enum http_outcome handle_tenants_list(struct http_request *req);
enum http_outcome handle_tenants_get(struct http_request *req);
enum http_outcome handle_tenants_patch(struct http_request *req);
enum http_outcome handle_tenants_delete(struct http_request *req);

/* audit.c, usage.c */
enum http_outcome handle_audit_list(struct http_request *req);
enum http_outcome handle_usage_get(struct http_request *req);

/* webhooks.c */
enum http_outcome handle_webhooks_post(struct http_request *req);
enum http_outcome handle_webhooks_list(struct http_request *req);
enum http_outcome handle_webhooks_get(struct http_request *req);
enum http_outcome handle_webhooks_delete(struct http_request *req);
enum http_outcome handle_webhook_deliveries(struct http_request *req);
enum http_outcome handle_webhook_test(struct http_request *req);

/* sessions.c */
enum http_outcome handle_session_post(struct http_request *req);
enum http_outcome handle_session_get(struct http_request *req);
enum http_outcome handle_session_delete(struct http_request *req);

/* health.c */
enum http_outcome handle_healthz(struct http_request *req);
enum http_outcome handle_readyz(struct http_request *req);
enum http_outcome handle_metrics(struct http_request *req);

/* web.c */
enum http_outcome handle_openapi(struct http_request *req);
enum http_outcome handle_web_document(struct http_request *req);
enum http_outcome handle_web_page(struct http_request *req);
/* For a path that no route has: a browser is shown a page that says so, everyone else gets the problem. */
enum http_outcome handle_web_missing(struct http_request *req);
enum http_outcome handle_web_asset(struct http_request *req);

#endif
