/* Hyperparameter search by ask and tell.
 *
 * A search is a deterministic fold over an ordered log of asks, continuations, measurements, tells,
 * failures and prunings: the same spec and the same log give the same next suggestion, in a fresh
 * process as in one that has lived through the log (the Gaussian process refits only at fixed counts,
 * and always from the same start). Several asked trials may be pending at once; they are conditioned
 * on, so parallel workers get different points. Values are minimised; the caller negates scores to be
 * maximised.
 *
 * A trial may have steps (epochs, rounds): it is measured while it runs, and a stopping rule says which
 * trials go on. Under ASHA and Hyperband a trial pauses at its rung and a later search_suggest may hand
 * it out again to be continued; under the median rule search_should_stop says when to give one up.
 *
 * Owns copies of everything it is told; borrows the space. One thread at a time per search.
 * Not for: storing history (sql/), running trials (tune/).
 */
#ifndef ATTUNE_SEARCH_SEARCH_H
#define ATTUNE_SEARCH_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/space.h"

#define SEARCH_OBJECTIVES_MAX 4
#define SEARCH_CONSTRAINTS_MAX 8

struct search;

/* What becomes of trials that do not promise much. */
enum search_stopping
{
  SEARCH_STOPPING_NONE,     /* they run to their end */
  SEARCH_STOPPING_MEDIAN,   /* worse than the median of the others at that step: stop */
  SEARCH_STOPPING_ASHA,     /* pause at each rung; the best 1/eta of a rung go on */
  SEARCH_STOPPING_HYPERBAND /* as ASHA, in brackets that start at different rungs */
};

struct search_spec
{
  const char *method; /* a name from search_methods() or search_step_methods(); "bayes" is the
                         default of the API */
  const struct space *space;
  uint64_t seed;
  size_t
    expected_trials; /* the budget in trials, or 0 when unknown; where trials pause at rungs, in
                             full runs' worth of steps */
  size_t grid_resolution; /* points per continuous parameter of a grid; 0 = chosen so that the grid
                             fits expected_trials (else 5) */
  const double *first_points; /* first_count × space->count: asked before anything else, such as the
                                 families' tuned defaults; copied */
  size_t first_count;
  /* What an earlier search on the same space found, of this task or a related one: prior_count points
   * (× space->count, made legal) and their values, lower being better, in whatever units; copied.
   * The Bayesian method believes them as far as its own trials bear them out. */
  const double *prior_points;
  const double *prior_values;
  size_t prior_count;
  size_t objective_count; /* 0 and 1 = one; at most SEARCH_OBJECTIVES_MAX */
  size_t
    constraint_count; /* at most SEARCH_CONSTRAINTS_MAX; a trial is feasible when the values of all
                              its constraints are ≤ 0 */
  enum search_stopping stopping;
  double least_steps; /* the first rung, and where the median rule begins; 0 = one step */
  double most_steps;  /* of a full run; 0 = trials have no steps (no stopping rule then) */
  double eta;         /* each rung is eta times the one below; 0 = 3, else 2 … 100 */
};

/* A belief about a number with a log scale that goes by other parameters: where it holds,
 * log10 (good value) ~ N(mean + Σ factor · log10 (another parameter, or 1 less it), sd). */
#define SEARCH_BELIEF_PARTS 2
struct search_belief
{
  size_t param;
  double mean, sd;
  struct
  {
    size_t param; /* a choice of any kind … */
    double value; /* … that must have this stored value */
  } when[SEARCH_BELIEF_PARTS];
  size_t when_count;
  struct
  {
    size_t param; /* a number above 0, or below 1 */
    double factor;
    bool rest; /* of 1 less it */
  } shifts[SEARCH_BELIEF_PARTS];
  size_t shift_count;
};

/* Names of the methods that every search can use, NULL-terminated, with a sentence each; and of those
 * that stand for random points under the stopping rule of the same name, for trials with steps. */
struct search_method_info
{
  const char *name;
  const char *help;
};
const struct search_method_info *search_methods(void);
const struct search_method_info *search_step_methods(void);

/* The names of both, NULL-terminated, in the arena; NULL when out of memory. */
const char **search_method_names(struct arena *arena);

/* How many points the grid of a spec has. ERR_INVALID beyond the limit, as for search_new. */
enum err search_grid_size(const struct search_spec *spec, size_t *count, struct err_info *info);

/* ERR_INVALID with a sentence (unknown method, a grid beyond the limit, steps or counts that make no
 * sense). A space without a choice has one point,
 * asked once. */
