/* Trained models and the table of families that can be trained.
 *
 * A `struct model` is everything a prediction needs: encoder, weights, task, input schema, and where it
 * came from. It is immutable once built, so any number of threads may predict with it at once, each with
 * its own workspace. A model may be a bag: a weighted mean of member models of any family.
 * Training is not here (train/); neither is a cache (server/model_cache).
 */
#ifndef ATTUNE_MODEL_MODEL_H
#define ATTUNE_MODEL_MODEL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/dataset.h"
#include "data/decision.h"
#include "data/novelty.h"
#include "data/row_batch.h"
#include "data/task.h"
#include "model/model_interval.h"

/* ---- families ---------------------------------------------------------------------------------- */

/* The layers that a fit takes over from another model's convolutional body, and the images that body was
 * trained on (model_base.h). */
struct model_base
{
  size_t stages; /* 0 = nothing is taken over */
  size_t blocks, filters, kernel, stride;
  bool pool_first, normalised;
  int activation; /* enum conv_activation */
  size_t height, width, channels;
  size_t seen_height, seen_width; /* what they were reduced to */
};

/* What a family needs to know of the data to state its space and its cost. */
struct model_data_shape
{
  enum dataset_kind kind;
  enum task_kind task;
  size_t rows;
  size_t columns; /* input columns, or pixels × channels */
  size_t encoded; /* numbers that a table's columns become; 0 = as many as columns */
  size_t classes;
  size_t height, width, channels; /* images: their own size */
  size_t characters;              /* of a row's text columns, about */
  bool probabilities;     /* the metric looks at probabilities, not only at the likeliest class */
  struct model_base base; /* convolutional networks: what they start from */
};

/* Steps of a learning-rate range test (train/range_run.h). */
#define MODEL_RANGE_STEPS_LEAST 20
#define MODEL_RANGE_STEPS_MOST 2000

struct model_family
{
  const char *name; /* "linear", "trees", "mlp", "cnn" */
  const char *help; /* one sentence */
  /* NULL if the family can train on such data, else a sentence saying why not. */
  const char *(*refuse)(const struct model_data_shape *shape);
  /* The default space as space JSON, each parameter with "help" and "default" (new reference). */
  json_t *(*default_space)(const struct model_data_shape *shape);
  /* Predicted seconds of one fit of `rows` rows on one core, at the default point; a rough model
   * that the engine corrects by what it measures. */
  double (*cost_estimate)(const struct model_data_shape *shape, size_t rows);
  /* Whether a fit chooses its epoch or rounds by the validation rows it is given. */
  bool stops_on_validation;
  /* Whether a fit is the same whatever its seed. */
  bool exact;
  /* Whether a fit can pause after an epoch and go on later (train.h). A family without rungs always runs
   * in full. */
  bool has_rungs;
  /* Changes of the tuned defaults that a search tries soon after them, as JSON objects of parameters, ended by
   * NULL; NULL = none. What a job's space does not have is left out. */
  const char *const *variants;
};

/* All families, ended by one without a name. */
const struct model_family *model_families(void);
const struct model_family *model_family_find(const char *name);

/* ---- models ------------------------------------------------------------------------------------ */

struct model;

/* What a model says of itself; pointers live as long as the model. */
struct model_about
{
  const char *family;   /* "bag" for a bag */
  const json_t *params; /* the winning point, {"learning_rate":…} */
  const struct task *task;
  enum dataset_kind input;               /* rows of a table, or images */
  const struct row_schema *schema;       /* tables only */
  size_t height, width, channels;        /* images only */
  size_t member_count;                   /* bags: members, else 1 */
  size_t file_bytes;                     /* size when saved, 0 before */
  struct decision decision;              /* how its probabilities become a label */
  double temperature;                    /* of its probabilities; 1 = as they come */
  const struct model_interval *interval; /* numbers only; NULL = it has none */
  const struct novelty *novelty; /* of the data it was made from; NULL = made before it was kept */
  int fold; /* of a job's folds: it has not seen this one's validation rows; −1 = not said */
};

