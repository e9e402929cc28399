/* attuned: the API, the pages and predictions; standalone it also keeps a database and an engine. */
#include <config.h>

#include <errno.h>
#include <math.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/options.h"
#include "base/proc.h"
#include "model/family_cost.h"
#include "server/audit.h"
#include "server/dataset_cache.h"
#include "server/events.h"
#include "server/first_run.h"
#include "server/http.h"
#include "server/http_auth.h"
#include "server/http_daemon.h"
#include "server/ingest_queue.h"
#include "server/json_memory.h"
#include "server/limits.h"
#include "server/listen.h"
#include "server/metrics.h"
#include "server/model_cache.h"
#include "server/own_options.h"
#include "server/prediction_log.h"
#include "server/rate.h"
#include "server/server.h"
#include "server/shadow.h"
#include "server/sign_in_link.h"
#include "server/spool.h"
#include "server/standalone.h"
#include "server/study_cache.h"
#include "server/tls.h"
#include "server/usage.h"
#include "server/webhook_send.h"
#include "sql/db_audit.h"
#include "sql/db_job.h"
#include "sql/db_prediction.h"
#include "sql/db_tenant.h"
#include "sql/db_usage.h"

#define CONNECT_SECONDS 60.0
#define FORGET_SECONDS 3600.0

/* All that main makes, in the order it is made. */
struct program
{
  struct options *options;
  char data_dir[400];
  char instance[40];
  int lock_fd;
  struct standalone *standalone;
  const char *conninfo;
  struct http_daemon_config http;
  struct tls *tls;
  char base[300]; /* http://127.0.0.1:8080 */
  struct server server;
  int signal_fd;
  struct sign_in_link link;
};

/* ---- start, step by step --------------------------------------------------------------------------- */

/* Reads what is read as root: certificate and key. */
static enum err
settle_network(struct program *program, struct err_info *info)
{
  const struct options *options = program->options;
  const char *listen = options_text(options, "listen");
  const char *cert = options_text(options, "tls-cert");
  const char *key = options_text(options, "tls-key");
  if (!listen_parse(listen, &program->http.address))
    return err_set(info, ERR_INVALID,
                   "--listen %s: give an address and a port, such as 127.0.0.1:8080", listen);
  if (!cert != !key)
    return err_set(info, ERR_INVALID, "--tls-cert and --tls-key belong together");
  program->http.per_address = (unsigned) options_integer(options, "max-connections-per-address");
  if (!cert)
  {
    if (!listen_is_loopback(&program->http.address) && !options_flag(options, "behind-proxy"))
      log_warning("%s can be reached from other machines and keys travel unprotected: give "
                  "--tls-cert and --tls-key, or --behind-proxy if a proxy does that",
                  listen);
    return ERR_OK;
  }
  program->http.tls = program->server.tls = true;
  return tls_new(cert, key, &program->tls, info);
}

static enum err
connect_patiently(struct program *program, struct db_conn **conn, struct err_info *info)
{
  double deadline_s = clock_monotonic_s() + CONNECT_SECONDS;
  struct timespec moment = {.tv_nsec = 500 * 1000 * 1000};
  bool told = false;
  for (;;)
  {
    enum err err = db_connect(program->conninfo, "attuned start", conn, info);
    if (err != ERR_UNAVAILABLE || clock_monotonic_s() > deadline_s)
      return err;
    if (!told)
      log_warning("waiting for the database: %s", info->text);
    told = true;
    nanosleep(&moment, NULL);
  }
}

