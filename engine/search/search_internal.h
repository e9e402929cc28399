/* What the methods of a search see of it; for the files of engine/search/ only. */
#ifndef ATTUNE_SEARCH_SEARCH_INTERNAL_H
#define ATTUNE_SEARCH_SEARCH_INTERNAL_H

#include "base/rng.h"
#include "search/fidelity.h"
#include "search/search.h"

enum search_state
{
  SEARCH_PENDING,
  SEARCH_PAUSED, /* at its rung, waiting to be continued */
  SEARCH_DONE,
  SEARCH_FAILED,
  SEARCH_PRUNED, /* ended before its full run; what it measured counts */
  SEARCH_FORGOTTEN
};

struct search_measured
{
  double step, value;
};

/* A value that a trial with steps had at a rung, or at its end (the last rung); NaN: it failed there. */
struct search_observed
{
  size_t trial, rung;
  double value;
};

struct search_trial
{
  uint64_t id;
  enum search_state state;
  bool planned;  /* one of the first points */
  bool feasible; /* of a done trial: it meets the constraints */
  double value;  /* of a done trial: its first objective */
  /* Where trials have steps (fidelity.h) */
  size_t bracket;
  size_t target;  /* the rung it runs to */
  size_t reached; /* rungs reached so far */
  struct search_measured *curve;
  size_t curve_count, curve_capacity;
};

struct surrogate;

/* A way of choosing points. `state` is the method's own; every choice follows from the log alone. */
struct search_kind
{
  const char *name;
  enum err (*start)(const struct search *search, void **state, struct err_info *info);
  void (*stop)(void *state);
  enum err (*ask)(const struct search *search, void *state, double *point, struct err_info *info);
  /* The paused trial that is to be continued now, or SIZE_MAX; NULL = as the stopping rule says. */
  enum err (*advance)(const struct search *search, void *state, size_t *trial);
  enum err (*predict)(const struct search *search, void *state, const double *point, double *mean,
                      double *sd);
  /* The model that the method keeps of the log; NULL where it has none. */
  struct surrogate *(*surrogate)(void *state);
};

extern const struct search_kind search_kind_bayes;
extern const struct search_kind search_kind_random;
extern const struct search_kind search_kind_sobol;
extern const struct search_kind search_kind_grid;
extern const struct search_kind search_kind_tpe;

struct search
{
  const struct search_kind *kind;
  void *state;
  const struct space *space;
  uint64_t seed;
  size_t expected_trials;
  size_t grid_resolution;
  double *first_points; /* (first_count, space->count), repaired */
  size_t first_count;
  double *prior_points; /* (prior_count, space->count), repaired, best first */
  double *prior_values; /* (prior_count), finite */
  size_t prior_count;
  double cardinality;
  size_t objective_count, constraint_count;
  struct fidelity fidelity;
  struct search_belief *beliefs; /* (belief_count) */
  size_t belief_count;

  /* The log: trials in the order of their asks, and those with a value or failure in the order of
   * their tells. */
  struct search_trial *trials; /* (count) */
  double *points;              /* (count, space->count) */
  double *results;             /* (count, objectives then constraints), of done trials */
  double *rungs;               /* (count, fidelity.count): the value at each rung reached */
  size_t count, capacity;
  size_t *ended; /* (ended_count) indexes of trials done or failed */
  size_t ended_count;
  /* Where trials have steps, the values by which they are known, in the order of the log. */
  struct search_observed *observed; /* (observed_count) */
  size_t observed_count, observed_capacity;
};

static inline const double *
search_point(const struct search *search, size_t trial)
{
  return search->points + trial * search->space->count;
}

/* Objectives and constraints of a done trial. */
static inline const double *
search_results(const struct search *search, size_t trial)
{
  return search->results + trial * (search->objective_count + search->constraint_count);
}

/* Whether an ended trial's point and value are to count as a success. */
static inline bool
search_is_success(const struct search_trial *trial)
{
  return trial->state == SEARCH_DONE && trial->feasible;
}

/* Makes room for one more observation. */
enum err search_reserve_observed(struct search *search);

/* Whether a trial is still to give its value: what its full run is foretold to give counts as known. */
static inline bool
search_is_open(const struct search_trial *trial)
{
  return trial->state == SEARCH_PENDING || trial->state == SEARCH_PAUSED;
}
size_t search_open_count(const struct search *search);

/* Asks so far that were the method's own choice: the number of the next one. */
size_t search_own_count(const struct search *search);

/* How many trials say where good points are: done and failed ones, and those that have shown something at a rung. */
size_t search_known_count(const struct search *search);

/* The points that are taken (all but forgotten ones), for a quick look-up. */
struct search_seen
{
  const struct search *search;
  size_t *slots; /* index of a trial + 1; 0 = empty */
  size_t slot_count;
  size_t count; /* distinct points */
};

enum err search_seen_init(struct search_seen *seen, const struct search *search);
void search_seen_clear(struct search_seen *seen);
bool search_seen_has(const struct search_seen *seen, const double *point);

/* A random point that is not taken. ERR_NOT_FOUND when there is none left. */
enum err search_draw_unseen(const struct search *search, const struct search_seen *seen,
                            struct rng *rng, double *point);

#endif
