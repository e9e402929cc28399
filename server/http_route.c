#include <config.h>

#include "server/http_internal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/handler/handlers.h"

#define SCOPE_READ (DB_SCOPE_READ | DB_SCOPE_TRAIN)
#define SCOPE_USE (DB_SCOPE_PREDICT | DB_SCOPE_TRAIN)
#define SCOPE_ANY (DB_SCOPE_PREDICT | DB_SCOPE_READ | DB_SCOPE_TRAIN)

#define ROUTE(method_, pattern_, name_, handler_, flags_, scope_)                                  \
  {                                                                                                \
    .method = HTTP_##method_, .pattern = pattern_, .name = name_, .handler = handler_,             \
    .flags = flags_, .scope = scope_                                                               \
  }

const struct http_route http_routes[] = {
  ROUTE(POST, "/api/v1/models/{model}/predict", "models.predict", handle_predict_post,
        HTTP_FAST | HTTP_BYTES | HTTP_LOOKS, SCOPE_USE),
  ROUTE(POST, "/api/v1/models/{model}/invocations", "mlflow.invocations", handle_mlflow_invocations,
        HTTP_FAST | HTTP_BYTES | HTTP_LOOKS, SCOPE_USE),
  ROUTE(POST, "/invocations", "mlflow.default", handle_mlflow_default,
        HTTP_FAST | HTTP_BYTES | HTTP_LOOKS | HTTP_NAMES_MODEL, SCOPE_USE),
  ROUTE(GET, "/ping", "mlflow.ping", handle_mlflow_ping, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/version", "mlflow.version", handle_mlflow_version, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(POST, "/v1/models/{model}:predict", "tf.predict", handle_tf_predict,
        HTTP_FAST | HTTP_BYTES | HTTP_LOOKS, SCOPE_USE),
  ROUTE(POST, "/v1/models/{model}/versions/{version}:predict", "tf.version_predict",
        handle_tf_predict, HTTP_FAST | HTTP_BYTES | HTTP_LOOKS, SCOPE_USE),
  ROUTE(POST, "/v1/models/{model}/labels/{label}:predict", "tf.label_predict", handle_tf_predict,
        HTTP_FAST | HTTP_BYTES | HTTP_LOOKS, SCOPE_USE),
  ROUTE(POST, "/v2/models/{model}/infer", "inference.infer", handle_inference_post,
        HTTP_FAST | HTTP_BYTES | HTTP_LOOKS, SCOPE_USE),
  ROUTE(POST, "/v2/models/{model}/versions/{version}/infer", "inference.version_infer",
        handle_inference_post, HTTP_FAST | HTTP_BYTES | HTTP_LOOKS, SCOPE_USE),
  ROUTE(GET, "/v2/models/{model}", "inference.model", handle_inference_model, 0, SCOPE_ANY),
  ROUTE(GET, "/v2/models/{model}/versions/{version}", "inference.version", handle_inference_model,
        0, SCOPE_ANY),
  ROUTE(GET, "/v2/models/{model}/ready", "inference.model_ready", handle_inference_model_ready, 0,
        SCOPE_ANY),
  ROUTE(GET, "/v2/models/{model}/versions/{version}/ready", "inference.version_ready",
        handle_inference_model_ready, 0, SCOPE_ANY),
  ROUTE(GET, "/v2", "inference.server", handle_inference_server, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/v2/health/live", "inference.live", handle_inference_live, HTTP_PUBLIC | HTTP_FAST,
        0),
  ROUTE(GET, "/v2/health/ready", "inference.ready", handle_inference_ready, HTTP_PUBLIC, 0),
  ROUTE(POST, "/api/v2/ImageCategorization/LabelFile/", "nanonets.label", handle_nanonets_label,
        HTTP_FAST | HTTP_BYTES | HTTP_LOOKS | HTTP_BASIC | HTTP_NAMES_MODEL, SCOPE_USE),
  ROUTE(GET, "/api/v2/ImageCategorization/Model/", "nanonets.model", handle_nanonets_model,
        HTTP_BASIC | HTTP_NAMES_MODEL, SCOPE_ANY),
  ROUTE(POST, "/api/v2/ImageCategorization/Model/", "nanonets.create", handle_nanonets_create,
        HTTP_BYTES | HTTP_CREATES | HTTP_BASIC, DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v2/ImageCategorization/Model/{draft}", "nanonets.model_get",
        handle_nanonets_model, HTTP_BASIC | HTTP_NAMES_MODEL, SCOPE_ANY),
  ROUTE(DELETE, "/api/v2/ImageCategorization/Model/{draft}", "nanonets.delete",
        handle_nanonets_delete, HTTP_BASIC, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v2/ImageCategorization/UploadFile/", "nanonets.upload", handle_nanonets_upload,
        HTTP_UPLOAD | HTTP_CREATES | HTTP_BASIC, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v2/ImageCategorization/Model/{draft}/UploadFile/", "nanonets.model_upload",
        handle_nanonets_upload, HTTP_UPLOAD | HTTP_CREATES | HTTP_BASIC, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v2/ImageCategorization/Train/", "nanonets.train", handle_nanonets_train,
        HTTP_CREATES | HTTP_BASIC, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v2/ImageCategorization/Model/{draft}/Train/", "nanonets.model_train",
        handle_nanonets_train, HTTP_CREATES | HTTP_BASIC, DB_SCOPE_TRAIN),
  ROUTE(GET, "/v1/models", "tf.list", handle_tf_list, 0, SCOPE_READ),
  ROUTE(GET, "/v1/models/{model}", "tf.status", handle_tf_status, 0, SCOPE_ANY),
  ROUTE(GET, "/v1/models/{model}/versions/{version}", "tf.version_status", handle_tf_status, 0,
        SCOPE_ANY),
  ROUTE(GET, "/v1/models/{model}/labels/{label}", "tf.label_status", handle_tf_status, 0,
        SCOPE_ANY),
  ROUTE(POST, "/api/v1/models/{model}/batches", "batches.create", handle_batches_post,
        HTTP_UPLOAD | HTTP_CREATES, SCOPE_USE),
  ROUTE(GET, "/api/v1/batches", "batches.list", handle_batches_list, HTTP_NAMES_MODEL, SCOPE_ANY),
  ROUTE(GET, "/api/v1/batches/{batch}", "batches.get", handle_batches_get, HTTP_NAMES_MODEL,
        SCOPE_ANY),
  ROUTE(GET, "/api/v1/batches/{batch}/result", "batches.result", handle_batches_result,
        HTTP_NAMES_MODEL, SCOPE_ANY),
  ROUTE(POST, "/api/v1/batches/{batch}/cancel", "batches.cancel", handle_batches_cancel,
        HTTP_JSON | HTTP_NAMES_MODEL, SCOPE_USE),
  ROUTE(DELETE, "/api/v1/batches/{batch}", "batches.delete", handle_batches_delete,
        HTTP_NAMES_MODEL, SCOPE_USE),
  ROUTE(GET, "/api/v1/jobs/{job}", "jobs.get", handle_jobs_get, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs", "jobs.list", handle_jobs_list, 0, SCOPE_READ),
  ROUTE(POST, "/api/v1/jobs", "jobs.create", handle_jobs_post, HTTP_JSON | HTTP_CREATES,
        DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/jobs/{job}/cancel", "jobs.cancel", handle_jobs_cancel, HTTP_JSON,
        DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/jobs/{job}/pause", "jobs.pause", handle_jobs_pause, HTTP_JSON,
        DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/jobs/{job}/resume", "jobs.resume", handle_jobs_resume, HTTP_JSON,
        DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/jobs/{job}/extend", "jobs.extend", handle_jobs_extend, HTTP_JSON,
        DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/jobs/{job}/clone", "jobs.clone", handle_jobs_clone, HTTP_JSON | HTTP_CREATES,
        DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/jobs/{job}/importance", "jobs.importance", handle_job_importance, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/slices", "jobs.slices", handle_job_slices, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/pairs", "jobs.pairs", handle_job_pairs, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/gain", "jobs.gain", handle_job_gain, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/logs", "jobs.logs", handle_job_logs, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/curves", "jobs.curves", handle_job_curves, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/trials", "trials.list", handle_trials_list, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/trials/{trial}", "trials.get", handle_trials_get, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/leaderboard", "jobs.leaderboard", handle_leaderboard, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/jobs/{job}/events", "jobs.events", handle_job_events, HTTP_STREAM,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/events", "events", handle_events, HTTP_STREAM, SCOPE_READ),
  ROUTE(POST, "/api/v1/train", "train", handle_train_post, HTTP_UPLOAD | HTTP_CREATES | HTTP_RERUN,
        DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/datasets", "datasets.create", handle_datasets_post,
        HTTP_UPLOAD | HTTP_CREATES, DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/datasets", "datasets.list", handle_datasets_list, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/datasets/{dataset}", "datasets.get", handle_datasets_get, 0, SCOPE_READ),
  ROUTE(DELETE, "/api/v1/datasets/{dataset}", "datasets.delete", handle_datasets_delete, 0,
        DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/datasets/{dataset}/preview", "datasets.preview", handle_datasets_preview, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/datasets/{dataset}/profile", "datasets.profile", handle_datasets_profile, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/datasets/{dataset}/issues", "datasets.issues", handle_dataset_issues, 0,
        SCOPE_READ),
  ROUTE(PATCH, "/api/v1/datasets/{dataset}/schema", "datasets.schema", handle_datasets_schema_patch,
        HTTP_JSON, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/studies", "studies.create", handle_studies_post, HTTP_JSON | HTTP_CREATES,
        DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/studies", "studies.list", handle_studies_list, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/studies/{study}", "studies.get", handle_studies_get, 0, SCOPE_READ),
  ROUTE(DELETE, "/api/v1/studies/{study}", "studies.delete", handle_studies_delete, 0,
        DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/studies/{study}/suggest", "studies.suggest", handle_study_suggest,
        HTTP_JSON | HTTP_LOGGED, DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/studies/{study}/best", "studies.best", handle_study_best, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/studies/{study}/importance", "studies.importance", handle_study_importance, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/studies/{study}/slices", "studies.slices", handle_study_slices, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/studies/{study}/pairs", "studies.pairs", handle_study_pairs, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/studies/{study}/gain", "studies.gain", handle_study_gain, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/studies/{study}/curves", "studies.curves", handle_study_curves, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/studies/{study}/trials", "studies.trials", handle_study_trials_list, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/studies/{study}/trials/{trial}", "studies.trial", handle_study_trials_get, 0,
        SCOPE_READ),
  ROUTE(POST, "/api/v1/studies/{study}/trials/{trial}/measure", "studies.measure",
        handle_study_measure, HTTP_JSON | HTTP_LOGGED, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/studies/{study}/trials/{trial}/should_stop", "studies.should_stop",
        handle_study_should_stop, HTTP_JSON | HTTP_LOOKS, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/studies/{study}/trials/{trial}/complete", "studies.complete",
        handle_study_complete, HTTP_JSON | HTTP_CREATES | HTTP_LOGGED, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/lr-range-tests", "range_tests.create", handle_range_tests_post,
        HTTP_JSON | HTTP_CREATES, DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/lr-range-tests", "range_tests.list", handle_range_tests_list, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/lr-range-tests/{range_test}", "range_tests.get", handle_range_tests_get, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/models", "models.list", handle_models_list, 0, SCOPE_READ),
  ROUTE(POST, "/api/v1/models", "models.import", handle_models_post, HTTP_UPLOAD | HTTP_CREATES,
        DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/models/{model}", "models.get", handle_models_get, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/models/{model}/schema", "models.schema", handle_model_schema, 0, SCOPE_ANY),
  ROUTE(GET, "/api/v1/models/{model}/report", "models.report", handle_model_report, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/models/{model}/confusions", "models.confusions", handle_model_confusions, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/models/{model}/versions", "models.versions", handle_model_versions_list, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/models/{model}/versions/{version}", "models.version",
        handle_model_version_get, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/models/{model}/versions/{version}/report", "models.version_report",
        handle_model_report, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/models/{model}/versions/{version}/confusions", "models.version_confusions",
        handle_model_confusions, 0, SCOPE_READ),
  ROUTE(GET, "/api/v1/models/{model}/versions/{version}/export", "models.version_export",
        handle_model_export, 0, SCOPE_READ),
  ROUTE(POST, "/api/v1/models/{model}/versions/{version}/verify", "models.version_verify",
        handle_model_verify, HTTP_JSON | HTTP_LOOKS, DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/models/{model}/versions/{version}/schema", "models.version_schema",
        handle_model_schema, 0, SCOPE_ANY),
  ROUTE(DELETE, "/api/v1/models/{model}", "models.delete", handle_model_delete, 0, DB_SCOPE_TRAIN),
  ROUTE(DELETE, "/api/v1/models/{model}/versions/{version}", "models.version_delete",
        handle_model_version_delete, 0, DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/models/{model}/aliases", "models.aliases", handle_model_aliases_list, 0,
        SCOPE_READ),
  ROUTE(GET, "/api/v1/models/{model}/aliases/{alias}", "models.alias_get", handle_model_alias_get,
        0, SCOPE_READ),
  ROUTE(PUT, "/api/v1/models/{model}/aliases/{alias}", "models.alias", handle_model_alias_put,
        HTTP_JSON, DB_SCOPE_TRAIN),
  ROUTE(DELETE, "/api/v1/models/{model}/aliases/{alias}", "models.alias_delete",
        handle_model_alias_delete, 0, DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/models/{model}/drift", "models.drift", handle_model_drift, 0, SCOPE_READ),
  ROUTE(POST, "/api/v1/feedback", "feedback", handle_feedback_post,
        HTTP_JSON | HTTP_LOGGED | HTTP_NAMES_MODEL, SCOPE_USE),
  ROUTE(GET, "/api/v1/families", "families", handle_families_get, 0, SCOPE_ANY),
  ROUTE(GET, "/api/v1/search-methods", "search_methods", handle_search_methods_get, 0, SCOPE_ANY),
  ROUTE(POST, "/api/v1/webhooks", "webhooks.create", handle_webhooks_post, HTTP_JSON | HTTP_CREATES,
        DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/webhooks", "webhooks.list", handle_webhooks_list, 0, DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/webhooks/{webhook}", "webhooks.get", handle_webhooks_get, 0, DB_SCOPE_TRAIN),
  ROUTE(DELETE, "/api/v1/webhooks/{webhook}", "webhooks.delete", handle_webhooks_delete, 0,
        DB_SCOPE_TRAIN),
  ROUTE(GET, "/api/v1/webhooks/{webhook}/deliveries", "webhooks.deliveries",
        handle_webhook_deliveries, 0, DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/webhooks/{webhook}/test", "webhooks.test", handle_webhook_test, HTTP_CREATES,
        DB_SCOPE_TRAIN),
  ROUTE(POST, "/api/v1/keys", "keys.create", handle_keys_post, HTTP_JSON | HTTP_CREATES,
        DB_SCOPE_ADMIN),
  ROUTE(GET, "/api/v1/keys", "keys.list", handle_keys_list, 0, DB_SCOPE_ADMIN),
  ROUTE(GET, "/api/v1/keys/{key}", "keys.get", handle_keys_get, 0, DB_SCOPE_ADMIN),
  ROUTE(DELETE, "/api/v1/keys/{key}", "keys.revoke", handle_keys_delete, 0, DB_SCOPE_ADMIN),
  ROUTE(POST, "/api/v1/tenants", "tenants.create", handle_tenants_post,
        HTTP_JSON | HTTP_CREATES | HTTP_ROOT, DB_SCOPE_ADMIN),
  ROUTE(GET, "/api/v1/tenants", "tenants.list", handle_tenants_list, HTTP_ROOT, DB_SCOPE_ADMIN),
  ROUTE(GET, "/api/v1/tenants/{tenant}", "tenants.get", handle_tenants_get, 0, DB_SCOPE_ADMIN),
  ROUTE(PATCH, "/api/v1/tenants/{tenant}", "tenants.change", handle_tenants_patch,
        HTTP_JSON | HTTP_ROOT, DB_SCOPE_ADMIN),
  ROUTE(DELETE, "/api/v1/tenants/{tenant}", "tenants.delete", handle_tenants_delete, HTTP_ROOT,
        DB_SCOPE_ADMIN),
  ROUTE(GET, "/api/v1/audit", "audit", handle_audit_list, 0, DB_SCOPE_ADMIN),
  ROUTE(GET, "/api/v1/usage", "usage", handle_usage_get, 0, SCOPE_READ),
  ROUTE(POST, "/api/v1/session", "session.create", handle_session_post, HTTP_PUBLIC | HTTP_JSON, 0),
  ROUTE(GET, "/api/v1/session", "session.get", handle_session_get, HTTP_PUBLIC | HTTP_WHO, 0),
  ROUTE(DELETE, "/api/v1/session", "session.delete", handle_session_delete, 0, 0),
  ROUTE(GET, "/healthz", "healthz", handle_healthz, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/readyz", "readyz", handle_readyz, HTTP_PUBLIC, 0),
  ROUTE(GET, "/metrics", "metrics", handle_metrics, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/openapi.json", "openapi", handle_openapi, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/", "web.home", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/jobs", "web.jobs", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/jobs/new", "web.new_job", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/jobs/{job}", "web.job", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/jobs/{job}/search", "web.search", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/compare", "web.compare", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/compare/models", "web.compare_models", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/range-tests/{range_test}", "web.range_test", handle_web_page,
        HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/studies", "web.studies", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/studies/{study}", "web.study", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/settings", "web.settings", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/datasets", "web.datasets", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/datasets/{dataset}", "web.dataset", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/keys", "web.keys", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/models", "web.models", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/models/{model}", "web.model", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/models/{model}/try", "web.try", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/sign-in", "web.sign_in", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/docs", "web.docs", handle_web_page, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/docs/{page}", "web.document", handle_web_document, HTTP_PUBLIC | HTTP_FAST, 0),
  ROUTE(GET, "/assets/{file}", "web.asset", handle_web_asset, HTTP_PUBLIC | HTTP_FAST, 0),
  {.handler = NULL},
};

static const char *const method_names[] = {
  [HTTP_GET] = "GET",     [HTTP_POST] = "POST",     [HTTP_PUT] = "PUT",
  [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE",
};

size_t
http_route_index(const struct http_route *route)
{
  return route ? (size_t) (route - http_routes) : http_route_count();
}

size_t
http_route_count(void)
{
  return sizeof http_routes / sizeof http_routes[0] - 1;
}

/* The next segment of a path or pattern: from *at to the next '/' or the end. False when there is none. */
static bool
next_segment(const char **at, const char **segment, size_t *length)
{
  if (**at != '/')
    return false;
  *segment = *at + 1;
  *length = (size_t) (strchrnul(*segment, '/') - *segment);
  *at = *segment + *length;
  return true;
}

/* Whether a raw segment fits one of a pattern: the same text, or for "{name}" anything but nothing, for
 * "{name}:verb" anything that goes on before that ending. */
static bool
segment_fits(const char *want, size_t want_length, const char *have, size_t have_length)
{
  if (*want != '{')
    return want_length == have_length && memcmp(want, have, have_length) == 0;
  size_t ending = want_length - strcspn(want, "}") - 1;
  return have_length > ending
         && memcmp(want + want_length - ending, have + have_length - ending, ending) == 0;
}

/* Whether a raw path has the shape of a pattern. */
static bool
path_fits(const char *pattern, const char *path)
{
  const char *want, *have;
  size_t want_length, have_length, same = 0;
  /* most patterns differ from the path before their first name */
  while (pattern[same] != '\0' && pattern[same] != '{' && pattern[same] == path[same])
    same++;
  if (pattern[same] != '{' && pattern[same] != path[same])
    return false;
  while (next_segment(&pattern, &want, &want_length))
  {
    if (!next_segment(&path, &have, &have_length))
      return false;
    if (!segment_fits(want, want_length, have, have_length))
      return false;
  }
  return *path == '\0';
}

static bool
fill_args(const char *pattern, const char *path, struct arena *arena, struct http_name_value *args,
          size_t *arg_count)
{
  const char *want, *have;
  size_t want_length, have_length;
  while (next_segment(&pattern, &want, &want_length) && next_segment(&path, &have, &have_length))
  {
    if (*want != '{')
      continue;
    struct http_name_value *arg = &args[(*arg_count)++];
    size_t closing = strcspn(want, "}"), ending = want_length - closing - 1;
    arg->name = arena_strndup(arena, want + 1, closing - 1);
    arg->value = http_decode(arena, have, have_length - ending, true);
    if (!arg->name)
      errno = ENOMEM;
    if (!arg->name || !arg->value)
      return false;
  }
  return true;
}

/* Every segment can be decoded, also of a path that no route has. */
static bool
path_is_legal(const char *path, struct arena *arena)
{
  const char *segment;
  size_t length;
  errno = EINVAL;
  while (next_segment(&path, &segment, &length))
    if (!http_decode(arena, segment, length, true))
      return false;
  return *path == '\0';
}

enum http_match
http_route_match(const char *method, const char *path, struct arena *arena,
                 const struct http_route **found, struct http_name_value *args, size_t *arg_count,
                 char *allow, size_t allow_size)
{
  const char *wanted = strcmp(method, "HEAD") == 0 ? "GET" : method;
  size_t allowed = 0;
  *arg_count = 0;
  *allow = '\0';
  bool verb = false; /* what "{model}:predict" fits is no plain "{model}" */
  for (const struct http_route *route = http_routes; route->handler; route++)
  {
    if (!path_fits(route->pattern, path))
      continue;
    bool has_verb = strstr(route->pattern, "}:") != NULL;
    if (verb && !has_verb)
      continue;
    verb = has_verb;
    const char *name = method_names[route->method];
    if (strcmp(name, wanted) == 0)
    {
      *found = route;
      return fill_args(route->pattern, path, arena, args, arg_count) ? HTTP_MATCH_FOUND
                                                                     : HTTP_MATCH_BAD_PATH;
    }
    size_t length = strlen(allow);
    snprintf(allow + length, allow_size - length, "%s%s%s", allowed++ ? ", " : "", name,
             route->method == HTTP_GET ? ", HEAD" : "");
  }
  if (!path_is_legal(path, arena))
    return HTTP_MATCH_BAD_PATH;
  return allowed ? HTTP_MATCH_NO_METHOD : HTTP_MATCH_NO_PATH;
}
