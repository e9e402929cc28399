#include <config.h>

#include "tune/tune_prior.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/space_json.h"
#include "model/family.h"
#include "train/range_run.h"
#include "tune/tune_study.h"

#define NAME_BYTES 120

/* A family's parameter in the joined space; SIZE_MAX when it is not there or fixed. */
static size_t
searched_param(const struct job_spec *spec, size_t family, const char *name)
{
  char full[NAME_BYTES];
  snprintf(full, sizeof full, "%s.%s", spec->families[family], name);
  size_t param = space_find(spec->space, full);
  bool fixed = param != SIZE_MAX && spec->space->params[param].kind == SPACE_FIXED;
  return fixed ? SIZE_MAX : param;
}

/* How many tests a family has: one for each optimizer that may be tried. */
static size_t
family_tests(const struct job_spec *spec, size_t family)
{
  size_t rate = searched_param(spec, family, "learning_rate");
  size_t optimizer = searched_param(spec, family, "optimizer");
  if (!range_run_supports(spec->families[family]) || rate == SIZE_MAX)
    return 0;
  const struct space_param *param = &spec->space->params[rate];
  if (param->kind != SPACE_FLOAT || param->scale != SPACE_LOG || param->has_prior)
    return 0;
  return optimizer == SIZE_MAX ? 1 : spec->space->params[optimizer].value_count;
}

size_t
tune_prior_count(const struct job_spec *spec)
{
  size_t count = 0;
  for (size_t i = 0; i < spec->family_count; i++)
    count += family_tests(spec, i);
  return count;
}

void
tune_prior_point(const struct job_spec *spec, size_t test, double *point)
{
  size_t family = 0, choice = space_find(spec->space, "family");
  while (family + 1 < spec->family_count && test >= family_tests(spec, family))
    test -= family_tests(spec, family++);
  for (size_t i = 0; i < spec->space->count; i++)
    point[i] = NAN;
  if (choice != SIZE_MAX)
    point[choice] = (double) family;
  size_t optimizer = searched_param(spec, family, "optimizer");
  if (optimizer != SIZE_MAX)
    point[optimizer] = (double) test;
  space_repair(spec->space, point);
}

static void
add_shift(struct search_belief *belief, size_t param, double factor, bool rest, double reference)
{
  if (param == SIZE_MAX)
    return;
  belief->shifts[belief->shift_count].param = param;
  belief->shifts[belief->shift_count].factor = factor;
  belief->shifts[belief->shift_count++].rest = rest;
  belief->mean -= factor * log10(rest ? 1 - reference : reference);
}

static void
add_when(struct search_belief *belief, const struct space *space, size_t param, const double *point)
{
  if (param == SIZE_MAX || space->params[param].kind == SPACE_FIXED)
    return;
  belief->when[belief->when_count].param = param;
  belief->when[belief->when_count++].value = point[param];
}

enum err
tune_prior_belief(const struct job_spec *spec, const struct model_data_shape *shape,
                  const double *point, double rate, struct search_belief *belief,
                  struct err_info *info)
{
  const char *family;
  json_t *params;
  size_t index = 0;
  enum err err = tune_point_params(spec, point, &family, &params, info);
  if (err != ERR_OK)
    return err;
  while (strcmp(spec->families[index], family) != 0)
    index++;
  *belief = (struct search_belief){.param = searched_param(spec, index, "learning_rate"),
                                   .mean = log10(rate),
                                   .sd = TUNE_PRIOR_SD};
  if (family_tests(spec, index) == 0 || !(rate > 0) || isinf(rate))
  {
    json_decref(params);
    return err_set(info, ERR_INVALID, "no range test of family %s can say that", family);
  }
  add_when(belief, spec->space, space_find(spec->space, "family"), point);
  add_when(belief, spec->space, searched_param(spec, index, "optimizer"), point);
  bool adaptive = range_run_is_adaptive(family, shape, params);
  add_shift(belief, searched_param(spec, index, "batch_size"), adaptive ? 0.5 : 1, false,
            family_number(family, shape, params, "batch_size"));
  if (!adaptive)
    add_shift(belief, searched_param(spec, index, "momentum"), 1, true,
              family_number(family, shape, params, "momentum"));
  json_decref(params);
  return ERR_OK;
}
