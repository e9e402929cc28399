#include <config.h>

#include "search/fidelity.h"

#include <math.h>
#include <stdlib.h>

#include "search/search_internal.h"

#define ETA_DEFAULT 3.0
#define ETA_LEAST 2.0
#define ETA_MOST 100.0
#define CYCLE_MOST 1e9 /* trials of all brackets together */
#define SPARED_IN 20   /* one trial in so many never pauses */
#define AGREEMENT 0.6  /* rank correlation below which more trials are promoted */
#define MEDIAN_START 5 /* trials that the median rule compares with at least */

/* ---- rungs ------------------------------------------------------------------------------------------- */

static enum err
check_steps(const struct search_spec *spec, enum search_stopping stopping, struct err_info *info)
{
  double most = spec->most_steps, least = spec->least_steps, eta = spec->eta;
  if (!isfinite(most) || !isfinite(least) || !isfinite(eta) || most < 0 || least < 0)
    return err_set(info, ERR_INVALID, "steps and eta must be finite and not negative");
  if (most == 0 && stopping != SEARCH_STOPPING_NONE)
    return err_set(info, ERR_INVALID, "a stopping rule needs the number of steps of a full run");
  if (most > 0 && least > most)
    return err_set(info, ERR_INVALID, "the first rung (%g steps) lies beyond a full run (%g)",
                   least, most);
  if (eta != 0 && (eta < ETA_LEAST || eta > ETA_MOST))
    return err_set(info, ERR_INVALID, "eta must be between %g and %g", ETA_LEAST, ETA_MOST);
  return ERR_OK;
}

enum err
fidelity_init(struct fidelity *f, const struct search_spec *spec, enum search_stopping stopping,
              struct err_info *info)
{
  enum err err = check_steps(spec, stopping, info);
  *f = (struct fidelity){.stopping = stopping};
  if (err || spec->most_steps == 0)
    return err;
  double most = spec->most_steps;
  f->eta = spec->eta > 0 ? spec->eta : ETA_DEFAULT;
  f->least = spec->least_steps > 0 ? spec->least_steps : fmin(1, most);
  size_t above = 0; /* rungs above the first: the largest s with least·eta^s ≤ most */
  for (double step = f->least * f->eta; step <= most * (1 + 1e-12); step *= f->eta)
    above++;
  if (above >= FIDELITY_RUNGS_MAX)
    return err_set(info, ERR_INVALID, "there would be more than %d rungs", FIDELITY_RUNGS_MAX);
  bool whole = floor(f->least) == f->least && floor(most) == most;
  bool from_top = stopping == SEARCH_STOPPING_HYPERBAND;
  double step = f->least;
  if (from_top)
  {
    step = most;
    for (size_t k = 0; k < above; k++)
      step /= f->eta;
  }
  f->count = above + 1;
  for (size_t k = 0; k < above; k++, step *= f->eta)
    f->steps[k] = whole ? fmax(1, round(step)) : step;
  f->steps[above] = most;
  return ERR_OK;
}

/* How many trials bracket s gets each time round. */
static double
bracket_size(const struct fidelity *f, size_t s)
{
  double size = (double) f->count / (double) (s + 1);
  for (size_t k = 0; k < s && size < CYCLE_MOST; k++)
    size *= f->eta;
  return ceil(fmin(size, CYCLE_MOST) - 1e-9);
}

/* The bracket of the trial with this number: the most halved one is filled first. */
static size_t
bracket_of(const struct fidelity *f, size_t number)
{
  double cycle = 0;
  for (size_t s = 0; s < f->count; s++)
    cycle += bracket_size(f, s);
  double at = fmod((double) number, cycle);
  for (size_t s = f->count; s-- > 1;)
  {
    at -= bracket_size(f, s);
    if (at < 0)
      return s;
  }
  return 0;
}

static bool
is_spared(const struct search *search, size_t number)
{
  struct rng rng;
  rng_init(&rng, search->seed, rng_mix(UINT64_C(0x737061726564), number / SPARED_IN));
  return rng_below(&rng, SPARED_IN) == number % SPARED_IN;
}

void
fidelity_start(struct search *search, size_t trial)
{
  const struct fidelity *f = &search->fidelity;
  struct search_trial *t = &search->trials[trial];
  if (!f->count)
    return;
  t->bracket = f->stopping == SEARCH_STOPPING_HYPERBAND ? bracket_of(f, trial) : 0;
  t->target = f->count - 1;
  if (!fidelity_pauses(f) || is_spared(search, trial))
    return;
  t->target = f->stopping == SEARCH_STOPPING_ASHA ? 0 : f->count - 1 - t->bracket;
}

double
fidelity_until(const struct search *search, size_t trial)
{
  const struct fidelity *f = &search->fidelity;
  return f->count ? f->steps[search->trials[trial].target] : 0;
}

