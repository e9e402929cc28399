/* Threads that run what may wait or compute, and the registry of requests that wait without a thread.
 *
 * A pool is a queue and a fixed number of threads. The registry holds parked requests, each with a
 * deadline and perhaps a job whose news wakes it; every few seconds it looks whether their clients are
 * still there. Both are owned by the HTTP daemon; every function is thread-safe. They know nothing of
 * libmicrohttpd: tasks and parked entries are embedded in whatever waits.
 */
#ifndef ATTUNE_SERVER_HTTP_WAIT_H
#define ATTUNE_SERVER_HTTP_WAIT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "server/metrics_histogram.h"

struct http_pool;
struct http_registry;

struct http_task
{
  struct http_task *next;
  double queued_s;
};

/* Starts `threads` threads that call run for each task, with how long it was queued. */
enum err http_pool_new(const char *name, size_t threads,
                       void (*run)(struct http_task *task, double queued_s),
                       struct http_pool **pool, struct err_info *info);
void http_pool_submit(struct http_pool *pool, struct http_task *task);
struct http_pool_stats
{
  size_t queued, running, threads;
};
void http_pool_stats(struct http_pool *pool, struct http_pool_stats *stats);
/* How long tasks were queued. As long as the pool. */
const struct metrics_histogram *http_pool_waits(const struct http_pool *pool);
/* Ends the threads once the queue is empty. NULL is ignored. */
void http_pool_free(struct http_pool *pool);

struct http_parked
{
  struct http_parked *next, *previous;
  double deadline_s;  /* monotonic */
  const char *job_id; /* or NULL; borrowed while parked */
  int fd;             /* of the client's socket */
};

/* `wake` is called for an entry that was taken out; gone = its client has closed the connection. */
enum err http_registry_new(void (*wake)(struct http_parked *parked, bool gone),
                           struct http_registry **registry, struct err_info *info);
/* After this call the entry may be woken at any moment. Once the registry drains, that is at once. */
void http_registry_park(struct http_registry *registry, struct http_parked *parked);
/* Wakes those that wait for news of a job. */
void http_registry_job_news(struct http_registry *registry, const char *job_id);
/* Wakes all, now and from now on. */
void http_registry_drain(struct http_registry *registry);
size_t http_registry_length(struct http_registry *registry);
void http_registry_free(struct http_registry *registry);

/* Whether the other end of a socket has closed it. */
bool http_socket_gone(int fd);

#endif
