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
#define FIT_MOST 300  /* data of a fit; the posterior has all */

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

struct ranked
{
  double y;
  size_t index;
};

static int
compare_ranked(const void *a, const void *b)
{
  const struct ranked *x = a, *y = b;
  if (x->y != y->y)
    return x->y < y->y ? -1 : 1;
  return x->index < y->index ? -1 : x->index > y->index;
}

/* Thins the data of a fit to FIT_MOST: the better half of these are the best, the others are taken
 * evenly from what is left, from good to bad. The outcomes stay those of all data. */
static enum err
data_thin(struct surrogate_data *data, size_t width)
{
  size_t n = data->n;
  if (n <= FIT_MOST)
    return ERR_OK;
  struct ranked *order = calloc(n, sizeof *order);
  struct surrogate_data thin = {.n = FIT_MOST, .outcome = data->outcome};
  thin.x = calloc(FIT_MOST * width + 1, sizeof *thin.x);
  thin.y = calloc(FIT_MOST, sizeof *thin.y);
  thin.values = calloc(FIT_MOST, sizeof *thin.values);
  enum err err = order && thin.x && thin.y && thin.values ? ERR_OK : ERR_MEMORY;
  for (size_t i = 0; !err && i < n; i++)
    order[i] = (struct ranked){data->y[i], i};
  if (!err)
    qsort(order, n, sizeof *order, compare_ranked);
  size_t best = FIT_MOST / 2;
  for (size_t k = 0; !err && k < FIT_MOST; k++)
  {
    size_t from = k < best ? k : best + (k - best) * (n - best) / (FIT_MOST - best);
    from = order[from].index;
    memcpy(thin.x + k * width, data->x + from * width, width * sizeof *thin.x);
    thin.y[k] = data->y[from];
    thin.values[k] = data->values[from];
  }
  free(order);
  if (err)
  {
    surrogate_data_clear(&thin);
    return err;
  }
  surrogate_data_clear(data);
  *data = thin;
  return ERR_OK;
}

/* The data of a fit to the first n. */
static enum err
fit_data_init(struct surrogate_data *data, const struct surrogate *s, const struct search *search,
              enum outcome_warp warp, size_t n)
{
  enum err err = data_init(data, s, search, warp, n);
  if (!err && (err = data_thin(data, s->features.layout.width)))
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
  enum err err = fit_data_init(&data, s, search, warp, n);
  if (err)
    return err;
  n = data.n;
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
  err = fit_data_init(&data, s, search, s->warp, at);
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
