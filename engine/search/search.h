/* Hyperparameter search by ask and tell.
 *
 * A search is a deterministic fold over an ordered log of asks, tells and failures: the same spec and
 * the same log give the same next suggestion, in a fresh process as in one that has lived through the
 * log (the Gaussian process refits only at fixed counts, and always from the same start). Several
 * asked trials may be pending at once; they are conditioned on, so parallel workers get different
 * points. Values are minimised; the caller negates scores to be maximised.
 *
 * Owns copies of everything it is told; borrows the space. One thread at a time per search.
 * Not for: storing history (sql/), running trials (tune/).
 */
#ifndef ATTUNE_SEARCH_SEARCH_H
#define ATTUNE_SEARCH_SEARCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/space.h"

struct search;

struct search_spec
{
  const char *method; /* a name from search_methods(); "bayes" is the default of the API */
  const struct space *space;
  uint64_t seed;
  size_t expected_trials; /* the budget in trials, or 0 when unknown */
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
};

/* Names of the methods, NULL-terminated, with a sentence each. */
struct search_method_info
{
  const char *name;
  const char *help;
};
const struct search_method_info *search_methods(void);

/* How many points the grid of a spec has. ERR_INVALID beyond the limit, as for search_new. */
enum err search_grid_size(const struct search_spec *spec, size_t *count, struct err_info *info);

/* ERR_INVALID with a sentence (unknown method, a grid beyond the limit). A space without a choice has one point,
 * asked once. */
enum err search_new(const struct search_spec *spec, struct search **search, struct err_info *info);
void search_free(struct search *search);

/* Writes the next point (space->count doubles) and registers it as pending under `trial`.
 * ERR_NOT_FOUND when the space is exhausted (a finished grid, or every point of a discrete space). */
enum err search_ask(struct search *search, uint64_t trial, double *point, struct err_info *info);

/* Puts an ask made earlier (by another process) in the log: the point becomes pending. Replaying
 * search_note_ask for a logged ask leaves the same state as the search_ask that made it. */
enum err search_note_ask(struct search *search, uint64_t trial, const double *point,
                         struct err_info *info);

/* Ends a pending trial with its value. NaN or infinite counts as failed. `seconds` is what it cost
 * (NaN if unknown). ERR_NOT_FOUND for a trial that is not pending. */
enum err search_tell(struct search *search, uint64_t trial, double value, double seconds,
                     struct err_info *info);

/* Ends a pending trial that gave no value: bad there (failed = true, is avoided from now on), or
 * unknown (failed = false: cancelled, lost; it is just forgotten). */
enum err search_tell_failed(struct search *search, uint64_t trial, bool failed,
                            struct err_info *info);

/* The best trial told so far; false when there is none. Outputs may be NULL. */
bool search_best(const struct search *search, uint64_t *trial, double *value, double *point);

/* What the model believes at a point: mean and standard deviation in the units of the values.
 * ERR_NOT_FOUND when the method has no model or not enough trials. */
enum err search_predict(struct search *search, const double *point, double *mean, double *sd);

#endif
