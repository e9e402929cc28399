/* The hyperparameters of the families: legal ranges, search ranges, tuned defaults.
 *
 * One table per family says for each hyperparameter what is legal at all (what a job may fix it to)
 * and what is searched unless the job says otherwise. The published space, the check of a job's
 * overrides and the trainers all read the same table. Constant data; any thread.
 */
#ifndef ATTUNE_MODEL_FAMILY_H
#define ATTUNE_MODEL_FAMILY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/err.h"
#include "model/model.h"

enum family_param_kind
{
  FAMILY_FLOAT,
  FAMILY_INT,
  FAMILY_ORDINAL, /* integers out of `values` are searched; any integer in the legal range may be fixed */
  FAMILY_CHOICE
};

struct family_param
{
  const char *name;
  const char *help; /* one sentence */
  enum family_param_kind kind;
  bool log_scale;
  bool searched; /* false: published as a plain value, which a job may override */
  double legal_low, legal_high;
  double low, high;                                      /* searched range */
  double fallback;                                       /* tuned default; an index for a choice */
  double (*tuned)(const struct model_data_shape *shape); /* overrides fallback when not NULL */
  bool (*settled)(
    const struct model_data_shape *shape); /* true: not searched after all; NULL = never */
  const char *const *choices;              /* NULL-terminated */
  unsigned
    searched_choices;    /* those searched, FAMILY_CHOSEN of each; all may be asked for; 0 = all */
  const double *values;  /* ends with 0 */
  const char *when_name; /* active only if that choice is one of … */
  const char *const *when_choices; /* … these, NULL-terminated */
  int kinds;                       /* FAMILY_FOR_… and FAMILY_WITH… flags */
  bool later; /* not in the first release: a stored space that is whole without it stays as it is */
};

#define FAMILY_FOR_TABLES 1
#define FAMILY_FOR_IMAGES 2
#define FAMILY_FOR_REGRESSION 4
#define FAMILY_FOR_CLASSES 8
#define FAMILY_FOR_ALL 15
/* Beside the four: only of a fit that starts from another model's body, or only of one that does not. */
#define FAMILY_WITH_BASE 16
#define FAMILY_WITHOUT_BASE 32

#define FAMILY_CHOSEN(index) (1u << (index))

/* The table of a family, ended by one without a name; NULL for an unknown family. */
const struct family_param *family_params(const char *family);

/* Whether a parameter exists for such data (label smoothing means nothing to a regression). */
bool family_param_applies(const struct family_param *param, const struct model_data_shape *shape);

/* The parameter by name if it applies, else NULL. */
const struct family_param *family_param_find(const char *family, const char *name,
                                             const struct model_data_shape *shape);

/* NULL if `value` is legal for the parameter, else a sentence fragment such as "must be a number from
 * 0 to 0.95" written into text. */
const char *family_param_fault(const struct family_param *param, const json_t *value, char *text,
                               size_t size);

/* Checks an object of parameters: every member known and legal. ERR_INVALID names the first fault. */
enum err family_check_params(const char *family, const struct model_data_shape *shape,
                             const json_t *params, struct err_info *info);

/* A parameter's value, its tuned default where `params` (may be NULL) has none. Checked before. */
double family_number(const char *family, const struct model_data_shape *shape, const json_t *params,
                     const char *name);
/* Index of the choice taken. */
size_t family_choice(const char *family, const struct model_data_shape *shape, const json_t *params,
                     const char *name);

/* The space of a family as space JSON, before a job's overrides: its conditions name all choices that a job
 * may ask for (new reference, NULL when out of memory). */
json_t *family_space(const char *family, const struct model_data_shape *shape);

/* All hyperparameters of a family as [{"name", "help", "type", "searched", "default", and "low" and "high" or
 * "choices": what a job may ask for}] (new reference, NULL when out of memory). */
json_t *family_describe(const char *family, const struct model_data_shape *shape);

/* The orders of the choices in the tables below, for the trainers. */
enum family_optimizer
{
  FAMILY_ADAMW,
  FAMILY_ADAM,
  FAMILY_SGD, /* Nesterov */
  FAMILY_HEAVY_BALL,
  FAMILY_RMSPROP
};

enum family_schedule
{
  FAMILY_COSINE,
  FAMILY_ONE_CYCLE,
  FAMILY_CONSTANT,
  FAMILY_STEP,
  FAMILY_CYCLIC,
  FAMILY_SGDR,
  FAMILY_COSLOG4,
  FAMILY_FLAT_COSINE
};

enum family_head_start
{
  FAMILY_HEAD_DISCRIMINANT,
  FAMILY_HEAD_RANDOM
};

enum family_answer
{
  FAMILY_NO,
  FAMILY_YES
};

enum family_precision
{
  FAMILY_AUTO,
  FAMILY_FP32
};

enum family_network
{
  FAMILY_NETWORK_REALMLP,
  FAMILY_NETWORK_PLAIN
};

enum family_embedding
{
  FAMILY_EMBEDDING_PERIODIC,
  FAMILY_EMBEDDING_NONE
};

enum family_loss
{
  FAMILY_LOSS_AUTO, /* by the metric */
  FAMILY_LOSS_SQUARE,
  FAMILY_LOSS_ABSOLUTE,
  FAMILY_LOSS_HUBER
};

#endif
