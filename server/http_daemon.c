#include <config.h>

#include "server/http_daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "server/events.h"
#include "server/http_internal.h"
#include "server/tls.h"

#define CONNECTION_MEMORY ((size_t) 24 << 10)
/* What was on its way when the signal came is read in this time. */
#define QUIET_SECONDS 0.2
#define DRAIN_SECONDS 30.0

/* ---- options of libmicrohttpd ---------------------------------------------------------------------- */

/* Escapes are decoded after routing, segment by segment. */
static size_t
keep_escapes(void *context, struct MHD_Connection *connection, char *text)
{
  (void) context;
  (void) connection;
  return strlen(text);
}

static void on_mhd_log(void *context, const char *format, va_list arguments)
  __attribute__((format(printf, 2, 0)));

static void
on_mhd_log(void *context, const char *format, va_list arguments)
{
  char line[512];
  (void) context;
  vsnprintf(line, sizeof line, format, arguments);
  size_t length = strlen(line);
  while (length > 0 && line[length - 1] == '\n')
    line[--length] = '\0';
  log_debug("libmicrohttpd: %s", line);
}

/* ---- start and stop -------------------------------------------------------------------------------- */

/* Each connection is a descriptor; spool files, the database and the libraries need some more. */
static void
raise_file_limit(size_t connections)
{
  struct rlimit limit;
  rlim_t need = (rlim_t) (2 * connections + 256);
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= need)
    return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max > need ? need : limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur < need)
    log_warning("only %llu files may be open; raise the limit or lower --max-connections",
                (unsigned long long) limit.rlim_cur);
}

static struct MHD_Daemon *
start_mhd(struct http_daemon *daemon, const struct http_daemon_config *config)
{
  const struct server_limits *limits = &daemon->server->limits;
  bool tls = config->tls;
  long cores = sysconf(_SC_NPROCESSORS_ONLN);
  unsigned flags =
    MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_TURBO | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG;
  if (config->address.ss_family == AF_INET6)
    flags |= MHD_USE_DUAL_STACK;
  if (tls)
    flags |= MHD_USE_TLS;
  struct MHD_OptionItem tls_options[] = {
    {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, (void *) (uintptr_t) tls_retrieve},
    {MHD_OPTION_HTTPS_PRIORITIES, 0, (void *) (uintptr_t) TLS_PRIORITIES},
    {MHD_OPTION_END, 0, NULL},
  };
  struct MHD_OptionItem options[] = {
    {MHD_OPTION_EXTERNAL_LOGGER, (intptr_t) on_mhd_log, NULL},
    {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t) keep_escapes, NULL},
    {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t) http_on_completed, daemon},
    {MHD_OPTION_SOCK_ADDR, 0, (void *) (uintptr_t) &config->address},
    {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t) CONNECTION_MEMORY, NULL},
    {MHD_OPTION_CONNECTION_LIMIT, (intptr_t) limits->connections, NULL},
    {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t) (limits->body_seconds + 1.0), NULL},
    {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t) config->per_address, NULL},
    {MHD_OPTION_THREAD_POOL_SIZE, cores > 1 ? (intptr_t) cores : 0, NULL},
    {MHD_OPTION_LISTENING_ADDRESS_REUSE, 1, NULL},
    {tls ? MHD_OPTION_ARRAY : MHD_OPTION_END, 0, tls ? tls_options : NULL},
    {MHD_OPTION_END, 0, NULL},
  };
  return MHD_start_daemon(flags, 0, NULL, NULL, http_on_access, daemon, MHD_OPTION_ARRAY, options,
                          MHD_OPTION_END);
}

enum err
http_daemon_start(struct server *server, const struct http_daemon_config *config,
                  struct http_daemon **out, struct err_info *info)
{
  const struct server_limits *limits = &server->limits;
  if (config->tls && MHD_is_feature_supported(MHD_FEATURE_TLS) != MHD_YES)
    return err_set(info, ERR_INVALID, "this libmicrohttpd was built without TLS");
  struct http_daemon *daemon = calloc(1, sizeof *daemon);
  if (!daemon)
    return err_set(info, ERR_MEMORY, "out of memory");
  daemon->server = server;
  randombytes_buf(&daemon->id_prefix, sizeof daemon->id_prefix);
  pthread_mutex_init(&daemon->lock, NULL);
  server->http = daemon;
  raise_file_limit(limits->connections);
  enum err err =
    http_pool_new("waiting", limits->waiting_threads, http_run_task, &daemon->waiting, info);
  if (!err)
    err =
      http_pool_new("computing", limits->predict_threads, http_run_task, &daemon->computing, info);
  if (!err)
    err = http_registry_new(http_wake_parked, &daemon->registry, info);
  if (!err)
  {
    daemon->mhd = start_mhd(daemon, config);
    if (!daemon->mhd)
      err = err_set_errno(info, ERR_UNAVAILABLE, errno, "could not listen there");
  }
  if (err)
  {
    http_daemon_stop(daemon);
    server->http = NULL;
    return err;
  }
  *out = daemon;
  return ERR_OK;
}

