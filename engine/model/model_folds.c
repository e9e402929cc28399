#include <config.h>

#include "model/model_folds.h"

#include <stdlib.h>
#include <string.h>

static int
fold_of(const struct model *member)
{
  struct model_about about;

  model_about(member, &about);
  return about.fold;
}

bool
model_has_folds(const struct model *model, size_t folds)
{
  struct model_about about;
  bool seen[256] = {false};
  double weight;

  model_about(model, &about);
  for (size_t i = 0; i < about.member_count; i++)
  {
    int fold = fold_of(model_member(model, i, &weight));
    if (fold < 0 || fold > 255)
      return false;
    seen[fold] = true;
  }
  for (size_t f = 0; f < folds; f++)
    if (f > 255 || !seen[f])
      return false;
  return true;
}

enum err
model_predict_fold(const struct model *model, int fold, struct model_workspace *workspace,
                   const struct dataset *dataset, const size_t *rows, size_t count, float *out,
                   struct err_info *info)
{
  struct model_about about;
  double weight, total = 0.0;
  enum err rc = ERR_OK;

  model_about(model, &about);
  for (size_t i = 0; i < about.member_count; i++)
    if (fold_of(model_member(model, i, &weight)) == fold)
    {
      model_member(model, i, &weight);
      total += weight;
    }
  if (!(total > 0.0))
    return err_set(info, ERR_INVALID, "the model has no member of fold %d", fold);
  size_t values = count * about.task->output_count;
  float *one = malloc((values + 1) * sizeof *one);
  if (!one)
    return err_set(info, ERR_MEMORY, "no memory for predictions");
  memset(out, 0, values * sizeof *out);
  for (size_t i = 0; rc == ERR_OK && i < about.member_count; i++)
  {
    const struct model *member = model_member(model, i, &weight);
    if (fold_of(member) != fold)
      continue;
    rc = model_predict_dataset(member, workspace, dataset, rows, count, one, info);
    for (size_t j = 0; rc == ERR_OK && j < values; j++)
      out[j] += (float) (weight / total) * one[j];
  }
  /* A member alone has been tempered on its way. */
  if (rc == ERR_OK && model_member(model, 0, &weight) != model && about.temperature != 1.0)
    model_temper(about.temperature, about.task->class_count, count, out);
  free(one);
  return rc;
}
