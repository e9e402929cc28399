#include <config.h>

#include "server/rate.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"

#define BUCKETS 256
#define SWEEP_AT 4096
#define BURST_SECONDS 10.0
#define BURST_LEAST 10.0
#define IDLE_SECONDS 120.0

struct tenant
{
  struct tenant *next;
  char id[40];
  double tokens;
  double at_s;
  size_t uploads;
};

struct rate
{
  pthread_mutex_t lock;
  struct tenant *buckets[BUCKETS];
  size_t count;
  size_t sweep_at;
};

struct rate *
rate_new(void)
{
  struct rate *rate = calloc(1, sizeof *rate);
  if (!rate)
    return NULL;
  rate->sweep_at = SWEEP_AT;
  pthread_mutex_init(&rate->lock, NULL);
  return rate;
}

void
rate_free(struct rate *rate)
{
  if (!rate)
    return;
  for (size_t i = 0; i < BUCKETS; i++)
    while (rate->buckets[i])
    {
      struct tenant *tenant = rate->buckets[i];
      rate->buckets[i] = tenant->next;
      free(tenant);
    }
  pthread_mutex_destroy(&rate->lock);
  free(rate);
}

/* Forgets those that have not asked for so long that their buckets are full again. */
static void
sweep(struct rate *rate, double now_s)
{
  for (size_t i = 0; i < BUCKETS; i++)
    for (struct tenant **at = &rate->buckets[i]; *at;)
    {
      struct tenant *tenant = *at;
      if (tenant->uploads == 0 && now_s - tenant->at_s > IDLE_SECONDS)
      {
        *at = tenant->next;
        free(tenant);
        rate->count--;
      }
      else
        at = &tenant->next;
    }
  rate->sweep_at = rate->count * 2 > SWEEP_AT ? rate->count * 2 : SWEEP_AT;
}

/* With the lock held; a new one has a full bucket. NULL when out of memory. */
static struct tenant *
find(struct rate *rate, const char *id, double now_s)
{
  uint64_t number = 14695981039346656037u;
  for (const char *c = id; *c; c++)
    number = (number ^ (unsigned char) *c) * 1099511628211u;
  struct tenant **at = &rate->buckets[number % BUCKETS];
  for (; *at; at = &(*at)->next)
    if (strcmp((*at)->id, id) == 0)
      return *at;
  if (rate->count >= rate->sweep_at)
  {
    sweep(rate, now_s);
    return find(rate, id, now_s);
  }
  struct tenant *tenant = calloc(1, sizeof *tenant);
  if (!tenant)
    return NULL;
  snprintf(tenant->id, sizeof tenant->id, "%s", id);
  tenant->tokens = INFINITY;
  tenant->at_s = now_s;
  *at = tenant;
  rate->count++;
  return tenant;
}

bool
rate_take(struct rate *rate, const char *tenant_id, double per_minute, double now_s,
          struct rate_state *state)
{
  double per_s = per_minute / 60.0;
  double burst = fmax(per_s * BURST_SECONDS, fmin(per_minute, BURST_LEAST));
  pthread_mutex_lock(&rate->lock);
  struct tenant *tenant = find(rate, tenant_id, now_s);
  bool allowed = true;
  double left = burst;
  if (tenant)
  {
    /* Two threads may come in another order than their clocks were read. */
    double passed_s = fmax(now_s - tenant->at_s, 0.0);
    tenant->tokens = fmin(tenant->tokens + passed_s * per_s, burst);
    tenant->at_s += passed_s;
    allowed = tenant->tokens >= 1.0;
    if (allowed)
      tenant->tokens -= 1.0;
    left = tenant->tokens;
  }
  pthread_mutex_unlock(&rate->lock);
  state->left = floor(left);
  state->most = floor(burst);
  state->low = left < burst / 2.0;
  state->wait_s = left >= 1.0 ? 0.0 : (1.0 - left) / per_s;
  return allowed;
}

bool
rate_upload_begin(struct rate *rate, const char *tenant_id, size_t most, size_t *under_way)
{
  pthread_mutex_lock(&rate->lock);
  struct tenant *tenant = find(rate, tenant_id, clock_monotonic_s());
  bool allowed = tenant && tenant->uploads < most;
  *under_way = tenant ? tenant->uploads : 0;
  if (allowed)
    tenant->uploads++;
  pthread_mutex_unlock(&rate->lock);
  return allowed;
}

void
rate_upload_end(struct rate *rate, const char *tenant_id)
{
  pthread_mutex_lock(&rate->lock);
  struct tenant *tenant = find(rate, tenant_id, clock_monotonic_s());
  if (tenant && tenant->uploads > 0)
    tenant->uploads--;
  pthread_mutex_unlock(&rate->lock);
}
