#include <config.h>

#include "train/owlqn.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/la.h"

#define MEMORY 12
#define BACKTRACK_MAX 30
#define CALM_STEPS 3

struct state
{
  const struct owlqn_problem *problem;
  double *w, *g, *pseudo, *direction, *next_w, *next_g;
  double *s[MEMORY], *y[MEMORY], rho[MEMORY];
  size_t pairs, newest; /* newest: slot of the latest pair */
  double objective;     /* with the l1 part */
  double *memory;
};

static double
l1_part(const struct owlqn_problem *problem, const double *w)
{
  double sum = 0.0;

  for (size_t i = 0; problem->l1 > 0.0 && i < problem->penalised; i++)
    sum += fabs(w[i]);
  return problem->l1 * sum;
}

/* The steepest slope among the sub-gradients of f + l1·|w|. */
static void
pseudo_gradient(struct state *state)
{
  const struct owlqn_problem *problem = state->problem;
  double l1 = problem->l1;

  memcpy(state->pseudo, state->g, problem->count * sizeof(double));
  for (size_t i = 0; l1 > 0.0 && i < problem->penalised; i++)
  {
    double g = state->g[i], w = state->w[i];
    if (w > 0.0 || (w == 0.0 && g + l1 < 0.0))
      state->pseudo[i] = g + l1;
    else if (w < 0.0 || g - l1 > 0.0)
      state->pseudo[i] = g - l1;
    else
      state->pseudo[i] = 0.0;
  }
}

/* direction ← −H·pseudo by the two-loop recursion. */
static void
find_direction(struct state *state)
{
  size_t n = state->problem->count;
  double alpha[MEMORY];

  for (size_t i = 0; i < n; i++)
    state->direction[i] = -state->pseudo[i];
  for (size_t k = 0; k < state->pairs; k++)
  {
    size_t slot = (state->newest + MEMORY - k) % MEMORY;
    alpha[slot] = state->rho[slot] * la_ddot(n, state->s[slot], state->direction);
    la_daxpy(n, -alpha[slot], state->y[slot], state->direction);
  }
  if (state->pairs)
  {
    const double *y = state->y[state->newest];
    double scale = 1.0 / (state->rho[state->newest] * la_ddot(n, y, y));
    for (size_t i = 0; i < n; i++)
      state->direction[i] *= scale;
  }
  for (size_t k = state->pairs; k-- > 0;)
  {
    size_t slot = (state->newest + MEMORY - k) % MEMORY;
    double beta = state->rho[slot] * la_ddot(n, state->y[slot], state->direction);
    la_daxpy(n, alpha[slot] - beta, state->s[slot], state->direction);
  }
  for (size_t i = 0; state->problem->l1 > 0.0 && i < state->problem->penalised; i++)
    if (state->direction[i] * state->pseudo[i] >= 0.0)
      state->direction[i] = 0.0;
}

/* next_w ← w + step·direction, penalised weights stopping at 0 rather than changing their sign. */
static void
take_step(struct state *state, double step)
{
  const struct owlqn_problem *problem = state->problem;

  for (size_t i = 0; i < problem->count; i++)
    state->next_w[i] = state->w[i] + step * state->direction[i];
  for (size_t i = 0; problem->l1 > 0.0 && i < problem->penalised; i++)
  {
    double side = state->w[i] != 0.0 ? state->w[i] : -state->pseudo[i];
    if (state->next_w[i] * side < 0.0)
      state->next_w[i] = 0.0;
  }
}

/* Backtracks until the objective falls enough. *moved = false when no step helps. */
static enum err
search_line(struct state *state, double first_step, double *objective, bool *moved)
{
  const struct owlqn_problem *problem = state->problem;
  double step = first_step;

  *moved = false;
  for (int tries = 0; tries < BACKTRACK_MAX; tries++, step *= 0.5)
  {
    double f, slope = 0.0;
    take_step(state, step);
    enum err rc = problem->evaluate(problem->context, state->next_w, &f, state->next_g);
    if (rc != ERR_OK)
      return rc;
    for (size_t i = 0; i < problem->count; i++)
      slope += state->pseudo[i] * (state->next_w[i] - state->w[i]);
    *objective = f + l1_part(problem, state->next_w);
    if (isfinite(*objective) && slope < 0.0 && *objective <= state->objective + 1e-4 * slope)
    {
      *moved = true;
      return ERR_OK;
    }
  }
  return ERR_OK;
}

/* Keeps the step as a pair of the history, if it curves the right way, and moves on. */
static void
accept(struct state *state, double objective)
{
  size_t n = state->problem->count, slot = (state->newest + 1) % MEMORY;
  double *s = state->s[slot], *y = state->y[slot], *swap;

  for (size_t i = 0; i < n; i++)
  {
    s[i] = state->next_w[i] - state->w[i];
    y[i] = state->next_g[i] - state->g[i];
  }
  double curve = la_ddot(n, s, y);
  if (curve > 1e-12 * la_ddot(n, y, y))
  {
    state->rho[slot] = 1.0 / curve;
    state->newest = slot;
    state->pairs = state->pairs < MEMORY ? state->pairs + 1 : MEMORY;
  }
  memcpy(state->w, state->next_w, n * sizeof(double));
  swap = state->g;
  state->g = state->next_g;
  state->next_g = swap;
  state->objective = objective;
}

static enum err
iterate(struct state *state, size_t *iterations)
{
  const struct owlqn_problem *problem = state->problem;
  size_t n = problem->count, calm = 0;

  for (size_t k = 1; k <= problem->iteration_max; k++)
  {
    double objective = state->objective, before = objective;
    bool moved;
    pseudo_gradient(state);
    double size = sqrt(la_ddot(n, state->pseudo, state->pseudo));
    if (size < 1e-9)
      return ERR_OK;
    find_direction(state);
    enum err rc =
      search_line(state, state->pairs ? 1.0 : fmin(1.0, 1.0 / size), &objective, &moved);
    if (rc != ERR_OK)
      return rc;
    if (!moved && state->pairs == 0)
      return ERR_OK;
    if (!moved)
    {
      state->pairs = 0; /* the history misleads: start again along the gradient */
      continue;
    }
    accept(state, objective);
    *iterations = k;
    calm = before - objective < problem->tolerance * fmax(fabs(objective), 1e-8) ? calm + 1 : 0;
    if (calm >= CALM_STEPS
        || (problem->on_iteration && !problem->on_iteration(problem->context, k, objective)))
      return ERR_OK;
  }
  return ERR_OK;
}

enum err
owlqn_minimise(const struct owlqn_problem *problem, double *w, size_t *iterations)
{
  size_t n = problem->count;
  struct state state = {.problem = problem, .w = w};
  double *at = calloc(n ? n : 1, (5 + 2 * MEMORY) * sizeof(double));
  double **parts[] = {&state.g, &state.pseudo, &state.direction, &state.next_w, &state.next_g};

  *iterations = 0;
  if (!at)
    return ERR_MEMORY;
  state.memory = at;
  for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++, at += n)
    *parts[i] = at;
  for (size_t i = 0; i < MEMORY; i++, at += 2 * n)
  {
    state.s[i] = at;
    state.y[i] = at + n;
  }
  enum err rc = problem->evaluate(problem->context, w, &state.objective, state.g);
  if (rc == ERR_OK)
  {
    state.objective += l1_part(problem, w);
    rc = isfinite(state.objective) ? iterate(&state, iterations) : ERR_DIVERGED;
  }
  free(state.memory);
  return rc;
}
