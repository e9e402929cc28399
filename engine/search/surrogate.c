#include <config.h>

#include "search/surrogate.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EVERY_COUNT_UNTIL 100
#define GROWTH 20 /* then one refit for each growth by 1/20 */
#define DECIDE_EVERY 5
#define DECIDE_FROM 10
#define WARP_LEAD 2.0 /* nats */

enum err
surrogate_init(struct surrogate *s, const struct space *space)
{
  memset(s, 0, sizeof *s);
  enum err err = features_init(&s->features, space);
  if (err)
    return err;
  size_t count = gp_theta_count(&s->features.layout);
  s->theta = calloc(count, sizeof *s->theta);
  s->other = calloc(count, sizeof *s->other);
  if (s->theta && s->other)
    return ERR_OK;
  surrogate_clear(s);
  return ERR_MEMORY;
}

void
surrogate_clear(struct surrogate *s)
{
  free(s->other);
  free(s->theta);
  features_clear(&s->features);
  memset(s, 0, sizeof *s);
}

void
surrogate_data_clear(struct surrogate_data *data)
{
  free(data->values);
  free(data->y);
  free(data->x);
  memset(data, 0, sizeof *data);
}

static enum err
data_init(struct surrogate_data *data, const struct surrogate *s, const struct search *search,
          enum outcome_warp warp, size_t n)
{
  size_t width = s->features.layout.width;
  memset(data, 0, sizeof *data);
  data->n = n;
  data->x = calloc(n * width + 1, sizeof *data->x);
  data->y = calloc(n + 1, sizeof *data->y);
  data->values = calloc(n + 1, sizeof *data->values);
  enum err err = data->x && data->y && data->values ? ERR_OK : ERR_MEMORY;
  for (size_t i = 0; !err && i < n; i++)
  {
    const struct search_trial *trial = &search->trials[search->ended[i]];
    features_encode(&s->features, search_point(search, search->ended[i]), data->x + i * width);
    data->values[i] = trial->state == SEARCH_DONE ? trial->value : NAN;
  }
  if (!err)
    err = outcome_fit(warp, n, data->values, data->y, &data->outcome);
  if (err)
    surrogate_data_clear(data);
  return err;
}

/* The count at which the fit in force with n data was made. */
static size_t
refit_count(size_t n)
{
  if (n <= EVERY_COUNT_UNTIL)
    return n;
  size_t at = EVERY_COUNT_UNTIL;
  while (at + at / GROWTH <= n)
    at += at / GROWTH;
  return at;
}

/* Fits the first n data under one warp; how well each value is foretold by the others goes to
 * *density (clipped ones don't count). */
static enum err
try_warp(const struct surrogate *s, const struct search *search, enum outcome_warp warp, size_t n,
         double *theta, double *density)
{
  struct surrogate_data data;
  struct gp *gp = NULL;
  enum err err = data_init(&data, s, search, warp, n);
  if (err)
    return err;
  double *each = calloc(n + 1, sizeof *each);
  err = each ? gp_fit(&s->features.layout, n, data.x, data.y, theta) : ERR_MEMORY;
  if (!err)
    err = gp_new(&s->features.layout, theta, n, data.x, data.y, 0, &gp);
  if (!err)
    err = gp_leave_one_out(gp, each);
  *density = 0;
  for (size_t i = 0; !err && i < n; i++)
  {
    double log_slope;
    if (outcome_log_slope(&data.outcome, data.values[i], &log_slope))
      *density += each[i] + log_slope;
  }
  gp_free(gp);
  free(each);
  surrogate_data_clear(&data);
  return err;
}

/* Decides about the warp from the first n data. */
static enum err
decide_warp(struct surrogate *s, const struct search *search, size_t n)
{
  n -= n % DECIDE_EVERY;
  if (s->decided == n)
    return ERR_OK;
  s->fitted = 0;
  s->warp = OUTCOME_PLAIN;
  double best = -INFINITY;
  for (int w = 0; n >= DECIDE_FROM && w < OUTCOME_WARPS; w++)
  {
    double density;
    enum err err = try_warp(s, search, (enum outcome_warp) w, n, s->other, &density);
    if (err == ERR_MEMORY)
      return err;
    if (err || !(density - (w ? WARP_LEAD : 0) > best))
      continue;
    best = density - (w ? WARP_LEAD : 0);
    s->warp = (enum outcome_warp) w;
    s->fitted = n;
    double *theta = s->theta;
    s->theta = s->other;
    s->other = theta;
  }
  s->decided = n;
  return ERR_OK;
}

/* Sees to it that warp and theta are those in force for n data. */
static enum err
ensure_fit(struct surrogate *s, const struct search *search, size_t n)
{
  size_t at = refit_count(n);
  enum err err = decide_warp(s, search, at);
  if (err || s->fitted == at)
    return err;
  struct surrogate_data data;
  err = data_init(&data, s, search, s->warp, at);
  if (err)
    return err;
  err = gp_fit(&s->features.layout, data.n, data.x, data.y, s->theta);
  s->fitted = err ? 0 : at;
  surrogate_data_clear(&data);
  return err;
}

enum err
surrogate_posterior(struct surrogate *s, const struct search *search, size_t spare,
                    struct surrogate_data *data, struct gp **gp)
{
  enum err err = ensure_fit(s, search, search->ended_count);
  if (!err)
    err = data_init(data, s, search, s->warp, search->ended_count);
  if (err)
    return err;
  err = gp_new(&s->features.layout, s->theta, data->n, data->x, data->y, spare, gp);
  if (err)
    surrogate_data_clear(data);
  return err;
}
