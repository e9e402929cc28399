/* What attuned's main owns and every handler may reach: made once, given by pointer. */
#ifndef ATTUNE_SERVER_SERVER_H
#define ATTUNE_SERVER_SERVER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/options.h"
#include "sql/db.h"

struct http_auth;
struct http_daemon;
struct metrics;
struct model_cache;
struct study_cache;
struct dataset_cache;
struct ingest_queue;
struct event_hub;
struct webhook_sender;
struct shadows;
struct prediction_log;
struct rate;
struct usage;
struct audit;

/* The limits of one installation; documented in api-docs/limits.md, each an option. */
struct server_limits
{
  size_t upload_bytes; /* one upload */
  size_t json_bytes;   /* a JSON body */
  size_t json_depth;
  size_t predict_bytes; /* a predict body */
  size_t predict_rows, explain_answers, explain_covers;
  size_t batch_bytes, batch_rows;         /* of one batch of predictions */
  size_t live_batches;                    /* per tenant */
  double batch_days;                      /* kept after its end */
  size_t prediction_rate;                 /* logged in a second, by one attuned */
  size_t prediction_rows;                 /* kept of a version */
  double prediction_days;                 /* kept */
  size_t feedback_items;                  /* of one call */
  size_t tensor_elements;                 /* of a predict call for a table, in tensors */
  size_t image_pixels;                    /* of one image in a predict call */
  size_t upload_parts;                    /* of one multipart upload */
  size_t archive_entries, unpacked_bytes; /* of a zip or tar */
  size_t rows, columns;                   /* of a dataset */
  double ingest_seconds;
  size_t ingest_memory_bytes;
  double job_seconds; /* largest budget */
  size_t job_trials;
  size_t live_jobs;                       /* per tenant */
  size_t studies;                         /* per tenant */
  size_t study_trials;                    /* of one study */
  size_t study_measures;                  /* of one trial */
  size_t study_parameters, study_choices; /* of a space */
  size_t study_cache_bytes;
  size_t keys;                /* per tenant */
  size_t tenant_bytes;        /* datasets and batches of one tenant */
  size_t requests_per_minute; /* per tenant, of one attuned */
  size_t live_uploads;        /* per tenant: under way or being parsed */
  size_t connections;         /* open at once */
  size_t streams;             /* SSE streams at once */
  size_t waiting_threads;
  size_t predict_threads;
  size_t model_cache_bytes;
  size_t dataset_cache_bytes; /* on disk */
  double verify_seconds;
  size_t export_bytes;
  double body_seconds;  /* a stalled body is given up after */
  double db_seconds;    /* a request's wait for one answer of the database */
  size_t spool_reserve; /* disk space an upload must leave */
  size_t webhooks;      /* per tenant */
  double webhook_seconds, webhook_retry_seconds, webhook_give_up_seconds;
};

struct server
{
  const struct options *options;
  struct server_limits limits;
  const char *data_dir;
  const char *instance; /* random id of this data directory, for ingest leases */
  struct db_pool *db;
  struct http_auth *auth; /* keys and sessions, cached */
  struct http_daemon *http;
  struct metrics *metrics;
  struct model_cache *models;
  struct shadows *shadows;            /* versions that answer for comparison (shadow.h) */
  struct prediction_log *predictions; /* what was asked and answered (prediction_log.h) */
  struct study_cache *studies;        /* searches of studies in memory (study_cache.h) */
  struct dataset_cache
    *datasets;                 /* canonical files under DATA_DIR/cache/datasets (dataset_cache.h) */
  struct ingest_queue *ingest; /* parses uploads in the background (ingest_queue.h) */
  struct webhook_sender *webhooks; /* calls the outside (webhook_send.h) */
  struct event_hub *events;        /* the one LISTEN connection, fanned out */
  struct rate *rate;               /* requests and uploads of each tenant */
  struct usage *usage;             /* counted per tenant and day */
  struct audit *audit;             /* who did what */
  atomic_bool draining;            /* SIGTERM came: /readyz says 503 */
  atomic_size_t decoding_bytes;    /* pixels of images being decoded for predictions */
  bool tls;
  double started_s; /* monotonic */
  double
    machine_factor; /* this machine's speed, for estimates (model/family_cost.h); 0 = unknown */
};

#endif
