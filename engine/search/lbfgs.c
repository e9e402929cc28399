#include <config.h>

#include "search/lbfgs.h"

#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/la.h"

#define MEMORY 8
#define ARMIJO 1e-4
#define MAX_SHORTENINGS 20

struct run
{
  const struct lbfgs_problem *problem;
  size_t n;
  size_t evaluations;
  double *block; /* all of the below */
  double *x, *g, *x_new, *g_new, *direction;
  double *s, *y; /* (MEMORY, n): steps and changes of the gradient, a ring */
  double rho[MEMORY];
  size_t stored; /* pairs ever stored since the last reset */
};

static enum err
run_init(struct run *run, const struct lbfgs_problem *problem)
{
  size_t n = problem->n;
  memset(run, 0, sizeof *run);
  run->problem = problem;
  run->n = n;
  if (n > SIZE_MAX / sizeof(double) / (5 + 2 * MEMORY) - 1)
    return ERR_MEMORY;
  run->block = calloc((5 + 2 * MEMORY) * n + 1, sizeof *run->block);
  if (!run->block)
    return ERR_MEMORY;
  run->x = run->block;
  run->g = run->x + n;
  run->x_new = run->g + n;
  run->g_new = run->x_new + n;
  run->direction = run->g_new + n;
  run->s = run->direction + n;
  run->y = run->s + MEMORY * n;
  return ERR_OK;
}

/* Whether a variable sits at a bound with the slope pushing it outwards. */
static bool
held(const struct run *run, size_t i)
{
  return (run->x[i] <= run->problem->low[i] && run->g[i] > 0)
         || (run->x[i] >= run->problem->high[i] && run->g[i] < 0);
}

static double
steepest_slope(const struct run *run)
{
  double most = 0;
  for (size_t i = 0; i < run->n; i++)
    if (!held(run, i) && fabs(run->g[i]) > most)
      most = fabs(run->g[i]);
  return most;
}

static void
mask_held(const struct run *run, double *v)
{
  for (size_t i = 0; i < run->n; i++)
    if (held(run, i))
      v[i] = 0;
}

/* direction = −H g over the free variables, by the two-loop recursion. */
static void
choose_direction(struct run *run)
{
  size_t n = run->n;
  double a[MEMORY];
  size_t count = run->stored < MEMORY ? run->stored : MEMORY;
  double *q = run->direction;
  memcpy(q, run->g, n * sizeof *q);
  mask_held(run, q);
  for (size_t k = 0; k < count; k++)
  {
    size_t slot = (run->stored - 1 - k) % MEMORY;
    a[slot] = run->rho[slot] * la_ddot(n, run->s + slot * n, q);
    la_daxpy(n, -a[slot], run->y + slot * n, q);
  }
  if (count)
  {
    size_t slot = (run->stored - 1) % MEMORY;
    const double *y = run->y + slot * n;
    double scale = 1 / (run->rho[slot] * la_ddot(n, y, y));
    for (size_t i = 0; i < n; i++)
      q[i] *= scale;
  }
  for (size_t k = count; k-- > 0;)
  {
    size_t slot = (run->stored - 1 - k) % MEMORY;
    double b = run->rho[slot] * la_ddot(n, run->y + slot * n, q);
    la_daxpy(n, a[slot] - b, run->s + slot * n, q);
  }
  mask_held(run, q);
  for (size_t i = 0; i < n; i++)
    q[i] = -q[i];
}

/* Falls back to the plain slope where the recursion does not point downhill. */
static void
ensure_descent(struct run *run)
{
  size_t n = run->n;
  double slope = la_ddot(n, run->direction, run->g);
  if (run->stored && isfinite(slope) && slope < 0)
    return;
  run->stored = 0;
  double longest = 0;
  for (size_t i = 0; i < n; i++)
  {
    run->direction[i] = held(run, i) ? 0 : -run->g[i];
    longest = fmax(longest, fabs(run->direction[i]));
  }
  double first = run->problem->first_step > 0 ? run->problem->first_step : 1;
  if (longest > first)
    for (size_t i = 0; i < n; i++)
      run->direction[i] *= first / longest;
}

/* Shortens the projected step until it gains enough; false when no step does. */
static bool
line_search(struct run *run, double value, double *value_new)
{
  const struct lbfgs_problem *p = run->problem;
  double step = 1;
  for (unsigned k = 0; k < MAX_SHORTENINGS && run->evaluations < p->max_evaluations; k++)
  {
    double expected = 0;
    bool moved = false;
    for (size_t i = 0; i < run->n; i++)
    {
      double x = run->x[i] + step * run->direction[i];
      x = x < p->low[i] ? p->low[i] : x > p->high[i] ? p->high[i] : x;
      expected += run->g[i] * (x - run->x[i]);
      moved = moved || x != run->x[i];
      run->x_new[i] = x;
    }
    if (!moved)
      return false;
    run->evaluations++;
    *value_new = p->function(run->x_new, run->g_new, p->context);
    if (isfinite(*value_new) && *value_new <= value + ARMIJO * expected)
      return true;
    /* The minimum of the parabola through both values and the slope, kept within a fair range. */
    double shorter = 0.1;
    double bend = *value_new - value - expected;
    if (isfinite(*value_new) && bend > 0 && expected < 0)
      shorter = -expected / (2 * bend);
    step *= shorter < 0.1 ? 0.1 : shorter > 0.5 ? 0.5 : shorter;
  }
  return false;
}

static void
store_pair(struct run *run)
{
  size_t n = run->n;
  size_t slot = run->stored % MEMORY;
  double *s = run->s + slot * n;
  double *y = run->y + slot * n;
  for (size_t i = 0; i < n; i++)
  {
    s[i] = run->x_new[i] - run->x[i];
    y[i] = run->g_new[i] - run->g[i];
  }
  double curvature = la_ddot(n, s, y);
  if (curvature <= 1e-10 * la_ddot(n, y, y) || !isfinite(curvature))
    return;
  run->rho[slot] = 1 / curvature;
  run->stored++;
}

static void
swap(double **a, double **b)
{
  double *t = *a;
  *a = *b;
  *b = t;
}

enum err
lbfgs_minimise(const struct lbfgs_problem *problem, double *x, double *value)
{
  struct run run;
  enum err err = run_init(&run, problem);
  if (err)
    return err;
  size_t n = problem->n;
  for (size_t i = 0; i < n; i++)
    run.x[i] = fmin(fmax(x[i], problem->low[i]), problem->high[i]);
  double now = problem->function(run.x, run.g, problem->context);
  run.evaluations = 1;
  if (!isfinite(now))
  {
    err = ERR_DIVERGED;
    goto out;
  }
  while (run.evaluations < problem->max_evaluations
         && steepest_slope(&run) > problem->gradient_tolerance)
  {
    double next;
    choose_direction(&run);
    ensure_descent(&run);
    if (!line_search(&run, now, &next))
    {
      if (!run.stored)
        break;
      run.stored = 0; /* the memory misleads: once more along the slope */
      continue;
    }
    double gain = now - next;
    store_pair(&run);
    swap(&run.x, &run.x_new);
    swap(&run.g, &run.g_new);
    now = next;
    if (gain <= problem->value_tolerance * (1 + fabs(now)))
      break;
  }
  memcpy(x, run.x, n * sizeof *x);
  if (value)
    *value = now;
out:
  free(run.block);
  return err;
}