void
fidelity_continue(struct search *search, size_t trial)
{
  struct search_trial *t = &search->trials[trial];
  t->target = t->reached;
  t->state = SEARCH_PENDING;
}

bool
fidelity_measure(struct search *search, size_t trial, double step, double value)
{
  const struct fidelity *f = &search->fidelity;
  struct search_trial *t = &search->trials[trial];
  size_t before = t->reached;
  while (t->reached < f->count && step >= f->steps[t->reached])
    search->rungs[trial * f->count + t->reached++] = value;
  /* The full run's value is the one it is ended with. */
  if (t->reached > before && t->reached < f->count)
    search->observed[search->observed_count++] =
      (struct search_observed){trial, t->reached - 1, value};
  return f->count && t->reached > t->target && t->reached < f->count;
}

double
fidelity_value(const struct search *search, size_t trial, size_t rung)
{
  const struct search_trial *t = &search->trials[trial];
  if (t->state == SEARCH_FORGOTTEN || rung >= search->fidelity.count)
    return NAN;
  if (rung < t->reached)
    return search->rungs[trial * search->fidelity.count + rung];
  if (t->state == SEARCH_DONE && rung + 1 == search->fidelity.count)
    return t->value;
  return t->state == SEARCH_FAILED && rung <= t->target ? INFINITY : NAN;
}

/* ---- rungs as data ----------------------------------------------------------------------------------- */

struct gain
{
  size_t rung;
  double value;
};

static int
compare_gains(const void *a, const void *b)
{
  const struct gain *x = a, *y = b;
  if (x->rung != y->rung)
    return x->rung < y->rung ? -1 : 1;
  return x->value < y->value ? -1 : x->value > y->value;
}

/* What trials gained from each rung to the next, among the first n observations; returns how many. */
static size_t
collect_gains(const struct search *search, size_t n, struct gain *last, struct gain *gains)
{
  size_t count = 0;
  for (size_t t = 0; t < search->count; t++)
    last[t] = (struct gain){SIZE_MAX, 0};
  for (size_t i = 0; i < n; i++)
  {
    const struct search_observed *seen = &search->observed[i];
    struct gain *before = &last[seen->trial];
    if (isnan(seen->value))
      continue;
    if (before->rung != SIZE_MAX && before->rung + 1 == seen->rung)
      gains[count++] = (struct gain){before->rung, seen->value - before->value};
    *before = (struct gain){seen->rung, seen->value};
  }
  return count;
}

enum err
fidelity_offsets(const struct search *search, size_t n, double *offsets)
{
  struct gain *last = calloc(search->count + n + 1, sizeof *last);
  if (!last)
    return ERR_MEMORY;
  struct gain *gains = last + search->count;
  size_t count = collect_gains(search, n, last, gains), end = count;
  qsort(gains, count, sizeof *gains, compare_gains);
  offsets[search->fidelity.count - 1] = 0;
  for (size_t rung = search->fidelity.count - 1; rung-- > 0;)
  {
    size_t from = end;
    while (from > 0 && gains[from - 1].rung == rung)
      from--;
    offsets[rung] = offsets[rung + 1];
    if (end > from)
      offsets[rung] += 0.5 * (gains[(from + end - 1) / 2].value + gains[(from + end) / 2].value);
    end = from;
  }
  free(last);
  return ERR_OK;
}

double
fidelity_coordinate(const struct search *search, size_t rung)
{
  return search->fidelity.count > 1 ? (double) rung / (double) (search->fidelity.count - 1) : 1;
}

double
fidelity_spent(const struct search *search)
{
  double spent = 0;
  for (size_t t = 0; t < search->count; t++)
  {
    const struct search_trial *trial = &search->trials[t];
    double last = trial->curve_count ? trial->curve[trial->curve_count - 1].step : 0;
    if (trial->state == SEARCH_PENDING)
      last = fmax(last, search->fidelity.steps[trial->target]);
    spent += last;
  }
  return spent;
}

/* ---- promotion --------------------------------------------------------------------------------------- */

/* Rank of `value` among the values of one rung over the trials that have both rungs; ties share. */
static double
shared_rank(const struct search *search, size_t rung, size_t other, double value)
{
  double below = 0, equal = 0;
  for (size_t t = 0; t < search->count; t++)
  {
    double v = fidelity_value(search, t, rung);
    if (!isfinite(v) || !isfinite(fidelity_value(search, t, other)))
      continue;
    below += v < value;
    equal += v == value;
  }
  return below + 0.5 * (equal - 1);
}

