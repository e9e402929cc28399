/* What one fit works on, shared by train.c and the fit_*.c of the families. Private to engine/train.
 */
#ifndef ATTUNE_TRAIN_FIT_H
#define ATTUNE_TRAIN_FIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/err.h"
#include "data/encode.h"
#include "data/metric.h"
#include "model/model_build.h"
#include "train/optim.h"
#include "train/schedule.h"
#include "train/train.h"

/* Rows with their labels. Tables are encoded; images stay bytes and are scaled batch by batch. */
struct fit_rows
{
  size_t count;
  size_t width;
  float *x;              /* tables: (count, width) */
  const uint8_t *pixels; /* images: of the whole dataset, row numbers in `rows` */
  const size_t *rows;
  const struct model_pixels *scaling;
  int32_t *classes; /* classification: (count) */
  double *values;   /* regression: (count), in natural units */
  float *target;    /* regression: (count), standardised */
  float *weight;    /* (count): of the loss, mean 1; NULL = all 1 */
  double *own;      /* (count): of the scores, as given with the rows; NULL = all 1 */
};

struct fit
{
  const struct train_request *request;
  struct model_data_shape shape;
  size_t outputs; /* classes, or 1 */
  struct fit_rows train, valid;
  double *class_weight; /* (classes): of the loss; NULL = all 1 */
  double *rebalance;    /* (classes): what undoes them in probabilities; NULL = nothing to undo */
  double quantile;      /* level to predict; 0 = the mean */
  struct model_pixels pixels;
  struct model_pixels reduced; /* of images that were reduced beforehand: taken whole */
  uint8_t *reduced_pixels;     /* of the whole dataset; NULL = each is reduced when it is used */
  struct model_target target;
  double started; /* monotonic seconds; of a fit that goes on, earlier by what it has taken */
};

/* What a family hands back: a body (see model_build.h) and how it went. */
struct fit_outcome
{
  void *body;
  size_t epochs, best_epoch;
  double row_us; /* microseconds that training on a row took, on the mean; 0 = nobody measured */
  enum train_stop stop;
  struct buf checkpoint; /* of a pause */
};

enum err fit_linear(const struct fit *fit, struct fit_outcome *outcome, struct err_info *info);
enum err fit_trees(const struct fit *fit, struct fit_outcome *outcome, struct err_info *info);
enum err fit_cnn(struct fit *fit, struct fit_outcome *outcome, struct err_info *info);
enum err fit_mlp(struct fit *fit, struct fit_outcome *outcome, struct err_info *info);

/* What the request says of the data, for the families' tables. ERR_INVALID when its base can be none. */
enum err fit_state_shape(const struct train_request *request, struct model_data_shape *shape,
                         struct err_info *info);

/* Labels, targets and weights of both sets, from the request. */
enum err fit_read_labels(struct fit *fit, struct err_info *info);

/* A parameter's value or its tuned default. */
double fit_number(const struct fit *fit, const char *name);
size_t fit_choice(const struct fit *fit, const char *name);

/* x (n, width) ← rows order[0 … n−1] (NULL: first … first+n−1) of the set. */
void fit_fetch(const struct fit_rows *rows, const size_t *order, size_t first, size_t n, float *x);

double fit_elapsed(const struct fit *fit);
/* Seconds left of max_seconds; INFINITY without a limit. */
double fit_seconds_left(const struct fit *fit);

/* For each step of a network: its loss, which a range test takes before it is looked at (ERR_CANCELLED when that
 * has ended with this step), and then its rate and momentum, by the schedule or by the range test. */
enum err fit_note_loss(const struct fit *fit, double loss, struct err_info *info);
void fit_schedule(const struct fit *fit, enum schedule_kind kind, double t,
                  struct optim_step *step);

/* Tells the caller; ERR_CANCELLED if it says stop. */
enum err fit_report(const struct fit *fit, const struct train_progress *progress,
                    struct err_info *info);

#endif
