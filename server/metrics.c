#include <config.h>

#include "server/metrics.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "base/lane.h"
#include "base/text.h"

static const double bounds_s[] = {0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1,
                                  0.25,   0.5,   1,      2.5,   5,    10,    30};
#define BOUND_COUNT (sizeof bounds_s / sizeof bounds_s[0])

/* What one lane counted of a route. */
struct tally
{
  atomic_uint_fast64_t status[6]; /* by hundreds */
  atomic_uint_fast64_t buckets[BOUND_COUNT + 1];
  atomic_uint_fast64_t total_us;
};

/* What all lanes counted of a route. */
struct metrics_route
{
  const char *name;
  uint64_t status[6];
  uint64_t buckets[BOUND_COUNT + 1];
  uint64_t total_us;
};

struct metrics
{
  const char **names;
  size_t count;
  struct tally tallies[]; /* (LANES, count + 1) */
};

struct metrics *
metrics_new(const char *const *names, size_t count)
{
  struct metrics *metrics =
    calloc(1, sizeof *metrics + LANES * (count + 1) * sizeof metrics->tallies[0]);
  const char **own = calloc(count + 1, sizeof *own);
  if (!metrics || !own)
  {
    free(metrics);
    free(own);
    return NULL;
  }
  memcpy(own, names, count * sizeof *own);
  own[count] = "none";
  metrics->names = own;
  metrics->count = count;
  return metrics;
}

void
metrics_free(struct metrics *metrics)
{
  if (metrics)
    free(metrics->names);
  free(metrics);
}

void
metrics_request(struct metrics *metrics, size_t number, int status, double seconds)
{
  size_t row = number < metrics->count ? number : metrics->count;
  struct tally *tally = &metrics->tallies[lane_of_thread() * (metrics->count + 1) + row];
  size_t hundreds = status >= 100 && status < 600 ? (size_t) status / 100 : 0;
  size_t bucket = 0;
  while (bucket < BOUND_COUNT && seconds > bounds_s[bucket])
    bucket++;
  atomic_fetch_add_explicit(&tally->status[hundreds], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&tally->buckets[bucket], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&tally->total_us, (uint64_t) (seconds * 1e6), memory_order_relaxed);
}

static uint64_t
load(const atomic_uint_fast64_t *counter)
{
  return atomic_load_explicit(counter, memory_order_relaxed);
}

static struct metrics_route
route_of(const struct metrics *metrics, size_t row)
{
  struct metrics_route route = {.name = metrics->names[row]};
  for (size_t lane = 0; lane < LANES; lane++)
  {
    const struct tally *tally = &metrics->tallies[lane * (metrics->count + 1) + row];
    for (size_t i = 0; i < 6; i++)
      route.status[i] += load(&tally->status[i]);
    for (size_t i = 0; i <= BOUND_COUNT; i++)
      route.buckets[i] += load(&tally->buckets[i]);
    route.total_us += load(&tally->total_us);
  }
  return route;
}

static void
print_histogram(const struct metrics_route *route, struct buf *out)
{
  uint64_t count = 0;
  for (size_t i = 0; i < BOUND_COUNT; i++)
  {
    char bound[TEXT_DOUBLE_SIZE];
    count += route->buckets[i];
    text_print_double(bounds_s[i], bound);
    buf_printf(out, "attune_http_request_seconds_bucket{route=\"%s\",le=\"%s\"} %llu\n",
               route->name, bound, (unsigned long long) count);
  }
  count += route->buckets[BOUND_COUNT];
  char sum[TEXT_DOUBLE_SIZE];
  text_print_double((double) route->total_us / 1e6, sum);
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
  {
    struct metrics_route route = route_of(metrics, i);
    for (unsigned hundreds = 0; hundreds < 6; hundreds++)
    {
      uint64_t count = route.status[hundreds];
      if (count == 0)
        continue;
      buf_printf(out, "attune_http_requests_total{route=\"%s\",status=\"", route.name);
      if (hundreds == 0)
        buf_append_text(out, "broken_off");
      else
        buf_printf(out, "%uxx", hundreds);
      buf_printf(out, "\"} %llu\n", (unsigned long long) count);
    }
  }
  buf_append_text(out, "# HELP attune_http_request_seconds Time from a request's head to its end.\n"
                       "# TYPE attune_http_request_seconds histogram\n");
  for (size_t i = 0; i <= metrics->count; i++)
  {
    struct metrics_route route = route_of(metrics, i);
    uint64_t any = 0;
    for (unsigned hundreds = 0; hundreds < 6; hundreds++)
      any += route.status[hundreds];
    if (any)
      print_histogram(&route, out);
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
