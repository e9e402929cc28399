#include <config.h>

#include "tune/tune_long_internal.h"

#include <math.h>

#include "model/family.h"

/* Sweeps over the rows after which a wider network is worth more than further sweeps. (Fashion-MNIST, fp32, rows held
 * out: 46 sweeps of 16 maps 0.9387 right, log loss 0.240, in the time of 12 of 32 maps, 0.9366 and 0.249. Jobs whose two
 * long fits were 25 sweeps of 48 maps came to 0.9428, with 28 of 16 maps, a sixth of the time, to 0.9422.) */
#define WIDEN_EPOCHS 40.0
/* A fit is given so many times the sweeps foreseen: the clock shortens its schedule where that is too many, while
 * nothing would make it longer; a wide network may take less for each operation than any that was tried. */
#define SWEEPS_ASKED 2.0

/* ---- its mirror images ------------------------------------------------------------------------------- */

/* The least objective of the family's trials that see mirror images, or of the first ones that don't; INFINITY without
 * one. */
static double
least_objective(const struct tune_study *study, size_t family, bool mirrored)
{
  double least = INFINITY;

  for (size_t t = 1; t < study->noted_count; t++)
  {
    const struct noted *noted = &study->noted[t];
    if (noted->done && noted->repeats == 0 && noted->family == family
        && (mirrored ? noted->passes > 1 : noted->passes == 1 && t <= study->first_count))
      least = fmin(least, noted->objective);
  }
  return least;
}

/* A short fit loses by mirror images, for it sees each image half as often; a long one gains. So the long one sees
 * them, unless short ones lost by more than that, as where left and right mean something. (Fashion-MNIST, fits of 1.3
 * epochs: 6% more errors; of 28: 0.9325 right for 0.9274.) */
static void
mirror(const struct tune_study *study, const struct noted *noted, enum metric metric,
       json_t *params)
{
  const struct space_param *param = long_param_of(study, "cnn", "flip");
  double least = metric_higher_is_better(metric) ? -1.0 : 0.0;
  double with = least_objective(study, noted->family, true) - least,
         without = least_objective(study, noted->family, false) - least;

  if (param != NULL && param->kind == SPACE_CATEGORICAL && param->value_count > 1 && isfinite(with)
      && with <= LONG_CLOSE_LOSS * without)
    json_object_set_new(params, "flip", json_string("yes"));
}

/* ---- its length -------------------------------------------------------------------------------------- */

/* Whether a search of the parameter may come to this number. */
static bool
may_be(const struct space_param *param, double number)
{
  bool listed = false;

  if (param->kind == SPACE_INT)
    return number >= param->low && number <= param->high;
  for (size_t i = 0; param->kind == SPACE_ORDINAL && i < param->value_count; i++)
    listed = listed || param->values[i].number == number;
  return listed;
}

/* The widest network that the job's search could come to and that still makes WIDEN_EPOCHS sweeps in the time, from
 * the width that was found on: at least that one, which makes `epochs` of them at `us` a row. What a wider one takes is
 * judged by the trial that was the quickest for its size, for wide layers keep a processor busier than narrow ones.
 * Returns the sweeps it makes. */
static double
widen(const struct tune_study *study, json_t *params, double us, double epochs)
{
  /* The fast kernels take channels by sixteen: 24 cost nearly what 32 do. */
  static const double widths[] = {8, 12, 16, 32, 48, 64};
  const struct space_param *param = long_param_of(study, "cnn", "filters");
  double found = family_number("cnn", &study->shape, params, "filters"), best = epochs;
  double each = fmin(long_us_per_flop(study), us / long_flops_of(study, params));

  for (size_t i = 0; param != NULL && i < sizeof widths / sizeof widths[0]; i++)
  {
    if (widths[i] <= found || !may_be(param, widths[i]))
      continue;
    json_t *wider = json_deep_copy(params);
    json_object_set_new(wider, "filters", json_integer((json_int_t) widths[i]));
    double possible = epochs * us / (each * long_flops_of(study, wider));
    json_decref(wider);
    if (possible < WIDEN_EPOCHS)
      break;
    json_object_set_new(params, "filters", json_integer((json_int_t) widths[i]));
    best = possible;
  }
  return best;
}

/* Gives the network's parameters the length that the time allows. */
static void
stretch(const struct tune_study *study, const struct noted *noted, double seconds, json_t *params)
{
  double us = long_train_us(noted);
  double usual = family_number("cnn", &study->shape, params, "epochs");
  double most = long_most_epochs(study, "cnn", usual);

  if (!(us > 0) || most < usual)
    return;
  double epochs = widen(study, params, us, seconds / long_sweep_seconds(study, us));
  epochs = fmin(floor(SWEEPS_ASKED * epochs), most);
  if (epochs > usual)
    json_object_set_new(params, "epochs", json_integer((json_int_t) epochs));
}

void
long_grow(const struct tune_study *study, const struct noted *noted, enum metric metric,
          double seconds, json_t *params)
{
  mirror(study, noted, metric, params);
  stretch(study, noted, seconds, params);
}
