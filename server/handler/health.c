#include <config.h>

#include "server/handler/handlers.h"
#include "server/handler/health.h"

#include <string.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/proc.h"
#include "server/events.h"
#include "server/http_daemon.h"
#include "server/ingest_queue.h"
#include "server/metrics.h"
#include "server/metrics_histogram.h"
#include "server/model_cache.h"
#include "server/prediction_log.h"
#include "server/shadow.h"
#include "server/study_cache.h"

enum http_outcome
handle_healthz(struct http_request *req)
{
  http_reply_json(req, 200, json_pack("{s:b}", "live", 1));
  return HTTP_REPLIED;
}

bool
health_check_ready(struct http_request *req)
{
  struct err_info info;
  struct db_conn *conn;
  enum err err;

  if (req->server->draining)
  {
    http_reply_busy(req, E_DRAINING, 5);
    return false;
  }
  conn = http_db(req);
  if (!conn)
    return false;
  err = db_patch_check(conn, &info);
  if (err == ERR_CONFLICT)
    http_reply_error(req, E_UNAVAILABLE, info.text);
  else if (err != ERR_OK)
    http_reply_busy(req, E_UNAVAILABLE, 2);
  return err == ERR_OK;
}

enum http_outcome
handle_readyz(struct http_request *req)
{
  if (health_check_ready(req))
    http_reply_json(req, 200, json_pack("{s:b}", "ready", 1));
  return HTTP_REPLIED;
}

static void
print_gauge(struct buf *out, const char *name, const char *help, double value)
{
  metrics_print_value(out, name, "gauge", help, value);
}

static void
print_http(struct server *server, struct buf *out)
{
  struct http_daemon_stats stats;
  http_daemon_stats(server->http, &stats);
  print_gauge(out, "attune_http_connections", "Connections open now.", (double) stats.connections);
  print_gauge(out, "attune_http_requests_open", "Requests being answered now.",
              (double) stats.open);
  print_gauge(out, "attune_http_suspended", "Requests that wait off the event threads.",
              (double) stats.suspended);
  print_gauge(out, "attune_http_parked", "Requests that wait for news.", (double) stats.parked);
  print_gauge(out, "attune_http_streams", "Event streams open now.", (double) stats.streams);
  print_gauge(out, "attune_waiting_queue", "Requests queued for the waiting pool.",
              (double) stats.waiting.queued);
  print_gauge(out, "attune_waiting_running", "Threads of the waiting pool at work.",
              (double) stats.waiting.running);
  print_gauge(out, "attune_waiting_threads", "Threads of the waiting pool.",
              (double) stats.waiting.threads);
  print_gauge(out, "attune_computing_queue", "Requests queued for the CPU pool.",
              (double) stats.computing.queued);
  print_gauge(out, "attune_computing_running", "Threads of the CPU pool at work.",
              (double) stats.computing.running);
  print_gauge(out, "attune_computing_threads", "Threads of the CPU pool.",
              (double) stats.computing.threads);
  metrics_print_histogram(out, "attune_queue_seconds", "pool=\"waiting\",",
                          "Time that requests were queued for a pool.", stats.waiting_waits);
  metrics_print_histogram(out, "attune_queue_seconds", "pool=\"computing\",", NULL,
                          stats.computing_waits);
}

