#include <config.h>

#include "model/family_params.h"

#include <string.h>

const struct family_param *
family_params(const char *family)
{
  if (strcmp(family, "linear") == 0)
    return family_params_linear;
  if (strcmp(family, "trees") == 0)
    return family_params_trees;
  if (strcmp(family, "mlp") == 0)
    return family_params_mlp;
  if (strcmp(family, "cnn") == 0)
    return family_params_cnn;
  return NULL;
}
