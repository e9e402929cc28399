#include <config.h>

#include "search/surrogate_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIT_MOST 300 /* data of a fit; the posterior has all */
/* So many trials' worth of belief that an earlier search's outcomes need no stretching. */
#define SPREAD_TRUST 2.0

bool
surrogate_has_prior(const struct search *search, size_t own)
{
  return search->prior_count >= SURROGATE_PRIOR_LEAST && own < SURROGATE_PRIOR_UNTIL;
}

/* The earlier results are values of the first objective. */
bool
surrogate_uses_prior(const struct surrogate *s, const struct search *search, size_t own)
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
  s->best = calloc(count, sizeof *s->best);
  if (s->theta && s->other && s->best)
    return ERR_OK;
  surrogate_clear(s);
  return ERR_MEMORY;
}

void
surrogate_clear(struct surrogate *s)
{
  gp_free(s->base);
  gp_free(s->prior.gp);
  free(s->prior.theta);
  free(s->prior.y);
  free(s->prior.x);
  free(s->best);
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

size_t
surrogate_log_count(const struct surrogate *s, const struct search *search)
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

enum err
surrogate_data_init(struct surrogate_data *data, const struct surrogate *s,
                    const struct search *search, enum outcome_warp warp, size_t n)
{
  size_t width = s->features.layout.width;
  size_t priors = surrogate_uses_prior(s, search, n) && !s->alone ? s->prior.n : 0;
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

enum err
surrogate_fit_data_init(struct surrogate_data *data, const struct surrogate *s,
                        const struct search *search, enum outcome_warp warp, size_t n)
{
  enum err err = surrogate_data_init(data, s, search, warp, n);
  if (!err && (err = data_thin(data, s->features.layout.width)))
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
