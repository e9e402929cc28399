/* Trials that are run in part: rungs and the rules by which trials go on or stop.
 *
 * The rungs of ASHA are least, least·eta, least·eta², … steps, the last of them replaced by the full
 * run; those of Hyperband are most/eta^k, so that every bracket ends with the full run after whole powers
 * of eta. Where both ends are whole numbers the rungs are, too. A trial's value at a rung is the one
 * it measures first at that step or beyond; one that fails on its way to a rung counts there as worse
 * than any.
 *
 * ASHA by promotion (Li et al., "A system for massively parallel hyperparameter tuning", 2020): a trial
 * pauses at its rung; what runs next is the best trial not yet promoted within the best 1/eta of the
 * highest rung that has one, else a new trial. Hyperband (Li et al., 2018) does the same in brackets
 * that are filled in turn, bracket s with ⌈(s_max+1)/(s+1)·eta^s⌉ trials from rung s_max − s on. One
 * trial in twenty, drawn by the seed, never pauses: it shows how well the rungs foretell the end. Where
 * two rungs order their trials differently (rank correlation below 0.6) more than 1/eta are let
 * through. The median rule (Golovin et al., "Google Vizier", 2017) stops a trial whose best value so
 * far is worse than the median of the others' running averages up to that step.
 *
 * Everything here follows from the log alone. Private to engine/search/.
 */
#ifndef ATTUNE_SEARCH_FIDELITY_H
#define ATTUNE_SEARCH_FIDELITY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "search/search.h"

#define FIDELITY_RUNGS_MAX 48

struct fidelity
{
  enum search_stopping stopping;
  double eta;
  double least;
  size_t count;                     /* of rungs; 0 = trials have no steps */
  double steps[FIDELITY_RUNGS_MAX]; /* rising; the last is a full run */
};

/* ERR_INVALID with a sentence for steps that make no sense. */
enum err fidelity_init(struct fidelity *fidelity, const struct search_spec *spec,
                       enum search_stopping stopping, struct err_info *info);

/* Whether trials pause at rungs. */
static inline bool
fidelity_pauses(const struct fidelity *fidelity)
{
  return fidelity->stopping == SEARCH_STOPPING_ASHA
         || fidelity->stopping == SEARCH_STOPPING_HYPERBAND;
}

/* Gives the log's newest trial its bracket and its first rung. */
void fidelity_start(struct search *search, size_t trial);

/* The step a trial runs to; 0 where trials have no steps. */
double fidelity_until(const struct search *search, size_t trial);

/* Sends a paused trial to its next rung. */
void fidelity_continue(struct search *search, size_t trial);

/* Takes a finite measurement in; whether the trial pauses now. */
bool fidelity_measure(struct search *search, size_t trial, double step, double value);

/* Whether a model of the values has to know how far trials have come. */
static inline bool
fidelity_is_modelled(const struct fidelity *fidelity)
{
  return fidelity->count > 1 && fidelity->stopping != SEARCH_STOPPING_NONE;
}

/* For each rung (fidelity.count) what is to be added to its values to be like those of full runs: the
 * sum of the median gains from rung to rung among the first n observations. ERR_MEMORY. */
enum err fidelity_offsets(const struct search *search, size_t n, double *offsets);

/* Where a rung lies between the first (0) and the full run (1) on a scale of log steps. */
double fidelity_coordinate(const struct search *search, size_t rung);

/* Steps run so far, those of pending trials until their rungs included. */
double fidelity_spent(const struct search *search);

/* A trial's value at a rung; INFINITY where it failed on its way there; NaN where it has not been. */
double fidelity_value(const struct search *search, size_t trial, size_t rung);

/* The trial that the rule promotes now, or SIZE_MAX. */
size_t fidelity_promotion(const struct search *search);

/* The paused trial that is furthest on, the best of these, or SIZE_MAX: for when nothing else is left. */
size_t fidelity_furthest(const struct search *search);

/* How well a rung orders the trials that also reached the next one: Spearman's rank correlation; NaN
 * with fewer than FIDELITY_RANKED of them. */
#define FIDELITY_RANKED 6
double fidelity_agreement(const struct search *search, size_t rung);

/* Whether the median rule is against a pending trial. */
bool fidelity_median_stops(const struct search *search, size_t trial);

#endif
