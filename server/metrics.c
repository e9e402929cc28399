#include <config.h>

#include "server/metrics.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/lane.h"
#include "base/text.h"
#include "server/metrics_histogram.h"

/* What one lane counted of a route. */
struct tally
{
  atomic_uint_fast64_t status[6]; /* by hundreds */
  struct metrics_histogram seconds;
};

/* What all lanes counted of a route. */
struct metrics_route
{
  const char *name;
  uint64_t status[6];
  struct metrics_times seconds;
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
  atomic_fetch_add_explicit(&tally->status[hundreds], 1, memory_order_relaxed);
  metrics_histogram_add(&tally->seconds, seconds);
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
    metrics_histogram_sum(&tally->seconds, &route.seconds);
  }
  return route;
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
    char label[100];
    snprintf(label, sizeof label, "route=\"%s\",", route.name);
    if (any)
      metrics_print_times(out, "attune_http_request_seconds", label, NULL, &route.seconds);
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