static enum err
settle_database(struct program *program, struct err_info *info)
{
  struct db_conn *conn = NULL;
  int from, to;
  enum err err;
  program->conninfo = options_text(program->options, "database");
  if (program->conninfo)
  {
    if (geteuid() == 0)
      log_warning("serving as root: run attuned under an account of its own");
    err = file_make_dir(program->data_dir, 0750, info);
    if (!err)
      err = first_run_lock(program->data_dir, &program->lock_fd, info);
  }
  else
  {
    err = standalone_start(program->options, program->data_dir, &program->standalone, info);
    if (!err)
      program->conninfo = standalone_conninfo(program->standalone);
  }
  if (!err)
    err = connect_patiently(program, &conn, info);
  if (!err && program->standalone)
    err = db_patch_apply(conn, &from, &to, info);
  if (!err)
    err = db_patch_check(conn, info);
  if (!err)
    err = first_run_instance(program->data_dir, program->instance, sizeof program->instance, info);
  /* This folder is ours alone: whoever answered requests from it before is gone. */
  if (!err && db_idempotency_orphan(conn, program->instance) < 0)
    log_warning("idempotency keys of requests that were cut short stay busy for a minute");
  if (!err)
    err = first_run_keys(conn, program->data_dir, info);
  db_close(conn);
  return err;
}

static enum err
make_metrics(struct server *server, struct err_info *info)
{
  size_t count = 0;
  while (http_routes[count].handler)
    count++;
  const char **names = calloc(count, sizeof *names);
  for (size_t i = 0; names && i < count; i++)
    names[i] = http_routes[i].name;
  server->metrics = names ? metrics_new(names, count) : NULL;
  free(names);
  return server->metrics ? ERR_OK : err_set(info, ERR_MEMORY, "out of memory");
}

static void
wake_parked(void *context, const char *key)
{
  struct server *server = context;
  http_daemon_job_news(server->http, key);
}

static enum err
make_server(struct program *program, struct err_info *info)
{
  struct server *server = &program->server;
  server->options = program->options;
  server->data_dir = program->data_dir;
  server->instance = program->instance;
  server->started_s = clock_monotonic_s();
  server->machine_factor = family_machine_factor();
  limits_fill(&server->limits, program->options);
  size_t connections = server->limits.waiting_threads + 6;
  enum err err = spool_prepare(program->data_dir, info);
  if (!err)
    err = db_pool_new(program->conninfo, "attuned", connections, &server->db, info);
  if (!err)
  {
    db_pool_set_patience(server->db, server->limits.db_seconds);
    err = make_metrics(server, info);
  }
  if (!err)
  {
    server->auth = http_auth_new(server->db);
    server->models = model_cache_new(server->limits.model_cache_bytes);
    server->studies = study_cache_new(server->limits.study_cache_bytes, wake_parked, server);
    server->events = event_hub_new(server, program->conninfo);
    server->rate = rate_new();
    if (!server->auth || !server->models || !server->studies || !server->events || !server->rate)
      err = err_set(info, ERR_MEMORY, "out of memory");
  }
  if (!err)
    err = dataset_cache_new(program->data_dir, server->limits.dataset_cache_bytes,
                            &server->datasets, info);
  if (!err)
    err = shadows_start(server->db, server->models, &server->shadows, info);
  if (!err)
    err = prediction_log_start(server->db, server->datasets, &server->limits, &server->predictions,
                               info);
  if (!err)
    err = audit_start(server->db, &server->audit, info);
  if (!err)
    err = usage_start(server->db, &server->usage, info);
  return err;
}

static enum err
start_server(struct program *program, struct err_info *info)
{
  struct server *server = &program->server;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned parsers = cores > 1 ? (unsigned) cores / 2 : 1;
  enum err err = ingest_queue_new(server, parsers, &server->ingest, info);
  /* Before anything is answered: a server whose options are of no use must not say that it is ready. */
  if (!err)
    err = webhook_sender_start(server, &server->webhooks, info);
  if (!err)
    err = http_daemon_start(server, &program->http, &server->http, info);
  if (!err)
    err = event_hub_start(server->events, info);
  if (!err && program->standalone)
  {
    unsigned engines = cores > 0 ? (unsigned) cores : 1;
    if (options_text(program->options, "engines"))
      engines = (unsigned) options_integer(program->options, "engines");
    err = standalone_start_engines(program->standalone, engines, info);
  }
  if (!err)
  {
    listen_base(&program->http.address, server->tls, http_daemon_port(server->http), program->base,
                sizeof program->base);
    err = first_run_write_base(program->data_dir, program->base, info);
  }
  return err;
}

/* ---- the links ------------------------------------------------------------------------------------- */

