#include <config.h>

#include "model/family_params.h"

/* The penalty acts on the mean loss, so a belief of fixed strength weakens as rows come in. */
static double
tuned_penalty(const struct model_data_shape *shape)
{
  return family_clip(4.0 / (double) (shape->rows + 1), 1e-5, 0.1);
}

const struct family_param family_params_linear[] = {
  {.name = "penalty",
   .help = "How strongly large weights are punished; more protects against chance patterns.",
   .kind = FAMILY_FLOAT,
   .log_scale = true,
   .searched = true,
   .legal_low = 1e-10,
   .legal_high = 1e4,
   .low = 1e-6,
   .high = 3.0,
   .tuned = tuned_penalty,
   .kinds = FAMILY_FOR_ALL},
  {.name = "l1_ratio",
   .help = "Share of the penalty that drives weights to exactly zero (0 = ridge, 1 = lasso).",
   .kind = FAMILY_FLOAT,
   .searched = true,
   .legal_low = 0.0,
   .legal_high = 1.0,
   .low = 0.0,
   .high = 1.0,
   .fallback = 0.0,
   .kinds = FAMILY_FOR_ALL},
  FAMILY_PARAMS_END};