enum err search_new(const struct search_spec *spec, struct search **search, struct err_info *info);
void search_free(struct search *search);

/* Adds a belief to those that the space states (copied): an entry of the log like the others, for the Bayesian
 * method alone. It fades as trials come in and never rules anything out. ERR_INVALID when the parameters are
 * not of those kinds. */
enum err search_believe(struct search *search, const struct search_belief *belief,
                        struct err_info *info);

/* What to run next: a new trial from step 0, or a paused one to be continued, until a step (0 where
 * trials have no steps). */
struct search_suggestion
{
  uint64_t trial;
  bool continued;
  double from_step, until_step;
};

/* Says what to run next, writes its point (space->count doubles) and registers it as pending; a new
 * trial gets the id `next_trial`. ERR_NOT_FOUND when the space is exhausted (a finished grid, or every
 * point of a discrete space) and no trial is paused; ERR_CONFLICT for an id that was used. */
enum err search_suggest(struct search *search, uint64_t next_trial,
                        struct search_suggestion *suggestion, double *point, struct err_info *info);

/* As search_suggest, but only a paused trial whose rung lets it through: for a search that has made all of its
 * trials. ERR_NOT_FOUND when there is none. */
enum err search_promote(struct search *search, struct search_suggestion *suggestion, double *point,
                        struct err_info *info);

/* Whether search_suggest would continue a paused trial now, and which; registers nothing. ERR_MEMORY. */
enum err search_promotes(const struct search *search, bool *promotes, uint64_t *trial,
                         struct err_info *info);

/* As search_suggest, but always a new trial. */
enum err search_ask(struct search *search, uint64_t trial, double *point, struct err_info *info);

/* Puts an ask made earlier (by another process) in the log: the point becomes pending. Replaying
 * search_note_ask for a logged ask leaves the same state as the ask that made it. */
enum err search_note_ask(struct search *search, uint64_t trial, const double *point,
                         struct err_info *info);

/* The same for a continuation: the paused trial becomes pending until its next rung. ERR_NOT_FOUND for a
 * trial that is not paused. */
enum err search_note_continue(struct search *search, uint64_t trial, struct err_info *info);

/* The value of the (first) objective of a pending trial at a step. A value that is not finite fails the
 * trial. At its rung below the full run the trial becomes paused: it is not pending any more.
 * ERR_NOT_FOUND for a trial that is not pending, ERR_CONFLICT for a step not above the trial's last,
 * ERR_INVALID for a step that is not a positive number. */
enum err search_measure(struct search *search, uint64_t trial, double step, double value,
                        struct err_info *info);

/* Whether whoever runs the trial should end its work now: it is paused at its rung, the median rule is
 * against it, or it is not running at all. Under the median rule such a trial is then to be pruned. */
bool search_should_stop(const struct search *search, uint64_t trial);

/* What a trial gave; all values are minimised. */
struct search_result
{
  const double *values;      /* (objective_count) */
  const double *constraints; /* (constraint_count), may be NULL when there is none */
};

/* Ends a pending or paused trial with its result. A number in it that is not finite makes the trial a
 * failed one. ERR_NOT_FOUND for a trial that is neither pending nor paused. */
enum err search_tell_result(struct search *search, uint64_t trial,
                            const struct search_result *result, struct err_info *info);

/* The same for a search of one objective without constraints; ERR_INVALID for any other. */
enum err search_tell(struct search *search, uint64_t trial, double value, struct err_info *info);

/* Ends a pending or paused trial that gave no value: bad there (failed = true, is avoided from now on),
 * or unknown (failed = false: cancelled, lost; it is just forgotten, or counts as pruned if it has
 * reached a rung). */
enum err search_tell_failed(struct search *search, uint64_t trial, bool failed,
                            struct err_info *info);

/* Ends a pending or paused trial for good before its full run; what it measured stays known. */
enum err search_prune(struct search *search, uint64_t trial, struct err_info *info);

/* The best trial told so far, by the first objective and among those that meet the constraints; false
 * when there is none. Outputs may be NULL. */
bool search_best(const struct search *search, uint64_t *trial, double *value, double *point);

/* How many trials the log has. */
size_t search_count(const struct search *search);

/* The feasible trials that no other feasible one beats in one objective without being beaten in
 * another, in the order of their ends, into trials (room for search_count); returns how many. */
size_t search_pareto(const struct search *search, uint64_t *trials);

/* What the model believes at a point: mean and standard deviation in the units of the (first
 * objective's) values. ERR_NOT_FOUND when the method has no model or not enough trials. */
enum err search_predict(struct search *search, const double *point, double *mean, double *sd);

#endif
