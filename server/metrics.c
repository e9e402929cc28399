#include <config.h>

#include "server/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/text.h"

static const double bounds_s[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                  0.25,   0.5,   1,      2.5,   5,    10,    30};
#define BOUND_COUNT (sizeof bounds_s / sizeof bounds_s[0])

struct metrics_route
{
  const char *name;
  atomic_uint_fast64_t status[6]; /* by hundreds */
  atomic_uint_fast64_t buckets[BOUND_COUNT + 1];
  atomic_uint_fast64_t total_us;
};

struct metrics
{
  size_t count;
  struct metrics_route routes[];
};

struct metrics *
metrics_new(const char *const *names, size_t count)
{
  struct metrics *metrics = calloc(1, sizeof *metrics + (count + 1) * sizeof metrics->routes[0]);
  if (!metrics)
    return NULL;
  metrics->count = count;
  for (size_t i = 0; i < count; i++)
    metrics->routes[i].name = names[i];
  metrics->routes[count].name = "none";
  return metrics;
}

void
metrics_free(struct metrics *metrics)
{
  free(metrics);
}

void
metrics_request(struct metrics *metrics, size_t number, int status, double seconds)
{
  struct metrics_route *route = &metrics->routes[number < metrics->count ? number : metrics->count];
  size_t hundreds = status >= 100 && status < 600 ? (size_t) status / 100 : 0;
  size_t bucket = 0;
  while (bucket < BOUND_COUNT && seconds > bounds_s[bucket])
    bucket++;
  atomic_fetch_add_explicit(&route->status[hundreds], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&route->buckets[bucket], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&route->total_us, (uint64_t) (seconds * 1e6), memory_order_relaxed);
}

static uint64_t
load(const atomic_uint_fast64_t *counter)
{
  return atomic_load_explicit(counter, memory_order_relaxed);
}

static void
print_histogram(const struct metrics_route *route, struct buf *out)
{
  uint64_t count = 0;
  for (size_t i = 0; i < BOUND_COUNT; i++)
  {
    char bound[TEXT_DOUBLE_SIZE];
    count += load(&route->buckets[i]);
    text_print_double(bounds_s[i], bound);
    buf_printf(out, "attune_http_request_seconds_bucket{route=\"%s\",le=\"%s\"} %llu\n",
               route->name, bound, (unsigned long long) count);
  }
  count += load(&route->buckets[BOUND_COUNT]);
  char sum[TEXT_DOUBLE_SIZE];
  text_print_double((double) load(&route->total_us) / 1e6, sum);
  buf_printf(out,
             "attune_http_request_seconds_bucket{route=\"%s\",le=\"+Inf\"} %llu\n"
             "attune_http_request_seconds_sum{route=\"%s\"} %s\n"
             "attune_http_request_seconds_count{route=\"%s\"} %llu\n",
             route->name, (unsigned long long) count, route->name, sum, route->name,
             (unsigned long long) count);
}

void
metrics_print(const struct metrics *metrics, struct buf *out)
{
  buf_append_text(out, "# HELP attune_http_requests_total Requests answered, by route and status.\n"
                       "# TYPE attune_http_requests_total counter\n");
  for (size_t i = 0; i <= metrics->count; i++)
    for (unsigned hundreds = 0; hundreds < 6; hundreds++)
    {
      uint64_t count = load(&metrics->routes[i].status[hundreds]);
      if (count == 0)
        continue;
      buf_printf(out, "attune_http_requests_total{route=\"%s\",status=\"", metrics->routes[i].name);
      if (hundreds == 0)
        buf_append_text(out, "broken_off");
      else
        buf_printf(out, "%uxx", hundreds);
      buf_printf(out, "\"} %llu\n", (unsigned long long) count);
    }
  buf_append_text(out, "# HELP attune_http_request_seconds Time from a request's head to its end.\n"
                       "# TYPE attune_http_request_seconds histogram\n");
  for (size_t i = 0; i <= metrics->count; i++)
  {
    uint64_t any = 0;
    for (unsigned hundreds = 0; hundreds < 6; hundreds++)
      any += load(&metrics->routes[i].status[hundreds]);
    if (any)
      print_histogram(&metrics->routes[i], out);
  }
}

void
metrics_print_value(struct buf *out, const char *name, const char *kind, const char *help,
                    double value)
{
  char text[TEXT_DOUBLE_SIZE];
  text_print_double(value, text);
  buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %s\n", name, help, name, kind, name, text);
}