double
fidelity_agreement(const struct search *search, size_t rung)
{
  double n = 0, square_a = 0, square_b = 0, product = 0;
  for (size_t t = 0; t < search->count; t++)
    n += isfinite(fidelity_value(search, t, rung)) && isfinite(fidelity_value(search, t, rung + 1));
  if (n < FIDELITY_RANKED)
    return NAN;
  for (size_t t = 0; t < search->count; t++)
  {
    double a = fidelity_value(search, t, rung), b = fidelity_value(search, t, rung + 1);
    if (!isfinite(a) || !isfinite(b))
      continue;
    a = shared_rank(search, rung, rung + 1, a) - 0.5 * (n - 1);
    b = shared_rank(search, rung + 1, rung, b) - 0.5 * (n - 1);
    square_a += a * a;
    square_b += b * b;
    product += a * b;
  }
  return square_a > 0 && square_b > 0 ? product / sqrt(square_a * square_b) : 0;
}

/* The best trial paused at a rung, and how many of the trials that have been there are better. */
static size_t
best_paused(const struct search *search, size_t bracket, size_t rung, size_t *there, size_t *better)
{
  size_t best = SIZE_MAX;
  double best_value = INFINITY;
  *there = *better = 0;
  for (size_t t = 0; t < search->count; t++)
  {
    const struct search_trial *trial = &search->trials[t];
    double value = fidelity_value(search, t, rung);
    if (trial->bracket != bracket || isnan(value))
      continue;
    ++*there;
    if (trial->state == SEARCH_PAUSED && trial->reached == rung + 1 && value < best_value)
    {
      best = t;
      best_value = value;
    }
  }
  for (size_t t = 0; best != SIZE_MAX && t < search->count; t++)
  {
    double value = fidelity_value(search, t, rung);
    bool same = search->trials[t].bracket == bracket;
    if (same && (value < best_value || (value == best_value && t < best)))
      ++*better;
  }
  return best;
}

/* Whether the rung lets so many through. */
static bool
lets_through(const struct search *search, size_t rung, size_t there, size_t place)
{
  double eta = search->fidelity.eta;
  if ((double) place <= floor((double) there / eta + 1e-9))
    return true;
  return (double) place <= floor((double) there / sqrt(eta) + 1e-9)
         && fidelity_agreement(search, rung) < AGREEMENT;
}

size_t
fidelity_promotion(const struct search *search)
{
  const struct fidelity *f = &search->fidelity;
  if (!fidelity_pauses(f))
    return SIZE_MAX;
  size_t brackets = f->stopping == SEARCH_STOPPING_HYPERBAND ? f->count : 1;
  for (size_t rung = f->count - 1; rung-- > 0;)
    for (size_t bracket = 0; bracket < brackets; bracket++)
    {
      size_t there, better;
      size_t best = best_paused(search, bracket, rung, &there, &better);
      if (best != SIZE_MAX && lets_through(search, rung, there, better + 1))
        return best;
    }
  return SIZE_MAX;
}

size_t
fidelity_furthest(const struct search *search)
{
  size_t best = SIZE_MAX, rung = 0;
  double best_value = INFINITY;
  for (size_t t = 0; t < search->count; t++)
  {
    const struct search_trial *trial = &search->trials[t];
    if (trial->state != SEARCH_PAUSED)
      continue;
    double value = fidelity_value(search, t, trial->reached - 1);
    if (best == SIZE_MAX || trial->reached > rung || (trial->reached == rung && value < best_value))
    {
      best = t;
      rung = trial->reached;
      best_value = value;
    }
  }
  return best;
}

/* ---- the median rule --------------------------------------------------------------------------------- */

/* Running average of a trial's measurements up to a step; NaN where it has not come so far. */
static double
running_average(const struct search_trial *trial, double step)
{
  double sum = 0;
  size_t count = 0;
  if (!trial->curve_count || trial->curve[trial->curve_count - 1].step < step)
    return NAN;
  while (count < trial->curve_count && trial->curve[count].step <= step)
    sum += trial->curve[count++].value;
  return count ? sum / (double) count : NAN;
}

/* How many other trials have come so far, and how many of their averages lie below a value. */
static size_t
count_others(const struct search *search, size_t trial, double step, double value, size_t *below)
{
  size_t others = 0;
  *below = 0;
  for (size_t t = 0; t < search->count; t++)
  {
    if (t == trial || search->trials[t].state == SEARCH_FORGOTTEN)
      continue;
    double average = running_average(&search->trials[t], step);
    if (!isnan(average))
      others++;
    if (average < value)
      ++*below;
  }
  return others;
}

bool
fidelity_median_stops(const struct search *search, size_t trial)
{
  const struct search_trial *t = &search->trials[trial];
  if (search->fidelity.stopping != SEARCH_STOPPING_MEDIAN || !t->curve_count)
    return false;
  double step = t->curve[t->curve_count - 1].step;
  if (step < search->fidelity.least || is_spared(search, trial))
    return false;
  double best = INFINITY;
  for (size_t k = 0; k < t->curve_count; k++)
    best = fmin(best, t->curve[k].value);
  size_t below, others = count_others(search, trial, step, best, &below);
  /* Worse than the median: more than half of the others are below. */
  return others >= MEDIAN_START && 2 * below > others;
}