void model_about(const struct model *model, struct model_about *about);
void model_free(struct model *model);

/* Scratch memory of one predicting thread; grows as needed. */
struct model_workspace;
struct model_workspace *model_workspace_new(void);
void model_workspace_free(struct model_workspace *workspace);

/* out (count, output_count) ← rows of a table whose columns are matched by name (rows == NULL: 0 …
 * count−1). A row's numbers do not depend on the others: for networks where kernel_row.h applies, elsewhere up to
 * the last bits. ERR_INVALID when the model wants images. */
enum err model_predict_table(const struct model *model, struct model_workspace *workspace,
                             const struct table *table, const size_t *rows, size_t count,
                             float *out, struct err_info *info);

/* The same of `count` tables of one row each, in one pass. */
enum err model_predict_singles(const struct model *model, struct model_workspace *workspace,
                               const struct table *const *tables, size_t count, float *out,
                               struct err_info *info);

/* Bytes of weights that a pass reads however few rows it is of: what rows that are predicted together share. 0 where
 * that is not worth counting, or where a row's last bits could depend on the others. */
size_t model_pass_bytes(const struct model *model);

/* out (count, output_count) ← pixels (count, height, width, channels) of the model's own size. */
enum err model_predict_images(const struct model *model, struct model_workspace *workspace,
                              const uint8_t *pixels, size_t count, float *out,
                              struct err_info *info);

/* Either of the two, for the given rows of a dataset, in batches (bounded memory). */
enum err model_predict_dataset(const struct model *model, struct model_workspace *workspace,
                               const struct dataset *dataset, const size_t *rows, size_t count,
                               float *out, struct err_info *info);

/* A bag of `count` models of the same task and input; takes the members (also on failure). weights
 * sum to 1. A bag of one is that model. */
enum err model_bag_take(struct model **members, const double *weights, size_t count,
                        struct model **bag, struct err_info *info);

/* Says which fold's rows the model has not seen; before it is shared or saved. */
void model_set_fold(struct model *model, int fold);
/* Member `index` of a bag with its weight; of another model itself, weight 1. Borrowed. */
const struct model *model_member(const struct model *model, size_t index, double *weight);

/* How labels are made of its probabilities (copied); before it is shared or saved. ERR_INVALID when the
 * decision does not fit the task. */
enum err model_set_decision(struct model *model, const struct decision *decision,
                            struct err_info *info);

/* Makes its probabilities more or less sure at the end of each prediction (model_temper); 1 takes it back. Before it
 * is shared or saved. ERR_INVALID when it is not between MODEL_TEMPERATURE_LEAST and _MOST, or answers numbers. */
#define MODEL_TEMPERATURE_LEAST 0.05
#define MODEL_TEMPERATURE_MOST 20.0
enum err model_set_temperature(struct model *model, double temperature, struct err_info *info);

/* p (n, classes) ← p to the power 1 / temperature, each row made to sum to 1 (Guo et al., "On calibration of modern
 * neural networks", ICML 2017). The order of a row's classes stays, those below FLT_EPSILON becoming equals. */
void model_temper(double temperature, size_t classes, size_t n, float *p);

/* The intervals around its numbers (copied); before it is shared or saved. ERR_INVALID for a model of classes. */
enum err model_set_interval(struct model *model, const struct model_interval *interval,
                            struct err_info *info);

/* Per-input importance as [{"name","importance"}], summing to 1, sorted: gain for trees, |weight| × spread
 * for linear, first-layer norm for networks, weighted mean for bags; NULL for images (new reference). */
json_t *model_importance(const struct model *model);

/* The file: magic "ATTUNEM1", version, sections with lengths, SHA-256 of it all. Loading checks
 * everything and never trusts a length. Older versions stay readable. */
enum err model_save(const struct model *model, struct buf *out, struct err_info *info);
enum err model_load(const void *bytes, size_t length, struct model **model, struct err_info *info);

#endif
