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
/* So many trials' worth of belief that an earlier search's outcomes need no stretching. */
#define SPREAD_TRUST 2.0
#define JUDGE_FROM 4 /* own trials that say whether the earlier ones help */

bool
surrogate_has_prior(const struct search *search, size_t own)
{
  return search->prior_count >= SURROGATE_PRIOR_LEAST && own < SURROGATE_PRIOR_UNTIL;
}

/* The earlier results are values of the first objective. */
static bool
uses_prior(const struct surrogate *s, const struct search *search, size_t own)
{
  return s->output == 0 && surrogate_has_prior(search, own);
}

enum err
surrogate_init(struct surrogate *s, const struct search *search)
{
  return surrogate_init_output(s, search, 0);
}

enum err
surrogate_init_output(struct surrogate *s, const struct search *search, size_t output)
{
  memset(s, 0, sizeof *s);
  s->output = output;
  enum err err = features_init(&s->features, search->space);
  if (err)
    return err;
  if (fidelity_is_modelled(&search->fidelity))
    features_add_step(&s->features);
  if (surrogate_has_prior(search, 0))
    features_add_task(&s->features);
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
  gp_free(s->prior.gp);
  free(s->prior.theta);
  free(s->prior.y);
  free(s->prior.x);
  free(s->other);
  free(s->theta);
  features_clear(&s->features);
  memset(s, 0, sizeof *s);
}

void
surrogate_data_clear(struct surrogate_data *data)
{
  free(data->trials);
  free(data->values);
  free(data->y);
  free(data->x);
  memset(data, 0, sizeof *data);
}

/* Brings the earlier results to the scale of the own outcomes, behind which they stand in `data`. */
static enum err
align_prior(const struct surrogate *s, struct surrogate_data *data)
{
  size_t width = s->features.layout.width, own = data->own, count = 0;
  double *rows = calloc(own * (width + 1) + 1, sizeof *rows);
  double *foretold = rows + own * width;
  double mean_y = 0, mean_p = 0, square_y = 0, square_p = 0;
  if (!rows)
    return ERR_MEMORY;
  memcpy(rows, data->x, own * width * sizeof *rows);
  for (size_t i = 0; i < own; i++)
    rows[i * width + s->features.task] = 1;
  enum err err = own ? gp_predict_many(s->prior.gp, own, rows, foretold, NULL) : ERR_OK;
  for (size_t i = 0; !err && i < own; i++)
    if (!isnan(data->values[i]))
    {
      count++;
      mean_y += data->y[i];
      mean_p += foretold[i];
    }
  mean_y /= count ? (double) count : 1;
  mean_p /= count ? (double) count : 1;
  for (size_t i = 0; !err && i < own; i++)
    if (!isnan(data->values[i]))
    {
      square_y += (data->y[i] - mean_y) * (data->y[i] - mean_y);
      square_p += (foretold[i] - mean_p) * (foretold[i] - mean_p);
    }
  double stretch = sqrt((square_y + SPREAD_TRUST) / (square_p + SPREAD_TRUST));
  for (size_t i = own; !err && i < data->n; i++)
    data->y[i] = mean_y + stretch * (data->y[i] - mean_p);
  free(rows);
  return err;
}

size_t
surrogate_own_count(const struct search *search)
{
  return fidelity_is_modelled(&search->fidelity) ? search->observed_count : search->ended_count;
}

static size_t
own_count(const struct surrogate *s, const struct search *search)
{
  return s->output == 0 ? surrogate_own_count(search) : search->ended_count;
}

/* Trials that ended, by the surrogate's output: a failed one has no value, and none of a constraint. */
static void
ended_data(struct surrogate_data *data, const struct surrogate *s, const struct search *search,
           size_t n)
{
  for (size_t i = 0; i < n; i++)
  {
    size_t trial = search->ended[i];
    bool done = search->trials[trial].state == SEARCH_DONE;
    if (!done && s->output >= search->objective_count)
      continue;
    size_t at = data->own++;
    data->trials[at] = trial;
    data->values[at] = done ? search_results(search, trial)[s->output] : NAN;
    features_encode(&s->features, search_point(search, trial),
                    data->x + at * s->features.layout.width);
  }
}

/* The own data that the first n entries of the log make: trials that ended or, where rungs are modelled,
 * values at rungs. */