static struct sign_in_link
link_of(const struct program *program)
{
  return (struct sign_in_link){
    .conninfo = program->conninfo, .data_dir = program->data_dir, .base = program->base};
}

static enum err
print_another_url(struct program *program, struct err_info *info)
{
  char conninfo[1024];
  enum err err = first_run_data_dir(options_text(program->options, "data-dir"), program->data_dir,
                                    sizeof program->data_dir, info);
  program->conninfo = options_text(program->options, "database");
  if (!err && !program->conninfo)
  {
    err = standalone_read_conninfo(program->data_dir, conninfo, sizeof conninfo, info);
    program->conninfo = conninfo;
  }
  if (!err)
    err = first_run_read_base(program->data_dir, program->base, sizeof program->base, info);
  program->link = link_of(program);
  return err ? err : sign_in_link_print(&program->link, info);
}

/* ---- while it runs --------------------------------------------------------------------------------- */

static void
forget_old(struct program *program)
{
  struct db_conn *conn;
  struct err_info info;
  if (db_acquire(program->server.db, 1.0, &conn, &info) != ERR_OK)
    return;
  if (db_forget_old(conn, options_number(program->options, "keep-days")) < 0)
    log_warning("old events could not be forgotten; another try follows in an hour");
  if (db_audit_forget(conn, options_number(program->options, "keep-audit-days")) < 0)
    log_warning("old audit rows could not be forgotten; another try follows in an hour");
  if (db_prediction_forget(conn, program->server.limits.prediction_days) < 0)
    log_warning("old predictions could not be forgotten; another try follows in an hour");
  if (db_usage_gauge(conn) < 0)
    log_warning("the bytes stored today could not be noted; another try follows in an hour");
  db_release(program->server.db, conn);
}

/* SIGHUP reads the certificate again; connections go on with theirs. Any other signal is the end. */
static bool
was_hangup(struct program *program)
{
  struct signalfd_siginfo signal;
  struct err_info info = {0};
  if (read(program->signal_fd, &signal, sizeof signal) != (ssize_t) sizeof signal
      || signal.ssi_signo != SIGHUP)
    return false;
  if (!program->tls)
    log_info("SIGHUP: there is no certificate to be read again");
  else if (tls_reload(program->tls, &info) == ERR_OK)
    log_info("the certificate was read again: new connections get it");
  else
    log_warning("the certificate stays as it was: %s", info.text);
  return true;
}

/* Until a signal, or until the guardian is gone; the exit status. */
static int
serve(struct program *program)
{
  struct pollfd fds[2] = {{.fd = program->signal_fd, .events = POLLIN},
                          {.fd = -1, .events = POLLIN}};
  double forget_s = clock_monotonic_s() + 60.0;
  if (program->standalone)
    fds[1].fd = standalone_watch_fd(program->standalone);
  for (;;)
  {
    int ready = poll(fds, 2, isfinite(program->link.next_s) ? 1000 : 10000);
    if (ready < 0 && errno != EINTR)
      return 1;
    if (ready > 0 && fds[0].revents)
    {
      if (was_hangup(program))
        continue;
      log_info("stopping: requests in progress are finished first");
      return 0;
    }
    if (ready > 0 && fds[1].revents)
    {
      log_error("the guardian of the database has ended: stopping");
      return 1;
    }
    sign_in_link_offer(&program->link);
    http_daemon_renew_claims(program->server.http);
    if (clock_monotonic_s() >= forget_s)
    {
      forget_old(program);
      forget_s = clock_monotonic_s() + FORGET_SECONDS;
    }
  }
}

/* From here on SIGTERM, SIGINT and SIGHUP are read from a descriptor; threads inherit the mask. */
static enum err
catch_signals(struct program *program, struct err_info *info)
{
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGINT);
  sigaddset(&set, SIGHUP);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  signal(SIGPIPE, SIG_IGN);
  signal(SIGXFSZ, SIG_IGN); /* a file at its limit is a full disk, not the end */
  program->signal_fd = signalfd(-1, &set, SFD_CLOEXEC);
  if (program->signal_fd < 0)
    return err_set_errno(info, ERR_UNAVAILABLE, errno, "could not watch for signals");
  return ERR_OK;
}

