/* Numbers of a predict call's body: the scan against strtod, value by value, and against Jansson, by the clock.
 *   json_scan [RANDOM_DOUBLES]   (default 10,000,000)
 * Exit status 1 when a value differs. */
#include <config.h>

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/json_number.h"
#include "base/rng.h"

#define ROW 784
#define ROWS 200
#define ROUNDS 5

/* Any double: all bit patterns, everyday sizes, subnormals, long digits, far exponents. */
static size_t
print_some(struct rng *rng, size_t i, char *text, size_t size)
{
  uint64_t bits = rng_u64(rng);
  double value;
  memcpy(&value, &bits, sizeof value);
  if (!isfinite(value))
    value = rng_double(rng);
  switch (i % 8)
  {
  case 0:
    return (size_t) snprintf(text, size, "%.17g", value);
  case 1:
    return (size_t) snprintf(text, size, "%.*g", 1 + (int) rng_below(rng, 17), value);
  case 2:
    return (size_t) snprintf(text, size, "%.*e", (int) rng_below(rng, 60), value);
  case 3:
    return (size_t) snprintf(text, size, "%.17g", ldexp(rng_double(rng), -1030));
  case 4:
    return (size_t) snprintf(text, size, "%.*f", (int) rng_below(rng, 25), rng_normal(rng) * 1e3);
  case 5:
    return (size_t) snprintf(text, size, "%.6g", rng_normal(rng));
  case 6:
    return (size_t) snprintf(text, size, "%llue%d", (unsigned long long) bits,
                             (int) rng_below(rng, 640) - 340);
  default:
    return (size_t) snprintf(text, size, "%.17g", rng_normal(rng));
  }
}

static size_t
compare(size_t count)
{
  struct rng rng;
  char text[512];
  size_t different = 0;
  rng_init(&rng, 2026, 0);
  for (size_t i = 0; i < count; i++)
  {
    size_t length = print_some(&rng, i, text, sizeof text);
    double want = strtod(text, NULL), got = NAN;
    const char *at = text;
    bool taken = json_scan_number(&at, text + length, &got);
    bool refused = isinf(want) || strcmp(text, "-0") == 0;
    if (refused ? taken : !taken || memcmp(&want, &got, sizeof want) != 0 || at != text + length)
    {
      if (++different <= 10)
        printf("%s: %.17g, not %.17g\n", text, got, want);
    }
  }
  printf("%zu random doubles: %zu read otherwise than strtod reads them\n", count, different);
  return different;
}

/* Lists of numbers with so many significant digits. */
static void
write_lists(int digits, struct buf *out)
{
  struct rng rng;
  rng_init(&rng, 7, 0);
  for (size_t row = 0; row < ROWS; row++)
    for (size_t i = 0; i < ROW; i++)
      buf_printf(out, "%s%.*g%s", i == 0 ? "[" : ",", digits, rng_normal(&rng),
                 i == ROW - 1 ? "]" : "");
}

static double
scan_lists(const struct buf *lists)
{
  const char *at = lists->data, *end = at + lists->length;
  double sum = 0.0, value;
  while (at < end)
    if (*at == '[' || *at == ',' || *at == ']')
      at++;
    else if (json_scan_number(&at, end, &value))
      sum += value;
    else
      abort();
  return sum;
}

static double
load_lists(const struct buf *lists)
{
  double sum = 0.0;
  for (const char *at = lists->data, *end = at + lists->length; at < end;)
  {
    const char *close = memchr(at, ']', (size_t) (end - at));
    json_t *list = json_loadb(at, (size_t) (close + 1 - at), 0, NULL);
    for (size_t i = 0; i < json_array_size(list); i++)
      sum += json_number_value(json_array_get(list, i));
    json_decref(list);
    at = close + 1;
  }
  return sum;
}

static void
time_both(int digits)
{
  struct buf lists = {0};
  double best[2] = {INFINITY, INFINITY};
  write_lists(digits, &lists);
  if (lists.failed)
    abort();
  for (int round = 0; round < ROUNDS; round++)
  {
    double start = clock_monotonic_s(), ours = scan_lists(&lists), middle = clock_monotonic_s();
    double theirs = load_lists(&lists), end = clock_monotonic_s();
    if (ours != theirs)
      abort();
    best[0] = fmin(best[0], middle - start);
    best[1] = fmin(best[1], end - middle);
  }
  printf("%2d digits: scan %.0f MB/s (%.1f ns a number), Jansson %.0f MB/s: %.1f times\n", digits,
         (double) lists.length / best[0] / 1e6, best[0] * 1e9 / (ROW * ROWS),
         (double) lists.length / best[1] / 1e6, best[1] / best[0]);
  buf_free(&lists);
}

int
main(int argc, char **argv)
{
  size_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
  time_both(3);
  time_both(6);
  time_both(9);
  time_both(17);
  return compare(count) ? 1 : 0;
}
