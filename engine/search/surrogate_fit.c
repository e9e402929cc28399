#include <config.h>

#include "search/surrogate_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define ANEW_UNTIL 60 /* up to so many data each count has a fit of its own */
#define GROWTH 20     /* then one for each growth by 1/20, from the one before */
#define DECIDE_EVERY 5
#define DECIDE_FROM 10
#define DECIDE_GROWTH 1.25 /* beyond ANEW_UNTIL */
#define WARP_LEAD 2.0      /* nats */
#define JUDGE_FROM 4       /* own trials that say whether the earlier ones help */
#define BASE_SPARE 32

/* The count of the fit that follows the one at `at`. */
static size_t
next_fit(size_t at)
{
  return at < ANEW_UNTIL ? at + 1 : at + at / GROWTH;
}

/* Fits data, anew or from where theta stands; how well each value is foretold by the others goes to
 * *density (clipped ones and those without a value don't count). */
static enum err
try_data(const struct surrogate *s, const struct surrogate_data *data, bool anew, double *theta,
         double *density)
{
  const struct gp_layout *layout = &s->features.layout;
  struct gp *gp = NULL;
  double *each = calloc(data->n + 1, sizeof *each);
  enum err err = ERR_MEMORY;
  if (each)
    err = (anew ? gp_fit : gp_refit)(layout, data->n, data->x, data->y, theta);
  if (!err)
    err = gp_new(layout, theta, data->n, data->x, data->y, 0, &gp);
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
         bool anew, double *theta, double *density)
{
  struct surrogate_data data;
  enum err err = surrogate_fit_data_init(&data, s, search, warp, n);
  if (err)
    return err;
  err = try_data(s, &data, anew, theta, density);
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
  if (prior->gp || !surrogate_uses_prior(s, search, 0))
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
    err = try_data(s, &data, true, s->other, &density);
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

static void
drop_base(struct surrogate *s)
{
  gp_free(s->base);
  s->base = NULL;
}

/* The warps that are tried, from OUTCOME_PLAIN on. Volumes of several objectives are measured in the
 * warped values, whose good tail a power would fold. */
static int
warp_count(const struct surrogate *s, const struct search *search)
{
  if (s->output >= search->objective_count)
    return 1;
  return search->objective_count > 1 ? OUTCOME_POWER : OUTCOME_WARPS;
}

/* Takes the warp under which the first n values are foretold best, and its fit. */
static enum err
decide_warp(struct surrogate *s, const struct search *search, size_t n, bool anew)
{
  size_t count = gp_theta_count(&s->features.layout);
  double best = -INFINITY;
  int warps = warp_count(s, search);
  bool found = false;
  for (int w = 0; w < warps; w++)
  {
    double density;
    memcpy(s->other, s->theta, count * sizeof *s->other);
    enum err err = try_warp(s, search, (enum outcome_warp) w, n, anew, s->other, &density);
    if (err == ERR_MEMORY)
      return err;
    if (err || !(density - (w ? WARP_LEAD : 0) > best))
      continue;
    best = density - (w ? WARP_LEAD : 0);
    s->warp = (enum outcome_warp) w;
    found = true;
    memcpy(s->best, s->other, count * sizeof *s->best);
  }
  if (found)
    memcpy(s->theta, s->best, count * sizeof *s->theta);
  else
    s->warp = OUTCOME_PLAIN;
  s->fitted = found ? n : 0;
  s->decided = n;
  return ERR_OK;
}

/* Decides whether the earlier results help to foretell the first n own values, by the leave-one-out
 * densities with and without them. */
static enum err
decide_prior(struct surrogate *s, const struct search *search, size_t n)
{
  double with, without;
  if (n < JUDGE_FROM || !surrogate_uses_prior(s, search, n) || s->judged == n)
    return ERR_OK;
  s->judged = n;
  s->alone = false;
  enum err err = try_warp(s, search, OUTCOME_PLAIN, n, true, s->other, &with);
  if (err)
    return err == ERR_DIVERGED ? ERR_OK : err;
  s->alone = true;
  err = try_warp(s, search, OUTCOME_PLAIN, n, true, s->other, &without);
  s->alone = !err && without > with + WARP_LEAD / 2;
  return err == ERR_DIVERGED ? ERR_OK : err;
}

/* A fit to the first n data under the warp in force. */
static enum err
fit_once(struct surrogate *s, const struct search *search, size_t n, bool anew)
{
  const struct gp_layout *layout = &s->features.layout;
  struct surrogate_data data;
  enum err err = surrogate_fit_data_init(&data, s, search, s->warp, n);
  if (err)
    return err;
  if (anew)
    err = gp_fit(layout, data.n, data.x, data.y, s->theta);
  else if ((err = gp_refit(layout, data.n, data.x, data.y, s->theta)) == ERR_DIVERGED)
    err = gp_fit(layout, data.n, data.x, data.y, s->theta);
  s->fitted = err ? 0 : n;
  surrogate_data_clear(&data);
  return err;
}

/* Up to ANEW_UNTIL data: warp and theta follow from the first n data alone. */
static enum err
fit_anew(struct surrogate *s, const struct search *search, size_t n)
{
  size_t decision = n - n % DECIDE_EVERY;
  enum err err = ERR_OK;
  if (decision < DECIDE_FROM)
    s->warp = OUTCOME_PLAIN;
  else if (s->decided != decision)
    err = decide_warp(s, search, decision, true);
  return err || s->fitted == n ? err : fit_once(s, search, n, true);
}

/* Beyond: from the fit at the count before. */
static enum err
fit_onwards(struct surrogate *s, const struct search *search, size_t n)
{
  if ((double) n >= DECIDE_GROWTH * (double) s->decided)
    return decide_warp(s, search, n, false);
  return fit_once(s, search, n, false);
}

/* Sees to it that warp and theta are those in force for n data: from ANEW_UNTIL on by a chain of fits, of
 * which a search that starts late makes all. */
static enum err
ensure_fit(struct surrogate *s, const struct search *search, size_t n)
{
  bool in_chain = s->fitted >= ANEW_UNTIL && s->fitted <= n;
  size_t at = in_chain ? s->fitted : n < ANEW_UNTIL ? n : ANEW_UNTIL;
  if (s->fitted == at && next_fit(at) > n)
    return ERR_OK;
  drop_base(s);
  if (in_chain)
    at = next_fit(at);
  for (; at <= n; at = next_fit(at))
  {
    bool alone = s->alone;
    enum err err = decide_prior(s, search, at);
    if (s->alone != alone)
      s->fitted = s->decided = 0;
    if (!err)
      err = at <= ANEW_UNTIL ? fit_anew(s, search, at) : fit_onwards(s, search, at);
    if (err)
    {
      s->fitted = 0;
      return err;
    }
  }
  return ERR_OK;
}

/* ---- the posterior ----------------------------------------------------------------------------------- */

/* How many data the first n entries of the log make. */
static size_t
row_count(const struct surrogate *s, const struct search *search, size_t n)
{
  if (s->output < search->objective_count)
    return n;
  size_t count = 0;
  for (size_t i = 0; i < n; i++)
    count += search->trials[search->ended[i]].state == SEARCH_DONE;
  return count;
}

/* Brings the process that is kept up to date: factored once for each fit, at the fit's count, and extended row by
 * row, so that it is the same whenever it was made. */
static enum err
update_base(struct surrogate *s, const struct search *search, const struct surrogate_data *data)
{
  size_t width = s->features.layout.width, from = row_count(s, search, s->fitted);
  enum err err = ERR_OK;
  if (!s->base)
    err = gp_new(&s->features.layout, s->theta, from, data->x, data->y, from / 8 + BASE_SPARE,
                 &s->base);
  while (!err && gp_count(s->base) < data->n)
  {
    err = gp_append(s->base, data->x + gp_count(s->base) * width);
    if (err != ERR_LIMIT)
      continue;
    struct gp *larger;
    err = gp_clone(s->base, gp_count(s->base) / 8 + BASE_SPARE, &larger);
    if (!err)
    {
      gp_free(s->base);
      s->base = larger;
    }
  }
  if (err)
    drop_base(s);
  else
    gp_set_values(s->base, data->y);
  return err;
}

enum err
surrogate_posterior(struct surrogate *s, const struct search *search, size_t spare,
                    struct surrogate_data *data, struct gp **gp)
{
  size_t own = surrogate_log_count(s, search);
  enum err err = ensure_prior(s, search);
  if (!err && own)
    err = ensure_fit(s, search, own);
  if (!err)
    err = surrogate_data_init(data, s, search, s->warp, own);
  if (err)
    return err;
  if (own && data->n == data->own)
  {
    err = update_base(s, search, data);
    if (!err)
      err = gp_clone(s->base, spare, gp);
  }
  else
    err = gp_new(&s->features.layout, own ? s->theta : s->prior.theta, data->n, data->x, data->y,
                 spare, gp);
  if (err)
    surrogate_data_clear(data);
  return err;
}
