/* What a study is to search for: the form that is stored as its spec.
 *
 * {"space": {…}, "directions": ["minimize"], "method": "bayes", "seed": 7, "max_trials": 100,
 *  "early_stopping": "asha", "steps": {"min": 1, "max": 27, "eta": 3}, "constraints": ["size"],
 *  "stop_when": {"expected_gain": 0.01}, "trial_timeout_s": 3600, "warm_start_from": "st_…", "warm_start": {"points": [[…]], "values": […]}}
 *
 * The space is kept as it was sent: its order is that of every point in the study's log.
 */
#ifndef ATTUNE_SERVER_STUDY_SPEC_H
#define ATTUNE_SERVER_STUDY_SPEC_H

#include <jansson.h>

#include "base/json.h"
#include "base/space.h"
#include "search/gain.h"
#include "search/search.h"
#include "server/server.h"

struct study_spec
{
  struct space *space;
  const char *method;
  uint64_t seed;
  size_t max_trials; /* 0 = no end */
  size_t direction_count;
  bool maximize[SEARCH_OBJECTIVES_MAX];
  enum search_stopping stopping;
  double least_steps, most_steps, eta; /* most_steps 0 = trials have no steps */
  size_t constraint_count;
  const char *constraints[SEARCH_CONSTRAINTS_MAX];
  double trial_timeout_s; /* 0 = never */
  struct search_stop_rule stop_when;
  const double *prior_points, *prior_values;
  size_t prior_count;
};

/* The form of what a caller sent, with every default filled in but the seed (new reference); NULL when it is no object.
 * Every fault is told, members that are none of a study's too; the form lacks what is faulty, so that the rest can be
 * read and its faults told as well. */
json_t *study_spec_form(const json_t *request, const struct server_limits *limits,
                        struct json_faults *faults);

/* Reads a form into the arena, faults as above. ERR_INVALID when there are any, also from before. */
enum err study_spec_read(const json_t *form, struct arena *arena, struct study_spec *spec,
                         struct json_faults *faults);

/* Whether its trials pause at rungs. */
bool study_spec_pauses(const struct study_spec *spec);

/* The search it asks for; borrows the spec's space. */
enum err study_spec_search(const struct study_spec *spec, struct search **search,
                           struct err_info *info);

#endif