/* In the reverse order of making. False when requests are stuck: what they use stays. */
static bool
stop_server(struct program *program)
{
  struct server *server = &program->server;
  server->draining = true;
  if (server->http)
    http_daemon_drain(server->http);
  event_hub_stop(server->events);
  webhook_sender_stop(server->webhooks);
  if (!http_daemon_stop(server->http))
  {
    log_error("some requests did not end; leaving without them");
    return false;
  }
  ingest_queue_free(server->ingest);
  event_hub_free(server->events);
  prediction_log_stop(server->predictions);
  if (server->datasets)
    dataset_cache_free(server->datasets);
  shadows_stop(server->shadows);
  if (server->models)
    model_cache_free(server->models);
  study_cache_free(server->studies);
  audit_stop(server->audit);
  usage_stop(server->usage);
  rate_free(server->rate);
  http_auth_free(server->auth);
  metrics_free(server->metrics);
  if (server->db)
    db_pool_free(server->db);
  return true;
}

static int
run(struct program *program)
{
  struct err_info info = {0};
  int status = 1;
  enum err err = first_run_data_dir(options_text(program->options, "data-dir"), program->data_dir,
                                    sizeof program->data_dir, &info);
  if (!err)
    err = settle_network(program, &info);
  if (!err)
    err = options_export(program->options) == ERR_OK ? ERR_OK
                                                     : err_set(&info, ERR_MEMORY, "out of memory");
  if (!err)
    err = settle_database(program, &info);
  if (!err)
    err = catch_signals(program, &info);
  if (!err)
    err = make_server(program, &info);
  if (!err)
    err = start_server(program, &info);
  if (!err)
  {
    log_info("serving at %s", program->base);
    program->link = link_of(program);
    sign_in_link_offer(&program->link);
  }
  if (err)
    log_error("%s", info.text);
  else
    status = serve(program);
  bool stopped = stop_server(program);
  if (program->standalone)
    standalone_stop(program->standalone);
  if (program->lock_fd >= 0)
    close(program->lock_fd);
  if (program->signal_fd >= 0)
    close(program->signal_fd);
  if (!stopped)
    _exit(1);
  return status;
}

int
main(int argc, char **argv)
{
  static struct option_def table[OWN_OPTIONS_COUNT + LIMITS_COUNT + 1];
  struct program program = {.lock_fd = -1, .signal_fd = -1};
  struct buf faults = {0};
  struct err_info info = {0};
  enum log_level level = LOG_LEVEL_INFO;
  int status = 0;
  json_memory_watch();
  memcpy(table, own_options, OWN_OPTIONS_COUNT * sizeof *own_options);
  memcpy(table + OWN_OPTIONS_COUNT, limits_options, sizeof limits_options);
  if (proc_pin_blas_threads(argv, &info) != ERR_OK || sodium_init() < 0)
  {
    fprintf(stderr, "attuned: %s\n", *info.text ? info.text : "no randomness");
    return 1;
  }
  if (options_read(table, argc, argv, &program.options, &faults) != ERR_OK)
  {
    fprintf(stderr, "%s", faults.data ? faults.data : "out of memory\n");
    status = 2;
  }
  else if (options_action(program.options) == OPTIONS_HELP)
    options_print_help(table, "attuned",
                       "Hosted model tuning over HTTP: upload a table, tune a model, ask it.");
  else if (options_action(program.options) == OPTIONS_VERSION)
    printf("attuned %s\n", PACKAGE_VERSION);
  else
  {
    log_level_parse(options_text(program.options, "log-level"), &level);
    log_setup("attuned", level, options_flag(program.options, "log-json"));
    if (!options_flag(program.options, "sign-in-url"))
      status = run(&program);
    else if (print_another_url(&program, &info) != ERR_OK)
    {
      fprintf(stderr, "attuned: %s\n", info.text);
      status = 1;
    }
  }
  options_free(program.options);
  tls_free(program.tls);
  buf_free(&faults);
  return status;
}