static void
print_caches(struct server *server, struct buf *out)
{
  size_t count = 0, bytes = 0;
  uint64_t hits = 0, misses = 0;
  unsigned waiting = 0, running = 0;
  struct model_cache_counts models;

  model_cache_stats(server->models, &models);
  ingest_queue_stats(server->ingest, &waiting, &running);
  print_gauge(out, "attune_models_loaded", "Models in memory.", (double) models.models);
  print_gauge(out, "attune_models_bytes", "Memory of loaded models.", (double) models.bytes);
  metrics_print_value(out, "attune_model_cache_hits_total", "counter",
                      "Predictions that found their model in memory.", (double) models.hits);
  metrics_print_value(out, "attune_model_cache_misses_total", "counter",
                      "Predictions that had to load their model.", (double) models.misses);
  metrics_print_value(out, "attune_model_cache_evictions_total", "counter",
                      "Models that left memory to make room.", (double) models.evictions);
  metrics_print_value(out, "attune_model_cache_failures_total", "counter",
                      "Models that could not be loaded.", (double) models.failures);
  print_gauge(out, "attune_models_max_bytes", "Most memory for loaded models.",
              (double) server->limits.model_cache_bytes);
  metrics_print_histogram(out, "attune_model_load_seconds", "",
                          "Time to load a model from the database.",
                          model_cache_loads(server->models));
  study_cache_stats(server->studies, &count, &bytes, &hits, &misses);
  print_gauge(out, "attune_study_cache_studies", "Studies in memory.", (double) count);
  print_gauge(out, "attune_study_cache_bytes", "Memory of the searches of studies.",
              (double) bytes);
  metrics_print_value(out, "attune_study_cache_hits_total", "counter",
                      "Calls that found their study in memory.", (double) hits);
  metrics_print_value(out, "attune_study_cache_misses_total", "counter",
                      "Calls that had to read their study from its log.", (double) misses);
  print_gauge(out, "attune_uploads_waiting", "Uploads waiting to be parsed.", waiting);
  print_gauge(out, "attune_uploads_parsing", "Uploads being parsed.", running);
}

static void
print_shadows(struct server *server, struct buf *out)
{
  struct shadow_counts counts;

  shadows_total(server->shadows, &counts);
  metrics_print_value(out, "attune_shadow_rows_total", "counter",
                      "Rows that shadows answered for comparison.", (double) counts.rows);
  metrics_print_value(out, "attune_shadow_same_total", "counter", "Of these, answered the same.",
                      (double) counts.same);
  metrics_print_value(out, "attune_shadow_errors_total", "counter",
                      "Rows that shadows could not answer.", (double) counts.errors);
  metrics_print_value(out, "attune_shadow_dropped_total", "counter",
                      "Calls that shadows had no room for.", (double) counts.dropped);
}

static void
print_predictions(struct server *server, struct buf *out)
{
  struct prediction_log_counts counts;

  prediction_log_counts(server->predictions, &counts);
  metrics_print_value(out, "attune_predictions_logged_total", "counter",
                      "Rows written to the log of predictions.", (double) counts.logged);
  metrics_print_value(out, "attune_predictions_dropped_total", "counter",
                      "Rows that the log of predictions had no room for.", (double) counts.dropped);
  metrics_print_value(out, "attune_predictions_skipped_total", "counter",
                      "Rows beyond those that are logged in a second.", (double) counts.skipped);
  metrics_print_value(out, "attune_predictions_sampled_total", "counter", "Rows counted for drift.",
                      (double) counts.samples);
}

enum http_outcome
handle_metrics(struct http_request *req)
{
  struct server *server = req->server;
  struct buf out = {0};
  uint64_t rss = 0;
  metrics_print(server->metrics, &out);
  print_http(server, &out);
  print_caches(server, &out);
  print_shadows(server, &out);
  print_predictions(server, &out);
  if (proc_rss_bytes(getpid(), &rss) == ERR_OK)
    print_gauge(&out, "attune_resident_bytes", "Memory of this process.", (double) rss);
  print_gauge(&out, "attune_listening", "1 while the database's notes are heard.",
              event_hub_listening(server->events) ? 1.0 : 0.0);
  print_gauge(&out, "attune_draining", "1 while the server is stopping.",
              server->draining ? 1.0 : 0.0);
  metrics_print_value(&out, "attune_uptime_seconds", "counter", "Time since the start.",
                      clock_monotonic_s() - server->started_s);
  if (out.failed)
    http_reply_error(req, E_INTERNAL, NULL);
  else
    http_reply_bytes(req, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.length);
  buf_free(&out);
  return HTTP_REPLIED;
}
