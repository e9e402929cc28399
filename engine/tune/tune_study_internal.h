/* Shared by the files of a study: tune_study.c (the log), tune_study_cost.c, tune_study_next.c. */
#ifndef ATTUNE_TUNE_TUNE_STUDY_INTERNAL_H
#define ATTUNE_TUNE_TUNE_STUDY_INTERNAL_H

#include "search/search.h"
#include "tune/tune_rungs.h"
#include "tune/tune_study.h"

/* Trial numbers of points that are looked at but not taken. */
#define PASSED_OVER_BASE (UINT64_C(1) << 62)

struct family_cost
{
  double estimate_s; /* of one trial, by the family's own model */
  double total_s;    /* measured */
  double trials;     /* over so many trials' worth of work */
  double train_us;   /* the least that training on a row once took in a trial; 0 = not measured */
  size_t asked, done;
};

/* A trial of the log. */
struct noted
{
  size_t family;     /* index + 1; 0 = no such trial */
  bool first;        /* of its family: it goes from rung to rung without a question */
  bool paused;       /* at `rung` */
  bool ended;        /* done, failed, cancelled or pruned */
  bool done, within; /* told of; within the job's limits */
  size_t
    repeats; /* number of the earlier trial at the same point (tune_long.h, tune_repeat.h); 0 = none */
  size_t rung, epochs;   /* epochs: of a whole fit */
  double objective;      /* at the rung, or at its end */
  double passes;         /* over a row in a prediction: two where its mirror image counts, too */
  double flops;          /* of a convolutional network's pass; 0 of others */
  size_t depth;          /* convolutions of such a network one after another */
  double us_per_row;     /* of a prediction, once it is done */
  double train_us;       /* of training on a row, once it is done; 0 = unknown */
  double seconds, share; /* counted in its family's costs: CPU seconds, part of a trial */
};

struct tune_study
{
  const struct job_spec *spec;
  struct search *search;
  struct family_cost *costs; /* by spec->families */
  double *point, *second;    /* of the next suggestion; in its place if nothing better comes */
  uint64_t wanted;           /* families, by bit, that tune_long_wants; the search was told so */
  size_t done, failed, asked;
  struct model_data_shape shape;
  size_t first_count;       /* points that are set beforehand */
  struct noted usual;       /* what the convolutional network of the defaults computes; no trial */
  size_t folds, train_rows; /* fits of a trial, and rows of each */
  double long_fit_s;        /* that each fit of a trial at length will have; 0 = not known yet */
  struct tune_rungs rungs;
  struct noted *noted; /* by trial number */
  size_t noted_count;
  uint64_t pending; /* trial whose ask the search has made but the log not yet told; 0 = none */
  bool spoiled;     /* the search has seen what the log does not say: rebuild before the next ask */
  struct tune_entry *log;
  size_t log_count, log_capacity;
};

/* Whether the job's last fits are long ones. */
bool study_ends_long(const struct tune_study *study);

/* Looks anew which families' short trials are of use. */
void study_renew_wanted(struct tune_study *study);

/* The family of a point: its index in the spec. */
size_t study_family_index(const struct job_spec *spec, const double *point);

/* Suggests a further trial at an earlier one's point, which is predicted to take as long; the parameters are the
 * caller's. ERR_INTERNAL when the log does not have the trial. */
enum err study_suggest_again(struct tune_study *study, uint64_t trial,
                             struct tune_suggestion *suggestion, struct err_info *info);

/* point (parameters of the space) ← the defaults of a family, by its index in the spec. */
void study_default_point(const struct job_spec *spec, size_t family, double *point);

/* Notes what the convolutional network of the defaults computes; point (parameters of the space) is scratch.
 * ERR_MEMORY. */
enum err study_note_usual(struct tune_study *study, double *point, struct err_info *info);

/* Notes what a trial with these parameters computes for a row. */
void study_note_network(const struct tune_study *study, const char *family, const json_t *params,
                        struct noted *noted);

/* Back to the state that the log alone gives. */
enum err study_rebuild(struct tune_study *study, struct err_info *info);

/* Takes in what an entry says of a trial's cost so far: the work that is new in it. */
void study_note_cost(struct tune_study *study, struct noted *trial, double share, double seconds);

/* Predicted CPU seconds of a whole trial of the family. */
double study_cost_of(const struct tune_study *study, size_t family);

/* Predicted wall seconds of a new trial of the family. */
double study_new_s(const struct tune_study *study, size_t family,
                   const struct tune_situation *situation);

/* Whether a new trial of the family, or a paused one, would be whole before the search must end. */
bool study_new_in_time(const struct tune_study *study, size_t family,
                       const struct tune_situation *situation);
bool study_paused_in_time(const struct tune_study *study, const struct noted *trial,
                          const struct tune_situation *situation);

#endif
