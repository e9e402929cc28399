#include <config.h>

#include "server/http_wait.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"

#define REGISTRY_LOOK_SECONDS 5.0

struct http_pool
{
  pthread_mutex_t lock;
  pthread_cond_t filled;
  struct http_task *head, *tail;
  size_t length, running;
  struct metrics_histogram waits;
  bool ending;
  void (*run)(struct http_task *task, double queued_s);
  char name[16];
  size_t thread_count;
  pthread_t threads[];
};

static void *
pool_thread(void *context)
{
  struct http_pool *pool = context;
  pthread_mutex_lock(&pool->lock);
  for (;;)
  {
    while (!pool->head && !pool->ending)
      pthread_cond_wait(&pool->filled, &pool->lock);
    struct http_task *task = pool->head;
    if (!task)
      break;
    pool->head = task->next;
    if (!pool->head)
      pool->tail = NULL;
    pool->length--;
    pool->running++;
    pthread_mutex_unlock(&pool->lock);
    double queued_s = clock_monotonic_s() - task->queued_s;
    metrics_histogram_add(&pool->waits, queued_s);
    pool->run(task, queued_s);
    pthread_mutex_lock(&pool->lock);
    pool->running--;
  }
  pthread_mutex_unlock(&pool->lock);
  return NULL;
}

enum err
http_pool_new(const char *name, size_t threads,
              void (*run)(struct http_task *task, double queued_s), struct http_pool **out,
              struct err_info *info)
{
  struct http_pool *pool = calloc(1, sizeof *pool + threads * sizeof pool->threads[0]);
  if (!pool)
    return err_set(info, ERR_MEMORY, "out of memory");
  pthread_mutex_init(&pool->lock, NULL);
  pthread_cond_init(&pool->filled, NULL);
  pool->run = run;
  strncpy(pool->name, name, sizeof pool->name - 1);
  for (size_t i = 0; i < threads; i++)
  {
    int error = pthread_create(&pool->threads[i], NULL, pool_thread, pool);
    if (error)
    {
      err_set_errno(info, ERR_UNAVAILABLE, error, "could not start a thread");
      http_pool_free(pool);
      return ERR_UNAVAILABLE;
    }
    pthread_setname_np(pool->threads[i], pool->name);
    pool->thread_count++;
  }
  *out = pool;
  return ERR_OK;
}

void
http_pool_submit(struct http_pool *pool, struct http_task *task)
{
  task->next = NULL;
  task->queued_s = clock_monotonic_s();
  pthread_mutex_lock(&pool->lock);
  if (pool->tail)
    pool->tail->next = task;
  else
    pool->head = task;
  pool->tail = task;
  pool->length++;
  pthread_cond_signal(&pool->filled);
  pthread_mutex_unlock(&pool->lock);
}

void
http_pool_stats(struct http_pool *pool, struct http_pool_stats *stats)
{
  pthread_mutex_lock(&pool->lock);
  *stats = (struct http_pool_stats){
    .queued = pool->length, .running = pool->running, .threads = pool->thread_count};
  pthread_mutex_unlock(&pool->lock);
}

const struct metrics_histogram *
http_pool_waits(const struct http_pool *pool)
{
  return &pool->waits;
}

void
http_pool_free(struct http_pool *pool)
{
  if (!pool)
    return;
  pthread_mutex_lock(&pool->lock);
  pool->ending = true;
  pthread_cond_broadcast(&pool->filled);
  pthread_mutex_unlock(&pool->lock);
  for (size_t i = 0; i < pool->thread_count; i++)
    pthread_join(pool->threads[i], NULL);
  pthread_cond_destroy(&pool->filled);
  pthread_mutex_destroy(&pool->lock);
  free(pool);
}

/* ---- registry -------------------------------------------------------------------------------------- */

struct http_registry
{
  pthread_mutex_t lock;
  pthread_cond_t changed;
  struct http_parked *first;
  size_t length;
  bool draining;
  bool ending;
  void (*wake)(struct http_parked *parked, bool gone);
  pthread_t thread;
};

/* With the lock held: moves an entry to a list of those to be woken. */
static void
take_out(struct http_registry *registry, struct http_parked *parked, struct http_parked **list)
{
  if (parked->previous)
    parked->previous->next = parked->next;
  else
    registry->first = parked->next;
  if (parked->next)
    parked->next->previous = parked->previous;
  parked->previous = NULL;
  parked->next = *list;
  *list = parked;
  registry->length--;
}

/* Without the lock: an entry may park again from within. */
static void
wake_list(struct http_registry *registry, struct http_parked *list, bool gone)
{
  while (list)
  {
    struct http_parked *next = list->next;
    list->next = NULL;
    registry->wake(list, gone);
    list = next;
  }
}

