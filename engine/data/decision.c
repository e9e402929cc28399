#include <config.h>

#include "data/decision.h"

size_t
decision_class(const struct decision *decision, const float *outputs, size_t count)
{
  size_t best = 0;
  if (decision != NULL && decision->has_threshold && count == 2)
    return (double) outputs[1] >= decision->threshold;
  const double *factors = decision != NULL ? decision->factors : NULL;
  if (factors == NULL)
  {
    for (size_t k = 1; k < count; k++)
      if (outputs[k] > outputs[best])
        best = k;
    return best;
  }
  for (size_t k = 1; k < count; k++)
    if ((double) outputs[k] * factors[k] > (double) outputs[best] * factors[best])
      best = k;
  return best;
}

double
decision_threshold(const struct decision *decision)
{
  return decision != NULL && decision->has_threshold ? decision->threshold : 0.5;
}