static enum err
own_data(struct surrogate_data *data, const struct surrogate *s, const struct search *search,
         size_t n)
{
  size_t width = s->features.layout.width;
  double offsets[FIDELITY_RUNGS_MAX];
  if (s->features.step == SIZE_MAX || s->output != 0)
  {
    ended_data(data, s, search, n);
    return ERR_OK;
  }
  if (fidelity_offsets(search, n, offsets))
    return ERR_MEMORY;
  data->own = n;
  for (size_t i = 0; i < n; i++)
  {
    const struct search_observed *seen = &search->observed[i];
    double *row = data->x + i * width;
    data->trials[i] = seen->trial;
    features_encode(&s->features, search_point(search, seen->trial), row);
    row[s->features.step] = fidelity_coordinate(search, seen->rung);
    data->values[i] = seen->value + offsets[seen->rung];
  }
  return ERR_OK;
}

/* The first n own data, and the earlier results where they take part. */
static enum err
data_init(struct surrogate_data *data, const struct surrogate *s, const struct search *search,
          enum outcome_warp warp, size_t n)
{
  size_t width = s->features.layout.width;
  size_t priors = uses_prior(s, search, n) && !s->alone ? s->prior.n : 0;
  memset(data, 0, sizeof *data);
  data->x = calloc((n + priors) * width + 1, sizeof *data->x);
  data->y = calloc(n + priors + 1, sizeof *data->y);
  data->values = calloc(n + priors + 1, sizeof *data->values);
  data->trials = calloc(n + 1, sizeof *data->trials);
  enum err err = data->x && data->y && data->values && data->trials ? ERR_OK : ERR_MEMORY;
  if (!err)
    err = own_data(data, s, search, n);
  size_t own = data->own;
  data->n = own + priors;
  if (!err)
    err = outcome_fit(warp, own, data->values, data->y, &data->outcome);
  if (!err && priors)
  {
    memcpy(data->x + own * width, s->prior.x, priors * width * sizeof *data->x);
    memcpy(data->y + own, s->prior.y, priors * sizeof *data->y);
    for (size_t i = own; i < data->n; i++)
      data->values[i] = NAN;
    err = align_prior(s, data);
  }
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
  struct surrogate_data thin = {.n = FIT_MOST, .own = FIT_MOST, .outcome = data->outcome};
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

/* Fits data; how well each value is foretold by the others goes to *density (clipped ones and those
 * without a value don't count). */
static enum err
try_data(const struct surrogate *s, const struct surrogate_data *data, double *theta,
         double *density)
{
  struct gp *gp = NULL;
  double *each = calloc(data->n + 1, sizeof *each);
  enum err err = each ? gp_fit(&s->features.layout, data->n, data->x, data->y, theta) : ERR_MEMORY;
  if (!err)
    err = gp_new(&s->features.layout, theta, data->n, data->x, data->y, 0, &gp);
  if (!err)
    err = gp_leave_one_out(gp, each);
  *density = 0;
  for (size_t i = 0; !err && i < data->n; i++)
  {
    double log_slope;
    if (outcome_log_slope(&data->outcome, data->values[i], &log_slope))
      *density += each[i] + log_slope;
  }
  gp_free(gp);
  free(each);
  return err;
}

/* Fits the first n own trials under one warp. */
static enum err
try_warp(const struct surrogate *s, const struct search *search, enum outcome_warp warp, size_t n,
         double *theta, double *density)
{
  struct surrogate_data data;
  enum err err = fit_data_init(&data, s, search, warp, n);
  if (err)
    return err;
  err = try_data(s, &data, theta, density);
  surrogate_data_clear(&data);
  return err;
}

/* ---- the earlier search ------------------------------------------------------------------------------ */

/* Its results as data of their own, under one warp. */
static enum err
prior_data(struct surrogate_data *data, const struct surrogate *s, const struct search *search,
           enum outcome_warp warp)
{
  size_t width = s->features.layout.width, n = search->prior_count;
  *data = (struct surrogate_data){.n = n, .own = n};
  data->x = calloc(n * width + 1, sizeof *data->x);
  data->y = calloc(n + 1, sizeof *data->y);
  data->values = calloc(n + 1, sizeof *data->values);
  enum err err = data->x && data->y && data->values ? ERR_OK : ERR_MEMORY;
  for (size_t i = 0; !err && i < n; i++)
  {
    features_encode(&s->features, search->prior_points + i * search->space->count,
                    data->x + i * width);
    data->x[i * width + s->features.task] = 1;
    data->values[i] = search->prior_values[i];
  }
  if (!err)
    err = outcome_fit(warp, n, data->values, data->y, &data->outcome);
  if (err)
    surrogate_data_clear(data);
  return err;
}

/* Keeps the results under the warp that foretells them best. ERR_DIVERGED when no covariance fits. */
static enum err
ensure_prior(struct surrogate *s, const struct search *search)
{
  struct surrogate_prior *prior = &s->prior;
  double best = -INFINITY;
  if (prior->gp || !uses_prior(s, search, 0))
    return ERR_OK;
  size_t count = gp_theta_count(&s->features.layout);
  if (!prior->theta && !(prior->theta = calloc(count, sizeof *prior->theta)))
    return ERR_MEMORY;
  for (int w = 0; w < OUTCOME_WARPS; w++)
  {
    struct surrogate_data data;
    double density;
    enum err err = prior_data(&data, s, search, (enum outcome_warp) w);
    if (err)
      return err;
    err = try_data(s, &data, s->other, &density);
    if (!err && density - (w ? WARP_LEAD : 0) > best)
    {
      best = density - (w ? WARP_LEAD : 0);
      memcpy(prior->theta, s->other, count * sizeof *prior->theta);
      free(prior->x);
      free(prior->y);
      prior->n = data.n;
      prior->x = data.x;
      prior->y = data.y;
      data.x = data.y = NULL;
    }
    surrogate_data_clear(&data);
    if (err == ERR_MEMORY)
      return err;
  }
  if (!prior->x)
    return ERR_DIVERGED;
  return gp_new(&s->features.layout, prior->theta, prior->n, prior->x, prior->y, 0, &prior->gp);
}

/* ---- the fit in force -------------------------------------------------------------------------------- */

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
  int warps = s->output < search->objective_count ? OUTCOME_WARPS : 1;
  for (int w = 0; n >= DECIDE_FROM && w < warps; w++)
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

/* Decides whether the earlier results help to foretell the first n own values, by the leave-one-out
 * densities with and without them. */
static enum err
decide_prior(struct surrogate *s, const struct search *search, size_t n)
{
  double with, without;
  if (n < JUDGE_FROM || !uses_prior(s, search, n) || s->judged == n)
    return ERR_OK;
  s->judged = n;
  s->alone = false;
  enum err err = try_warp(s, search, OUTCOME_PLAIN, n, s->other, &with);
  if (err)
    return err == ERR_DIVERGED ? ERR_OK : err;
  s->alone = true;
  err = try_warp(s, search, OUTCOME_PLAIN, n, s->other, &without);
  s->alone = !err && without > with + WARP_LEAD / 2;
  return err == ERR_DIVERGED ? ERR_OK : err;
}

/* Sees to it that warp and theta are those in force for n data. */
static enum err
ensure_fit(struct surrogate *s, const struct search *search, size_t n)
{
  size_t at = refit_count(n);
  bool alone = s->alone;
  enum err err = decide_prior(s, search, at);
  if (s->alone != alone)
    s->fitted = s->decided = 0;
  if (!err)
    err = decide_warp(s, search, at);
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
  size_t own = own_count(s, search);
  enum err err = ensure_prior(s, search);
  if (!err && own)
    err = ensure_fit(s, search, own);
  if (!err)
    err = data_init(data, s, search, s->warp, own);
  if (err)
    return err;
  err = gp_new(&s->features.layout, own ? s->theta : s->prior.theta, data->n, data->x, data->y,
               spare, gp);
  if (err)
    surrogate_data_clear(data);
  return err;
}

enum err
surrogate_full_means(const struct surrogate *s, const struct surrogate_data *data, struct gp *gp,
                     double *means)
{
  size_t width = s->features.layout.width;
  if (s->features.step == SIZE_MAX)
    return gp_predict_many(gp, data->n, data->x, means, NULL);
  double *rows = malloc((data->n * width + 1) * sizeof *rows);
  if (!rows)
    return ERR_MEMORY;
  memcpy(rows, data->x, data->n * width * sizeof *rows);
  for (size_t i = 0; i < data->n; i++)
    rows[i * width + s->features.step] = 1;
  enum err err = gp_predict_many(gp, data->n, rows, means, NULL);
  free(rows);
  return err;
}