bool
http_socket_gone(int fd)
{
  struct pollfd look = {.fd = fd, .events = POLLRDHUP};
  return fd >= 0 && poll(&look, 1, 0) == 1
         && (look.revents & (POLLRDHUP | POLLHUP | POLLERR | POLLNVAL));
}

static void *
registry_thread(void *context)
{
  struct http_registry *registry = context;
  double last_look_s = clock_monotonic_s();
  pthread_mutex_lock(&registry->lock);
  while (!registry->ending)
  {
    double now_s = clock_monotonic_s();
    bool look = now_s - last_look_s >= REGISTRY_LOOK_SECONDS;
    if (look)
      last_look_s = now_s;
    double next_s = now_s + REGISTRY_LOOK_SECONDS;
    struct http_parked *due = NULL;
    struct http_parked *gone = NULL;
    for (struct http_parked *parked = registry->first, *next; parked; parked = next)
    {
      next = parked->next;
      if (registry->draining || parked->deadline_s <= now_s)
        take_out(registry, parked, &due);
      else if (look && http_socket_gone(parked->fd))
        take_out(registry, parked, &gone);
      else if (parked->deadline_s < next_s)
        next_s = parked->deadline_s;
    }
    if (due || gone)
    {
      pthread_mutex_unlock(&registry->lock);
      wake_list(registry, due, false);
      wake_list(registry, gone, true);
      pthread_mutex_lock(&registry->lock);
      continue;
    }
    if (registry->first && next_s > last_look_s + REGISTRY_LOOK_SECONDS)
      next_s = last_look_s + REGISTRY_LOOK_SECONDS;
    struct timespec until = {.tv_sec = (time_t) next_s};
    until.tv_nsec = (long) ((next_s - (double) until.tv_sec) * 1e9);
    pthread_cond_timedwait(&registry->changed, &registry->lock, &until);
  }
  pthread_mutex_unlock(&registry->lock);
  return NULL;
}

enum err
http_registry_new(void (*wake)(struct http_parked *parked, bool gone), struct http_registry **out,
                  struct err_info *info)
{
  struct http_registry *registry = calloc(1, sizeof *registry);
  if (!registry)
    return err_set(info, ERR_MEMORY, "out of memory");
  registry->wake = wake;
  pthread_mutex_init(&registry->lock, NULL);
  pthread_condattr_t attributes;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&registry->changed, &attributes);
  pthread_condattr_destroy(&attributes);
  int error = pthread_create(&registry->thread, NULL, registry_thread, registry);
  if (error)
  {
    pthread_cond_destroy(&registry->changed);
    pthread_mutex_destroy(&registry->lock);
    free(registry);
    return err_set_errno(info, ERR_UNAVAILABLE, error, "could not start a thread");
  }
  pthread_setname_np(registry->thread, "registry");
  *out = registry;
  return ERR_OK;
}

void
http_registry_park(struct http_registry *registry, struct http_parked *parked)
{
  pthread_mutex_lock(&registry->lock);
  parked->previous = NULL;
  parked->next = registry->first;
  if (registry->first)
    registry->first->previous = parked;
  registry->first = parked;
  registry->length++;
  pthread_cond_signal(&registry->changed);
  pthread_mutex_unlock(&registry->lock);
}

void
http_registry_job_news(struct http_registry *registry, const char *job_id)
{
  struct http_parked *list = NULL;
  pthread_mutex_lock(&registry->lock);
  for (struct http_parked *parked = registry->first, *next; parked; parked = next)
  {
    next = parked->next;
    if (parked->job_id && strcmp(parked->job_id, job_id) == 0)
      take_out(registry, parked, &list);
  }
  pthread_mutex_unlock(&registry->lock);
  wake_list(registry, list, false);
}

void
http_registry_drain(struct http_registry *registry)
{
  pthread_mutex_lock(&registry->lock);
  registry->draining = true;
  pthread_cond_signal(&registry->changed);
  pthread_mutex_unlock(&registry->lock);
}

size_t
http_registry_length(struct http_registry *registry)
{
  pthread_mutex_lock(&registry->lock);
  size_t length = registry->length;
  pthread_mutex_unlock(&registry->lock);
  return length;
}

void
http_registry_free(struct http_registry *registry)
{
  if (!registry)
    return;
  pthread_mutex_lock(&registry->lock);
  registry->ending = true;
  pthread_cond_signal(&registry->changed);
  pthread_mutex_unlock(&registry->lock);
  pthread_join(registry->thread, NULL);
  pthread_cond_destroy(&registry->changed);
  pthread_mutex_destroy(&registry->lock);
  free(registry);
}
