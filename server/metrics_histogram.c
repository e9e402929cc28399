#include <config.h>

#include "server/metrics_histogram.h"

#include <string.h>

#include "base/text.h"

static const double bounds_s[METRICS_BOUNDS] = {
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30};

void
metrics_histogram_add(struct metrics_histogram *histogram, double seconds)
{
  size_t bucket = 0;
  while (bucket < METRICS_BOUNDS && seconds > bounds_s[bucket])
    bucket++;
  atomic_fetch_add_explicit(&histogram->buckets[bucket], 1, memory_order_relaxed);
  atomic_fetch_add_explicit(&histogram->total_us, (uint64_t) (seconds * 1e6), memory_order_relaxed);
}

void
metrics_histogram_sum(const struct metrics_histogram *histogram, struct metrics_times *times)
{
  for (size_t i = 0; i <= METRICS_BOUNDS; i++)
    times->buckets[i] += atomic_load_explicit(&histogram->buckets[i], memory_order_relaxed);
  times->total_us += atomic_load_explicit(&histogram->total_us, memory_order_relaxed);
}

void
metrics_print_times(struct buf *out, const char *name, const char *label, const char *help,
                    const struct metrics_times *times)
{
  size_t length = strlen(label);
  int plain = length > 0 ? (int) length - 1 : 0; /* without its comma */
  const char *open = plain ? "{" : "", *close = plain ? "}" : "";
  char text[TEXT_DOUBLE_SIZE];
  uint64_t count = 0;
  if (help)
    buf_printf(out, "# HELP %s %s\n# TYPE %s histogram\n", name, help, name);
  for (size_t i = 0; i < METRICS_BOUNDS; i++)
  {
    count += times->buckets[i];
    text_print_double(bounds_s[i], text);
    buf_printf(out, "%s_bucket{%sle=\"%s\"} %llu\n", name, label, text, (unsigned long long) count);
  }
  count += times->buckets[METRICS_BOUNDS];
  text_print_double((double) times->total_us / 1e6, text);
  buf_printf(out, "%s_bucket{%sle=\"+Inf\"} %llu\n", name, label, (unsigned long long) count);
  buf_printf(out, "%s_sum%s%.*s%s %s\n", name, open, plain, label, close, text);
  buf_printf(out, "%s_count%s%.*s%s %llu\n", name, open, plain, label, close,
             (unsigned long long) count);
}

void
metrics_print_histogram(struct buf *out, const char *name, const char *label, const char *help,
                        const struct metrics_histogram *histogram)
{
  struct metrics_times times = {.total_us = 0};
  metrics_histogram_sum(histogram, &times);
  metrics_print_times(out, name, label, help, &times);
}