unsigned
http_daemon_port(const struct http_daemon *daemon)
{
  const union MHD_DaemonInfo *about = MHD_get_daemon_info(daemon->mhd, MHD_DAEMON_INFO_BIND_PORT);
  return about ? about->port : 0;
}

void
http_daemon_job_news(struct http_daemon *daemon, const char *job_id)
{
  http_registry_job_news(daemon->registry, job_id);
}

void
http_daemon_stats(struct http_daemon *daemon, struct http_daemon_stats *stats)
{
  const union MHD_DaemonInfo *about =
    MHD_get_daemon_info(daemon->mhd, MHD_DAEMON_INFO_CURRENT_CONNECTIONS);
  stats->connections = about ? about->num_connections : 0;
  stats->open = http_daemon_open(daemon);
  stats->suspended = daemon->suspended;
  stats->streams = daemon->streams;
  http_pool_stats(daemon->waiting, &stats->waiting);
  http_pool_stats(daemon->computing, &stats->computing);
  stats->waiting_waits = http_pool_waits(daemon->waiting);
  stats->computing_waits = http_pool_waits(daemon->computing);
  stats->parked = http_registry_length(daemon->registry);
}

/* Until nothing has been open for so long; a connection's request counts once its head has been read. */
static bool
wait_until_idle(struct http_daemon *daemon, double quiet_seconds, double seconds)
{
  double now_s = clock_monotonic_s(), deadline_s = now_s + seconds, idle_s = now_s;
  struct timespec moment = {.tv_nsec = 10 * 1000 * 1000};
  bool idle = http_daemon_open(daemon) == 0;
  while ((!idle || now_s - idle_s < quiet_seconds) && now_s < deadline_s)
  {
    nanosleep(&moment, NULL);
    now_s = clock_monotonic_s();
    idle = http_daemon_open(daemon) == 0;
    if (!idle)
      idle_s = now_s;
  }
  return idle;
}

/* The kernel has told these clients that they are connected: closing the socket under them would reset what they sent.
 * How many. */
static size_t
take_in_waiting_connections(struct http_daemon *daemon, int listening)
{
  size_t count = 0;
  for (;;)
  {
    struct sockaddr_storage address;
    socklen_t length = sizeof address;
    int fd =
      accept4(listening, (struct sockaddr *) &address, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
      continue;
    if (fd < 0)
      return count;
    /* Closes it where there is no room. */
    if (MHD_add_connection(daemon->mhd, fd, (struct sockaddr *) &address, length) == MHD_YES)
      count++;
  }
}

void
http_daemon_drain(struct http_daemon *daemon)
{
  struct http_daemon_stats stats;
  int listening = MHD_quiesce_daemon(daemon->mhd);
  size_t taken_in = 0;
  if (listening >= 0)
  {
    fcntl(listening, F_SETFL, fcntl(listening, F_GETFL) | O_NONBLOCK);
    taken_in = take_in_waiting_connections(daemon, listening);
    close(listening);
  }
  if (daemon->server->events)
    event_hub_end_streams(daemon->server->events);
  http_registry_drain(daemon->registry);
  http_daemon_stats(daemon, &stats);
  bool connected = taken_in > 0 || stats.connections > 0;
  wait_until_idle(daemon, connected ? QUIET_SECONDS : 0, DRAIN_SECONDS);
  daemon->closing = true;
  if (!wait_until_idle(daemon, 0, 1.0))
    log_warning("%zu requests did not end in time", http_daemon_open(daemon));
}

bool
http_daemon_stop(struct http_daemon *daemon)
{
  if (!daemon)
    return true;
  /* Stopping with a suspended connection would abort; what is left goes with the process. */
  if (daemon->suspended > 0)
    return false;
  if (daemon->mhd)
    MHD_stop_daemon(daemon->mhd);
  http_registry_free(daemon->registry);
  http_pool_free(daemon->waiting);
  http_pool_free(daemon->computing);
  http_daemon_free_spares(daemon);
  http_daemon_forget_lapsed(daemon);
  pthread_mutex_destroy(&daemon->lock);
  free(daemon);
  return true;
}
