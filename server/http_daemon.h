/* The HTTP server as main sees it: start, drain, stop.
 *
 * Owns libmicrohttpd's daemon (one epoll thread per core), the waiting pool, the CPU pool and the registry of
 * parked requests. Draining is orderly: no new connections, streams end, parked requests are answered, and what
 * runs gets 30 s.
 */
#ifndef ATTUNE_SERVER_HTTP_DAEMON_H
#define ATTUNE_SERVER_HTTP_DAEMON_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#include "base/err.h"
#include "server/http_wait.h"
#include "server/server.h"

struct http_daemon_config
{
  struct sockaddr_storage address;
  bool tls;             /* with the certificate of server/tls.h */
  unsigned per_address; /* connections of one address, 0 = any number */
};

/* Starts to serve; sets server->http first. ERR_UNAVAILABLE when the address can't be had. */
enum err http_daemon_start(struct server *server, const struct http_daemon_config *config,
                           struct http_daemon **daemon, struct err_info *info);
unsigned http_daemon_port(const struct http_daemon *daemon);

/* Wakes requests parked until this job has news. */
void http_daemon_job_news(struct http_daemon *daemon, const char *job_id);

struct http_daemon_stats
{
  size_t connections, open, suspended, streams, parked;
  struct http_pool_stats waiting, computing;
  const struct metrics_histogram *waiting_waits, *computing_waits; /* as long as the daemon */
};
void http_daemon_stats(struct http_daemon *daemon, struct http_daemon_stats *stats);

/* Renews the leases of idempotency keys whose requests are being answered, and ends those of requests whose end could
 * not be told to the database: to be called every 10 seconds or so. */
void http_daemon_renew_claims(struct http_daemon *daemon);

/* After server->draining was set. */
void http_daemon_drain(struct http_daemon *daemon);
/* Stops and frees; false when requests are stuck, which leaves everything as it is. NULL is fine. */
bool http_daemon_stop(struct http_daemon *daemon);

#endif
