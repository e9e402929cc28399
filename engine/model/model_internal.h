/* What the files of engine/model share about a model: its parts and the table of kinds. Not for others
 * than engine/model; train/ builds models through model_build.h.
 */
#ifndef ATTUNE_MODEL_MODEL_INTERNAL_H
#define ATTUNE_MODEL_MODEL_INTERNAL_H

#include "base/arena.h"
#include "data/encode.h"
#include "model/model.h"
#include "model/model_build.h"
#include "model/reader.h"

/* What a family's trained body can do. Bodies are immutable. */
struct model_kind
{
  const char *family;
  size_t (*inputs)(const void *body);
  size_t (*outputs)(const void *body); /* columns of a prediction */
  /* out (n, outputs) ← x (n, inputs): probabilities, or values before the target scale. */
  enum err (*predict)(const void *body, struct model_workspace *workspace, const float *x, size_t n,
                      float *out, struct err_info *info);
  void (*importance)(const void *body, double *importance); /* (inputs), not negative */
  void (*save)(const void *body, struct buf *out);
  enum err (*load)(struct reader *reader, void **body, struct err_info *info);
  void (*free)(void *body);
  /* The least version of model files that can hold it; NULL = 1. */
  uint32_t (*file_version)(const void *body);
  /* Bytes that every pass reads, however few rows it is of; NULL = not worth counting. */
  size_t (*pass_bytes)(const void *body);
};

extern const struct model_kind model_linear_kind;
extern const struct model_kind model_trees_kind;
extern const struct model_kind model_mlp_kind;
extern const struct model_kind model_cnn_kind;

/* By family name; NULL for others. */
const struct model_kind *model_kind_find(const char *family);

struct model
{
  const struct model_kind *kind; /* NULL for a bag */
  void *body;
  struct arena *arena; /* owns the task's strings */
  struct task task;
  json_t *params;
  enum dataset_kind input;
  struct row_schema *schema; /* tables; NULL in bags, which show their first member's */
  struct encoder *encoder;   /* tables */
  struct model_pixels pixels;
  struct model_target target;
  const double *rebalance;               /* (classes), in the arena; NULL = none */
  struct decision decision;              /* factors in the arena */
  double temperature;                    /* 1 = none */
  const struct model_interval *interval; /* in the arena; NULL = none */
  const float *
    input_means; /* (input_mean_count) of a linear model's HEAD, in the arena; its body has them in the end */
  size_t input_mean_count;
  struct novelty *
    novelty; /* NULL in bags, which show their first member's, and in files made before it was kept */
  struct model **members; /* bags */
  double *weights;
  size_t member_count;
  int fold; /* −1 = not said */
  size_t file_bytes;
};

/* A model without body, its task copied. */
enum err model_new_empty(const struct task *task, struct model **model, struct err_info *info);

/* *to ← a copy of (classes) factors in the model's arena, checked to be above 0; NULL stays NULL. */
enum err model_copy_factors(struct model *model, const double *from, const double **to,
                            struct err_info *info);

/* Readies a model's encoder for batches of rows of the schema (encoder_bind). ERR_MEMORY. */
enum err model_bind(struct model *model, const struct row_schema *schema, struct err_info *info);

/* HEAD of a model file: all of a model but its encoder and body, as JSON (new reference, NULL when out of memory). */
json_t *model_head_json(const struct model *model);

/* A model with all that the section says, without encoder and body, and the name of its family. ERR_INVALID when it is
 * damaged, ERR_MEMORY. */
enum err model_head_read(const struct reader *section, struct model **model, char family[16],
                         struct err_info *info);

/* ERR_INVALID, with what is wrong with the file. */
enum err model_damaged(struct err_info *info, const char *what);

/* As model_predict_table for a model of tables, but column c of row i says nothing where hidden[i · columns + c]:
 * the middle of its training values for linear models and networks, a missing value for trees. Columns are
 * the encoder's; those of a bag's members are the same. */
enum err model_predict_hidden(const struct model *model, struct model_workspace *workspace,
                              const struct table *table, const size_t *rows, const bool *hidden,
                              size_t count, float *out, struct err_info *info);

/* *x (encoder's width, in the workspace) ← what a model of tables that is no bag sees of one row. */
enum err model_encode_row(const struct model *model, struct model_workspace *workspace,
                          const struct table *table, size_t row, float **x, struct err_info *info);

/* ---- scratch memory ------------------------------------------------------------------------------- */

enum workspace_slot
{
  SLOT_FEATURES, /* encoded rows */
  SLOT_BODY,     /* what a body needs */
  SLOT_MEMBER,   /* one member's predictions */
  SLOT_COUNT
};

struct model_workspace
{
  float *floats[SLOT_COUNT];
  size_t capacity[SLOT_COUNT];
  size_t *rows;
  size_t row_capacity;
};

/* At least `count` floats of a slot, aligned to 64 bytes; NULL when out of memory. */
float *workspace_floats(struct model_workspace *workspace, enum workspace_slot slot, size_t count);
/* The row numbers first … first + count − 1. */
const size_t *workspace_rows(struct model_workspace *workspace, size_t first, size_t count);

#define MODEL_BATCH_ROWS 256
#define MODEL_FOLD_MAX 252

#endif
